"""The forces of t-SNE: attraction by pairs against the full matrix."""

import numpy as np
from embedding_points import clusters, dense, on

from minicnn.backend import to_host
from minicnn.visualize.embedding.affinities import affinities
from minicnn.visualize.embedding.tsne import attraction
from minicnn.visualize.embedding.tsne_forces import Pairs


def test_attraction_by_pairs_equals_the_full_matrix(xp, rng):
    x = clusters(rng, 300, dtype=np.float64)[0]
    pairs = affinities(x, 20, "fft")
    positions = rng.standard_normal((300, 2))
    wanted = attraction(dense(pairs), positions)
    found = attraction(Pairs(*(on(xp, part) for part in pairs)), on(xp, positions))
    assert np.allclose(to_host(found), wanted, rtol=1e-10, atol=1e-16)
