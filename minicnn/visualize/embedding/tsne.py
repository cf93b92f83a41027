"""t-SNE: points of many numbers on a map of two, where neighbours stay neighbours."""

import math

import numpy as np

from minicnn.backend import get_array_module, to_device, to_host
from minicnn.errors import InputError, unknown_name
from minicnn.visualize.embedding.neighbours import nearest_others
from minicnn.visualize.embedding.pca import pca
from minicnn.visualize.embedding.tsne_forces import (
    Pairs,
    cross_entropy,
    exact_attraction,
    exact_repulsion,
    fft_repulsion,
    fit_grid,
    sparse_attraction,
)

EXACT_UP_TO = 500  # points: for more, "auto" takes the FFT
TOLERANCE = 1e-5   # of the entropy, in bits
REPORT_EVERY = 10  # steps: the divergence takes time of its own


def conditional_probabilities(distances, perplexity):
    """p(j|i) of each row's neighbours, (N, k), from their distances (N, k), such that its entropy is log2(perplexity).

    exp(-b d²), normalised; the precision b is found by bisection, for all rows at once. A row that has no such b, as
    more of its distances are equal than the perplexity, gets the nearest there is. van der Maaten and Hinton 2008,
    equation 1.
    """
    xp = get_array_module(distances)
    # less by the nearest's, which changes no p; and in units of the row's mean, where b is about 1
    d2 = distances.astype(np.float64) ** 2
    d2 -= d2.min(axis=1, keepdims=True)
    mean = d2.mean(axis=1, keepdims=True)
    d2 /= xp.where(mean > 0, mean, 1)
    wanted = math.log(perplexity)
    b, low, high = xp.ones_like(mean), xp.zeros_like(mean), xp.full_like(mean, np.inf)
    for _ in range(60):
        p = xp.exp(-b * d2)
        total = p.sum(axis=1, keepdims=True)
        p /= total
        excess = xp.log(total) + b * (p * d2).sum(axis=1, keepdims=True) - wanted  # of the entropy, in nats
        if bool((abs(excess) < 0.5 * math.log(2) * TOLERANCE).all()):
            break
        flat = excess > 0  # a larger b makes it steeper
        low, high = xp.where(flat, b, low), xp.where(flat, high, b)
        b = xp.where(xp.isinf(high), 2 * b, (low + high) / 2)
    return p


def affinities(x, perplexity=30.0, method="auto"):
    """P, symmetric, its sum 1: how close the points x, (N, D), are, p_ij = (p(j|i) + p(i|j)) / 2N.

    method : "exact" gives it in full, (N, N); "fft" the Pairs of the 3 perplexity nearest neighbours, beyond which
    it is nearly 0; "auto" chooses by N. van der Maaten and Hinton 2008, section 2.1; the neighbours: van der Maaten
    2014, section 4.1. Raises InputError for what is no (N, D), not finite, or too little for the perplexity.
    """
    xp = get_array_module(x)
    check_points(x, perplexity)
    N = len(x)
    exact = choose_method(method, N) == "exact"
    # neighbours at equal distances come in any order: what is exact takes all
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


def kl_divergence(p, positions, z=None):
    """The Kullback-Leibler divergence of Q, as the positions (N, 2) have it, from P, in nats; z : if it is known."""
    if z is None:
        z = repulsion(p, positions, None)[1]
    total = (p.values if isinstance(p, Pairs) else p).sum(dtype="float64")
    return float(cross_entropy(p, positions) + total * get_array_module(positions).log(z))


def kl_gradient(p, positions):
    """The gradient of `kl_divergence` to the positions, (N, 2): van der Maaten and Hinton 2008, equation 5."""
    repulsive, z, _ = repulsion(p, positions, None)
    return 4 * (attraction(p, positions) - repulsive / z)


def attraction(p, positions):
    """The sum over j of p_ij K (y_i - y_j), (N, 2), for either kind of p."""
    return (sparse_attraction if isinstance(p, Pairs) else exact_attraction)(p, positions)


def repulsion(p, positions, grid):
    """(the sum over j of K² (y_i - y_j), (N, 2), Z, and the grid for the next step): as exact as p is."""
    if not isinstance(p, Pairs):
        return *exact_repulsion(positions), None
    grid = fit_grid(positions, grid)
    return *fft_repulsion(positions, grid), grid


