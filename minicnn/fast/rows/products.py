"""A band of the other convolutions: a product of each pixel, or of each patch."""

import numpy as np

from minicnn.backend import Array
from minicnn.fast.im2col import CHUNK
from minicnn.fast.rows.tape import Bordered, Tape, flat, strided
from minicnn.fast.winograd import SMALL_PRODUCT, small_slices

FEW_PIXELS = 64  # with fewer pixels in a product, the calls take more time than the copies


def multiply(tape: Tape, pixels: Array, matrix: Array, out: Array) -> None:
    """Write down the product of pixels (count, C) and a matrix (C, F), in pieces for which OpenBLAS copies nothing."""
    if matrix.size * FEW_PIXELS > SMALL_PRODUCT or not matrix.flags.c_contiguous:  # it reads another order slowly
        tape.do(np.matmul, pixels, matrix, out)
        return
    for some in small_slices(len(pixels), matrix.size):
        tape.do(np.matmul, pixels[some], matrix, out[some])


def mix(tape: Tape, rows: Array, matrix: Array, out: Array, more: Array | None) -> None:
    """Write down the product of each pixel, rows (rows, W, C), with the matrix (C, F), into `out`, (rows, W, F).

    more : added to the result: one row (W, F) or all; or None.
    """
    pixels, target = flat(rows), flat(out)
    with tape.frame():
        if pixels is not None and target is not None and (more is None or more.ndim == 2):
            multiply(tape, pixels, matrix, target)
            if more is not None:
                tape.do(np.add, out, more, out)
        elif more is None and pixels is None:
            tape.do(np.matmul, rows, matrix, out)
        elif pixels is not None:
            product = tape.scratch((len(pixels), matrix.shape[1]))
            multiply(tape, pixels, matrix, product)
            tape.copy_or_add(product.reshape(out.shape), more, out)
        else:
            product = tape.scratch(out.shape)
            tape.do(np.matmul, rows, matrix, product)
            tape.copy_or_add(product, more, out)


def convolve(tape: Tape, source: Bordered, pad: int, matrix: Array, size: int, first: int, out: Array,
             more: Array | None) -> None:
    """Write down a convolution of stride 1 by im2col into `out`, (rows, OW, F), its rows from the `first` on.

    matrix : the filters, (size size C, F).
    """
    rows, OW, F = out.shape
    begin = source.whole[source.top - pad + first:, source.left - pad:]
    sy, sx, sc = begin.strides
    C = source.whole.shape[2]
    with tape.frame():
        patches = tape.scratch((rows, OW, size, size * C))
        tape.copy(strided(begin, patches.shape, (sy, sx, sy, sc)), patches)
        pixels, target = patches.reshape(-1, size * size * C), flat(out)
        alone = target is None or more is out
        total = tape.scratch((rows * OW, F)) if alone or target is None else target
        multiply_in_chunks(tape, pixels, matrix, total)
        if alone:
            tape.copy_or_add(total.reshape(out.shape), more, out)
        elif more is not None:
            tape.do(np.add, out, more, out)


def multiply_in_chunks(tape: Tape, pixels: Array, matrix: Array, out: Array) -> None:
    """Write down the product as a sum of products with some rows of the matrix: less rounding error than in one sum."""
    tape.do(np.matmul, pixels[:, :CHUNK], matrix[:CHUNK], out)
    with tape.frame():
        product = tape.scratch(out.shape) if len(matrix) > CHUNK else out
        for start in range(CHUNK, len(matrix), CHUNK):
            tape.do(np.matmul, pixels[:, start:start + CHUNK], matrix[start:start + CHUNK], product)
            tape.do(np.add, out, product, out)


def mix_used(rows: Array, matrix: Array, out: Array) -> None:
    """Write the product of each pixel, rows (rows, W, C), with the matrix (C, F) into `out`, (rows, W, F), without the
    channels that are zero.

    Behind the score of one class, those are 999 of 1,000 channels. The search costs 1 / F of the product.
    """
    pixels, target = rows.reshape(-1, rows.shape[2]), flat(out)
    used = np.asarray(pixels.any(axis=0))
    if 2 * np.count_nonzero(used) < used.size:
        pixels, matrix = pixels[:, used], matrix[used]
    if target is None:
        out[...] = (pixels @ matrix).reshape(out.shape)
    else:
        np.matmul(pixels, matrix, out=target)
