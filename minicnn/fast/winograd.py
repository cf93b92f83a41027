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

from minicnn.fast.memory import empty, scratch
from minicnn.fast.threads import pieces, share_out

BAND = 2**18  # numbers of transformed input, or output, at a time: what is made of a MB stays in a core's cache
FEW_TILES = 100  # for whom the weights, not the pictures, are what fills the caches
KEPT = 2**19    # numbers of transformed weights that are kept, 2 MB of float32
TRANSFORM = 40  # multiply-adds of a product take as long as the transforms of one number
MEETINGS = 3  # the threads work in a dozen short steps, each of which ends at the interpreter's lock
# The steps of a transform lie in two memories by turns, each where the one before the last was: they stay in the cache.
ODD, EVEN = "odd steps", "even steps"
BLOCK = 32    # filters in a product: with so few, OpenBLAS needs no copies
SMALL_PRODUCT = 10**6  # multiply-adds of one, beyond which it makes copies all the same


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


class Filters:
    """The filters w, of shape (F, C, 3, 3), for F(m, 3): transformed when they are wanted, some filters at a time.

    kept : all of them, where they have been transformed already, as `transform_weights` returns them.
    """

    def __init__(self, w, m, kept=None):
        self.w, self.m, self.kept = w, m, kept
        self.size = block_size(len(w))     # filters in a block

    def block(self, i):
        """The i-th block, (m + 2, m + 2, C, size); the next one may lie in the same memory."""
        if self.kept is not None:
            return self.kept[:, :, i]
        u = scratch("block of weights", (self.m + 2, self.m + 2, self.w.shape[1], self.size), self.w.dtype)
        transform_block(self.w[i * self.size:(i + 1) * self.size], self.m, u)
        return u

    def all(self):
        """All blocks, (m + 2, m + 2, blocks, C, size); the next call may use the same memory."""
        return transform_weights(self.w, self.m, scratch) if self.kept is None else self.kept


class WinogradWeights:
    """The filters of a layer, for both ways.

    Transformed, they are up to four times as large as before. So only small ones are kept, made when they are first
    wanted, and again when the weights have changed; of others, each block is made, used in the cache and forgotten.
    """

    def __init__(self):
        self.made = {}  # (m, whether backward) -> (fingerprint of w, the transformed weights)

    def forward(self, w, m):
        """The Filters for `winograd_convolution`, by F(m, 3), with the filters w of shape (F, C, 3, 3)."""
        return self._get(w, m, backward=False)

    def backward(self, w, m):
        """For the way back: every filter turned round, and filters and channels exchanged."""
        return self._get(w, m, backward=True)

    def _get(self, w, m, backward):
        turned = w[:, :, ::-1, ::-1].swapaxes(0, 1) if backward else w
        if not is_kept(w, m):
            return Filters(turned, m)
        mark = fingerprint(w)
        made = self.made.get((m, backward))
        if made is None or not np.array_equal(made[0], mark):
            made = self.made[m, backward] = mark, transform_weights(turned, m)
        return Filters(turned, m, made[1])


def is_kept(w, m):
    """Whether the transformed weights are so few that they are kept."""
    return (m + 2)**2 * w.shape[0] * w.shape[1] <= KEPT


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


def block_size(F):
    """Of F filters, how many are in a product."""
    return BLOCK if F % BLOCK == 0 else F


