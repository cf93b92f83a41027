"""Objective numbers of a t-SNE map: it keeps neighbours, and its gradient is the slope of its divergence."""

import numpy as np

from minicnn.backend import Array, Generator
from minicnn.errors import InputError
from minicnn.gradient_check import directional_error
from minicnn.visualize.check import Check, above, below
from minicnn.visualize.embedding.affinities import affinities, conditional_probabilities, require_points
from minicnn.visualize.embedding.neighbours import nearest_others, squared_distances
from minicnn.visualize.embedding.tsne import TsneSettings, kl_divergence, kl_gradient, tsne

BLOCK = 500  # rows of distances at a time


def trustworthiness(x: Array, positions: Array, k: int = 12) -> float:
    """Return how well the k nearest neighbours on the map are neighbours in x (N, D) too, 0 to 1.

    It is 1 - 2 / (N k (2N - 3k - 1)) * S. S sums, over the neighbours on the map that are not among the k nearest in x,
    their rank in x minus k. Venna and Kaski 2001. The arrays are on the host.
    Raises InputError unless k is at least 1 and less than N / 2.
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
        neighbour_d2 = np.take_along_axis(d2, neighbours[rows], axis=1)
        for j in range(k):
            ranks = (d2 < neighbour_d2[:, j:j + 1]).sum(axis=1)
            beyond += int(np.maximum(ranks - k, 0).sum())
    return 1 - 2 * beyond / (N * k * (2 * N - 3 * k - 1))


def one_nearest_accuracy(positions: Array, labels: Array) -> float:
    """Return the share of points (N, D) whose nearest other point has the same label (N,). Arrays are on the host."""
    nearest, _ = nearest_others(positions, 1)
    return float((labels[nearest[:, 0]] == labels).mean())


def entropy_error(x: Array, perplexity: float) -> float:
    """Return the largest difference of an entropy of p(j|i) from log2(perplexity), in bits."""
    require_points(x, perplexity)
    _, distances = nearest_others(x, int(np.ceil(3 * perplexity)))
    p = conditional_probabilities(distances, perplexity)
    return float(np.abs(-(p * np.log2(np.maximum(p, 1e-300))).sum(axis=1) - np.log2(perplexity)).max())


def check_map(x: Array, labels: Array, positions: Array, by_pca: Array, history: list[tuple[int, float]],
              perplexity: float) -> list[Check]:
    """Return Checks of a t-SNE map of x (N, D) and its history.

    by_pca : the map by two principal components, (N, 2), which must be worse.
    """
    k = min(12, (len(x) - 1) // 2)
    start, end = history[0][1], history[-1][1]
    trust_by_pca, accuracy_by_pca = trustworthiness(x, by_pca, k), one_nearest_accuracy(by_pca, labels)
    in_features = one_nearest_accuracy(x, labels)
    trust, accuracy = trustworthiness(x, positions, k), one_nearest_accuracy(positions, labels)
    return [below("entropies of the neighbours' probabilities, largest difference from log2(perplexity), in bits",
                  entropy_error(x, perplexity), 1e-5),
            Check("divergence of the map from the features at the end, in nats", end,
                  f"less than {start:.3f}, its first value", end < start),
            above(f"trustworthiness, k = {k}, more than by two principal components", trust, trust_by_pca),
            Check("share of points whose nearest on the map is of their class", accuracy,
                  f"more than {accuracy_by_pca:.4f}, by two principal components (all the features: {in_features:.4f})",
                  accuracy > accuracy_by_pca)]


def check_map_gradient(x: Array, positions: Array, rng: Generator, count: int = 60) -> Check:
    """Return a Check that the gradient at a map (N, 2) of x (N, D) is the slope of the divergence, in float64.

    count : largest number of points that it takes.
    """
    part = np.linspace(0, len(x) - 1, min(count, len(x))).astype(int)
    p = affinities(np.asarray(x[part], np.float64), min(10.0, (len(part) - 1) / 3), "exact")
    places = np.asarray(positions[part], np.float64)
    error = directional_error(lambda y: kl_divergence(p, y), places, kl_gradient(p, places), rng)
    return below("slope of the divergence along 5 random directions against its gradient, float64", error, 1e-6)


def check_same_map(x: Array, seed: int, count: int = 200, num_steps: int = 300) -> Check:
    """Return a Check that two maps of x (N, D) with the same seed are equal. count : largest number of points."""
    part = x[np.linspace(0, len(x) - 1, min(count, len(x))).astype(int)]
    settings = TsneSettings(min(10.0, (len(part) - 1) / 3), num_steps)
    first, second = (tsne(part, settings, rng=np.random.default_rng(seed))[0] for _ in range(2))
    return below("difference of two maps of the same seed", np.abs(first - second).max(), 0)
