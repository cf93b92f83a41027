"""The likeness of several images of one neuron: less of it shows the different things to which the neuron responds."""

from dataclasses import dataclass

from minicnn.backend import get_array_module
from minicnn.losses.terms import Activations, LossAndSeeds

TINY = 1e-30  # lower bound of every divisor


@dataclass(frozen=True)
class Likeness:
    """Sum over pairs of images of the cosine between their Gram matrices at `layer`, over the number of images.

    It is 0 for one image, and N - 1 for N equal images. The diversity term of Olah, Mordvintsev and Schubert 2017,
    "Feature Visualization" (https://distill.pub/2017/feature-visualization), section "Diversity".
    """

    layer: str

    def __call__(self, activations: Activations) -> LossAndSeeds:
        out = activations[self.layer]
        xp, N = get_array_module(out), len(out)
        features = out.reshape(N, out.shape[1], -1)  # (N, C, HW)
        grams = features @ features.transpose(0, 2, 1)  # (N, C, C)
        lengths = xp.maximum(xp.sqrt((grams * grams).sum(axis=(1, 2), keepdims=True)), TINY)
        units = grams / lengths
        # sum over n != m of <u_n, u_m> / N, so d / du_n = 2 sum over m != n of u_m / N
        others = units.sum(axis=0) - units
        value = float((units * others).sum()) / N
        dunits = others * (2 / N)
        # u = G / |G|, so dG = (du - <du, u> u) / |G|; G = F F.T, so dF = (dG + dG.T) F, and dG is symmetric
        dgrams = (dunits - (dunits * units).sum(axis=(1, 2), keepdims=True) * units) / lengths
        return value, {self.layer: (2 * dgrams @ features).reshape(out.shape)}
