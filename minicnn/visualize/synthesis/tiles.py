"""The gradient of a loss to an image that is too large for one pass: tile by tile, and the same gradient.

A loss that is a sum over the positions of one layer is cut there. Each tile takes some of the positions, and of the
image all that they see. What the network makes up along the cut edges of a tile, where it pads with zeros, is seen by
none of the tile's own positions; so every value is that of the whole image, and the gradients of the tiles add up to
its gradient. Only the order of sums differs: at most by 1e-10 of the largest gradient in float64, 1e-5 in float32. What
comes of it is another matter: a dream of many steps is chaotic in float32, where a change of 1e-6 in the photo, too,
makes other details.
"""

from itertools import pairwise, product
from typing import NamedTuple

from minicnn.backend import available_memory, get_array_module
from minicnn.errors import InputError
from minicnn.fast.forecast import peak_memory
from minicnn.losses import weighted_sum
from minicnn.receptive_field import receptive_field

LARGEST_WHOLE = 1024                # pixels of the long side up to which `choose_tile` takes the image as it is
SIDES = (1024, 512, 256, 128, 64)   # of the tiles, the first one unless memory is short
IMAGES = 10                         # arrays of the image's size that the step around the pass needs, roughly
WINDOW = 4                          # of outputs along a side that Winograd's F(4, 3) computes together


class Span(NamedTuple):
    """A tile along one axis: positions `first` to `last` of the layer, and the pixels `start` to `stop` that they see;
    `last` and `stop` exclusive."""

    first: int
    last: int
    start: int
    stop: int


def spans(count, side, tile, field):
    """[Span, …] that share `count` positions along an axis of `side` pixels out evenly, for `tile` pixels or less each.

    A tile begins at a multiple of the layer's stride, so that every stride on the way falls as in the whole image; and
    of WINDOW times that, so that Winograd's windows do too, and are rounded alike.
    """
    grid = WINDOW * field.stride
    pieces = min(count, max(1, -(-count * field.stride // tile)))
    edges = [count * piece // pieces for piece in range(pieces + 1)]
    return [Span(first, last, max(0, field.start + field.stride * first) // grid * grid,
                 min(side, field.start + field.stride * (last - 1) + field.size)) for first, last in pairwise(edges)]


def field_of(net, layer):
    """The receptive field of the layer; InputError where its units see the whole picture, which no tile does."""
    field = receptive_field(net, layer)
    if field is None:
        raise InputError(f"{layer!r} sees the whole picture at once: it cannot be computed by tiles; choose an earlier "
                         "layer")
    return field


def tiled_loss_and_gradient(net, image, terms, tile):
    """As `loss_and_gradient` for an image (N, C, H, W), in the memory of tiles of about `tile` pixels and their margin.

    terms : [(weight, loss), …], all on one layer, each a sum over its positions: LayerNorm2, GuideMatch.
    Raises InputError for terms on several layers, and for a layer that sees the whole picture at once.
    """
    layers = {net.find(loss.layer) for _, loss in terms}
    if len(layers) > 1:
        raise InputError(f"by tiles, all terms must be on one layer, not on {', '.join(sorted(layers))}")
    layer, = layers
    field = field_of(net, layer)
    trunk = net.trunk(layer)
    H, W = image.shape[2:]
    OH, OW = trunk.shapes(image.shape[1:])[layer][2:]
    gradient = get_array_module(image).zeros_like(image)
    total, sums = 0.0, [0.0] * len(terms)
    for rows, columns in product(spans(OH, H, tile, field), spans(OW, W, tile, field)):
        pixels = (..., slice(rows.start, rows.stop), slice(columns.start, columns.stop))
        own = (..., local(rows, field), local(columns, field))
        part, of_tile, values = share_of_tile(trunk, image[pixels], terms, layer, own)
        gradient[pixels] += of_tile
        total += part
        sums = [before + value for before, value in zip(sums, values, strict=True)]
    return total, gradient, sums


def local(span, field):
    """The slice of the tile's own positions, counted from the first one of its pixels."""
    before = span.start // field.stride
    return slice(span.first - before, span.last - before)


def share_of_tile(trunk, pixels, terms, layer, own):
    """What the positions `own` of the layer add to the total, to the gradient of these pixels, and to each value."""
    trace = trunk.forward(pixels, keep=(layer,))
    out = trace.activations.pop(layer)
    total, seeds, values = weighted_sum(terms, {layer: out[own]})
    seed = get_array_module(out).zeros_like(out)
    seed[own] = seeds[layer]
    return total, trunk.backward(trace, {layer: seed}, release=True)["input"], values


def tile_memory(net, layer, shape, tile):
    """Bytes that a step of an image of `shape`, (N, C, H, W), takes by tiles; `tile` None: all at once."""
    N, C, H, W = shape
    of_images = IMAGES * 4 * N * C * H * W
    if tile is not None:
        field = field_of(net, layer)
        margin = field.size + WINDOW * field.stride
        H, W = min(H, tile + margin), min(W, tile + margin)
    return of_images + peak_memory(net.trunk(layer), (N, C, H, W))


def choose_tile(net, layer, shape):
    """The side of the tiles for an image of `shape`, (N, C, H, W): None, all at once, for up to 1,024 pixels, else
    1,024; smaller ones where the forecast is more than half of the memory that is free."""
    if receptive_field(net, layer) is None:
        return None
    sides = SIDES if max(shape[2:]) > LARGEST_WHOLE else (None, *SIDES)
    free = available_memory(net.device)
    fitting = (side for side in sides if free is None or tile_memory(net, layer, shape, side) <= free / 2)
    return next(fitting, SIDES[-1])
