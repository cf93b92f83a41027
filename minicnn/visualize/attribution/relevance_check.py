"""The objective numbers of relevance maps.

A relevance map shares out the score, so the relevance within any part of the image can be computed forwards, too. Give
each pixel a number v. Then let each neuron take the mean of the numbers of its inputs, weighted by their contributions
to its sum. At the score this mean, times the score, is the sum over the pixels of v times the relevance. No backward
pass is involved. DeepLIFT is tested in the same way, by v times the difference from the baseline, pushed forward.
"""

from typing import Any

import numpy as np

from minicnn.backend import Array, get_array_module, to_device, to_host
from minicnn.layers import (
    BoxRelevance,
    Conv2D,
    EpsilonRelevance,
    Layer,
    Linear,
    MaxPool2D,
    ReLU,
)
from minicnn.layers.relevance import WrappedLayer, with_params, without_bias
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network, Node
from minicnn.visualize.attribution.derivatives_check import LinearPiece
from minicnn.visualize.attribution.relevance import (
    LRP_COMPOSITE,
    RelevanceSettings,
    relevance_network,
    relevance_seeds,
)
from minicnn.visualize.check import Check, below
from minicnn.visualize.entry import Labels, enter

PROBES = 2        # random numbers of each pixel that are pushed forward
TOLERANCE = 1e-2  # of a probe, as a share of the norm of the map


def check_relevance(net: Network, x: Array, label: Labels, relevance: Array, rng: np.random.Generator,
                    settings: RelevanceSettings = LRP_COMPOSITE,
                    preprocessing: Preprocessing | None = None, name: str = "relevance") -> list[Check]:
    """Return the Checks that relevance is conserved at every layer, and that each pixel has the right share of it.

    x, relevance : (N, C, H, W), as in relevance_map, like the other parameters. name : of the method, for the texts.
    """
    x = enter(net, x)
    sibling = relevance_network(net, x, settings, preprocessing)
    worst, place, kept_by_biases = largest_leak(sibling, x, label)
    trace, seeds = relevance_seeds(sibling, x, label)
    scores = to_host(seeds[sibling.output]).sum(axis=1, dtype=np.float64)
    sums, sizes = (values.sum(axis=(1, 2, 3), dtype=np.float64) for values in (relevance, np.abs(relevance)))
    gap = abs(float((sums - scores).sum()) + kept_by_biases) / max(float(sizes.sum() + np.abs(scores).sum()), 1e-30)
    error = 0.0
    for n in range(len(x)):
        push = RelevancePush(relevance_network(net, x[n:n + 1], settings, preprocessing), x[n:n + 1])
        for _ in range(PROBES):
            probe = rng.standard_normal(relevance[n].shape)
            expected = push.mean(probe, seeds[sibling.output][n:n + 1])
            error = max(error, probe_error(relevance[n], probe, expected))
    return [below(f"{name}: largest difference of the relevance above a layer from that below it, plus that which "
                  f"epsilon and the biases keep, relative; at {place}", worst, 1e-4),
            below(f"{name}: sum over the pixels, and of that which epsilon and the biases keep, against the score, "
                  "relative", gap, 1e-3),
            below(f"{name}: random sums over the map against shares pushed forward through the network, as a share "
                  "of the map's norm", error, TOLERANCE)]


def probe_error(found: Array, probe: Array, expected: float) -> float:
    """Return |sum of probe * found - expected| as a share of the norm of `found`; 0 if all are zero."""
    found = np.asarray(found, np.float64)
    size, difference = float(np.linalg.norm(found)), abs(float((probe * found).sum()) - expected)
    return difference / size if size else float("inf") if difference else 0.0


def largest_leak(sibling: Network, x: Array, label: Labels) -> tuple[float, str, float]:
    """Return (the largest part of a layer's relevance that is neither handed down nor kept, name of the layer, kept).

    kept : the relevance that epsilon and the biases of all layers keep.
    """
    trace, seeds = relevance_seeds(sibling, x, label)
    leaks, shares = {sibling.output: 0.0}, [0.0]

    def step(node: Node, dout: Array, cache: Any) -> Any:
        dxs = sibling.backward_step(node, dout, cache)
        below_it = sum(float(dx.sum(dtype="float64")) for dx in (dxs if isinstance(dxs, tuple) else (dxs,)))
        size = float(abs(dout).sum(dtype="float64"))
        if size:
            shares.append(kept(node.layer, dout, cache))
            leaks[node.name] = abs(float(dout.sum(dtype="float64")) - below_it - shares[-1]) / size
        return dxs
    sibling.backward(trace, seeds, step=step)
    name = max(leaks, key=leaks.__getitem__)
    return leaks[name], name, sum(shares)


