"""Convolutions from or into a few channels, such as the three of an image; on NumPy only.

Patches of three channels are short runs of memory, and a matrix with three columns keeps no core busy. Here the rows
of the matrices are planes: the values that one weight of the filter multiplies, over a whole band of the image.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minicnn.backend import Array
from minicnn.fast.memory import channels_last, empty, scratch
from minicnn.fast.threads import share_out

FEW = 4       # channels
BAND = 2**17  # values of planes, or of outputs, at a time
ROWS = 32     # rows of the image at a time, where each band also needs some rows of its neighbours


def convolve_few_channels(x: Array, w: Array, bias: Array | None, stride: int, pad: int) -> Array:
    """Convolve a few channels: im2col with a plane for each weight, (C KH KW, pixels)ᵀ @ (C KH KW, F)."""
    F, C, KH, KW = w.shape
    N, _, H, W = x.shape
    OH, OW = (H + 2 * pad - KH) // stride + 1, (W + 2 * pad - KW) // stride + 1
    matrix = w.reshape(F, -1).T
    padded = np.zeros((N, C, H + 2 * pad, W + 2 * pad), x.dtype)
    padded[:, :, pad:pad + H, pad:pad + W] = x
    out = channels_last(np, (N, F, OH, OW), np.result_type(x, w))
    rows = max(1, BAND // (OW * max(F, C * KH * KW)))

    def convolve(band: tuple[int, int]) -> None:
        n, y = band
        target = out[n, :, y:y + rows].transpose(1, 2, 0)  # (rows, OW, F)
        sc, sy, sx = padded.strides[1:]
        planes = scratch("planes", (C, KH, KW, *target.shape[:2]), x.dtype)
        planes[...] = as_strided(padded[n, :, y * stride:], planes.shape, (sc, sy, sx, stride * sy, stride * sx))
        np.matmul(planes.reshape(C * KH * KW, -1).T, matrix, out=target.reshape(-1, F))
        if bias is not None:
            target += bias

    share_out(convolve, [(n, y) for n in range(N) for y in range(0, OH, rows)])
    return out


def convolve_into_few_channels(x: Array, w: Array, bias: Array | None, pad: int) -> Array:
    """Convolve into a few channels at stride 1: a plane w[f, c, i, j] x, summed over c, for each weight, shifted and
    added."""
    F, C, KH, KW = w.shape
    N, _, H, W = x.shape
    OH, OW = H + 2 * pad - KH + 1, W + 2 * pad - KW + 1
    x = x.transpose(0, 2, 3, 1)
    matrix = np.ascontiguousarray(w.transpose(0, 2, 3, 1).reshape(F * KH * KW, C))
    out = empty((N, F, OH, OW), np.result_type(x, w))

    def convolve(band: tuple[int, int]) -> None:
        n, y = band
        target = out[n, :, y:y + ROWS]
        target[...] = 0 if bias is None else bias[:, None, None]
        end = y + target.shape[1]
        top, bottom = max(0, y - pad), min(H, end - pad + KH - 1)  # the rows of x that these outputs depend on
        if top >= bottom:
            return  # they depend on padding alone
        planes = planes_of(matrix, x[n, top:bottom], out.dtype).reshape(F, KH, KW, bottom - top, W)
        for i in range(KH):
            for j in range(KW):
                # output row r, column q takes x[r - pad + i, q - pad + j]
                first, last = max(y, top + pad - i), min(end, bottom + pad - i)
                left, right = max(0, pad - j), min(OW, W + pad - j)
                if first < last and left < right:
                    target[:, first - y:last - y, left:right] += planes[
                        :, i, j, first - pad + i - top:last - pad + i - top, left - pad + j:right - pad + j]

    share_out(convolve, [(n, y) for n in range(N) for y in range(0, OH, ROWS)])
    return out


def spread_to_few_channels(dout: Array, w: Array, size: tuple[int, int], stride: int, pad: int) -> Array:
    """Return the gradient to a few channels: a plane w[f, c, i, j] dout, summed over f, for each weight, added to the
    pixels that this weight multiplied."""
    F, C, KH, KW = w.shape
    N, _, OH, OW = dout.shape
    H, W = size
    dout = dout.transpose(0, 2, 3, 1)
    matrix = np.ascontiguousarray(w.transpose(1, 2, 3, 0).reshape(C * KH * KW, F))
    dx = empty((N, C, H, W), np.result_type(dout, w))
    rows = ROWS * stride

    def spread(band: tuple[int, int]) -> None:
        n, y = band
        target = dx[n, :, y:y + rows]
        target[...] = 0
        end = y + target.shape[1]
        top, bottom = first_at(y + pad - KH + 1, stride), min(OH, (end - 1 + pad) // stride + 1)  # of dout
        if top >= bottom:
            return  # no window covers these rows
        planes = planes_of(matrix, dout[n, top:bottom], dx.dtype).reshape(C, KH, KW, bottom - top, OW)
        for i in range(KH):
            for j in range(KW):
                # dout row r, column q goes to row r stride + i - pad, column q stride + j - pad
                first, last = first_at(y + pad - i, stride), min(bottom, (end - 1 + pad - i) // stride + 1)
                left, right = first_at(pad - j, stride), min(OW, (W - 1 + pad - j) // stride + 1)
                if first < last and left < right:
                    place = target[:, first * stride + i - pad - y:, left * stride + j - pad:]
                    place[:, :(last - first - 1) * stride + 1:stride, :(right - left - 1) * stride + 1:stride] += \
                        planes[:, i, j, first - top:last - top, left:right]

    share_out(spread, [(n, y) for n in range(N) for y in range(0, H, rows)])
    return dx


def first_at(place: int, stride: int) -> int:
    """Return the number of the first window, counted from 0, that does not start before `place`."""
    return max(0, -(-place // stride))


def planes_of(matrix: Array, band: Array, dtype: np.dtype) -> Array:
    """Return the matrix (planes, C) times each pixel of the band (rows, W, C): (planes, rows W)."""
    pixels = band.reshape(-1, band.shape[2])
    return np.matmul(matrix, pixels.T, out=scratch("planes", (len(matrix), len(pixels)), dtype))
