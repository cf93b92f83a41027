"""Objective numbers of a t-SNE map: it keeps neighbours, and its gradient is the slope of its divergence."""

import numpy as np

from minicnn.backend import Array, Generator
from minicnn.errors import InputError
from minicnn.gradient_check import directional_error
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.embedding.affinities import affinities, conditional_probabilities, require_points
from minicnn.visualize.embedding.neighbours import nearest_others, squared_distances
from minicnn.visualize.embedding.tsne import TsneSettings, kl_divergence, kl_gradient, tsne

BLOCK = 500      # rows of distances at a time
SAME_DIVERGENCE = 0.01  # relative: t-SNE computes the forces of far points by interpolation
ALL_PAIRS = 800  # points, of whose pairs the divergence is computed again


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


def check_map(x: Array, labels: Array | None, positions: Array, by_pca: Array, history: list[tuple[int, float]],
              perplexity: float) -> list[Check]:
    """Return Checks of a t-SNE map of x (N, D) and its history; report how well it keeps neighbours and classes.

    The divergence of the map as it is shown must be the last one of the history. It is computed again from the formula,
    with the probabilities of all pairs of points, or with those of the 3 * perplexity nearest, as t-SNE may choose.
    by_pca : the map by two principal components, (N, 2).
    """
    checks = [below("entropies of the neighbours' probabilities, largest difference from log2(perplexity), in bits",
                    entropy_error(x, perplexity), 1e-5)]
    if len(x) <= ALL_PAIRS:
        end = history[-1][1]
        for nearest in (len(x), int(np.ceil(3 * perplexity))):
            p = pair_probabilities(x, perplexity, nearest)
            error = abs(end / max(map_divergence(p, positions), 1e-30) - 1)
            if error <= SAME_DIVERGENCE:
                break
        moved = map_divergence(p, np.roll(positions, 1, axis=0))
        checks += [below("divergence of the map shown, computed again from the formula, against the last one of t-SNE, "
                         "relative", error, SAME_DIVERGENCE),
                   reported("divergence of the map shown, in nats", end,
                            f"with each point at the place of another {moved:.3f}")]
    return [*checks, *report_kept(x, labels, positions, by_pca)]


def report_kept(x: Array, labels: Array | None, positions: Array, by_pca: Array) -> list[Check]:
    """Return how well a map of x (N, D) keeps neighbours, and classes if there are labels.

    labels : (N,), or None. positions : the map, (N, 2). by_pca : the map by two principal components, (N, 2).
    """
    k = min(12, (len(x) - 1) // 2)
    checks = [reported(f"trustworthiness, k = {k}", trustworthiness(x, positions, k),
                       f"by two principal components {trustworthiness(x, by_pca, k):.4f}")]
    if labels is not None:
        checks.append(reported("share of points whose nearest on the map is of their class",
                               one_nearest_accuracy(positions, labels),
                               f"by two principal components {one_nearest_accuracy(by_pca, labels):.4f}, "
                               f"in the features {one_nearest_accuracy(x, labels):.4f}"))
    return checks


def pair_probabilities(x: Array, perplexity: float, nearest: int) -> Array:
    """Return the probabilities of the pairs of points x (N, D) by the formula of van der Maaten and Hinton, (N, N).

    Those of points that are not among the `nearest` others are 0.
    The precision of each point is found by halving an interval until the entropy is log2(perplexity).
    """
    x = np.asarray(x, np.float64)
    d2 = np.stack([((x - point) ** 2).sum(axis=1) for point in x])
    np.fill_diagonal(d2, np.inf)
    if nearest < len(x) - 1:
        d2[d2 > np.partition(d2, nearest - 1, axis=1)[:, nearest - 1:nearest]] = np.inf
    d2 -= d2.min(axis=1, keepdims=True)
    scale = np.median(d2[np.isfinite(d2)]) or 1.0
    low, high = np.full((len(x), 1), -40.0), np.full((len(x), 1), 40.0)  # logarithms of the precision
    for _ in range(45):
        middle = (low + high) / 2
        p = np.exp(-d2 / scale * np.exp(middle))
        p /= p.sum(axis=1, keepdims=True)
        entropy = -(p * np.log(np.maximum(p, 1e-300))).sum(axis=1, keepdims=True)
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    return (p + p.T) / (2 * len(x))


def map_divergence(p: Array, positions: Array) -> float:
    """Return the Kullback-Leibler divergence of a map (N, 2) from probabilities p (N, N), in nats."""
    y = np.asarray(positions, np.float64)
    q = 1 / (1 + ((y[:, None] - y) ** 2).sum(axis=2))
    np.fill_diagonal(q, 0)
    q /= q.sum()
    pairs = p > 0
    return float((p[pairs] * np.log(p[pairs] / np.maximum(q[pairs], 1e-300))).sum())


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
