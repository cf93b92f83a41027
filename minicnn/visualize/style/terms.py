"""The loss terms of texture synthesis and style transfer: features in their places (content), Gram matrices (style).

Published implementations add the squares in different ways, named by `reduction`:
- "sum": sum of squares, as in CS231n. Gatys' G is F Fᵀ / (H W), and his loss is w / 4 * sum of (G - G')² / C². Our Gram
  layer also divides by C. So his loss is w / 4 times the sum of squared differences of our Gram matrices, and w / 4 is
  the weight here.
- "mean": mean of squares, as in neural-style.
- "relative": sum of squares, divided by its value for a picture without any features. Total variation is divided by
  the content's total variation. It needs no other weights for another network, layer or unit. Gatys normalises VGG-19
  for the same purpose.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from minicnn.backend import Array, get_array_module, to_device
from minicnn.errors import InputError, unknown_name
from minicnn.images import resize
from minicnn.layers import Gram
from minicnn.losses import FeatureMatch, GramMatch
from minicnn.network import Network
from minicnn.visualize.style.require import REDUCTIONS, require_weight


def gram_targets(net: Network, x: Sequence[Array], layers: Iterable[str],
                 mixture: Sequence[float] | None = None) -> dict[str, Array]:
    """Return {layer: Gram matrix (1, C, C)} of the pictures x, [(1, 3, H, W), …]: their sum weighted by `mixture`.

    mixture : a weight for each picture, divided by their sum; by default equal weights. Raises InputError if the
    numbers of weights and pictures differ, if a weight is negative, or if all are 0.
    """
    mixture = [1.0] * len(x) if mixture is None else list(mixture)
    if len(mixture) != len(x):
        raise InputError(f"{len(mixture)} blend weights for {len(x)} pictures of style")
    for weight in mixture:
        require_weight("a blend weight", weight)
    if not sum(mixture) > 0:
        raise InputError("all blend weights are 0; give at least one style a weight above 0")
    layers = list(layers)
    targets: dict[str, Array] = {}
    for share, picture in zip([weight / sum(mixture) for weight in mixture], x, strict=True):
        for layer, features in net.features(picture, layers).items():
            gram = share * Gram().forward(features)[0]
            targets[layer] = targets[layer] + gram if layer in targets else gram
    return targets


def content_terms(net: Network, x: Array, layers: Mapping[str, float], weight: float,
                  reduction: str = "sum") -> list[tuple[float, Any]]:
    """Return [(weight, loss), …] for the distance to the features of x, (1, 3, H, W). layers : {layer: weight}."""
    terms = []
    for layer, features in net.features(x, layers).items():
        share = weight * layers[layer] / divisor(features, reduction)
        terms.append((share, FeatureMatch(layer, features)))
    return terms


def style_terms(targets: Mapping[str, Array], layers: Mapping[str, float], weight: float, reduction: str = "sum",
                masks: Mapping[str, Array] | None = None) -> list[tuple[float, Any]]:
    """Return [(weight, loss), …] for the distance to the Gram matrices `targets`. layers : {layer: weight}.

    masks : {layer: (H, W)} from 0 to 1, if the style is for a part of the picture. The features are scaled so that the
    Gram matrix is the mean over this part. The weight is scaled so that the gradient of a pixel in the part is as large
    as without a mask.
    """
    terms = []
    for layer, target in targets.items():
        share, mask = weight * layers[layer] / divisor(target, reduction), None
        if masks is not None:
            part = float((masks[layer] * masks[layer]).mean())
            # a mask that is small may vanish at a deep layer: part is 0 there
            share, mask = share * part, masks[layer] / (part**0.5 or 1.0)
        terms.append((share, GramMatch(layer, target, mask=mask)))
    return terms


def divisor(target: Array, reduction: str) -> float:
    """Return the divisor of a sum of squared differences to `target` for a reduction."""
    if reduction not in REDUCTIONS:
        raise unknown_name("reduction", reduction, REDUCTIONS)
    if reduction == "relative":
        return float((target * target).sum()) or 1.0
    return target.size if reduction == "mean" else 1


def layer_masks(mask: Array, net: Network, shape: Sequence[int], layers: Iterable[str],
                dtype: str = "float32") -> dict[str, Array]:
    """Return {layer: (h, w)} on the network's device: the mask, uint8 (H, W) from 0 to 255, resized to each layer.

    The result is from 0 to 1. shape : (C, H, W) of the network's input.
    """
    layers = list(layers)
    shapes = net.trunk(layers).shapes(shape)
    colours = get_array_module(mask).repeat(mask[..., None], 3, axis=2)
    return {layer: to_device((resize(colours, *shapes[layer][2:])[..., 0] / 255).astype(dtype), net.device)
            for layer in layers}


def relative_errors(net: Network, x: Array, targets: Mapping[str, Array]) -> dict[str, float]:
    """Return {layer: |G - target| / |target|} of the Gram matrices of x, (1, 3, H, W), in the Frobenius norm."""
    errors = {}
    for layer, features in net.features(x, targets).items():
        difference = Gram().forward(features)[0] - targets[layer]
        norm = float((targets[layer] * targets[layer]).sum()) ** 0.5
        errors[layer] = float((difference * difference).sum()) ** 0.5 / (norm or 1.0)
    return errors
