"""Relevance propagation: backward rules that share out the score among the inputs of each layer.

A neuron k adds up contributions z_jk of its inputs j. It hands its relevance R_k down in proportion to them:

    R_j = sum over k of  z_jk / z_k  R_k,    z_k = sum over j of z_jk + b_k

The rules differ in z_jk: x_j w_jk for LRP-0 and LRP-epsilon, x_j (w_jk + gamma max(w_jk, 0)) for LRP-gamma, and
x_j max(w_jk, 0) for z+ (Bach et al. 2015, PLOS ONE 10:e0130140; Montavon et al. 2019, Layer-Wise Relevance Propagation:
An Overview). A pass is `Network.backward` with relevance in the place of gradients: where several layers read an
activation, their relevances add up as gradients do.
"""

import copy
from collections.abc import Callable
from typing import Any

from minicnn.backend import Array, get_array_module
from minicnn.errors import InputError
from minicnn.layers.conv import Conv2D
from minicnn.layers.dropout import Dropout
from minicnn.layers.layer import Field, Layer
from minicnn.layers.linear import Flatten, Linear
from minicnn.layers.merge import Add, Concat
from minicnn.layers.norm import BatchNorm2D, LocalResponseNorm
from minicnn.layers.pool import AvgPool2D, GlobalAvgPool2D, MaxPool2D
from minicnn.layers.relu import ReLU
from minicnn.layers.resize import Pad2D, Upsample2D

# Their own backward pass hands relevance down, too: it moves numbers to where they came from, and changes none.
MOVING = (MaxPool2D, Concat, Flatten, Dropout, Pad2D, Upsample2D)


class PassReLU(ReLU):
    """The ReLU of relevance propagation: the relevance of a neuron is that of its sum, so all of it passes."""

    def backward(self, dout: Array, out: Array) -> Array:
        return dout


