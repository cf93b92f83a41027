// The frame of the dream and the style view: the photo, changed step by step, and what the user chooses beside it.
import {codePart, showChecks} from "./checks.js";
import {find, make} from "./dom.js";
import {Growing} from "./growing.js";
import {t} from "./text.js";

/** A view with one large picture that grows when the user starts it. */
export class Stage {
  /**
   * kind : name of the stream, "dream" or "style". words : {title, caption, alt, start}, start on the button.
   * chosen() : {name of a parameter: what the user has chosen}. say(data) : the sentence about a step.
   */
  constructor(kind, words, {chosen, say, report}) {
    Object.assign(this, {kind, title: words.title, chosen, say, photo: null});
    this.picture = new Growing(words.caption, words.alt, report, {
      start: words.start,
      told: (event, data) => this.told(event, data),
      apart: true
    });
    this.picture.again = () => this.start();
    this.checks = make("ul", {class: "checks", hidden: true});
    this.code = codePart(() => ({view: kind, ...this.photo, ...chosen()}), report);
  }

  /** Fill the view. `choice` are the elements above the buttons: what this view does, and what can be chosen. */
  fill(view, ...choice) {
    const side = make("div", {class: "side"}, ...choice, this.picture.controls, this.checks, this.code.part);
    view.replaceChildren(
      make("div", {class: "head"}, make("h2", {}, this.title)),
      make("div", {class: "stage"}, this.picture.figure, side)
    );
  }

  /** Show the photo. It stands in the frame until the user starts. */
  show({model, photo}) {
    this.photo = {photo: photo.photo, model};
    this.picture.showFirst(find("photo-img").src);
    this.picture.note.textContent = t("{title}, before the first step.", {title: photo.title});
    showChecks(this.checks, []);
    this.code.refresh();
  }

  start() {
    const chosen = this.chosen();
    showChecks(this.checks, []);
    const name = [this.photo.model, this.kind, ...Object.values(chosen)].join("_");
    this.picture.run(this.kind, {...this.photo, ...chosen}, name);
  }

  told(event, data) {
    if (event === "picture") this.picture.note.textContent = this.say(data);
    if (event === "done") showChecks(this.checks, data.checks);
  }
}
