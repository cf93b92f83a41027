"""The ReLU and the two other ways back through it: figure 1 of Springenberg et al. 2014 (arXiv:1412.6806).

The cache is the output: positive exactly where the input was.
"""

from minicnn.backend import get_array_module
from minicnn.layers.layer import Layer
from minicnn.memory import empty_like

LARGE = 2**14  # numbers; above, memory that is used again saves more time than it takes to find it


class ReLU(Layer):
    """max(x, 0); the gradient passes where the input was positive."""

    cached = ("out",)

    def forward(self, x):
        xp = get_array_module(x)
        if x.size > LARGE and x.ndim > 1:
            zeros = xp.zeros_like(x[..., :1, :])  # the maximum of two arrays is faster than of an array and a number
            out = xp.maximum(x, zeros, out=empty_like(x))
        else:
            out = xp.maximum(x, 0)
        return out, out

    def backward(self, dout, out):
        return dout * (out > 0) if out.size <= LARGE else multiply_by_positive(dout, out)


class GuidedReLU(ReLU):
    """Guided backprop: the gradient passes where both the input and the gradient are positive."""

    def backward(self, dout, out):
        return dout * (out > 0) * (dout > 0)


class DeconvReLU(ReLU):
    """Deconvnet (Zeiler and Fergus 2014): the gradient passes where it is positive itself."""

    def backward(self, dout, out):
        return dout * (dout > 0)


def multiply_by_positive(dout, out):
    """dout * (out > 0), in one array."""
    dx = get_array_module(out).greater(out, 0, out=empty_like(out, dout.dtype))  # 1 or 0
    dx *= dout
    return dx
