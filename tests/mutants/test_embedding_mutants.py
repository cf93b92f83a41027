"""The judged checks of embeddings pass for the right maps and fail for maps broken in characteristic ways."""

import numpy as np
import pytest
from embedding_points import clusters

from minicnn.visualize import assign_to_grid, grid_sheet, nearest_others, pca, thumbnail_map, tsne
from minicnn.visualize.embedding.grid_map_check import check_free_map, check_grid, check_sheet
from minicnn.visualize.embedding.neighbours_check import check_neighbours
from minicnn.visualize.embedding.pca_check import check_pca
from minicnn.visualize.embedding.tsne import TsneSettings
from minicnn.visualize.embedding.tsne_check import check_map


def passes(checks):
    return all(check.passed for check in checks if check.judged)


@pytest.fixture
def points(rng):
    """180 points (N, 12) in clusters, and their labels."""
    return clusters(rng, 180, 12)


def test_every_mutant_of_the_neighbours_fails(points):
    x, queries = points[0], np.array([0, 50, 170])
    right = nearest_others(x, 5, queries)[0]
    assert passes(check_neighbours(x[queries], x, right, queries))
    distances = ((x[queries][:, None] - x) ** 2).sum(axis=2)
    for name, wrong in {"farthest": np.argsort(-distances, axis=1)[:, :5], "itself": np.argsort(distances)[:, :5],
                        "city blocks": np.argsort(np.abs(x[queries][:, None] - x).sum(axis=2))[:, 1:6],
                        "of the next query": right[[1, 2, 0]], "backwards": right[:, ::-1],
                        "numbered from 1": (right + 1) % 180}.items():
        assert not passes(check_neighbours(x[queries], x, wrong, queries)), name


def test_every_mutant_of_the_principal_components_fails(points):
    x = points[0]
    right = pca(x, 2)
    assert passes(check_pca(x, right))
    uncentred = np.asarray(x) @ right.axes.T
    three = pca(x, 3)
    third = three._replace(axes=three.axes[[0, 2]], variances=three.variances[[0, 2]],
                           positions=three.positions[:, [0, 2]])
    for name, wrong in {"the third for the second": third,
                        "not centred": right._replace(positions=uncentred + 1),
                        "axes exchanged": right._replace(positions=right.positions[:, ::-1]),
                        "whitened": right._replace(positions=right.positions / right.positions.std(axis=0)),
                        "points exchanged": right._replace(positions=right.positions[::-1]),
                        "smallest first": right._replace(variances=right.variances[::-1])}.items():
        assert not passes(check_pca(x, wrong)), name


def test_every_mutant_of_the_map_fails(points, rng):
    x, labels = points
    right, history = tsne(x, TsneSettings(10, 300), rng=rng)
    by_pca = pca(x, 2).positions
    assert passes(check_map(x, labels, right, by_pca, history, 10))
    early, _ = tsne(x, TsneSettings(10, 20), rng=np.random.default_rng(0))
    for name, wrong in {"points exchanged": right[::-1], "stretched": right * [1, 2], "principal components": by_pca,
                        "noise": rng.standard_normal(right.shape), "after 20 steps": early,
                        "rounded": np.round(right / 5) * 5}.items():
        assert not passes(check_map(x, labels, wrong, by_pca, history, 10)), name


def test_every_mutant_of_the_grid_fails(rng):
    positions, thumbnails = rng.standard_normal((40, 2)), rng.integers(0, 256, (40, 6, 6, 3), dtype=np.uint8)
    right = assign_to_grid(positions, 7, 7)
    assert passes(check_grid(positions, right, 7, 7, rng))
    for name, wrong in {"upside down": (6 - right // 7) * 7 + right % 7, "mirrored": right // 7 * 7 + 6 - right % 7,
                        "transposed": right % 7 * 7 + right // 7, "in order": np.arange(40),
                        "two in a cell": np.where(right == right[0], right[1], right)}.items():
        assert not passes(check_grid(positions, wrong, 7, 7, rng)), name
    sheet = grid_sheet(thumbnails, right, 7, 7, 6)
    assert passes(check_sheet(sheet, thumbnails, right, 7, 7, 6))
    free = thumbnail_map(thumbnails, positions, 120)
    assert passes(check_free_map(free, thumbnails, positions))
    for turn in (lambda picture: picture[::-1], lambda picture: picture[:, ::-1],
                 lambda picture: picture.swapaxes(0, 1), lambda picture: picture[..., ::-1]):
        assert not passes(check_sheet(turn(sheet), thumbnails, right, 7, 7, 6))
        assert not passes(check_free_map(turn(free), thumbnails, positions))
