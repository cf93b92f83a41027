"""StoredArray, the result of every reader: an array in a source file whose values are read only on request."""

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from minicnn.backend import Array
from minicnn.errors import InputError

SIZE_LIMIT = 2**31  # bytes of a source file, and of all its arrays together (VGG-19, the largest, has 575 MB)
BLOCK = 2**20  # bytes that are decompressed at a time


class Readable(Protocol):
    """A source of bytes: a file opened for reading, a member of a zip archive, or a BytesIO."""

    def read(self, size: int = -1, /) -> bytes: ...
    def readinto(self, buffer: Any, /) -> int | None: ...


class SourceFile(Readable, Protocol):
    """A file opened for reading bytes, at any position."""

    def readline(self, size: int = -1, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...


class StoredArray(NamedTuple):
    """An array in a source file: its name, shape and dtype in the file. `read()` returns its values."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], Array]

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)


def read_array(file: SourceFile, start: int, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Read an array that is stored in C order from byte `start` of the file, without a second copy in memory."""
    array = np.empty(shape, dtype)
    file.seek(start)
    if file.readinto(array.reshape(-1).view(np.uint8)) != array.nbytes:
        raise InputError("the file ends before its values; download it again")
    return array


def filled_array(stream: Readable, count: int, dtype: npt.DTypeLike) -> Array:
    """Read the next `count` numbers of the stream into a new array of shape (count,).

    The stream is read in blocks, so that the memory holds the array once (VGG-19's largest has 411 MB).
    """
    values = np.empty(count, dtype)
    data = values.view(np.uint8)
    filled = 0
    while filled < len(data):
        read = stream.readinto(data[filled:filled + BLOCK])
        if not read:
            raise InputError("the file ends before its values; download it again")
        filled += read
    return values


def printable(name: str) -> str:
    """Return a name from the file in a form that fits into a message: at most 100 characters, all printable."""
    return name[:100] if name.isprintable() else ascii(name)[:100]
