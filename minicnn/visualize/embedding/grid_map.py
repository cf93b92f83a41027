"""Maps of pictures: thumbnails where an embedding puts them, or each in a cell of its own."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from minicnn.errors import InputError

EXACT = 1024             # points up to which the best of all assignments is found: above, it takes many seconds
WINDOW = 16              # rows and columns of the windows in which larger maps are solved
STRIDES = (8, 4, 2, 1)   # of a window's cells: from far apart to next to each other
SWEEPS = 3               # over the map at each stride, at most
ENOUGH = 1e-3            # a sweep that saves less than this share of the cost is the last at its stride


def assign_to_grid(positions, rows, columns):
    """A cell of its own for each point: (N, 2) positions (x, y) -> (N,) cells, numbered row by row from the top left.

    The positions are stretched to fill the grid, y upwards as in a plot, and the sum of the squared distances, in
    cells, from the points to their cells is minimised. Up to EXACT points it is the least of all. More points are
    sorted into halves of the map, again and again, and then windows of WINDOW x WINDOW cells are each solved exactly,
    with cells far apart first: where both ways were tried, mostly within 0.1 % of the least, and 2 % at worst.
    Raises InputError for more points than cells and positions that are not finite. Karpathy 2014, t-SNE visualization
    of CNN codes; the assignment: Jonker and Volgenant 1987, by scipy.optimize.linear_sum_assignment.
    """
    points = grid_positions(positions, rows, columns)
    if len(points) > rows * columns:
        raise InputError(f"{len(points):,} points do not fit into {rows}x{columns} cells; make the grid larger")
    if len(points) <= EXACT:
        return linear_sum_assignment(costs(points, np.arange(rows * columns), columns))[1]
    return assign_in_windows(points, rows, columns)


def grid_positions(positions, rows, columns):
    """Positions (N, 2), x to the right and y upwards, as (row, column) in cells, float64 (N, 2).

    Each axis is stretched by itself, so that the outermost points lie in the middle of the outermost cells.
    """
    positions = np.asarray(positions, np.float64)
    if positions.ndim != 2 or positions.shape[1] != 2 or not len(positions):
        raise InputError(f"expected positions of shape (N, 2), got {positions.shape}")
    if not np.isfinite(positions).all():
        raise InputError("the map has positions that are not finite")
    if min(rows, columns) < 1:
        raise InputError(f"a grid of {rows}x{columns} cells has none; give at least one row and one column")
    low, high = positions.min(axis=0), positions.max(axis=0)
    share = np.where(high > low, (positions - low) / np.where(high > low, high - low, 1), 0.5)
    return np.stack([(1 - share[:, 1]) * (rows - 1), share[:, 0] * (columns - 1)], axis=1)


def assignment_cost(positions, cells, rows, columns):
    """The sum of the squared distances, in cells, from the points to the cells that they were given."""
    points = grid_positions(positions, rows, columns)
    return float(((points - np.stack(np.divmod(cells, columns), axis=1)) ** 2).sum())


def greedy_assignment(positions, rows, columns):
    """Each point in turn to the nearest cell that is still free, (N,): simple, quick, and what is left is far."""
    points = grid_positions(positions, rows, columns)
    centres = np.stack(np.divmod(np.arange(rows * columns), columns), axis=1).astype(np.float64)
    cells = np.empty(len(points), np.int64)
    for n, point in enumerate(points):
        cells[n] = ((centres - point) ** 2).sum(axis=1).argmin()
        centres[cells[n]] = np.inf
    return cells


# ---- pictures --------------------------------------------------------------------------------------------------------


def grid_sheet(thumbnails, cells, rows, columns, size, fill=255):
    """Thumbnails uint8 (N, H, W, 3), each in its cell of size x size pixels -> uint8 (rows size, columns size, 3).

    Of thumbnails that are not of that size the nearest pixels are taken. Cells without any have the value `fill`.
    Raises InputError where two have the same cell or one has none.
    """
    check_thumbnails(thumbnails, len(cells))
    if size < 1:
        raise InputError(f"a cell cannot be {size} pixels wide; give it at least 1 pixel")
    N, H, W, _ = thumbnails.shape
    cells = np.asarray(cells)
    if len(np.unique(cells)) < N or cells.min() < 0 or cells.max() >= rows * columns:
        raise InputError(f"each of {N:,} thumbnails needs a cell of its own, from 0 to {rows * columns - 1:,}")
    y, x = np.arange(size) * H // size, np.arange(size) * W // size
    sheet = np.full((rows * columns, size, size, 3), fill, np.uint8)
    sheet[cells] = thumbnails[:, y[:, None], x]
    return sheet.reshape(rows, columns, size, size, 3).swapaxes(1, 2).reshape(rows * size, columns * size, 3)


def thumbnail_map(thumbnails, positions, side, fill=255):
    """Thumbnails uint8 (N, H, W, 3) at their positions (N, 2), x to the right and y upwards -> uint8 (side, side, 3).

    Each axis is stretched by itself, so that the outermost thumbnails touch the edges. Where several lie on each
    other the later one is on top. Raises InputError where a thumbnail is larger than the map.
    """
    check_thumbnails(thumbnails, len(positions))
    N, H, W, _ = thumbnails.shape
    if max(H, W) > side:
        raise InputError(f"thumbnails of {W}x{H} pixels do not fit into a map of {side}x{side}")
    corners = np.rint(grid_positions(positions, side - H + 1, side - W + 1)).astype(int)
    picture = np.full((side, side, 3), fill, np.uint8)
    for (top, left), thumbnail in zip(corners.tolist(), thumbnails, strict=True):
        picture[top:top + H, left:left + W] = thumbnail
    return picture


def check_thumbnails(thumbnails, count):
    """Raise InputError unless there are `count` pictures, uint8 (N, H, W, 3)."""
    if thumbnails.ndim != 4 or thumbnails.shape[3] != 3 or thumbnails.dtype != np.uint8 or not thumbnails.size:
        raise InputError(f"expected thumbnails uint8 (N, H, W, 3), got {thumbnails.dtype} {thumbnails.shape}")
    if len(thumbnails) != count:
        raise InputError(f"{len(thumbnails):,} thumbnails for {count:,} places")


# ---- assignments too large for one matrix ----------------------------------------------------------------------------


def costs(points, cells, columns):
    """The squared distances from points, (n, 2) in (row, column), to the centres of cells, (m,) -> (n, m)."""
    rows, cols = np.divmod(cells, columns)
    return (points[:, :1] - rows) ** 2 + (points[:, 1:] - cols) ** 2


def assign_in_windows(points, rows, columns):
    """`assign_to_grid` for any number of points (N, 2), in (row, column): halves first, then windows."""
    cells = np.empty(len(points), np.int64)
    halve(points, np.arange(len(points)), (0, rows, 0, columns), columns, cells)
    occupant = np.full(rows * columns, -1)  # the point in each cell, or -1
    occupant[cells] = np.arange(len(points))
    occupant = occupant.reshape(rows, columns)
    for stride in STRIDES:
        cost = ((points - np.stack(np.divmod(cells, columns), axis=1)) ** 2).sum()
        for _ in range(SWEEPS):
            saved = 0.0
            for shift in (0, WINDOW // 2):
                saved += sweep(points, occupant, stride, shift, cells)
            if saved <= ENOUGH * cost:
                break
            cost -= saved
    return cells


def halve(points, chosen, box, columns, cells):
    """Sort the chosen points into the box's halves, and those into theirs, down to single cells, written to `cells`.

    The longer side is halved. The points stay in order along it, so none has to cross another.
    """
    top, bottom, left, right = box
    height, width = bottom - top, right - left
    if not len(chosen):
        return
    if height * width == 1:
        cells[chosen] = top * columns + left
        return
    axis = 0 if height > width else 1
    middle = (top + bottom) // 2 if axis == 0 else (left + right) // 2
    first, second = (((top, middle, left, right), (middle, bottom, left, right)) if axis == 0 else
                     ((top, bottom, left, middle), (top, bottom, middle, right)))
    room, room_beyond = ((b - t) * (r - le) for t, b, le, r in (first, second))
    order = chosen[np.argsort(points[chosen, axis], kind="stable")]
    wanted = int(np.searchsorted(points[order, axis], middle - 0.5))  # those that lie on the first half's side
    count = min(max(wanted, len(order) - room_beyond), room)
    halve(points, order[:count], first, columns, cells)
    halve(points, order[count:], second, columns, cells)


def sweep(points, occupant, stride, shift, cells):
    """Solve every window, its cells `stride` apart, the windows shifted by `shift` of them; returns what it saved.

    occupant : (rows, columns), the point in each cell or -1; it and `cells` are changed in place.
    """
    rows, columns = occupant.shape
    saved = 0.0
    for row in range(stride):
        for column in range(stride):
            lattice_rows, lattice_columns = np.arange(row, rows, stride), np.arange(column, columns, stride)
            for top in range(-shift, len(lattice_rows), WINDOW):
                for left in range(-shift, len(lattice_columns), WINDOW):
                    window = np.add.outer(lattice_rows[max(top, 0):top + WINDOW] * columns,
                                          lattice_columns[max(left, 0):left + WINDOW]).ravel()
                    saved += solve_window(points, occupant.reshape(-1), window, columns, cells)
    return saved


def solve_window(points, occupant, window, columns, cells):
    """Give the points in the cells `window`, (m,), the best of these cells; returns how much less that costs."""
    inside = occupant[window]
    inside = inside[inside >= 0]
    if len(inside) == 0 or len(window) == 1:
        return 0.0
    cost = costs(points[inside], window, columns)
    chosen = window[linear_sum_assignment(cost)[1]]
    before = ((points[inside] - np.stack(np.divmod(cells[inside], columns), axis=1)) ** 2).sum()
    after = ((points[inside] - np.stack(np.divmod(chosen, columns), axis=1)) ** 2).sum()
    if after >= before:
        return 0.0
    occupant[window] = -1
    occupant[chosen] = inside
    cells[inside] = chosen
    return float(before - after)
