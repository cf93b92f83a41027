"""The ReLU and two other rules for its backward pass: figure 1 of Springenberg et al. 2014 (arXiv:1412.6806).

The cache is the output, which is positive exactly where the input was positive.
"""

from minicnn.backend import Array, get_array_module
from minicnn.layers.layer import ONE_PIXEL, Field, Layer


class ReLU(Layer):
    """max(x, 0), any shape. The gradient passes where the input was positive."""

    def forward(self, x: Array) -> tuple[Array, Array]:
        out = get_array_module(x).maximum(x, 0)
        return out, out

    def backward(self, dout: Array, out: Array) -> Array:
        return dout * (out > 0)

    def field(self) -> Field:
        return ONE_PIXEL


class GuidedReLU(ReLU):
    """Guided backprop: the gradient passes where the input and the gradient are both positive."""

    def backward(self, dout: Array, out: Array) -> Array:
        return dout * (out > 0) * (dout > 0)


class DeconvReLU(ReLU):
    """Deconvnet (Zeiler and Fergus 2014, arXiv:1311.2901): the gradient passes where it is positive itself."""

    def backward(self, dout: Array, out: Array) -> Array:
        return dout * (dout > 0)
