"""The learner's file: read it, call its functions, and describe each fault in one sentence."""

import os
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from minicnn.errors import InputError, one_line

from ..shared.language import Translate, english
from .exercise import Case, Exercise, Functions

LARGEST_FILE = 2**20  # bytes


class Answer(NamedTuple):
    """The result of one case.

    results : the arrays that the function returned, or () after a problem. changed : the numbers, from 0, of the
    arguments that the function has changed. problem : one sentence, or "". lines : the learner's own lines of the
    traceback.
    """

    results: tuple[np.ndarray, ...] = ()
    changed: tuple[int, ...] = ()
    problem: str = ""
    lines: tuple[str, ...] = ()


class NotAnAnswer(Exception):
    """The learner's file cannot be used. lines : the learner's own lines of the traceback."""

    def __init__(self, problem: str, lines: tuple[str, ...] = ()) -> None:
        super().__init__(problem)
        self.problem, self.lines = problem, lines


def read_answer(path: str | Path, name: str, _: Translate) -> str:
    """Return the text of the learner's file. name : of the exercise.

    Raises InputError if it cannot be read as a text of Python.
    """
    file, shown = Path(path), one_line(path, 200)
    if not file.exists():
        raise InputError(_("{file}: no such file; write it with: minicnn exercise {name}").format(
            file=shown, name=name))
    if not file.is_file():
        raise InputError(_("{file} is not a file").format(file=shown))
    if file.stat().st_size > LARGEST_FILE:
        raise InputError(_("{file} is larger than 1 MB, so it is not an answer").format(file=shown))
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(_("{file} is not a text in UTF-8").format(file=shown)) from None


def load_functions(text: str, path: str, exercise: Exercise) -> Functions:
    """Run the learner's text and return its functions. Raises NotAnAnswer if that fails."""
    name, _ = os.path.basename(path), exercise.translate
    names: dict[str, Any] = {"__name__": exercise.name, "__file__": path}
    try:
        code: CodeType = compile(text, path, "exec")
        exec(code, names)
    except (SyntaxError, ValueError) as problem:
        line = getattr(problem, "lineno", None)
        raise NotAnAnswer(_("{file} is not valid Python: {problem}").format(file=name, problem=described(problem)),
                          (f"{name}, line {line}",) if line else learners_lines(problem, path)) from None
    except BaseException as problem:  # also SystemExit: the learner's code must not end the check
        raise NotAnAnswer(ended(name, problem, _), learners_lines(problem, path)) from None
    for function in exercise.functions:
        if not callable(names.get(function.name)):
            raise NotAnAnswer(_("{file} has no function {name}").format(file=name, name=function.signature))
    return {function.name: names[function.name] for function in exercise.functions}


def answers(functions: Functions, path: str, cases: list[Case], report: Callable[[int], object] = lambda number: None,
            _: Translate = english) -> Iterator[Answer]:
    """Yield the Answer of each case. report : called with the number of each case before it runs."""
    for number, case in enumerate(cases):
        report(number)
        yield answer(functions[case.function], path, case, _)


def answer(function: Callable[..., Any], path: str, case: Case, _: Translate = english) -> Answer:
    """Return the Answer of one case: the function is called with copies of the case's arguments."""
    given = copied(case.arguments)
    try:
        returned = function(*given)
    except NotImplementedError:
        return Answer(problem=_("{name} is not written yet").format(name=case.function))
    except BaseException as problem:  # also SystemExit and KeyboardInterrupt of the learner's code
        return Answer(problem=ended(case.function, problem, _), lines=learners_lines(problem, path))
    changed = tuple(n for n, (before, after) in enumerate(zip(case.arguments, given, strict=True))
                    if not unchanged(before, after))
    unusable, results = as_arrays(case.function, returned, _)
    return Answer(results, changed, unusable)


def copied(value: Any) -> Any:
    """Return the arguments with copies of their arrays. Networks are shared."""
    if isinstance(value, tuple):
        return tuple(map(copied, value))
    return value.copy() if isinstance(value, (np.ndarray, list, dict)) else value


def unchanged(before: Any, after: Any) -> bool:
    """Return whether an argument is as it was before the call."""
    if isinstance(before, np.ndarray):
        return before.shape == after.shape and bool(np.array_equal(before, after, equal_nan=True))
    return before is after or not isinstance(before, (list, dict)) or bool(before == after)


def as_arrays(name: str, returned: Any, _: Translate) -> tuple[str, tuple[np.ndarray, ...]]:
    """Return (problem, arrays) of what a function returned: an array, a number, or several of them."""
    several = returned if isinstance(returned, (tuple, list)) else (returned,)
    if returned is None:
        return _("{name} returns nothing: is its return statement missing?").format(name=name), ()
    arrays = []
    for value in several:
        if not isinstance(value, (np.ndarray, np.generic, int, float)) or isinstance(value, (bool, np.bool_)) \
                or np.asarray(value).dtype.kind not in "fiub":
            return _("{name} returns {kind}, and not an array of numbers").format(
                name=name, kind=one_line(type(value).__name__, 60)), ()
        arrays.append(np.array(value))
    return "", tuple(arrays)


def ended(name: str, problem: BaseException, _: Translate) -> str:
    """Return one sentence about an exception in the learner's code."""
    if isinstance(problem, SystemExit):
        return _("{name} calls sys.exit; let it return its results").format(name=name)
    if isinstance(problem, RecursionError):
        return _("{name} calls itself without an end").format(name=name)
    return _("{name} ends with {problem}").format(name=name, problem=described(problem))


def described(problem: BaseException) -> str:
    """Return the type and the message of an exception in one line."""
    try:
        text = str(problem)
    except BaseException:  # a class of the learner's, whose __str__ fails
        text = ""
    return one_line(" ".join(f"{type(problem).__name__}: {text}".split()), 300)


def learners_lines(problem: BaseException, path: str) -> tuple[str, ...]:
    """Return the lines of the traceback that lie in the learner's file, the last call last."""
    frames = [frame for frame in traceback.extract_tb(problem.__traceback__) if frame.filename == path]
    return tuple(f"{os.path.basename(path)}, line {frame.lineno}, in {frame.name}: {one_line(frame.line or '', 120)}"
                 for frame in frames[-5:])
