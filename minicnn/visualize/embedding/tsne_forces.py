"""The forces of t-SNE: attraction along pairs of neighbours, repulsion between all points.

Between two points at a distance d is K = 1 / (1 + d²); Z is the sum of K over all pairs. Positions are (N, 2), on
either array module; all forces leave out the factor 4 of the gradient.
"""

from typing import NamedTuple

import numpy as np

from minicnn.backend import Array, get_array_module, to_device, to_host
from minicnn.errors import InputError
from minicnn.fast.threads import get_num_threads, share_out

BLOCK = 1 << 16  # pairs at a time: their few arrays stay in the cache
COARSEST = 1 / 3  # largest distance between nodes of the grid, where K is 1 wide: forces err by about 0.5%
FEWEST = 120     # least number of nodes a side, as points that lie together still push each other apart
MOST = 2000      # nodes a side, for memory's sake; a larger map gets a coarser grid
MARGIN = 8       # nodes around the points: where the grid ends, the kernels' splines bend


class Pairs(NamedTuple):
    """A sparse symmetric matrix (N, N): `values` at (`rows`, `columns`), sorted by rows; row i begins at starts[i]."""

    rows: Array
    columns: Array
    values: Array
    starts: Array


class Grid(NamedTuple):
    """Nodes (size, size), `spacing` apart from `corner`, (x, y), on; and the kernels' spectra on twice the size."""

    size: int
    spacing: float
    corner: Array
    potential: Array  # of K, (2 size, size + 1)
    forces: Array     # of K² x and K² y, (2, 2 size, size + 1)


def kernel(positions):
    """K for all pairs, (N, N), with zeros on the diagonal."""
    x, y = positions[:, 0], positions[:, 1]
    k = (x[:, None] - x) ** 2
    k += (y[:, None] - y) ** 2
    k += 1
    k = 1 / k
    get_array_module(k).fill_diagonal(k, 0)
    return k


def pull(weights, positions):
    """The sum over j of weights[i, j] * (y_i - y_j), (N, 2)."""
    return weights.sum(axis=1)[:, None] * positions - weights @ positions


def exact_attraction(p, positions):
    """The sum over j of p_ij K (y_i - y_j), (N, 2); p : (N, N)."""
    return pull(p * kernel(positions), positions)


def exact_repulsion(positions):
    """(the sum over j of K² (y_i - y_j), (N, 2), and Z), for every pair: the definition, in O(N²)."""
    k = kernel(positions)
    return pull(k * k, positions), k.sum()


def sparse_attraction(p, positions):
    """`exact_attraction` along the Pairs p."""
    xp = get_array_module(positions)
    points = as_complex(positions)
    if xp is not np:  # all at once; CuPy has no reduceat
        pulls = points.take(p.rows) - points.take(p.columns)
        weights = p.values / (1 + pulls.real ** 2 + pulls.imag ** 2)
        sums = [xp.bincount(p.rows, weights * part, len(points)) for part in (pulls.real, pulls.imag)]
        return xp.stack(sums, axis=1).astype(positions.dtype)
    forces, counts = np.empty_like(positions), np.diff(p.starts)

    def work(rows):
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
    share_out(work, row_blocks(p.starts))
    return forces


def as_complex(positions):
    """Positions (N, 2) as numbers x + iy, (N,): one look-up finds both coordinates."""
    positions = get_array_module(positions).ascontiguousarray(positions)
    return positions.view(np.result_type(positions.dtype, np.complex64))[:, 0]


