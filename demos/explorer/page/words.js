// Sentences that several views say.
import {LIVE} from "./api.js";
import {make} from "./dom.js";
import {t} from "./text.js";

/** Return what the static edition says where the explorer computes while one watches; nothing where it does. */
export function needsServer(what) {
  return LIVE
    ? ""
    : make(
        "p",
        {class: "note"},
        t("{what} is only replayed here, where it is recorded: to compute while you watch, run minicnn explore.", {
          what
        })
      );
}
