"""A band of a 3x3 convolution by Winograd's minimal filtering; minicnn/fast/winograd.py explains the arithmetic."""

import math
from functools import partial

import numpy as np

from minicnn.backend import Array
from minicnn.fast.rows.bands import TRANSFORMED
from minicnn.fast.rows.tape import Bordered, Tape, part_of, strided
from minicnn.fast.rows.weights import Weights
from minicnn.fast.winograd import small_slices
from minicnn.fast.winograd_weights import TILES


def borders(size: tuple[int, int], pad: int, m: int) -> tuple[int, int, int, int]:
    """Return the rows and columns of zeros (top, bottom, left, right) around a map (H, W) that tiles may reach."""
    W = size[1]
    tiles = -(-(W + 2 * pad - 2) // m)
    return pad, pad + m - 1, pad, m * tiles + 2 - pad - W


def convolve(tape: Tape, source: Bordered, pad: int, u: Array, first: int, out: Array, more: Array | None) -> None:
    """Write down the convolution of the source's map into `out`, (rows, OW, F), its rows from the `first` on.

    u : transformed filters, (m + 2, m + 2, blocks, C, filters in a block). more : added to the result, or None.
    """
    a, _, blocks, C, size = u.shape
    v_shape, half_size, products_size, back_size = sizes(a, out.shape, C, blocks * size)
    with tape.frame():
        # the steps use two pieces of memory alternately, so that both stay in the cache
        even = tape.scratch((max(half_size, math.prod(v_shape), back_size),))
        odd = tape.scratch((max(math.prod(v_shape), products_size),))
        v = part_of(even, v_shape)
        transform_tiles(tape, source, pad, first, even, odd, v)
        multiply(tape, v, u, even, odd, out, more)


def convolve_by_blocks(tape: Tape, source: Bordered, pad: int, weights: Weights, blocks: range, out: Array,
                       more: Array | None) -> None:
    """Write down some blocks of filters of the convolution of a whole map: `out` has the channels of these blocks.

    Filters that are not kept are transformed just before they are used, while they are in the cache.
    """
    a, size, C = weights.m + 2, weights.block, weights.shape[3]
    v_shape, half_size, products_size, back_size = sizes(a, out.shape, C, size)
    with tape.frame():
        v = tape.scratch(v_shape)
        down = v_shape[2]
        fitting = max(1, TRANSFORMED * down // math.prod(v_shape))  # rows of tiles
        with tape.frame():
            even, odd = (tape.scratch((-(-values * fitting // down),))
                         for values in (max(half_size, math.prod(v_shape)), math.prod(v_shape)))
            for row in range(0, down, fitting):
                transform_tiles(tape, source, pad, row * (a - 2), even, odd, v[:, :, row:row + fitting])
        even, odd = tape.scratch((back_size,)), tape.scratch((products_size,))
        own = None if weights.kept else tape.scratch((a, a, 1, C, size))
        for i in blocks:
            if own is not None:
                tape.calls.append(partial(weights.transform_blocks, own, range(i, i + 1)))
            u = weights.array[:, :, i:i + 1] if own is None else own
            some = slice((i - blocks.start) * size, (i - blocks.start + 1) * size)
            multiply(tape, v, u, even, odd, out[..., some], more if more is None else more[..., some])


def sizes(a: int, out_shape: tuple[int, ...], C: int, F: int) -> tuple[tuple[int, ...], int, int, int]:
    """Return the shape of the transformed tiles, and the sizes of half a transform there, of the products, and of half
    a transform back."""
    rows, OW, _ = out_shape
    m = a - 2
    down, across = -(-rows // m), -(-OW // m)
    count = down * across
    return (a, a, down, across, C), down * a * (m * across + 2) * C, a * a * count * F, m * a * count * F


def transform_tiles(tape: Tape, source: Bordered, pad: int, first: int, even: Array, odd: Array, v: Array) -> None:
    """Write down v = Bᵀ d B, (m + 2, m + 2, rows, columns, C), of the tiles whose output begins at a row.

    The rows of each tile are transformed first, as rows of pixels are long runs of memory.
    """
    a, _, down, across, C = v.shape
    m = a - 2
    BT = TILES[m].BT.astype(np.float32)
    begin = source.whole[source.top - pad + first:, source.left - pad:]
    sy, sx, sc = begin.strides
    tiles = strided(begin, (down, a, (m * across + 2) * C), (m * sy, sy, sc))
    half = part_of(even, tiles.shape)
    transform(tape, BT, tiles, half)
    st, si, sc = half.strides
    gathered = part_of(odd, v.shape)  # column of the tile, row, tile, channel
    tape.copy(strided(half, gathered.shape, (C * sc, si, st, m * C * sc, sc)), gathered)
    found = v if v.flags.c_contiguous else part_of(even, v.shape)
    transform(tape, BT, gathered.reshape(a, -1), found.reshape(a, -1))
    if found is not v:
        tape.copy(found, v)


def transform(tape: Tape, matrix: Array, values: Array, out: Array) -> None:
    """Write down the product of a small matrix and values (…, rows, columns)."""
    for some in small_slices(values.shape[-1], matrix.size):
        tape.do(np.matmul, matrix, values[..., some], out[..., some])


def multiply(tape: Tape, v: Array, u: Array, even: Array, odd: Array, out: Array, more: Array | None) -> None:
    """Write down the product of transformed tiles and filters, and Aᵀ M A of it, into `out`, (rows, OW, F)."""
    a, _, down, across, C = v.shape
    m, blocks, size, count = a - 2, u.shape[2], u.shape[4], down * across
    AT = TILES[m].AT.astype(np.float32)
    tiles = v.reshape(a, a, 1, count, C)
    products = part_of(odd, (a, a, blocks, count, size))
    for some in small_slices(count, C * size):
        tape.do(np.matmul, tiles[:, :, :, some], u, products[:, :, :, some])
    half = part_of(even, (m, products.size // a))
    transform(tape, AT, products.reshape(a, -1), half)
    y = part_of(odd, (m, m, products.size // a**2))
    transform(tape, AT, half.reshape(m, a, -1), y)
    place_tiles(tape, y.reshape(m, m, blocks, down, across, size).transpose(3, 1, 4, 0, 2, 5), out, more)


def place_tiles(tape: Tape, y: Array, out: Array, more: Array | None) -> None:
    """Write down the copy of tiles y, (down, m, across, m, blocks, size), into `out`, (rows, OW, F)."""
    _, m, _, _, blocks, size = y.shape
    rows, OW, _ = out.shape
    for y_rows, out_rows in cut(rows, m):
        for y_columns, out_columns in cut(OW, m):
            part = y[y_rows[0], y_rows[1], y_columns[0], y_columns[1]]
            target = tiled(out[out_rows, out_columns], part.shape)
            if more is None:
                tape.copy(part, target)
            elif more.ndim == 1:
                tape.do(np.add, part, more.reshape(blocks, size), target)
            else:
                tape.do(np.add, part, tiled(more[out_rows, out_columns], part.shape), target)


def cut(length: int, m: int) -> list[tuple[tuple[slice, slice], slice]]:
    """Return [((tiles, places inside them), pixels)] of the whole tiles along a side, and of the last that hangs over.
    """
    whole, rest = divmod(length, m)
    parts = []
    if whole:
        parts.append(((slice(0, whole), slice(0, m)), slice(0, whole * m)))
    if rest:
        parts.append(((slice(whole, whole + 1), slice(0, rest)), slice(whole * m, length)))
    return parts


def tiled(pixels: Array, shape: tuple[int, ...]) -> Array:
    """Return pixels (rows, columns, F) as (tiles, m, tiles, m, blocks, size), without a copy."""
    _, m_rows, _, m_columns, _, size = shape
    sy, sx, sc = pixels.strides
    return strided(pixels, shape, (m_rows * sy, sy, m_columns * sx, sx, size * sc, sc))
