// All channel maps of a layer: one canvas with the maps at their true size, and a button over each map.
import {mapSheet} from "./api.js";
import {find, make} from "./dom.js";
import {number, sizes} from "./format.js";
import {t} from "./text.js";

// What the canvas holds, and the position that is framed.
const shown = {layer: null, sheet: null, columns: 0, gap: 0, spot: null};

/** Build the panel. choose(channel) opens a channel; probe({channel, row, column}) names a position, or null. */
export function buildMaps(section, choose, probe) {
  const grid = make("div", {class: "grid", role: "group", "aria-label": t("Channels")});
  const canvas = make("canvas", {id: "sheet", role: "img", "aria-label": t("Channel maps")});
  section.replaceChildren(
    make("div", {class: "head"}, make("h2", {id: "maps-title"}), make("p", {class: "note", id: "maps-note"})),
    make("p", {class: "note keys"}, t("Arrow keys: another map. Shift and arrow keys: inside the map. Enter: open it.")),
    make(
      "div",
      {class: "space"},
      make("div", {class: "sheet"}, canvas, grid, make("div", {class: "spot", hidden: true}))
    )
  );
  grid.addEventListener("click", (event) => choosing(event, choose));
  grid.addEventListener("mousemove", (event) => probe(positionUnder(event)));
  grid.addEventListener("mouseleave", () => probe(null));
  grid.addEventListener("focusin", (event) => probe(strongest(channelOf(event.target))));
  grid.addEventListener("keydown", (event) => walk(event, probe));
  new ResizeObserver(() => shown.sheet && arrange()).observe(section.querySelector(".space"));
}

function choosing(event, choose) {
  const channel = channelOf(event.target);
  if (channel !== null) choose(channel);
}

/** Ask for the maps of a layer and show them. Returns their maxima, one for each channel. */
export async function showMaps(state, layer, signal) {
  find("maps").classList.add("waiting");
  const sheet = await mapSheet({photo: state.photo.photo, model: state.model, layer: layer.name}, signal);
  await showSheet(layer, sheet);
  return sheet.maxima;
}

/** Show a sheet of maps, as mapSheet and the camera's frames bring it. */
export async function showSheet(layer, sheet) {
  const image = new Image();
  image.src = sheet.src;
  await image.decode();
  if (sheet.src.startsWith("blob:")) URL.revokeObjectURL(sheet.src);
  const same = shown.layer?.name === layer.name && shown.sheet?.count === sheet.count;
  Object.assign(shown, {layer, sheet: {...sheet, image}, spot: same ? shown.spot : null});
  if (same) paint();
  else arrange();
  find("maps").classList.remove("waiting");
  find("maps-title").textContent = layer.name;
  find("maps-note").textContent =
    `${layer.kind}, ${sizes(layer)}. ` +
    (Math.min(...sheet.minima) < 0
      ? t("White is each map's maximum, black its minimum.")
      : t("White is each map's maximum."));
}

// Choose the number of columns that fills the space, draw the maps, and lay a button over each.
function arrange() {
  const {sheet} = shown;
  const space = document.querySelector("#maps .space");
  const width = space.clientWidth;
  const height = Math.max(320, space.clientHeight);
  const side = Math.max(26, Math.min(150, fittingSide(sheet.count, width, height)));
  shown.columns = Math.max(1, Math.min(sheet.count, Math.floor(width / side)));
  shown.gap = Math.max(1, Math.round(sheet.width * 0.06));
  paint();
  const canvas = find("sheet");
  const used = Math.min(width, shown.columns * 150);
  canvas.style.width = `${used}px`;
  canvas.style.imageRendering = used >= canvas.width ? "pixelated" : "auto";
  layButtons();
  drawSpot(shown.spot);
}

function fittingSide(count, width, height) {
  let columns = 1;
  while (Math.ceil(count / columns) * (width / columns) > height) columns += 1;
  return width / columns;
}

function paint() {
  const {sheet, columns, gap} = shown;
  const canvas = find("sheet");
  canvas.width = columns * (sheet.width + gap);
  canvas.height = Math.ceil(sheet.count / columns) * (sheet.height + gap);
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  for (let channel = 0; channel < sheet.count; channel += 1) {
    const [left, top] = corner(channel, sheet.columns, sheet.gap);
    pen.drawImage(
      sheet.image,
      left,
      top,
      sheet.width,
      sheet.height,
      ...corner(channel, columns, gap),
      sheet.width,
      sheet.height
    );
  }
  Object.assign(canvas.dataset, {layer: shown.layer.name, columns, gap});
}

function corner(channel, columns, gap) {
  const {width, height} = shown.sheet;
  return [(channel % columns) * (width + gap), Math.floor(channel / columns) * (height + gap)];
}

