// The arithmetic of one number: its value, its receptive field, and the products of a convolution that make it.
import {ask, LIVE} from "./api.js";
import {find, make} from "./dom.js";
import {brief, number, signed} from "./format.js";
import {describe, drawSpot, roughValue} from "./maps.js";
import {drawField, fieldOf} from "./photo.js";
import {t} from "./text.js";

let wanted = null; // the position under the pointer, while the server is asked for another one
let asking = false;

/** Build the panel under the maps. */
export function buildHover(section) {
  section.append(
    make(
      "section",
      {id: "hover", class: "hover", "aria-label": t("One number")},
      make("p", {class: "value"}),
      make("div", {class: "products"})
    )
  );
}

/** Show a position of a map: {channel, row, column}, or null for none. rough: whether the server is not asked. */
export async function showHover(position, state, layer, input, rough) {
  drawSpot(position);
  drawField(position && fieldOf(layer, position.row, position.column, input), input);
  wanted = position && !rough ? {photo: state.photo.photo, model: state.model, layer: layer.name, ...position} : null;
  if (!position) return;
  if (!LIVE || rough) {
    find("hover").querySelector(".products").replaceChildren();
    return say(`\u2248 ${number(roughValue(position))}`, position);
  }
  if (asking) return; // one question at a time: the position that is under the pointer then comes next
  asking = true;
  try {
    while (wanted) await answer(wanted, layer);
  } catch {
    wanted = null; // the next move of the pointer asks again
  } finally {
    asking = false;
  }
}

async function answer(question, layer) {
  const found = await ask("value", question);
  if (question !== wanted) return;
  wanted = null;
  say(number(found.value), question);
  const terms = found.terms
    ? products(found.terms, layer)
    : [make("p", {class: "sum"}, t("{kind} has no weights: it takes its number from the layers before.", layer))];
  find("hover")
    .querySelector(".products")
    .replaceChildren(...terms);
}

function say(value, position) {
  find("hover")
    .querySelector(".value")
    .replaceChildren(make("strong", {}, value), ` ${describe(position)}`);
}

function products(terms, layer) {
  const values = {...terms, bias: signed(terms.bias), sum: number(terms.sum)};
  const said =
    terms.layer === layer.name
      ? t("The sum of {count} products and the bias {bias} is {sum}.", values)
      : t("{layer}, channel {channel}: the sum of {count} products and the bias {bias} is {sum}.", values);
  const total = make("p", {class: "sum"}, said);
  const input = terms.shown[0]?.input;
  if (!input) return [total];
  return [
    total,
    make(
      "div",
      {class: "matrices"},
      matrix(terms.patch, `${input.split("/").at(-1)} ${terms.largest}`),
      make("span", {class: "sign"}, "\u00d7"),
      matrix(terms.filter, t("filter")),
      make("span", {class: "sign"}, "="),
      matrix(times(terms.patch, terms.filter), t("products"))
    ),
    make(
      "div",
      {class: "terms"},
      make("p", {class: "sum"}, t("Largest products, and their channel (row, column):")),
      make("ol", {}, ...bars(terms.shown))
    )
  ];
}

function times(patch, filter) {
  return patch.map((row, y) => row.map((value, x) => value * filter[y][x]));
}

/** Return a small table of numbers, blue where positive and orange where negative. */
function matrix(rows, caption) {
  const largest = Math.max(1e-12, ...rows.flat().map(Math.abs));
  const small = rows.length * rows[0].length < 10;
  const strongest = small ? 60 : 85; // percent of the colour: numbers stay readable on it
  const table = make("table", {class: small ? "matrix" : "matrix bare"}, make("caption", {}, caption));
  for (const row of rows) {
    table.append(
      make(
        "tr",
        {},
        ...row.map((value) => {
          const cell = make("td", {title: number(value)}, small ? brief(value) : "");
          cell.className = value < 0 ? "negative" : "positive";
          cell.style.setProperty("--share", `${Math.round((strongest * Math.abs(value)) / largest)}%`);
          return cell;
        })
      )
    );
  }
  return table;
}

function bars(shown) {
  const largest = Math.abs(shown[0].product) || 1;
  return shown.map((term) => {
    const bar = make("span", {class: term.product < 0 ? "bar negative" : "bar positive"});
    bar.style.width = `${(100 * Math.abs(term.product)) / largest}%`;
    const where = t("{input} {channel} at {row}, {column}", term);
    return make(
      "li",
      {title: where},
      make("span", {class: "term"}, `${number(term.activation)} × ${number(term.weight)} = ${signed(term.product)}`),
      make("span", {class: "from"}, `${term.channel} (${term.row}, ${term.column})`),
      make("span", {class: "track"}, bar)
    );
  });
}
