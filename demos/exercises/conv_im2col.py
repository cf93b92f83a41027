"""The exercise conv_im2col: a convolution as one matrix product, which is fast enough for a whole network."""

import numpy as np

from minicnn.layers import Conv2D
from minicnn.layers.layer import Layer
from minicnn.models import Model
from minicnn.network import Network

from ..shared.inputs import Photo
from ..shared.language import Translate, english
from .conv_naive import conv_functions
from .conv_twins import conv_cases, conv_mistakes, padded
from .exercise import Case, Exercise, Function, Functions, Mistake, Panel
from .pictures import gradient_and_guided
from .twins import Array, normal, slope

Shape = tuple[int, int, int, int]


def naive_im2col(x: Array, KH: int, KW: int, stride: int, pad: int) -> Array:
    """Each window becomes a row, one window after another."""
    wide = padded(x, pad)
    N, C, H, W = wide.shape
    OH, OW = (H - KH) // stride + 1, (W - KW) // stride + 1
    rows = np.zeros((N, OH * OW, C * KH * KW), x.dtype)
    for n, i, j in np.ndindex(N, OH, OW):
        rows[n, i * OW + j] = wide[n, :, i * stride:i * stride + KH, j * stride:j * stride + KW].reshape(-1)
    return rows


def naive_col2im(drows: Array, shape: Shape, KH: int, KW: int, stride: int, pad: int) -> Array:
    """Each row is added to its window, one window after another; then the padding is cut off."""
    N, C, H, W = shape
    dwide = np.zeros((N, C, H + 2 * pad, W + 2 * pad), drows.dtype)
    OW = (W + 2 * pad - KW) // stride + 1
    for n, position in np.ndindex(drows.shape[:2]):
        top, left = position // OW * stride, position % OW * stride
        dwide[n, :, top:top + KH, left:left + KW] += drows[n, position].reshape(C, KH, KW)
    return dwide[:, :, pad:pad + H, pad:pad + W]


def numeric_col2im(drows: Array, shape: Shape, KH: int, KW: int, stride: int, pad: int) -> Array:
    """Finite differences of im2col."""
    return slope(lambda x: naive_im2col(x, KH, KW, stride, pad), np.zeros(shape), drows)


def exercise(_: Translate = english) -> Exercise:
    """Return the exercise in the chosen language."""
    return Exercise(
        name="conv_im2col",
        title=_("A convolution as a matrix product: im2col"),
        task=_("Loops over positions are slow in Python. im2col copies each window into a row. Then one matrix product "
               "of the rows with the filters is the whole convolution. col2im goes back from rows to the image.\n\n"
               "Shapes: x (N, C, H, W), w (F, C, KH, KW), b (F,), out and dout (N, F, OH, OW), where\n"
               "    OH = (H + 2 pad - KH) // stride + 1, and OW likewise.\n"
               "padded is x with `pad` zeros around each map."),
        functions=(
            Function("im2col(x, KH, KW, stride, pad)", ("rows",), _(
                "Return rows, of shape (N, OH * OW, C * KH * KW): one window in each row.\n\n"
                "    rows[n, i * OW + j] = the window of output (i, j), (C, KH, KW), reshaped to one axis\n\n"
                "Loop over the KH * KW positions in a window, or use np.lib.stride_tricks.sliding_window_view."),
                ">>> im2col(np.arange(4.0).reshape(1, 1, 2, 2), 2, 2, 1, 0)\narray([[[0., 1., 2., 3.]]])"),
            Function("col2im(drows, shape, KH, KW, stride, pad)", ("dx",), _(
                "Return dx, of `shape` (N, C, H, W), from the gradient to the rows of im2col.\n\n"
                "    dx[n, c, y, x] = the sum of all numbers in drows that were copied from this pixel"),
                ">>> col2im(np.array([[[1.0, 2.0, 3.0, 4.0]]]), (1, 1, 2, 2), 2, 2, 1, 0)\n"
                "array([[[[1., 2.],\n         [3., 4.]]]])"),
            *conv_functions(_),
        ),
        cases=(*im2col_cases(_), *conv_cases(_)),
        mistakes=(*im2col_mistakes(_), *conv_mistakes(_)),
        hints=(
            _("For one position (k, l) in the window, the pixels of all windows are one slice of the padded image: "
              "padded[:, :, k:k + stride * OH:stride, l:l + stride * OW:stride], of shape (N, C, OH, OW)."),
            _("Write the slices into an array of shape (N, C, KH, KW, OH, OW), and bring its axes into the order "
              "(N, OH, OW, C, KH, KW) before the reshape."),
            _("out = rows @ w.reshape(F, -1).T + b. Therefore drows = dout @ w.reshape(F, -1), with dout as "
              "(N, OH * OW, F)."),
        ),
        picture=picture,
        caption=_("a whole network of your convolutions, and the gradient of its class score"),
        solution="minicnn/layers/conv.py",
        translate=_,
    )


