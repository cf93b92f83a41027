"""The exercise gram: the Gram matrix of a layer's features, and its gradient."""

import numpy as np

from minicnn import images
from minicnn.datasets.drawings import draw_style
from minicnn.models import Model

from ..shared.inputs import Photo
from ..shared.language import Translate, english
from .exercise import Case, Exercise, Function, Functions, Mistake, Panel
from .pictures import first_noise, minimised, picture_panel, texture_layers
from .twins import Array, normal, slope

STEPS, MORE_STEPS = 80, 300  # of L-BFGS; more for small networks, whose steps are fast


def naive_gram(x: Array) -> Array:
    """The mean product of two channels over all positions, divided by C, one pair after another."""
    N, C, H, W = x.shape
    gram = np.zeros((N, C, C), x.dtype)
    for n, c, d in np.ndindex(gram.shape):
        gram[n, c, d] = (x[n, c] * x[n, d]).sum() / (C * H * W)
    return gram


def naive_backward(dgram: Array, x: Array) -> Array:
    """Each product x[n, c] x[n, d] gives both channels their gradient, one pair after another."""
    N, C, H, W = x.shape
    dx = np.zeros_like(x)
    for n, c, d in np.ndindex(dgram.shape):
        dx[n, c] += dgram[n, c, d] * x[n, d] / (C * H * W)
        dx[n, d] += dgram[n, c, d] * x[n, c] / (C * H * W)
    return dx


def numeric_backward(dgram: Array, x: Array) -> Array:
    """Finite differences."""
    return slope(naive_gram, x, dgram)


def exercise(_: Translate = english) -> Exercise:
    """Return the exercise in the chosen language."""
    x, dgram = normal(80, 2, 3, 4, 5), normal(81, 2, 3, 3)
    return Exercise(
        name="gram",
        title=_("The Gram matrix and its gradient"),
        task=_("The Gram matrix says which features occur together, at any position. Gatys et al. (2015) synthesize "
               "textures by matching the Gram matrices of several layers.\n\n"
               "F is the matrix of one image's features, with a row for each channel: F = x[n] as (C, H * W)."),
        functions=(
            Function("gram_matrix(x)", ("gram",), _(
                "Return the Gram matrix of each image, (N, C, H, W) -> (N, C, C).\n\n"
                "    gram[n] = F @ F.T / (C * H * W)"),
                ">>> gram_matrix(np.array([[[[1.0, 2.0]], [[3.0, 4.0]]]]))\narray([[[1.25, 2.75],\n"
                "        [2.75, 6.25]]])"),
            Function("gram_backward(dgram, x)", ("dx",), _(
                "Return the gradient to x, of the shape of x.\n\n"
                "    dF = (dgram[n] + dgram[n].T) @ F / (C * H * W)\n\n"
                "dgram : (N, C, C), which need not be symmetric."),
                ">>> gram_backward(np.ones((1, 2, 2)), np.ones((1, 2, 1, 1)))[0, :, 0, 0]\narray([2., 2.])"),
        ),
        cases=(
            Case(_("against loops"), "gram_matrix", (x,), naive_gram),
            Case(_("one image of one channel"), "gram_matrix", (normal(82, 1, 1, 3, 2),), naive_gram),
            Case(_("against loops"), "gram_backward", (dgram, x), naive_backward),
            Case(_("against finite differences"), "gram_backward", (dgram, x), numeric_backward),
            Case(_("a symmetric dgram"), "gram_backward", (dgram + dgram.transpose(0, 2, 1), x), naive_backward),
        ),
        mistakes=mistakes(_),
        hints=(
            _("x.reshape(N, C, H * W) is F for all images, and F.transpose(0, 2, 1) is its transpose. The operator @ "
              "multiplies the matrices of all images at once."),
            _("F occurs twice in F @ F.T, so its gradient has two parts: dgram @ F and dgram.T @ F."),
            _("Divide by C * H * W in the backward pass, too, and bring dx back to (N, C, H, W)."),
        ),
        picture=picture,
        caption=_("a texture from noise, by your Gram matrices"),
        solution="minicnn/layers/gram.py",
        translate=_,
    )


