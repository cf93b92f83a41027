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

from minicnn.memory import empty, scratch
from minicnn.threads import share_out, worth_sharing

BAND = 2**18  # numbers of transformed input, or output, at a time: 1 MB of float32 stays in a core's cache
FEW_TILES = 100   # that are done in one band
MANY_TILES = 200  # for which it pays to make the weights anew
TRANSFORM = 40  # multiply-adds of a product take as long as the transforms of one number
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
    """The transformed weights of a layer: made when they are first wanted, and again when the weights have changed.

    Four times as large as the weights, for each direction. So they are kept where to make them anew would cost time,
    for a picture of a few tiles; for many tiles they are made for the moment.
    """

    def __init__(self):
        self.made = {}  # (m, whether backward) -> (fingerprint of w, the transformed weights)

    def forward(self, w, m, tiles=0):
        """For `winograd_convolution`, F(m, 3), of so many tiles, with the filters w of shape (F, C, 3, 3)."""
        return self._get(w, m, tiles, backward=False)

    def backward(self, w, m, tiles=0):
        """For the way back: every filter turned round, and filters and channels exchanged."""
        return self._get(w, m, tiles, backward=True)

    def _get(self, w, m, tiles, backward):
        turned = w[:, :, ::-1, ::-1].swapaxes(0, 1) if backward else w
        if tiles > MANY_TILES:
            return transform_weights(turned, m, scratch)
        mark = fingerprint(w)
        made = self.made.get((m, backward))
        if made is None or not np.array_equal(made[0], mark):
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


def fresh(name, shape, dtype):
    """As `scratch`, an array that stays."""
    return np.empty(shape, dtype)


def transform_weights(w, m, memory=fresh):
    """w of shape (F, C, 3, 3) -> G w G^T as (m + 2, m + 2, F / block, C, block): columns, then rows of a tile.

    memory : `scratch` or `fresh`, where it comes to lie.
    """
    F, C, _, _ = w.shape
    a, block = m + 2, BLOCK if F % BLOCK == 0 else F
    both = np.einsum("ik,jl->jikl", TILES[m].G, TILES[m].G).reshape(a * a, 9).astype(w.dtype)  # of 9 weights
    u = memory("weights", (a * a, F // block, C, block), w.dtype)

    def transform(i):
        weights = scratch("nine", (9, C, block), w.dtype)
        weights[...] = w[i * block:(i + 1) * block].reshape(block, C, 9).transpose(2, 1, 0)
        made = np.matmul(both, weights.reshape(9, -1), out=scratch("made", (a * a, C * block), w.dtype))
        u[:, i] = made.reshape(a * a, C, block)

    (share_out if worth_sharing(u.size * TRANSFORM) else one_by_one)(transform, range(F // block))
    return u.reshape(a, a, *u.shape[1:])


def tiles(m, N, OH, OW):
    """How many tiles of m x m outputs there are."""
    return N * -(-OH // m) * -(-OW // m)


def winograd_convolution(x, u, bias, pad):
    """The convolution of x, (N, C, H, W), with the weights behind `u`; (N, F, OH, OW), channels-last in memory."""
    a, _, blocks, C, block = u.shape
    m, F = a - 2, blocks * block
    x = x.transpose(0, 2, 3, 1)
    N, H, W, _ = x.shape
    OH, OW = H + 2 * pad - 2, W + 2 * pad - 2
    down, across = -(-OH // m), -(-OW // m)  # tiles
    out = empty((N, OH, OW, F), x.dtype)
    count = tiles(m, N, OH, OW)
    share = worth_sharing(count * a * a * (C * F + TRANSFORM * (C + F)))
    if count <= FEW_TILES:  # for whom the weights, not the pictures, are what fills the caches
        _convolve_band(x, u, bias, pad, 0, down, across, out, share_out if share else one_by_one)
        return out.transpose(0, 3, 1, 2)

    fitting = BAND // (a * a * across * max(C, F))  # rows of tiles
    number = -(-down // max(1, fitting))  # of bands in an image
    images = max(1, fitting // down)     # in a band

    def convolve(band):
        n, first, last = band
        _convolve_band(x[n:n + images], u, bias, pad, first, last - first, across, out[n:n + images], one_by_one)

    bands = [(n, down * i // number, down * (i + 1) // number) for n in range(0, N, images) for i in range(number)]
    (share_out if share else one_by_one)(convolve, bands)
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
    T = N * down * across  # tiles

    # B^T d B: first along the columns of each tile, where the rows of pixels are long runs of memory
    padded = _padded_rows(x, m * first - pad, m * down + 2, pad, m * across + 2)  # (N, rows, columns, C)
    N, rows, columns, C = padded.shape
    sn, sy, sx, sc = padded.strides
    rows_of_tiles = as_strided(padded, (N, down, a, columns * C), (sn, m * sy, sy, sc))
    half = np.matmul(BT, rows_of_tiles, out=scratch("half", rows_of_tiles.shape, x.dtype))
    sn, st, si, sc = half.strides
    gathered = scratch("gathered", (a, a, N, down, across, C), x.dtype)  # column of the tile, row, image, tile, channel
    gathered[...] = as_strided(half, gathered.shape, (C * sc, si, sn, st, m * C * sc, sc))
    v = np.matmul(BT, gathered.reshape(a, -1), out=scratch("v", (a, a * T * C), x.dtype))
    v = v.reshape(a, a, 1, T, C)

    products = scratch("products", (a, a, blocks, T, block), x.dtype)
    share(lambda j: np.matmul(v[j], u[j], out=products[j]), range(a))

    # A^T M A
    half = np.matmul(AT, products.reshape(a, -1), out=scratch("half of y", (m, a * T * F), x.dtype))
    y = np.matmul(AT, half.reshape(m, a, -1), out=scratch("y", (m, m, T * F), x.dtype))
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
