// The line at the top that says what went wrong.
import {Problem} from "./api.js";
import {find, make} from "./dom.js";
import {t} from "./text.js";

/** Show a problem as one sentence with a button that tries again. An error of this page itself is thrown. */
export function showProblem(problem, again) {
  if (problem?.name === "AbortError") return;
  if (!(problem instanceof Problem)) throw problem;
  const close = make(
    "button",
    {type: "button", class: "quiet", "aria-label": t("Close"), onclick: hideProblem},
    "\u00d7"
  );
  const retry = make(
    "button",
    {
      type: "button",
      hidden: !again,
      onclick: () => {
        hideProblem();
        again();
      }
    },
    t("Try again")
  );
  find("message").replaceChildren(make("span", {}, sentence(problem.message)), retry, close);
  find("message").hidden = false;
}

/** Return a text with a capital letter at its start. */
export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Take the message away. */
export function hideProblem() {
  find("message").hidden = true;
}
