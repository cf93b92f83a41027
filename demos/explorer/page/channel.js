// One channel: its map over the photo, its gradients, its strongest patches, and the picture that it likes best.
import {ask, picture} from "./api.js";
import {codePart, showChecks} from "./checks.js";
import {awaitPicture, enlarge, find, make, pictureFrame, showPicture} from "./dom.js";
import {number} from "./format.js";
import {Growing} from "./growing.js";
import {Latest, pause} from "./latest.js";
import {sentence} from "./message.js";
import {squareAround} from "./photo.js";
import {t} from "./text.js";

const KINDS = [
  ["overlay", t("Map over the photo")],
  ["plain", t("Gradient")],
  ["deconv", t("Deconvnet")],
  ["guided", t("Guided backprop")]
];
const parts = {};
let now = null; // {state, layer, channel}

/** Build the panel. choose(channel) opens a channel. */
export function buildChannel(section, choose, report) {
  parts.pictures = KINDS.map(([kind, caption]) => [
    kind,
    ...pictureFrame(kind === "guided" ? t("Guided") : caption, caption)
  ]);
  parts.synthesis = new Growing(t("What it likes best"), t("The synthesised image that excites the channel"), report, {
    told: (event, data) => toldOfSynthesis(event, data)
  });
  parts.patches = make("div", {class: "patches"});
  parts.patchNote = make("p", {class: "note"});
  parts.numbers = make("p", {class: "note"});
  parts.checks = make("ul", {class: "checks", "aria-label": t("Numbers that prove the pictures"), hidden: true});
  parts.synthesisChecks = make("ul", {
    class: "checks",
    "aria-label": t("Numbers that prove the synthesis"),
    hidden: true
  });
  parts.code = codePart(() => ({view: "channel", ...asked(now)}), report);
  parts.latest = new Latest(report);
  const frames = parts.pictures.map(([, figure]) => figure);
  [parts.cropFigure, parts.crop] = pictureFrame(t("Photo"), t("The photo there"));
  const step = (by) => now && choose((now.channel + by + now.layer.channels) % now.layer.channels);
  section.replaceChildren(
    make(
      "div",
      {class: "head"},
      make("h2", {id: "channel-title"}),
      make(
        "div",
        {class: "row"},
        make("button", {type: "button", "aria-label": t("Previous channel"), onclick: () => step(-1)}, "\u2190"),
        make("button", {type: "button", "aria-label": t("Next channel"), onclick: () => step(1)}, "\u2192")
      )
    ),
    parts.numbers,
    make("div", {class: "pair"}, frames[0], parts.synthesis.figure),
    make("h3", {}, t("The pixels that move its strongest value")),
    make("div", {class: "four"}, parts.cropFigure, ...frames.slice(1)),
    make("h3", {}, t("Patches that excite it most")),
    parts.patchNote,
    parts.patches,
    make("h3", {}, t("Proof")),
    parts.checks,
    parts.synthesisChecks,
    parts.code.part
  );
}

/** Show a channel of a layer. Whatever still runs for the one before is ended. */
export function showChannel(state, layer, channel) {
  now = {state, layer, channel};
  find("channel-title").textContent = t("{layer}, channel {channel}", {layer: layer.name, channel});
  for (const [, , img] of parts.pictures) awaitPicture(img);
  for (const [kind, , img] of parts.pictures) img.alt = altText(kind, layer, channel);
  parts.crop.alt = t("The part of the photo that the strongest unit of channel {channel} sees", {channel});
  parts.synthesis.stop();
  parts.synthesis.img.alt = t("Synthesised image that excites channel {channel} of {layer}", {
    channel,
    layer: layer.name
  });
  awaitPicture(parts.synthesis.img);
  parts.code.refresh();
  find("channel").classList.remove("missing");
  for (const part of [parts.patches, ...parts.pictures.map(([, figure]) => figure)]) part.hidden = false;
  return parts.latest.run(showParts);
}

