// The explorer: what is shown follows the link, and every choice of the user is a new link.
import {ask, keptPhoto, LIVE, Problem, sendPhoto} from "./api.js";
import {cameraButton} from "./camera.js";
import {buildChannel, leaveChannel, showChannel} from "./channel.js";
import {listClasses} from "./classes.js";
import {buildClass, leaveClass, offerClasses, showClass} from "./classview.js";
import {find, make} from "./dom.js";
import {buildDream, leaveDream, showDream} from "./dream.js";
import {buildHover, showHover} from "./hover.js";
import {Latest} from "./latest.js";
import {listLayers, markLayer} from "./layers.js";
import {readLink, writeLink} from "./links.js";
import {buildMaps, markChannel, showMaps, showSheet, strongest} from "./maps.js";
import {hideProblem, showProblem} from "./message.js";
import {buildPhoto, drawField, showPhoto, shrunk} from "./photo.js";
import {buildStyle, leaveStyle, showStyle} from "./style.js";
import {t} from "./text.js";

// model: name of the network. network: what /api/network says of it. photo: what /api/photo says of the photo, and
// source: how to open that photo again. view, layer, channel, label: what the link says.
const state = {model: null, network: null, photo: null, source: null, view: "channels"};
const VIEWS = {channels: t("Channels"), class: t("Class"), dream: t("Dream"), style: t("Style")};
const report = (problem) => showProblem(problem, follow);
const following = new Latest(report);
const opening = new Latest((problem) => showProblem(problem));
const drawn = {maps: null}; // the photo, network and layer of the maps on the page
let server = null; // what /api/networks says
let camera = null;
let followed = ""; // the link that is shown
let pointed = null; // the position under the pointer

async function start() {
  server = await ask("networks");
  document.body.classList.toggle("recorded", !LIVE);
  fillNetworks();
  camera = cameraButton(
    () => ({model: state.model, layer: state.layer}),
    showFrame,
    () => following.run(show),
    report
  );
  buildPhoto(find("photo"), server.photos, openPhoto, [camera.button]);
  buildMaps(find("maps"), (channel) => go({view: "channels", channel}), probe);
  buildHover(find("maps"));
  buildChannel(find("channel"), (channel) => go({view: "channels", channel}), report);
  buildClass(find("class-view"), (label) => go({view: "class", label}), report);
  buildDream(find("dream-view"), report);
  buildStyle(find("style-view"), server.styles, report);
  for (const id of ["views", "classes"])
    find(id).addEventListener("click", (event) => event.target.closest("a") && bringIntoView("main"));
  find("copy").onclick = copyLink;
  find("skip").onclick = skip;
  window.addEventListener("hashchange", follow);
  state.source = firstPhoto();
  await follow();
}

function fillNetworks() {
  const choice = find("network");
  choice.replaceChildren(...server.networks.map(({name, title}) => make("option", {value: name}, title)));
  choice.onchange = () =>
    go({model: choice.value, view: "channels", layer: undefined, channel: undefined, label: undefined});
}

// A reload shows the photo that was open.
function firstPhoto() {
  const last = JSON.parse(sessionStorage.getItem("opened") ?? "null");
  const known = last?.from || server.photos.some(({id}) => id === last?.id);
  return known ? last : {id: server.photos[0].id};
}

function keepPhoto() {
  sessionStorage.setItem("opened", JSON.stringify(keptPhoto(state.photo.photo, state.source)));
}

/** Go to another view: the link changes, and the page follows it. */
function go(change) {
  const link = writeLink({...state, ...change});
  if (link === location.hash) follow();
  else location.hash = link;
  bringIntoView(change.channel === undefined ? "main" : "channel");
}

// On a narrow screen the new part is below what was touched.
function bringIntoView(id) {
  if (matchMedia("(max-width: 47.9rem)").matches) find(id).scrollIntoView({block: "start"});
}

/** Show what the link says. */
function follow() {
  return following.run(async (signal) => {
    hideProblem();
    followed = location.hash;
    const link = readLink(followed);
    const named = server.networks.find(({name}) => name === link.model);
    const model = (named ?? server.networks.find((network) => network.default) ?? server.networks[0]).name;
    if (model !== state.model || !state.photo) await openNetwork(model, signal);
    const wrong = complete(named ? link : {view: "channels"});
    await show(signal);
    if (link.model && !named)
      showProblem(
        new Problem(t("There is no network {wanted} here: this is {model}.", {wanted: link.model, model}))
      );
    else if (wrong) showProblem(new Problem(wrong));
    else if (state.lost) showProblem(state.lost);
    state.lost = null;
  });
}

async function openNetwork(model, signal) {
  const [network, photo] = await Promise.all([ask("network", {model}, signal), sendFirst(model, signal)]);
  Object.assign(state, {model, network, photo, layer: undefined, channel: undefined, label: undefined});
  if (state.source.from) state.source = keptPhoto(photo.photo, state.source); // this page has it now
  keepPhoto();
  find("network").value = model;
  listLayers(find("layers"), network.layers, (layer) => go({view: "channels", layer, channel: undefined}));
  offerClasses(network.labels);
  showPhotoAndClasses();
}

// The photo that was open before a reload is gone if the server was started again.
async function sendFirst(model, signal) {
  try {
    return await sendPhoto(model, state.source, signal);
  } catch (problem) {
    if (!problem.lost || !state.source.from) throw problem;
    state.source = {id: server.photos[0].id};
    state.lost = problem;
    return sendPhoto(model, state.source, signal);
  }
}

