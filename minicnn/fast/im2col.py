"""Convolution by im2col, a band of rows at a time, so that the patches stay in the cache and bound the memory.

The definition (minicnn/layers/conv.py) makes the patches of a whole image at once. On a GPU the bands are large, as it
wants few, large products.
"""

from collections.abc import Iterator
from itertools import product
from types import ModuleType

from minicnn.backend import Array, get_array_module

BAND = {"numpy": 2**18, "cupy": 2**26}  # values of the patch matrix at a time; 1 MB of float32 stays in a core's cache
CHUNK = 192  # length of a dot product: a float32 sum of a few such sums has less rounding error than one long sum


def convolve(x: Array, w: Array, bias: Array | None, stride: int, pad: int, groups: int = 1) -> Array:
    """Return the convolution of x, (N, C, H, W), with the filters w, (F, C / groups, KH, KW): (N, F, OH, OW)."""
    xp = get_array_module(x)
    F, C, KH, KW = w.shape
    windows = windows_of(xp, x, w.shape, stride, pad)  # (N, OH, OW, KH, KW, groups C)
    N, OH, OW = windows.shape[:3]
    out = xp.empty((N, OH, OW, F), xp.result_type(x, w))
    for g in range(groups):
        filters = slice(g * F // groups, (g + 1) * F // groups)
        w_columns = w[filters].transpose(2, 3, 1, 0).reshape(KH * KW * C, -1)
        for some, rows in bands(xp, (N, OH, OW), KH * KW * C):
            band = windows[some, rows, ..., g * C:(g + 1) * C]
            patches = band.reshape(-1, KH * KW * C)
            sums = patches[:, :CHUNK] @ w_columns[:CHUNK]
            for start in range(CHUNK, KH * KW * C, CHUNK):
                sums += patches[:, start:start + CHUNK] @ w_columns[start:start + CHUNK]
            out[some, rows, :, filters] = sums.reshape(*band.shape[:3], -1)
    if bias is not None:
        out += bias
    return out.transpose(0, 3, 1, 2)


def gradient_to_input(dout: Array, w: Array, size: tuple[int, int], stride: int, pad: int, groups: int = 1) -> Array:
    """Return the gradient to x, (N, C, H, W), from the gradient to the output; size : (H, W)."""
    xp = get_array_module(dout)
    F, C, KH, KW = w.shape
    N, _, OH, OW = dout.shape
    H, W = size
    dout = dout.transpose(0, 2, 3, 1)  # (N, OH, OW, F)
    dpadded = xp.zeros((N, H + 2 * pad, W + 2 * pad, groups * C), xp.result_type(dout, w))
    for g in range(groups):
        filters = slice(g * F // groups, (g + 1) * F // groups)
        w_rows = w[filters].transpose(0, 2, 3, 1).reshape(-1, KH * KW * C)
        for some, rows in bands(xp, (N, OH, OW), KH * KW * C):
            band = dout[some, rows, :, filters]
            dwindows = (band.reshape(-1, band.shape[3]) @ w_rows).reshape(*band.shape[:3], KH, KW, C)
            for i, j in product(range(KH), range(KW)):
                top = rows.start * stride + i
                bottom = top + (band.shape[1] - 1) * stride + 1
                right = (OW - 1) * stride + j + 1
                dpadded[some, top:bottom:stride, j:right:stride, g * C:(g + 1) * C] += dwindows[:, :, :, i, j]
    return dpadded[:, pad:pad + H, pad:pad + W].transpose(0, 3, 1, 2)


def gradient_to_weights(dout: Array, x: Array, w_shape: tuple[int, ...], stride: int, pad: int,
                        groups: int = 1) -> Array:
    """Return the gradient to the filters, of shape `w_shape`, (F, C / groups, KH, KW)."""
    xp = get_array_module(dout)
    F, C, KH, KW = w_shape
    N, _, OH, OW = dout.shape
    windows = windows_of(xp, x, w_shape, stride, pad)  # (N, OH, OW, KH, KW, groups C)
    dout = dout.transpose(0, 2, 3, 1)  # (N, OH, OW, F)
    dw = xp.zeros((F, KH * KW * C), xp.result_type(dout, x))
    for g in range(groups):
        filters = slice(g * F // groups, (g + 1) * F // groups)
        for some, rows in bands(xp, (N, OH, OW), KH * KW * C, 8):  # longer bands: each one adds to all of dw
            dband = dout[some, rows, :, filters]
            band = windows[some, rows, ..., g * C:(g + 1) * C]
            dw[filters] += dband.reshape(-1, dband.shape[3]).T @ band.reshape(-1, KH * KW * C)
    return dw.reshape(F, KH, KW, C).transpose(0, 3, 1, 2)


def bands(xp: ModuleType, shape: tuple[int, int, int], patch: int, factor: int = 1) -> Iterator[tuple[slice, slice]]:
    """Yield (images, rows) of bands of an output (N, OH, OW) whose patches, `patch` values each, fit into the cache."""
    N, OH, OW = shape
    rows = max(1, factor * BAND[xp.__name__] // max(1, OW * patch))  # as many rows as fit,
    images = max(1, rows // OH)                                      # or as many whole images
    for n, y in product(range(0, N, images), range(0, OH, rows)):
        yield slice(n, n + images), slice(y, y + rows)


def windows_of(xp: ModuleType, x: Array, w_shape: tuple[int, ...], stride: int, pad: int) -> Array:
    """Return each patch under the filter, a view of shape (N, OH, OW, KH, KW, channels) of channels-last memory."""
    N, C, H, W = x.shape
    _, _, KH, KW = w_shape
    OH, OW = (H + 2 * pad - KH) // stride + 1, (W + 2 * pad - KW) // stride + 1
    if pad:
        image = xp.zeros((N, H + 2 * pad, W + 2 * pad, C), x.dtype)
        image[:, pad:pad + H, pad:pad + W] = x.transpose(0, 2, 3, 1)
    else:
        image = xp.ascontiguousarray(x.transpose(0, 2, 3, 1))
    sn, sy, sx, sc = image.strides
    return xp.lib.stride_tricks.as_strided(
        image, (N, OH, OW, KH, KW, C), (sn, stride * sy, stride * sx, sy, sx, sc))
