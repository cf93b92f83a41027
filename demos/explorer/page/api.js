// The only module that talks to the server. static-api.js answers the same functions without one.
import {t} from "./text.js";

/** Whether this page has a server that computes. */
export const LIVE = true;

const SESSION = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) =>
  byte.toString(16).padStart(2, "0")
).join("");
const KNOWN = JSON.parse(document.getElementById("known").textContent); // the first answers: they came with the page
const sources = new Map(); // photo id -> what was uploaded, to upload it again after the server was restarted
const renewed = new Map(); // photo id -> promise of the id that the restarted server gave to the same photo

/** Something that the user should read: one sentence. */
export class Problem extends Error {}

/** Return the JSON that the server answers. */
export async function ask(path, parameters, signal) {
  const key = `${path}?${new URLSearchParams(parameters)}`;
  if (key in KNOWN) return KNOWN[key];
  return read((await request(path, parameters, {signal})).json(), signal);
}

/** Return the address of a picture that the server makes. */
export async function picture(path, parameters, signal) {
  return URL.createObjectURL(await read((await request(path, parameters, {signal})).blob(), signal));
}

/** Return the address of a small picture of a listed photo. */
export function thumbnail(id) {
  return `/api/thumbnail?${new URLSearchParams({id})}`;
}

/** Return {src, columns, count, height, width, gap, maxima, minima}: all maps of a layer in one picture. */
export async function mapSheet(parameters, signal) {
  const answer = await request("maps", parameters, {signal});
  const numbers = (name) => answer.headers.get(`X-${name}`).split(",").map(Number);
  const [columns, count, height, width, gap] = ["Columns", "Count", "Height", "Width", "Gap"].map(
    (name) => numbers(name)[0]
  );
  return {
    src: URL.createObjectURL(await read(answer.blob(), signal)),
    columns,
    count,
    height,
    width,
    gap,
    maxima: numbers("Maxima"),
    minima: numbers("Minima")
  };
}

/**
 * Open a photo: {id} of a listed one, {file, name} to upload, or {from, photo} that the page sent before a reload.
 * Returns {photo, title, width, height, classes, image}.
 */
export async function sendPhoto(model, source, signal) {
  const {file, name, ...listed} = source;
  const parameters = file ? {model, name: name.slice(0, 200)} : {model, ...listed};
  const answer = await read(
    (await request("photo", parameters, {signal, method: "POST", body: source.file})).json(),
    signal
  );
  remember(answer.photo, model, source);
  return answer;
}

/** Return how the next page can open a photo of this one again. */
export function keptPhoto(photo, source) {
  return source.id ? {id: source.id} : {from: SESSION, photo};
}

/** Send a frame of the camera. Returns as sendPhoto, with `maps`, the sheet of a layer as mapSheet returns it. */
export async function sendFrame(model, layer, file, signal) {
  const answer = await read(
    (await request("frame", {model, layer}, {signal, method: "POST", body: file})).json(),
    signal
  );
  remember(answer.photo, model, {file, name: "camera"});
  return {...answer, maps: {...answer, src: answer.sheet}};
}

/** Yield [event, data] as the server sends them: pictures that grow. An abort of `signal` ends the computation. */
export async function* stream(path, parameters, signal) {
  const answer = await request(path, parameters, {signal});
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const {done, value} = await read(reader.read(), signal);
    if (done) return;
    const blocks = (text + value).replaceAll("\r\n", "\n").split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const event = /^event: ?(.*)$/m.exec(block)?.[1] ?? "message";
      const data = /^data: ?(.*)$/m.exec(block)?.[1];
      if (data === undefined) continue;
      if (event === "problem") throw new Problem(JSON.parse(data).error);
      yield [event, JSON.parse(data)];
    }
  }
}

async function request(path, parameters = {}, options = {}, attempts = 2) {
  const answer = await send(path, parameters, options);
  if (answer.headers.get("Content-Type")?.startsWith("application/json")) {
    const said = await answer.clone().json();
    if (said.lost === "photo" && sources.has(parameters.photo) && attempts > 1) {
      renewed.set(parameters.photo, sendAgain(parameters.photo));
      return request(path, parameters, options, attempts - 1);
    }
    if (said.lost)
      throw Object.assign(new Problem(t("The server no longer has this photo: open it again.")), {lost: true});
    if (said.error) throw new Problem(said.error);
  }
  if (!answer.ok)
    throw new Problem(t("The server answers {status} {text}.", {status: answer.status, text: answer.statusText}));
  return answer;
}

async function send(path, parameters, options) {
  const known = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null);
  const query = new URLSearchParams(known);
  if (renewed.has(parameters.photo)) query.set("photo", await renewed.get(parameters.photo));
  return read(fetch(`/api/${path}?${query}`, {...options, headers: {"X-Session": SESSION}}), options.signal);
}

// A server that ends in the middle of an answer is the user's business, an abort by this page is not.
async function read(promise, signal) {
  try {
    return await promise;
  } catch (problem) {
    if (signal?.aborted) throw problem;
    throw new Problem(t("The server does not answer: start minicnn explore again, then press Try again."));
  }
}

function remember(id, model, source) {
  if (source.from) return; // this page does not have the file
  sources.set(id, {model, source});
  if (sources.size > 8) sources.delete(sources.keys().next().value); // frames of the camera come by the hundred
}

// Requests that lose the photo at the same time share one upload.
const uploads = new Map();
function sendAgain(id) {
  const {model, source} = sources.get(id);
  if (!uploads.has(id)) {
    const upload = sendPhoto(model, source).then((answer) => answer.photo);
    uploads.set(
      id,
      upload.finally(() => uploads.delete(id))
    );
  }
  return uploads.get(id);
}
