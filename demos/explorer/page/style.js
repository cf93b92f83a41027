// Style transfer: the photo is painted in the style of another picture.
import {thumbnail} from "./api.js";
import {codePart, showChecks} from "./checks.js";
import {find, make} from "./dom.js";
import {number} from "./format.js";
import {Growing} from "./growing.js";
import {t} from "./text.js";
import {needsServer} from "./words.js";

const parts = {};
let now = null;

/** Build the view with the styles that the server knows: [{id, title}]. */
export function buildStyle(view, styles, report) {
  parts.choices = styles.map(({id, title}, place) =>
    make(
      "label",
      {class: "choice"},
      make("input", {
        type: "radio",
        name: "style",
        value: id,
        checked: place === 0,
        class: "unseen",
        onchange: () => parts.code.refresh()
      }),
      make("img", {loading: "lazy", src: thumbnail(id), alt: ""}),
      make("span", {}, title)
    )
  );
  parts.picture = new Growing(t("In the new style"), t("The photo in the new style"), report, {
    start: t("Paint"),
    told,
    apart: true
  });
  parts.picture.again = start;
  parts.checks = make("ul", {class: "checks", hidden: true});
  parts.code = codePart(() => ({view: "style", ...asked()}), report);
  view.replaceChildren(
    make("div", {class: "head"}, make("h2", {}, t("Style"))),
    make(
      "div",
      {class: "stage"},
      parts.picture.figure,
      make(
        "div",
        {class: "side"},
        make("p", {class: "note"}, t("The photo keeps its content, and its textures come from the style picture.")),
        needsServer(t("Style transfer")),
        make("fieldset", {class: "choices"}, make("legend", {}, t("Style picture")), ...parts.choices),
        parts.picture.controls,
        parts.checks,
        parts.code.part
      )
    )
  );
}

/** Show the view. The photo stands in the frame until the painting begins. */
export function showStyle(state) {
  now = {...state};
  parts.picture.showFirst(find("photo-img").src);
  parts.picture.note.textContent = t("{title}, before the first step.", {title: state.photo.title});
  parts.code.refresh();
}

export function leaveStyle() {
  parts.picture.stop();
}

function asked() {
  const style = document.querySelector("#style-view input:checked")?.value;
  return {photo: now.photo.photo, model: now.model, style};
}

function start() {
  showChecks(parts.checks, []);
  parts.picture.run("style", asked(), `${now.model}_style_${asked().style}`);
}

function told(event, data) {
  if (event === "picture")
    parts.picture.note.textContent =
      data.loss === undefined
        ? t("Step {step} of {steps}.", data)
        : t("Step {step} of {steps}: loss {loss}.", {...data, loss: number(data.loss)});
  if (event === "done") showChecks(parts.checks, data.checks);
}
