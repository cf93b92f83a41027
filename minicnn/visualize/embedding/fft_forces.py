"""The repulsion of t-SNE by convolution on a grid with the FFT, in O(N + grid log grid).

K = 1 / (1 + d²) is the similarity of two points at the distance d on the map. Z is the sum of K over all pairs.
Positions are (N, 2) on either device.
"""

from typing import Any, NamedTuple

import numpy as np

from minicnn.backend import Array, device_of, get_array_module, to_device, to_host
from minicnn.errors import InputError

COARSEST = 1 / 3  # largest distance between nodes of the grid; forces then err by about 0.5 %
FEWEST = 120     # least number of nodes per side, as close points also repel each other
MOST = 2000      # largest number of nodes per side, to limit memory; a larger map gets a coarser grid
MARGIN = 8       # nodes around the points; the splines of the kernels are inaccurate at the edge of the grid


class Grid(NamedTuple):
    """A grid of (size, size) nodes from `corner`, (x, y), on, and the spectra of the kernels on twice the size."""

    size: int
    spacing: float    # distance of two nodes
    corner: Array
    potential: Array  # spectrum of K, (2 size, size + 1)
    forces: Array     # spectra of K² x and K² y, (2, 2 size, size + 1)


def fit_grid(positions: Array, grid: Grid | None = None, coarsest: float = COARSEST) -> Grid:
    """Return a Grid that covers all positions.

    New spectra take time, so `grid` is moved there while its size fits. Nodes are at most `coarsest` apart, and FEWEST
    to MOST nodes per side lie under the points. Raises InputError for positions that are not finite.
    """
    xp = get_array_module(positions)
    low, high = to_host(xp.stack([positions.min(axis=0), positions.max(axis=0)])).astype(np.float64)
    if not np.isfinite([low, high]).all():
        raise InputError("the positions on the map are not finite any more; take a smaller learning rate")
    resolution = 1000 * float(np.finfo(positions.dtype).eps * max(abs(low).max(), abs(high).max()))
    extent = max(float((high - low).max()), resolution, 1e-10)
    if grid is None or not 0.8 <= extent / ((grid.size - MARGIN) * grid.spacing) <= 1:
        grid = make_grid(1.1 * extent, positions, coarsest)
    # Nodes stay at whole multiples of the spacing. Otherwise, the small errors of the forces would change with each
    # step, and the descent would take the changes for turns.
    corner = np.rint((low + high) / 2 / grid.spacing - (grid.size - 1) / 2) * grid.spacing
    return grid._replace(corner=to_device(corner.astype(positions.dtype), device_of(positions)))


def make_grid(extent: float, like: Array, coarsest: float) -> Grid:
    """Return a Grid for points within a square of side `extent`, with its corner at 0. dtype and device are of `like`.
    """
    from scipy.fft import next_fast_len

    xp = get_array_module(like)
    size = next_fast_len(min(max(FEWEST, int(extent / coarsest) + 1), MOST) + MARGIN)
    spacing = extent / (size - MARGIN)
    # The kernels at all differences of nodes, negative differences at the end: a circulant matrix, which the FFT
    # diagonalises.
    offset = xp.fft.fftfreq(2 * size, 1 / (2 * size * spacing)).astype(like.dtype)
    k = 1 / (1 + offset[:, None] ** 2 + offset ** 2)
    forces = xp.stack([k * k * offset, k * k * offset[:, None]])
    # A cubic B-spline weights three nodes by 1/6, 4/6 and 1/6. Dividing by the spectrum of these weights, once for each
    # end of a force, makes the spline pass through the values of the kernel.
    smoothing = (2 + xp.cos(2 * np.pi * xp.fft.fftfreq(2 * size))) / 3
    sharpening = (1 / (smoothing[:, None] * smoothing[:size + 1]) ** 2).astype(like.dtype)
    return Grid(size, spacing, xp.zeros(2, like.dtype), real_fft(k).real * sharpening, real_fft(forces) * sharpening)


def real_fft(x: Array, size: int | None = None) -> Array:
    """Return the spectrum of real x (..., H, W), zero-padded to `size` on both axes, (..., size, size // 2 + 1)."""
    size = size or x.shape[-1]
    if isinstance(x, np.ndarray):
        import scipy.fft
        return scipy.fft.rfft2(x, (size, size), workers=num_threads())  # NumPy's takes three times as long
    return get_array_module(x).fft.rfft2(x, (size, size))


def inverse_real_fft(spectrum: Array, size: int) -> Array:
    """Return the first (..., size, size) of the real array with this spectrum."""
    if isinstance(spectrum, np.ndarray):
        import scipy.fft
        half = scipy.fft.ifft(spectrum, axis=-2, workers=num_threads())[..., :size, :]
        return scipy.fft.irfft(half, axis=-1, workers=num_threads())[..., :size]
    fft = get_array_module(spectrum).fft
    return fft.irfft(fft.ifft(spectrum, axis=-2)[..., :size, :], axis=-1)[..., :size]


def num_threads() -> int:
    """Return the number of threads of minicnn.fast, or 1 if it is missing."""
    try:
        from minicnn.fast.threads import get_num_threads
    except ImportError:  # the library works without minicnn.fast
        return 1
    return get_num_threads()


def fft_repulsion(positions: Array, grid: Grid) -> tuple[Array, Any]:
    """Return `exact_repulsion` approximately: spread charges on the nodes, convolve, and interpolate the forces.

    Linderman et al. 2019 (arXiv:1712.09005), with two changes. First, a point spreads its charge on the 4 x 4 nodes
    around it by cubic B-splines, as in Essmann et al. 1995 (smooth particle mesh Ewald). Lagrange polynomials on 3 x 3
    nodes of the same grid have five times the error. Second, the kernels are the force itself, K² (x, y), and K, whose
    spectrum suffices for Z. The paper convolves K and K², and its force is a small difference of large sums.

    grid : from `fit_grid` for these positions.
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
    spectrum = real_fft(charges, 2 * size)
    fields = inverse_real_fft(grid.forces * spectrum, size).reshape(2, -1)
    forces = (fields.take(nodes.ravel(), axis=1).reshape(2, 16, N) * shares.reshape(16, N)).sum(axis=1)
    # Z by Parseval's theorem. The left half of the spectrum stands for both halves; its first and last column are
    # in both.
    energy = (spectrum.real ** 2 + spectrum.imag ** 2) * grid.potential
    total = 2 * energy.sum(dtype="float64") - energy[:, 0].sum(dtype="float64") - energy[:, -1].sum(dtype="float64")
    return forces.T, total / (2 * size) ** 2 - N