def row_blocks(starts):
    """[slices of rows] with about BLOCK pairs each."""
    count = max(1, int(starts[-1]) // BLOCK)
    bounds = np.searchsorted(starts, np.linspace(0, starts[-1], count + 1)[1:-1]).tolist()
    bounds = sorted({0, *bounds, len(starts) - 1})
    return [slice(*block) for block in zip(bounds[:-1], bounds[1:], strict=True)]


def fit_grid(positions, grid=None, coarsest=COARSEST):
    """A Grid under all positions: `grid`, moved there, while its size suits them, as new spectra take time.

    Nodes are at most `coarsest` apart, and FEWEST to MOST a side lie under the points. Raises InputError for positions
    that are not finite.
    """
    xp = get_array_module(positions)
    low, high = to_host(xp.stack([positions.min(axis=0), positions.max(axis=0)])).astype(np.float64)
    if not np.isfinite([low, high]).all():
        raise InputError("the positions on the map are not finite any more; take a smaller learning rate")
    resolution = 1000 * float(np.finfo(positions.dtype).eps * max(abs(low).max(), abs(high).max()))
    extent = max(float((high - low).max()), resolution, 1e-10)
    if grid is None or not 0.8 <= extent / ((grid.size - MARGIN) * grid.spacing) <= 1:
        grid = make_grid(1.1 * extent, positions, coarsest)
    # nodes stay at whole multiples of the spacing: small errors that come and go would count as turns of the descent
    corner = np.rint((low + high) / 2 / grid.spacing - (grid.size - 1) / 2) * grid.spacing
    return grid._replace(corner=to_device(corner.astype(positions.dtype), "cpu" if xp is np else "gpu"))


def make_grid(extent, like, coarsest):
    """A Grid for points within a square of side `extent`, at no particular place; dtype and device as `like`."""
    from scipy.fft import next_fast_len

    xp = get_array_module(like)
    size = next_fast_len(min(max(FEWEST, int(extent / coarsest) + 1), MOST) + MARGIN)
    spacing = extent / (size - MARGIN)
    # the kernels at all differences of nodes, those below zero from the end: a circulant, which the FFT makes diagonal
    offset = xp.fft.fftfreq(2 * size, 1 / (2 * size * spacing)).astype(like.dtype)
    k = 1 / (1 + offset[:, None] ** 2 + offset ** 2)
    forces = xp.stack([k * k * offset, k * k * offset[:, None]])
    # a spline takes 1/6, 4/6 and 1/6 of three nodes: divided by their spectrum, for either end of a force, it goes
    # through the kernel's values
    smoothing = (2 + xp.cos(2 * np.pi * xp.fft.fftfreq(2 * size))) / 3
    sharpening = (1 / (smoothing[:, None] * smoothing[:size + 1]) ** 2).astype(like.dtype)
    return Grid(size, spacing, None, forward(k).real * sharpening, forward(forces) * sharpening)


def forward(x, size=None):
    """The spectrum of real x (..., H, W), with zeros up to `size` on both axes: (..., size, size // 2 + 1)."""
    size = size or x.shape[-1]
    if isinstance(x, np.ndarray):
        import scipy.fft
        return scipy.fft.rfft2(x, (size, size), workers=get_num_threads())  # NumPy's takes three times as long
    return get_array_module(x).fft.rfft2(x, (size, size))


def backward(spectrum, size):
    """The first (..., size, size) of the real array with this spectrum."""
    if isinstance(spectrum, np.ndarray):
        import scipy.fft
        half = scipy.fft.ifft(spectrum, axis=-2, workers=get_num_threads())[..., :size, :]
        return scipy.fft.irfft(half, axis=-1, workers=get_num_threads())[..., :size]
    fft = get_array_module(spectrum).fft
    return fft.irfft(fft.ifft(spectrum, axis=-2)[..., :size, :], axis=-1)[..., :size]


def fft_repulsion(positions, grid):
    """`exact_repulsion` in O(N + grid log grid): charges go to the nodes, are convolved, and forces come back.

    grid : from `fit_grid` for these positions. Linderman et al. 2019 (arXiv:1712.09005), with two changes. A point
    shares its charge among the 4 x 4 nodes around it by cubic B-splines, as in Essmann et al. 1995 (smooth particle
    mesh Ewald): on the same grid they err by a fifth of what Lagrange's polynomials on 3 x 3 nodes do. And the kernels
    are K, of which Z needs only the spectra, and the force itself, K² (x, y), for theirs, K and K²: there is no small
    difference of large sums.
    """
    xp = get_array_module(positions)
    N, size = len(positions), grid.size
    u = ((positions - grid.corner) / positions.dtype.type(grid.spacing)).T  # (2, N), in nodes
    before = xp.floor(u)
    t = u - before
    spline = xp.stack([(1 - t) ** 3, (3 * t - 6) * t * t + 4, ((3 - 3 * t) * t + 3) * t + 1, t * t * t]) / 6
    first = before.astype(np.int64) - 1
    step = xp.arange(4)
    nodes = (first[1] * size + first[0]) + (step[:, None] * size + step)[:, :, None]  # (4, 4, N): row, column, point
    shares = spline[:, None, 1] * spline[None, :, 0]

    charges = xp.bincount(nodes.ravel(), shares.ravel(), size * size).astype(positions.dtype).reshape(size, size)
    spectrum = forward(charges, 2 * size)
    fields = backward(grid.forces * spectrum, size).reshape(2, -1)
    forces = (fields.take(nodes.ravel(), axis=1).reshape(2, 16, N) * shares.reshape(16, N)).sum(axis=1)
    # Z by Parseval's theorem; the spectrum's left half stands for both, but for its first and last column
    energy = (spectrum.real ** 2 + spectrum.imag ** 2) * grid.potential
    total = 2 * energy.sum(dtype="float64") - energy[:, 0].sum(dtype="float64") - energy[:, -1].sum(dtype="float64")
    return forces.T, total / (2 * size) ** 2 - N


def cross_entropy(p, positions):
    """The sum over all pairs of p_ij log(p_ij / K): with log Z, Kullback and Leibler's divergence."""
    xp = get_array_module(positions)
    points = as_complex(positions)
    if isinstance(p, Pairs):
        values, difference = p.values, points.take(p.rows) - points.take(p.columns)
    else:
        values, difference = p, points[:, None] - points
    ratio = values * (1 + difference.real ** 2 + difference.imag ** 2)
    return (values * xp.log(xp.maximum(ratio, np.finfo(ratio.dtype).tiny))).sum(dtype="float64")  # 0 log 0 = 0
