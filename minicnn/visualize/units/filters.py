"""The filters of a convolution as pictures: colours in the first layer, signed grey maps in deeper layers."""

from collections.abc import Sequence

import numpy as np

from minicnn.arguments import require_flag, require_whole
from minicnn.backend import Array, to_host
from minicnn.errors import InputError
from minicnn.layers import Conv2D
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.arrays import on_host
from minicnn.visualize.entry import require_layer, require_preprocessing
from minicnn.visualize.grid import tile_images


def conv_layers(net: Network) -> list[str]:
    """Return the names of the convolutions in execution order."""
    return [node.name for node in net.nodes if isinstance(node.layer, Conv2D)]


def filter_weights(net: Network, layer: str, preprocessing: Preprocessing | None = None) -> Array:
    """Return the weights of a convolution, (F, C, KH, KW) on the host.

    preprocessing : of the network's weights, for a first layer: its channels are returned in the order RGB.
    Raises InputError if the layer is no convolution.

    >>> filter_weights(net, "conv1", model.preprocessing).shape
    (24, 3, 7, 7)
    """
    layer = require_layer(net, layer)
    conv = net.layer(layer)
    if not isinstance(conv, Conv2D):
        raise InputError(f"layer {layer!r} is a {type(conv).__name__} and has no filters; "
                         f"convolutions: {', '.join(conv_layers(net))}")
    if preprocessing is not None:
        require_preprocessing(preprocessing)
    w = to_host(conv.params["w"])
    return w if preprocessing is None else preprocessing.to_pixel_directions(w)


def colour_filters(w: Array, same_scale: bool = False) -> Array:
    """Return first-layer filters (F, 3, KH, KW) as colours (F, KH, KW, 3) in 0..1: (w - min) / (max - min).

    same_scale : use one minimum and maximum for all filters, instead of each filter's own. Weak filters then look weak,
    as in the figure of AlexNet's paper.
    """
    if w.shape[1] != 3:
        raise InputError(f"filters of {w.shape[1]} channels are no colours; show them as grey maps")
    axes = None if same_scale else (1, 2, 3)
    low, high = w.min(axis=axes, keepdims=True), w.max(axis=axes, keepdims=True)
    return ((w - low) / np.maximum(high - low, np.finfo(w.dtype).tiny)).transpose(0, 2, 3, 1)


def signed_filters(w: Array) -> Array:
    """Return filters (F, C, KH, KW) as grey maps of the same shape in 0..1: a weight of zero is 0.5, a middle grey."""
    largest = np.abs(w).max(axis=(1, 2, 3), keepdims=True)
    return w / np.maximum(2 * largest, np.finfo(w.dtype).tiny) + 0.5


def filter_grid(w: Array, columns: int | None = None, gap: int = 1, zoom: int = 1, same_scale: bool = False) -> Array:
    """Return a picture of all filters of a layer, in 0..1.

    Filters of three channels are shown in colour, (H, W, 3), with a tile for each filter. Other filters are shown as
    grey maps, (H, W), with a row for each filter and a tile for each of its input channels.

    Parameters
    ----------
    w : the weights, (F, C, KH, KW).
    columns : tiles in a row. By default, about as many as rows for colours, and C for grey maps.
    gap : pixels between two tiles.
    zoom : each weight becomes zoom x zoom pixels.
    same_scale : see `colour_filters`.

    Examples
    --------
    >>> filter_grid(filter_weights(net, "conv1", model.preprocessing)).shape  # 5 x 5 tiles of 7 x 7 pixels
    (39, 39, 3)
    """
    w, gap, zoom = on_host("w", w, "(F, C, KH, KW)", 4), require_whole("gap", gap), require_whole("zoom", zoom, 1)
    columns = None if columns is None else require_whole("columns", columns, 1)
    same_scale = require_flag("same_scale", same_scale)
    if w.shape[1] == 3:
        return tile_images(colour_filters(w, same_scale), columns, gap, fill=1.0, zoom=zoom)
    return grey_filter_grid(w, columns, gap, zoom)


def grey_filter_grid(w: Array, columns: int | None = None, gap: int = 1, zoom: int = 1) -> Array:
    """Return a picture (H, W) in 0..1 of filters as signed grey maps, with a row for each filter."""
    F, C, KH, KW = w.shape
    return tile_images(signed_filters(w).reshape(F * C, KH, KW), columns or C, gap, fill=1.0, zoom=zoom)


def stack_filters(filters: Sequence[Array]) -> Array:
    """Return the weights of several layers, each (F, C, KH, KW), as one array (layers, F, C, KH, KW).

    Layers with fewer or smaller filters are filled up with zeros.
    """
    shape = np.max([w.shape for w in filters], axis=0)
    return np.stack([np.pad(w, [(0, most - size) for most, size in zip(shape, w.shape, strict=True)])
                     for w in filters])


def mean_colour_share(w: Array) -> Array:
    """Return the share of each filter's energy that is in its mean colour, (F,). It is 1 for a filter of one colour.

    w : (F, C, KH, KW).
    """
    mean = w.mean(axis=(2, 3), keepdims=True)
    energy = (w**2).sum(axis=(1, 2, 3))
    return (mean**2).sum(axis=(1, 2, 3)) * w.shape[2] * w.shape[3] / np.maximum(energy, np.finfo(w.dtype).tiny)
