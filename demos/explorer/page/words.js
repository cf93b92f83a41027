// Sentences that several views say.
import {make} from "./dom.js";

/** Return the one sentence of the static edition about what it cannot do. */
export function needsServer(what) {
  return make("p", {class: "note"}, `${what} computes while you watch: run minicnn explore on your own computer.`);
}
