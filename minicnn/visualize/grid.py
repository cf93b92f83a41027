"""Many small pictures side by side in a large one."""

import numpy as np


def tile_images(images, columns=None, gap=1, fill=1.0, zoom=1):
    """Pictures (K, H, W) or (K, H, W, 3) in rows of `columns` (about a square) -> one array of the same kind.

    gap : pixels between them, of value `fill`. zoom : every pixel becomes zoom x zoom first, unsmoothed.
    """
    images = np.asarray(images).repeat(zoom, axis=1).repeat(zoom, axis=2)
    K, H, W = images.shape[:3]
    columns = columns or int(np.ceil(K**0.5))
    rows = -(-K // columns)
    sheet = np.full((rows * (H + gap) - gap, columns * (W + gap) - gap, *images.shape[3:]), fill, images.dtype)
    for k, (top, left) in enumerate(tile_corners(K, H, W, columns, gap)):
        sheet[top:top + H, left:left + W] = images[k]
    return sheet


def tile_corners(count, height, width, columns, gap=1):
    """[(top, left)] of each of `count` pictures in the sheet that `tile_images` makes."""
    return [(k // columns * (height + gap), k % columns * (width + gap)) for k in range(count)]
