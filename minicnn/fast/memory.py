"""Memory that is used again.

The operating system hands out fresh memory page by page and zeroed: the first write to 16 MB takes longer than their
ReLU, and freed memory often goes back to the system at once. So fast layers take their large arrays from here, from
buffers that no array refers to any more. CuPy has a memory pool of its own, so on a GPU these are ordinary arrays.
"""

import math
import sys
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from minicnn.backend import Array, get_array_module, keep_freed_memory

SMALL = 2**16  # bytes; for smaller arrays, NumPy's own allocation is as fast


class Memory(threading.local):
    """The memory of one thread: `scratch` arrays by name, and {bytes: [buffers of this size]}, in use or idle."""

    def __init__(self) -> None:
        self.scratch: dict[tuple[str, Any], Array] = {}
        self.buffers: dict[int, list[Array]] = {}


_memory = Memory()


def scratch(name: str, shape: Sequence[int], dtype: Any) -> Array:
    """Return an array with undefined values, in the same memory each time this thread asks for `name`."""
    size = math.prod(shape)
    array = _memory.scratch.get((name, dtype))
    if array is None or array.size < size:
        array = _memory.scratch[name, dtype] = np.empty(size, dtype)
    return array[:size].reshape(shape)


def empty(shape: Sequence[int], dtype: Any) -> Array:
    """Return a C-contiguous NumPy array with undefined values, in idle memory if there is any of this size."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < SMALL:
        return np.empty(shape, dtype)
    for buffer in _memory.buffers.get(size, ()):
        array = buffer.view(dtype)  # before the test, so that no one else, such as a signal handler, can take it
        if sys.getrefcount(buffer) == IN_USE_ONCE:
            return array.reshape(shape)
    keep_freed_memory()
    free_idle_memory()
    buffer = np.empty(size, np.uint8)
    _memory.buffers.setdefault(size, []).append(buffer)
    return buffer.view(dtype).reshape(shape)


def references(buffers: list[Array], i: int) -> int:
    """Return the number of references to the i-th buffer. Each array in it, or in a part of it, is one (its `base`)."""
    return sys.getrefcount(buffers[i])


def references_of_one_array() -> int:
    """Return what `empty` counts if the array that it has just made is the only one in the buffer."""
    count = 0
    for buffer in [np.empty(1, np.uint8)]:
        array = buffer.view(np.uint8)
        count = sys.getrefcount(buffer)
        del array
    return count


IDLE = references([np.empty(1)], 0)  # references by the list itself and by the call
IN_USE_ONCE = references_of_one_array()


def is_idle(buffers: list[Array], i: int) -> bool:
    """Return whether no array uses the i-th buffer."""
    return references(buffers, i) == IDLE


def free_idle_memory() -> None:
    """Free all idle buffers, so that an array of a new size can use their memory."""
    for size, buffers in list(_memory.buffers.items()):
        for i in reversed(range(len(buffers))):  # from the end, so that earlier indices stay valid
            if is_idle(buffers, i):
                del buffers[i]
        if not buffers:
            del _memory.buffers[size]


def empty_like(x: Array, dtype: Any = None) -> Array:
    """Return an array with undefined values, of the shape and memory order of x."""
    xp = get_array_module(x)
    if xp is not np or x.size * x.itemsize < SMALL:
        return xp.empty_like(x, dtype)
    axes = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))  # from the largest stride to the smallest
    in_order = empty([x.shape[axis] for axis in axes], dtype or x.dtype)
    return in_order.transpose(np.argsort(axes))


def add(a: Array, b: Array) -> Array:
    """Return a + b for two arrays of one shape, in the memory order of the second."""
    xp = get_array_module(b)
    return xp.add(a, b, out=empty_like(b, xp.result_type(a, b)))


def channels_last(xp: ModuleType, shape: Sequence[int], dtype: Any) -> Array:
    """Return an array (N, C, H, W) with undefined values, in which the channels of a pixel are contiguous."""
    N, C, H, W = shape
    array = empty((N, H, W, C), dtype) if xp is np else xp.empty((N, H, W, C), dtype)
    return array.transpose(0, 3, 1, 2)