def tsne(x, perplexity=30.0, num_steps=1000, *, rng, exaggeration=4.0, exaggerated_steps=250, learning_rate=None,
         momentum=(0.5, 0.8), callback=None, initial=None, method="auto"):
    """A map of the points x, (N, D): positions (N, 2) on the host, and the history, [(step, divergence)].

    Gradient descent on the divergence, with momentum (the second one after `exaggerated_steps`, for which P is
    multiplied by `exaggeration`), and with gains: a coordinate's step grows by 0.2 while it keeps its direction, and
    shrinks to 0.8 when it turns. learning_rate : left out, the 200 of the authors' bhtsne, N where there are fewer
    points, which 200 may scatter, and N / exaggeration where that is more; as there, it multiplies a quarter of the
    gradient. initial : (N, 2), left out, the first two principal components, scaled to a standard deviation of 1e-4.
    rng : numpy.random.Generator, for noise of 1e-6 on these, which parts what is equal. callback : called with (step,
    divergence, positions) at every tenth step and the last; a true answer ends. method : "exact", "fft" (Linderman et
    al. 2019, arXiv:1712.09005) or "auto", by N; see `affinities`, whose errors it raises.
    van der Maaten and Hinton, Visualizing Data using t-SNE, JMLR 2008.
    """
    xp = get_array_module(x)
    p = affinities(x, perplexity, method)
    N, dtype = len(x), np.result_type(x.dtype, np.float32)
    if initial is None:
        initial = first_positions(x, rng)
    if initial.shape != (N, 2):
        raise InputError(f"{N:,} points need {N:,} initial positions of two numbers, not {initial.shape}")
    positions = to_device(initial, "cpu" if xp is np else "gpu").astype(dtype)
    learning_rate = dtype.type(learning_rate or max(min(200, N), N / exaggeration))
    update, gains = xp.zeros_like(positions), xp.ones_like(positions)
    grid, history = None, []
    for step in range(1, num_steps + 1):
        early = step <= exaggerated_steps
        repulsive, z, grid = repulsion(p, positions, grid)
        gradient = attraction(p, positions)
        if early:
            gradient *= dtype.type(exaggeration)
        gradient -= (repulsive / z).astype(dtype)
        if step % REPORT_EVERY == 0 or step == num_steps:
            history.append((step, kl_divergence(p, positions, z)))
            if not math.isfinite(history[-1][1]):
                raise InputError("the map's divergence is not finite any more; take a smaller learning rate")
            if callback and callback(*history[-1], positions):
                break
        turned = (gradient > 0) == (update > 0)  # the update goes against the gradient
        gains = xp.maximum(xp.where(turned, gains * dtype.type(0.8), gains + dtype.type(0.2)), dtype.type(0.01))
        update = dtype.type(momentum[0 if early else 1]) * update - learning_rate * gains * gradient
        positions = positions + update
        positions -= positions.mean(axis=0)
    return to_host(positions), history


def first_positions(x, rng):
    """The first two principal components, scaled to a standard deviation of 1e-4 along the first, and a little noise.

    Kobak and Berens 2019 (arXiv:1902.00910): the map keeps the large-scale order, and is the same every time.
    """
    xp = get_array_module(x)
    noise = to_device(1e-6 * rng.standard_normal((len(x), 2)), "cpu" if xp is np else "gpu")
    found = pca(x, min(2, x.shape[1])).positions
    spread = float(found[:, 0].std()) or 1.0
    noise[:, :found.shape[1]] += found * (1e-4 / spread)
    return noise


def choose_method(method, N):
    """ "exact" or "fft", for what was asked for and N points; UnknownNameError for another one."""
    if method not in ("auto", "exact", "fft"):
        raise unknown_name("method", method, ["auto", "exact", "fft"])
    return ("exact" if N <= EXACT_UP_TO else "fft") if method == "auto" else method


def check_points(x, perplexity):
    """Raise InputError unless x is finite, (N, D), and has at least 3 perplexity + 1 rows."""
    if x.ndim != 2 or not x.size:
        raise InputError(f"expected points of shape (N, D), got {x.shape}")
    if not bool(get_array_module(x).isfinite(x).all()):
        raise InputError("the points have values that are not finite")
    if len(x) < 5:
        raise InputError(f"a map takes at least 5 points, not {len(x)}")
    if not perplexity > 1:
        raise InputError(f"the perplexity is {perplexity:g}: the number of neighbours that count must be above 1")
    if len(x) < 3 * perplexity + 1:
        most = math.floor(10 * (len(x) - 1) / 3) / 10
        raise InputError(f"perplexity {perplexity:g} is too large for {len(x):,} points: use at most {most:g}")
