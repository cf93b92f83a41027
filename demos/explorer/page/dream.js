// DeepDream: a layer is chosen, and the photo is changed until that layer sees more of whatever it sees.
import {codePart, showChecks} from "./checks.js";
import {find, make} from "./dom.js";
import {Growing} from "./growing.js";
import {t} from "./text.js";
import {needsServer} from "./words.js";

const parts = {};
let now = null;

/** Build the view. */
export function buildDream(view, report) {
  parts.choice = make("select", {id: "dream-layer", onchange: () => parts.code.refresh()});
  parts.picture = new Growing(t("The dream"), t("The photo as the network dreams it"), report, {
    start: t("Dream"),
    told,
    apart: true
  });
  parts.picture.again = start;
  parts.checks = make("ul", {class: "checks", hidden: true});
  parts.code = codePart(() => ({view: "dream", ...asked()}), report);
  view.replaceChildren(
    make("div", {class: "head"}, make("h2", {}, t("Dream"))),
    make(
      "div",
      {class: "stage"},
      parts.picture.figure,
      make(
        "div",
        {class: "side"},
        make(
          "p",
          {class: "note"},
          t("Each step changes the photo so that the chosen layer answers more strongly: what the layer likes appears.")
        ),
        needsServer("DeepDream"),
        make("p", {}, make("label", {for: "dream-layer"}, `${t("Layer")} `), parts.choice),
        parts.picture.controls,
        parts.checks,
        parts.code.part
      )
    )
  );
}

/** Show the view with the layers of a network. The photo stands in the frame until the dream begins. */
export function showDream(state) {
  if (now?.layers !== state.layers) offer(state);
  now = {...state};
  parts.picture.showFirst(find("photo-img").src);
  parts.picture.note.textContent = t("{title}, before the first step.", {title: state.photo.title});
  parts.code.refresh();
}

function offer(state) {
  const layers = state.layers.filter((layer) => layer.height > 1);
  parts.choice.replaceChildren(...layers.map((layer) => make("option", {value: layer.name}, layer.name)));
  parts.choice.value = state.first;
}

export function leaveDream() {
  parts.picture.stop();
}

function asked() {
  return {photo: now.photo.photo, model: now.model, layer: parts.choice.value};
}

function start() {
  showChecks(parts.checks, []);
  parts.picture.run("dream", asked(), `${now.model}_dream_${parts.choice.value}`);
}

function told(event, data) {
  if (event === "picture") parts.picture.note.textContent = t("Step {step} of {steps}.", data);
  if (event === "done") showChecks(parts.checks, data.checks);
}
