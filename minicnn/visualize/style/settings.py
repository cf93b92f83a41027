"""The settings of style transfer, and the published settings as presets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from minicnn.arguments import count_of, describe, listed, require_choice, require_fields, require_number
from minicnn.errors import InputError
from minicnn.network import POOLINGS
from minicnn.visualize.arrays import as_picture
from minicnn.visualize.entry import require_side
from minicnn.visualize.style.require import REDUCTIONS, Layers, as_weights, require_weight

COLOURS = ("style", "original", "luminance", "match")
INITS = ("content", "noise")
PARAMETRIZATIONS = ("pixels", "fourier")


@dataclass(frozen=True)
class StyleSettings:
    """The settings of `transfer_style`.

    The choices of `colours`: "style"; "original", the content's colours, restored at the end; "luminance", where only
    the brightness of the style is used; "match", where the style's colours are changed to the content's before.

    Raises InputError if a name is unknown, a weight is negative, or all weights are 0.
    """

    content_layers: Layers                   # {layer: weight}, or names of layers of weight 1
    style_layers: Layers                     # {layer: weight}, or names of layers of weight 1
    content_weight: float = 1.0              # factor of all content layers' weights
    style_weight: float = 1.0                # factor of all style layers' weights
    tv_weight: float = 0.0                   # weight of total variation
    reduction: str = "sum"                   # "sum", "mean" or "relative" squares of a layer, see terms.py
    pooling: str = "max"                     # "max" or "avg"
    size: int = 512                          # length of the picture's `side`, pixels
    side: str = "long"                       # side that `size` measures: "long" or "short"
    coarse: int | None = None                # first size, pixels; it grows by sqrt 2 up to `size`; None: `size` only
    fine_steps: int = 100                    # number of steps at each size after the first
    style_scale: float = 1.0                 # size of the style, relative to `size`
    blend: Sequence[float] | None = None     # weight of each style; None: equal weights
    colours: str = "style"                   # "style", "original", "luminance" or "match"
    init: Any = "content"                    # first image: "content", "noise" or a picture, uint8 (H, W, 3)
    noise: float = 1.0                       # standard deviation of the noise, in the unit of the network's input
    optimizer: str = "lbfgs"                 # "lbfgs" or "adam"
    num_steps: int = 500                     # number of steps at the first size
    learning_rate: float = 1.0               # of Adam
    last_learning_rate: float | None = None  # of Adam in the last tenth of the steps; None: the same
    clamp: float | None = None               # bound of the network's input; Adam: not in the last twentieth of steps
    parametrization: str = "pixels"          # numbers that change: "pixels", or "fourier", see FourierSpectrum, without
    #                                          a clamp; Adam's learning rates are those of the spectrum

    def __post_init__(self) -> None:
        for name in ("content_weight", "style_weight", "tv_weight"):
            require_weight(f"the {name.replace('_', ' ')}", getattr(self, name))
        for kind, name, known in (("colours", self.colours, COLOURS), ("side", self.side, ("long", "short")),
                                  ("optimizer", self.optimizer, ("lbfgs", "adam")), ("reduction", self.reduction,
                                  REDUCTIONS), ("pooling", self.pooling, tuple(POOLINGS)),
                                  ("parametrization", self.parametrization, PARAMETRIZATIONS)):
            require_choice(kind, name, known)
        if self.parametrization == "fourier" and self.clamp is not None:
            raise InputError(f"clamp is {self.clamp}, and the colours of the parametrization 'fourier' are valid "
                             "without it; give no clamp, or the parametrization 'pixels'")
        if isinstance(self.init, str):
            require_choice("init", self.init, INITS)
        else:
            as_picture("init", self.init)
        require_number("the style scale", self.style_scale, above=0)
        require_side("size", self.size)
        require_fields(self, coarse=0, fine_steps=0, num_steps=0, noise=0, learning_rate=0, last_learning_rate=0,
                       clamp=0)
        if self.blend is not None:
            object.__setattr__(self, "blend", as_blend(self.blend))
        if not any(self.weighted_layers()):
            raise InputError("all weights are 0; give a content layer or a style layer a weight above 0")

    def weighted_layers(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return (content layers, style layers), each as {layer: weight}, without those whose weight is 0."""
        content, style = as_weights(self.content_layers, "content"), as_weights(self.style_layers, "style")
        return ({layer: weight for layer, weight in content.items() if weight and self.content_weight},
                {layer: weight for layer, weight in style.items() if weight and self.style_weight})

    def sizes(self) -> list[int]:
        """Return the sizes of the picture in ascending order. The last one is `size`."""
        sizes = [self.size]
        while self.coarse and round(self.size / 2 ** (len(sizes) / 2)) >= self.coarse:
            sizes.insert(0, round(self.size / 2 ** (len(sizes) / 2)))
        return sizes

    def style_size(self, size: int) -> int:
        """Return the size of the style for a picture of `size`, rounded up as in neural-style."""
        return math.ceil(self.style_scale * size - 1e-9)  # a rounding error of the product is not rounded up


