"""The ReLU and the two other ways back through it: figure 1 of Springenberg et al. 2014 (arXiv:1412.6806).

The cache is the output: positive exactly where the input was.
"""

from minicnn.backend import get_array_module
from minicnn.layers.layer import Layer


class ReLU(Layer):
    """max(x, 0); the gradient passes where the input was positive."""

    def forward(self, x):
        xp = get_array_module(x)
        out = xp.maximum(x, 0)
        return out, out

    def backward(self, dout, out):
        return dout * (out > 0)


class GuidedReLU(ReLU):
    """Guided backprop: the gradient passes where both the input and the gradient are positive."""

    def backward(self, dout, out):
        return dout * (out > 0) * (dout > 0)


class DeconvReLU(ReLU):
    """Deconvnet (Zeiler and Fergus 2014): the gradient passes where it is positive itself."""

    def backward(self, dout, out):
        return dout * (dout > 0)
