"""The optimization problem of style transfer at one size of the picture: the inputs, the loss terms, the targets."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.losses import TotalVariation
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.style.masks import require_masks
from minicnn.visualize.style.pictures import network_input, recoloured, resize_side
from minicnn.visualize.style.require import require_layers, require_maps, require_size, require_weight
from minicnn.visualize.style.settings import StyleSettings
from minicnn.visualize.style.terms import content_terms, gram_targets, layer_masks, style_terms


class Problem(NamedTuple):
    """The problem that is minimised at one size.

    net : the network, with the pooling of the settings. content : x, (1, 3, H, W). styles : a list of such x.
    terms : [(weight, loss), …]. targets : the Gram matrices, {layer: (1, C, C)}, of the whole picture or of each masked
    part.
    """

    net: Network
    content: Array
    styles: list[Array]
    terms: list[tuple[float, Any]]
    targets: list[dict[str, Array]]


class Part(NamedTuple):
    """A part of the picture and its styles: the inputs with their blend weights, its weight, and its mask or None."""

    styles: list[Array]
    blend: list[float]
    weight: float
    mask: np.ndarray | None


def style_problem(net: Network, content: np.ndarray, styles: Sequence[np.ndarray], preprocessing: Preprocessing,
                  settings: StyleSettings, size: int, masks: Sequence[np.ndarray] | None = None) -> Problem:
    """Return the Problem at one size. The Gram matrices of the styles are computed here, once.

    content : uint8 (H, W, 3). styles : a list of such pictures. masks : see `transfer_style`, which also says what
    raises InputError.
    """
    masks = require_masks(masks, content)
    content_layers, style_layers = settings.weighted_layers()
    layers = require_layers(net, [*content_layers, *style_layers])
    require_maps(net, style_layers)
    content_layers = {net.find(layer): weight for layer, weight in content_layers.items()}
    style_layers = {net.find(layer): weight for layer, weight in style_layers.items()}
    if not styles and style_layers:
        raise InputError("there is no style picture; give at least one")
    net = net.with_pooling(settings.pooling)
    x, x_styles = problem_inputs(net, content, styles, preprocessing, settings, size)
    require_size(net, x.shape[1:], layers, "the content")
    for n, style in enumerate(x_styles if style_layers else (), 1):
        require_size(net, style.shape[1:], style_layers, f"style {n}")
    terms = content_terms(net, x, content_layers, settings.content_weight, settings.reduction) if content_layers else []
    targets = []
    if style_layers:
        for part in style_parts(x_styles, settings.blend, masks):
            targets.append(gram_targets(net, part.styles, style_layers, part.blend))
            maps = None if part.mask is None else layer_masks(part.mask, net, x.shape[1:], style_layers)
            terms += style_terms(targets[-1], style_layers, part.weight * settings.style_weight, settings.reduction,
                                 maps)
    if settings.tv_weight:
        own = TotalVariation()({"input": x})[0] if settings.reduction == "relative" else 1.0
        terms.append((settings.tv_weight / (own or 1.0), TotalVariation()))
    return Problem(net, x, x_styles, terms, targets)


def problem_inputs(net: Network, content: np.ndarray, styles: Sequence[np.ndarray], preprocessing: Preprocessing,
                   settings: StyleSettings, size: int) -> tuple[Array, list[Array]]:
    """Return the content and the styles as inputs of the network at one size, x (1, 3, H, W) each."""
    small = resize_side(content, size, settings.side)
    small_styles = [resize_side(style, settings.style_size(size), settings.side) for style in styles]
    return (network_input(net, recoloured(small, small, settings.colours), preprocessing),
            [network_input(net, recoloured(style, small, settings.colours), preprocessing) for style in small_styles])


def style_parts(x_styles: list[Array], blend: Sequence[float] | None, masks: Sequence[np.ndarray] | None) -> list[Part]:
    """Return the Parts of the picture: the whole picture, or one masked part for each style.

    Raises InputError if the masks, the blend weights and the styles do not fit together.
    """
    blend = [1.0] * len(x_styles) if blend is None else list(blend)
    if masks is None:
        return [Part(x_styles, blend, 1.0, None)]
    if not len(masks) == len(x_styles) == len(blend):
        raise InputError(f"{len(masks)} masks and {len(blend)} blend weights for {len(x_styles)} pictures of style; "
                         "each style needs its own")
    for weight in blend:
        require_weight("a blend weight", weight)
    if not sum(blend):
        raise InputError("all blend weights are 0; give at least one style a weight above 0")
    return [Part([style], [1.0], weight * len(blend) / sum(blend), mask)
            for style, weight, mask in zip(x_styles, blend, masks, strict=True)]


def term_names(settings: StyleSettings, num_masks: int = 0) -> list[str]:
    """Return the names of the terms in their order: "content relu4_2", "style relu1_1", …, "TV"."""
    content_layers, style_layers = settings.weighted_layers()
    labels = [f" {n}" for n in range(1, num_masks + 1)] or [""]
    return [*(f"content {layer}" for layer in content_layers),
            *(f"style{label} {layer}" for label in labels for layer in style_layers),
            *(["TV"] if settings.tv_weight else [])]
