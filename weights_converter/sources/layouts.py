"""The layouts of arrays in source files, and their conversion to minicnn's.

minicnn's convolutions are OIHW (out, in, height, width). Its Linear layers are (out, in), with the inputs
flattened from (C, H, W).
"""

from collections.abc import Callable
from typing import NamedTuple

from minicnn.backend import Array

Shape = tuple[int, ...]


class Layout(NamedTuple):
    """The layout of an array in a source file.

    source_shape : function from minicnn's shape to the shape in the file.
    to_ours : function from the array in the file to a view whose first axis is minicnn's, and whose other axes have
        minicnn's order. The caller reshapes some rows at a time: a transposed copy of VGG's whole fc6 would take
        400 MB more.
    """

    source_shape: Callable[[Shape], Shape]
    to_ours: Callable[[Array], Array]


def same_shape(shape: Shape) -> Shape:
    """Return `shape`."""
    return shape


def same_array(array: Array) -> Array:
    """Return `array`."""
    return array


def hwio_shape(shape: Shape) -> Shape:
    """Convert a shape from OIHW to HWIO."""
    outputs, inputs, height, width = shape
    return height, width, inputs, outputs


def hwio_to_oihw(w: Array) -> Array:
    """Return a view with the axes OIHW of an array HWIO."""
    return w.transpose(3, 2, 0, 1)


def linear_over_hwc(size: int) -> Layout:
    """Return the layout (in, out) of Keras and TensorFlow, for inputs flattened from (size, size, C)."""
    return Layout(lambda shape: shape[::-1],
                  lambda w: hwio_to_oihw(w.reshape(size, size, -1, w.shape[1])))


def linear_as_hwio(size: int) -> Layout:
    """Return the layout of a Linear that MatConvNet stores as a convolution HWIO of `size` x `size`."""
    return Layout(lambda shape: (size, size, shape[1] // size**2, shape[0]), hwio_to_oihw)


def linear_as_oihw(size: int) -> Layout:
    """Return the layout of a Linear that is stored as a convolution OIHW of `size` x `size`."""
    return Layout(lambda shape: (shape[0], shape[1] // size**2, size, size), same_array)


AS_OURS = Layout(same_shape, same_array)
HWIO = Layout(hwio_shape, hwio_to_oihw)
TRANSPOSED = Layout(lambda shape: shape[::-1], lambda w: w.T)
