"""Layer-wise relevance propagation: the class score, shared out among the pixels layer by layer."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from minicnn.arguments import require_choice, require_flag, require_kind, require_number
from minicnn.backend import Array, get_array_module, to_host
from minicnn.layers import (
    Add,
    AvgPool2D,
    BatchNorm2D,
    BoxRelevance,
    Concat,
    Conv2D,
    Dropout,
    EpsilonRelevance,
    Flatten,
    GammaRelevance,
    GlobalAvgPool2D,
    Layer,
    Linear,
    LocalResponseNorm,
    MaxPool2D,
    Pad2D,
    PositiveRelevance,
    ReLU,
    Upsample2D,
)
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network, Trace
from minicnn.visualize.arrays import in_type_of
from minicnn.visualize.attribution.gradients import score_seeds
from minicnn.visualize.entry import Labels, enter, require_layer, require_preprocessing

RULES = ("epsilon", "gamma", "positive")
PIXEL_RULES = ("box", "epsilon")
KEEP_THE_SIGN = (MaxPool2D, AvgPool2D, GlobalAvgPool2D, Concat, Add, Flatten, Dropout, Pad2D, Upsample2D,
                 LocalResponseNorm)


@dataclass(frozen=True)
class RelevanceSettings:
    """The rule of each layer with weights. minicnn/layers/relevance.py defines the rules.

    rule : of the hidden layers: "gamma", "epsilon" or "positive" (z+). A layer whose inputs may be negative follows
        LRP-epsilon.
    upper : the share of the depth of the network, from the scores down, that follows LRP-epsilon instead.
    pixels : rule of the convolutions that read the image: "box" (z^B) or "epsilon".
    gamma : the additional share of positive weights in LRP-gamma.
    epsilon : added to each sum of contributions, in units of the activations.
    keep_bias : whether biases keep their share of the relevance. By default they hand it to the inputs of their window
        in proportion to the inputs' sizes, so that the relevance of each layer adds up to the score. Only a bias whose
        inputs are all zero keeps its share.
    """

    rule: str = "gamma"
    upper: float = 0.3
    pixels: str = "box"
    gamma: float = 0.25
    epsilon: float = 1e-9
    keep_bias: bool = False


LRP_COMPOSITE = RelevanceSettings()
LRP_EPSILON = RelevanceSettings("epsilon", upper=0, pixels="epsilon")
LRP_GAMMA = RelevanceSettings("gamma", upper=0)
LRP_ZPLUS = RelevanceSettings("positive", upper=0)
RELEVANCE_PRESETS = {"composite": LRP_COMPOSITE, "epsilon": LRP_EPSILON, "gamma": LRP_GAMMA, "zplus": LRP_ZPLUS}


def relevance_map(net: Network, x: Array, label: Labels, settings: RelevanceSettings = LRP_COMPOSITE, *,
                  preprocessing: Preprocessing | None = None, layer: str = "input") -> Array:
    """Return the relevance of each pixel for the class score, (N, C, H, W) on the host. It adds up to the score.

    Parameters
    ----------
    net : a network with class scores. A fast network gives the same numbers: its definition is computed.
    x : images of shape (N, C, H, W).
    label : one class, or one for each image. The score is taken before the softmax.
    settings : the rule of each layer: LRP_COMPOSITE, LRP_EPSILON, LRP_GAMMA, LRP_ZPLUS, or others.
    preprocessing : the network's, model.preprocessing, for the smallest and the largest value of a pixel in the rule
        z^B. By default they are those of each channel of each image.
    layer : the layer whose relevance is returned, in the shape of its output. By default, the pixels.

    Raises
    ------
    InputError if the network has no class scores, or a layer without a rule.

    References
    ----------
    Bach et al. 2015 (PLOS ONE 10:e0130140); Montavon et al. 2017 (arXiv:1512.02479); Montavon et al. 2019, Layer-Wise
    Relevance Propagation: An Overview, sections 10.2 and 10.3.

    Examples
    --------
    >>> relevance = relevance_map(net, x, label)
    >>> relevance.shape, bool(abs(relevance.sum() / net.predict(x)[0, label] - 1) < 1e-4)
    ((1, 3, 64, 64), True)
    """
    x, layer = enter(net, x), require_layer(net, layer)
    sibling = relevance_network(net, x, settings, preprocessing)
    trace, seeds = relevance_seeds(sibling, x, label)
    return to_host(sibling.backward(trace, seeds, wrt=(layer,), release=True)[layer])


def relevance_seeds(net: Network, x: Array, label: Labels) -> tuple[Trace, dict[str, Array]]:
    """Return the Trace of a forward pass, and the relevance of the scores: the score of the class, and 0 of others."""
    trace, seeds = score_seeds(net, x, label)
    return trace, {name: seed * trace.activations[name] for name, seed in seeds.items()}


def relevance_network(net: Network, x: Array, settings: RelevanceSettings = LRP_COMPOSITE,
                      preprocessing: Preprocessing | None = None) -> Network:
    """Return the plain sibling of `net` whose backward pass hands relevance down by the rules of the settings.

    x : the images, (N, C, H, W) on the device of the network, for the range of the pixels if there is no preprocessing.
    A batch normalization behind a convolution is folded into it. Raises InputError for a layer without a rule.
    """
    require_settings(settings)
    if preprocessing is not None:
        require_preprocessing(preprocessing, net)
    net = folded(net.plain())
    epsilon: dict[str, Any] = {"epsilon": settings.epsilon, "keep_bias": settings.keep_bias}
    rules: dict[str, Callable[[Layer], Layer]] = {
        "epsilon": partial(EpsilonRelevance, **epsilon), "positive": partial(PositiveRelevance, **epsilon),
        "gamma": partial(GammaRelevance, gamma=settings.gamma, **epsilon)}
    depths, positive = weight_depths(net), never_negative(net)
    first_upper = (1 - settings.upper) * max(depths.values(), default=0)
    layers: dict[str, Layer] = {}
    for name, layer, (source, *_) in net.nodes:
        if settings.pixels == "box" and isinstance(layer, Conv2D) and source == "input":
            layers[name] = BoxRelevance(layer, *pixel_range(x, preprocessing), settings.epsilon)
        elif isinstance(layer, Conv2D | Linear) and depths[name] <= first_upper and source in positive:
            layers[name] = rules[settings.rule](layer)
    return net.with_rule(rules["epsilon"]).with_layers(layers)


def folded(net: Network) -> Network:
    """Return a network in which each batch normalization that alone reads a convolution is part of it.

    The convolution then gives the normalized output, and a Dropout, the identity, takes the normalization's place.
    Guillemot et al. 2020 (arXiv:2011.09304) show why relevance needs that: the sum z_k must be what the ReLU gets.
    """
    layers: dict[str, Layer] = {}
    for name, norm, (source, *_) in net.nodes:
        readers = sum(node.inputs.count(source) for node in net.nodes)
        if isinstance(norm, BatchNorm2D) and readers == 1 and isinstance(conv := net.layer(source), Conv2D):
            # gamma (w x + b - mean) / std + beta = (gamma / std) w x + beta + (gamma / std) (b - mean)
            xp = get_array_module(norm.params["gamma"])
            scale = norm.params["gamma"] / xp.sqrt(norm.buffers["var"] + norm.eps)
            merged = copy.copy(conv)
            merged.params = {
                "w": conv.params["w"] * scale[:, None, None, None],
                "b": norm.params["beta"] + scale * (conv.params.get("b", 0) - norm.buffers["mean"])}
            layers |= {source: merged, name: Dropout(0.0)}
    return net.with_layers(layers)


def weight_depths(net: Network) -> dict[str, int]:
    """Return {name: the largest number of layers with weights on a path from the image to this layer, itself too}."""
    depths = {"input": 0}
    for name, layer, inputs in net.nodes:
        depths[name] = max(depths[source] for source in inputs) + isinstance(layer, Conv2D | Linear)
    return depths


def never_negative(net: Network) -> set[str]:
    """Return the names of the layers whose output is never negative: ReLUs, and pools and joins of such layers."""
    names: set[str] = set()
    for name, layer, inputs in net.nodes:
        if isinstance(layer, ReLU) or (isinstance(layer, KEEP_THE_SIGN) and names.issuperset(inputs)):
            names.add(name)
    return names


def pixel_range(x: Array, preprocessing: Preprocessing | None) -> tuple[Array, Array]:
    """Return the smallest and the largest value of a pixel in the network's input, (1 or N, C, 1, 1).

    Without the preprocessing it is the range of the image itself, widened to 1 if it is narrower: in a flat image no
    pixel could take relevance.
    """
    xp = get_array_module(x)
    low, high = x.min(axis=(2, 3), keepdims=True), x.max(axis=(2, 3), keepdims=True)
    if preprocessing is None:
        room = xp.maximum(0, 1 - (high - low)) / 2
        return low - room, high + room
    mean, std = (np.array(values)[:, None, None] for values in (preprocessing.mean, preprocessing.std))
    black, white = (in_type_of("the range", (level * preprocessing.scale - mean) / std, x) for level in (0, 255))
    return xp.minimum(low, black), xp.maximum(high, white)


def require_settings(settings: Any) -> RelevanceSettings:
    """Return the settings. Raises InputError if they are none, or one of them is wrong."""
    require_kind("settings", settings, RelevanceSettings, "expected a RelevanceSettings, such as LRP_COMPOSITE")
    require_choice("rule", settings.rule, RULES)
    require_choice("pixels", settings.pixels, PIXEL_RULES)
    require_number("upper", settings.upper, 0, 1)
    require_number("gamma", settings.gamma, 0)
    require_number("epsilon", settings.epsilon, above=0)
    require_flag("keep_bias", settings.keep_bias)
    return settings
