"""The exercise max_pool: the maximum of each window, and the way back to where it was."""

import numpy as np

from minicnn.layers import MaxPool2D
from minicnn.layers.pool import Pool2D
from minicnn.models import Model
from minicnn.network import Network

from ..shared.inputs import Photo
from ..shared.language import Translate, english
from .exercise import Case, Exercise, Function, Functions, Mistake, Panel
from .pictures import gradient_and_guided
from .twins import Array, normal, slope


def naive_forward(x: Array, size: int, stride: int) -> Array:
    """The largest value of each window, one window after another."""
    N, C, H, W = x.shape
    out = np.zeros((N, C, (H - size) // stride + 1, (W - size) // stride + 1), x.dtype)
    for n, c, i, j in np.ndindex(out.shape):
        out[n, c, i, j] = window(x, n, c, i, j, size, stride).max()
    return out


def naive_backward(dout: Array, x: Array, size: int, stride: int) -> Array:
    """The gradient of each output goes to the first largest pixel of its window, one window after another."""
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(dout.shape):
        row, column = divmod(int(window(x, n, c, i, j, size, stride).argmax()), size)
        dx[n, c, i * stride + row, j * stride + column] += dout[n, c, i, j]
    return dx


def numeric_backward(dout: Array, x: Array, size: int, stride: int) -> Array:
    """Finite differences."""
    return slope(lambda changed: naive_forward(changed, size, stride), x, dout)


def window(x: Array, n: int, c: int, i: int, j: int, size: int, stride: int) -> Array:
    """Return a view of the window of output (i, j)."""
    return x[n, c, i * stride:i * stride + size, j * stride:j * stride + size]


def exercise(_: Translate = english) -> Exercise:
    """Return the exercise in the chosen language."""
    x, dout = normal(60, 2, 3, 6, 7), normal(61, 2, 3, 3, 3)
    flat = np.array([[[[1.0, 1.0, 0.0, 2.0], [1.0, 1.0, 2.0, 2.0], [0.0, 3.0, 5.0, 4.0], [3.0, 3.0, 4.0, 5.0]]]])
    negative = -abs(normal(62, 1, 2, 4, 4))
    return Exercise(
        name="max_pool",
        title=_("Max pooling and its switches"),
        task=_("A max pool keeps the largest pixel of each window. On the way back, the gradient of an output goes to "
               "the pixel that was the largest. Zeiler and Fergus (2014) call these places the switches.\n\n"
               "Shapes: x (N, C, H, W), out and dout (N, C, OH, OW), where\n"
               "    OH = (H - size) // stride + 1, and OW likewise.\n"
               "There is no padding. Rows and columns that no window covers are ignored."),
        functions=(
            Function("max_pool_forward(x, size, stride)", ("out",), _(
                "Return out, of shape (N, C, OH, OW).\n\n"
                "    out[n, c, i, j] = the largest pixel of the window of size x size that begins at\n"
                "                      row i * stride and column j * stride"),
                ">>> max_pool_forward(np.arange(4.0).reshape(1, 1, 2, 2), 2, 2)\narray([[[[3.]]]])"),
            Function("max_pool_backward(dout, x, size, stride)", ("dx",), _(
                "Return dx, of the shape of x.\n\n"
                "    dx = the sum of dout over all windows in which the pixel is the largest, else 0\n\n"
                "If several pixels of a window are equally large, the first one gets the gradient: row by row, from "
                "left to right."),
                ">>> max_pool_backward(np.array([[[[5.0]]]]), np.ones((1, 1, 2, 2)), 2, 2)[0, 0]\n"
                "array([[5., 0.],\n       [0., 0.]])"),
        ),
        cases=(
            Case(_("against loops"), "max_pool_forward", (x, 2, 2), naive_forward),
            Case(_("overlapping windows of 3x3, stride 2"), "max_pool_forward", (x, 3, 2), naive_forward),
            Case(_("negative numbers"), "max_pool_forward", (negative, 2, 2), naive_forward),
            Case(_("against loops"), "max_pool_backward", (dout, x, 2, 2), naive_backward),
            Case(_("overlapping windows: finite differences"), "max_pool_backward", (normal(63, 2, 3, 2, 3), x, 3, 2),
                 numeric_backward),
            Case(_("several pixels are the largest"), "max_pool_backward", (normal(64, 1, 1, 2, 2), flat, 2, 2),
                 naive_backward),
        ),
        mistakes=mistakes(_),
        hints=(
            _("For one position (k, l) in the window, the pixels of all windows are one slice of x: "
              "x[:, :, k:k + stride * OH:stride, l:l + stride * OW:stride]."),
            _("Backwards, compare each of these slices with out. Where they are equal, the slice of dx gets dout, with "
              "+=, as windows may overlap."),
            _("Remember which windows have found their pixel already, so that only the first one gets the gradient."),
        ),
        picture=picture,
        caption=_("the gradient of its class score, through your switches"),
        solution="minicnn/layers/pool.py",
        translate=_,
    )


def mistakes(_: Translate) -> tuple[Mistake, ...]:
    """Return the known mistakes."""
    return (
        Mistake("max_pool_forward", _("The output is the mean of each window. It is the largest pixel."),
                lambda x, size, stride: mean_forward(x, size, stride)),
        Mistake("max_pool_forward", _("The stride is ignored: the window of output (i, j) begins at row i * stride."),
                lambda x, size, stride: cut(naive_forward(x, size, 1), naive_forward(x, size, stride))),
        Mistake("max_pool_forward", _("Windows lie `size` pixels apart. They lie `stride` pixels apart."),
                lambda x, size, stride: naive_forward(x, size, size)),
        Mistake("max_pool_forward", _("The maximum begins at 0, so negative windows give 0. Begin at -np.inf, or at "
                                      "the first pixel."),
                lambda x, size, stride: np.maximum(naive_forward(x, size, stride), 0)),
        Mistake("max_pool_forward", _("The output is the smallest pixel of each window."),
                lambda x, size, stride: -naive_forward(-x, size, stride)),
        Mistake("max_pool_backward", _("On a tie, all of the largest pixels get the gradient. Only the first does."),
                lambda dout, x, size, stride: ties(dout, x, size, stride, False)),
        Mistake("max_pool_backward", _("On a tie, the gradient is shared. Here, the first of the largest pixels gets "
                                       "it all."),
                lambda dout, x, size, stride: ties(dout, x, size, stride, True)),
        Mistake("max_pool_backward", _("On a tie, the last of the largest pixels gets the gradient. The first does."),
                last_of_ties),
        Mistake("max_pool_backward", _("Windows overlap, and a pixel may be the largest of several: use += instead of "
                                       "=."), overwritten),
        Mistake("max_pool_backward", _("Windows overlap, and a pixel may be the largest of several: use += instead of "
                                       "=."), overwritten_by_position),
        Mistake("max_pool_backward", _("The gradient is spread over the whole window, as for a mean. Only the largest "
                                       "pixel gets it."), mean_backward),
        Mistake("max_pool_backward", _("All pixels of a window get its gradient. Only the largest one does."),
                lambda dout, x, size, stride: mean_backward(dout, x, size, stride) * size**2),
        Mistake("max_pool_backward", _("The upstream gradient is missing: the largest pixel gets dout, not 1."),
                lambda dout, x, size, stride: naive_backward(np.ones_like(dout), x, size, stride)),
        Mistake("max_pool_backward", _("The stride is ignored: the window of output (i, j) begins at row i * stride."),
                lambda dout, x, size, stride: naive_backward(dout, x, size, 1)),
    )


# ---- wrong results ---------------------------------------------------------------------------------------------------


def cut(out: Array, like: Array) -> Array:
    """Return the top left part of `out`, of the shape of `like`."""
    return out[:, :, :like.shape[2], :like.shape[3]]


def last_of_ties(dout: Array, x: Array, size: int, stride: int) -> Array:
    """Return dx in which the last of the largest pixels gets the gradient."""
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(dout.shape):
        turned = window(x, n, c, i, j, size, stride)[::-1, ::-1]
        row, column = divmod(size**2 - 1 - int(turned.argmax()), size)
        dx[n, c, i * stride + row, j * stride + column] += dout[n, c, i, j]
    return dx


def ties(dout: Array, x: Array, size: int, stride: int, shared: bool) -> Array:
    """Return dx in which all largest pixels get the gradient, or share it."""
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(dout.shape):
        pixels = window(x, n, c, i, j, size, stride)
        largest = pixels == pixels.max()
        window(dx, n, c, i, j, size, stride)[...] += dout[n, c, i, j] * largest / (largest.sum() if shared else 1)
    return dx


def overwritten(dout: Array, x: Array, size: int, stride: int) -> Array:
    """Return dx in which a later window overwrites the gradient of an earlier one."""
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(dout.shape):
        row, column = divmod(int(window(x, n, c, i, j, size, stride).argmax()), size)
        dx[n, c, i * stride + row, j * stride + column] = dout[n, c, i, j]
    return dx


def overwritten_by_position(dout: Array, x: Array, size: int, stride: int) -> Array:
    """Return dx in which a later position of the window replaces an earlier one, as in a loop over positions."""
    dx = np.zeros_like(x)
    for position in range(size**2):
        for n, c, i, j in np.ndindex(dout.shape):
            if window(x, n, c, i, j, size, stride).argmax() == position:
                row, column = divmod(position, size)
                dx[n, c, i * stride + row, j * stride + column] = dout[n, c, i, j]
    return dx


def mean_forward(x: Array, size: int, stride: int) -> Array:
    """Return the mean of each window."""
    out = naive_forward(x, size, stride)
    for n, c, i, j in np.ndindex(out.shape):
        out[n, c, i, j] = window(x, n, c, i, j, size, stride).mean()
    return out


def mean_backward(dout: Array, x: Array, size: int, stride: int) -> Array:
    """Return dx in which each window spreads its gradient evenly."""
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(dout.shape):
        window(dx, n, c, i, j, size, stride)[...] += dout[n, c, i, j] / size**2
    return dx


class LearnersMaxPool(Pool2D):
    """A max pool that computes with the learner's functions. The rows that Caffe's rounding adds are -inf."""

    def __init__(self, functions: Functions, pool: MaxPool2D) -> None:
        super().__init__(pool.kernel_size, pool.stride, pool.pad, pool.ceil)
        self.functions = functions

    def forward(self, x: Array) -> tuple[Array, tuple[Array, tuple[int, ...]]]:
        wide = self._padded(x, -np.inf, *self.output_shape(x.shape)[2:])
        return self.functions["max_pool_forward"](wide, self.kernel_size, self.stride), (wide, x.shape)

    def backward(self, dout: Array, cache: tuple[Array, tuple[int, ...]]) -> Array:
        wide, shape = cache
        return self._unpadded(self.functions["max_pool_backward"](dout, wide, self.kernel_size, self.stride),
                              *shape[2:])


def with_pools(net: Network, functions: Functions) -> Network:
    """Return the network with its max pools replaced by the learner's."""
    return net.with_layers({node.name: LearnersMaxPool(functions, node.layer) for node in net.nodes
                            if isinstance(node.layer, MaxPool2D)})


def picture(functions: Functions, model: Model, photo: Photo) -> list[Panel]:
    """Return the gradient of the class score, and guided backprop, through the learner's max pools."""
    return gradient_and_guided(model, photo, with_pools(model.net.plain(), functions))
