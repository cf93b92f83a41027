"""The objective numbers of the pictures of filters."""

import numpy as np

from minicnn.backend import Array
from minicnn.layers import Conv2D
from minicnn.network import Network
from minicnn.visualize.check import Check, below
from minicnn.visualize.grid import tile_corners, tile_images
from minicnn.visualize.units.filters import filter_grid, filter_weights, mean_colour_share, signed_filters


def check_filter_grid(w: Array, rng: np.random.Generator) -> list[Check]:
    """Return the Checks of the picture of first-layer filters, (F, 3, KH, KW).

    The picture has a tile for each filter. In 8 bits, it holds the weights. The largest response of a filter is to its
    own picture.
    """
    F, _, KH, KW = w.shape
    sheet = np.rint(filter_grid(w) * 255) / 255
    columns = (sheet.shape[1] + 1) // (KW + 1)
    cells = (sheet.shape[0] + 1) // (KH + 1) * columns
    tiles = np.stack([sheet[top:top + KH, left:left + KW] for top, left in tile_corners(cells, KH, KW, columns)])
    filled = int((tiles < 1).any(axis=(1, 2, 3)).sum())  # the darkest colour of a filter is 0; an empty cell is white
    low, high = w.min(axis=(1, 2, 3), keepdims=True), w.max(axis=(1, 2, 3), keepdims=True)
    recovered = tiles[:F].transpose(0, 3, 1, 2) * (high - low) + low
    worst = (np.abs(recovered - w) / np.maximum(high - low, np.finfo(w.dtype).tiny)).max()
    # Cauchy-Schwarz: of all patches of norm 1, w / |w| has the largest response, |w|.
    filters = w.reshape(F, -1)
    norms = np.linalg.norm(filters, axis=1)
    random = rng.standard_normal((1000, filters.shape[1]))
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    ratio = ((random @ filters.T).max(axis=0) / norms).max()
    share = float(mean_colour_share(w).mean())
    return [Check("tiles in the sheet", filled, f"{F} filters", filled == F),
            below("weights read back from the 8-bit tiles, error as a share of each filter's range", worst, 1 / 255),
            below("largest response of 1,000 random patches, as a share of the filter's response to itself", ratio, 1),
            Check("share of a filter's energy that is in its mean colour, on average", share,
                  "0 to 1; small if the filters look for patterns", 0 <= share <= 1)]


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


def check_signed_filters(w: Array) -> list[Check]:
    """Return the Checks of the picture of deeper filters, (F, C, KH, KW).

    The picture has a tile for each filter and channel, and the grey levels add up to the weights.
    """
    F, C, KH, KW = w.shape
    tiles = signed_filters(w).reshape(F * C, KH, KW)
    sheet = tile_images(tiles, C, gap=1, fill=0.5)
    largest = np.abs(w).max(axis=(1, 2, 3))[:, None]
    found = np.array([sheet[top:top + KH, left:left + KW].sum() for top, left in tile_corners(F * C, KH, KW, C)])
    sums = ((found.reshape(F, C) - 0.5 * KH * KW) * 2 * largest).sum(axis=1)
    error = np.abs(sums - w.sum(axis=(1, 2, 3))).max() / np.abs(w).sum(axis=(1, 2, 3)).max()
    return [Check("tiles in the sheet", len(found), f"{F} filters x {C} channels = {F * C}", len(found) == F * C),
            below("sum of the weights read back from the tiles, relative error", error, 1e-4)]
