"""A sheet: many small pictures of the same size, side by side in a large one."""

import numpy as np

from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.images import MAX_PIXELS


def tile_images(images: Array, columns: int | None = None, gap: int = 1, fill: float = 1.0, zoom: int = 1) -> Array:
    """Return one array with all `images` in rows: a sheet (rows, columns) or (rows, columns, 3).

    Parameters
    ----------
    images : K pictures, (K, H, W) or (K, H, W, 3).
    columns : pictures in a row. By default the sheet is about as many pictures high as wide.
    gap : pixels between two pictures.
    fill : value of the gaps and of empty places.
    zoom : each pixel becomes zoom x zoom equal pixels.

    Examples
    --------
    >>> tile_images(np.zeros((6, 8, 8)), columns=3).shape  # 2 rows of 3 pictures
    (17, 26)
    """
    images = np.asarray(images)
    K, H, W = images.shape[0], images.shape[1] * zoom, images.shape[2] * zoom
    columns = columns or int(np.ceil(K**0.5))
    rows = -(-K // columns)
    if rows * (H + gap) * columns * (W + gap) > MAX_PIXELS:
        raise InputError(f"a sheet of {rows}x{columns} pictures of {W}x{H} pixels with gaps of {gap} has more than "
                         f"{MAX_PIXELS:,} pixels; give fewer columns, a smaller gap or a smaller zoom")
    images = images.repeat(zoom, axis=1).repeat(zoom, axis=2)
    sheet = np.full((rows * (H + gap) - gap, columns * (W + gap) - gap, *images.shape[3:]), fill, images.dtype)
    for k, (top, left) in enumerate(tile_corners(K, H, W, columns, gap)):
        sheet[top:top + H, left:left + W] = images[k]
    return sheet


def tile_corners(count: int, height: int, width: int, columns: int, gap: int = 1) -> list[tuple[int, int]]:
    """Return the pixel (top, left) at which each of `count` pictures begins in the sheet of `tile_images`.

    >>> tile_corners(3, height=8, width=8, columns=2)
    [(0, 0), (0, 9), (9, 0)]
    """
    return [(k // columns * (height + gap), k % columns * (width + gap)) for k in range(count)]
