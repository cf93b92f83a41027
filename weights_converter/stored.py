"""What every reader of a source file gives: the arrays in it, each read only when it is wanted."""

from collections.abc import Callable
from math import prod
from typing import NamedTuple

import numpy as np

from minicnn.errors import InputError

SIZE_LIMIT = 2**31  # bytes of a source file, and of the arrays in it (the largest, VGG-19, has 575 MB)


class StoredArray(NamedTuple):
    """An array in a source file: its name there, shape and dtype; `read()` brings its values."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable

    @property
    def size(self):
        """How many numbers it has."""
        return prod(self.shape)


def read_array(file, start, shape, dtype):
    """The array that lies in the file from `start` on as it lies in memory, read without a copy."""
    array = np.empty(shape, dtype)
    file.seek(start)
    if file.readinto(array.reshape(-1).view(np.uint8)) != array.nbytes:
        raise InputError("the file ends before its values")
    return array
