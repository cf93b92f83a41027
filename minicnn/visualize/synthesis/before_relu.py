"""Inactive neurons: a ReLU that gives 0 passes no gradient back, so the ascent starts before the ReLU."""

from typing import Any

import numpy as np

from minicnn.backend import Array, to_device
from minicnn.layers import Concat, Dropout, Flatten, GlobalAvgPool2D, ReLU
from minicnn.network import Network
from minicnn.visualize.synthesis.ascent_settings import DISTILL, AscentSettings

SMALL = range(100, 161)  # sides of the input in pixels; PHOTOS was chosen with 128


def before_relu(net: Network, layer: str) -> Network:
    """Return the network up to `layer`, without the last ReLUs before it.

    A ReLU is removed if only concatenations, global averages, flattening and dropout lie between it and `layer`. An
    active neuron keeps its value. An inactive neuron gets its negative input as its value, and a gradient that can
    make it active.
    """
    trunk = net.trunk(layer)
    reached, nodes = {trunk.output}, []
    for node in reversed(trunk.nodes):
        if node.name in reached and isinstance(node.layer, ReLU):
            node = node._replace(layer=Dropout(0.0))  # the identity
        elif node.name in reached and isinstance(node.layer, Concat | GlobalAvgPool2D | Dropout | Flatten):
            reached.update(node.inputs)
        nodes.append(node)
    trunk.nodes = nodes[::-1]
    return trunk


def values_by_image(objective: Any, out: Array) -> Array:
    """Return the value of a linear objective for each image, (N,); for LayerNorm2, twice its value.

    out : the activations of the objective's layer, of shape (N, …).
    """
    _, seeds = objective({objective.layer: out})
    return (out * seeds[objective.layer]).reshape(len(out), -1).sum(axis=1)


def default_settings(net: Network, drawn: AscentSettings, small: AscentSettings = DISTILL) -> AscentSettings:
    """Return DISTILL, the default of an ascent; `drawn` if the first ReLU is dead, as in networks for drawings.

    DISTILL starts close to grey, and its colours and contrasts are those of photos. small : instead of DISTILL, for
    networks of photos with as few pixels as `photos`.
    """
    if first_relu_is_dead(net):
        return drawn
    return small if net.input_shape[1] in SMALL else DISTILL


def first_relu_is_dead(net: Network) -> bool:
    """Return True if the first ReLU gives 0 everywhere for an image of the mean colour: no ascent can start there."""
    first = next((node.name for node in net.nodes if isinstance(node.layer, ReLU)), None)
    if first is None:
        return False
    grey = to_device(np.zeros((1, *net.input_shape), np.float32), net.device)
    return not bool(net.predict(grey, first).any())
