"""The objective of style transfer and of textures by Gram matrices, by its formulas: values, and gradient."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from minicnn.backend import Array, to_device, to_host
from minicnn.network import Network
from minicnn.visualize.replay_check import input_gradient, variation, variation_gradient

RESOLVED = 1e-10  # squared differences that rounding explains, relative to the squares of the target


class StyleObjective(NamedTuple):
    """The sum of weight * |F - P|² over content layers, weight * |G - A|² over style layers, and total variation.

    net : the network, with the pooling of the settings. content : {layer: (weight, P)}. parts : for each part of the
    picture, {layer: (weight, A, mask or None)}. smoothing : the weight of total variation, or None without this term.
    """

    net: Network
    content: Mapping[str, tuple[float, np.ndarray]]
    parts: Sequence[Mapping[str, tuple[float, np.ndarray, np.ndarray | None]]]
    smoothing: float | None = None

    def weights(self) -> list[float]:
        """Return the weight of each term, in the order of `values`."""
        return [*(weight for weight, _ in self.content.values()),
                *(weight for part in self.parts for weight, *_ in part.values()),
                *([] if self.smoothing is None else [self.smoothing])]

    def values(self, x: np.ndarray) -> list[float]:
        """Return the value of each term at x (1, 3, H, W): content layers, style layers by part, total variation."""
        out = features(self.net, x, self.layers())
        return [*(float(np.square(out[layer] - target).sum()) for layer, (_, target) in self.content.items()),
                *(float(np.square(gram(out[layer], mask) - target).sum())
                  for part in self.parts for layer, (_, target, mask) in part.items()),
                *([] if self.smoothing is None else [variation(x.astype(np.float64))])]

    def floors(self, x: np.ndarray) -> list[float]:
        """Return, for each term, the value that the rounding of float32 can give it when it should be 0."""
        targets = [target for _, target in self.content.values()]
        targets += [target for part in self.parts for _, target, _ in part.values()]
        return [RESOLVED * float(np.square(target).sum()) for target in
                [*targets, *([] if self.smoothing is None else [x.astype(np.float64)])]]

    def total(self, x: np.ndarray) -> float:
        """Return the sum of the weighted terms at x (1, 3, H, W)."""
        return float(np.dot(self.weights(), self.values(x)))

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """Return the gradient of the sum to x (1, 3, H, W), float64."""
        found = input_gradient(self.net, x, self.layers(), self.seeds)
        return found if self.smoothing is None else found + self.smoothing * variation_gradient(x.astype(np.float64))

    def seeds(self, out: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return {layer: gradient of the sum to its activations}."""
        exact = {layer: out[layer].astype(np.float64) for layer in self.layers()}
        seeds = {layer: np.zeros(maps.shape) for layer, maps in exact.items()}
        for layer, (weight, target) in self.content.items():
            seeds[layer] += 2 * weight * (exact[layer] - target)
        for part in self.parts:
            for layer, (weight, target, mask) in part.items():
                maps = exact[layer] if mask is None else exact[layer] * mask
                N, C, H, W = maps.shape
                # G = F Fᵀ / (C H W), so d|G - A|² / dF = 4 (G - A) F / (C H W), as G - A is symmetric
                difference = gram(exact[layer], mask) - target
                inward = (4 * weight / (C * H * W) * difference[0] @ maps.reshape(C, H * W)).reshape(maps.shape)
                seeds[layer] += inward if mask is None else inward * mask
        return seeds

    def layers(self) -> list[str]:
        """Return the names of all layers, each once."""
        return list(dict.fromkeys([*self.content, *(layer for part in self.parts for layer in part)]))


def features(net: Network, x: np.ndarray, layers: Sequence[str]) -> dict[str, np.ndarray]:
    """Return {layer: activations} for x (1, 3, H, W), on the host in float64."""
    if not layers:
        return {}
    kept = net.features(to_device(np.asarray(x, np.float32), net.device), layers)
    return {layer: to_host(maps).astype(np.float64) for layer, maps in kept.items()}


def gram(maps: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Return F Fᵀ / (C H W) of maps (1, C, H, W), (1, C, C). mask : (H, W), a factor of the maps."""
    N, C, H, W = maps.shape
    rows = (maps if mask is None else maps * mask).reshape(C, H * W)
    return (rows @ rows.T / (C * H * W))[None]


def reduced(weight: float, target: np.ndarray | Array, reduction: str) -> float:
    """Return the weight of a sum of squared differences to a target: divided by nothing, its size, or its squares."""
    target = to_host(target)
    if reduction == "relative":
        return weight / (float(np.square(target.astype(np.float64)).sum()) or 1.0)
    return weight / (target.size if reduction == "mean" else 1)