def im2col_cases(_: Translate) -> tuple[Case, ...]:
    """Return the cases of im2col and col2im."""
    x, shape = normal(50, 2, 3, 5, 6), (2, 3, 5, 6)
    return (
        Case(_("against loops"), "im2col", (x, 3, 3, 1, 0), naive_im2col),
        Case(_("windows of 3x2, stride 2, padding 1"), "im2col", (x, 3, 2, 2, 1), naive_im2col),
        Case(_("against loops"), "col2im", (normal(51, 2, 12, 27), shape, 3, 3, 1, 0), naive_col2im),
        Case(_("windows of 3x2, stride 2, padding 1"), "col2im", (normal(52, 2, 12, 18), shape, 3, 2, 2, 1),
             naive_col2im),
        Case(_("against finite differences of im2col"), "col2im", (normal(53, 2, 6, 18), (2, 3, 4, 4), 3, 2, 2, 1),
             numeric_col2im),
    )


def im2col_mistakes(_: Translate) -> tuple[Mistake, ...]:
    """Return the known mistakes in im2col and col2im."""
    return (
        Mistake("im2col", _("In a row, the channel varies fastest. It varies slowest: bring the axes into the order "
                            "(N, OH, OW, C, KH, KW) before the reshape."),
                lambda x, KH, KW, stride, pad: reordered(naive_im2col(x, KH, KW, stride, pad), x.shape[1], KH, KW,
                                                         (0, 1, 3, 4, 2))),
        Mistake("im2col", _("Rows and columns of the window are exchanged: in a row, the column varies fastest."),
                lambda x, KH, KW, stride, pad: reordered(naive_im2col(x, KH, KW, stride, pad), x.shape[1], KH, KW,
                                                         (0, 1, 2, 4, 3))),
        Mistake("im2col", _("The result is transposed: each window is a row, not a column."),
                lambda x, KH, KW, stride, pad: naive_im2col(x, KH, KW, stride, pad).transpose(0, 2, 1)),
        Mistake("im2col", _("The stride is ignored: there is a row for every pixel."),
                lambda x, KH, KW, stride, pad: naive_im2col(x, KH, KW, 1, pad)),
        Mistake("im2col", _("The padding is ignored: add `pad` zeros around each map, for example by np.pad."),
                lambda x, KH, KW, stride, pad: naive_im2col(x, KH, KW, stride, 0)),
        Mistake("col2im", _("Windows overlap, and their gradients add up: use += instead of =."), last_window),
        Mistake("col2im", _("The padding is not undone: cut off `pad` rows and columns on each side."),
                lambda drows, shape, KH, KW, stride, pad: naive_col2im(drows, wide_shape(shape, pad), KH, KW, stride,
                                                                       0)),
        Mistake("col2im", _("The gradients that a pixel gets are averaged. They add up: im2col copied the pixel into "
                            "each of these windows."), averaged),
    )


def reordered(rows: Array, C: int, KH: int, KW: int, order: tuple[int, ...]) -> Array:
    """Return rows whose axes (C, KH, KW) have another order."""
    return rows.reshape(*rows.shape[:2], C, KH, KW).transpose(order).reshape(rows.shape)


def wide_shape(shape: Shape, pad: int) -> Shape:
    """Return the shape of the padded image."""
    return (*shape[:2], shape[2] + 2 * pad, shape[3] + 2 * pad)


def last_window(drows: Array, shape: Shape, KH: int, KW: int, stride: int, pad: int) -> Array:
    """Return dx in which a later position of the window replaces an earlier one, as in a loop over positions."""
    N, C, H, W = wide_shape(shape, pad)
    OH, OW = (H - KH) // stride + 1, (W - KW) // stride + 1
    windows = drows.reshape(N, OH, OW, C, KH, KW)
    dwide = np.zeros((N, C, H, W), drows.dtype)
    for k, j in np.ndindex(KH, KW):
        dwide[:, :, k:k + stride * OH:stride, j:j + stride * OW:stride] = windows[..., k, j].transpose(0, 3, 1, 2)
    return dwide[:, :, pad:pad + shape[2], pad:pad + shape[3]]


def averaged(drows: Array, shape: Shape, KH: int, KW: int, stride: int, pad: int) -> Array:
    """Return dx divided by the number of windows that contain the pixel."""
    counts = naive_col2im(np.ones_like(drows), shape, KH, KW, stride, pad)
    return naive_col2im(drows, shape, KH, KW, stride, pad) / np.maximum(counts, 1)


class LearnersConv(Layer):
    """A convolution layer that computes with the learner's functions."""

    def __init__(self, functions: Functions, conv: Conv2D) -> None:
        super().__init__()
        self.functions, self.conv, self.params = functions, conv, conv.params

    def forward(self, x: Array) -> tuple[Array, Array]:
        w = self.params["w"]
        b = self.params.get("b", np.zeros(len(w), w.dtype))
        return self.functions["conv_forward"](x, w, b, self.conv.stride, self.conv.pad), x

    def backward(self, dout: Array, x: Array) -> Array:
        return self.functions["conv_backward"](dout, x, self.params["w"], self.conv.stride, self.conv.pad)[0]


def with_convolutions(net: Network, functions: Functions) -> Network:
    """Return the network with all its convolutions replaced by the learner's, except for those in groups."""
    return net.with_layers({node.name: LearnersConv(functions, node.layer) for node in net.nodes
                            if isinstance(node.layer, Conv2D) and node.layer.groups == 1})


def picture(functions: Functions, model: Model, photo: Photo) -> list[Panel]:
    """Return the gradient of the class score, and guided backprop, in a network of the learner's convolutions."""
    return gradient_and_guided(model, photo, with_convolutions(model.net.plain(), functions))