class WrappedLayer(Layer):
    """A layer with the forward pass, the weights and the shapes of `layer`. Its cache is the tuple of its inputs."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer, self.params, self.buffers = layer, layer.params, layer.buffers

    def forward(self, *xs: Array) -> tuple[Array, Any]:
        return self.layer.forward(*xs)[0], xs

    def field(self) -> Field | None:
        return self.layer.field()

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        return self.layer.output_shape(*shapes)

    def multiply_adds(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> int:
        return self.layer.multiply_adds(in_shape, out_shape)


class PassRelevance(WrappedLayer):
    """A normalization that only rescales each input: all relevance passes."""

    def backward(self, dout: Array, xs: Any) -> Array:
        return dout


class EpsilonRelevance(WrappedLayer):
    """LRP-epsilon, and with epsilon = 0 LRP-0: contributions z_jk = x_j w_jk of a linear layer.

    epsilon : added to the sum z_k, away from zero. It absorbs relevance where the contributions cancel each other.
    keep_bias : whether a bias keeps its share b_k / z_k, as one more input. Otherwise the inputs get the share in
        proportion to |x_j|, and no relevance is lost.
    """

    def __init__(self, layer: Layer, epsilon: float = 1e-9, keep_bias: bool = False) -> None:
        super().__init__(layer)
        self.epsilon, self.keep_bias = epsilon, keep_bias

    def changed(self, w: Array) -> Array:
        """Return the weights, or the biases, by which relevance is shared out."""
        return w

    def backward(self, dout: Array, xs: Any) -> Any:
        # R_j = x_j (sum over k of w_jk s_k) with s_k = R_k / z_k: the sum is the layer's gradient for the seed s
        # (the four steps of Montavon et al. 2019, section 10.3.1)
        shared = with_params(self.layer, self.changed)
        z, cache = shared.forward(*xs)
        s = dout / away_from_zero(z, self.epsilon)
        sums = shared.backward(s, cache)
        if len(xs) > 1:
            return tuple(x * one for x, one in zip(xs, sums, strict=True))
        relevance = xs[0] * sums
        if "b" in shared.params and not self.keep_bias:
            relevance = relevance + bias_relevance(shared, xs[0], s)
        return relevance


class GammaRelevance(EpsilonRelevance):
    """LRP-gamma: positive weights count 1 + gamma times. The inputs must not be negative."""

    def __init__(self, layer: Layer, gamma: float = 0.25, epsilon: float = 1e-9, keep_bias: bool = False) -> None:
        super().__init__(layer, epsilon, keep_bias)
        self.gamma = gamma

    def changed(self, w: Array) -> Array:
        return w + self.gamma * get_array_module(w).maximum(w, 0)


class PositiveRelevance(EpsilonRelevance):
    """z+, or alpha-1-beta-0: only positive weights count. The inputs must not be negative."""

    def changed(self, w: Array) -> Array:
        return get_array_module(w).maximum(w, 0)


class BoxRelevance(EpsilonRelevance):
    """z^B for a layer that reads pixels from `low` to `high` (Montavon et al. 2017, arXiv:1512.02479, section 4.2).

    z_jk = x_j w_jk - low_j w+_jk - high_j w-_jk, with w+ = max(w, 0) and w- = min(w, 0). Because w = w+ + w-, this is
    (x_j - low_j) w+_jk + (x_j - high_j) w-_jk, which is never negative. Biases have no share.
    low, high : smallest and largest value of a pixel, in a shape that broadcasts to (N, C, H, W).
    """

    def __init__(self, layer: Layer, low: Array, high: Array, epsilon: float = 1e-9) -> None:
        super().__init__(layer, epsilon)
        self.low, self.high = low, high

    def backward(self, dout: Array, xs: Any) -> Array:
        x, = xs
        xp = get_array_module(x)
        above_low, below_high = x - self.low, x - self.high
        positive = with_params(without_bias(self.layer), lambda w: xp.maximum(w, 0))
        negative = with_params(without_bias(self.layer), lambda w: xp.minimum(w, 0))
        z = positive.forward(above_low)[0] + negative.forward(below_high)[0]
        s = dout / away_from_zero(z, self.epsilon)
        return above_low * positive.backward(s, above_low) + below_high * negative.backward(s, below_high)


def relevance_layer(layer: Layer, rule: Callable[[Layer], Layer] = EpsilonRelevance) -> Layer:
    """Return the layer whose backward pass hands relevance down through `layer`.

    rule : makes it of a layer that adds up its inputs. Of one without weights, such as an average pool, all rules but
        z^B are LRP-epsilon.
    Raises InputError if relevance propagation has no rule for such a layer.

    >>> relevance_layer(ReLU())
    PassReLU()
    """
    if isinstance(layer, WrappedLayer):
        layer = layer.layer
    if isinstance(layer, ReLU):
        return PassReLU()
    if isinstance(layer, MOVING):
        return layer
    if isinstance(layer, BatchNorm2D | LocalResponseNorm):
        return PassRelevance(layer)
    if isinstance(layer, Conv2D | Linear | AvgPool2D | GlobalAvgPool2D | Add):
        return rule(layer)
    raise InputError(f"relevance propagation has no rule for a layer {type(layer).__name__}")


def bias_relevance(layer: Layer, x: Array, s: Array) -> Array:
    """Return the share b_k s_k of each bias, handed to the inputs of its window in proportion to |x_j|, shaped like x.

    layer : a Conv2D or Linear. s : R_k / z_k.
    """
    xp = get_array_module(x)
    groups = getattr(layer, "groups", 1)
    window = copy.copy(layer)
    window.params = {"w": xp.ones_like(layer.params["w"][:groups]), "b": xp.zeros_like(layer.params["b"][:groups])}
    size, cache = window.forward(abs(x))  # sum of |x_j| over the window, (N, groups, OH, OW) or (N, 1)
    N, F, *places = s.shape
    shares = (s * layer.params["b"].reshape(F, *[1] * len(places))).reshape(N, groups, F // groups, *places).sum(axis=2)
    return abs(x) * window.backward(shares / xp.maximum(size, xp.finfo(x.dtype).tiny), cache)


def with_params(layer: Layer, change: Callable[[Array], Array]) -> Layer:
    """Return a copy of the layer with `change` applied to each parameter."""
    changed = copy.copy(layer)
    changed.params = {key: change(array) for key, array in layer.params.items()}
    return changed


def without_bias(layer: Layer) -> Layer:
    """Return a copy of the layer whose biases are zero."""
    plain = copy.copy(layer)
    plain.params = {key: array if key == "w" else 0 * array for key, array in layer.params.items()}
    return plain


def away_from_zero(z: Array, epsilon: float) -> Array:
    """Return z with `epsilon` added if it is not negative, and subtracted if it is."""
    xp = get_array_module(z)
    return z + xp.where(z < 0, -epsilon, epsilon).astype(z.dtype)
