// The five best classes with their probabilities.
import {make} from "./dom.js";
import {percent} from "./format.js";
import {t} from "./text.js";

/** Show the classes as links to their class view. `link(index)` returns the address. */
export function listClasses(list, classes, link) {
  if (list.children.length !== classes.length) list.replaceChildren(...classes.map(emptyRow));
  classes.forEach((found, place) => {
    const row = list.children[place].firstChild;
    const [label, value, bar] = row.children;
    row.href = link(found.index);
    row.title = t("Why {label}?", {label: found.label});
    label.textContent = found.label;
    value.textContent = percent(found.probability);
    bar.firstChild.style.width = `${100 * found.probability}%`;
  });
}

function emptyRow() {
  return make(
    "li",
    {},
    make(
      "a",
      {},
      make("span", {class: "label"}),
      make("span", {class: "value"}),
      make("span", {class: "bar"}, make("span", {}))
    )
  );
}
