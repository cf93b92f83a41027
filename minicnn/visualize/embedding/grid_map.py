"""Maps of images: thumbnails at the positions of an embedding, or each in its own grid cell."""

import numpy as np

from minicnn.arguments import require_whole
from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.visualize.arrays import as_pictures, as_whole_numbers, on_host
from minicnn.visualize.embedding.grid_assignment import grid_positions
from minicnn.visualize.entry import require_side, require_sides


def grid_sheet(thumbnails: Array, cells: Array, rows: int, columns: int, size: int, fill: int = 255) -> Array:
    """Return a sheet of thumbnails, each in its own cell, uint8 (rows size, columns size, 3).

    thumbnails : uint8 (N, H, W, 3), resized by nearest-neighbour sampling. cells : the cell of each, numbered row by
    row, (N,). size : side of a cell, pixels. fill : value of the empty cells, 0 to 255.
    Raises InputError if a cell is used twice or does not exist.

    >>> grid_sheet(photo[None], np.array([1]), 2, 3, 16).shape
    (32, 48, 3)
    """
    cells = as_whole_numbers("cells", cells, "(N,)")
    thumbnails = require_thumbnails(thumbnails, len(cells))
    rows, columns = require_whole("rows", rows, 1), require_whole("columns", columns, 1)
    size, fill = require_side("size", size), require_whole("fill", fill, 0, 255)
    require_sides("the size of the sheet", (rows * size, columns * size))
    N, H, W, _ = thumbnails.shape
    if len(np.unique(cells)) < N or cells.min() < 0 or cells.max() >= rows * columns:
        raise InputError(f"each of {N:,} thumbnails needs a cell of its own, from 0 to {rows * columns - 1:,}")
    y, x = np.arange(size) * H // size, np.arange(size) * W // size
    sheet = np.full((rows * columns, size, size, 3), fill, np.uint8)
    sheet[cells] = thumbnails[:, y[:, None], x]
    return sheet.reshape(rows, columns, size, size, 3).swapaxes(1, 2).reshape(rows * size, columns * size, 3)


def thumbnail_map(thumbnails: Array, positions: Array, side: int, fill: int = 255) -> Array:
    """Return a map with thumbnails at their positions, uint8 (side, side, 3).

    Each axis is stretched separately, so that the outermost thumbnails touch the edges. Later thumbnails cover earlier
    ones.

    thumbnails : uint8 (N, H, W, 3). positions : (N, 2), x to the right and y upwards. side : of the map, pixels. fill :
    value of the background, 0 to 255. Raises InputError if a thumbnail is larger than the map.

    >>> thumbnail_map(np.stack([photo, photo]), np.array([[0.0, 0.0], [1.0, 1.0]]), 200).shape
    (200, 200, 3)
    """
    positions = on_host("positions", positions, "(N, 2)", 2)
    thumbnails, side = require_thumbnails(thumbnails, len(positions)), require_side("side", side)
    fill = require_whole("fill", fill, 0, 255)
    N, H, W, _ = thumbnails.shape
    if max(H, W) > side:
        raise InputError(f"thumbnails of {W}x{H} pixels do not fit into a map of {side}x{side}")
    corners = np.rint(grid_positions(positions, side - H + 1, side - W + 1)).astype(int)
    picture = np.full((side, side, 3), fill, np.uint8)
    for (top, left), thumbnail in zip(corners.tolist(), thumbnails, strict=True):
        picture[top:top + H, left:left + W] = thumbnail
    return picture


def require_thumbnails(thumbnails: Array, count: int) -> Array:
    """Return `count` images of one size, uint8 (N, H, W, 3). Raises InputError if there are others."""
    pictures = as_pictures("thumbnails", thumbnails)
    if not pictures or any(picture.shape != pictures[0].shape for picture in pictures):
        raise InputError("expected thumbnails uint8 (N, H, W, 3) of one size, got "
                         f"{sorted({picture.shape for picture in pictures}) or 'none'}")
    thumbnails = np.stack(pictures)
    if len(thumbnails) != count:
        raise InputError(f"{len(thumbnails):,} thumbnails for {count:,} places")
    return thumbnails
