"""A transform network of many styles, which differ in the scales and shifts of its normalizations alone: Dumoulin et
al. 2016 (arXiv:1610.07629). Every function returns a sibling; nothing is switched in the network itself."""

import numpy as np

from minicnn.backend import get_array_module
from minicnn.errors import InputError
from minicnn.layers import ConditionalInstanceNorm2D


def style_norms(net):
    """{name: layer} of the normalizations that have a row for each style; {} in a network of a single style."""
    return {node.name: node.layer for node in net.nodes if isinstance(node.layer, ConditionalInstanceNorm2D)}


def with_style(net, style):
    """The network that paints in the mixture `style`, with the same parameters.

    style : weights that sum to 1, on the host: (S,) for all pictures, or (N, S) for each of a batch its own.
    Raises InputError where the network has not so many styles.
    """
    norms = style_norms(net)
    if not norms:
        raise InputError("this network has learnt a single style: there is nothing to choose or to mix")
    return net.with_layers({name: layer.with_style(style) for name, layer in norms.items()})


def as_single_style(net):
    """The network of plain instance norms that paints as this one does in the mixture chosen for it, which must be one
    for all pictures."""
    return net.with_layers({name: layer.mixed() for name, layer in style_norms(net).items()})


def with_more_styles(net, count):
    """The network with rows for `count` styles more, which begin as the mean of those that it has: it shares the
    convolutions, and paints in the styles before as it did.

    Raises InputError where it has learnt a single one.
    """
    def longer(rows):
        xp = get_array_module(rows)
        return xp.concatenate([rows] + [rows.mean(axis=0, keepdims=True)] * count)
    changed = {}
    for name, layer in style_norms(net).items():
        S, C = layer.params["gamma"].shape
        changed[name] = ConditionalInstanceNorm2D(C, S + count, layer.eps)
        changed[name].params = {key: longer(rows) for key, rows in layer.params.items()}
    if not changed:
        raise InputError("this network has learnt a single style; only one of several can learn more")
    return net.with_layers(changed)


def style_parameters(net):
    """How many numbers belong to each style alone."""
    return sum(rows.shape[1] for layer in style_norms(net).values() for rows in layer.params.values())


def blend_square(num_styles, side=5):
    """Mixtures, (rows, side, S): those of the first four styles by how near their corners of a square are; with fewer
    styles the row from the first to the last, in one row."""
    across = np.linspace(0, 1, side)
    if num_styles < 4:
        mixtures = np.zeros((1, side, num_styles))
        mixtures[0, :, 0], mixtures[0, :, -1] = 1 - across, across
        return mixtures
    x, y = np.meshgrid(across, across)
    mixtures = np.zeros((side, side, num_styles))
    for number, share in enumerate(((1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y)):
        mixtures[..., number] = share
    return mixtures
