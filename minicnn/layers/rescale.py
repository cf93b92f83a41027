"""DeepLIFT's rule "rescale": backward passes that explain the difference from a baseline (arXiv:1704.02685).

A gradient is replaced by a multiplier: the difference of a layer's output from its output at the baseline, divided by
the same difference of its input (Shrikumar et al. 2017, sections 3.2 and 3.5.1). Multipliers obey the chain rule, so
they pass linear layers as gradients do. Only layers that are not linear need a rule. Each holds x0, its input at the
baseline, and passes the gradient itself where the input does not differ from x0.
"""

from typing import Any

from minicnn.backend import Array, get_array_module
from minicnn.errors import InputError
from minicnn.layers.conv import Conv2D
from minicnn.layers.dropout import Dropout
from minicnn.layers.layer import Layer
from minicnn.layers.linear import Flatten, Linear
from minicnn.layers.merge import Add, Concat
from minicnn.layers.norm import BatchNorm2D, LocalResponseNorm
from minicnn.layers.pool import AvgPool2D, GlobalAvgPool2D, MaxPool2D
from minicnn.layers.relu import ReLU
from minicnn.layers.resize import Pad2D, Upsample2D

LINEAR = (Conv2D, Linear, BatchNorm2D, AvgPool2D, GlobalAvgPool2D, Concat, Add, Flatten, Dropout, Pad2D, Upsample2D)


class RescaleReLU(ReLU):
    """The ReLU whose multiplier is (relu(x) - relu(x0)) / (x - x0), from 0 to 1."""

    def __init__(self, x0: Array) -> None:
        super().__init__()
        self.x0 = x0

    def forward(self, x: Array) -> tuple[Array, Any]:
        return get_array_module(x).maximum(x, 0), x

    def backward(self, dout: Array, x: Array) -> Array:
        xp = get_array_module(x)
        difference = x - self.x0
        return dout * quotient(xp.maximum(x, 0) - xp.maximum(self.x0, 0), difference, x > 0)

    def __repr__(self) -> str:
        return "RescaleReLU()"


class RescaleMaxPool2D(MaxPool2D):
    """The max pool whose multipliers go to the winners of both inputs, so that they explain out - out0.

    With m = max(out, out0), the difference m - out0 is that of x's winner, and out - m that of x0's winner.
    """

    def __init__(self, pool: MaxPool2D, x0: Array) -> None:
        super().__init__(pool.kernel_size, pool.stride, pool.pad, pool.ceil)
        self.x0 = x0

    def backward(self, dout: Array, cache: Any) -> Array:
        x, out = cache
        xp = get_array_module(x)
        x0 = xp.broadcast_to(self.x0, x.shape)
        out0, _ = self.forward(x0)
        largest = xp.maximum(out, out0)
        change = super().backward(dout * (largest - out0), cache) + super().backward(dout * (out - largest), (x0, out0))
        return quotient(change, x - x0, super().backward(dout, cache))

    def __repr__(self) -> str:
        return "Rescale" + MaxPool2D(self.kernel_size, self.stride, self.pad, self.ceil).__repr__()


class RescaleResponseNorm(LocalResponseNorm):
    """Local response normalization with the exact difference of its product: out = x g, g = scale ** -beta.

    x g - x0 g0 = mean of g * (x - x0) + mean of x * (g - g0), with the means over both inputs. g depends on `scale`
    alone, so it is rescaled like a ReLU. The difference of a square in `scale` is (x + x0) (x - x0).
    """

    def __init__(self, norm: LocalResponseNorm, x0: Array) -> None:
        super().__init__(norm.size, norm.alpha, norm.beta, norm.k)
        self.x0 = x0

    def backward(self, dout: Array, cache: Any) -> Array:
        x, scale = cache
        x0, (_, (_, scale0)) = self.x0, self.forward(self.x0)
        g, g0 = scale ** -self.beta, scale0 ** -self.beta
        slope = quotient(g - g0, scale - scale0, -self.beta * scale ** (-self.beta - 1))
        shared = self._sum_of_neighbours(dout * (x + x0) / 2 * slope)
        return dout * (g + g0) / 2 + self.alpha / self.size * (x + x0) * shared

    def __repr__(self) -> str:
        return f"RescaleResponseNorm({self.size})"


def rescale_layer(layer: Layer, x0: Array) -> Layer:
    """Return the layer that passes multipliers back through `layer`, whose input at the baseline is x0.

    Raises InputError if the rule does not cover such a layer.

    >>> rescale_layer(ReLU(), np.zeros((1, 2)))
    RescaleReLU()
    """
    if isinstance(layer, LINEAR):
        return layer
    if isinstance(layer, ReLU):
        return RescaleReLU(x0)
    if isinstance(layer, MaxPool2D):
        return RescaleMaxPool2D(layer, x0)
    if isinstance(layer, LocalResponseNorm):
        return RescaleResponseNorm(layer, x0)
    raise InputError(f"DeepLIFT has no rule for a layer {type(layer).__name__}")


def quotient(change: Array, difference: Array, otherwise: Array) -> Array:
    """Return change / difference, and `otherwise` where the difference is zero."""
    xp = get_array_module(difference)
    same = difference == 0
    return xp.where(same, otherwise, change / xp.where(same, xp.ones_like(difference), difference))
