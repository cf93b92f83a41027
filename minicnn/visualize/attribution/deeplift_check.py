"""The objective numbers of DeepLIFT: its sum, and changes of the pixels that are pushed forward through the network."""

import numpy as np

from minicnn.backend import Array, get_array_module, to_device, to_host
from minicnn.layers import BatchNorm2D, Conv2D, Linear, LocalResponseNorm, MaxPool2D, ReLU
from minicnn.losses import one_hot
from minicnn.network import Network, Node
from minicnn.visualize.attribution.derivatives_check import LinearPiece, without_bias
from minicnn.visualize.attribution.gradients import broadcast_baseline
from minicnn.visualize.attribution.relevance_check import PROBES, TOLERANCE, probe_error
from minicnn.visualize.check import Check, below
from minicnn.visualize.entry import Labels, enter


def check_deeplift(net: Network, x: Array, label: Labels, attribution: Array, rng: np.random.Generator, *,
                   baseline: float | Array = 0.0) -> list[Check]:
    """Return the Checks that DeepLIFT adds up to the difference of the scores, and that each pixel has its right share.

    x, attribution : (N, C, H, W). The other parameters are those of deeplift.
    """
    x = enter(net, x)
    x0 = get_array_module(x).ascontiguousarray(broadcast_baseline(x, baseline))
    sums, sizes = (values.sum(axis=(1, 2, 3), dtype=np.float64) for values in (attribution, np.abs(attribution)))
    outs = [to_host(net.plain().predict(images)).astype(np.float64) for images in (x, x0)]
    differences = ((outs[0] - outs[1]) * one_hot(outs[0], label)).sum(axis=1)
    gap = float((np.abs(sums - differences) / np.maximum(np.maximum(sizes, np.abs(differences)), 1e-30)).max())
    error = 0.0
    for n in range(len(x)):
        push = DifferencePush(net, x[n:n + 1], x0[n:n + 1])
        for _ in range(PROBES):
            probe = rng.standard_normal(attribution[n].shape)
            out = to_host(push(to_device(probe.astype(x.dtype.name), net.device)[None] * (x - x0)[n:n + 1]))
            expected = float((out * one_hot(outs[0], label)[n:n + 1]).sum())
            error = max(error, probe_error(attribution[n], probe, expected))
    return [below("DeepLIFT: sum over the pixels against the difference of the scores, as a share of the sum of its "
                  "absolute values", gap, 1e-4),
            below("DeepLIFT: random sums over the map against differences pushed forward through the network, as a "
                  "share of the map's norm", error, TOLERANCE)]


class DifferencePush:
    """Pushes changes of one image forward through a network, scaled as its differences from a baseline are."""

    def __init__(self, net: Network, x: Array, x0: Array) -> None:
        self.net = net.plain()
        self.here, self.there = (LinearPiece(self.net, images) for images in (x, x0))

    def __call__(self, change: Array) -> Array:
        """Return the change of the scores, (1, classes), for a change of the pixels, (1, C, H, W)."""
        return self.net.forward(change, keep=(self.net.output,), step=self.step).activations[self.net.output]

    def step(self, node: Node, changes: list[Array]) -> tuple[Array, None]:
        """Return the change of a node's output: of a linear layer its own, otherwise a difference quotient times it."""
        layer, (source, *_) = node.layer, node.inputs
        xp = get_array_module(changes[0])
        x, x0 = (piece.trace.activations[source] for piece in (self.here, self.there))
        if isinstance(layer, ReLU):
            return xp.where(x == x0, (x > 0) * changes[0], changes[0] * (xp.maximum(x, 0) - xp.maximum(x0, 0))
                            / xp.where(x == x0, 1, x - x0)).astype(x.dtype), None
        if isinstance(layer, MaxPool2D):
            return self.push_through_pool(node, layer, changes[0], x, x0), None
        if isinstance(layer, LocalResponseNorm):
            return push_through_norm(layer, changes[0], x, x0), None
        if isinstance(layer, Conv2D | Linear | BatchNorm2D):
            return without_bias(layer).forward(changes[0])[0], None
        return layer.forward(*changes)[0], None

    def push_through_pool(self, node: Node, pool: MaxPool2D, change: Array, x: Array, x0: Array) -> Array:
        """Return the change of each window: of the winners of both inputs, in units of their own differences."""
        xp = get_array_module(change)
        share = xp.where(x == x0, 0, change / xp.where(x == x0, 1, x - x0)).astype(x.dtype)
        out, out0 = (piece.trace.activations[node.name] for piece in (self.here, self.there))
        largest = xp.maximum(out, out0)
        return (self.here.push_through_pool(node, pool, share) * (largest - out0)
                + self.there.push_through_pool(node, pool, share) * (out - largest)
                + self.here.push_through_pool(node, pool, change * (x == x0)))


def push_through_norm(norm: LocalResponseNorm, change: Array, x: Array, x0: Array) -> Array:
    """Return the change of x * scale ** -beta: of each factor the change times the other's mean over x and x0."""
    def neighbours(values: Array) -> Array:
        C, half = values.shape[1], norm.size // 2
        return get_array_module(values).stack([values[:, max(0, c - half):c + half + 1].sum(axis=1)
                                               for c in range(C)], axis=1)
    xp = get_array_module(x)
    scale, scale0 = (norm.k + norm.alpha / norm.size * neighbours(values ** 2) for values in (x, x0))
    g, g0 = scale ** -norm.beta, scale0 ** -norm.beta
    slope = xp.where(scale == scale0, -norm.beta * g / scale, (g - g0) / xp.where(scale == scale0, 1, scale - scale0))
    of_scale = norm.alpha / norm.size * neighbours((x + x0) * change)
    return change * (g + g0) / 2 + (x + x0) / 2 * slope.astype(x.dtype) * of_scale