async function showParts(signal) {
  const missing = []; // the static edition holds some pictures of some channels only
  const orMissing = (part, found) =>
    found.catch((problem) => {
      if (!problem.missing) throw problem;
      missing.push(part);
    });
  await Promise.all([
    showNumbers(signal),
    ...parts.pictures.map(([kind, figure, img]) => orMissing(figure, showKind(kind, img, signal)))
  ]);
  await pause(150, signal); // a reader who only clicks through the channels starts no long work
  synthesise();
  await Promise.all([orMissing(parts.patches, showPatches(signal)), showProof(signal)]);
  if (missing.length) explainMissing(missing);
  for (const part of missing) part.hidden = true;
}

function explainMissing(missing) {
  find("channel").classList.add("missing");
  const nameOf = (part) => (part === parts.patches ? t("Patches") : part.querySelector("figcaption").textContent);
  const names = missing.map(nameOf).join(", ");
  const command = `minicnn explore --model ${now.state.model}`;
  parts.numbers.append(` ${t("Not recorded here: {names}. This command shows them:", {names})} `);
  parts.numbers.append(make("code", {}, command));
}

/** End all work of the panel, as when another view is opened. */
export function leaveChannel() {
  parts.latest.stop();
  parts.synthesis.stop();
}

function altText(kind, layer, channel) {
  const what = KINDS.find(([name]) => name === kind)[1];
  return t("{what}: channel {channel} of {layer}", {what, channel, layer: layer.name});
}

function asked({state, layer, channel}) {
  return {photo: state.photo.photo, model: state.model, layer: layer.name, channel};
}

async function showKind(kind, img, signal) {
  await showPicture(img, await picture("picture", {...asked(now), kind}, signal));
}

async function showNumbers(signal) {
  const found = await ask("channel", asked(now), signal);
  const [row, column] = found.where;
  const rank = found.rank
    ? t(", rank {rank} of {count} in this layer", {rank: found.rank, count: now.layer.channels})
    : "";
  const numbers = {max: number(found.max), row, column, mean: number(found.mean), rank};
  parts.numbers.textContent = t("Maximum {max} at row {row}, column {column}, mean {mean}{rank}.", numbers);
  const part = squareAround(found.box, now.state.network.input);
  await showPicture(parts.crop, find("photo-img").src);
  for (const img of [parts.crop, ...parts.pictures.slice(1).map(([, , one]) => one)]) enlarge(img, part);
}

async function showProof(signal) {
  showChecks(parts.checks, []);
  const found = await ask("channel-checks", asked(now), signal).catch((problem) => {
    if (!problem.missing) throw problem;
  });
  showChecks(parts.checks, found?.checks);
}

function synthesise() {
  const {photo, ...without} = asked(now);
  showChecks(parts.synthesisChecks, []);
  parts.synthesis.note.textContent = "";
  return parts.synthesis.run("synthesis", without, `${without.model}_${without.layer}_${without.channel}`);
}

function toldOfSynthesis(event, data) {
  if (event === "picture")
    parts.synthesis.note.textContent =
      data.score === undefined
        ? t("Step {step} of {steps}", data)
        : t("Step {step} of {steps}: score {score}", {...data, score: number(data.score)});
  if (event !== "done") return;
  showChecks(parts.synthesisChecks, data.checks);
  parts.code.refresh(); // the settings that made the picture are known now
}

async function showPatches(signal) {
  const {photo, ...without} = asked(now);
  parts.patchNote.textContent = "";
  let found = await ask("patches", without, signal);
  while (found.pending) {
    const share = found.progress === undefined ? "" : ` (${Math.round(100 * found.progress)} %)`;
    parts.patchNote.textContent = t("The network looks through the collection, once{share} \u2026", {share});
    parts.patches.replaceChildren();
    await pause(500, signal);
    found = await ask("patches", without, signal);
  }
  parts.patchNote.textContent = sentence(found.note ?? "");
  parts.patches.replaceChildren(
    ...found.patches.map(({src, title, activation}) =>
      make(
        "figure",
        {},
        make("img", {src, alt: t("Patch of {title}", {title}), title}),
        make("figcaption", {}, number(activation))
      )
    )
  );
}
