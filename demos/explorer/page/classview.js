// One class: where the network sees it, by four methods, and a picture that is changed until the network sees it.
import {ask, picture} from "./api.js";
import {codePart, showChecks} from "./checks.js";
import {awaitPicture, find, make, pictureFrame, showPicture} from "./dom.js";
import {buildFooling, isFooling, offerFooling, stopFooling} from "./fooling.js";
import {number, percent} from "./format.js";
import {Growing} from "./growing.js";
import {Latest, pause} from "./latest.js";
import {t} from "./text.js";

const KINDS = [
  ["saliency", t("Saliency"), t("Bright: a small change of this pixel changes the score most.")],
  ["gradcam", "Grad-CAM", t("Red: the features here speak for the class.")],
  ["relevance", t("Relevance"), t("Red pixels add to the score, blue ones take from it.")],
  ["guided", t("Guided backprop"), t("Only the gradient that helps, at every ReLU: edges and textures.")]
];
const parts = {};
let now = null; // {state, label}

/** Build the view. choose(label) opens another class. */
export function buildClass(view, choose, report) {
  parts.pictures = KINDS.map(([kind, caption]) => [kind, ...pictureFrame(caption, caption)]);
  parts.pictures.forEach(([, figure], place) => figure.append(make("p", {class: "note"}, KINDS[place][2])));
  parts.occlusion = new Growing(t("Occlusion"), t("Occlusion map, row by row"), report, {
    start: t("Again"),
    told: toldOfOcclusion
  });
  parts.occlusion.again = occlude;
  parts.occlusion.controls.before(
    make("p", {class: "note"}, t("Red: a grey square here lowers the probability most."))
  );
  parts.note = make("p", {class: "note"});
  parts.checks = make("ul", {class: "checks", "aria-label": t("Numbers that prove the pictures"), hidden: true});
  parts.code = codePart(() => ({view: "class", ...asked(now)}), report);
  parts.latest = new Latest(report);
  parts.choice = make("select", {id: "class-choice", onchange: () => choose(Number(parts.choice.value))});
  view.replaceChildren(
    make(
      "div",
      {class: "head"},
      make("h2", {id: "class-title"}),
      make("label", {}, `${t("Another class")} `, parts.choice)
    ),
    parts.note,
    make("div", {class: "five"}, ...parts.pictures.map(([, figure]) => figure), parts.occlusion.figure),
    make(
      "div",
      {class: "halves"},
      buildFooling(report, occludeIfMissing),
      make(
        "section",
        {"aria-labelledby": "class-proof"},
        make("h2", {id: "class-proof"}, t("Proof")),
        parts.checks,
        parts.code.part
      )
    )
  );
}

/** Offer the classes of a network. */
export function offerClasses(labels) {
  parts.choice.replaceChildren(...labels.map((label, index) => make("option", {value: index}, label)));
  offerFooling(labels);
}

/** Show a class. */
export function showClass(state, label) {
  now = {state, label};
  const name = state.labels[label];
  find("class-title").textContent = t("Where is the {name}?", {name});
  parts.choice.value = label;
  parts.note.textContent = "";
  for (const [kind, , img] of parts.pictures) {
    img.alt = t("{what} of {name}", {what: KINDS.find(([one]) => one === kind)[1], name});
    awaitPicture(img);
  }
  parts.occlusion.img.alt = t("Occlusion map of {name}", {name});
  awaitPicture(parts.occlusion.img);
  parts.occlusion.note.textContent = "";
  showChecks(parts.checks, []);
  parts.code.refresh();
  offerFooling(state.labels, state);
  find("class-view").classList.remove("missing");
  return parts.latest.run((signal) => showParts(signal).catch(explainMissing));
}

async function showParts(signal) {
  await Promise.all(
    parts.pictures.map(async ([kind, , img]) => showPicture(img, await picture("class", {...asked(now), kind}, signal)))
  );
  await pause(150, signal);
  if (!isFooling()) occlude(); // the server computes one stream for a page: the one that the user has started goes on
  const found = await ask("class-checks", asked(now), signal);
  parts.note.textContent = t("Score {score}, probability {probability}.", {
    score: number(found.score),
    probability: percent(found.probability)
  });
  showChecks(parts.checks, found.checks);
}

// The static edition holds the pictures of the best classes only.
function explainMissing(problem) {
  if (!problem.missing) throw problem;
  find("class-view").classList.add("missing");
  parts.note.textContent = t("The pictures of this class are not recorded here: they need minicnn explore.");
}

function occludeIfMissing() {
  if (parts.occlusion.figure.classList.contains("waiting")) occlude();
}

function occlude() {
  const {state, label} = now;
  parts.occlusion.run("occlusion", asked(now), `${state.model}_occlusion_${state.labels[label]}`);
}

function toldOfOcclusion(event, data) {
  if (event === "done" && data.lowest !== undefined)
    parts.occlusion.note.textContent = t("Hidden at the worst place: {lowest} instead of {probability}.", {
      lowest: percent(data.lowest),
      probability: percent(data.probability)
    });
}

/** End all work of the view. */
export function leaveClass() {
  parts.latest.stop();
  parts.occlusion.stop();
  stopFooling();
}

function asked({state, label}) {
  return {photo: state.photo.photo, model: state.model, label};
}
