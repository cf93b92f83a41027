"""The peak of an attribution map: the one place that it points at."""

import numpy as np

from minicnn.backend import Array
from minicnn.visualize.arrays import on_host
from minicnn.visualize.attribution.deletion import blurred


def map_peaks(maps: Array) -> Array:
    """Return (y, x) of the largest value of each map (N, H, W) after a Gaussian blur, int (N, 2).

    A single pixel of a gradient is noise, so the maps are blurred first, by 1/20 of the shorter side.
    Zhang et al. 2016 (arXiv:1608.00507), the pointing game.
    Raises InputError if `maps` is not an array (N, H, W) on the host.

    >>> map_peaks(np.eye(9)[None, ::-1] * [1, 1, 1, 1, 1, 1, 5, 1, 1])
    array([[2, 6]])
    """
    maps = on_host("maps", maps, "(N, H, W)", 3)
    smooth = blurred(maps[:, None].astype(np.float64))[:, 0]
    best = smooth.reshape(len(maps), -1).argmax(axis=1)
    return np.stack(np.divmod(best, maps.shape[2]), axis=1)
