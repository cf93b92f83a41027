"""k-means: points in groups around their means."""

from typing import Any, NamedTuple

import numpy as np

from minicnn.errors import InputError


class Clusters(NamedTuple):
    """Points in groups: each one's group, `labels` (N,), the groups' means, `centres` (k, D), the largest group first,
    and `inertias`: in each round, the sum of the squared distances of the points to the nearest centre."""

    labels: Any
    centres: Any
    inertias: list[float]


def kmeans(points, k, rng, max_rounds=100):
    """The Clusters of points (N, D) on the host: each goes to the nearest centre, each centre to the mean of its
    points, until no point changes its group.

    rng : numpy.random.Generator, for the first centres. A group that has lost all its points begins anew at the point
    that is farthest from its centre. Raises InputError where there are fewer than k different points. Lloyd 1982.
    """
    points = np.asarray(points, np.float64)
    centres, labels, inertias = first_centres(points, k, rng), None, []
    for _ in range(max_rounds):
        distances = squared_distances_to(points, centres)  # (N, k)
        before, labels = labels, distances.argmin(axis=1)
        inertias.append(float(distances.min(axis=1).sum()))
        if before is not None and (labels == before).all():
            break
        for group in range(k):
            mine = labels == group
            centres[group] = points[mine].mean(axis=0) if mine.any() else points[distances.min(axis=1).argmax()]
    order = np.argsort(-np.bincount(labels, minlength=k), kind="stable")
    return Clusters(np.argsort(order)[labels], centres[order], inertias)


def first_centres(points, k, rng):
    """k of the points (N, D), each drawn with the squared distance to those before it as its weight: (k, D).

    Arthur and Vassilvitskii 2007, k-means++. Raises InputError where there are fewer than k different points.
    """
    different = len(np.unique(points, axis=0))
    if not 1 <= k <= different:
        raise InputError(f"{k} groups of {len(points):,} points, {different:,} of them different: give a number from 1 "
                         f"to {different:,}")
    centres = points[[rng.integers(len(points))]]
    while len(centres) < k:
        weights = squared_distances_to(points, centres).min(axis=1).cumsum()
        drawn = np.searchsorted(weights, rng.random() * weights[-1], "right")
        centres = np.concatenate([centres, points[drawn][None]])
    return centres


def squared_distances_to(points, centres):
    """|point - centre|² of all points (N, D) and centres (k, D), exact, (N, k)."""
    return ((points[:, None] - centres) ** 2).sum(axis=2)
