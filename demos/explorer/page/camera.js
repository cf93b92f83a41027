// The camera: a frame is sent when the one before is answered. Meanwhile that one is drawn and the next one is taken.
import {LIVE, Problem, sendFrame} from "./api.js";
import {make} from "./dom.js";
import {t} from "./text.js";

const SIDE = 256; // pixels of a frame that is sent: more than the networks read would only take time

/**
 * Return the button. asked() names {model, layer}. show(frame, file, asked, signal) shows the answer to a frame, and
 * ended() is called when the camera is off.
 */
export function cameraButton(asked, show, ended, report) {
  let running = null;
  const button = make("button", {type: "button", id: "camera", "aria-pressed": "false", onclick: toggle}, t("Camera"));

  async function toggle() {
    if (running) return running.abort();
    if (!LIVE)
      return report(new Problem(t("The camera needs minicnn explore on your own computer: nothing computes here.")));
    running = new AbortController();
    button.setAttribute("aria-pressed", "true");
    try {
      await watch(running.signal, asked, show, button);
    } catch (problem) {
      if (!running.signal.aborted) report(explained(problem));
    }
    running = null;
    button.setAttribute("aria-pressed", "false");
    button.textContent = t("Camera");
    ended();
  }
  return {button, stop: () => running?.abort(), isOn: () => Boolean(running)};
}

async function watch(signal, asked, show, button) {
  const media = await navigator.mediaDevices.getUserMedia({video: {width: 320, height: 240}});
  const video = make("video", {muted: true, playsinline: true});
  try {
    video.srcObject = media;
    await video.play();
    let before = performance.now();
    let frames = 0;
    let [file, drawn] = [await grab(video), null];
    while (!signal.aborted) {
      const [sent, wanted] = [file, asked()];
      const found = sendFrame(wanted.model, wanted.layer, sent, signal);
      const [answer, next] = await Promise.all([found, grab(video), drawn]);
      drawn = show(answer, sent, wanted, signal);
      drawn.catch(() => {}); // the next round waits for it, and reports what goes wrong
      file = next;
      frames += 1;
      if (performance.now() - before < 1000) continue;
      button.title = t("Pictures a second");
      button.textContent = t("Stop ({rate}/s)", {
        rate: Math.round((1000 * frames) / (performance.now() - before))
      });
      [before, frames] = [performance.now(), 0];
    }
  } finally {
    for (const track of media.getTracks()) track.stop();
  }
}

function grab(video) {
  const canvas = make("canvas", {width: SIDE, height: SIDE});
  const side = Math.min(video.videoWidth, video.videoHeight);
  canvas
    .getContext("2d")
    .drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, SIDE, SIDE);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
}

function explained(problem) {
  const reasons = {
    NotAllowedError: t("The browser does not allow the camera here."),
    NotFoundError: t("This computer has no camera.")
  };
  return reasons[problem.name] ? new Problem(reasons[problem.name]) : problem;
}
