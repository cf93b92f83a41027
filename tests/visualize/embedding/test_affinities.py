"""The affinities of t-SNE: entropies, symmetry, and the formula."""

import numpy as np
import pytest
from embedding_points import clusters, dense, on

from minicnn.backend import to_host
from minicnn.visualize.embedding.affinities import affinities, conditional_probabilities
from minicnn.visualize.embedding.tsne_check import (
    entropy_error,
)
from minicnn.visualize.embedding.tsne_forces import Pairs


@pytest.mark.parametrize("perplexity", [2, 5, 30])
@pytest.mark.parametrize("scale", [1e-3, 1, 1e3])
def test_the_entropy_of_every_row_is_log2_of_the_perplexity(rng, perplexity, scale):
    assert entropy_error(scale * clusters(rng)[0], perplexity) < 1e-5


def test_probabilities_fall_with_the_distance(xp, rng):
    distances = np.sort(rng.random((20, 15)), axis=1)
    p = to_host(conditional_probabilities(on(xp, distances), 5))
    assert np.allclose(p.sum(axis=1), 1) and (np.diff(p, axis=1) <= 0).all()


def test_equal_points_have_equal_probabilities():
    assert np.allclose(conditional_probabilities(np.zeros((4, 10)), 3), 0.1)


def test_affinities_are_symmetric_and_sum_to_one(xp, rng):
    x = clusters(rng)[0]
    full = to_host(affinities(on(xp, x), 10, "exact"))
    pairs = affinities(on(xp, x), 10, "fft")
    assert isinstance(pairs, Pairs)
    near = dense(Pairs(*map(to_host, pairs)))
    for p in (full, near):
        assert p.dtype == np.float32 and (p == p.T).all() and (np.diag(p) == 0).all()
        assert p.sum() == pytest.approx(1, abs=1e-5) and (p.sum(axis=1) >= 1 / (2 * len(x)) - 1e-7).all()
    # the affinities beyond the 30 nearest neighbours are small
    assert np.abs(full - near).sum() < 0.02


def test_affinities_equal_the_formula(rng):
    x = rng.standard_normal((40, 3))
    p = affinities(x, 5, "exact")
    d2 = ((x[:, None] - x) ** 2).sum(axis=2)
    np.fill_diagonal(d2, np.inf)
    wanted = np.zeros_like(p)
    for i, row in enumerate(d2):
        low, high = 0.0, 1e4
        for _ in range(100):
            b = (low + high) / 2
            q = np.exp(-b * (row - row.min()))
            q /= q.sum()
            low, high = (b, high) if -(q[q > 0] * np.log(q[q > 0])).sum() > np.log(5) else (low, b)
        wanted[i] = q
    assert np.abs(p - (wanted + wanted.T) / 80).max() < 1e-7