def mistakes(_: Translate) -> tuple[Mistake, ...]:
    """Return the known mistakes."""
    return (
        Mistake("gram_matrix", _("The Gram matrix is a sum instead of a mean: divide by C * H * W."),
                lambda x: naive_gram(x) * x[0].size),
        Mistake("gram_matrix", _("The Gram matrix is divided by H * W only: divide by C * H * W."),
                lambda x: naive_gram(x) * x.shape[1]),
        Mistake("gram_matrix", _("The wrong axis is summed over: F.T @ F compares positions, and F @ F.T "
                                 "channels."),
                lambda x: positions_gram(x)),
        Mistake("gram_matrix", _("The images of the batch are mixed: each image has its own Gram matrix."),
                lambda x: np.broadcast_to(naive_gram(x).sum(axis=0), naive_gram(x).shape)),
        Mistake("gram_matrix", _("The mean of each channel is subtracted. That is a covariance; the Gram matrix takes "
                                 "the features as they are."),
                lambda x: naive_gram(x - x.mean(axis=(2, 3), keepdims=True))),
        Mistake("gram_backward", _("One part is missing: F occurs twice in F @ F.T, so dF = (dgram + dgram.T) @ F."),
                lambda dgram, x: product(dgram, x)),
        Mistake("gram_backward", _("One part is missing: F occurs twice in F @ F.T, so dF = (dgram + dgram.T) @ F."),
                lambda dgram, x: product(dgram.transpose(0, 2, 1), x)),
        Mistake("gram_backward", _("2 * dgram @ F is right for a symmetric dgram only: use dgram + dgram.T."),
                lambda dgram, x: 2 * product(dgram, x)),
        Mistake("gram_backward", _("The division by C * H * W is missing in the backward pass."),
                lambda dgram, x: naive_backward(dgram, x) * x[0].size),
        Mistake("gram_backward", _("The gradient is divided by H * W only: divide by C * H * W."),
                lambda dgram, x: naive_backward(dgram, x) * x.shape[1]),
        Mistake("gram_backward", _("The upstream gradient is missing: dgram must be a factor of each product."),
                lambda dgram, x: naive_backward(np.ones_like(dgram), x)),
    )


def positions_gram(x: Array) -> Array:
    """Return the products of positions, (N, H W, H W)."""
    N, C, H, W = x.shape
    features = x.reshape(N, C, H * W)
    return features.transpose(0, 2, 1) @ features / (C * H * W)


def product(dgram: Array, x: Array) -> Array:
    """Return dgram @ F / (C H W), in the shape of x."""
    N, C, H, W = x.shape
    return (dgram @ x.reshape(N, C, H * W) / (C * H * W)).reshape(x.shape)


def picture(functions: Functions, model: Model, photo: Photo) -> list[Panel]:
    """Return a drawn texture, and two textures that start from noise, after few steps and after many."""
    side, steps = (96, MORE_STEPS) if model.net.input_shape[1] < 96 else (128, STEPS)
    source = images.resize(draw_style("strokes", np.random.default_rng(0), 256), side, side)
    x, layers = model.preprocessing.to_input(source), texture_layers(model.net)
    model = model._replace(net=model.net.with_pooling("avg"))  # gives smoother images (Gatys et al. 2015)
    targets = {name: functions["gram_matrix"](out) for name, out in
               model.net.forward(x, upto=layers, keep=layers).activations.items()}

    def seeds(activations: dict[str, Array]) -> tuple[float, dict[str, Array]]:
        total, gradients = 0.0, {}
        for name, target in targets.items():
            difference = functions["gram_matrix"](activations[name]) - target
            size = float((target * target).sum())
            total += float((difference * difference).sum()) / size
            gradients[name] = functions["gram_backward"](2 / size * difference, activations[name])
        return total, gradients
    noise = x.mean(axis=(2, 3), keepdims=True) + first_noise(model, side)
    made = minimised(model, noise, layers, seeds, steps)
    return [("source", source / 255), picture_panel("noise", model, noise),
            picture_panel(f"after {steps} steps", model, made)]
