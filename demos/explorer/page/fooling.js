// "Make it see a …": the photo is changed a little until the network sees another class.
import {LIVE} from "./api.js";
import {showChecks} from "./checks.js";
import {curve} from "./curve.js";
import {find, make, pictureFrame, showPicture} from "./dom.js";
import {number} from "./format.js";
import {Growing} from "./growing.js";
import {t} from "./text.js";
import {needsServer} from "./words.js";

const parts = {};
let margins = [];
let now = null; // {state, labels}

/** Return the part of the class view. ended() is called when a picture is finished. */
export function buildFooling(report, ended) {
  parts.ended = ended;
  parts.choice = make("select", {id: "fooling-choice"});
  parts.picture = new Growing(
    t("The changed photo"),
    t("The photo, changed until the network sees the other class"),
    report,
    {start: t("Start"), told}
  );
  parts.picture.again = start;
  [parts.noiseFigure, parts.noise] = pictureFrame(...Array(2).fill(t("The change, ten times as strong")));
  parts.curve = make("div", {class: "curve-space"});
  parts.checks = make("ul", {class: "checks", "aria-label": t("Numbers that prove the change"), hidden: true});
  parts.said = make("p", {class: "note", role: "status"});
  return make(
    "section",
    {"aria-labelledby": "fooling-title"},
    make("h2", {id: "fooling-title"}, t("Fool it")),
    needsServer(t("Fooling the network")),
    make("p", {}, make("label", {for: "fooling-choice"}, `${t("Make it see a")} `), parts.choice),
    parts.said,
    make("div", {class: "fooling"}, parts.picture.figure, parts.noiseFigure, parts.curve),
    parts.checks
  );
}

/** Offer the classes that the network can be made to see: all but the one that it sees. */
export function offerFooling(labels, state = null) {
  if (now?.labels !== labels)
    parts.choice.replaceChildren(...labels.map((label, index) => make("option", {value: index}, label)));
  now = {state, labels};
  const [seen, next] = (state?.photo.classes ?? []).map(({index}) => index);
  if (!LIVE && next !== undefined) parts.choice.value = next; // its stream is recorded
  if (Number(parts.choice.value) === seen) parts.choice.value = (seen + 1) % labels.length;
  stopFooling();
  if (state) rest();
}

// Before the first step: the photo itself.
function rest() {
  parts.noiseFigure.hidden = true;
  parts.curve.replaceChildren();
  showChecks(parts.checks, []);
  parts.said.textContent = t("A few steps along the gradient are enough: the change is too small to see.");
  parts.picture.showFirst(find("photo-img").src);
}

/** Return whether the network is being fooled. */
export function isFooling() {
  return parts.picture.latest.controller !== null;
}

/** End the computation. */
export function stopFooling() {
  parts.picture.stop();
}

function start() {
  margins = [];
  const {state, labels} = now;
  const label = Number(parts.choice.value);
  parts.picture.run(
    "fooling",
    {photo: state.photo.photo, model: state.model, label},
    `${state.model}_fooling_${labels[label]}`
  );
}

function told(event, data) {
  if (event === "picture") {
    margins.push(data.margin);
    parts.noiseFigure.hidden = false;
    showPicture(parts.noise, data.noise);
    parts.curve.replaceChildren(curve(margins, data.step, t("margin"), Math.max(180, parts.curve.clientWidth)));
    const values = {step: data.step, name: now.labels[parts.choice.value], margin: number(Math.abs(data.margin))};
    parts.said.textContent =
      data.margin > 0
        ? t("Step {step}: the score of {name} is {margin} above the best of the others.", values)
        : t("Step {step}: the score of {name} is {margin} below the best of the others.", values);
  }
  if (event === "done") finish(data);
}

function finish({step, checks}) {
  showChecks(parts.checks, checks);
  const seen = now.labels[parts.choice.value];
  parts.said.textContent =
    margins.at(-1) > 0
      ? t("Fooled after {step} steps: it sees {seen}.", {step, seen})
      : t("It was not fooled in time.");
  parts.ended();
}
