"""The exercise linear: the fully connected layer and its three gradients."""

import numpy as np

from minicnn import plot
from minicnn.errors import InputError
from minicnn.images import resize
from minicnn.layers import Concat, Conv2D, Linear, ReLU
from minicnn.layers.layer import Layer
from minicnn.losses import one_hot
from minicnn.models import Model
from minicnn.network import Network, Node

from ..shared.inputs import Photo
from ..shared.language import Translate, english
from .exercise import Case, Exercise, Function, Functions, Mistake, Panel
from .pictures import gradient_panel, photo_panel
from .twins import Array, normal, slope


def naive_forward(x: Array, w: Array, b: Array) -> Array:
    """out[n, f] = b[f] + the sum over d of w[f, d] x[n, d], one product after another."""
    out = np.zeros((len(x), len(w)), x.dtype)
    for n, f in np.ndindex(out.shape):
        out[n, f] = b[f]
        for d in range(x.shape[1]):
            out[n, f] += w[f, d] * x[n, d]
    return out


def naive_backward(dout: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    """Each product w[f, d] x[n, d] gives both factors their gradient, one product after another."""
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(w[:, 0])
    for n, f in np.ndindex(dout.shape):
        db[f] += dout[n, f]
        for d in range(x.shape[1]):
            dx[n, d] += dout[n, f] * w[f, d]
            dw[f, d] += dout[n, f] * x[n, d]
    return dx, dw, db


def numeric_backward(dout: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    """Finite differences."""
    b = np.zeros_like(w[:, 0])
    return (slope(lambda changed: naive_forward(changed, w, b), x, dout),
            slope(lambda changed: naive_forward(x, changed, b), w, dout),
            slope(lambda changed: naive_forward(x, w, changed), b, dout))


def exercise(_: Translate = english) -> Exercise:
    """Return the exercise in the chosen language."""
    x, w, b, dout = normal(30, 4, 5), normal(31, 3, 5), normal(32, 3), normal(33, 4, 3)
    square = normal(34, 3, 3), normal(35, 3, 3), normal(36, 3)
    return Exercise(
        name="linear",
        title=_("The linear (fully connected) layer and its three gradients"),
        task=_("Each output of a linear layer is a weighted sum of all inputs, plus a bias. It has three gradients: to "
               "the input, to the weights and to the biases.\n\n"
               "Shapes: x (N, D), w (F, D), b (F,), out and dout (N, F), for N images, D inputs and F outputs."),
        functions=(
            Function("linear_forward(x, w, b)", ("out",), _(
                "Return out, of shape (N, F).\n\n"
                "    out[n, f] = b[f] + sum over d of w[f, d] * x[n, d]"),
                ">>> linear_forward(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), np.array([0.5]))\narray([[11.5]])"),
            Function("linear_backward(dout, x, w)", ("dx", "dw", "db"), _(
                "Return (dx, dw, db), of the shapes of x, w and b.\n\n"
                "    dx[n, d] = sum over f of dout[n, f] * w[f, d]\n"
                "    dw[f, d] = sum over n of dout[n, f] * x[n, d]\n"
                "    db[f]    = sum over n of dout[n, f]"),
                ">>> linear_backward(np.array([[2.0]]), np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]))\n"
                "(array([[6., 8.]]), array([[2., 4.]]), array([2.]))"),
        ),
        cases=(
            Case(_("against loops"), "linear_forward", (x, w, b), naive_forward),
            Case(_("as many outputs as inputs"), "linear_forward", square, naive_forward),
            Case(_("against loops"), "linear_backward", (dout, x, w), naive_backward),
            Case(_("against finite differences"), "linear_backward", (dout, x, w), numeric_backward),
            Case(_("as many images, inputs and outputs"), "linear_backward", (normal(37, 3, 3), *square[:2]),
                 naive_backward),
        ),
        mistakes=mistakes(_),
        hints=(
            _("Write each sum as a matrix product. Its inner sizes must be the index that is summed over."),
            _("The forward pass is x @ w.T + b."),
            _("dx is summed over f, so it is dout @ w. dw is summed over n, so dout must be transposed."),
        ),
        picture=picture,
        caption=_("the gradient of its class score, which starts in your linear layer"),
        solution="minicnn/layers/linear.py",
        translate=_,
    )


def mistakes(_: Translate) -> tuple[Mistake, ...]:
    """Return the known mistakes."""
    return (
        Mistake("linear_forward", _("The bias is missing in the forward pass."), lambda x, w, b: x @ w.T),
        Mistake("linear_forward", _("The weights are transposed: w has a row for each output, so it is x @ w.T."),
                lambda x, w, b: x @ w + b),
        Mistake("linear_forward", _("The bias is subtracted. It is added."), lambda x, w, b: x @ w.T - b),
        Mistake("linear_backward", _("The weights are transposed in dx: out was x @ w.T, so dx is dout @ w."),
                lambda dout, x, w: with_changes(dout, x, w, dx=dout @ w.T)),
        Mistake("linear_backward", _("dw is transposed: it needs the shape of w, with a row for each output."),
                lambda dout, x, w: with_changes(dout, x, w, dw=x.T @ dout)),
        Mistake("linear_backward", _("dw is a mean over the images. The loss depends on all of them: it is a sum."),
                lambda dout, x, w: with_changes(dout, x, w, dw=dout.T @ x / len(x))),
        Mistake("linear_backward", _("The upstream gradient is missing in dw: it is not a sum of x alone."),
                lambda dout, x, w: with_changes(dout, x, w, dw=np.ones_like(dout).T @ x)),
        Mistake("linear_backward", _("The upstream gradient is missing in dx: it is not a sum of w alone."),
                lambda dout, x, w: with_changes(dout, x, w, dx=np.ones_like(dout) @ w)),
        Mistake("linear_backward", _("The bias gradient is missing: db is the sum of dout over the images."),
                lambda dout, x, w: with_changes(dout, x, w, db=0 * w[:, 0])),
        Mistake("linear_backward", _("db is a mean over the images. It is their sum."),
                lambda dout, x, w: with_changes(dout, x, w, db=dout.mean(axis=0))),
        Mistake("linear_backward", _("db is summed over the wrong axis: sum over the images, axis 0."),
                lambda dout, x, w: with_changes(dout, x, w, db=dout.sum(axis=1))),
        Mistake("linear_backward", _("db keeps the axis of the images: it has the shape (F,): sum without keepdims."),
                lambda dout, x, w: with_changes(dout, x, w, db=dout.sum(axis=0, keepdims=True))),
        Mistake("linear_backward", _("db is the sum over all axes. Each output has its own bias: sum over axis 0."),
                lambda dout, x, w: with_changes(dout, x, w, db=dout.sum())),
    )


def with_changes(dout: Array, x: Array, w: Array, **changes: Array) -> tuple[Array, ...]:
    """Return (dx, dw, db), with the changes of a mistake."""
    right = {"dx": dout @ w, "dw": dout.T @ x, "db": dout.sum(axis=0)}
    return tuple((right | changes).values())


class LearnersLinear(Layer):
    """A linear layer that computes with the learner's functions; on maps, at each position: a 1x1 convolution."""

    def __init__(self, functions: Functions, w: Array, b: Array) -> None:
        super().__init__()
        self.functions, self.params = functions, {"w": w, "b": b}

    def forward(self, x: Array) -> tuple[Array, Array]:
        rows = np.moveaxis(x, 1, -1)  # (N, D), or of maps (N, H, W, D)
        out = self.functions["linear_forward"](rows.reshape(-1, rows.shape[-1]), self.params["w"], self.params["b"])
        return np.moveaxis(out.reshape(*rows.shape[:-1], -1), -1, 1), rows

    def backward(self, dout: Array, rows: Array) -> Array:
        douts = np.moveaxis(dout, 1, -1)
        dx, _dw, _db = self.functions["linear_backward"](
            douts.reshape(-1, douts.shape[-1]), rows.reshape(-1, rows.shape[-1]), self.params["w"])
        return np.moveaxis(dx.reshape(rows.shape), -1, 1)


def last_linear(net: Network) -> Node:
    """Return the node of the last linear layer, or of the last 1x1 convolution. Raises InputError if there is none."""
    for node in reversed(net.nodes):
        if isinstance(node.layer, Linear) or isinstance(node.layer, Conv2D) and node.layer.field() == (1, 1, 0):
            return node
    raise InputError("this network has no linear layer; choose another --model")


def picture(functions: Functions, model: Model, photo: Photo) -> list[Panel]:
    """Return the gradient of the class score, which starts in the learner's layer, and Grad-CAM of the maps before."""
    net = model.net.plain()
    name, layer, _inputs = last_linear(net)
    w = layer.params["w"]
    net = net.with_layers({name: LearnersLinear(functions, w.reshape(w.shape[:2]), layer.params["b"])})
    maps = [node.name for node in net.nodes[:net.positions[name]] if isinstance(node.layer, ReLU | Concat)][-1]
    trace = net.forward(photo.x)
    seed = {net.output: one_hot(trace.activations[net.output], photo.label)}
    gradients = net.backward(trace, seed, wrt=("input", maps))
    weights = gradients[maps].mean(axis=(2, 3), keepdims=True)
    heat = np.maximum((weights * trace.activations[maps]).sum(axis=1)[0], 0)
    large = resize(np.repeat((255 * heat / (heat.max() or 1))[:, :, None], 3, axis=2).astype(np.uint8),
                   *photo.image.shape[:2])
    return [photo_panel(model, photo),
            gradient_panel("gradient of the class score", model, gradients["input"]),
            (f"Grad-CAM at {maps}", plot.overlay(photo.image, large[:, :, 0] / 255))]
