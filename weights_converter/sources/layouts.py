"""How sources keep an array in memory, and the way back to ours: convolutions OIHW, Linear (out, in) over C, H, W."""

from collections.abc import Callable
from typing import NamedTuple


class Layout(NamedTuple):
    """How a source arranges an array.

    source_shape : its shape there from the shape here. to_ours : a view of its values with the outputs, our
    first axis, in front, and the rest in our order; the caller reshapes the rows, some at a time, as a
    transposed copy of VGG's fc6 in one piece would take 400 MB more.
    """

    source_shape: Callable
    to_ours: Callable


def same(value):
    """`value` itself."""
    return value


def hwio_shape(shape):
    """OIHW -> HWIO."""
    outputs, inputs, height, width = shape
    return height, width, inputs, outputs


def hwio_to_oihw(w):
    """HWIO -> OIHW."""
    return w.transpose(3, 2, 0, 1)


def linear_over_hwc(size):
    """Linear (in, out) as Keras and TensorFlow have it: the input was flattened H, W, C, each side `size`."""
    return Layout(lambda shape: shape[::-1],
                  lambda w: hwio_to_oihw(w.reshape(size, size, -1, w.shape[1])))


def linear_as_hwio(size):
    """Linear as MatConvNet has it: a convolution HWIO of `size` x `size`."""
    return Layout(lambda shape: (size, size, shape[1] // size**2, shape[0]), hwio_to_oihw)


def linear_as_oihw(size):
    """Linear as a convolution OIHW of `size` x `size`."""
    return Layout(lambda shape: (shape[0], shape[1] // size**2, size, size), same)


AS_OURS = Layout(same, same)
HWIO = Layout(hwio_shape, hwio_to_oihw)
TRANSPOSED = Layout(lambda shape: shape[::-1], lambda w: w.T)
