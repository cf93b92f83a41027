"""The single values that users give: numbers, choices, random generators, functions. Arrays are in visualize/entry.py.

Each function returns the value as the library uses it, or raises InputError: one sentence with the name of the
argument, the given value and the way out.
"""

import math
import os
import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.random import Generator

from minicnn.errors import InputError, one_line, unknown_name

Seed: TypeAlias = Generator | int | Sequence[int] | None  # or anything else that numpy.random.default_rng takes

LONGEST_PATH = 32_767  # characters; no system opens a longer one
LARGEST = 2**31 - 1  # of a whole number without a limit of its own; a loop of more steps would never end


def describe(value: object) -> str:
    """Return the type of a value and its beginning, or the shape of an array, for a message.

    >>> describe("tabby"), describe(np.zeros((2, 3)))
    ("str 'tabby'", 'float64 array of shape (2, 3)')
    """
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is not None and isinstance(shape, tuple) and shape:
        kind = "array" if isinstance(value, np.ndarray) else type(value).__name__
        return one_line(f"{dtype} {kind} of shape {tuple(shape)}", 120)
    if value is None:
        return "None"
    try:
        text = reprlib.repr(value)
    except Exception:  # a broken __repr__, or an integer of thousands of digits
        return type(value).__name__
    kind = "" if type(value) in (bool, int, float, list, tuple) else f"{type(value).__name__} "
    return kind + one_line(text, 60)


def plain(value: Any) -> Any:
    """Return a number of NumPy, CuPy or PyTorch, or an array without axes, as a Python number; else the value itself.

    >>> plain(np.array(281)), plain("tabby")
    (281, 'tabby')
    """
    if value is np.ma.masked:  # its `item` is 0, although it stands for a missing value
        return None
    if isinstance(value, np.generic) or getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value if getattr(value.dtype, "kind", "") in ("m", "M") else value.item()
    return value


def is_number(value: Any) -> bool:
    """Return whether the value is a real number, and neither True, False, infinite nor NaN.

    >>> is_number(1.5), is_number(True), is_number(float("nan"))
    (True, False, False)
    """
    try:
        return isinstance(value, Real) and not isinstance(value, (bool, np.generic)) and math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False


def whole(value: Any) -> int | None:
    """Return a whole number, also if it is given as 2.0 or as an array without axes; None for everything else.

    >>> whole(np.int64(3)), whole(2.0), whole(1.5), whole(True)
    (3, 2, None, None)
    """
    value = plain(value)
    if isinstance(value, Integral) and not isinstance(value, (bool, np.generic)):  # np.generic: a time span
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else None


def require_whole(name: str, value: Any, least: int = 0, most: int = LARGEST, unit: str = "") -> int:
    """Return a whole number from `least` to `most`. unit : such as "of pixels", for the message.

    >>> require_whole("steps", np.int64(3), least=1)
    3
    """
    number = whole(value)
    if number is None or not least <= number <= most:
        span = f"from {least} on" if most == LARGEST else f"from {least} to {most:,}"
        raise InputError(f"{name} is {describe(value)}; expected a whole number {unit + ' ' * bool(unit)}{span}")
    return number


def require_number(name: str, value: Any, least: float = -math.inf, most: float = math.inf, *,
                   above: float = -math.inf, below: float = math.inf) -> float:
    """Return a finite number from `least` to `most`, above `above` and below `below`, as a float.

    >>> require_number("zoom", 0, least=0, below=1)
    0.0
    """
    number = plain(value)
    if is_number(number) and least <= number <= most and above < number < below:
        return float(number)
    bounds = [f"{word} {bound:g}" for word, bound in (("from", least), ("above", above), ("up to", most),
                                                      ("below", below)) if math.isfinite(bound)]
    if len(bounds) == 1 and math.isfinite(least):
        bounds = [f"from {least:g} on"]
    raise InputError(f"{name} is {describe(value)}; expected a number {', '.join(bounds) or 'that is finite'}")


def require_flag(name: str, value: Any) -> bool:
    """Return True or False. Raises InputError for anything else.

    >>> require_flag("same_scale", np.bool_(True))
    True
    """
    if not isinstance(plain(value), bool):
        raise InputError(f"{name} is {describe(value)}; expected True or False")
    return bool(value)


