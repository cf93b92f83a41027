"""An exercise: its text, the functions that the learner writes, and everything that its check needs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn.models import Model
from minicnn.network import Network

from ..shared.inputs import Photo
from ..shared.language import Translate, english

Functions = dict[str, Callable[..., Any]]  # {name: the learner's function}
Panel = tuple[str, np.ndarray]             # (caption, picture in colours (H, W, 3), or grey (H, W) in 0..1)

EXACT = 1e-7   # largest relative error in float64; finite differences reach about 1e-9
SINGLE = 1e-4  # largest relative error in float32


@dataclass(frozen=True)
class Function:
    """A function that the learner writes.

    signature : its first line, such as "relu_backward(dout, x)". results : the names of its results, such as ("dx",).
    task : its docstring: shapes and the formula. example : two lines for its docstring.
    """

    signature: str
    results: tuple[str, ...]
    task: str
    example: str

    @property
    def name(self) -> str:
        """The function's name."""
        return self.signature.partition("(")[0]


@dataclass(frozen=True)
class Case:
    """One call of a learner's function, and the function that knows the right result.

    name : a few words for the report. function : the name of the learner's function. arguments : of the call.
    right : called with the same arguments: a naive twin, or finite differences of one.
    needs : the largest relative error of a right answer.
    """

    name: str
    function: str
    arguments: tuple[Any, ...]
    right: Callable[..., Any]
    needs: float = EXACT


@dataclass(frozen=True)
class Mistake:
    """A known mistake in a function. An answer with the same results as `wrong` gets the hint.

    wrong : called with the arguments of a case, returns the results of the mistake.
    """

    function: str
    hint: str
    wrong: Callable[..., Any]


@dataclass(frozen=True)
class Exercise:
    """All that `minicnn exercise NAME` shows and checks.

    name : of the exercise, of the learner's file, and of the picture. title : one line for the list.
    task : the text at the top of the learner's file. functions : to write.
    cases : the calls that are checked; the first case of each function compares with its naive twin.
    mistakes : the known ones. hints : sentences for --hint, from a first idea to the last step.
    picture : called with the learner's functions, a Model and a Photo; returns the panels of the picture.
    caption : one sentence about the picture. solution : the library's file that solves the exercise.
    translate : the translation of the sentences above, for those that a check adds.
    """

    name: str
    title: str
    task: str
    functions: tuple[Function, ...]
    cases: tuple[Case, ...]
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, ...]
    picture: Callable[[Functions, Model, Photo], list[Panel]]
    caption: str
    solution: str
    translate: Translate = english

    def all_cases(self) -> list[Case]:
        """Return the cases, and behind them the first case of each function once more, in float32."""
        _ = self.translate
        firsts = [next(case for case in self.cases if case.function == function.name) for function in self.functions]
        return [*self.cases, *(Case(_("float32 stays float32"), case.function, to_float32(case.arguments), case.right,
                                    SINGLE) for case in firsts)]

    def function(self, name: str) -> Function:
        """Return the function of this name."""
        return next(function for function in self.functions if function.name == name)


def to_float32(value: Any) -> Any:
    """Return an argument with its arrays, and the parameters of its networks, in float32."""
    if isinstance(value, tuple):
        return tuple(map(to_float32, value))
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" or isinstance(value, Network):
        return value.astype(np.float32)
    return value