// A link may say less than a view needs, or name what the network does not have. Returns what is wrong, or null.
function complete({view, layer, channel, label}) {
  const known = layerOf(layer);
  const first = state.network.start.layer;
  const last = state.network.labels.length - 1;
  Object.assign(state, {
    view,
    label: Math.min(label ?? state.label ?? state.photo.classes[0]?.index ?? 0, Math.max(0, last))
  });
  if (view !== "channels") {
    state.layer ??= first;
    return label > last && last >= 0
      ? t("{model} has no class {label}: this is class {last}.", {model: state.model, label, last})
      : null;
  }
  Object.assign(state, {
    layer: known ? layer : first,
    channel: known && channel < known.channels ? channel : undefined
  });
  if (layer && !known) return t("{model} has no layer {layer}: this is {first}.", {model: state.model, layer, first});
  return known && channel >= known.channels
    ? t("{layer} has no channel {channel}: this is its strongest one.", {layer, channel})
    : null;
}

function layerOf(name) {
  return state.network?.layers.find((layer) => layer.name === name);
}

async function show(signal) {
  for (const view of Object.keys(VIEWS)) find(`${view}-view`).hidden = view !== state.view;
  listViews();
  markLayer(find("layers"), state.layer);
  const leave = {channels: leaveChannel, class: leaveClass, dream: leaveDream, style: leaveStyle};
  for (const view of Object.keys(VIEWS)) if (view !== state.view) leave[view]();
  if (state.view === "channels") await showChannels(signal);
  else if (state.view === "class") showClass({...state, labels: state.network.labels}, state.label);
  else if (state.view === "dream") showDream({...state, layers: state.network.layers, first: state.layer});
  else showStyle(state);
  if (state.view !== "channels") drawField(null);
  document.body.dataset.shown = location.hash;
}

async function showChannels(signal) {
  const layer = layerOf(state.layer);
  const wanted = [state.photo.photo, state.model, layer.name].join(" ");
  const maps = drawn.maps !== wanted && showMaps(state, layer, signal); // asked for before the channel's pictures
  if (state.channel !== undefined) showChannel({...state}, layer, state.channel);
  if (maps) {
    const maxima = await maps;
    drawn.maps = wanted;
    if (state.channel === undefined) {
      state.channel = maxima.indexOf(Math.max(...maxima));
      showChannel({...state}, layer, state.channel);
    }
  }
  markChannel(state.channel);
  probe(null);
  if (location.hash !== followed) return; // the user has gone on: that link is followed next
  history.replaceState(null, "", writeLink(state));
  followed = location.hash;
  listViews();
}

/** Explain the number at a position of the maps, by default at the strongest of the chosen channel. */
function probe(position) {
  pointed = position;
  const shown = position ?? strongest(state.channel ?? null);
  showHover(shown, state, layerOf(state.layer), state.network.input, camera.isOn());
}

function listViews() {
  const links = find("views");
  if (!links.children.length) links.append(...Object.values(VIEWS).map((title) => make("a", {}, title)));
  Object.keys(VIEWS).forEach((view, place) => {
    links.children[place].hidden = view === "class" && !state.network.labels.length;
    links.children[place].href = writeLink({...state, view});
    links.children[place].setAttribute("aria-current", view === state.view ? "page" : "false");
  });
  for (const link of find("classes").querySelectorAll("a")) {
    link.setAttribute("aria-current", state.view === "class" && link.hash === location.hash);
  }
  document.title = `${decodeURIComponent(location.hash.slice(1))} \u00b7 ${t("minicnn explorer")}`;
}

/** Open a photo: {file, name} or {id}. */
function openPhoto(source) {
  camera.stop();
  return opening.run(async (signal) => {
    if (source.file && server.max_bytes && source.file.size > server.max_bytes) {
      const size = Math.floor(server.max_bytes / 1e6);
      return showProblem(new Problem(t("The file is too large: at most {size} MB.", {size})));
    }
    hideProblem();
    const sent = {...source};
    if (source.file) sent.file = await shrunk(source.file, server.max_pixels);
    const photo = await sendPhoto(state.model, sent, signal);
    Object.assign(state, {photo, source: sent, label: photo.classes[0]?.index});
    keepPhoto();
    showPhotoAndClasses();
    following.run(show);
  });
}

function showPhotoAndClasses() {
  showClasses();
  return showPhoto(state.photo.image, state.photo, state.source);
}

function showClasses() {
  find("classes").hidden = !state.photo.classes.length;
  listClasses(find("classes").querySelector("ol"), state.photo.classes, (label) =>
    writeLink({...state, view: "class", label})
  );
}

// A frame of the camera: the photo, its classes and the maps, live. The other pictures follow when the camera stops.
async function showFrame(frame, file, {model, layer}, signal) {
  if (model !== state.model) return; // the user has chosen another network meanwhile
  Object.assign(state, {photo: frame, source: {file, name: "camera"}});
  const shown = layer === state.layer && state.view === "channels";
  await Promise.all([showPhotoAndClasses(), shown && showSheet(layerOf(layer), frame.maps)]);
  if (!shown) return;
  drawn.maps = [frame.photo, state.model, layer].join(" ");
  probe(pointed);
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
  } catch {
    return report(new Problem(t("The browser does not allow copying: take the link from the address bar.")));
  }
  find("status").textContent = t("The link is copied.");
  find("copy").textContent = t("Copied");
  setTimeout(() => (find("copy").textContent = t("Copy link")), 1500);
}

function skip(event) {
  event.preventDefault();
  find("main").focus();
}

start().catch((problem) => showProblem(problem, start));
