"""The forces of t-SNE on each point: attraction to its neighbours, and repulsion from all points.

K = 1 / (1 + d²) is the similarity of two points at the distance d on the map. Z is the sum of K over all pairs.
Positions are (N, 2) on either device. All forces omit the factor 4 of the gradient.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from minicnn.backend import Array, get_array_module

BLOCK = 1 << 16  # pairs at a time, so that their arrays stay in the cache


class Pairs(NamedTuple):
    """A sparse symmetric matrix (N, N): `values` at (`rows`, `columns`), sorted by rows. Row i begins at starts[i]."""

    rows: Array
    columns: Array
    values: Array
    starts: Array


Affinities: TypeAlias = Array | Pairs  # (N, N), or sparse


def kernel(positions: Array) -> Array:
    """Return K of all pairs, with zeros on the diagonal, (N, N)."""
    x, y = positions[:, 0], positions[:, 1]
    k = (x[:, None] - x) ** 2
    k += (y[:, None] - y) ** 2
    k += 1
    k = 1 / k
    get_array_module(k).fill_diagonal(k, 0)
    return k


def weighted_differences(weights: Array, positions: Array) -> Array:
    """Return the sum over j of weights[i, j] * (y_i - y_j), (N, 2)."""
    return weights.sum(axis=1)[:, None] * positions - weights @ positions


def exact_attraction(p: Array, positions: Array) -> Array:
    """Return the sum over j of p_ij K (y_i - y_j), (N, 2). p : (N, N)."""
    return weighted_differences(p * kernel(positions), positions)


def exact_repulsion(positions: Array) -> tuple[Array, Any]:
    """Return the sum over j of K² (y_i - y_j), (N, 2), and Z, over all pairs: the definition, in O(N²)."""
    k = kernel(positions)
    return weighted_differences(k * k, positions), k.sum()


def sparse_attraction(p: Pairs, positions: Array) -> Array:
    """Return `exact_attraction` of sparse affinities, (N, 2)."""
    xp = get_array_module(positions)
    points = as_complex(positions)
    if xp is not np:  # all pairs at once, as CuPy has no reduceat
        pulls = points.take(p.rows) - points.take(p.columns)
        weights = p.values / (1 + pulls.real ** 2 + pulls.imag ** 2)
        sums = [xp.bincount(p.rows, weights * part, len(points)) for part in (pulls.real, pulls.imag)]
        return xp.stack(sums, axis=1).astype(positions.dtype)
    forces, counts = np.empty_like(positions), np.diff(p.starts)

    def add_forces(rows: slice) -> None:
        pairs = slice(p.starts[rows.start], p.starts[rows.stop])
        pulls = np.repeat(points[rows], counts[rows])
        pulls -= points.take(p.columns[pairs])
        weights, part = np.square(pulls.real), np.square(pulls.imag)
        weights += part
        weights += 1
        np.divide(p.values[pairs], weights, out=weights)
        starts = p.starts[rows] - pairs.start
        np.add.reduceat(np.multiply(pulls.real, weights, out=part), starts, out=forces[rows, 0])
        np.add.reduceat(np.multiply(pulls.imag, weights, out=part), starts, out=forces[rows, 1])
    in_threads(add_forces, row_blocks(p.starts))
    return forces


def as_complex(positions: Array) -> Array:
    """Return positions (N, 2) as complex numbers x + iy, (N,), so that one look-up takes both coordinates."""
    positions = get_array_module(positions).ascontiguousarray(positions)
    return positions.view(np.result_type(positions.dtype, np.complex64))[:, 0]


def row_blocks(starts: Array) -> list[slice]:
    """Return slices of rows with about BLOCK pairs each."""
    count = max(1, int(starts[-1]) // BLOCK)
    bounds = np.searchsorted(starts, np.linspace(0, starts[-1], count + 1)[1:-1]).tolist()
    bounds = sorted({0, *bounds, len(starts) - 1})
    return [slice(*block) for block in zip(bounds[:-1], bounds[1:], strict=True)]


def in_threads(work: Callable[[slice], None], blocks: Sequence[slice]) -> None:
    """Call work(block) for each block, in the threads of minicnn.fast if it is there."""
    try:
        from minicnn.fast.threads import share_out
    except ImportError:  # the library works without minicnn.fast
        for block in blocks:
            work(block)
    else:
        share_out(work, blocks)


def cross_entropy(p: Affinities, positions: Array) -> Any:
    """Return the sum over all pairs of p_ij log(p_ij / K). Plus log Z, it is the Kullback-Leibler divergence."""
    xp = get_array_module(positions)
    points = as_complex(positions)
    if isinstance(p, Pairs):
        values, difference = p.values, points.take(p.rows) - points.take(p.columns)
    else:
        values, difference = p, points[:, None] - points
    ratio = values * (1 + difference.real ** 2 + difference.imag ** 2)
    return (values * xp.log(xp.maximum(ratio, np.finfo(ratio.dtype).tiny))).sum(dtype="float64")  # 0 log 0 = 0
