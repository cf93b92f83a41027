// The numbers that prove a picture, and the Python lines that made it.
import {ask} from "./api.js";
import {make} from "./dom.js";
import {t} from "./text.js";

/** Fill a list with checks: [{what, value, expected, ok}]. ok is null for a number that is reported and not judged. */
export function showChecks(list, checks) {
  list.hidden = !checks?.length;
  list.replaceChildren(
    ...(checks ?? []).map(({what, value, expected, ok}) =>
      make(
        "li",
        {title: expected ?? ""},
        make(
          "span",
          {class: ok === null ? "mark" : ok ? "mark ok" : "mark fail"},
          ok === null ? "\u2013" : ok ? t("ok") : t("FAIL")
        ),
        make("span", {class: "what"}, what),
        make("span", {class: "value"}, value, ok === null || !expected ? "" : make("small", {}, expected))
      )
    )
  );
}

/** Return a part that shows "the Python that made this" when it is opened. `asked()` names what is shown. */
export function codePart(asked, report) {
  const lines = make("pre", {tabindex: "0", "aria-label": "Python"});
  const command = make("pre", {tabindex: "0", "aria-label": t("Command")});
  const part = make(
    "details",
    {class: "code", ontoggle: () => part.open && fill()},
    make("summary", {}, t("The Python that made this")),
    lines,
    command
  );
  async function fill() {
    try {
      const answer = await ask("code", asked());
      lines.textContent = answer.python;
      command.hidden = !answer.command;
      command.textContent = answer.command ?? "";
    } catch (problem) {
      report(problem);
    }
  }
  return {part, refresh: () => part.open && fill()};
}
