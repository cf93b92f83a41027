"""The training loss of a transform network: the terms of style transfer, applied to its output.

Johnson et al. 2016 (arXiv:1603.08155), section 3.2. The loss network is not trained.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minicnn.arguments import count_of, describe, require_kind
from minicnn.backend import Array, device_of, get_array_module, to_device, to_host
from minicnn.errors import InputError
from minicnn.losses import TotalVariation, loss_and_gradient
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.arrays import as_picture
from minicnn.visualize.entry import require_network, require_preprocessing
from minicnn.visualize.style.crops import StyledPhotos
from minicnn.visualize.style.many_styles import with_style
from minicnn.visualize.style.pictures import network_input, resize_side
from minicnn.visualize.style.require import as_weights, require_layers, require_size
from minicnn.visualize.style.settings import NEURAL_STYLE, SHAPES, SQUEEZENET, StyleSettings
from minicnn.visualize.style.terms import content_terms, gram_targets, style_terms

# Settings for training, by the loss network. A network learns the strokes sooner than the content of the photo. With
# the weights of an optimization, little of the photo would be left.
FAST_SQUEEZENET = replace(SQUEEZENET, content_layers={"fire3/concat": 1.0}, content_weight=5.0, style_weight=4.0,
                          tv_weight=0.1)
FAST_SHAPES = replace(SHAPES, content_weight=5.0, style_weight=5.0)
# The settings of fast-neural-style for Caffe's VGG-16. Its weight of total variation, 1e-6, applies to half of the
# squares.
JOHNSON = replace(
    NEURAL_STYLE, content_layers={"relu3_3": 1.0}, content_weight=1.0,
    style_layers=dict.fromkeys(("relu1_2", "relu2_2", "relu3_3", "relu4_3"), 1.0), style_weight=5.0,
    tv_weight=1e-6 / 2, size=256)

FAST_PRESETS = {"squeezenet": FAST_SQUEEZENET, "shapes": FAST_SHAPES, "johnson": JOHNSON}


@dataclass(frozen=True)
class PerceptualLoss:
    """The loss of `transfer_style`, as a mean over a batch, for `train`.

    net : the loss network, with the pooling of the settings. settings : StyleSettings. targets : the Gram matrices of
    the style, {layer: (1, C, C)}.
    """

    net: Network
    settings: StyleSettings
    targets: Mapping[str, Array]

    def __post_init__(self) -> None:
        require_network(self.net)
        require_kind("settings", self.settings, StyleSettings, "give StyleSettings(...)")
        if not isinstance(self.targets, Mapping):
            raise InputError(f"targets is {describe(self.targets)}; expected {{layer: Gram matrix}}")

    def __call__(self, out: Array, photos: Array) -> tuple[float, Array]:
        """Return (value, gradient to `out`) of painted pictures and their photos, x (N, 3, H, W) both."""
        value, gradient, _ = loss_and_gradient(self.net, out, self.terms(to_device(photos, device_of(out))))
        return value, gradient

    def terms(self, photos: Array) -> list[tuple[float, Any]]:
        """Return [(weight, loss), …] for a batch of photos, x (N, 3, H, W)."""
        content_layers, style_layers = self.settings.weighted_layers()
        reduction, N = self.settings.reduction, len(photos)
        share = 1 / N if reduction == "sum" else 1  # the other reductions divide by a number that grows with N
        terms = content_terms(self.net, photos, content_layers, share * self.settings.content_weight, reduction)
        terms += style_terms(self.targets, style_layers, self.settings.style_weight / N, reduction)
        if self.settings.tv_weight:
            own = TotalVariation()({"input": photos})[0] if reduction == "relative" else N
            terms.append((self.settings.tv_weight / (own or 1.0), TotalVariation()))
        return terms


def perceptual_loss(net: Network, style: np.ndarray, preprocessing: Preprocessing,
                    settings: StyleSettings) -> PerceptualLoss:
    """Return the PerceptualLoss of a style. Johnson et al. 2016 (arXiv:1603.08155), section 3.2.

    Parameters
    ----------
    net, preprocessing : of the loss network.
    style : a picture, uint8 (H, W, 3). It is resized to the settings' size times the style scale.
    settings : StyleSettings, such as a value of FAST_PRESETS.

    Raises
    ------
    InputError if a layer is unknown, the content or the style has no weight above 0, the style is too small, or the
    network takes no colour pictures.

    >>> loss = perceptual_loss(net, photo, model.preprocessing, FAST_SHAPES)
    >>> value, gradient = loss(x, x)
    >>> gradient.shape == x.shape
    True
    """
    require_network(net)
    style = to_host(as_picture("style", style))
    require_kind("settings", settings, StyleSettings, "give StyleSettings(...), or a preset of FAST_PRESETS")
    if net.input_shape[0] != 3:
        raise InputError("the loss network must take pictures in colour; this one takes "
                         f"{net.input_shape[0]} channels")
    require_preprocessing(preprocessing, net)
    if not all(settings.weighted_layers()):
        raise InputError("a transform network is trained for content and style: both need weights above 0")
    layers = require_layers(net, [*settings.content_layers, *settings.style_layers])
    content_layers = as_weights(settings.content_layers, "content")
    style_layers = as_weights(settings.style_layers, "style")
    settings = replace(settings, content_layers={net.find(name): weight for name, weight in content_layers.items()},
                       style_layers={net.find(name): weight for name, weight in style_layers.items()})
    net = net.with_pooling(settings.pooling).trunk(layers)
    x = network_input(net, resize_side(style, settings.style_size(settings.size), settings.side), preprocessing)
    require_size(net, x.shape[1:], layers, "the style")
    return PerceptualLoss(net, settings, gram_targets(net, [x], settings.weighted_layers()[1]))


# ---- one network, many styles: Dumoulin et al. 2016 (arXiv:1610.07629) -----------------------------------------------

@dataclass(frozen=True)
class StyledLoss:
    """The mean over a batch of the PerceptualLoss of each picture's style, for `train`.

    losses : a PerceptualLoss for each style; None for a style that no batch contains.
    """

    losses: Sequence[PerceptualLoss | None]

    def __post_init__(self) -> None:
        if not count_of(self.losses) or not all(loss is None or callable(loss) for loss in self.losses):
            raise InputError(f"losses is {describe(self.losses)}; expected a PerceptualLoss or None for each style")

    def __call__(self, out: Array, batch: StyledPhotos) -> tuple[float, Array]:
        """Return (value, gradient to `out`) of painted pictures, x (N, 3, H, W), and their StyledPhotos."""
        N, total, gradient = len(out), 0.0, get_array_module(out).empty_like(out)
        for n, number in enumerate(batch.style.argmax(axis=1)):
            loss = self.losses[number]
            if loss is None:
                raise InputError(f"picture {n} of the batch has style {number}, which has no loss")
            one = slice(n, n + 1)
            value, dout = loss(out[one], batch.photos[one])
            total += value / N
            gradient[one] = dout / N
        return total, gradient


def in_styles(net: Network, batch: StyledPhotos) -> Network:
    """Return the network that paints each of the StyledPhotos in its style, as the argument `variant` of `train`."""
    return with_style(net, batch.style)
