"""Training a decoder: from what a network makes of a picture back to a picture of which it would make the same."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.layers import AvgPool2D, Conv2D
from minicnn.losses import FeatureMatch, weighted_sum


class Likeness:
    """The loss of a decoder: how far its pictures are from what was wanted, in blocks of several layers.

    Compared are the mean colours of blocks, and how strongly each channel of the network's layers answers in blocks,
    each relative to the mean square. Pixels alone would make grey of every stripe of which the code does not tell the
    exact place; so it may lie where it likes, if only there are stripes. Dosovitskiy and Brox 2016 (arXiv:1602.02644),
    equation 1; what they have an adversary for, the blocks do here.

    encoder : a Network of RGB pictures; its output is the code. blocks : [(layer, side of the blocks, weight), …]; a
    layer more is there, "chroma", red - green and yellow - blue, without which brightness would be all that counts.
    """

    def __init__(self, encoder, blocks):
        self.code, self.net = encoder.output, encoder.trunk(encoder.output)
        chroma = Conv2D(3, 2, 1, bias=False)
        chroma.params["w"] = to_device(np.float32([[1, -1, 0], [0.5, 0.5, -1]]).reshape(2, 3, 1, 1), encoder.device)
        self.net.add("chroma", chroma, "input")
        self.weights = {self.net.add(f"{layer} in blocks", AvgPool2D(side), layer): weight
                        for layer, side, weight in blocks}

    def wanted(self, x):
        """{layer: activation} of the pictures x, (N, C, H, W), for all that is compared, and for the code."""
        layers = [*self.weights, self.code]
        activations = self.net.forward(x, keep=layers).activations
        return {layer: activations[layer] for layer in layers}

    def __call__(self, pictures, wanted):
        """(pictures (N, C, H, W), what `wanted` gave of the originals) -> value, gradient to the pictures."""
        layers = list(self.weights)
        trace = self.net.forward(pictures, upto=layers, keep=layers)
        terms = [(weight / float((wanted[layer] * wanted[layer]).sum()), FeatureMatch(layer, wanted[layer]))
                 for layer, weight in self.weights.items()]
        value, seeds, _ = weighted_sum(terms, trace.activations)
        return value, self.net.backward(trace, seeds, release=True)["input"]


@dataclass(frozen=True)
class CodeBatches:
    """Batches for `train`: step -> (codes on the host, what the Likeness wants of the pictures that they are of).

    batches : a function step -> (pictures (N, C, H, W), anything).
    """

    batches: Any
    likeness: Likeness

    def __call__(self, step):
        x, _ = self.batches(step)
        wanted = self.likeness.wanted(to_device(x, self.likeness.net.device))
        return to_host(wanted.pop(self.likeness.code)), wanted
