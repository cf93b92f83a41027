// A picture that grows step by step, as the server streams it, with Stop and Save.
import {stream} from "./api.js";
import {make, pictureFrame, showPicture} from "./dom.js";
import {Latest} from "./latest.js";
import {t} from "./text.js";

/** A figure with a growing picture, its progress, and the buttons Start, Stop and Save. */
export class Growing {
  /**
   * start : label of the button, or null if others start it. told(event, data) is called with each event.
   * apart : whether the caller places `controls`, the buttons and the progress, outside the figure.
   */
  constructor(caption, alt, report, {start = null, told = () => {}, apart = false} = {}) {
    [this.figure, this.img] = pictureFrame(caption, alt);
    this.progress = make("progress", {max: 1, value: 0, "aria-label": t("{caption}: progress", {caption})});
    this.note = make("p", {class: "note"});
    this.stopButton = make("button", {type: "button", disabled: true, onclick: () => this.stop()}, t("Stop"));
    this.saveLink = make("a", {class: "button", hidden: true, download: "minicnn.png"}, t("Save"));
    this.startButton =
      start &&
      make(
        "button",
        {type: "button", class: start === t("Again") ? "" : "primary", onclick: () => this.again?.()},
        start
      );
    this.controls = make(
      "div",
      {class: "controls"},
      this.progress,
      this.note,
      make("div", {class: "row"}, ...[this.startButton, this.stopButton, this.saveLink].filter(Boolean))
    );
    if (!apart) this.figure.append(this.controls);
    this.latest = new Latest((problem) => {
      this.ended();
      if (!problem.missing) return report(problem);
      this.note.textContent = problem.message;
      this.figure.classList.toggle("absent", this.figure.classList.contains("waiting"));
    });
    this.told = told;
  }

  /** Show the stream of an address. A stream that runs already is stopped. Resolves when it has ended. */
  run(path, parameters, name) {
    return this.latest.run(async (signal) => {
      this.begin(name);
      for await (const [event, data] of stream(path, parameters, signal)) {
        if (signal.aborted) return;
        if (data.src) await showPicture(this.img, data.src);
        if (data.steps) this.progress.value = data.step / data.steps;
        if (data.src) this.saveLink.href = data.src;
        if (event === "stopped") this.note.textContent = t("Stopped: another computation has begun.");
        this.told(event, data);
      }
      if (!signal.aborted) this.ended();
    });
  }

  /** Show a picture from which the stream will start, such as the photo. */
  showFirst(address) {
    this.stop();
    this.img.src = address;
    this.img.hidden = false;
    this.saveLink.hidden = true;
    this.saveLink.removeAttribute("href");
    this.figure.classList.remove("waiting");
  }

  begin(name) {
    this.controls.classList.add("running");
    this.figure.classList.remove("absent");
    this.progress.value = 0;
    this.stopButton.disabled = false;
    this.saveLink.hidden = true;
    this.saveLink.removeAttribute("href"); // nothing to save before the first picture
    this.saveLink.download = `${name.replaceAll(/[^\w.-]+/g, "_")}.png`;
  }

  ended() {
    this.controls.classList.remove("running");
    this.stopButton.disabled = true;
    this.saveLink.hidden = !this.saveLink.hasAttribute("href");
  }

  stop() {
    this.latest.stop();
    this.ended();
  }
}
