"""3x3 convolution of stride 1 with fewer multiplications: Winograd's minimal filtering (Lavin and Gray 2015,
arXiv:1509.09308).

In one dimension, m neighbouring outputs y of a filter g with three weights depend on m + 2 inputs d. Computed one by
one they take 3 m multiplications. The outputs are coefficients of a product of two polynomials (with g and y read
backwards: transposition turns one problem into the other), and a product of polynomials is determined by its values
at enough points: evaluate both, multiply the values, interpolate. With m + 2 points that is

    y = Aᵀ [(G g) * (Bᵀ d)]                                               m + 2 multiplications

where Bᵀ d and G g evaluate, G also holds the denominators, and Aᵀ interpolates. The points 0, 1, -1 and infinity give
F(2, 3); with 2 and -2 in addition, F(4, 3). In two dimensions both sides are transformed along rows and columns:
(m + 2)² multiplications instead of 9 m², for m = 4 four times fewer. In a convolution over C channels with F filters
the sum over channels moves inside the brackets. So each of the (m + 2)² points of a tile becomes one matrix product,
(tiles, C) @ (C, F).

The price is precision: Bᵀ and Aᵀ have entries up to 8, and the sums cancel, so F(4, 3) loses about 1.5 decimals.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minicnn.backend import Array
from minicnn.fast.memory import empty, scratch
from minicnn.fast.threads import pieces, share_out
from minicnn.fast.winograd_weights import EVEN, ODD, TILES, TRANSFORM, Filters

# Values of transformed input, or output, at a time: 1 MB of float32 stays in a core's cache.
BAND = 2**18

# With at most this many tiles, the weights fill the caches, not the images.
FEW_TILES = 100

# A band is a dozen short steps. After each one, the threads compete for the interpreter's lock.
MEETINGS = 3

# From these multiply-adds on, OpenBLAS copies the operands of a product.
SMALL_PRODUCT = 10**6


def winograd_convolution(x: Array, filters: Filters, bias: Array | None, pad: int) -> Array:
    """Return the convolution of x, (N, C, H, W), with the Filters: (N, F, OH, OW), channels-last in memory."""
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

    def convolve(band: tuple[int, int, int]) -> None:
        n, first, last = band
        rows = last - first
        v = scratch(EVEN, (a, a, min(images, N - n), rows, across, C), x.dtype)
        _transform_tiles(x[n:n + images], m, pad, first, v)
        tiles = v.reshape(a, a, 1, -1, C)
        products = scratch(ODD, (a, a, u.shape[2], tiles.shape[3], filters.size), x.dtype)
        for some in small_slices(tiles.shape[3], C * filters.size):
            np.matmul(tiles[:, :, :, some], u, out=products[:, :, :, some])
        _transform_back(products, bias, first, (rows, across), out[n:n + images])

    share_out(convolve, [(n, down * i // number, down * (i + 1) // number)
                         for n in range(0, N, images) for i in range(number)], work, MEETINGS)
    return out.transpose(0, 3, 1, 2)


def _convolve_by_blocks(x: Array, filters: Filters, bias: Array | None, pad: int, out: Array, grid: tuple[int, int],
                        work: int) -> None:
    """Transform all tiles first, then multiply them with one block of filters after another. x, out : channels-last."""
    a, size, C = filters.m + 2, filters.size, x.shape[3]
    N, (down, across) = len(x), grid
    v = scratch("all tiles", (a, a, N, down, across, C), x.dtype)

    def transform(rows: slice) -> None:
        _transform_tiles(x, filters.m, pad, rows.start, v[:, :, :, rows])

    share_out(transform, pieces(down, work), work, MEETINGS)
    tiles = v.reshape(a, a, -1, C)
    some_tiles = small_slices(tiles.shape[2], C * size)

    def multiply(i: int) -> None:
        products = scratch(ODD, (a, a, 1, tiles.shape[2], size), x.dtype)
        u = filters.block(i)
        for part in some_tiles:
            np.matmul(tiles[:, :, part], u, out=products[:, :, 0, part])
        some = slice(i * size, (i + 1) * size)
        _transform_back(products, None if bias is None else bias[some], 0, grid, out[..., some])

    share_out(multiply, range(out.shape[3] // size), work, MEETINGS)


def small_slices(count: int, work: int) -> list[slice]:
    """Return slices of the `count` columns, or rows, of a product, `work` multiply-adds each, for which OpenBLAS copies
    nothing."""
    some = -(-count // -(-count * work // SMALL_PRODUCT))
    return [slice(start, start + some) for start in range(0, count, some)]


def _transform(matrix: Array, values: Array, out: Array) -> Array:
    """Write the product of a small matrix and values (…, rows, columns) into `out`, and return it."""
    for some in small_slices(values.shape[-1], matrix.size):
        np.matmul(matrix, values[..., some], out=out[..., some])
    return out


def _transform_tiles(x: Array, m: int, pad: int, first: int, v: Array) -> None:
    """Write Bᵀ d B of the rows of tiles from the `first` on into v, (m + 2, m + 2, N, rows of tiles, across, C).

    The columns of each tile are transformed first, as rows of pixels are long runs of memory.
    """
    a, _, N, down, across, C = v.shape
    BT = TILES[m].BT.astype(x.dtype)
    padded = _padded_rows(x, m * first - pad, m * down + 2, pad, m * across + 2)  # (N, rows, columns, C)
    columns = padded.shape[2]
    sn, sy, sx, sc = padded.strides
    rows_of_tiles = as_strided(padded, (N, down, a, columns * C), (sn, m * sy, sy, sc))
    half = _transform(BT, rows_of_tiles, scratch(EVEN, rows_of_tiles.shape, x.dtype))
    sn, st, si, sc = half.strides
    gathered = scratch(ODD, v.shape, x.dtype)  # column of the tile, row, image, tile, channel
    gathered[...] = as_strided(half, v.shape, (C * sc, si, sn, st, m * C * sc, sc))
    if v.flags.c_contiguous:
        _transform(BT, gathered.reshape(a, -1), v.reshape(a, -1))
    else:
        v[...] = _transform(BT, gathered.reshape(a, -1), scratch(EVEN, (a, v.size // a), x.dtype)).reshape(v.shape)


def _transform_back(products: Array, bias: Array | None, first: int, grid: tuple[int, int], out: Array) -> None:
    """Write Aᵀ M A of the products into the rows of `out`, (N, OH, OW, F), that begin with the `first` row of tiles.

    products : M, (m + 2, m + 2, blocks, tiles, filters in a block). grid : (rows of tiles, tiles in a row).
    """
    a, _, blocks, _, size = products.shape
    m, (down, across), (N, _, OW, F) = a - 2, grid, out.shape
    AT = TILES[m].AT.astype(products.dtype)
    half = _transform(AT, products.reshape(a, -1), scratch(EVEN, (m, products.size // a), products.dtype))
    y = _transform(AT, half.reshape(m, a, -1), scratch(ODD, (m, m, products.size // a**2), products.dtype))
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


def _strides_of_tiles(band: Array, m: int, size: int) -> tuple[int, ...]:
    """Return the strides of (N, H, W, F) seen as (N, H / m, m, W / m, m, F / size, size)."""
    sn, sy, sx, sf = band.strides
    return sn, m * sy, sy, m * sx, sx, size * sf, sf


def _add(y: Array, bias: Array | None, out: Array) -> None:
    if bias is None:
        out[...] = y
    else:
        np.add(y, bias, out=out)


def _padded_rows(x: Array, top: int, rows: int, pad: int, columns: int) -> Array:
    """Return `rows` rows of the padded images from `top` on, and their first `columns` columns."""
    N, H, W, C = x.shape
    padded = scratch(ODD, (N, rows, columns, C), x.dtype)
    begin = min(rows, max(0, -top))
    end = max(begin, min(rows, H - top))  # no row of x if all are padding
    right = min(pad + W, columns)
    padded[:, :begin] = 0
    padded[:, end:] = 0
    padded[:, begin:end, :pad] = 0
    padded[:, begin:end, right:] = 0
    padded[:, begin:end, pad:right] = x[:, top + begin:top + end, :right - pad]
    return padded
