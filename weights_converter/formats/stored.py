"""What every reader of a source file gives: the arrays in it, each read only when it is wanted."""

from collections.abc import Callable
from math import prod
from typing import NamedTuple

import numpy as np

from minicnn.errors import InputError

SIZE_LIMIT = 2**31  # bytes of a source file, and of the arrays in it (the largest, VGG-19, has 575 MB)
BLOCK = 2**20  # bytes that are decompressed at a time


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


def filled_array(stream, count, dtype):
    """An array of the next numbers in the stream, read into its own memory: VGG-19's largest has 411 MB."""
    values = np.empty(count, dtype)
    data = values.view(np.uint8)
    filled = 0
    while filled < len(data):
        read = stream.readinto(data[filled:filled + BLOCK])
        if not read:
            raise InputError("it ends before its values")
        filled += read
    return values


def shown(name):
    """A name of the file as it can stand in a message: short, and in one line."""
    return name[:100] if name.isprintable() else ascii(name)[:100]
