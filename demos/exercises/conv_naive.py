"""The exercise conv_naive: a convolution and its three gradients, by loops over the outputs."""

import numpy as np

from minicnn import images, plot
from minicnn.layers import Conv2D
from minicnn.models import Model

from ..shared.inputs import Photo
from ..shared.language import Translate, english
from .conv_twins import conv_cases, conv_mistakes
from .exercise import Exercise, Function, Functions, Panel
from .pictures import gradient_panel

SIDE, FILTERS, SHOWN = 128, 8, 4  # pixels of the photo and filters, few as loops are slow; maps that are shown


def exercise(_: Translate = english) -> Exercise:
    """Return the exercise in the chosen language."""
    return Exercise(
        name="conv_naive",
        title=_("A convolution and its three gradients, by loops"),
        task=_("A filter slides over the image. Each output is the sum of a window times the filter, plus a bias. "
               "Write it as loops over images, filters and positions. Each "
               "step of the loop may multiply a whole window.\n\n"
               "Shapes: x (N, C, H, W), w (F, C, KH, KW), b (F,), out and dout (N, F, OH, OW), where\n"
               "    OH = (H + 2 pad - KH) // stride + 1, and OW likewise.\n"
               "padded is x with `pad` zeros around each map."),
        functions=conv_functions(_),
        cases=conv_cases(_),
        mistakes=conv_mistakes(_),
        hints=(
            _("The window of output (i, j) is padded[n, :, i * stride:i * stride + KH, j * stride:j * stride + KW]."),
            _("Go backwards through the same loops. Each output was a sum of products, and each product gives both of "
              "its factors a gradient: the window gets dout * w, the filter gets dout * window."),
            _("Collect dx in an array of the padded shape with +=, and cut off the padding at the end."),
        ),
        picture=picture,
        caption=_("maps of its first layer, and a gradient back to the pixels, by your loops"),
        solution="minicnn/layers/conv.py",
        translate=_,
    )


def conv_functions(_: Translate) -> tuple[Function, ...]:
    """Return the two functions that both convolution exercises ask for."""
    return (
        Function("conv_forward(x, w, b, stride, pad)", ("out",), _(
            "Return out, of shape (N, F, OH, OW).\n\n"
            "    out[n, f, i, j] = b[f] + sum over c, k, l of\n"
            "                      w[f, c, k, l] * padded[n, c, i * stride + k, j * stride + l]"),
            ">>> conv_forward(np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2)), np.zeros(1), 1, 0)\narray([[[[4.]]]])"),
        Function("conv_backward(dout, x, w, stride, pad)", ("dx", "dw", "db"), _(
            "Return (dx, dw, db), of the shapes of x, w and b.\n\n"
            "    dx[n, c, y, x]   = sum of dout * w over all windows that contain the pixel\n"
            "    dw[f, c, k, l]   = sum over n, i, j of\n"
            "                       dout[n, f, i, j] * padded[n, c, i * stride + k, j * stride + l]\n"
            "    db[f]            = sum over n, i, j of dout[n, f, i, j]"),
            ">>> conv_backward(np.ones((1, 1, 1, 1)), np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2)), 1, 0)[2]\n"
            "array([1.])"),
    )


def picture(functions: Functions, model: Model, photo: Photo) -> list[Panel]:
    """Return a small photo, its strongest maps in the first layer, and the gradient of the strongest one."""
    conv = next(node.layer for node in model.net.nodes if isinstance(node.layer, Conv2D))
    stride, pad = conv.stride, conv.pad
    size = (conv.params["w"] ** 2).sum(axis=(1, 2, 3))
    chosen = np.argsort(-size)[:FILTERS]  # the largest weights
    w = conv.params["w"][chosen]
    side = min(SIDE, photo.image.shape[0])
    small = images.resize(photo.image, side, side)
    x = model.preprocessing.to_input(small)
    out = functions["conv_forward"](x, w, np.zeros(len(w), w.dtype), stride, pad)
    best = np.argsort(-out.max(axis=(0, 2, 3)))[:SHOWN]
    dout = np.zeros_like(out)
    dout[:, best[0]] = np.maximum(out[:, best[0]], 0)
    dx, _dw, _db = functions["conv_backward"](dout, x, w, stride, pad)
    maps = [(f"filter {chosen[number]}", grey(out[0, number])) for number in best]
    caption = f"back from filter {chosen[best[0]]}"
    return [(photo.name, small / 255), *maps, gradient_panel(caption, model, dx)]


def grey(values: np.ndarray) -> np.ndarray:
    """Return a map in 0..1: zero is grey, and each sign has its own half."""
    return plot.gradient_to_colours(values[None])[:, :, 0]
