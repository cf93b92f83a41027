"""Memory that is used again.

The system hands out fresh memory page by page, and zeroed: the first touch of 16 MB takes longer than their ReLU, and
what is freed often goes back to the system at once. So the layers take their large arrays from here: where an earlier
one lay that nobody refers to any more. On CuPy, which does the same by itself, they are ordinary arrays.
"""

import math
import sys
import threading
from functools import cache

import numpy as np

from minicnn.backend import get_array_module

SMALL = 2**16  # bytes; for less, NumPy's own is as fast
LARGEST_KEPT = 2**25 - 2**16  # bytes of an array that glibc's malloc still takes for one that is needed again


class Memory(threading.local):
    """Of one thread: `scratch` by name, and {bytes: [buffers of that size]}, in use or idle."""

    def __init__(self):
        self.scratch = {}
        self.buffers = {}


_memory = Memory()


def scratch(name, shape, dtype):
    """An array of this shape with anything in it; the same memory whenever this thread asks for `name`."""
    size = math.prod(shape)
    array = _memory.scratch.get((name, dtype))
    if array is None or array.size < size:
        array = _memory.scratch[name, dtype] = np.empty(size, dtype)
    return array[:size].reshape(shape)


def empty(shape, dtype):
    """A NumPy array of this shape with anything in it, C-contiguous; where it can, in memory that has become free."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < SMALL:
        return np.empty(shape, dtype)
    for buffer in _memory.buffers.get(size, ()):
        array = buffer.view(dtype)  # before the question: so nobody else, a signal handler say, is given it meanwhile
        if sys.getrefcount(buffer) == IN_USE_ONCE:
            return array.reshape(shape)
    make_malloc_keep_memory()
    let_go()
    buffer = np.empty(size, np.uint8)
    _memory.buffers.setdefault(size, []).append(buffer)
    return buffer.view(dtype).reshape(shape)


@cache
def make_malloc_keep_memory():
    """Once in a process. The C library of Linux gives what is freed back to the system when twice as much is free as
    the largest array that it has seen freed, of up to 32 MB, and fetches it again page by page: SqueezeNet there and
    back at 224 pixels takes 15 % longer so. So it is shown one; of an array that nobody writes into there is no
    memory."""
    np.empty(LARGEST_KEPT, np.uint8)


def references(buffers, i):
    """How many there are to the i-th buffer: every array that lies in it, or in a part of it, is one (its `base`)."""
    return sys.getrefcount(buffers[i])


def references_of_one_array():
    """What `empty` counts where the array that it has just made is the only one in the buffer."""
    for buffer in [np.empty(1, np.uint8)]:
        array = buffer.view(np.uint8)
        return sys.getrefcount(buffer) if array.size else 0


IDLE = references([np.empty(1)], 0)  # from the list itself, and for the call
IN_USE_ONCE = references_of_one_array()


def is_idle(buffers, i):
    """Whether the memory is nobody's."""
    return references(buffers, i) == IDLE


def let_go():
    """Give all idle memory back: whoever needs a new size has it all, and of the old sizes only what is in use."""
    for size, buffers in list(_memory.buffers.items()):
        for i in reversed(range(len(buffers))):  # from the end: the earlier indices stay what they were
            if is_idle(buffers, i):
                del buffers[i]
        if not buffers:
            del _memory.buffers[size]


def empty_like(x, dtype=None):
    """An array of the shape and layout of x, NumPy's or CuPy's, with anything in it."""
    xp = get_array_module(x)
    if xp is not np or x.size * x.itemsize < SMALL:
        return xp.empty_like(x, dtype)
    axes = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))  # from far apart to side by side in memory
    laid_out = empty([x.shape[axis] for axis in axes], dtype or x.dtype)
    return laid_out.transpose(np.argsort(axes))


def add(a, b):
    """a + b of two arrays of one shape, laid out as the second."""
    xp = get_array_module(b)
    return xp.add(a, b, out=empty_like(b, xp.result_type(a, b)))


def channels_last(xp, shape, dtype):
    """An array (N, C, H, W) with anything in it, the channels of a pixel side by side in memory."""
    N, C, H, W = shape
    array = empty((N, H, W, C), dtype) if xp is np else xp.empty((N, H, W, C), dtype)
    return array.transpose(0, 3, 1, 2)
