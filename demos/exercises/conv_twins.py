"""Naive twins of a convolution, and wrong ones, which the exercises conv_naive and conv_im2col share."""

from typing import Any

import numpy as np

from ..shared.language import Translate
from .exercise import Case, Mistake
from .twins import Array, normal, slope


def size_of(x: Array, w: Array, stride: int, pad: int) -> tuple[int, int]:
    """Return (OH, OW), the size of the output."""
    return (x.shape[2] + 2 * pad - w.shape[2]) // stride + 1, (x.shape[3] + 2 * pad - w.shape[3]) // stride + 1


def padded(x: Array, pad: int) -> Array:
    """Return x with `pad` zeros around each map."""
    return np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))


def naive_forward(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    """Each output is the sum of a window times a filter, one output after another."""
    (OH, OW), (KH, KW), wide = size_of(x, w, stride, pad), w.shape[2:], padded(x, pad)
    out = np.zeros((len(x), len(w), OH, OW), x.dtype)
    for n, f, i, j in np.ndindex(out.shape):
        top, left = i * stride, j * stride
        out[n, f, i, j] = (wide[n, :, top:top + KH, left:left + KW] * w[f]).sum() + b[f]
    return out


def naive_backward(dout: Array, x: Array, w: Array, stride: int, pad: int) -> tuple[Array, Array, Array]:
    """Each output gives its window and its filter their gradient, one output after another."""
    (KH, KW), wide = w.shape[2:], padded(x, pad)
    dwide, dw, db = np.zeros_like(wide), np.zeros_like(w), np.zeros_like(w[:, 0, 0, 0])
    for n, f, i, j in np.ndindex(dout.shape):
        top, left = i * stride, j * stride
        dwide[n, :, top:top + KH, left:left + KW] += dout[n, f, i, j] * w[f]
        dw[f] += dout[n, f, i, j] * wide[n, :, top:top + KH, left:left + KW]
        db[f] += dout[n, f, i, j]
    return dwide[:, :, pad:pad + x.shape[2], pad:pad + x.shape[3]], dw, db


def numeric_backward(dout: Array, x: Array, w: Array, stride: int, pad: int) -> tuple[Array, Array, Array]:
    """Finite differences."""
    b = np.zeros_like(w[:, 0, 0, 0])
    return (slope(lambda changed: naive_forward(changed, w, b, stride, pad), x, dout),
            slope(lambda changed: naive_forward(x, changed, b, stride, pad), w, dout),
            slope(lambda changed: naive_forward(x, w, changed, stride, pad), b, dout))


def conv_cases(_: Translate) -> tuple[Case, ...]:
    """Return the cases of conv_forward and conv_backward: odd sizes, stride 1 and 2, with and without padding."""
    x, w, b = normal(40, 2, 3, 5, 6), normal(41, 4, 3, 3, 3), normal(42, 4)
    small, narrow = normal(43, 2, 2, 4, 5), normal(44, 3, 2, 3, 2)
    return (
        Case(_("against loops"), "conv_forward", (x, w, b, 1, 0), naive_forward),
        Case(_("padding 1"), "conv_forward", (x, w, b, 1, 1), naive_forward),
        Case(_("stride 2"), "conv_forward", (x, w, b, 2, 0), naive_forward),
        Case(_("stride 2, padding 1, filters of 3x2"), "conv_forward", (small, narrow, b[:3], 2, 1), naive_forward),
        Case(_("against loops"), "conv_backward", (normal(45, 2, 4, 3, 4), x, w, 1, 0), naive_backward),
        Case(_("padding 1"), "conv_backward", (normal(46, 2, 4, 5, 6), x, w, 1, 1), naive_backward),
        Case(_("stride 2"), "conv_backward", (normal(47, 2, 4, 2, 2), x, w, 2, 0), naive_backward),
        Case(_("stride 2, padding 1: finite differences"), "conv_backward",
             (normal(48, 2, 3, 2, 3), small, narrow, 2, 1), numeric_backward),
    )


def conv_mistakes(_: Translate) -> tuple[Mistake, ...]:
    """Return the known mistakes in conv_forward and conv_backward."""
    return (
        Mistake("conv_forward", _("The bias is missing in the forward pass."),
                lambda x, w, b, stride, pad: naive_forward(x, w, 0 * b, stride, pad)),
        Mistake("conv_forward", _("The stride is ignored: the window of output (i, j) begins at row i * stride and "
                                  "column j * stride."),
                lambda x, w, b, stride, pad: cut(naive_forward(x, w, b, 1, pad), size_of(x, w, stride, pad))),
        Mistake("conv_forward", _("The stride is ignored: your output has a position for every pixel. It has "
                                  "OH = (H + 2 pad - KH) // stride + 1 rows."),
                lambda x, w, b, stride, pad: naive_forward(x, w, b, 1, pad)),
        Mistake("conv_forward", _("The padding is ignored: add `pad` zeros around each map, for example by np.pad."),
                lambda x, w, b, stride, pad: naive_forward(x, w, b, stride, 0)),
        Mistake("conv_forward", _("The filters are turned around. The convolution of a network does not flip them: "
                                  "w[f, c, i, j] meets the pixel i rows down and j columns to the right."),
                lambda x, w, b, stride, pad: naive_forward(x, w[:, :, ::-1, ::-1], b, stride, pad)),
        Mistake("conv_forward", _("Each output is a mean over its window. A convolution is a sum."),
                lambda x, w, b, stride, pad: naive_forward(x, w / w[0].size, b, stride, pad)),
        Mistake("conv_backward", _("The padding is not undone: dx has the shape of the padded image. Cut off `pad` "
                                   "rows and columns on each side."),
                lambda *a: changed_backward(*a, dx=dwide_of(*a))),
        Mistake("conv_backward", _("The padding is cut off only at the end: cut `pad` rows and columns at the top and "
                                   "left, too."),
                lambda *a: changed_backward(*a, dx=cut(dwide_of(*a), a[1].shape[2:]))),
        Mistake("conv_backward", _("Windows overlap, and their gradients add up in dx: use += instead of =."),
                lambda *a: changed_backward(*a, dx=overwritten(*a))),
        Mistake("conv_backward", _("All filters add to dx, and windows overlap: use += instead of =."),
                lambda *a: changed_backward(*a, dx=overwritten_by_filter(*a))),
        Mistake("conv_backward", _("The stride is ignored in dx: the window of output (i, j) begins at i * stride."),
                lambda *a: changed_backward(*a, dx=without_stride(*a)[0])),
        Mistake("conv_backward", _("The filters are turned around in dx: the window of dx gets dout * w as it is."),
                lambda *a: changed_backward(*a, dx=naive_backward(a[0], a[1], a[2][:, :, ::-1, ::-1], *a[3:])[0])),
        Mistake("conv_backward", _("The upstream gradient is missing in dx: multiply the filter by dout."),
                lambda *a: changed_backward(*a, dx=naive_backward(np.ones_like(a[0]), *a[1:])[0])),
        Mistake("conv_backward", _("The upstream gradient is missing in dw: multiply the window by dout."),
                lambda *a: changed_backward(*a, dw=naive_backward(np.ones_like(a[0]), *a[1:])[1])),
        Mistake("conv_backward", _("The stride is ignored in dw: the window of output (i, j) begins at i * stride."),
                lambda *a: changed_backward(*a, dw=without_stride(*a)[1])),
        Mistake("conv_backward", _("dw holds only the last image: all images of the batch add to dw."),
                lambda *a: changed_backward(*a, dw=naive_backward(a[0][-1:], a[1][-1:], *a[2:])[1])),
        Mistake("conv_backward", _("dw is a mean over the images. The loss depends on all of them: it is a sum."),
                lambda *a: changed_backward(*a, dw=naive_backward(*a)[1] / len(a[0]))),
        Mistake("conv_backward", _("The bias gradient is missing: db is the sum of dout over images and positions."),
                lambda *a: changed_backward(*a, db=0 * a[2][:, 0, 0, 0])),
        Mistake("conv_backward", _("db is a mean. Each bias is added at every position of every image: it is a sum."),
                lambda *a: changed_backward(*a, db=a[0].mean(axis=(0, 2, 3)))),
        Mistake("conv_backward", _("db is summed over the images only: sum over the positions, too, axes (0, 2, 3)."),
                lambda *a: changed_backward(*a, db=a[0].sum(axis=0))),
    )


# ---- wrong results ---------------------------------------------------------------------------------------------------


def changed_backward(*arguments: Any, **changes: Array) -> tuple[Array, ...]:
    """Return (dx, dw, db), with the changes of a mistake."""
    right = dict(zip(("dx", "dw", "db"), naive_backward(*arguments), strict=True))
    return tuple((right | changes).values())


def cut(x: Array, size: tuple[int, ...]) -> Array:
    """Return the top left part of the maps."""
    return x[:, :, :size[0], :size[1]]


def dwide_of(dout: Array, x: Array, w: Array, stride: int, pad: int) -> Array:
    """Return the gradient to the padded image."""
    return naive_backward(dout, padded(x, pad), w, stride, 0)[0]


def overwritten(dout: Array, x: Array, w: Array, stride: int, pad: int) -> Array:
    """Return dx in which a later window replaces an earlier one. All filters of one window are added."""
    (KH, KW), dwide = w.shape[2:], np.zeros_like(padded(x, pad))
    for n, i, j in np.ndindex(len(x), *dout.shape[2:]):
        top, left = i * stride, j * stride
        dwide[n, :, top:top + KH, left:left + KW] = (dout[n, :, i, j, None, None, None] * w).sum(axis=0)
    return dwide[:, :, pad:pad + x.shape[2], pad:pad + x.shape[3]]


def overwritten_by_filter(dout: Array, x: Array, w: Array, stride: int, pad: int) -> Array:
    """Return dx in which each window of each filter replaces an earlier one."""
    (KH, KW), dwide = w.shape[2:], np.zeros_like(padded(x, pad))
    for n, f, i, j in np.ndindex(dout.shape):
        top, left = i * stride, j * stride
        dwide[n, :, top:top + KH, left:left + KW] = dout[n, f, i, j] * w[f]
    return dwide[:, :, pad:pad + x.shape[2], pad:pad + x.shape[3]]


def without_stride(dout: Array, x: Array, w: Array, stride: int, pad: int) -> tuple[Array, ...]:
    """Return (dx, dw, db) of windows that lie one pixel apart."""
    return naive_backward(dout, x, w, 1, pad)
