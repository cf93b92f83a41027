"""The ReLU and the two other ways back through it: figure 1 of Springenberg et al. 2014 (arXiv:1412.6806).

The cache is the output: positive exactly where the input was.
"""

from minicnn.backend import get_array_module
from minicnn.fast.memory import empty_like
from minicnn.fast.threads import bands, share_out
from minicnn.layers.layer import Layer

LARGE = 2**14  # numbers; above, memory that is used again saves more time than it takes to find it


class ReLU(Layer):
    """max(x, 0); the gradient passes where the input was positive."""

    cached = ("out",)

    def forward(self, x):
        out = get_array_module(x).maximum(x, 0) if x.size <= LARGE or x.ndim < 4 else maximum_of_zero(x, empty_like(x))
        return out, out

    def forward_over(self, x):
        """`forward`, writing over x, which nobody needs any more: it is still in the cache, and new memory is not."""
        out = get_array_module(x).maximum(x, 0, out=x) if x.size <= LARGE or x.ndim < 4 else maximum_of_zero(x, x)
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


def maximum_of_zero(x, out):
    """max(x, 0) of a large (N, C, H, W) into `out`: a part of the rows after the other, on all threads."""
    xp = get_array_module(x)
    zeros = xp.zeros_like(x[..., :1, :])  # the maximum of two arrays is faster than of an array and a number
    share_out(lambda band: xp.maximum(x[band], zeros, out=out[band]), bands(x, 2))
    return out


def multiply_by_positive(dout, out):
    """dout * (out > 0), in one array."""
    xp = get_array_module(out)
    dx = empty_like(out, dout.dtype)

    def multiply(band):
        xp.greater(out[band], 0, out=dx[band])  # 1 or 0
        dx[band] *= dout[band]

    share_out(multiply, bands(out, 2) if out.ndim == 4 else [...])
    return dx
