// The page's sentences in the chosen language. index.html holds the translations: {English sentence: translation}.
const TEXTS = JSON.parse(document.getElementById("texts").textContent);

/** Return a sentence, in which each {name} becomes values.name. */
export function t(sentence, values = {}) {
  return (TEXTS[sentence] ?? sentence).replaceAll(/\{(\w+)\}/g, (field, name) => values[name] ?? field);
}
