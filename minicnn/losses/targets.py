"""Losses of the distance to a target: the objectives of feature inversion, texture synthesis and style transfer."""

from dataclasses import dataclass, field

from minicnn.backend import Array
from minicnn.layers import Gram
from minicnn.losses.terms import Activations, LossAndSeeds


@dataclass(frozen=True)
class FeatureMatch:
    """Sum of (out - target)²: the loss of feature inversion, and the content loss of style transfer."""

    layer: str
    target: Array = field(repr=False)

    def __call__(self, activations: Activations) -> LossAndSeeds:
        difference = activations[self.layer] - self.target
        return float((difference * difference).sum()), {self.layer: 2 * difference}


@dataclass(frozen=True)
class GramMatch:
    """Sum of (Gram(out) - target)²: the style loss of one layer. target : (N, C, C).

    mask : (H, W), multiplies the features first, so that a part of the image gets its own style (Gatys et al. 2017,
    arXiv:1611.07865, section 4). By default the whole image counts.
    """

    layer: str
    target: Array = field(repr=False)
    gram: Gram = Gram()
    mask: Array | None = field(default=None, repr=False)

    def __call__(self, activations: Activations) -> LossAndSeeds:
        out = activations[self.layer]
        gram, cache = self.gram.forward(out if self.mask is None else out * self.mask)
        difference = gram - self.target
        seed = self.gram.backward(2 * difference, cache)
        return float((difference * difference).sum()), {self.layer: seed if self.mask is None else seed * self.mask}
