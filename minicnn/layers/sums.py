"""Sums over the pixels of images, one axis after the other.

In channels-last memory, NumPy adds all pixels of an image one by one, and a float32 sum over a million pixels loses
four digits. Adding rows to rows first, then the values of one row, loses almost none.
"""

from minicnn.backend import Array


def sum_over(x: Array, axes: tuple[int, ...]) -> Array:
    """Return x.sum(axes), with less float32 rounding error."""
    for axis in axes:
        x = x.sum(axis=axis, keepdims=True)
    return x.squeeze(axes)


def mean_over(x: Array, axes: tuple[int, ...]) -> Array:
    """Return x.mean(axes, keepdims=True), with less float32 rounding error."""
    for axis in axes:
        x = x.mean(axis=axis, keepdims=True)
    return x