def require_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return a name that is one of the `choices`. Raises UnknownNameError for another name.

    >>> require_choice("pooling", "max", ["max", "avg"])
    'max'
    """
    if not isinstance(value, str):
        raise InputError(f"{name} is {describe(value)}; expected one of {', '.join(map(repr, choices))}")
    if value not in choices:
        raise unknown_name(name, one_line(value, 60), choices)
    return value


def require_kind(name: str, value: Any, kind: type, way_out: str) -> Any:
    """Return the value if it is of this type. way_out : what to give instead, for the message.

    >>> require_kind("settings", 3, int, "give a whole number")
    3
    """
    if not isinstance(value, kind):
        raise InputError(f"{name} is {describe(value)}; {way_out}")
    return value


def require_callable(name: str, value: Any) -> Any:
    """Return a function, or None. Raises InputError for anything else.

    >>> require_callable("callback", print) is print
    True
    """
    if value is not None and (not callable(value) or isinstance(value, type)):
        raise InputError(f"{name} is {describe(value)}; expected a function, or None")
    return value


def require_path(name: str, value: Any) -> Path:
    """Return a path given as a text or a Path. Raises InputError for anything else.

    >>> require_path("folder", "pictures").name
    'pictures'
    """
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text or "\0" in text or len(text) > LONGEST_PATH:
        raise InputError(f"{name} is {describe(value)}; expected the path of a file or folder")
    return Path(text)


def require_iterable(name: str, value: Any, content: str) -> Iterator[Any]:
    """Return an iterator over the value. Raises InputError if it has none. content : of the value, for the message.

    >>> list(require_iterable("sizes", (3, 4), "sizes"))
    [3, 4]
    """
    if not isinstance(value, (str, bytes, dict)):
        try:
            return iter(value)
        except Exception:  # TypeError, or the error of a broken __iter__
            pass
    raise InputError(f"{name} is {describe(value)}; expected a list or another iterable of {content}")


def require_generator(rng: Any) -> Generator:
    """Return the random generator, or a new one for a seed: anything that numpy.random.default_rng takes.

    >>> bool(require_generator(3).random() == np.random.default_rng(3).random())
    True
    """
    if isinstance(rng, Generator):
        return rng
    if rng is None or isinstance(rng, (np.random.SeedSequence, np.random.BitGenerator, np.random.RandomState)):
        return np.random.default_rng(rng)
    seeds = [whole(seed) for seed in ([rng] if count_of(rng) is None else listed(rng))]
    if seeds and all(seed is not None and seed >= 0 for seed in seeds):
        return np.random.default_rng(seeds[0] if count_of(rng) is None else seeds)  # type: ignore[arg-type]  # no None
    raise InputError(f"rng is {describe(rng)}; expected a numpy.random.Generator, or a seed: a whole number from 0 on")


def require_fields(settings: Any, **least: float) -> None:
    """Check all fields of a dataclass that are annotated as numbers or texts, and store them as Python numbers.

    least : {field: its smallest value}; other numbers have any sign. A field may be None only if it is annotated so.
    Raises InputError that names the first wrong field.
    """
    for field in fields(settings):
        value, kind, low = getattr(settings, field.name), field.type, least.get(field.name)
        if value is None and kind in (int | None, float | None):
            continue
        if kind in (int, int | None):
            value = require_whole(field.name, value, -LARGEST if low is None else int(low))
        elif kind in (float, float | None):
            value = require_number(field.name, value, -math.inf if low is None else low)
        elif kind is str:
            require_kind(field.name, value, str, "expected a name")
        else:
            continue
        object.__setattr__(settings, field.name, value)  # the dataclass is frozen


def count_of(values: Any) -> int | None:
    """Return the number of values in a sequence or an array with axes; None for a single value or a text.

    >>> count_of([3, 4]), count_of(np.array(3)), count_of("ab")
    (2, None, None)
    """
    if isinstance(values, (str, bytes, dict, set)) or getattr(values, "shape", None) == ():
        return None
    try:
        return len(values) if hasattr(values, "__getitem__") else None
    except Exception:  # a type without a length, or an object whose length cannot be read
        return None


def listed(values: Any) -> list[Any]:
    """Return the values of a sequence, or of an array with one axis on any device, as a list.

    >>> listed((3, 4)), listed(np.array([3, 4]))
    ([3, 4], [3, 4])
    """
    return values.tolist() if getattr(values, "ndim", 0) == 1 and hasattr(values, "tolist") else list(values)