def as_blend(blend: Any) -> list[float]:
    """Return the blend weights. Raises InputError unless they are numbers from 0 on, one for each style."""
    if count_of(blend) is None:
        raise InputError(f"blend is {describe(blend)}; expected a list with a weight for each style")
    return [require_weight("a blend weight", weight) for weight in listed(blend)]


# The notebook of Stanford CS231n for SqueezeNet 1.1, whose layers 1, 4, 6 and 7 are the style layers; layer 3 is
# fire2/concat. Sizes are short sides. The optimizer is Adam, 200 steps, with a clamp.
CS231N_LAYERS = ("relu_conv1", "fire3/concat", "fire4/concat", "fire5/concat")
CS231N = StyleSettings(
    content_layers={"fire2/concat": 1.0}, style_layers=CS231N_LAYERS, size=192, side="short", optimizer="adam",
    num_steps=200, learning_rate=3.0, last_learning_rate=0.1, clamp=1.5)
COMPOSITION_VII = replace(
    CS231N, content_weight=5e-2, tv_weight=5e-2, style_scale=512 / 192,
    style_layers=dict(zip(CS231N_LAYERS, (20000, 500, 12, 1), strict=True)))
THE_SCREAM = replace(
    CS231N, content_weight=3e-2, tv_weight=2e-2, style_scale=224 / 192,
    style_layers=dict(zip(CS231N_LAYERS, (200000, 800, 12, 1), strict=True)))
STARRY_NIGHT = replace(
    CS231N, content_weight=6e-2, tv_weight=2e-2,
    style_layers=dict(zip(CS231N_LAYERS, (300000, 1000, 15, 3), strict=True)))

# Johnson's neural-style for VGG-19. Its weight of total variation, 1e-3, applies to half of the squares.
VGG_STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
NEURAL_STYLE = StyleSettings(
    content_layers={"relu4_2": 1.0}, style_layers=dict.fromkeys(VGG_STYLE, 1.0), content_weight=5.0, style_weight=100.0,
    tv_weight=1e-3 / 2, reduction="mean", size=512, init="noise", noise=1e-3, optimizer="lbfgs", num_steps=1000,
    learning_rate=10.0)

# Gatys et al. 2015 (arXiv:1508.06576): alpha / beta = 1e-3, alpha on half of the squares, beta on a quarter (see
# terms.py), a weight of 1/5 for each layer. Caffe's ReLUs are in place, so its conv4_2 is relu4_2.
GATYS = StyleSettings(
    content_layers={"relu4_2": 1.0}, style_layers=dict.fromkeys(VGG_STYLE, 0.2), content_weight=1e-3 / 2,
    style_weight=1 / 4, pooling="avg", size=512, init="noise", optimizer="lbfgs", num_steps=500, learning_rate=10.0)

# Ours.
SQUEEZENET = StyleSettings(
    content_layers={"fire4/concat": 1.0},
    style_layers=dict.fromkeys(("relu_conv1", "fire2/concat", "fire3/concat", "fire4/concat", "fire5/concat"), 1.0),
    content_weight=2.0, style_weight=10.0, tv_weight=0.05, reduction="relative", pooling="avg", size=256,
    optimizer="lbfgs", num_steps=200, learning_rate=0.1)
SHAPES = StyleSettings(
    content_layers={"relu3": 1.0}, style_layers=dict.fromkeys(("relu1", "relu2", "relu3"), 1.0), style_weight=20.0,
    tv_weight=0.1, reduction="relative", pooling="avg", size=96, optimizer="lbfgs", num_steps=60, learning_rate=0.1)

STYLE_PRESETS = {"composition-vii": COMPOSITION_VII, "the-scream": THE_SCREAM, "starry-night": STARRY_NIGHT,
                 "neural-style": NEURAL_STYLE, "gatys": GATYS, "squeezenet": SQUEEZENET, "shapes": SHAPES}


def style_of_layers(content_layer: str, style_layers: Sequence[str], size: int = 256) -> StyleSettings:
    """Return settings for a network of any scale: each term is divided by its value for the content or the style.

    So neither the size of the activations nor the unit of the pixels matters, and the weight of total variation, which
    makes the picture grey if it is too large, fits a normalised VGG as well as Caffe's.

    >>> style_of_layers("relu2", ["relu1", "relu2"]).reduction
    'relative'
    """
    return replace(SQUEEZENET, content_layers={content_layer: 1.0}, style_layers=dict.fromkeys(style_layers, 1.0),
                   size=size)
