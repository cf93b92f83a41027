"""Training a decoder: from the features of a picture back to a picture with the same features."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn.backend import Array, to_device, to_host
from minicnn.layers import AvgPool2D, Conv2D
from minicnn.losses import FeatureMatch, weighted_sum
from minicnn.network import Network


class Likeness:
    """The loss of a decoder: the distance of its pictures from the originals, in blocks of several layers.

    It compares the mean colours of blocks and the mean activation of each channel in blocks, each relative to its mean
    square. A loss on pixels would turn a stripe into grey if the code does not hold its exact position; in blocks, a
    stripe may lie anywhere. Dosovitskiy and Brox 2016 (arXiv:1602.02644), equation 1, without the adversary.

    encoder : a Network of RGB images. Its output is the code.
    blocks : [(layer, side of the blocks, weight), …]. One more layer can be named: "chroma", which holds red - green
    and yellow - blue. Without it, brightness would dominate.
    """

    def __init__(self, encoder: Network, blocks: Sequence[tuple[str, int, float]]) -> None:
        self.code, self.net = encoder.output, encoder.trunk(encoder.output)
        chroma = Conv2D(3, 2, 1, bias=False)
        colours = np.array([[1, -1, 0], [0.5, 0.5, -1]], np.float32)
        chroma.params["w"] = to_device(colours.reshape(2, 3, 1, 1), encoder.device)
        self.net.add("chroma", chroma, "input")
        self.weights = {self.net.add(f"{layer} in blocks", AvgPool2D(side), layer): weight
                        for layer, side, weight in blocks}

    def features(self, x: Array) -> dict[str, Array]:
        """Return {layer: activation} of the pictures x, (N, C, H, W), for all compared layers and for the code."""
        layers = [*self.weights, self.code]
        activations = self.net.forward(x, keep=layers).activations
        return {layer: activations[layer] for layer in layers}

    def __call__(self, pictures: Array, target: dict[str, Array]) -> tuple[float, Array]:
        """Return (value, gradient to the pictures, (N, C, H, W)). target : `features` of the originals."""
        layers = list(self.weights)
        trace = self.net.forward(pictures, upto=layers, keep=layers)
        terms = [(weight / float((target[layer] * target[layer]).sum()), FeatureMatch(layer, target[layer]))
                 for layer, weight in self.weights.items()]
        value, seeds, _ = weighted_sum(terms, trace.activations)
        return value, self.net.backward(trace, seeds, release=True)["input"]


@dataclass(frozen=True)
class CodeBatches:
    """Batches for `train`: step -> (codes of pictures, on the host; their `Likeness.features`).

    batches : a function step -> (pictures (N, C, H, W), anything).
    """

    batches: Callable[[int], tuple[Array, Any]]
    likeness: Likeness

    def __call__(self, step: int) -> tuple[Array, dict[str, Array]]:
        x, _ = self.batches(step)
        target = self.likeness.features(to_device(x, self.likeness.net.device))
        return to_host(target.pop(self.likeness.code)), target
