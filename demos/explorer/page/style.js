// Style transfer: the photo is painted in the style of another picture.
import {thumbnail} from "./api.js";
import {make} from "./dom.js";
import {number} from "./format.js";
import {Stage} from "./stage.js";
import {t} from "./text.js";
import {needsServer} from "./words.js";

let stage = null;

/** Build the view with the styles that the server knows: [{id, title}]. */
export function buildStyle(view, styles, report) {
  const words = {
    title: t("Style"),
    caption: t("In the new style"),
    alt: t("The photo in the new style"),
    start: t("Paint")
  };
  stage = new Stage("style", words, {
    chosen: () => ({style: document.querySelector("#style-view input:checked")?.value}),
    say,
    report
  });
  stage.fill(
    view,
    make("p", {class: "note"}, t("The photo keeps its content, and its textures come from the style picture.")),
    needsServer(t("Style transfer")),
    make("fieldset", {class: "choices"}, make("legend", {}, t("Style picture")), ...styles.map(choiceOf))
  );
}

function choiceOf({id, title}, place) {
  return make(
    "label",
    {class: "choice"},
    make("input", {
      type: "radio",
      name: "style",
      value: id,
      checked: place === 0,
      class: "unseen",
      onchange: () => stage.code.refresh()
    }),
    make("img", {loading: "lazy", src: thumbnail(id), alt: ""}),
    make("span", {}, title)
  );
}

function say(data) {
  return data.loss === undefined
    ? t("Step {step} of {steps}.", data)
    : t("Step {step} of {steps}: loss {loss}.", {...data, loss: number(data.loss)});
}

/** Show the view. */
export function showStyle(state) {
  stage.show(state);
}

export function leaveStyle() {
  stage.picture.stop();
}
