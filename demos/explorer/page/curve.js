// A curve that grows, drawn as SVG.
import {draw} from "./dom.js";
import {number} from "./format.js";
import {t} from "./text.js";

const HEIGHT = 170;
const LEFT = 40; // space for the numbers at the axis

/** Return an SVG, `width` pixels wide, of values over their steps, with a line at zero. */
export function curve(values, steps, name, width) {
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values, low + 1e-6);
  const x = (place) => LEFT + (place * (width - LEFT - 8)) / Math.max(1, values.length - 1);
  const y = (value) => 10 + ((high - value) * (HEIGHT - 36)) / (high - low);
  const text = (content, left, top, anchor) => draw("text", {x: left, y: top, "text-anchor": anchor}, content);
  return draw(
    "svg",
    {
      class: "curve",
      viewBox: `0 0 ${width} ${HEIGHT}`,
      width: width,
      height: HEIGHT,
      role: "img",
      "aria-label": t("{name}: from {first} to {last} in {steps} steps", {
        name,
        first: number(values[0]),
        last: number(values.at(-1)),
        steps
      })
    },
    draw("line", {class: "zero", x1: LEFT, x2: width - 8, y1: y(0), y2: y(0)}),
    draw("polyline", {points: values.map((value, place) => `${x(place).toFixed(1)},${y(value).toFixed(1)}`).join(" ")}),
    draw("circle", {cx: x(values.length - 1), cy: y(values.at(-1)), r: 4}),
    ...(Math.abs(y(high) - y(0)) > 14 ? [text(number(high), LEFT - 6, y(high) + 4, "end")] : []),
    ...(Math.abs(y(low) - y(0)) > 14 ? [text(number(low), LEFT - 6, y(low) + 4, "end")] : []),
    text("0", LEFT - 6, y(0) + 4, "end"),
    text(t("step {steps}", {steps}), width - 8, HEIGHT - 6, "end"),
    text(name, LEFT, HEIGHT - 6, "start")
  );
}