def transform_weights(w, m, memory=fresh):
    """w of shape (F, C, 3, 3) -> G w G^T as (m + 2, m + 2, F / block, C, block): columns, then rows of a tile.

    memory : `scratch` or `fresh`, where it comes to lie.
    """
    F, C, _, _ = w.shape
    a, size = m + 2, block_size(F)
    u = memory("weights", (a, a, F // size, C, size), w.dtype)
    share_out(lambda i: transform_block(w[i * size:(i + 1) * size], m, u[:, :, i]), range(F // size),
              u.size * TRANSFORM)
    return u


def transform_block(w, m, u):
    """Put G w G^T of a few filters, (size, C, 3, 3), into u, (m + 2, m + 2, C, size)."""
    size, C, _, _ = w.shape
    a, G = m + 2, TILES[m].G.astype(w.dtype)
    columns = scratch(ODD, (3, 3, C, size), w.dtype)  # column of the filter, row, channel, filter
    for some in range(0, size, 16):  # more filters at a time would drive each other out of the cache
        columns[..., some:some + 16] = w[some:some + 16].transpose(3, 2, 1, 0)
    half = np.matmul(G, columns.reshape(3, -1), out=scratch(EVEN, (a, 3 * C * size), w.dtype))
    if u[0].flags.c_contiguous:
        np.matmul(G, half.reshape(a, 3, -1), out=u.reshape(a, a, -1))
    else:
        made = np.matmul(G, half.reshape(a, 3, -1), out=scratch(ODD, (a, a, C * size), w.dtype))
        u[...] = made.reshape(u.shape)


def tiles(m, N, OH, OW):
    """How many tiles of m x m outputs there are."""
    return N * -(-OH // m) * -(-OW // m)


def winograd_convolution(x, filters, bias, pad):
    """The convolution of x, (N, C, H, W), with the Filters; (N, F, OH, OW), channels-last in memory."""
    m, (F, C, _, _) = filters.m, filters.w.shape
    a = m + 2
    x = x.transpose(0, 2, 3, 1)
    N, H, W, _ = x.shape
    OH, OW = H + 2 * pad - 2, W + 2 * pad - 2
    down, across = -(-OH // m), -(-OW // m)  # tiles
    out = empty((N, OH, OW, F), x.dtype)
    count = N * down * across
    work = count * a * a * (C * F + TRANSFORM * (C + F))
    if count <= FEW_TILES:
        _convolve_by_blocks(x, filters, bias, pad, out, (down, across), work)
        return out.transpose(0, 3, 1, 2)

    u = filters.all()
    u = u.reshape(a, a, -1, C, filters.size)
    fitting = BAND // (a * a * across * max(C, F))  # rows of tiles
    number = -(-down // max(1, fitting))  # of bands in an image
    images = max(1, fitting // down)     # in a band

    def convolve(band):
        n, first, last = band
        rows = last - first
        v = scratch(EVEN, (a, a, min(images, N - n), rows, across, C), x.dtype)
        _transform_tiles(x[n:n + images], m, pad, first, v)
        v = v.reshape(a, a, 1, -1, C)
        products = scratch(ODD, (a, a, u.shape[2], v.shape[3], filters.size), x.dtype)
        np.matmul(v, u, out=products)
        _transform_back(products, bias, first, (rows, across), out[n:n + images])

    share_out(convolve, [(n, down * i // number, down * (i + 1) // number)
                         for n in range(0, N, images) for i in range(number)], work, MEETINGS)
    return out.transpose(0, 3, 1, 2)


def _convolve_by_blocks(x, filters, bias, pad, out, grid, work):
    """All tiles at once, some rows of them after the other, then some filters after the other. x, out channels-last."""
    a, size, C = filters.m + 2, filters.size, x.shape[3]
    N, (down, across) = len(x), grid
    v = scratch("all tiles", (a, a, N, down, across, C), x.dtype)
    share_out(lambda rows: _transform_tiles(x, filters.m, pad, rows.start, v[:, :, :, rows]), pieces(down, work), work,
              MEETINGS)
    v = v.reshape(a, a, -1, C)

    step = max(1, SMALL_PRODUCT // (C * size))

    def multiply(i):
        products = scratch(ODD, (a, a, 1, v.shape[2], size), x.dtype)
        u = filters.block(i)
        for t in range(0, v.shape[2], step):
            np.matmul(v[:, :, t:t + step], u, out=products[:, :, 0, t:t + step])
        some = slice(i * size, (i + 1) * size)
        _transform_back(products, None if bias is None else bias[some], 0, grid, out[..., some])

    share_out(multiply, range(out.shape[3] // size), work, MEETINGS)


def _transform_tiles(x, m, pad, first, v):
    """Fill v, (m + 2, m + 2, N, rows of tiles, across, C), with B^T d B of the rows of tiles from the `first` on.

    First along the columns of each tile, where the rows of pixels are long runs of memory.
    """
    a, _, N, down, across, C = v.shape
    BT = TILES[m].BT.astype(x.dtype)
    padded = _padded_rows(x, m * first - pad, m * down + 2, pad, m * across + 2)  # (N, rows, columns, C)
    columns = padded.shape[2]
    sn, sy, sx, sc = padded.strides
    rows_of_tiles = as_strided(padded, (N, down, a, columns * C), (sn, m * sy, sy, sc))
    half = np.matmul(BT, rows_of_tiles, out=scratch(EVEN, rows_of_tiles.shape, x.dtype))
    sn, st, si, sc = half.strides
    gathered = scratch(ODD, v.shape, x.dtype)  # column of the tile, row, image, tile, channel
    gathered[...] = as_strided(half, v.shape, (C * sc, si, sn, st, m * C * sc, sc))
    if v.flags.c_contiguous:
        np.matmul(BT, gathered.reshape(a, -1), out=v.reshape(a, -1))
    else:
        v[...] = np.matmul(BT, gathered.reshape(a, -1), out=scratch(EVEN, (a, v.size // a), x.dtype)).reshape(v.shape)


def _transform_back(products, bias, first, grid, out):
    """Fill what the tiles of the rows from `first` on give of `out`, (N, OH, OW, F), by A^T M A of the products,
    (m + 2, m + 2, blocks, tiles, filters in a block); grid : (rows of tiles, across)."""
    a, _, blocks, _, size = products.shape
    m, (down, across), (N, _, OW, F) = a - 2, grid, out.shape
    AT = TILES[m].AT.astype(products.dtype)
    half = np.matmul(AT, products.reshape(a, -1), out=scratch(EVEN, (m, products.size // a), products.dtype))
    y = np.matmul(AT, half.reshape(m, a, -1), out=scratch(ODD, (m, m, products.size // a**2), products.dtype))
    y = y.reshape(m, m, blocks, N, down, across, size).transpose(3, 4, 1, 5, 0, 2, 6)
    if bias is not None:
        bias = bias.reshape(blocks, size)
    band = out[:, m * first:m * (first + down)]
    if band.shape[1] == m * down and OW == m * across:
        _add(y, bias, as_strided(band, y.shape, _strides_of_tiles(band, m, size)))
    else:  # the last tiles hang over the edge
        whole = scratch(EVEN, (N, m * down, m * across, F), out.dtype)
        _add(y, bias, whole.reshape(y.shape))
        band[...] = whole[:, :band.shape[1], :OW]


def _strides_of_tiles(band, m, size):
    """Of (N, H, W, F) seen as (N, H / m, m, W / m, m, F / size, size)."""
    sn, sy, sx, sf = band.strides
    return sn, m * sy, sy, m * sx, sx, size * sf, sf


def _add(y, bias, out):
    if bias is None:
        out[...] = y
    else:
        np.add(y, bias, out=out)


def _padded_rows(x, top, rows, pad, columns):
    """`rows` rows from `top` on, and `columns` columns, of the padded images."""
    N, H, W, C = x.shape
    padded = scratch(ODD, (N, rows, columns, C), x.dtype)
    begin = min(rows, max(0, -top))
    end = max(begin, min(rows, H - top))  # none of x where all of them are padding
    right = min(pad + W, columns)
    padded[:, :begin] = 0
    padded[:, end:] = 0
    padded[:, begin:end, :pad] = 0
    padded[:, begin:end, right:] = 0
    padded[:, begin:end, pad:right] = x[:, top + begin:top + end, :right - pad]
    return padded
