"""The filters themselves: as colours in the first layer, as signed grey maps behind it."""

import numpy as np

from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.layers import Conv2D
from minicnn.visualize.grid import tile_images


def conv_layers(net):
    """The names of the convolutions, in execution order."""
    return [node.name for node in net.nodes if isinstance(node.layer, Conv2D)]


def filter_weights(net, layer, preprocessing=None):
    """The weights of a convolution on the host, (F, C, KH, KW).

    preprocessing : given, the channels of a first layer come in RGB order. Raises InputError for other layers.
    """
    conv = net.layer(layer)
    if not isinstance(conv, Conv2D):
        raise InputError(f"layer {layer!r} is a {type(conv).__name__} and has no filters; "
                         f"convolutions: {', '.join(conv_layers(net))}")
    w = to_host(conv.params["w"])
    return w if preprocessing is None else preprocessing.to_pixel_directions(w)


def colour_filters(w, same_scale=False):
    """First-layer filters (F, 3, KH, KW) as colours, (F, KH, KW, 3) in 0..1: (w - min) / (max - min) of each.

    same_scale : one minimum and maximum for all, so that weak filters look weak (the figure of AlexNet's paper).
    """
    if w.shape[1] != 3:
        raise InputError(f"filters of {w.shape[1]} channels are no colours; show them as grey maps")
    axes = None if same_scale else (1, 2, 3)
    low, high = w.min(axis=axes, keepdims=True), w.max(axis=axes, keepdims=True)
    return ((w - low) / np.maximum(high - low, np.finfo(w.dtype).tiny)).transpose(0, 2, 3, 1)


def signed_filters(w):
    """Filters (F, C, KH, KW) as grey maps (F, C, KH, KW) in 0..1, symmetric: a weight of zero is 0.5 grey."""
    largest = np.abs(w).max(axis=(1, 2, 3), keepdims=True)
    return w / np.maximum(2 * largest, np.finfo(w.dtype).tiny) + 0.5


def filter_grid(w, columns=None, gap=1, zoom=1, same_scale=False):
    """All filters of a layer in one picture, 0..1.

    First-layer filters (three channels): colours, (H, W, 3), a tile a filter. Others: (H, W), a row a filter, with
    a grey map for each of its input channels.
    """
    if w.shape[1] == 3:
        return tile_images(colour_filters(w, same_scale), columns, gap, fill=1.0, zoom=zoom)
    return grey_filter_grid(w, columns, gap, zoom)


def grey_filter_grid(w, columns=None, gap=1, zoom=1):
    """Filters of any number of channels as signed grey maps in one picture (H, W), 0..1: a row a filter."""
    F, C, KH, KW = w.shape
    return tile_images(signed_filters(w).reshape(F * C, KH, KW), columns or C, gap, fill=1.0, zoom=zoom)


def stack_filters(filters):
    """The weights of several layers, each (F, C, KH, KW), as one array (layers, F, C, KH, KW): zeros fill up where a
    layer has fewer or smaller ones."""
    shape = np.max([w.shape for w in filters], axis=0)
    return np.stack([np.pad(w, [(0, most - size) for most, size in zip(shape, w.shape, strict=True)])
                     for w in filters])


def mean_colour_share(w):
    """The share of each filter's energy that is in its mean colour, (F,): 1 for a filter that sees no pattern."""
    mean = w.mean(axis=(2, 3), keepdims=True)
    energy = (w**2).sum(axis=(1, 2, 3))
    return (mean**2).sum(axis=(1, 2, 3)) * w.shape[2] * w.shape[3] / np.maximum(energy, np.finfo(w.dtype).tiny)
