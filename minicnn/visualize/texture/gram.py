"""Texture synthesis by Gram matrices: a picture in which the same features occur together as in the source.

A Gram matrix does not depend on the places of the features. Gatys et al. 2015 (arXiv:1505.07376).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn.arguments import Seed, require_choice, require_fields, require_generator, require_kind
from minicnn.backend import Array, get_array_module, to_device, to_host
from minicnn.errors import InputError
from minicnn.network import POOLINGS, Network
from minicnn.optimize import LBFGS, Adam, Clamp, optimize_image
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.progress import Progress
from minicnn.training.train import CosineSchedule
from minicnn.visualize.entry import enter, require_sides, require_watchers
from minicnn.visualize.style.require import Layers, as_weights, require_layers, require_maps, require_size
from minicnn.visualize.style.terms import REDUCTIONS, gram_targets, style_terms

OPTIMIZERS = ("lbfgs", "adam")
BETA2 = 0.95  # of Adam: decay of the running mean of squared gradients


@dataclass(frozen=True)
class TextureSettings:
    """The settings of `synthesize_texture`."""

    layers: Layers                # {layer: weight}, or names of layers of weight 1
    reduction: str = "relative"   # "sum", "mean" or "relative" squares of a layer, see style/terms.py
    pooling: str = "avg"          # "max" or "avg"
    optimizer: str = "lbfgs"      # "lbfgs" or "adam"
    num_steps: int = 600          # number of steps
    learning_rate: float = 0.3    # of Adam in the first step; falls to 0 along half a cosine
    noise: float = 0.3            # standard deviation of the first image, relative to the source's

    def __post_init__(self) -> None:
        as_weights(self.layers, "texture")
        require_fields(self, num_steps=1, learning_rate=0, noise=0)
        for name, choices in (("reduction", REDUCTIONS), ("pooling", tuple(POOLINGS)), ("optimizer", OPTIMIZERS)):
            require_choice(name, getattr(self, name), choices)


# Gatys' program for VGG-19 normalised has w = 1e9 in each layer, so the weight is w / 4 (see style/terms.py), and noise
# of one grey level. At the end it also calls match_histogram. Caffe's ReLUs are in place, so its conv1_1 is relu1_1.
# The learning rate, in grey levels, is ours.
GATYS = TextureSettings(dict.fromkeys(("relu1_1", "pool1", "pool2", "pool3", "pool4"), 1e9 / 4), reduction="sum",
                        num_steps=2000, learning_rate=20.0, noise=0.02)
SQUEEZENET = TextureSettings(dict.fromkeys(("relu_conv1", "fire2/concat", "fire3/concat", "fire4/concat"), 1.0),
                             noise=0.1)
SHAPES = TextureSettings(dict.fromkeys(("relu1", "relu2", "relu3"), 1.0), num_steps=400, noise=0.1)

TEXTURE_PRESETS = {"gatys": GATYS, "squeezenet": SQUEEZENET, "shapes": SHAPES}


def texture_of_layers(layers: Sequence[str]) -> TextureSettings:
    """Return settings for a network of any scale, by layers of equal weight.

    >>> texture_of_layers(["relu1", "relu2"]).reduction
    'relative'
    """
    return TextureSettings(dict.fromkeys(layers, 1.0), noise=0.1)


def synthesize_texture(net: Network, source: Array, settings: TextureSettings, *, rng: Seed,
                       size: tuple[int, int] | None = None,
                       callback: Callable[[Progress, Array], Any] | None = None,
                       checkpoint: Checkpoint | None = None) -> tuple[np.ndarray, list[Progress]]:
    """Return (image, history): a picture, (1, C, H, W) on the host, with the Gram matrices of the source.

    The first image is normal noise around the source's mean colour. Each channel stays between the least and the
    greatest value of the source. Pixels outside every receptive field keep their initial noise. With L-BFGS, the
    learning rate has no effect. With Adam, it falls to 0, since the image would keep changing at a constant rate.
    Source: Gatys et al. 2015 (arXiv:1505.07376).

    If the picture has hardly more values than `num_conditions`, it approaches the Gram matrices slowly. Example, VGG-19
    up to relu3_1: an error of 5e-3 after 500 steps at 256x256 pixels, of 1.6e-2 after 1,000 steps at 128x128.

    Parameters
    ----------
    source : Array of shape (1, C, H, W).
    settings : TextureSettings, such as a value of TEXTURE_PRESETS.
    rng : for the noise, or a seed.
    size : (H, W) of the picture; by default the source's.
    callback, checkpoint : as for `optimize_image`. Progress.values are the sums of squares of the layers.

    Raises
    ------
    InputError if a layer or a name in the settings is unknown, a picture is too small for the layers, or all weights
    are 0.

    >>> image, history = synthesize_texture(net, x, TextureSettings(["relu1"], num_steps=3), rng=rng, size=(16, 24))
    >>> image.shape, history[2].total < history[0].total
    ((1, 3, 16, 24), True)
    """
    source, rng = enter(net, source, "source"), require_generator(rng)
    if len(source) != 1:
        raise InputError(f"expected one source (1, C, H, W), got {tuple(source.shape)}")
    require_kind("settings", settings, TextureSettings, "give TextureSettings(...), or a preset of TEXTURE_PRESETS")
    require_watchers(callback, checkpoint)
    xp = get_array_module(source)
    weights = texture_weights(net, settings.layers)
    net = net.with_pooling(settings.pooling)
    shape = (source.shape[1], *(source.shape[2:] if size is None else require_sides("size", size)))
    require_size(net, source.shape[1:], weights, "the source")
    require_size(net, shape, weights, "the texture")
    mean, spread, low, high = (of(source, axis=(0, 2, 3))[:, None, None] for of in (xp.mean, xp.std, xp.min, xp.max))
    noise = to_device(rng.standard_normal((1, *shape), dtype="float32").astype(str(source.dtype)), net.device)
    within = Clamp(low, high)
    by_adam = settings.optimizer == "adam"
    image, history = optimize_image(
        net, within(mean + settings.noise * spread * noise, 0),
        style_terms(gram_targets(net, [source], weights), weights, 1.0, settings.reduction),
        update=make_update(settings.optimizer, settings.learning_rate, within), num_steps=settings.num_steps,
        schedule=CosineSchedule(settings.learning_rate, settings.num_steps) if by_adam else None,
        project=(within,) if by_adam else (), callback=callback, checkpoint=checkpoint)
    return to_host(image), history


def texture_weights(net: Network, layers: Layers) -> dict[str, float]:
    """Return {the network's own name: weight} of the layers with a weight above 0. Raises InputError if there is none.
    """
    weights = as_weights(layers, "texture")
    require_layers(net, weights)
    require_maps(net, weights)
    weights = {net.find(layer): weight for layer, weight in weights.items() if weight}
    if not weights:
        raise InputError("all weights are 0; give at least one layer a weight above 0")
    return weights


def num_conditions(net: Network, layers: Layers) -> int:
    """Return the number of different values in the Gram matrices of these layers. The matrices are symmetric."""
    channels = [net.shapes()[net.find(layer)][1] for layer in layers]
    return sum(C * (C + 1) // 2 for C in channels)


def make_update(optimizer: str, learning_rate: float, within: Clamp | None = None) -> LBFGS | Adam:
    """Return LBFGS, which chooses its step length and stays within the Clamp, or Adam, which does neither.

    The gradients become a thousand times smaller during the run. Adam divides by their running root mean square, so it
    must forget the first ones quickly: BETA2 replaces the usual 0.999. Raises UnknownNameError for another name.
    """
    require_choice("optimizer", optimizer, OPTIMIZERS)
    return LBFGS(memory=20, within=within) if optimizer == "lbfgs" else Adam(learning_rate, beta2=BETA2)


def match_histogram(image: Array, source: Array) -> Array:
    """Return the image, (1, C, H, W), with each channel's values replaced by the source's, in the same order."""
    xp = get_array_module(image)
    matched = []
    for values, source_values in zip(image[0], source[0], strict=True):
        ranks = xp.argsort(xp.argsort(values.ravel()))
        replaced = xp.sort(source_values.ravel())[ranks * source_values.size // values.size]
        matched.append(replaced.reshape(values.shape))
    return xp.stack(matched)[None]
