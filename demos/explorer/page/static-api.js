// The answers of the static edition: a recorded server. It takes the place of api.js, and has the same functions.
import {make} from "./dom.js";
import {t} from "./text.js";
import {decoded, overlayPicture, tilePicture} from "./tiles.js";

export const LIVE = false;

/** Something that the user should read: one sentence. */
export class Problem extends Error {}

/** Return the JSON that was recorded. */
export async function ask(path, parameters, signal) {
  return recorded(path, parameters, signal);
}

/** Return the address of a picture that was recorded, or that is made from what is recorded of all channels. */
export async function picture(path, parameters, signal) {
  const {kind, photo, layer, channel} = parameters;
  const made = path === "picture" && {overlay: overlay, guided: guided}[kind];
  return recorded(path, parameters, signal).catch((problem) => {
    if (!problem.missing || !made) throw problem;
    return made({photo, layer}, channel, signal);
  });
}

async function overlay(place, channel, signal) {
  const maps = await recorded("maps", place, signal);
  const {answers} = window.MINICNN_DATA;
  return overlayPicture(maps, channel, await decoded(answers[`photo?id=${place.photo}`].image), answers["colours?"]);
}

async function guided(place, channel, signal) {
  const tiles = await recorded("tiles", {...place, kind: "guided"}, signal);
  const {box} = await recorded("channel", {...place, channel}, signal);
  return tilePicture(tiles, channel, window.MINICNN_DATA.answers["network?"].input, box);
}

// The last step of a synthesis, as a small picture.
async function synthesised({layer, channel}, signal) {
  const tiles = await recorded("tiles", {layer, kind: "synthesis"}, signal);
  const src = await tilePicture(tiles, channel, [128, 128]);
  return [
    ["picture", {step: tiles.steps, steps: tiles.steps, src}],
    ["done", {step: tiles.steps, checks: []}]
  ];
}

/** Return the address of a small picture of a photo. */
export function thumbnail(id) {
  return window.MINICNN_DATA.answers[`thumbnail?id=${id}`] ?? "data:,";
}

/** Return {src, columns, count, height, width, gap, maxima, minima}: all maps of a layer in one picture. */
export async function mapSheet(parameters, signal) {
  return recorded("maps", parameters, signal);
}

/** Open a photo that was recorded. */
export async function sendPhoto(model, source, signal) {
  if (source.file) throw missing(t("Another photo"));
  return recorded("photo", {id: source.id}, signal);
}

/** Return how the next page can open a photo of this one again. */
export function keptPhoto(photo, source) {
  return {id: source.id};
}

/** There is no camera without a server. */
export async function sendFrame() {
  throw missing(t("The camera"));
}

/** Yield the events of a stream that was recorded, one a quarter of a second. */
export async function* stream(path, parameters, signal) {
  const events = await recorded(path, parameters, signal).catch((problem) => {
    if (!problem.missing || path !== "synthesis") throw problem;
    return synthesised(parameters, signal);
  });
  for (const event of events) {
    yield event;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function recorded(path, parameters, signal) {
  const data = window.MINICNN_DATA;
  const key = keyOf(path, parameters);
  const file = fileOf(parameters);
  if (!(key in data.answers) && data.files.includes(file)) await load(file);
  signal?.throwIfAborted();
  const answer = data.answers[key] ?? data.parts[file]?.[key];
  if (answer === undefined) throw missing(t("This"));
  return answer;
}

// The words that every request has are not part of its key: one network is recorded, at one size.
function keyOf(path, parameters = {}) {
  const said = Object.entries(parameters).filter(
    ([name, value]) => !["model", "size", "steps"].includes(name) && value !== undefined
  );
  return `${path}?${said
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join("&")}`;
}

// The file that holds an answer: a photo's number or "all", and a layer's number or "net".
function fileOf({photo, layer} = {}) {
  const {answers} = window.MINICNN_DATA;
  const place = (list, name, found) =>
    name === undefined ? found : list.findIndex((one) => (one.id ?? one.name) === name);
  return `${place(answers["networks?"].photos, photo, "all")}-${place(answers["network?"].layers, layer, "net")}`;
}

const loading = new Map();
function load(file) {
  if (!loading.has(file)) {
    loading.set(
      file,
      new Promise((resolve, reject) => {
        document.head.append(
          make("script", {
            src: `data/${file}.js`,
            onload: resolve,
            onerror: () => reject(new Problem(t("The file data/{file}.js is missing.", {file})))
          })
        );
      })
    );
  }
  return loading.get(file);
}

function missing(what) {
  const problem = new Problem(t("{what} is not recorded here: it needs minicnn explore.", {what}));
  return Object.assign(problem, {missing: true});
}
