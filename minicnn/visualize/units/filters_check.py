"""What proves the pictures of filters."""

import numpy as np

from minicnn.visualize.check import Check, below
from minicnn.visualize.grid import tile_corners, tile_images
from minicnn.visualize.units.filters import filter_grid, filter_weights, mean_colour_share, signed_filters


def check_filter_grid(w, rng):
    """First-layer filters (F, 3, KH, KW): the picture, in 8 bits, holds the weights, a tile a filter, and each filter
    likes its own picture best."""
    F, _, KH, KW = w.shape
    sheet = np.rint(filter_grid(w) * 255) / 255
    columns = (sheet.shape[1] + 1) // (KW + 1)
    cells = (sheet.shape[0] + 1) // (KH + 1) * columns
    tiles = np.stack([sheet[top:top + KH, left:left + KW] for top, left in tile_corners(cells, KH, KW, columns)])
    filled = int((tiles < 1).any(axis=(1, 2, 3)).sum())  # the darkest colour of a filter is 0, an empty cell is white
    low, high = (extreme(w, axis=(1, 2, 3), keepdims=True) for extreme in (np.min, np.max))
    recovered = tiles[:F].transpose(0, 3, 1, 2) * (high - low) + low
    worst = (np.abs(recovered - w) / np.maximum(high - low, np.finfo(w.dtype).tiny)).max()
    # Cauchy-Schwarz: of all patches of norm 1, w / |w| gets the largest response, |w|.
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
                  "0 to 1; little where filters look for patterns", 0 <= share <= 1)]


def check_filter_responses(net, layer):
    """A first layer, in float64, shown each of its filters as a picture of norm 1: it answers with the filter's norm,
    and no filter answers more to the picture of another one."""
    net = net.trunk(layer).astype("float64").to_device("cpu")
    conv, w = net.layer(layer), filter_weights(net, layer)
    F, C, KH, KW = w.shape
    norms = np.linalg.norm(w.reshape(F, -1), axis=1)
    scale = np.maximum(norms, 1e-6 * norms.max() + 1e-300)
    unit = -(-conv.pad // conv.stride)  # the first, down and across, that sees no padding
    start = unit * conv.stride - conv.pad
    pictures = np.zeros((F, C, start + KH, start + KW))
    pictures[:, :, start:, start:] = w / scale[:, None, None, None]
    answers = conv.forward(pictures)[0][:, :, unit, unit] - conv.params.get("b", 0.0)  # (picture, filter)
    return [below("what the layer answers to each filter's own picture against the filter's norm, relative error",
                  (np.abs(np.diag(answers) - norms) / scale).max(), 1e-6),
            below("its largest answer to another filter's picture, as a share of that to its own",
                  (answers / scale).max(), 1 + 1e-6)]


def check_signed_filters(w):
    """Deeper filters (F, C, KH, KW): a tile for each, and the grey levels add up to the weights."""
    F, C, KH, KW = w.shape
    tiles = signed_filters(w).reshape(F * C, KH, KW)
    sheet = tile_images(tiles, C, gap=1, fill=0.5)
    largest = np.abs(w).max(axis=(1, 2, 3))[:, None]
    found = np.array([sheet[top:top + KH, left:left + KW].sum() for top, left in tile_corners(F * C, KH, KW, C)])
    sums = ((found.reshape(F, C) - 0.5 * KH * KW) * 2 * largest).sum(axis=1)
    error = np.abs(sums - w.sum(axis=(1, 2, 3))).max() / np.abs(w).sum(axis=(1, 2, 3)).max()
    return [Check("tiles in the sheet", len(found), f"{F} filters x {C} channels = {F * C}", len(found) == F * C),
            below("sum of the weights read back from the tiles, relative error", error, 1e-4)]
