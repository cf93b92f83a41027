"""The repulsion of t-SNE by FFT against all pairs."""

import numpy as np
import pytest
from embedding_points import on

from minicnn.backend import to_host
from minicnn.visualize.embedding import fft_forces
from minicnn.visualize.embedding.fft_forces import fft_repulsion, fit_grid
from minicnn.visualize.embedding.tsne_forces import exact_repulsion


@pytest.mark.parametrize(("scale", "bound"), [(1e-4, 1e-6), (0.1, 1e-6), (1, 1e-5), (3, 1e-3), (10, 5e-3), (30, 7e-3)])
def test_forces_by_fft_are_near_the_sum_over_all_pairs(xp, rng, scale, bound):
    positions = (scale * rng.standard_normal((2000, 2))).astype(np.float32)
    wanted, z = exact_repulsion(positions.astype(np.float64))
    there = on(xp, positions)
    found, found_z = fft_repulsion(there, fit_grid(there))
    assert np.linalg.norm(to_host(found) - wanted) < bound * np.linalg.norm(wanted)
    assert float(found_z) == pytest.approx(z, rel=1e-3)


def test_a_finer_grid_makes_the_forces_more_accurate(rng):
    positions = 20 * rng.standard_normal((2000, 2))
    wanted, _ = exact_repulsion(positions)
    errors = [np.linalg.norm(fft_repulsion(positions, fit_grid(positions, coarsest=spacing))[0] - wanted)
              / np.linalg.norm(wanted) for spacing in (0.4, 0.2)]
    assert errors[1] < 1e-3 and errors[0] / errors[1] > 16  # at least the fourth order


def test_the_grid_keeps_its_spectra_while_its_size_fits_and_follows_the_points(rng):
    positions = 5 * rng.standard_normal((500, 2))
    grid = fit_grid(positions)
    moved = fit_grid(positions + 100, grid)
    assert moved.forces is grid.forces and (moved.corner != grid.corner).all()
    forces, z = fft_repulsion(positions, grid)
    shifted, shifted_z = fft_repulsion(positions + 100, moved)
    # the points have other places between the nodes
    assert np.allclose(forces, shifted, atol=2e-3 * np.abs(forces).max()) and z == pytest.approx(shifted_z, rel=1e-4)
    assert fit_grid(3 * positions, grid).forces is not grid.forces
    assert fit_grid(positions / 3, grid).forces is not grid.forces


def test_equal_points_do_not_repel_each_other(xp):
    positions = on(xp, np.ones((50, 2), np.float32))
    forces, z = fft_repulsion(positions, fit_grid(positions))
    assert np.abs(to_host(forces)).max() < 1e-5 and float(z) == pytest.approx(50 * 49, rel=1e-4)


def test_a_very_large_map_gets_a_coarser_grid(monkeypatch, rng):
    monkeypatch.setattr(fft_forces, "MOST", 200)
    assert fit_grid(1e6 * rng.standard_normal((500, 2))).size < 250
