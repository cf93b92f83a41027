// The photo: choose, drop, paste, or take a listed one. The receptive field of a position is drawn on it.
import {thumbnail} from "./api.js";
import {find, make, showPicture} from "./dom.js";
import {t} from "./text.js";

/** Build the panel. `open({file, name})` or `open({id})` is called with a new photo. */
export function buildPhoto(section, photos, open, extra) {
  const img = make("img", {alt: t("The photo as the network sees it"), id: "photo-img", hidden: true});
  const input = make("input", {
    type: "file",
    accept: "image/*",
    id: "file",
    class: "unseen",
    onchange: () => input.files.length && openFile(input.files[0], open)
  });
  section.replaceChildren(
    make(
      "figure",
      {class: "photo waiting"},
      make("div", {class: "frame"}, img, make("div", {class: "field", hidden: true})),
      make("figcaption", {id: "photo-title"})
    ),
    make("div", {class: "row"}, input, make("label", {for: "file", class: "button"}, t("Open a photo")), ...extra),
    thumbnails(photos, open)
  );
  acceptDrops(open);
}

function thumbnails(photos, open) {
  return make(
    "div",
    {class: "thumbnails", role: "group", "aria-label": t("Photos")},
    ...photos.map((photo) =>
      make(
        "button",
        {type: "button", title: photo.title, "data-photo": photo.id, onclick: () => open({id: photo.id})},
        make("img", {loading: "lazy", src: thumbnail(photo.id), alt: photo.title})
      )
    )
  );
}

function openFile(file, open) {
  open({file, name: file.name});
}

const SIDE = 2048; // pixels of a photo that was too large to send: the server keeps fewer

/** Return the file, or a smaller JPEG file of a picture with more than `most` pixels. */
export async function shrunk(file, most) {
  const picture = await createImageBitmap(file).catch(() => null); // the server says what is wrong with it
  if (!picture || picture.width * picture.height <= most) return file;
  const scale = SIDE / Math.max(picture.width, picture.height);
  const size = [picture.width, picture.height].map((side) => Math.max(1, Math.round(scale * side)));
  const canvas = make("canvas", {width: size[0], height: size[1]});
  canvas.getContext("2d").drawImage(picture, 0, 0, ...size);
  picture.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.95));
}

function acceptDrops(open) {
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    const file = event.dataTransfer.files[0];
    if (file) openFile(file, open);
  });
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
    if (file) openFile(file, open);
  });
}

/** Show the photo and its title. */
export function showPhoto(address, photo, source) {
  find("photo-title").textContent = photo.title;
  for (const button of document.querySelectorAll("[data-photo]")) {
    button.setAttribute("aria-pressed", button.dataset.photo === source.id);
  }
  const img = find("photo-img");
  img.alt = t("{title}, as the network sees it", {title: photo.title});
  return showPicture(img, address);
}

/** Draw the receptive field (top, left, bottom, right in pixels of an input of height x width), or none. */
export function drawField(box, [height, width] = [1, 1]) {
  const frame = document.querySelector("#photo .field");
  frame.hidden = !box;
  if (!box) return;
  const [top, left, bottom, right] = box;
  frame.style.top = `${(100 * top) / height}%`;
  frame.style.left = `${(100 * left) / width}%`;
  frame.style.height = `${(100 * (bottom - top)) / height}%`;
  frame.style.width = `${(100 * (right - left)) / width}%`;
}

/** Return the receptive field of a position of a layer, cut at the borders of the input, or null: the whole image. */
export function fieldOf(layer, row, column, [height, width]) {
  if (layer.field === null || layer.field === undefined) return [0, 0, height, width];
  const top = layer.start + layer.stride * row;
  const left = layer.start + layer.stride * column;
  return [
    Math.max(0, top),
    Math.max(0, left),
    Math.min(height, top + layer.field),
    Math.min(width, left + layer.field)
  ];
}

/** Return the smallest square around a box, moved into the image, as shares of its sides: {top, left, share}. */
export function squareAround([top, left, bottom, right], [height, width]) {
  const side = Math.min(height, width, Math.max(8, bottom - top, right - left));
  const inside = (low, high, size) => Math.max(0, Math.min(size - side, (low + high - side) / 2)) / size;
  return {top: inside(top, bottom, height), left: inside(left, right, width), share: side / Math.min(height, width)};
}
