"""What texture synthesis and style transfer minimise: features at their places (content), Gram matrices (style).

Published implementations differ in how they sum up, which `reduction` names:
- "sum": sum of squares; CS231n's weights are meant so. With Gatys' G = F Fᵀ / (H W) his w / 4 * sum of (G - G')² / C²
  is w / 4 * sum of the squares of our Gram layer's differences, which divides by C too. So w / 4 is the weight here.
- "mean": of the squares; neural-style's weights are meant so.
- "relative": the sum, as a share of what it is for a picture without any features; total variation as a share of the
  content's own. It suits every network, layer and unit alike, which is what Gatys' normalised VGG-19 is for.
"""

import math
from difflib import get_close_matches

from minicnn.backend import get_array_module, to_device
from minicnn.errors import InputError, unknown_name
from minicnn.images import resize
from minicnn.layers import Gram
from minicnn.losses import FeatureMatch, GramMatch

REDUCTIONS = ("sum", "mean", "relative")


def as_weights(layers, what):
    """{layer: weight} from that, or from names of layers of weight 1; raises InputError for weights that are none."""
    weights = dict(layers) if hasattr(layers, "keys") else dict.fromkeys(layers, 1.0)
    for layer, weight in weights.items():
        check_weight(f"the weight of {what} layer {layer!r}", weight)
    return weights


def check_weight(what, weight):
    """Raise InputError where a weight is negative or not finite."""
    if not 0 <= weight < math.inf:
        raise InputError(f"{what} is {weight}; a number from 0 on is expected")


def check_layers(net, layers):
    """The network's own names of these layers. Raises UnknownNameError for one that is misspelt, InputError naming all
    that are missing, and what is there: a file may hold a network's first layers alone."""
    missing = [layer for layer in layers if net.aliases.get(str(layer), layer) not in net.positions]
    for layer in map(str, missing):  # an alias may have been given as a number
        # pool3 is no misspelt pool2, where a network ends before it: a mistake leaves the digits
        alike = [name for name in (*net.positions, *net.aliases)
                 if net.aliases.get(name, name) in net.positions and digits_of(name) == digits_of(layer)]
        if get_close_matches(layer.lower(), alike):
            raise unknown_name("layer", layer, alike)
    if missing:
        there = [name for name in net.layer_names()
                 if name.split("/")[-1].startswith(("relu", "concat", "pool")) and "/relu" not in name]
        raise InputError(f"no layer {', '.join(map(repr, missing))}: the network, or what was loaded of it, ends at "
                         f"{net.output!r}; there are {', '.join(there)}")
    return [net.find(layer) for layer in layers]


def check_maps(net, layers):
    """Raise InputError for one of these layers that has no maps: a Gram matrix is of the features at many places."""
    shapes = net.shapes()
    for layer in layers:
        if len(shapes[net.find(layer)]) != 4:
            raise InputError(f"{layer!r} has no maps, of which a Gram matrix could be taken; name a layer before it")


def digits_of(name):
    """What numbers a layer: 31 in relu3_1."""
    return "".join(filter(str.isdigit, name))


def check_size(net, shape, layers, what):
    """Raise InputError where a picture of `shape`, (C, H, W), is too small for these layers, with the size that is
    not."""
    trunk = net.trunk(layers)
    try:
        trunk.shapes(shape)
    except InputError as problem:
        smallest = next((side for side in range(2, 512) if takes(trunk, (shape[0], side, side))), None)
        raise InputError(f"{what} has {shape[2]}x{shape[1]} pixels, too few for {trunk.output!r} ({problem}); "
                         f"{smallest or 512} a side are enough, or take layers before it") from None


def takes(net, shape):
    """Whether the network can compute anything of a picture of `shape`, (C, H, W)."""
    try:
        net.shapes(shape)
    except InputError:
        return False
    return True


def gram_targets(net, x, layers, mixture=None):
    """{layer: Gram matrix (1, C, C)} of the pictures x, [(1, 3, H, W), …]: their sum weighted by `mixture`.

    mixture : a weight per picture; together they are made to be 1. Raises InputError where none is above 0.
    """
    mixture = [1.0] * len(x) if mixture is None else list(mixture)
    if len(mixture) != len(x):
        raise InputError(f"{len(mixture)} blend weights for {len(x)} pictures of style")
    for weight in mixture:
        check_weight("a blend weight", weight)
    if not sum(mixture) > 0:
        raise InputError("all blend weights are 0: there is no style to take")
    targets = {}
    for share, picture in zip([weight / sum(mixture) for weight in mixture], x, strict=True):
        for layer, features in net.features(picture, layers).items():
            gram = share * Gram().forward(features)[0]
            targets[layer] = targets[layer] + gram if layer in targets else gram
    return targets


def content_terms(net, x, layers, weight, reduction="sum"):
    """[(weight, loss), …] that hold the features of x, (1, 3, H, W), where they are. layers : {layer: its weight}."""
    terms = []
    for layer, features in net.features(x, layers).items():
        share = weight * layers[layer] / divisor(features, reduction)
        terms.append((share, FeatureMatch(layer, features)))
    return terms


def style_terms(targets, layers, weight, reduction="sum", masks=None):
    """[(weight, loss), …] that hold the Gram matrices. layers : {layer: its weight}.

    masks : {layer: (H, W)} in 0..1, for a part of the picture alone: its features are scaled so that the Gram matrix
    is the mean over that part, and the weight so that a pixel in it is pulled as hard as without a mask.
    """
    terms = []
    for layer, target in targets.items():
        share, mask = weight * layers[layer] / divisor(target, reduction), None
        if masks is not None:
            part = float((masks[layer] * masks[layer]).mean())
            share, mask = share * part, masks[layer] / (part**0.5 or 1.0)  # 0 where a deep layer sees nothing of it
        terms.append((share, GramMatch(layer, target, mask=mask)))
    return terms


def divisor(target, reduction):
    """By what a sum of squares is divided."""
    if reduction not in REDUCTIONS:
        raise unknown_name("reduction", reduction, REDUCTIONS)
    if reduction == "relative":
        return float((target * target).sum()) or 1.0
    return target.size if reduction == "mean" else 1


def layer_masks(mask, net, shape, layers, dtype="float32"):
    """{layer: (h, w)} on the network's device: `mask`, uint8 (H, W) from 0 to 255, scaled down to each layer.

    shape : (C, H, W) of the picture that the network is shown.
    """
    xp = get_array_module(mask)
    shapes = net.trunk(layers).shapes(shape)
    three = xp.repeat(mask[..., None], 3, axis=2)
    return {layer: to_device((resize(three, *shapes[layer][2:])[..., 0] / 255).astype(dtype), net.device)
            for layer in layers}


def relative_errors(net, x, targets):
    """{layer: |G - target| / |target|} of the picture x, (1, 3, H, W), in the Frobenius norm."""
    errors = {}
    for layer, features in net.features(x, targets).items():
        difference = Gram().forward(features)[0] - targets[layer]
        norm = float((targets[layer] * targets[layer]).sum()) ** 0.5
        errors[layer] = float((difference * difference).sum()) ** 0.5 / (norm or 1.0)
    return errors
