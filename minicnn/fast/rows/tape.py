"""The work of a thread in a step: a list of calls of NumPy functions with their arrays, written down once."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minicnn.backend import Array

FLOAT32 = np.dtype(np.float32)
ZERO = np.zeros((), FLOAT32)
ALIGNED = 64  # bytes of a cache line
Calls = list[list[list[Callable[[], Any]]]]  # of each step, of each thread


class Scratch:
    """The working memory of one thread, a stack. It grows; `growths` counts how often."""

    def __init__(self) -> None:
        self.memory = np.empty(0, np.uint8)
        self.top = self.growths = 0

    def take(self, shape: tuple[int, ...], dtype: Any = FLOAT32) -> Array:
        """Return an array with undefined values on the top of the stack."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        begin, self.top = self.top, self.top + -(-size // ALIGNED) * ALIGNED
        if self.top > len(self.memory):  # arrays that were taken before keep the old memory
            self.memory = np.empty(self.top, np.uint8)
            self.growths += 1
        return self.memory[begin:begin + size].view(dtype).reshape(shape)


class Tape:
    """The calls of one thread in one step."""

    def __init__(self, scratch: Scratch) -> None:
        self.calls: list[Callable[[], Any]] = []
        self.stack = scratch
        self.scratch = scratch.take

    @contextmanager
    def frame(self) -> Iterator[None]:
        """Give back the scratch arrays that are taken meanwhile."""
        top = self.stack.top
        yield
        self.stack.top = top

    def do(self, function: Callable[..., Any], *operands: Any) -> None:
        """Write down a call. Its result goes to the last operand."""
        *inputs, out = operands
        self.calls.append(partial(function, *inputs, out=out))

    def fill(self, target: Array) -> None:
        """Write down zeros."""
        self.calls.append(partial(target.fill, 0))

    def copy(self, source: Array, target: Array) -> None:
        """Write down a copy."""
        self.calls.append(partial(np.copyto, target, source))

    def copy_or_add(self, source: Array, more: Array | None, target: Array) -> None:
        """Write down target = source + more, or target = source."""
        if more is None:
            self.copy(source, target)
        else:
            self.do(np.add, source, more, target)


class Bordered(NamedTuple):
    """A map of shape (H, W, C) inside an array `whole` that has zeros around it.

    is_shared : whether its memory is also used for other maps, so that each pass must write the zeros again.
    """

    whole: Array
    top: int
    left: int
    H: int
    W: int
    is_shared: bool = False

    def rows(self, first: int, last: int) -> Array:
        """Return some rows of the map, (rows, W, C)."""
        return self.whole[self.top + first:self.top + last, self.left:self.left + self.W]


def flat(rows: Array) -> Array | None:
    """Return (rows, W, C) as pixels, (rows W, C), without a copy; None if the pixels do not follow at one distance."""
    count, W, C = rows.shape
    if count > 1 and rows.strides[0] != W * rows.strides[1]:
        return None
    return strided(rows, (count * W, C), rows.strides[1:])


def part_of(memory: Array, shape: tuple[int, ...]) -> Array:
    """Return the beginning of an array as one of this shape."""
    return memory[:math.prod(shape)].reshape(shape)


def strided(begin: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    """Return a view of other shape and strides (bytes) that begins where the array `begin` does.

    NumPy's as_strided does the same, but its views take a kilobyte each, and plans have thousands.
    """
    owner = begin if begin.base is None else begin.base
    offset = begin.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    return np.ndarray(shape, begin.dtype, owner, offset, strides)
