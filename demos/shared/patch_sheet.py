"""A sheet with the strongest patches of every channel of a layer, a square of patches for each channel."""

import math
from collections.abc import Callable

import numpy as np

from minicnn import images
from minicnn.receptive_field import ReceptiveField
from minicnn.visualize.grid import tile_images
from minicnn.visualize.units.patch_pictures import crop_patch
from minicnn.visualize.units.patches import TopPatches

SIDE = 32  # pixels of a patch on the sheet
GAP = 6    # pixels between the squares of two channels


def sheet_of_channels(best: TopPatches, field: ReceptiveField, load: Callable[[int], np.ndarray]) -> np.ndarray:
    """Return the sheet, uint8 (H, W, 3): channels row by row, each with its patches in a square, the strongest first.

    Each picture is loaded once. A patch without an activation stays white.

    best : the patches of all channels. field : of the layer. load : number of a picture -> uint8 (H, W, 3).
    """
    channels, top = best.values.shape
    tiles = np.full((channels, top, SIDE, SIDE, 3), 255, np.uint8)
    active = (best.images >= 0) & (best.values > 0)
    for number in np.unique(best.images[active]).tolist():
        picture = load(number)
        for channel, rank in np.argwhere(active & (best.images == number)).tolist():
            crop = crop_patch(picture, field, int(best.ys[channel, rank]), int(best.xs[channel, rank]),
                              channels_last=True)
            tiles[channel, rank] = images.resize(np.asarray(crop, np.uint8), SIDE, SIDE)
    columns = math.ceil(top ** 0.5)
    squares = np.stack([tile_images(row, columns, 1, fill=255) for row in tiles])
    sheet: np.ndarray = tile_images(squares, math.ceil(channels ** 0.5), GAP, fill=255)
    return sheet
