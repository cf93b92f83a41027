"""The assignment of points to grid cells: one point a cell, and nearly the least cost."""

from itertools import permutations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from minicnn.errors import InputError
from minicnn.visualize.embedding import grid_assignment
from minicnn.visualize.embedding.grid_assignment import (
    assign_to_grid,
    assignment_cost,
    greedy_assignment,
    grid_positions,
)
from minicnn.visualize.embedding.grid_map_check import check_grid, neighbour_agreement


def clusters(count, rng):
    """Return a map as t-SNE makes it: points (count, 2) in ten clusters."""
    centres, labels = rng.uniform(-40, 40, (10, 2)), rng.integers(10, size=count)
    return centres[labels] + rng.standard_normal((count, 2)) * rng.uniform(0.5, 7, (10, 1))[labels]


def test_the_corners_of_a_map_are_the_corners_of_the_grid():
    corners = [(-3, 7), (5, 7), (-3, -1), (5, -1)]
    assert assign_to_grid(corners, 4, 6).tolist() == [0, 5, 18, 23]
    assert grid_positions(corners, 4, 6).tolist() == [[0, 0], [0, 5], [3, 0], [3, 5]]


def test_points_at_the_centres_of_cells_get_these_cells(rng):
    order = rng.permutation(12 * 7)
    rows, columns = np.divmod(order, 7)
    assert (assign_to_grid(np.stack([columns * 3.5, -rows * 0.1], axis=1), 12, 7) == order).all()


def test_the_assignment_has_the_least_cost(rng):
    positions = rng.standard_normal((7, 2))
    cells = assign_to_grid(positions, 1, 7)
    least = min(assignment_cost(positions, np.array(order), 1, 7) for order in permutations(range(7)))
    assert assignment_cost(positions, cells, 1, 7) == pytest.approx(least, rel=1e-12)


@pytest.mark.parametrize(("count", "rows", "columns"), [(400, 20, 20), (300, 20, 20), (150, 5, 30), (1, 1, 1),
                                                        (1, 3, 3), (5, 5, 1)])
def test_the_checks_of_a_grid_pass(rng, count, rows, columns):
    positions = clusters(count, rng)
    cells = assign_to_grid(positions, rows, columns)
    assert cells.shape == (count,) and len(set(cells.tolist())) == count
    assert cells.min() >= 0 and cells.max() < rows * columns
    assert all(check.passed for check in check_grid(positions, cells, rows, columns, rng))


def test_the_checks_of_a_grid_fail_for_a_poor_one(rng):
    positions = clusters(100, rng)
    cells = assign_to_grid(positions, 10, 10)
    twice = cells.copy()
    twice[0] = twice[1]
    assert not check_grid(positions, twice, 10, 10, rng)[0].passed
    poor = check_grid(positions, 99 - cells, 10, 10, rng)  # upside down
    assert [check.passed for check in poor][:3] == [True, False, False]
    shuffled = check_grid(positions, rng.permutation(100), 10, 10, rng)
    assert neighbour_agreement(positions, cells, 10) > 3 * shuffled[3].value


@pytest.mark.parametrize(("kind", "rows", "columns"), [
    ("clusters", 20, 20), ("clusters", 24, 26), ("clusters", 4, 100), ("uniform", 20, 20), ("two far apart", 20, 20),
    ("a line", 20, 20), ("a point", 20, 20)])
def test_windows_cost_little_more_than_the_exact_assignment(rng, monkeypatch, kind, rows, columns):
    positions = {"clusters": clusters(400, rng), "uniform": rng.random((400, 2)), "a point": np.zeros((400, 2)),
                 "two far apart": np.concatenate([rng.random((200, 2)), rng.random((200, 2)) + 50]),
                 "a line": np.stack([rng.random(400), np.zeros(400)], axis=1)}[kind]
    best = assignment_cost(positions, assign_to_grid(positions, rows, columns), rows, columns)
    monkeypatch.setattr(grid_assignment, "EXACT", 0)
    cells = assign_to_grid(positions, rows, columns)
    assert len(set(cells.tolist())) == 400 and cells.max() < rows * columns
    cost = assignment_cost(positions, cells, rows, columns)
    assert best <= cost * (1 + 1e-12) and cost < 1.05 * best
    assert cost <= assignment_cost(positions, greedy_assignment(positions, rows, columns), rows, columns)


def test_a_map_above_the_limit_is_close_to_the_least_cost(rng, summary_line, monkeypatch):
    monkeypatch.setattr(grid_assignment, "EXACT", 500)
    side = 25
    positions = clusters(side * side, rng)
    cells = assign_to_grid(positions, side, side)
    points = grid_positions(positions, side, side)
    best = linear_sum_assignment(grid_assignment.assignment_costs(points, np.arange(side * side), side))[1]
    ratio = assignment_cost(positions, cells, side, side) / assignment_cost(positions, best, side, side)
    summary_line(f"grid map, {side * side} points in windows: {ratio:.5f} of the least cost")
    assert len(set(cells.tolist())) == side * side and 1 - 1e-12 <= ratio < 1.01


def test_the_same_map_gives_the_same_grid(rng):
    positions = clusters(200, rng)
    assert (assign_to_grid(positions, 15, 15) == assign_to_grid(positions.copy(), 15, 15)).all()
    assert (assign_to_grid(3 * positions + 7, 15, 15) == assign_to_grid(positions, 15, 15)).all()


@pytest.mark.parametrize(("positions", "rows", "columns", "message"), [
    (np.zeros((10, 2)), 3, 3, "10 points do not fit into 3x3 cells"), (np.zeros((0, 2)), 3, 3, r"shape \(N, 2\)"),
    (np.zeros((4, 3)), 3, 3, r"shape \(N, 2\), got \(4, 3\)"), (np.full((4, 2), np.inf), 3, 3, "not finite"),
    (np.zeros((4, 2)), 0, 3, "a grid of 0x3 cells")])
def test_maps_that_do_not_fit_are_refused_in_one_line(positions, rows, columns, message):
    with pytest.raises(InputError, match=message) as caught:
        assign_to_grid(positions, rows, columns)
    assert "\n" not in str(caught.value)
