"""A grid of photos as a pyramid of tiles: JPEG files of one size, each level with half the resolution of the next."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from minicnn.errors import InputError

TILE = 512     # about the side of a tile, pixels
QUALITY = 82   # of the JPEG files
FILL = 255     # empty cells


class Pyramid(NamedTuple):
    """The sizes of a pyramid.

    rows, columns : of the grid of photos. cell : side of a photo in the last level, pixels. side : of a tile, a
    multiple of `cell`, so that each photo is inside one tile of every level. levels : level 0 is one tile.
    """

    rows: int
    columns: int
    cell: int
    side: int
    levels: int

    def across(self, level: int) -> int:
        """Return the number of photos in a row of one tile of a level."""
        return self.side // self.cell << (self.levels - 1 - level)


def pyramid_of(rows: int, columns: int, cell: int) -> Pyramid:
    """Return the Pyramid of a grid with photos of `cell` pixels."""
    side = cell * max(1, round(TILE / cell))
    tiles = math.ceil(max(rows, columns) * cell / side)
    return Pyramid(rows, columns, cell, side, 1 + math.ceil(math.log2(tiles)))


def tile_name(level: int, x: int, y: int) -> str:
    """Return the file of a tile. x, y : its column and its row in the level."""
    return f"{level}_{x}_{y}.jpg"


def write_tiles(folder: Path, thumbnails: np.ndarray, cells: np.ndarray, rows: int, columns: int) -> Pyramid:
    """Write the tiles of a grid of photos into a folder, and return its Pyramid.

    A tile is made from the four below it, so that only a few tiles of each level are in memory.

    thumbnails : square, uint8 (N, t, t, 3). cells : the cell of each, numbered row by row, (N,).
    Raises InputError if a cell is used twice or does not exist.
    """
    N, cell = thumbnails.shape[:2]
    if len(np.unique(cells)) < N or cells.min() < 0 or cells.max() >= rows * columns:
        raise InputError(f"each of {N:,} photos needs a cell of its own, from 0 to {rows * columns - 1:,}")
    pyramid = pyramid_of(rows, columns, cell)
    photo_at = np.full(rows * columns, -1)
    photo_at[cells] = np.arange(N)
    write_below(folder, pyramid, thumbnails, photo_at.reshape(rows, columns), 0, 0, 0)
    return pyramid


def write_below(folder: Path, pyramid: Pyramid, thumbnails: np.ndarray, photo_at: np.ndarray, level: int, x: int,
                y: int) -> np.ndarray | None:
    """Write a tile and all tiles below it. Return the tile, uint8 (side, side, 3), or None if it is off the grid.

    photo_at : the number of the photo in each cell, -1 for an empty one, (rows, columns).
    """
    across, side = pyramid.across(level), pyramid.side
    if y * across >= pyramid.rows or x * across >= pyramid.columns:
        return None
    if level == pyramid.levels - 1:
        tile = drawn_tile(pyramid, thumbnails, photo_at[y * across:(y + 1) * across, x * across:(x + 1) * across])
    else:
        four = np.full((2, side, 2, side, 3), FILL, np.uint8)
        for below, right in np.ndindex(2, 2):
            part = write_below(folder, pyramid, thumbnails, photo_at, level + 1, 2 * x + right, 2 * y + below)
            if part is not None:
                four[below, :, right] = part
        tile = halved(four.reshape(2 * side, 2 * side, 3))
    Image.fromarray(tile).save(folder / tile_name(level, x, y), "JPEG", quality=QUALITY)
    return tile


def drawn_tile(pyramid: Pyramid, thumbnails: np.ndarray, photos: np.ndarray) -> np.ndarray:
    """Return a tile of the last level. photos : the numbers of its photos, -1 for an empty cell, (rows, columns)."""
    tile, cell = np.full((pyramid.side, pyramid.side, 3), FILL, np.uint8), pyramid.cell
    for row, column in np.argwhere(photos >= 0).tolist():
        tile[row * cell:(row + 1) * cell, column * cell:(column + 1) * cell] = thumbnails[photos[row, column]]
    return tile


def halved(picture: np.ndarray) -> np.ndarray:
    """Return a picture, uint8 (2 H, 2 W, 3), of half the size: each pixel is the mean of four."""
    parts = [picture[below::2, right::2].astype(np.uint16) for below, right in np.ndindex(2, 2)]
    return ((sum(parts[1:], parts[0]) + 2) // 4).astype(np.uint8)
