"""The assignment of points to the cells of a grid, one cell for each point, with the least total squared distance."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from minicnn.arguments import require_whole
from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.visualize.arrays import on_host

EXACT = 1024             # largest number of points of an exact assignment; more points would take many seconds
LARGEST = 2**28          # values in the matrix of costs of an exact assignment, and cells of any grid: 2 GB
WINDOW = 16              # rows and columns of the windows in which larger maps are solved
STRIDES = (8, 4, 2, 1)   # distances between neighbouring cells of a window, in cells
PASSES = 3               # largest number of passes over the map for each stride
LEAST_SAVING = 1e-3      # a pass that saves less than this share of the cost is the last of its stride

Box = tuple[int, int, int, int]  # top, bottom, left, right of a rectangle of cells; bottom and right are outside


def assign_to_grid(positions: Array, rows: int, columns: int) -> Array:
    """Return a cell of its own for each point, numbered row by row from the top left, (N,).

    The positions are stretched to fill the grid. The assignment minimises the sum of the squared distances from the
    points to their cells, measured in cells. Up to EXACT points, the minimum is exact. More points are first sorted
    into halves of the grid recursively. Then windows of WINDOW x WINDOW cells are solved exactly, first with cells far
    apart. Where both ways were compared, the windows were mostly within 0.1 % of the minimum, and within 2 % at worst.
    Karpathy 2014, t-SNE visualization of CNN codes. The solver: Jonker and Volgenant 1987, by
    scipy.optimize.linear_sum_assignment.

    positions : (N, 2), x to the right and y upwards. Raises InputError for more points than cells and for positions
    that are not finite.

    >>> assign_to_grid(np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), 2, 2)
    array([2, 0, 1])
    """
    points = grid_positions(positions, rows, columns)
    if rows * columns * min(len(points), EXACT) > LARGEST:
        raise InputError(f"a grid of {rows}x{columns} cells is too large for {len(points):,} points; make it smaller")
    if len(points) > rows * columns:
        raise InputError(f"{len(points):,} points do not fit into {rows}x{columns} cells; make the grid larger")
    if len(points) <= EXACT:
        return linear_sum_assignment(assignment_costs(points, np.arange(rows * columns), columns))[1]
    return assign_in_windows(points, rows, columns)


def grid_positions(positions: Array, rows: int, columns: int) -> Array:
    """Return positions (N, 2), x to the right and y upwards, as (row, column) measured in cells, float64 (N, 2).

    Each axis is stretched separately, so that the outermost points lie at the centres of the outermost cells.
    """
    positions = on_host("positions", positions, "(N, 2)", 2).astype(np.float64)
    if positions.shape[1] != 2:
        raise InputError(f"expected positions of shape (N, 2), got {positions.shape}")
    rows, columns = require_whole("rows", rows), require_whole("columns", columns)
    if min(rows, columns) < 1:
        raise InputError(f"a grid of {rows}x{columns} cells is empty; give at least one row and one column")
    low, high = positions.min(axis=0), positions.max(axis=0)
    share = np.where(high > low, (positions - low) / np.where(high > low, high - low, 1), 0.5)
    return np.stack([(1 - share[:, 1]) * (rows - 1), share[:, 0] * (columns - 1)], axis=1)


def assignment_cost(positions: Array, cells: Array, rows: int, columns: int) -> float:
    """Return the sum of the squared distances from points (N, 2) to their cells (N,), measured in cells."""
    return float(squared_steps(grid_positions(positions, rows, columns), cells, columns).sum())


def greedy_assignment(positions: Array, rows: int, columns: int) -> Array:
    """Return the nearest free cell for one point after another, (N,). The last points are moved far."""
    points = grid_positions(positions, rows, columns)
    centres = np.stack(np.divmod(np.arange(rows * columns), columns), axis=1).astype(np.float64)
    cells = np.empty(len(points), np.int64)
    for n, point in enumerate(points):
        cells[n] = ((centres - point) ** 2).sum(axis=1).argmin()
        centres[cells[n]] = np.inf
    return cells


def squared_steps(points: Array, cells: Array, columns: int) -> Array:
    """Return the squared distances from points (n, 2), as (row, column), to their own cells (n,), per axis, (n, 2)."""
    return (points - np.stack(np.divmod(cells, columns), axis=1)) ** 2


def assignment_costs(points: Array, cells: Array, columns: int) -> Array:
    """Return the squared distances from points (n, 2), as (row, column), to all cells (m,), (n, m)."""
    rows, cols = np.divmod(cells, columns)
    return (points[:, :1] - rows) ** 2 + (points[:, 1:] - cols) ** 2


# ---- assignments too large for one matrix ----------------------------------------------------------------------------


def assign_in_windows(points: Array, rows: int, columns: int) -> Array:
    """Return the cells of points (N, 2), as (row, column), by recursive halves and then by windows."""
    cells = np.empty(len(points), np.int64)
    assign_by_halves(points, np.arange(len(points)), (0, rows, 0, columns), columns, cells)
    occupant = np.full((rows, columns), -1)  # the point in each cell; -1 if the cell is empty
    occupant.reshape(-1)[cells] = np.arange(len(points))
    for stride in STRIDES:
        cost = squared_steps(points, cells, columns).sum()
        for _ in range(PASSES):
            saved = 0.0
            for shift in (0, WINDOW // 2):
                saved += solve_all_windows(points, occupant, stride, shift, cells)
            if saved <= LEAST_SAVING * cost:
                break
            cost -= saved
    return cells


def assign_by_halves(points: Array, chosen: Array, box: Box, columns: int, cells: Array) -> None:
    """Assign the chosen points to the cells of the box: sort them into its halves, recursively. Write into `cells`.

    The longer side of the box is halved. The points keep their order along that side.
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
    inside = int(np.searchsorted(points[order, axis], middle - 0.5))  # points on the side of the first half
    count = min(max(inside, len(order) - room_beyond), room)
    assign_by_halves(points, order[:count], first, columns, cells)
    assign_by_halves(points, order[count:], second, columns, cells)


def solve_all_windows(points: Array, occupant: Array, stride: int, shift: int, cells: Array) -> float:
    """Solve every window of cells that are `stride` apart, shifted by `shift` of them. Return the saved cost.

    occupant : the point in each cell, or -1, (rows, columns). It and `cells` are changed in place.
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


def solve_window(points: Array, occupant: Array, window: Array, columns: int, cells: Array) -> float:
    """Assign the points in the cells `window` (m,) to the best of these cells. Return the saved cost."""
    inside = occupant[window]
    inside = inside[inside >= 0]
    if len(inside) == 0 or len(window) == 1:
        return 0.0
    cost = assignment_costs(points[inside], window, columns)
    chosen = window[linear_sum_assignment(cost)[1]]
    before = squared_steps(points[inside], cells[inside], columns).sum()
    after = squared_steps(points[inside], chosen, columns).sum()
    if after >= before:
        return 0.0
    occupant[window] = -1
    occupant[chosen] = inside
    cells[inside] = chosen
    return float(before - after)