def kept(layer: Layer, dout: Array, xs: Any) -> float:
    """Return the relevance that epsilon and the biases keep at a layer."""
    if not isinstance(layer, EpsilonRelevance):
        return 0.0
    z = contributions(layer, xs)
    keeps = biases(layer, z)
    if not layer.keep_bias and not isinstance(layer, BoxRelevance) and isinstance(layer.layer, Conv2D | Linear):
        keeps = keeps * (window_sums(layer, abs(xs[0])) == 0)  # no input can take the share
    sign = 1 - 2 * (z + biases(layer, z) < 0)
    total = z + biases(layer, z) + sign * layer.epsilon
    return float((dout / total * (keeps + sign * layer.epsilon)).sum(dtype="float64"))


def contributions(layer: EpsilonRelevance, xs: Any, numbers: Any = None) -> Array:
    """Return the sum of the inputs' contributions, without bias, each times its number: shaped like the output."""
    numbers = (1,) * len(xs) if numbers is None else numbers
    if isinstance(layer, BoxRelevance):
        xp, number, plain = get_array_module(xs[0]), numbers[0], without_bias(layer.layer)  # the paper's three sums
        ends = [xp.broadcast_to(end, xs[0].shape) * number for end in (layer.low, layer.high)]
        return (plain.forward(xs[0] * number)[0]
                - with_params(plain, lambda w: xp.maximum(w, 0)).forward(ends[0])[0]
                - with_params(plain, lambda w: xp.minimum(w, 0)).forward(ends[1])[0])
    plain = with_params(without_bias(layer.layer), layer.changed)
    return plain.forward(*[x * number for x, number in zip(xs, numbers, strict=True)])[0]


def biases(layer: EpsilonRelevance, z: Array) -> Any:
    """Return the biases as they take part in the sums of the rule, shaped like z, or 0."""
    if isinstance(layer, BoxRelevance) or "b" not in layer.params:
        return 0 * z
    return layer.changed(layer.params["b"]).reshape(-1, *[1] * (z.ndim - 2)) + 0 * z


def window_sums(layer: EpsilonRelevance, x: Array) -> Array:
    """Return the sum of x over the window of each output of a convolution or a fully connected layer.

    All filters of a group have the same windows, so one of them is enough.
    """
    xp, groups = get_array_module(x), getattr(layer.layer, "groups", 1)
    sums = with_params(without_bias(layer.layer), lambda w: xp.ones_like(w[:groups]) * (w.ndim > 1)).forward(x)[0]
    return sums.repeat(len(layer.params["w"]) // groups, axis=1)


class RelevancePush:
    """Pushes numbers of the pixels of one image forward through a network of relevance rules, as weighted means."""

    def __init__(self, sibling: Network, x: Array) -> None:
        self.piece = LinearPiece(sibling, x)  # for the winners of the max pools
        self.sibling, self.x = sibling, x

    def mean(self, numbers: Array, seeds: Array) -> float:
        """Return the sum over the pixels of `numbers`, (C, H, W), times the relevance. seeds : (1, classes)."""
        given = to_device(numbers.astype(self.x.dtype.name), self.sibling.device)[None]
        means = self.sibling.forward(given, keep=(self.sibling.output,), step=self.step).activations
        return float((means[self.sibling.output] * seeds).sum())

    def step(self, node: Node, numbers: list[Array]) -> tuple[Array, None]:
        """Return the weighted mean of the numbers at each output of a node."""
        layer, xs = node.layer, [self.piece.trace.activations[source] for source in node.inputs]
        if isinstance(layer, EpsilonRelevance):
            return self.mean_of_contributions(layer, xs, numbers), None
        if isinstance(layer, ReLU | WrappedLayer):
            return numbers[0], None
        if isinstance(layer, MaxPool2D):
            return self.piece.push_through_pool(node, layer, numbers[0]), None
        return layer.forward(*numbers)[0], None

    def mean_of_contributions(self, layer: EpsilonRelevance, xs: list[Array], numbers: list[Array]) -> Array:
        """Return the mean of the numbers, weighted by the contributions to each sum of the layer."""
        weighted, z = contributions(layer, xs, numbers), contributions(layer, xs)
        b = biases(layer, z)
        if isinstance(layer.layer, Conv2D | Linear) and not layer.keep_bias:
            size = window_sums(layer, abs(xs[0]))
            weighted = weighted + b * window_sums(layer, abs(xs[0]) * numbers[0]) / (size + (size == 0))
        return weighted / (z + b + layer.epsilon * (1 - 2 * (z + b < 0)))
