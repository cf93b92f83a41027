"""Objective numbers of maps with one grid cell for each image."""

import numpy as np

from minicnn.backend import Array, Generator
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.embedding.grid_assignment import assignment_cost, greedy_assignment
from minicnn.visualize.embedding.neighbours import nearest_others

GREEDY_POINTS = 4000  # for more points, the greedy assignment takes longer than ours


def check_grid(positions: Array, cells: Array, rows: int, columns: int, rng: Generator, k: int = 8) -> list[Check]:
    """Return Checks of an assignment of points (N, 2) to cells (N,) of a grid.

    No cell is used twice. The assignment costs at most as much as a greedy and a random one. The share of a point's k
    nearest neighbours on the map that are among its k nearest in the grid is reported.
    """
    N = len(positions)
    used = len(np.unique(cells))
    cost = assignment_cost(positions, cells, rows, columns) / N
    random = assignment_cost(positions, rng.permutation(rows * columns)[:N], rows, columns) / N
    checks = [Check("cells with exactly one image", used, f"{N}, one for each image", used == N)]
    unit = "mean squared distance from an image to its cell, in cells"
    if N <= GREEDY_POINTS:
        greedy = assignment_cost(positions, greedy_assignment(positions, rows, columns), rows, columns) / N
        checks.append(Check(unit, cost, f"at most {greedy:.3g}, the greedy assignment", cost <= greedy))
    checks.append(Check(unit, cost, f"at most {random:.3g}, a random assignment", cost <= random))
    if N > k:
        agreement = neighbour_agreement(positions, cells, columns, k)
        chance = k / (N - 1)
        checks.append(reported(f"share of an image's {k} nearest on the map that are among its {k} nearest in the grid",
                               agreement, f"by chance {chance:.3g}"))
    return checks


def neighbour_agreement(positions: Array, cells: Array, columns: int, k: int = 8) -> float:
    """Return the mean share of a point's k nearest on the map (N, 2) that are among its k nearest in the grid."""
    places = np.stack(np.divmod(np.asarray(cells), columns), axis=1).astype(np.float64)
    in_map, in_grid = nearest_others(np.asarray(positions, np.float64), k)[0], nearest_others(places, k)[0]
    return float((in_map[:, :, None] == in_grid[:, None]).any(axis=2).mean())


def check_sheet(sheet: Array, thumbnails: Array, cells: Array, rows: int, columns: int, size: int) -> list[Check]:
    """Return Checks that the sheet of `grid_sheet` has the expected size and each thumbnail in its cell."""
    expected = (rows * size, columns * size, 3)
    N, H, W, _ = thumbnails.shape
    y, x = np.arange(size) * H // size, np.arange(size) * W // size
    right = sheet.shape == expected and all(
        (sheet[row * size:(row + 1) * size, column * size:(column + 1) * size] == thumbnail[y[:, None], x]).all()
        for thumbnail, row, column in zip(thumbnails, *np.divmod(cells, columns), strict=True))
    return [Check("pixels of the sheet", sheet.shape[0] * sheet.shape[1], f"{expected[1]}x{expected[0]}",
                  sheet.shape == expected),
            Check("every thumbnail is in its cell, pixel by pixel", float(right), "1", right)]


def check_free_map(picture: Array, thumbnails: Array, positions: Array, fill: int = 255) -> list[Check]:
    """Return the Check that the map shows each thumbnail at its position: x to the right, y upwards.

    Each pixel is taken from the last thumbnail over it. picture : of thumbnail_map, uint8 (side, side, 3). thumbnails :
    uint8 (N, H, W, 3). positions : (N, 2).
    """
    side, (N, H, W, _) = len(picture), thumbnails.shape
    x, y = np.asarray(positions, np.float64).T
    lefts, bottoms = ((values - values.min()) / (np.ptp(values) or 1.0) if np.ptp(values) else np.full(N, 0.5)
                      for values in (x, y))
    expected = np.full((side, side, 3), fill, np.uint8)
    for n in range(N):
        left, top = round(lefts[n] * (side - W)), round((1 - bottoms[n]) * (side - H))
        expected[top:top + H, left:left + W] = thumbnails[n]
    wrong = float((picture != expected).any(axis=2).mean()) if picture.shape == expected.shape else 1.0
    return [below("share of the pixels of the map that differ from thumbnails drawn at their positions", wrong, 0.01)]
