"""The objective numbers of a sheet of activation maps."""

import numpy as np

from minicnn.backend import Array
from minicnn.visualize.check import Check, below
from minicnn.visualize.grid import tile_corners, tile_images
from minicnn.visualize.units.activations import scale_maps


def check_feature_maps(maps: Array, sheet_columns: int) -> list[Check]:
    """Return the Check that the sheet's tiles are the scaled activations (C, H, W), and the share of exact zeros."""
    C, H, W = maps.shape
    sheet = tile_images(scale_maps(maps), sheet_columns)
    low, high = min(float(maps.min()), 0.0), float(maps.max())
    error = max(np.abs(sheet[top:top + H, left:left + W] * (high - low) + low - maps[k]).max()
                for k, (top, left) in enumerate(tile_corners(C, H, W, sheet_columns)))
    zeros = float((maps == 0).mean())
    return [below("activations read back from the tiles, error as a share of the largest",
                  error / max(high, 1e-30), 1e-6),
            Check("share of exact zeros: why the sheet is black", zeros, "0 to 1", 0 <= zeros <= 1)]
