"""What proves a map of points: that it keeps neighbours, and that its descent was a descent."""

import numpy as np

from minicnn.errors import InputError
from minicnn.gradient_check import directional_error
from minicnn.visualize.check import Check, above, below
from minicnn.visualize.embedding.neighbours import nearest_others, squared_distances
from minicnn.visualize.embedding.tsne import (
    affinities,
    check_points,
    conditional_probabilities,
    kl_divergence,
    kl_gradient,
    tsne,
)

BLOCK = 500  # rows of distances at a time


def trustworthiness(x, positions, k=12):
    """How far the k neighbours of each point on the map are its neighbours in x too, 0 to 1; arrays on the host.

    1 - 2 / (N k (2N - 3k - 1)) * the sum, over those of them that are not among the k nearest in x, (N, D), of their
    rank there beyond k. Venna and Kaski 2001. Raises InputError for a k of N / 2 or more.
    """
    N = len(x)
    if not 1 <= k < N / 2:
        raise InputError(f"k = {k} neighbours of {N:,} points: give a k from 1 to less than {N / 2:g}")
    neighbours, _ = nearest_others(positions, k)
    beyond = 0
    for start in range(0, N, BLOCK):
        rows = np.arange(start, min(start + BLOCK, N))
        d2 = squared_distances(x[rows], x)
        d2[np.arange(len(rows)), rows] = -1  # the point itself has rank 0
        there = np.take_along_axis(d2, neighbours[rows], axis=1)
        for j in range(k):
            ranks = (d2 < there[:, j:j + 1]).sum(axis=1)
            beyond += int(np.maximum(ranks - k, 0).sum())
    return 1 - 2 * beyond / (N * k * (2 * N - 3 * k - 1))


def one_nearest_accuracy(positions, labels):
    """The share of points (N, D) whose nearest other point has their label, (N,); arrays on the host."""
    nearest, _ = nearest_others(positions, 1)
    return float((labels[nearest[:, 0]] == labels).mean())


def entropy_error(x, perplexity):
    """The largest difference, in bits, of an entropy of p(j|i) from log2(perplexity)."""
    check_points(x, perplexity)
    _, distances = nearest_others(x, int(np.ceil(3 * perplexity)))
    p = conditional_probabilities(distances, perplexity)
    return float(np.abs(-(p * np.log2(np.maximum(p, 1e-300))).sum(axis=1) - np.log2(perplexity)).max())


def check_map(x, labels, positions, plain, history, perplexity):
    """A t-SNE map of x, (N, D), and its history; plain : the map by principal components, (N, 2), to be better than."""
    k = min(12, (len(x) - 1) // 2)
    start, end = history[0][1], history[-1][1]
    by_pca, accuracy_by_pca = trustworthiness(x, plain, k), one_nearest_accuracy(plain, labels)
    in_features = one_nearest_accuracy(x, labels)
    trust, accuracy = trustworthiness(x, positions, k), one_nearest_accuracy(positions, labels)
    return [below("entropies of the neighbours' probabilities, largest difference from log2(perplexity), in bits",
                  entropy_error(x, perplexity), 1e-5),
            Check("divergence of the map from the features at the end, in nats", end,
                  f"less than {start:.3f}, early on", end < start),
            above(f"trustworthiness, k = {k}, above that of two principal components", trust, by_pca),
            Check("points whose nearest on the map is of their class", accuracy,
                  f"more than {accuracy_by_pca:.4f}, by two principal components (all the features: {in_features:.4f})",
                  accuracy > accuracy_by_pca)]


def check_map_gradient(x, positions, rng, count=60):
    """On up to `count` of the points x, (N, D), where the map has put them, (N, 2), in float64: the gradient that moved
    them is the divergence's slope."""
    part = np.linspace(0, len(x) - 1, min(count, len(x))).astype(int)
    p = affinities(np.asarray(x[part], np.float64), min(10.0, (len(part) - 1) / 3), "exact")
    places = np.asarray(positions[part], np.float64)
    error = directional_error(lambda y: kl_divergence(p, y), places, kl_gradient(p, places), rng)
    return below("slope of the divergence along 5 random directions against its gradient, float64", error, 1e-6)


def check_same_map(x, seed, count=200, num_steps=300):
    """The same seed draws the same map, to the last bit: of up to `count` of the points x, (N, D), the difference."""
    part = x[np.linspace(0, len(x) - 1, min(count, len(x))).astype(int)]
    first, second = (tsne(part, min(10.0, (len(part) - 1) / 3), num_steps, rng=np.random.default_rng(seed))[0]
                     for _ in range(2))
    return below("difference of two maps of the same seed", np.abs(first - second).max(), 0)
