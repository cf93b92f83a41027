"""Losses of the activations of one layer: objectives of neuron visualization and DeepDream."""

from dataclasses import dataclass, field
from typing import Any

from minicnn.backend import Array, get_array_module
from minicnn.errors import InputError
from minicnn.losses.terms import Activations, LossAndSeeds

PRODUCTS = 2**22  # dot products that GuideMatch computes at a time


@dataclass(frozen=True)
class ChannelMean:
    """Sum over images of the mean activation of one channel.

    channel : one for all images, or a sequence with one for each image.
    """

    layer: str
    channel: Any

    def __call__(self, activations: Activations) -> LossAndSeeds:
        out = activations[self.layer]
        seed, value = get_array_module(out).zeros_like(out), 0.0
        for images, channel in channel_of_images(self.channel, len(out)):
            seed[images, channel] = 1 / out[0, 0].size
            value = value + out[images, channel].mean(axis=(1, 2)).sum()
        return float(value), {self.layer: seed}


@dataclass(frozen=True)
class NeuronActivation:
    """Sum over images of the activation of one neuron.

    channel : one for all images, or a sequence with one for each image. position : (y, x) in the layer's map, or None
    for a layer without maps.
    """

    layer: str
    channel: Any
    position: tuple[int, int] | None = None

    def __call__(self, activations: Activations) -> LossAndSeeds:
        out = activations[self.layer]
        seed, value = get_array_module(out).zeros_like(out), 0.0
        for images, channel in channel_of_images(self.channel, len(out)):
            neuron = (images, channel, *(self.position or ()))
            seed[neuron] = 1
            value = value + out[neuron].sum()
        return float(value), {self.layer: seed}


def channel_of_images(channel: Any, count: int) -> list[tuple[slice, int]]:
    """Return [(slice of the images, its channel), …]: one slice for all `count` images, or one for each image.

    Raises InputError if there are several channels, but not as many as images.

    >>> channel_of_images([7, 9], 2)
    [(slice(0, 1, None), 7), (slice(1, 2, None), 9)]
    """
    if not hasattr(channel, "__len__"):
        return [(slice(None), channel)]
    if len(channel) != count:
        raise InputError(f"{len(channel)} channels for {count} images")
    return [(slice(n, n + 1), int(one)) for n, one in enumerate(channel)]


@dataclass(frozen=True)
class LayerNorm2:
    """Half the squared norm of a whole layer, or of one channel: 1/2 sum of out². Its seed is `out`.

    The objective of DeepDream (Mordvintsev et al. 2015).
    """

    layer: str
    channel: int | None = None

    def __call__(self, activations: Activations) -> LossAndSeeds:
        out = activations[self.layer]
        if self.channel is None:
            return float((out * out).sum()) / 2, {self.layer: out}
        chosen = out[:, self.channel]
        seed = get_array_module(out).zeros_like(out)
        seed[:, self.channel] = chosen
        return float((chosen * chosen).sum()) / 2, {self.layer: seed}


@dataclass(frozen=True)
class GuideMatch:
    """Sum over positions of the largest dot product with a vector of `guide`: the objective of guided DeepDream.

    guide : maps (1, C, h, w) of another image at the layer, with any h and w. At each position, the seed is the vector
    with the largest dot product (objective_guide in dream.ipynb, Mordvintsev et al. 2015).
    """

    layer: str
    guide: Array = field(repr=False)

    def __call__(self, activations: Activations) -> LossAndSeeds:
        out = activations[self.layer]
        N, C, H, W = out.shape
        guide = self.guide[0].reshape(C, -1)  # (C, P)
        vectors = out.transpose(0, 2, 3, 1).reshape(-1, C)  # (N H W, C)
        matched = get_array_module(out).empty_like(vectors)
        rows = max(1, PRODUCTS // guide.shape[1])  # at a time, as all products together need much memory
        for start in range(0, len(vectors), rows):
            best = (vectors[start:start + rows] @ guide).argmax(axis=1)
            matched[start:start + rows] = guide.T[best]
        seed = matched.reshape(N, H, W, C).transpose(0, 3, 1, 2)
        return float((out * seed).sum()), {self.layer: seed}
