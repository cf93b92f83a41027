// Elements of the page. Text is always set as text: nothing from a file or a user is read as markup.

/** Return a new element: make("p", {class: "note"}, "text", child). A function is set as a handler (onclick). */
export function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Return a new element of an SVG drawing. */
export function draw(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node[name] = value;
    else if (value === true) node.setAttribute(name, "");
    else if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** Return the element of index.html with this id. */
export function find(id) {
  return document.getElementById(id);
}

/** Return a figure with a caption and its picture: [figure, img]. The frame keeps its size while it is empty. */
export function pictureFrame(caption, alt, kind = "") {
  const img = make("img", {alt, class: kind, hidden: true});
  const frame = make("div", {class: "frame"}, img);
  return [make("figure", {class: "picture waiting"}, frame, make("figcaption", {}, caption)), img];
}

/** Show a picture at an address (a data or object URL) in a frame of pictureFrame. */
export async function showPicture(img, source) {
  const old = img.src;
  img.src = source;
  try {
    await img.decode();
  } catch {
    return; // a newer picture has taken its place
  }
  img.hidden = false;
  img.classList.toggle("enlarged", img.naturalWidth < img.clientWidth); // then its pixels are shown as they are
  img.closest("figure")?.classList.remove("waiting");
  if (old !== img.src) forget(old);
}

// An object URL holds memory until it is revoked. Another picture may still be loading it.
function forget(address) {
  const shownElsewhere = () => [...document.images].some((img) => img.src === address);
  if (address.startsWith("blob:")) setTimeout(() => shownElsewhere() || URL.revokeObjectURL(address), 5000);
}

/** Mark a picture as out of date, until showPicture shows the new one. */
export function awaitPicture(img) {
  img.closest("figure")?.classList.add("waiting");
}

/** Enlarge a picture so that a part of it, in shares of its sides, fills the frame. */
export function enlarge(img, {top, left, share}) {
  img.style.transform = share < 0.8 ? `scale(${1 / share}) translate(${-100 * left}%, ${-100 * top}%)` : "";
}
