"""Transform networks of many styles, which differ only in the scales and shifts of their normalizations.

Dumoulin et al. 2016 (arXiv:1610.07629). Every function returns a new network that shares parameters. The given network
stays as it is.
"""

import numpy as np

from minicnn.arguments import require_whole
from minicnn.backend import Array, get_array_module
from minicnn.errors import InputError
from minicnn.layers import ConditionalInstanceNorm2D
from minicnn.network import Network
from minicnn.visualize.arrays import on_host
from minicnn.visualize.entry import require_network

MOST_STYLES = 10_000


def style_norms(net: Network) -> dict[str, ConditionalInstanceNorm2D]:
    """Return {name: layer} of the normalizations with a row for each style; {} for a network of a single style."""
    return {node.name: node.layer for node in net.nodes if isinstance(node.layer, ConditionalInstanceNorm2D)}


def with_style(net: Network, style: Array) -> Network:
    """Return the network that paints in the mixture `style`, with the same parameters.

    style : weights that sum to 1, on the host: (S,) for all pictures, or (N, S) with a mixture for each of N pictures.
    Raises InputError if the network has another number of styles. Dumoulin et al. 2016 (arXiv:1610.07629).

    >>> painter = minicnn.load_model("styles", device="cpu")
    >>> half = with_style(painter.net, np.array([0.5, 0.5] + [0.0] * (len(painter.styles) - 2)))
    >>> half.predict(x).shape == x.shape
    True
    """
    norms = style_norms(require_network(net))
    if not norms:
        raise InputError("this network has a single style, so no style can be chosen or mixed")
    style = on_host("style", style, "(styles,) or (N, styles)", 1, 2)
    return net.with_layers({name: layer.with_style(style) for name, layer in norms.items()})


def as_single_style(net: Network) -> Network:
    """Return a network of plain instance norms that paints in the mixture chosen for this one.

    Raises InputError if the network has a mixture for each picture of a batch.
    """
    return net.with_layers({name: layer.mixed() for name, layer in style_norms(net).items()})


def with_more_styles(net: Network, count: int) -> Network:
    """Return the network with rows for `count` more styles. They start as the mean of the rows that exist.

    The convolutions are shared, and the earlier styles stay the same. Raises InputError if the network has a single
    style.

    >>> painter = minicnn.load_model("styles", device="cpu")
    >>> more = with_more_styles(painter.net, 2)
    >>> more.layer("in1").params["gamma"].shape[0] - painter.net.layer("in1").params["gamma"].shape[0]
    2
    """
    count = require_whole("count", count, 1, MOST_STYLES)
    require_network(net)

    def longer(rows: Array) -> Array:
        xp = get_array_module(rows)
        return xp.concatenate([rows] + [rows.mean(axis=0, keepdims=True)] * count)
    changed = {}
    for name, layer in style_norms(net).items():
        S, C = layer.params["gamma"].shape
        changed[name] = ConditionalInstanceNorm2D(C, S + count, layer.eps)
        changed[name].params = {key: longer(rows) for key, rows in layer.params.items()}
    if not changed:
        raise InputError("this network has a single style; styles can be added only to a network of several")
    return net.with_layers(dict(changed))


def style_parameters(net: Network) -> int:
    """Return the number of parameters that belong to each style alone."""
    return sum(rows.shape[1] for layer in style_norms(net).values() for rows in layer.params.values())


def blend_square(num_styles: int, side: int = 5) -> np.ndarray:
    """Return mixtures of the first four styles, (rows, side, S), with a pure style in each corner of a square.

    With fewer than four styles, it is one row from the first style to the last.

    >>> blend_square(4, side=3)[1].tolist()
    [[0.5, 0.0, 0.5, 0.0], [0.25, 0.25, 0.25, 0.25], [0.0, 0.5, 0.0, 0.5]]
    """
    num_styles, side = require_whole("num_styles", num_styles, 1, MOST_STYLES), require_whole("side", side, 1, 1024)
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
