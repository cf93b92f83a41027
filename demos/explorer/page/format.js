// Numbers and sizes as text.

/** Return a number with three significant digits, and a minus sign as long as a plus sign. */
export function number(value) {
  if (value < 0) return `\u2212${number(-value)}`;
  if (!Number.isFinite(value)) return String(value);
  if (value !== 0 && (value < 0.001 || value >= 1e6)) return value.toExponential(2);
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3);
}

/** Return a number with about two significant digits, for small tables. */
export function brief(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 10 ? 0 : size >= 1 ? 1 : 2).replace("-", "\u2212");
}

/** Return a number with its sign. */
export function signed(value) {
  return (value < 0 ? "\u2212" : "+") + number(Math.abs(value));
}

/** Return a probability as a percentage. */
export function percent(probability) {
  return `${(100 * probability).toFixed(probability > 0.0995 ? 0 : 1)}\u00a0%`;
}

/** Return the size of a layer's maps: "256 × 27 × 27". */
export function sizes(layer) {
  return layer.height * layer.width === 1
    ? `${layer.channels}`
    : `${layer.channels} × ${layer.height} × ${layer.width}`;
}
