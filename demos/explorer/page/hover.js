// The arithmetic of one number: its value, its receptive field, and the products of a convolution that make it.
import {ask, LIVE} from "./api.js";
import {find, make} from "./dom.js";
import {number, signed} from "./format.js";
import {Latest} from "./latest.js";
import {describe, drawSpot, roughValue} from "./maps.js";
import {drawField, fieldOf} from "./photo.js";

const latest = new Latest(() => {}); // a value that does not come is no reason to stop a reader: the next hover asks again

/** Build the panel under the maps. */
export function buildHover(section) {
  section.append(make("section", {id: "hover", class: "hover", "aria-label": "One number"},
    make("p", {class: "value"}), make("div", {class: "products"})));
  showHover(null);
}

/** Show a position of a map: {channel, row, column}, or null for none. */
export function showHover(position, state, layer, input) {
  drawSpot(position);
  drawField(position && fieldOf(layer, position.row, position.column, input), input ?? [1, 1]);
  if (!position) {
    latest.stop();
    find("hover").querySelector(".value").replaceChildren("Point at a map, or move with the arrow keys: the value, " +
      "the pixels of the photo that it depends on, and the products that make it.");
    find("hover").querySelector(".products").replaceChildren();
    return;
  }
  if (!LIVE) return say(`\u2248 ${number(roughValue(position))}`, position, "");
  latest.run(async (signal) => {
    const {channel, row, column} = position;
    const asked = {photo: state.photo.photo, model: state.model, layer: layer.name, channel, row, column};
    const found = await ask("value", asked, signal);
    say(number(found.value), position, found.terms ? "" : ` ${layer.kind} has no weights: its number comes from the layers before.`);
    find("hover").querySelector(".products").replaceChildren(...(found.terms ? products(found.terms, layer.kind) : []));
  });
}

function say(value, position, note) {
  find("hover").querySelector(".value").replaceChildren(make("strong", {}, value), ` ${describe(position)}.${note}`);
}

function products(terms) {
  const largest = terms.shown[0];
  const total = make("p", {class: "sum"}, `sum of all products ${number(terms.sum)}, bias ${signed(terms.bias)}`);
  if (!largest) return [total];
  return [
    make("div", {class: "matrices"},
      matrix(terms.patch, `patch of ${largest.input} ${largest.channel}`), make("span", {class: "sign"}, "×"),
      matrix(terms.filter, "filter"), make("span", {class: "sign"}, "="),
      matrix(times(terms.patch, terms.filter), "products")),
    make("div", {class: "terms"}, make("p", {class: "sum"}, `The ${terms.shown.length} largest products:`),
      make("ol", {}, ...bars(terms.shown)), total)];
}

function times(patch, filter) {
  return patch.map((row, y) => row.map((value, x) => value * filter[y][x]));
}

/** Return a small table of numbers, blue where positive and orange where negative. */
function matrix(rows, caption) {
  const largest = Math.max(1e-12, ...rows.flat().map(Math.abs));
  const small = rows.length * rows[0].length <= 25;
  const table = make("table", {class: small ? "matrix" : "matrix bare"}, make("caption", {}, caption));
  for (const row of rows) {
    table.append(make("tr", {}, ...row.map((value) => {
      const cell = make("td", {title: number(value)}, small ? number(value) : "");
      cell.className = value < 0 ? "negative" : "positive";
      cell.style.setProperty("--share", `${Math.round(85 * Math.abs(value) / largest)}%`);
      return cell;
    })));
  }
  return table;
}

function bars(shown) {
  const largest = Math.abs(shown[0].product) || 1;
  return shown.map((term) => {
    const bar = make("span", {class: term.product < 0 ? "bar negative" : "bar positive"});
    bar.style.width = `${100 * Math.abs(term.product) / largest}%`;
    const where = `${term.input} ${term.channel} at ${term.row}, ${term.column}`;
    return make("li", {title: where}, make("span", {class: "term"},
      `${number(term.activation)} × ${number(term.weight)} = ${signed(term.product)}`),
    make("span", {class: "from"}, `channel ${term.channel} (${term.row}, ${term.column})`), make("span", {class: "track"}, bar));
  });
}
