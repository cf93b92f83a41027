"""Compare a learner's results with the right ones, and find the hint for a wrong one."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn.gradient_check import relative_error

from ..shared.language import Translate
from .answer import Answer
from .exercise import Case, Exercise, Function

ROUNDING = 1e-12  # numbers below it are rounding errors of a zero; the numbers of the cases are about 1
SAME = 1e-6       # relative error up to which a result agrees with a known mistake


class Judged(NamedTuple):
    """The judgement of one case.

    right : whether the answer is right. finding : the measured error, or the problem in one sentence.
    lines : the learner's own lines of a traceback.
    """

    case: Case
    right: bool
    finding: str
    lines: tuple[str, ...] = ()


def right_results(exercise: Exercise) -> list[tuple[np.ndarray, ...]]:
    """Return the right results of all cases."""
    return [as_tuple(case.right(*case.arguments)) for case in exercise.all_cases()]


def judge(exercise: Exercise, answers: Sequence[Answer], expected: Sequence[tuple[np.ndarray, ...]]
          ) -> tuple[list[Judged], list[str]]:
    """Return the judgement of each case, and the hints for the first function that is wrong, each once.

    expected : the `right_results`.
    """
    cases = exercise.all_cases()
    judged = [judge_case(exercise.function(case.function), case, answer, right, exercise.translate)
              for case, answer, right in zip(cases, answers, expected, strict=True)]
    for function in exercise.functions:  # hints for the first wrong one alone, as later ones may call it
        mine = [n for n, case in enumerate(cases) if case.function == function.name]
        if not all(judged[n].right for n in mine):
            tried = [(cases[n], answers[n], expected[n]) for n in mine if answers[n].results]
            return judged, list(dict.fromkeys(hints_for(exercise, function, tried)))
    return judged, []


def judge_case(function: Function, case: Case, answer: Answer, right: tuple[np.ndarray, ...], _: Translate
               ) -> Judged:
    """Return the judgement of one answer."""
    if answer.problem:
        return Judged(case, False, answer.problem, answer.lines)
    finding = wrong_form(function, answer.results, right, _)
    if finding:
        return Judged(case, False, finding)
    if answer.changed:
        names = argument_names(function)
        changed = ", ".join(names[number] for number in answer.changed)
        return Judged(case, False, _("{name} changes its argument {changed}").format(name=function.name,
                                                                                   changed=changed))
    error = max(error_of(mine, its) for mine, its in zip(answer.results, right, strict=True))
    return Judged(case, error <= case.needs,
                  _("relative error {error:.1g}, needs {needs:.0e}").format(error=error, needs=case.needs))


def wrong_form(function: Function, results: tuple[np.ndarray, ...], right: tuple[np.ndarray, ...], _: Translate
               ) -> str:
    """Return one sentence if the number, the shape or the type of the results is wrong, else ""."""
    if len(results) != len(right):
        return _("{name} returns {count} results, needs {right}: {names}").format(
            name=function.name, count=len(results), right=len(right), names=", ".join(function.results))
    for name, mine, its in zip(function.results, results, right, strict=True):
        if mine.shape != its.shape:
            return _("{name} has the shape {mine}, needs {right}").format(name=name, mine=mine.shape, right=its.shape)
        if its.ndim and mine.dtype != its.dtype:
            return _("{name} has the type {mine}, needs {right}").format(name=name, mine=mine.dtype, right=its.dtype)
        if not np.isfinite(mine).all():
            return _("{name} has values that are not finite").format(name=name)
    return ""


# ---- hints -----------------------------------------------------------------------------------------------------------


Tried = tuple[Case, Answer, tuple[np.ndarray, ...]]  # a case, the learner's answer, and the right results


def hints_for(exercise: Exercise, function: Function, tried: list[Tried]) -> list[str]:
    """Return the hints for a function: of known mistakes for each wrong result, else of general ones."""
    if not tried:
        return []
    _ = exercise.translate
    hints = changed_hints(function, tried, _)
    if any(len(answer.results) != len(right) for _case, answer, right in tried):
        return [_("Return the results of {name} in this order: {names}.").format(
            name=function.name, names=", ".join(function.results))]
    parts = range(len(function.results))
    known = [(mistake, [made(mistake.wrong, tried, part) for part in parts]) for mistake in exercise.mistakes
             if mistake.function == function.name]
    known.sort(key=lambda one: -sum(one[1]))  # a mistake that explains all results comes before one that explains some
    for part in parts:
        if all(close(answer.results[part], right[part], case.needs) for case, answer, right in tried):
            continue
        hints += [mistake.hint for mistake, explained in known if explained[part] and spoils(mistake.wrong, tried, part)
                  ][:1] or general_hints(function.results[part], tried, part, _)
    return hints


def made(wrong: Any, tried: list[Tried], part: int) -> bool:
    """Return whether the answers in float64 agree with a known mistake, in this part of the results."""
    for case, answer, _right in tried:
        if case.needs > SAME:
            continue
        try:
            its = as_tuple(wrong(*case.arguments))[part]
        except (ValueError, IndexError):  # the mistake fails for these shapes, and the answer does not
            return False
        if not close(answer.results[part], its, SAME):
            return False
    return True


def spoils(wrong: Any, tried: list[Tried], part: int) -> bool:
    """Return whether a known mistake, which fits the answers, makes this part of the results wrong at all."""
    return any(not close(as_tuple(wrong(*case.arguments))[part], right[part], SAME) for case, _answer, right in tried
               if case.needs <= SAME)


def changed_hints(function: Function, tried: list[Tried], _: Translate) -> list[str]:
    """Return the hint for a function that writes into its arguments."""
    if not any(answer.changed for _case, answer, _right in tried):
        return []
    return [_("{name} writes into its argument. Another layer may still need that array: make a new one, for example "
              "by dout * mask instead of dout[...] = 0.").format(name=function.name)]


def general_hints(name: str, tried: list[Tried], part: int, _: Translate) -> list[str]:
    """Return the hint that fits any exercise: about shape, type, sign, a factor, or the place of the largest error."""
    case, answer, right = next((case, answer, right) for case, answer, right in tried
                               if not close(answer.results[part], right[part], case.needs))
    mine, its = answer.results[part], right[part]
    if mine.shape == its.shape[::-1] and mine.ndim > 1 and mine.shape != its.shape:
        return [_("{name} is transposed: its shape is {mine} and needs to be {right}.").format(
            name=name, mine=mine.shape, right=its.shape)]
    if mine.shape != its.shape:
        return [_("Compare the shape of {name}, {mine}, with that in the task: {right}. Which axis was summed, kept or "
                  "padded?").format(name=name, mine=mine.shape, right=its.shape)]
    if its.ndim and mine.dtype != its.dtype:
        return [_("{name} has the type {mine} for arguments of {right}. Make arrays with np.zeros_like(x) or with "
                  "dtype=x.dtype.").format(name=name, mine=mine.dtype, right=its.dtype)]
    if not np.isfinite(mine).all():
        return [_("{name} has values that are not finite. Is there a division by zero, or an array from np.empty that "
                  "was not filled?").format(name=name)]
    if not mine.any():
        return [_("{name} is zero everywhere. Is an array returned before it was filled?").format(name=name)]
    factor = float((mine * its).sum()) / float((its * its).sum()) if its.any() else 1.0
    if close(mine, -its, SAME):
        return [_("{name} has the wrong sign everywhere.").format(name=name)]
    if abs(factor - 1) > SAME and close(mine, factor * its, SAME):
        return [_("Every value of {name} is {factor:.4g} times the right one. Is it a sum instead of a mean, or is a "
                  "factor of the formula missing?").format(name=name, factor=factor)]
    place = np.unravel_index(int(abs(mine - its).argmax()), its.shape)
    index = ", ".join(map(str, map(int, place)))
    return [_("None of the known mistakes. In the case “{case}”, {name}[{index}] is {mine:.6g} and needs to be "
              "{right:.6g}.").format(case=case.name, name=name, index=index, mine=float(mine[place]),
                                     right=float(its[place]))]


# ---- numbers ---------------------------------------------------------------------------------------------------------


def as_tuple(returned: Any) -> tuple[np.ndarray, ...]:
    """Return the results of a twin as a tuple of arrays."""
    return tuple(map(np.asarray, returned if isinstance(returned, tuple) else (returned,)))


def error_of(mine: np.ndarray, right: np.ndarray) -> float:
    """Return the relative error; infinite if it is not a number, 0 if both are zero up to rounding."""
    if max(abs(mine).max(initial=0), abs(right).max(initial=0)) < ROUNDING:
        return 0.0
    error = relative_error(mine.astype(np.float64), right.astype(np.float64))
    return error if error == error else float("inf")


def close(mine: np.ndarray, right: np.ndarray, needs: float) -> bool:
    """Return whether the arrays have one shape, types that fit, and nearly the same values."""
    return mine.shape == right.shape and (not right.ndim or mine.dtype == right.dtype) \
        and bool(np.isfinite(mine).all()) and error_of(mine, right) <= needs


def argument_names(function: Function) -> list[str]:
    """Return the names of the arguments in the signature."""
    inside = function.signature.partition("(")[2].rstrip(")")
    return [name.strip() for name in inside.split(",")]
