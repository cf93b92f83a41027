"""k-means clustering with the first centres of k-means++."""

from typing import NamedTuple

import numpy as np

from minicnn.arguments import Seed, require_generator, require_whole
from minicnn.backend import Array, Generator
from minicnn.errors import InputError
from minicnn.shown import html_fields, short_fields
from minicnn.visualize.arrays import on_host


class Clusters(NamedTuple):
    """The clusters of N points, the largest first.

    labels : the cluster of each point, (N,). centres : the mean of each cluster, (k, D). inertias : the sum of the
    squared distances from the points to their nearest centres, in each round.
    """

    labels: Array
    centres: Array
    inertias: list[float]

    def __repr__(self) -> str:
        return short_fields(self)

    def _repr_html_(self) -> str:
        return html_fields(self)


def kmeans(points: Array, k: int, rng: Seed, max_rounds: int = 100) -> Clusters:
    """Return the Clusters of points (N, D) on the host.

    Each round assigns each point to its nearest centre and moves each centre to the mean of its points. The rounds end
    when no point changes its cluster. A cluster that loses all its points restarts at the point that is farthest from
    its centre. Lloyd 1982.

    rng : draws the first centres; or a seed. Raises InputError if fewer than k points are different.

    >>> kmeans(np.array([[0.0], [10.0], [11.0]]), 2, rng).labels
    array([1, 0, 0])
    """
    points = on_host("points", points, "(N, D)", 2).astype(np.float64)
    rng, k, max_rounds = require_generator(rng), require_whole("k", k), require_whole("max_rounds", max_rounds, 1)
    centres, inertias = first_centres(points, k, rng), []
    labels = np.full(len(points), -1)
    for _ in range(max_rounds):
        distances = squared_distances_to(points, centres)  # (N, k)
        before, labels = labels, distances.argmin(axis=1)
        inertias.append(float(distances.min(axis=1).sum()))
        if (labels == before).all():
            break
        for cluster in range(k):
            members = labels == cluster
            centres[cluster] = (points[members].mean(axis=0) if members.any()
                                else points[distances.min(axis=1).argmax()])
    order = np.argsort(-np.bincount(labels, minlength=k), kind="stable")
    return Clusters(np.argsort(order)[labels], centres[order], inertias)


def first_centres(points: Array, k: int, rng: Generator) -> Array:
    """Return k of the points (N, D) as first centres, (k, D).

    The first is drawn uniformly. Each other one is drawn with a probability proportional to its squared distance from
    the nearest centre before it. Arthur and Vassilvitskii 2007, k-means++.
    Raises InputError if fewer than k points are different.
    """
    different = len(np.unique(points, axis=0))
    if not 1 <= k <= different:
        raise InputError(f"{k} clusters of {len(points):,} points, {different:,} of them different: give a number from "
                         f"1 to {different:,}")
    centres = points[[rng.integers(len(points))]]
    while len(centres) < k:
        weights = squared_distances_to(points, centres).min(axis=1).cumsum()
        drawn = np.searchsorted(weights, rng.random() * weights[-1], "right")
        centres = np.concatenate([centres, points[drawn][None]])
    return centres


def squared_distances_to(points: Array, centres: Array) -> Array:
    """Return |point - centre|² of all points (N, D) and centres (k, D), computed from the differences, (N, k)."""
    return ((points[:, None] - centres) ** 2).sum(axis=2)
