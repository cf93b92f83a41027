"""3x3 convolution of stride 1 with fewer multiplications: Winograd's minimal filtering (Lavin and Gray 2015,
arXiv:1509.09308).

In one dimension, m neighbouring outputs y of a filter g of three weights need m + 2 inputs d, and 3 m
multiplications if done one by one. As polynomials, the outputs are coefficients of a product (of g and y read
backwards: transposition turns the one problem into the other), and a product of polynomials is known from its
values at enough points: evaluate, multiply point by point, interpolate. With m + 2 points that is

    y = A^T [(G g) * (B^T d)]                                             m + 2 multiplications

where B^T d evaluates, G g evaluates too and carries the denominators, A^T interpolates. The points 0, 1, -1 and
infinity give F(2, 3); with 2 and -2 besides, F(4, 3). In two dimensions both sides are transformed along rows and
columns: (m + 2)^2 multiplications instead of 9 m^2, for m = 4 four times fewer. What makes it a convolution over
C channels and F filters: the sum over channels moves inside the brackets, so that each of the (m + 2)^2 places of
a tile is a matrix product of its own, (tiles, C) @ (C, F).

The price: B^T and A^T have entries up to 8, and the sums cancel, so that F(4, 3) loses about a decimal and a half.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minicnn.threads import scratch, share_out, worth_sharing

BAND = 2**18  # numbers of transformed input, or output, at a time: 1 MB of float32 stays in a core's cache
FEW_TILES = 100  # that are done in one band
BLOCK = 32    # filters in a product: with so few, OpenBLAS needs no copies


class Tile(NamedTuple):
    """The matrices of F(m, 3), with m rows of outputs in AT, m + 2 points, and three weights in G."""

    BT: np.ndarray
    G: np.ndarray
    AT: np.ndarray


F2 = Tile(
    BT=np.array([[1, 0, -1, 0],
                 [0, 1, 1, 0],
                 [0, -1, 1, 0],
                 [0, 1, 0, -1]], float),
    G=np.array([[1, 0, 0],
                [1/2, 1/2, 1/2],
                [1/2, -1/2, 1/2],
                [0, 0, 1]]),
    AT=np.array([[1, 1, 1, 0],
                 [0, 1, -1, -1]], float))
F4 = Tile(
    BT=np.array([[4, 0, -5, 0, 1, 0],
                 [0, -4, -4, 1, 1, 0],
                 [0, 4, -4, -1, 1, 0],
                 [0, -2, -1, 2, 1, 0],
                 [0, 2, -1, -2, 1, 0],
                 [0, 4, 0, -5, 0, 1]], float),
    G=np.array([[1/4, 0, 0],
                [-1/6, -1/6, -1/6],
                [-1/6, 1/6, -1/6],
                [1/24, 1/12, 1/6],
                [1/24, -1/12, 1/6],
                [0, 0, 1]]),
    AT=np.array([[1, 1, 1, 1, 1, 0],
                 [0, 1, -1, 2, -2, 0],
                 [0, 1, 1, 4, 4, 0],
                 [0, 1, -1, 8, -8, 1]], float))
TILES = {2: F2, 4: F4}


class WinogradWeights:
    """The transformed weights of a layer: made when they are first wanted, and again when the weights have changed."""

    def __init__(self):
        self.made = {}  # (m, whether backward) -> (fingerprint of w, the transformed weights)

    def forward(self, w, m):
        """For `winograd_convolution`, F(m, 3), with the filters w of shape (F, C, 3, 3)."""
        return self._get(w, m, backward=False)

    def backward(self, w, m):
        """For the way back: every filter turned round, and filters and channels exchanged."""
        return self._get(w, m, backward=True)

    def _get(self, w, m, backward):
        mark = fingerprint(w)
        made = self.made.get((m, backward))
        if made is None or not np.array_equal(made[0], mark):
            turned = w[:, :, ::-1, ::-1].swapaxes(0, 1) if backward else w
            made = self.made[m, backward] = mark, transform_weights(turned, m)
        return made[1]


def fingerprint(w):
    """A random projection of each filter: F numbers that show that weights were changed, also in place.

    A change too small to show here is too small to show in an output, which is a projection of the same kind.
    """
    return w.reshape(len(w), -1) @ _projection(w[0].size, w.dtype)


@cache
def _projection(size, dtype):
    return np.random.default_rng(0).standard_normal(size).astype(dtype)


def transform_weights(w, m):
    """w of shape (F, C, 3, 3) -> G w G^T as (m + 2, m + 2, F / block, C, block): columns, then rows of a tile."""
    G = TILES[m].G
    F, C, _, _ = w.shape
    block = BLOCK if F % BLOCK == 0 else F
    u = np.einsum("ik,fckl,jl->jicf", G, w, G, optimize=True)  # float64: it is done once
    u = u.reshape(*u.shape[:3], F // block, block).swapaxes(2, 3)
    return np.ascontiguousarray(u, w.dtype)


def winograd_convolution(x, u, bias, pad):
    """The convolution of x, (N, C, H, W), with the weights behind `u`; (N, F, OH, OW), channels-last in memory."""
    a, _, blocks, C, block = u.shape
    m, F = a - 2, blocks * block
    x = x.transpose(0, 2, 3, 1)
    N, H, W, _ = x.shape
    OH, OW = H + 2 * pad - 2, W + 2 * pad - 2
    down, across = -(-OH // m), -(-OW // m)  # tiles
    out = np.empty((N, OH, OW, F), x.dtype)
    if N * down * across <= FEW_TILES:  # for whom the weights, not the pictures, are what fills the caches
        share = worth_sharing(N * down * across * u.size)
        _convolve_band(x, u, bias, pad, 0, down, across, out, share_out if share else one_by_one)
        return out.transpose(0, 3, 1, 2)

    fitting = BAND // (a * a * across * max(C, F))  # rows of tiles
    count = -(-down // max(1, fitting))  # of bands in an image
    images = max(1, fitting // down)     # in a band

    def convolve(band):
        n, first, last = band
        _convolve_band(x[n:n + images], u, bias, pad, first, last - first, across, out[n:n + images], one_by_one)

    share_out(convolve, [(n, down * i // count, down * (i + 1) // count)
                         for n in range(0, N, images) for i in range(count)])
    return out.transpose(0, 3, 1, 2)


def one_by_one(work, jobs):
    """As `share_out`, in this thread."""
    for job in jobs:
        work(job)


def _convolve_band(x, u, bias, pad, first, down, across, out, share):
    """Fill the rows of `out` that `down` rows of tiles from the `first` on give; x and out are channels-last.

    share : by which the products are done, `share_out` or `one_by_one`.
    """
    a, _, blocks, C, block = u.shape
    m, F = a - 2, blocks * block
    N, OH, OW, _ = out.shape
    BT, AT = TILES[m].BT.astype(x.dtype), TILES[m].AT.astype(x.dtype)
    tiles = N * down * across

    # B^T d B: first along the columns of each tile, where the rows of pixels are long runs of memory
    padded = _padded_rows(x, m * first - pad, m * down + 2, pad, m * across + 2)  # (N, rows, columns, C)
    N, rows, columns, C = padded.shape
    sn, sy, sx, sc = padded.strides
    rows_of_tiles = as_strided(padded, (N, down, a, columns * C), (sn, m * sy, sy, sc))
    half = np.matmul(BT, rows_of_tiles, out=scratch("half", rows_of_tiles.shape, x.dtype))
    sn, st, si, sc = half.strides
    gathered = scratch("gathered", (a, a, N, down, across, C), x.dtype)  # column of the tile, row, image, tile, channel
    gathered[...] = as_strided(half, gathered.shape, (C * sc, si, sn, st, m * C * sc, sc))
    v = np.matmul(BT, gathered.reshape(a, -1), out=scratch("v", (a, a * tiles * C), x.dtype))
    v = v.reshape(a, a, 1, tiles, C)

    products = scratch("products", (a, a, blocks, tiles, block), x.dtype)
    share(lambda j: np.matmul(v[j], u[j], out=products[j]), range(a))

    # A^T M A
    half = np.matmul(AT, products.reshape(a, -1), out=scratch("half of y", (m, a * tiles * F), x.dtype))
    y = np.matmul(AT, half.reshape(m, a, -1), out=scratch("y", (m, m, tiles * F), x.dtype))
    y = y.reshape(m, m, blocks, N, down, across, block).transpose(3, 4, 1, 5, 0, 2, 6)
    if bias is not None:
        bias = bias.reshape(blocks, block)
    band = out[:, m * first:m * (first + down)]
    if band.shape[1] == m * down and OW == m * across:
        _add(y, bias, band.reshape(y.shape))
    else:  # the last tiles hang over the edge
        whole = scratch("whole tiles", (N, m * down, m * across, F), x.dtype)
        _add(y, bias, whole.reshape(y.shape))
        band[...] = whole[:, :band.shape[1], :OW]


def _add(y, bias, out):
    if bias is None:
        out[...] = y
    else:
        np.add(y, bias, out=out)


def _padded_rows(x, top, rows, pad, columns):
    """`rows` rows from `top` on, and `columns` columns, of the padded images."""
    N, H, W, C = x.shape
    padded = scratch("padded", (N, rows, columns, C), x.dtype)
    begin, end = max(0, -top), min(rows, H - top)
    right = min(pad + W, columns)
    padded[:, :begin] = 0
    padded[:, end:] = 0
    padded[:, begin:end, :pad] = 0
    padded[:, begin:end, right:] = 0
    padded[:, begin:end, pad:right] = x[:, top + begin:top + end, :right - pad]
    return padded