function layButtons() {
  const grid = document.querySelector("#maps .grid");
  const {sheet, columns} = shown;
  grid.style.gridTemplateColumns = `repeat(${columns}, 1fr)`;
  grid.style.gridTemplateRows = `repeat(${Math.ceil(sheet.count / columns)}, 1fr)`;
  if (grid.children.length === sheet.count) return;
  grid.replaceChildren(
    ...Array.from({length: sheet.count}, (_, channel) =>
      make("button", {
        type: "button",
        tabindex: channel ? "-1" : "0",
        "data-channel": channel,
        "aria-label": t("Channel {channel}", {channel})
      })
    )
  );
}

/** Mark the chosen channel. It is the one that the tab key reaches. */
export function markChannel(channel) {
  for (const button of document.querySelectorAll("#maps .grid button")) {
    const chosen = Number(button.dataset.channel) === channel;
    button.setAttribute("aria-current", chosen);
    button.tabIndex = chosen ? 0 : -1;
  }
}

function walk(event, probe) {
  const channel = channelOf(event.target);
  const {columns, sheet} = shown;
  if (event.shiftKey) return walkInside(event, channel, probe);
  const next = {
    ArrowRight: channel + 1,
    ArrowLeft: channel - 1,
    ArrowDown: channel + columns,
    ArrowUp: channel - columns,
    Home: 0,
    End: sheet.count - 1
  }[event.key];
  if (channel === null || next === undefined) return;
  event.preventDefault();
  document.querySelector(`#maps .grid [data-channel="${next}"]`)?.focus();
  if (next < 0 || next >= sheet.count) probe(strongest(channel));
}

// With Shift, the arrows move the framed position inside the map.
function walkInside(event, channel, probe) {
  const step = {ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0]}[event.key];
  if (channel === null || !step) return;
  event.preventDefault();
  const {row, column} = shown.spot?.channel === channel ? shown.spot : strongest(channel);
  const inside = (place, size) => Math.max(0, Math.min(size - 1, place));
  probe({
    channel,
    row: inside(row + step[0], shown.sheet.height),
    column: inside(column + step[1], shown.sheet.width)
  });
}

function channelOf(target) {
  const channel = target.dataset.channel;
  return channel === undefined ? null : Number(channel);
}

function positionUnder(event) {
  const channel = channelOf(event.target);
  if (channel === null) return null;
  const box = event.target.getBoundingClientRect();
  const {width, height} = shown.sheet;
  const at = (share, size, gap) => Math.min(size - 1, Math.max(0, Math.floor(share * (size + gap))));
  return {
    channel,
    row: at((event.clientY - box.top) / box.height, height, shown.gap),
    column: at((event.clientX - box.left) / box.width, width, shown.gap)
  };
}

/** Return the position of a channel's largest value. */
export function strongest(channel) {
  if (channel === null) return null;
  const {width, height} = shown.sheet;
  const pixels = pixelsOf(channel);
  let best = 0;
  for (let place = 1; place < width * height; place += 1) if (pixels[4 * place] > pixels[4 * best]) best = place;
  return {channel, row: Math.floor(best / width), column: best % width};
}

/** Return about the value of a position, read from the picture. Black is the minimum, or 0 where all are positive. */
export function roughValue({channel, row, column}) {
  const low = Math.min(0, shown.sheet.minima[channel]);
  const grey = pixelsOf(channel)[4 * (row * shown.sheet.width + column)];
  return low + (grey / 255) * (shown.sheet.maxima[channel] - low);
}

function pixelsOf(channel) {
  const {width, height} = shown.sheet;
  const pen = find("sheet").getContext("2d", {willReadFrequently: true});
  return pen.getImageData(...corner(channel, shown.columns, shown.gap), width, height).data;
}

/** Frame one position of one map, or none. */
export function drawSpot(position) {
  const spot = document.querySelector("#maps .spot");
  shown.spot = position;
  spot.hidden = !position;
  if (!position) return;
  const canvas = find("sheet");
  const scale = canvas.clientWidth / canvas.width;
  const [left, top] = corner(position.channel, shown.columns, shown.gap);
  const side = Math.max(6, scale);
  spot.style.left = `${(left + position.column + 0.5) * scale - side / 2}px`;
  spot.style.top = `${(top + position.row + 0.5) * scale - side / 2}px`;
  spot.style.width = spot.style.height = `${side}px`;
}

/** Return the name of a position with its channel's maximum. */
export function describe({channel, row, column}) {
  const maximum = number(shown.sheet.maxima[channel]);
  return t("channel {channel}, row {row}, column {column} (its maximum: {maximum})", {channel, row, column, maximum});
}
