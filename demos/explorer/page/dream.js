// DeepDream: a layer is chosen, and the photo is changed until that layer sees more of whatever it sees.
import {make} from "./dom.js";
import {Stage} from "./stage.js";
import {t} from "./text.js";
import {needsServer} from "./words.js";

let stage = null;
let choice = null;
let offered = null; // the layers in the list

/** Build the view. */
export function buildDream(view, report) {
  choice = make("select", {id: "dream-layer", onchange: () => stage.code.refresh()});
  const words = {
    title: t("Dream"),
    caption: t("The dream"),
    alt: t("The photo as the network dreams it"),
    start: t("Dream")
  };
  stage = new Stage("dream", words, {
    chosen: () => ({layer: choice.value}),
    say: (data) => t("Step {step} of {steps}.", data),
    report
  });
  const note = t(
    "Each step changes the photo so that the chosen layer answers more strongly: what the layer likes appears."
  );
  stage.fill(
    view,
    make("p", {class: "note"}, note),
    needsServer("DeepDream"),
    make("p", {}, make("label", {for: "dream-layer"}, `${t("Layer")} `), choice)
  );
}

/** Show the view with the layers of a network. */
export function showDream(state) {
  if (offered !== state.layers) offer(state);
  stage.show(state);
}

function offer({layers, first}) {
  offered = layers;
  const withMaps = layers.filter((layer) => layer.height > 1);
  choice.replaceChildren(...withMaps.map((layer) => make("option", {value: layer.name}, layer.name)));
  choice.value = first;
}

export function leaveDream() {
  stage.picture.stop();
}
