"""The affinities of t-SNE: how likely each point picks another one as its neighbour."""

import math

import numpy as np

from minicnn.backend import Array, get_array_module
from minicnn.errors import InputError, unknown_name
from minicnn.visualize.arrays import as_floats
from minicnn.visualize.embedding.neighbours import nearest_others
from minicnn.visualize.embedding.tsne_forces import Affinities, Pairs

METHODS = ("auto", "exact", "fft")
EXACT_UP_TO = 500  # points; for more, "auto" chooses "fft"
TOLERANCE = 1e-5   # of the entropy, in bits


def conditional_probabilities(distances: Array, perplexity: float) -> Array:
    """Return p(j|i) of the neighbours in each row, such that the entropy of each row is log2(perplexity), (N, k).

    p is exp(-b d²), normalised. Bisection finds the precision b of all rows at once. A row has no such b if more of its
    distances are equal than the perplexity; then its b is the nearest possible. van der Maaten and Hinton 2008,
    equation 1.

    distances : from each point to its neighbours, (N, k).
    """
    xp = get_array_module(distances)
    # Subtracting the smallest d² of a row changes no p. In units of the row's mean, b is about 1.
    d2 = distances.astype(np.float64) ** 2
    d2 -= d2.min(axis=1, keepdims=True)
    mean = d2.mean(axis=1, keepdims=True)
    d2 /= xp.where(mean > 0, mean, 1)
    entropy = math.log(perplexity)  # in nats
    b, low, high = xp.ones_like(mean), xp.zeros_like(mean), xp.full_like(mean, np.inf)
    for _ in range(60):
        p = xp.exp(-b * d2)
        total = p.sum(axis=1, keepdims=True)
        p /= total
        excess = xp.log(total) + b * (p * d2).sum(axis=1, keepdims=True) - entropy
        if bool((abs(excess) < 0.5 * math.log(2) * TOLERANCE).all()):
            break
        too_flat = excess > 0  # a larger b lowers the entropy
        low, high = xp.where(too_flat, b, low), xp.where(too_flat, high, b)
        b = xp.where(xp.isinf(high), 2 * b, (low + high) / 2)
    return p


def affinities(x: Array, perplexity: float = 30.0, method: str = "auto") -> Affinities:
    """Return the affinities p_ij = (p(j|i) + p(i|j)) / 2N of points x (N, D): symmetric, with the sum 1.

    van der Maaten and Hinton 2008, section 2.1; the neighbours: van der Maaten 2014, section 4.1.

    method : "exact" returns all of them, (N, N). "fft" returns Pairs of the 3 * perplexity nearest neighbours, as the
    affinities of other points are nearly 0. "auto" chooses by N.
    Raises InputError if x is not a finite array (N, D) or if it has too few points for the perplexity.
    """
    x = as_floats("points", x, "(N, D)", 2)
    xp, N = get_array_module(x), len(x)
    require_points(x, perplexity)
    exact = choose_method(method, N) == "exact"
    # The order of neighbours at equal distances is arbitrary, so the exact method takes all points.
    columns, distances = nearest_others(x, N - 1 if exact else math.ceil(3 * perplexity))
    p = conditional_probabilities(distances, perplexity) / (2 * N)
    rows = xp.broadcast_to(xp.arange(N)[:, None], columns.shape)
    both_ways = xp.concatenate([(rows * N + columns).ravel(), (columns * N + rows).ravel()])
    values = xp.concatenate([p.ravel(), p.ravel()])
    dtype = np.result_type(x.dtype, np.float32)
    if exact:
        return xp.bincount(both_ways, values, N * N).reshape(N, N).astype(dtype)
    keys, number = xp.unique(both_ways, return_inverse=True)
    rows = keys // N
    return Pairs(rows, keys % N, xp.bincount(number.ravel(), values).astype(dtype),
                 xp.searchsorted(rows, xp.arange(N + 1)))


def choose_method(method: str, N: int) -> str:
    """Return "exact" or "fft" for a method and N points. Raises UnknownNameError for an unknown method."""
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    return ("exact" if N <= EXACT_UP_TO else "fft") if method == "auto" else method


def require_points(x: Array, perplexity: float) -> None:
    """Raise InputError unless x is a finite array (N, D) with at least 5 and 3 * perplexity + 1 rows."""
    if len(x) < 5:
        raise InputError(f"t-SNE needs at least 5 points, not {len(x)}")
    if not perplexity > 1:
        raise InputError(f"the perplexity, the effective number of neighbours, must be above 1, not {perplexity:g}")
    if len(x) < 3 * perplexity + 1:
        most = math.floor(10 * (len(x) - 1) / 3) / 10
        raise InputError(f"perplexity {perplexity:g} is too large for {len(x):,} points: use at most {most:g}")
