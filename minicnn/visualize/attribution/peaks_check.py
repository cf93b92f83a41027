"""The objective numbers of the peaks of several maps of one image."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from minicnn.backend import Array
from minicnn.visualize.attribution.peaks import map_peaks
from minicnn.visualize.check import Check, reported


def check_peaks(maps: Mapping[str, Array], mask: Array, where: str) -> list[Check]:
    """Return two Checks for each method: its peak lies in the mask, and the mask has more of the map than its area.

    maps : {method: (H, W)}. mask : bool (H, W), True on the object. where : the mask in words.
    """
    checks = []
    peaks = map_peaks(np.stack(list(maps.values())))
    area = float(mask.mean())
    for (method, values), (y, x) in zip(maps.items(), peaks, strict=True):
        positive = np.maximum(values, 0)
        share = float(positive[mask].sum() / (positive.sum() or 1.0))
        checks += [Check(f"{method}: distance of its largest value from {where}, pixels", distance(mask, y, x),
                         "0: it lies inside", bool(mask[y, x])),
                   Check(f"{method}: share of the map in {where}", share, f"more than {area:.2f}, the box's share of "
                         "the photo", share > area)]
    return checks


def report_peaks(maps: Mapping[str, Array]) -> list[Check]:
    """Return the largest distance of two methods' peaks. It is not judged, as a photo may have several such parts."""
    peaks = map_peaks(np.stack(list(maps.values())))
    side = min(next(iter(maps.values())).shape)
    largest = max(float(np.hypot(*(one - other))) for one, other in combinations(peaks, 2))
    return [reported("largest distance of two methods' largest values, as a share of the shorter side", largest / side,
                     "a photo may have several parts of its class")]


def distance(mask: Array, y: int, x: int) -> float:
    """Return the distance of a pixel from the nearest one in the mask, in pixels."""
    rows, columns = np.nonzero(mask)
    return float(np.hypot(rows - y, columns - x).min())
