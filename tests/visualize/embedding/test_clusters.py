"""k-means against scikit-learn, and its checks."""

import numpy as np
import pytest

from minicnn.errors import InputError
from minicnn.visualize.embedding.clusters import first_centres, kmeans


def blobs(rng, groups, count, spread=0.3):
    """Return points (count, 2) around `groups` places far apart, and the group of each."""
    labels = np.arange(count) % groups
    angles = 2 * np.pi * labels / groups
    return 10 * np.stack([np.cos(angles), np.sin(angles)], 1) + spread * rng.standard_normal((count, 2)), labels


@pytest.mark.parametrize("groups", [1, 2, 5])
def test_kmeans_finds_separated_groups(rng, groups):
    points, labels = blobs(rng, groups, 60)
    kept = (labels < groups - 1) | (np.arange(len(labels)) % 2 == 0)  # the last group is the smallest
    points, labels = points[kept], labels[kept]
    before = points.copy()
    found = kmeans(points, groups, rng)
    assert (points == before).all()
    assert len({(a, b) for a, b in zip(labels, found.labels, strict=True)}) == groups
    for group in range(groups):
        assert found.centres[group] == pytest.approx(points[found.labels == group].mean(axis=0))
    sizes = np.bincount(found.labels)
    assert (np.diff(sizes) <= 0).all()  # the largest first
    inertia = ((points - found.centres[found.labels]) ** 2).sum()
    assert found.inertias[-1] == pytest.approx(inertia)


def test_kmeans_equals_scikit_learn(rng):
    cluster = pytest.importorskip("sklearn.cluster", reason="scikit-learn, the oracle, is not installed")
    points = rng.standard_normal((200, 3))
    first = first_centres(points, 7, np.random.default_rng(5))
    expected = cluster.KMeans(7, init=first, n_init=1, tol=0, algorithm="lloyd").fit(points)
    found = kmeans(points, 7, np.random.default_rng(5))
    assert found.inertias[-1] == pytest.approx(expected.inertia_)
    assert len({(a, b) for a, b in zip(expected.labels_, found.labels, strict=True)}) == 7
    assert all(a >= b for a, b in zip(found.inertias, found.inertias[1:], strict=False)) and len(found.inertias) > 3


def test_the_same_seed_gives_the_same_clusters(rng):
    points = rng.standard_normal((50, 2))
    one, two = (kmeans(points, 6, np.random.default_rng(3)) for _ in range(2))
    assert (one.labels == two.labels).all() and (one.centres == two.centres).all() and one.inertias == two.inertias


def test_one_cluster_for_each_point_and_too_many_clusters(rng):
    points = rng.standard_normal((6, 2))
    found = kmeans(points, 6, rng)
    assert sorted(found.labels) == list(range(6)) and found.inertias[-1] == 0
    for k in (0, 7):
        with pytest.raises(InputError, match=f"{k} clusters of 6 points, 6 of them different: give .* 1 to 6"):
            kmeans(points, k, rng)
    with pytest.raises(InputError, match="3 clusters of 6 points, 2 of them different"):
        kmeans(np.repeat(points[:2], 3, axis=0), 3, rng)


def test_a_cluster_that_loses_its_points_restarts(rng, monkeypatch):
    points = np.array([[0.0], [1.0], [10.0], [11.0]])
    monkeypatch.setattr("minicnn.visualize.embedding.clusters.first_centres",
                        lambda *_: np.array([[0.5], [10.5], [99.0]]))
    found = kmeans(points, 3, rng)
    assert sorted(np.bincount(found.labels)) == [1, 1, 2] and len(found.inertias) > 1


def test_first_centres_are_points_far_apart(rng):
    points, _ = blobs(rng, 4, 40, spread=0.01)
    centres = first_centres(points, 4, rng)
    assert all((points == centre).all(axis=1).any() for centre in centres)
    assert np.linalg.norm(centres[:, None] - centres, axis=2)[np.triu_indices(4, 1)].min() > 5
