// Every view is a link: #MODEL/LAYER/CHANNEL, #MODEL/class/INDEX, #MODEL/dream, #MODEL/style.

/** Return {model, view, layer, channel, label} of a link. What it does not say is undefined. */
export function readLink(hash) {
  const [model, ...parts] = hash.replace(/^#/, "").split("/").map(decoded);
  const last = /^\d+$/.test(parts.at(-1) ?? "") ? Number(parts.at(-1)) : undefined;
  if (parts[0] === "class" && parts.length < 3) return {model: model || undefined, view: "class", label: last};
  if (parts.length === 1 && (parts[0] === "dream" || parts[0] === "style")) return {model, view: parts[0]};
  const layer = (last === undefined ? parts : parts.slice(0, -1)).join("/");
  return {model: model || undefined, view: "channels", layer: layer || undefined, channel: last};
}

/** Return the link of a view. */
export function writeLink({model, view, layer, channel, label}) {
  const parts =
    view === "channels" ? [...(layer ?? "").split("/"), channel] : view === "class" ? ["class", label] : [view];
  const said = parts.filter((part) => part !== undefined && part !== "");
  return "#" + [model, ...said].map(encodeURIComponent).join("/");
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray % in a link typed by hand
  }
}
