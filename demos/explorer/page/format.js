// Numbers and sizes as text.

/** Return a number with three significant digits. */
export function number(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(2);
  return size >= 100
    ? value.toFixed(0)
    : size >= 10
      ? value.toFixed(1)
      : size >= 1
        ? value.toFixed(2)
        : value.toFixed(3);
}

/** Return a number with about two significant digits, for small tables. */
export function brief(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 10 ? 0 : size >= 1 ? 1 : 2);
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
