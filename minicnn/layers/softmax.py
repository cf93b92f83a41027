"""Scores to probabilities."""

from minicnn.backend import Array, get_array_module
from minicnn.layers.layer import ONE_PIXEL, Field, Layer


class Softmax(Layer):
    """exp(x) / sum of exp(x) over axis 1, the classes or channels. The shape stays."""

    def forward(self, x: Array) -> tuple[Array, Array]:
        xp = get_array_module(x)
        exp = xp.exp(x - x.max(axis=1, keepdims=True))  # the shift cancels in the ratio and prevents overflow
        out = exp / exp.sum(axis=1, keepdims=True)
        return out, out

    def backward(self, dout: Array, out: Array) -> Array:
        # d out_i / d x_j = out_i (delta_ij - out_j)
        return out * (dout - (dout * out).sum(axis=1, keepdims=True))

    def field(self) -> Field:
        return ONE_PIXEL
