"""The objective numbers of the pictures of filters."""

import numpy as np

from minicnn.backend import Array, to_host
from minicnn.layers import Conv2D
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.units.filters import filter_weights, mean_colour_share


def check_filter_grid(net: Network, layer: str, sheet: Array, preprocessing: Preprocessing | None = None, gap: int = 1,
                      zoom: int = 1) -> list[Check]:
    """Return the Checks of the picture of first-layer filters: a tile for each filter, which holds its weights.

    sheet : as it is shown, of filter_grid, (height, width, 3) for filters on three channels, or (height, width).
    preprocessing : of the network, whose channel order may be BGR. gap, zoom : of filter_grid.
    """
    w = to_host(net.layer(layer).params["w"]).astype(np.float64)
    order = "RGB" if preprocessing is None else preprocessing.channel_order
    colours = np.repeat(w, 3, axis=1) if order == "L" else w[:, ::-1] if order == "BGR" else w
    F, C, KH, KW = colours.shape
    if C != 3:
        return check_signed_filters(w, sheet, gap, zoom)
    sheet = np.rint(np.asarray(sheet, np.float64) * 255) / 255
    columns = (sheet.shape[1] + gap) // (KW * zoom + gap)
    worst = 0.0
    for k, weights in enumerate(colours):
        tile = read_tile(sheet, k, columns, (KH, KW), gap, zoom)
        low, high = weights.min(), weights.max()
        if tile is None:
            worst = np.inf
        elif high > low:
            worst = max(worst, float(np.abs(tile - (weights.transpose(1, 2, 0) - low) / (high - low)).max()))
    return [below(f"weights of {F} filters read back from the 8-bit tiles, error as a share of each filter's range",
                  worst, 1 / 255),
            reported("share of a filter's energy that is in its mean colour, on average",
                     float(mean_colour_share(colours).mean()), "small if the filters look for patterns")]


def read_tile(sheet: Array, k: int, columns: int, size: tuple[int, int], gap: int, zoom: int) -> Array | None:
    """Return tile k of a sheet, one value a weight, or None if the sheet does not hold it or its pixels differ."""
    height, width = size[0] * zoom, size[1] * zoom
    top, left = k // columns * (height + gap), k % columns * (width + gap)
    pixels = sheet[top:top + height, left:left + width]
    tile = pixels[::zoom, ::zoom]
    enlarged = tile.repeat(zoom, axis=0).repeat(zoom, axis=1)
    return tile if tile.shape[:2] == size and np.array_equal(pixels, enlarged) else None


def check_filter_responses(net: Network, layer: str) -> list[Check]:
    """Return the Checks of the responses of a first layer to pictures of its filters, scaled to norm 1, in float64.

    The response of a filter to its own picture is the filter's norm. No filter responds more to another one's picture.
    """
    net = net.trunk(layer).astype("float64").to_device("cpu")
    conv, w = net.layer(layer), filter_weights(net, layer)
    assert isinstance(conv, Conv2D)  # filter_weights has raised InputError otherwise
    F, C, KH, KW = w.shape
    norms = np.linalg.norm(w.reshape(F, -1), axis=1)
    scale = np.maximum(norms, 1e-6 * norms.max() + 1e-300)
    unit = -(-conv.pad // conv.stride)  # the first unit, down and across, that depends on no padding
    start = unit * conv.stride - conv.pad
    pictures = np.zeros((F, C, start + KH, start + KW))
    pictures[:, :, start:, start:] = w / scale[:, None, None, None]
    responses = conv.forward(pictures)[0][:, :, unit, unit] - conv.params.get("b", 0.0)  # (picture, filter)
    return [below("response of each filter to its own picture against the filter's norm, relative error",
                  (np.abs(np.diag(responses) - norms) / scale).max(), 1e-6),
            below("largest response to another filter's picture, as a share of the response to its own",
                  (responses / scale).max(), 1 + 1e-6)]


def check_signed_filters(w: Array, sheet: Array, gap: int = 1, zoom: int = 1) -> list[Check]:
    """Return the Check of the picture of filters as grey maps: a row for each filter, a tile for each of its channels.

    A weight of zero is 0.5, the largest of a filter is 0 or 1. w : the weights shown, (F, C, KH, KW). sheet : as it is
    shown, of grey_filter_grid, (height, width).
    """
    F, C, KH, KW = w.shape
    worst = 0.0
    for filter_number, channel in np.ndindex(F, C):
        largest = max(float(np.abs(w[filter_number]).max()), 1e-30)
        tile = read_tile(sheet, filter_number * C + channel, C, (KH, KW), gap, zoom)
        worst = np.inf if tile is None else max(worst, float(np.abs((tile - 0.5) * 2 - w[filter_number, channel]
                                                                    / largest).max()))
    return [below(f"weights of {F} filters x {C} channels read back from the tiles, error as a share of each filter's "
                  "largest", worst, 1e-4)]
