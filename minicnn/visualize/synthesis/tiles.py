"""The gradient to an image that is too large for one pass, computed tile by tile.

A loss that is a sum over the positions of one layer can be cut there. Each tile takes some of the positions, and the
part of the image in their receptive fields. Padding at the cut edges of a tile changes only positions that belong to
other tiles. So the values of the tiles add up to the values of the whole image, and their gradients to its gradient.
Only the order of sums differs: by at most 1e-10 of the largest gradient in float64, and 1e-5 in float32. A dream of
many steps in float32 still looks different in its details, because it is chaotic: a change of the photo by 1e-6 has
that effect too.
"""

from collections.abc import Sequence
from itertools import pairwise, product
from typing import Any, NamedTuple

from minicnn.arguments import count_of, describe, require_number, require_whole
from minicnn.backend import Array, available_memory, get_array_module
from minicnn.errors import InputError
from minicnn.losses import weighted_sum
from minicnn.network import Network
from minicnn.receptive_field import ReceptiveField, receptive_field
from minicnn.visualize.entry import enter

LARGEST_WHOLE = 1024                # longest side of an image that `choose_tile` does not cut, pixels
SIDES = (1024, 512, 256, 128, 64)   # sides of tiles, pixels; the first one that fits in memory is used
IMAGES = 10                         # arrays of the image's size that a step needs besides the pass, roughly
WINDOW = 4                          # outputs per side that Winograd's F(4, 3) computes together


class Span(NamedTuple):
    """A tile along one axis: the positions first … last - 1 of the layer, and the pixels start … stop - 1 for them."""

    first: int
    last: int
    start: int
    stop: int


