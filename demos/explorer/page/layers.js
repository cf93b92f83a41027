// The list of layers, grouped by block: a list box with one stop of the tab key and arrow keys inside.
import {make} from "./dom.js";
import {sizes} from "./format.js";

/** Fill the list. `choose(name)` is called when the user picks a layer. */
export function listLayers(section, layers, choose) {
  const list = make("div", {class: "layers", role: "listbox", "aria-labelledby": "layers-title"});
  let block = "";
  for (const layer of layers) {
    const parts = layer.name.split("/");
    const name = parts.pop();
    if (parts.join("/") !== block) {
      block = parts.join("/");
      if (block) list.append(make("p", {class: "block", role: "presentation"}, block));
    }
    list.append(
      make(
        "button",
        {
          type: "button",
          role: "option",
          tabindex: "-1",
          "aria-selected": "false",
          class: block ? "inside" : "",
          "data-layer": layer.name,
          "aria-label": `${layer.name}, ${layer.kind}, ${sizes(layer)}`,
          onclick: () => choose(layer.name)
        },
        make("span", {class: "name"}, name),
        make("span", {class: "kind"}, layer.kind),
        make("span", {class: "size"}, sizes(layer))
      )
    );
  }
  list.addEventListener("keydown", walk);
  section.querySelector(".layers")?.remove();
  section.append(list);
}

/** Mark the chosen layer. It is the one that the tab key reaches. */
export function markLayer(section, name) {
  for (const option of section.querySelectorAll("[role=option]")) {
    const chosen = option.dataset.layer === name;
    option.setAttribute("aria-selected", chosen);
    option.tabIndex = chosen ? 0 : -1;
    if (chosen) scrollTo(option);
  }
}

function scrollTo(option) {
  // only inside the list: the page itself shall not move
  const list = option.closest(".layers");
  const top = option.offsetTop - list.offsetTop;
  if (top < list.scrollTop || top + option.offsetHeight > list.scrollTop + list.clientHeight) {
    list.scrollTop = top - list.clientHeight / 2;
  }
}

function walk(event) {
  const options = [...event.currentTarget.querySelectorAll("[role=option]")];
  const here = options.indexOf(document.activeElement);
  const next = {ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: options.length - 1}[event.key];
  if (next === undefined || !options[next]) return;
  event.preventDefault();
  options[next].focus();
}
