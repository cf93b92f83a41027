"""A band of a 3x3 convolution by Winograd's minimal filtering; minicnn/fast/winograd.py explains the arithmetic."""

from functools import partial

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minicnn.backend import Array
from minicnn.fast.rows.tape import Bordered, Tape
from minicnn.fast.rows.weights import Weights
from minicnn.fast.winograd_weights import TILES

# The steps of the transforms use two pieces of scratch memory by turns, so that both stay in the cache.
ODD, EVEN = "odd", "even"

SMALL_PRODUCT = 10**6  # multiply-adds, from which on OpenBLAS copies the operands of a product


def borders(size: tuple[int, int], pad: int, m: int) -> tuple[int, int, int, int]:
    """Return the rows and columns of zeros (top, bottom, left, right) around a map (H, W) that tiles may reach."""
    W = size[1]
    tiles = -(-(W + 2 * pad - 2) // m)
    return pad, pad + m - 1, pad, m * tiles + 2 - pad - W


def convolve(tape: Tape, source: Bordered, pad: int, u: Array, first: int, out: Array, more: Array | None) -> None:
    """Write down the convolution of the source's map into `out`, (rows, OW, F), its rows from the `first` on.

    u : transformed filters, (m + 2, m + 2, blocks, C, filters in a block). more : added to the result, or None.
    """
    v = transform_tiles(tape, source, pad, u.shape[0] - 2, first, out.shape[:2], EVEN)
    multiply(tape, v, u, out, more)


def convolve_by_blocks(tape: Tape, source: Bordered, pad: int, weights: Weights, blocks: range, out: Array,
                       more: Array | None) -> None:
    """Write down some blocks of filters of the convolution of a whole map: `out` has the channels of these blocks.

    Filters that are not kept are transformed just before they are used, while they are in the cache.
    """
    v = transform_tiles(tape, source, pad, weights.m, 0, out.shape[:2], "tiles")
    a, size, (_, _, _, _, C) = weights.m + 2, weights.block, v.shape
    for i in blocks:
        if weights.kept:
            u = weights.array[:, :, i:i + 1]
        else:
            u = tape.scratch("block of filters", (a, a, 1, C, size))
            tape.calls.append(partial(weights.transform_blocks, u, range(i, i + 1)))
        some = slice((i - blocks.start) * size, (i - blocks.start + 1) * size)
        multiply(tape, v, u, out[..., some], more if more is None else more[..., some])


def transform_tiles(tape: Tape, source: Bordered, pad: int, m: int, first: int, size: tuple[int, ...],
                    name: str) -> Array:
    """Write down Bᵀ d B of all tiles of an output (rows, OW), and return it: (m + 2, m + 2, rows, columns, C)."""
    a, (rows, OW), C = m + 2, size, source.whole.shape[2]
    down, across = -(-rows // m), -(-OW // m)
    BT = TILES[m].BT.astype(np.float32)
    begin = source.whole[source.top - pad + first:, source.left - pad:]
    sy, sx, sc = begin.strides
    tiles = as_strided(begin, (down, a, (m * across + 2) * C), (m * sy, sy, sc))
    half = tape.scratch(EVEN, tiles.shape)
    tape.do(np.matmul, BT, tiles, half)
    st, si, sc = half.strides
    gathered = tape.scratch(ODD, (a, a, down, across, C))  # column of the tile, row, tile, channel
    tape.copy(as_strided(half, gathered.shape, (C * sc, si, st, m * C * sc, sc)), gathered)
    v = tape.scratch(name, gathered.shape)
    tape.do(np.matmul, BT, gathered.reshape(a, -1), v.reshape(a, -1))
    return v


def multiply(tape: Tape, v: Array, u: Array, out: Array, more: Array | None) -> None:
    """Write down the product of transformed tiles and filters, and Aᵀ M A of it, into `out`, (rows, OW, F)."""
    a, _, down, across, C = v.shape
    m, blocks, size, count = a - 2, u.shape[2], u.shape[4], down * across
    AT = TILES[m].AT.astype(np.float32)
    tiles = v.reshape(a, a, 1, count, C)
    products = tape.scratch(ODD, (a, a, blocks, count, size))
    some = max(1, SMALL_PRODUCT // (C * size))
    for t in range(0, count, some):
        tape.do(np.matmul, tiles[:, :, :, t:t + some], u, products[:, :, :, t:t + some])
    half = tape.scratch(EVEN, (m, products.size // a))
    tape.do(np.matmul, AT, products.reshape(a, -1), half)
    y = tape.scratch(ODD, (m, m, products.size // a**2))
    tape.do(np.matmul, AT, half.reshape(m, a, -1), y)
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
    return as_strided(pixels, shape, (m_rows * sy, sy, m_columns * sx, sx, size * sc, sc))