def spans(count: int, side: int, tile: int, field: ReceptiveField) -> list[Span]:
    """Return the Spans that divide `count` positions along an axis of `side` pixels evenly, for tiles of `tile` pixels.

    The first pixel of a tile is a multiple of the layer's stride, so that all strides start as in the whole image. It
    is a multiple of WINDOW times the stride, so that Winograd's windows do too and are rounded in the same way.
    """
    grid = WINDOW * field.stride
    pieces = min(count, max(1, -(-count * field.stride // tile)))
    edges = [count * piece // pieces for piece in range(pieces + 1)]
    return [Span(first, last, max(0, field.start + field.stride * first) // grid * grid,
                 min(side, field.start + field.stride * (last - 1) + field.size)) for first, last in pairwise(edges)]


def require_field(net: Network, layer: str) -> ReceptiveField:
    """Return the receptive field of the layer. Raises InputError if it is the whole picture, which no tile holds."""
    field = receptive_field(net, layer)
    if field is None:
        raise InputError(f"the receptive field of {layer!r} is the whole picture, so it cannot be computed by tiles; "
                         "choose an earlier layer")
    return field


def tiled_loss_and_gradient(net: Network, image: Array, terms: Sequence[tuple[float, Any]],
                            tile: int) -> tuple[float, Array, list[float]]:
    """Return the total, its gradient to the image, and the values, like `loss_and_gradient` but computed by tiles.

    image : (N, C, H, W). terms : [(weight, loss), …], all on one layer, each a sum over its positions, such as
    LayerNorm2 and GuideMatch. tile : the side of the tiles in pixels, without the margin of the receptive field.
    Raises InputError if the terms are on several layers, or if the layer's receptive field is the whole picture.

    >>> from minicnn.losses import LayerNorm2
    >>> total, gradient, values = tiled_loss_and_gradient(net, x, [(1.0, LayerNorm2("relu2"))], tile=32)
    >>> gradient.shape == x.shape, bool(np.isclose(total, (net.predict(x, "relu2") ** 2).sum() / 2))
    (True, True)
    """
    image, tile = enter(net, image, "image"), require_whole("tile", tile, 1)
    layers = {net.find(loss.layer) for _, loss in require_terms(terms)}
    if len(layers) > 1:
        raise InputError(f"terms that are computed by tiles must be on one layer, not on {', '.join(sorted(layers))}")
    layer, = layers
    field = require_field(net, layer)
    trunk = net.trunk(layer)
    H, W = image.shape[2:]
    OH, OW = trunk.shapes(image.shape[1:])[layer][2:]
    gradient = get_array_module(image).zeros_like(image)
    total, sums = 0.0, [0.0] * len(terms)
    for rows, columns in product(spans(OH, H, tile, field), spans(OW, W, tile, field)):
        pixels = (..., slice(rows.start, rows.stop), slice(columns.start, columns.stop))
        own = (..., local(rows, field), local(columns, field))
        part, tile_gradient, values = share_of_tile(trunk, image[pixels], terms, layer, own)
        gradient[pixels] += tile_gradient
        total += part
        sums = [before + value for before, value in zip(sums, values, strict=True)]
    return total, gradient, sums


def require_terms(terms: Sequence[tuple[float, Any]]) -> Sequence[tuple[float, Any]]:
    """Return the terms. Raises InputError unless they are pairs (weight, loss on a layer), at least one."""
    if not count_of(terms) or any(count_of(term) != 2 for term in terms):
        raise InputError(f"terms is {describe(terms)}; expected a list of pairs (weight, loss)")
    for weight, loss in terms:
        require_number("a weight", weight)
        if not callable(loss) or not isinstance(getattr(loss, "layer", None), str):
            raise InputError(f"a loss is {describe(loss)}; expected a loss on a layer, such as LayerNorm2('relu1')")
    return terms


def local(span: Span, field: ReceptiveField) -> slice:
    """Return the slice of the tile's own positions in the layer's map of the tile."""
    before = span.start // field.stride
    return slice(span.first - before, span.last - before)


def share_of_tile(trunk: Network, pixels: Array, terms: Sequence[tuple[float, Any]], layer: str,
                  own: tuple) -> tuple[float, Array, list[float]]:
    """Return the share of the layer's positions `own` in the total, the gradient to `pixels`, and the values."""
    trace = trunk.forward(pixels, keep=(layer,))
    out = trace.activations.pop(layer)
    total, seeds, values = weighted_sum(terms, {layer: out[own]})
    seed = get_array_module(out).zeros_like(out)
    seed[own] = seeds[layer]
    return total, trunk.backward(trace, {layer: seed}, release=True)["input"], values


# ---- the size of the tiles -------------------------------------------------------------------------------------------


def tile_memory(net: Network, layer: str, shape: tuple[int, ...], tile: int | None) -> int:
    """Return a forecast of the bytes for one step on an image of `shape` (N, C, H, W); `tile` None: without tiles."""
    from minicnn.fast.forecast import peak_memory
    N, C, H, W = shape
    image_bytes = IMAGES * 4 * N * C * H * W
    if tile is not None:
        field = require_field(net, layer)
        margin = field.size + WINDOW * field.stride
        H, W = min(H, tile + margin), min(W, tile + margin)
    return image_bytes + peak_memory(net.trunk(layer), (N, C, H, W))


def choose_tile(net: Network, layer: str, shape: tuple[int, ...]) -> int | None:
    """Return the side of the tiles for an image of `shape` (N, C, H, W), or None for the whole image at once.

    Images of up to 1,024 pixels are not cut, larger ones get tiles of 1,024 pixels. If the forecast exceeds half of the
    free memory, the tiles are smaller. Without a forecast (`minicnn.fast` is missing), memory is not considered.
    """
    if receptive_field(net, layer) is None:
        return None
    sides = SIDES if max(shape[2:]) > LARGEST_WHOLE else (None, *SIDES)
    free = available_memory(net.device)
    try:
        fitting = (side for side in sides if free is None or tile_memory(net, layer, shape, side) <= free / 2)
        return next(fitting, SIDES[-1])
    except ImportError:
        return sides[0]
