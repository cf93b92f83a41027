"""Scores to probabilities."""

from minicnn.backend import get_array_module
from minicnn.layers.layer import Layer


class Softmax(Layer):
    """exp(x) / sum of exp(x) over axis 1, the classes or channels; the shape stays."""

    cached = ("out",)

    def forward(self, x):
        xp = get_array_module(x)
        exp = xp.exp(x - x.max(axis=1, keepdims=True))  # the shift cancels out and keeps exp in range
        out = exp / exp.sum(axis=1, keepdims=True)
        return out, out

    def backward(self, dout, out):
        # d out_i / d x_j = out_i (delta_ij - out_j)
        return out * (dout - (dout * out).sum(axis=1, keepdims=True))
