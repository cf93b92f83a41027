"""The products that add up to one activation: the patch that a filter sees, times the filter."""

from typing import NamedTuple

import numpy as np

from minicnn.arguments import describe
from minicnn.array_likes import as_numbers
from minicnn.backend import Array, to_host
from minicnn.errors import InputError
from minicnn.layers import Concat, Conv2D, Dropout, Linear, ReLU
from minicnn.network import Network
from minicnn.shown import html_fields, short_fields
from minicnn.visualize.entry import require_channel, require_layer, require_network, require_position


class ProductTerms(NamedTuple):
    """The terms of one sum: activation = bias + the sum of products, up to rounding. All arrays are on the host.

    layer, channel : the convolution or fully connected layer, and its unit. source : the layer that it reads.
    patch, weights, products : (C, KH, KW), or (D, 1, 1) of a fully connected layer; products = patch * weights. Pixels
    of the padding are 0.
    first : number of the first channel of the patch in the source; it is 0 unless the convolution has groups.
    top, left : the row and the column of the patch's first pixel in the source; negative in the padding.
    """

    layer: str
    channel: int
    source: str
    patch: Array
    weights: Array
    products: Array
    bias: float
    first: int
    top: int
    left: int

    @property
    def total(self) -> float:
        """The bias plus the sum of the products."""
        return self.bias + float(self.products.sum(dtype=np.float64))

    def __repr__(self) -> str:
        return short_fields(self)

    def _repr_html_(self) -> str:
        return html_fields(self)


def summing_unit(net: Network, layer: str, channel: int) -> tuple[str, int, list[str]] | None:
    """Return (layer, channel, layers on the way) of the convolution or fully connected layer behind a channel.

    Only ReLUs, concatenations and dropout lie on the way, the deepest first. None if there is another layer.
    Raises InputError if the network has no such layer or channel.

    >>> summing_unit(net, "relu1", 5)
    ('conv1', 5, ['relu1'])
    """
    layer = require_layer(require_network(net), layer)
    shapes, way = net.shapes(), list[str]()
    channel = require_channel(layer, channel, shapes[layer][1])
    nodes = {node.name: node for node in net.nodes}
    while layer in nodes:
        node = nodes[layer]
        if isinstance(node.layer, Conv2D | Linear):
            return layer, channel, way
        if not isinstance(node.layer, ReLU | Concat | Dropout):
            return None
        way.append(layer)
        for source in node.inputs:  # of a concatenation, whose channels follow each other
            layer = source
            if channel < shapes[source][1]:
                break
            channel -= shapes[source][1]
    return None


def product_terms(net: Network, source: Array, layer: str, channel: int,
                  position: tuple[int, int] | None = None) -> ProductTerms:
    """Return the ProductTerms of one unit of a convolution or of a fully connected layer.

    Parameters
    ----------
    net : the network.
    source : the activation that the layer reads, of one image, (1, C, H, W) or (1, D).
    layer, channel : the layer and the unit's channel.
    position : (y, x) in the layer's map; None for a fully connected layer.

    Raises
    ------
    InputError if the layer adds up no products, or has no such unit, or if `source` has another shape.

    Examples
    --------
    >>> terms = product_terms(net, x, "conv1", 5, (10, 12))
    >>> bool(abs(terms.total - net.predict(x, "conv1")[0, 5, 10, 12]) < 1e-4)
    True
    """
    layer = require_layer(require_network(net), layer)
    step = net.layer(layer)
    if not isinstance(step, Conv2D | Linear):
        raise InputError(f"layer {layer!r} is {describe(step)} and adds up no products; name a convolution or a fully "
                         "connected layer")
    source = as_numbers("source", source)
    if source.ndim != (4 if isinstance(step, Conv2D) else 2) or len(source) != 1:
        raise InputError(f"source has the shape {source.shape}; expected the input of {layer!r} for one image")
    shape = step.output_shape(source.shape)  # raises InputError for other channels
    channel = require_channel(layer, channel, shape[1])
    weights, reads = to_host(step.params["w"][channel]), net.nodes[net.positions[layer]].inputs[0]
    bias = float(step.params["b"][channel]) if "b" in step.params else 0.0
    if isinstance(step, Linear):
        patch, weights, first, top, left = to_host(source[0])[:, None, None], weights[:, None, None], 0, 0, 0
    else:
        y, x = require_position(layer, position, shape[2:])
        first = channel // (shape[1] // step.groups) * len(weights)
        top, left = y * step.stride - step.pad, x * step.stride - step.pad
        patch = _cut(to_host(source[0, first:first + len(weights)]), top, left, *weights.shape[1:])
    return ProductTerms(layer, channel, reads, patch, weights, patch * weights, bias, first, top, left)


def _cut(maps: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    """Return height x width pixels of maps (C, H, W) from (top, left) on, with 0 outside the maps."""
    C, H, W = maps.shape
    patch = np.zeros((C, height, width), maps.dtype)
    rows, columns = (slice(max(0, start), min(size, start + length))
                     for start, size, length in ((top, H, height), (left, W, width)))
    patch[:, rows.start - top:rows.stop - top, columns.start - left:columns.stop - left] = maps[:, rows, columns]
    return patch
