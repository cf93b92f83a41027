"""The exercise style_loss: the loss of one layer in style transfer, and its gradient to the features."""

from typing import Any

import numpy as np

from minicnn import images
from minicnn.datasets.drawings import draw_scene, draw_style
from minicnn.gradient_check import numerical_gradient
from minicnn.losses import FeatureMatch, TotalVariation
from minicnn.models import Model

from ..shared.inputs import Photo
from ..shared.language import Translate, english
from .exercise import Case, Exercise, Function, Functions, Mistake, Panel
from .gram import naive_gram
from .pictures import minimised, picture_panel, texture_layers
from .twins import Array, normal

STEPS, CONTENT, SMOOTH = 60, 0.2, 1e-4  # of L-BFGS; weights of the content and of total variation


def naive_style_loss(features: Array, target: Array, weight: float) -> tuple[float, Array]:
    """The weighted squared distance of two Gram matrices, one pair of channels after another."""
    N, C, H, W = features.shape
    difference, loss = naive_gram(features) - target, 0.0
    dfeatures = np.zeros_like(features)
    for n, c, d in np.ndindex(difference.shape):
        loss += float(weight * difference[n, c, d] ** 2)
        dfeatures[n, c] += weight * 4 * difference[n, c, d] * features[n, d] / (C * H * W)
    return loss, dfeatures


def numeric_style_loss(features: Array, target: Array, weight: float) -> tuple[float, Array]:
    """The same by finite differences of the loss."""
    def loss(changed: Array) -> float:
        return naive_style_loss(changed, target, weight)[0]
    return loss(features), numerical_gradient(loss, features)


def exercise(_: Translate = english) -> Exercise:
    """Return the exercise in the chosen language."""
    features, other = normal(140, 1, 3, 4, 5), normal(141, 1, 3, 6, 4)
    target = naive_gram(other)
    return Exercise(
        name="style_loss",
        title=_("The style loss and its gradient"),
        task=_("Style transfer (Gatys et al. 2015) changes an image until the Gram matrices of its features are those "
               "of a painting. You write the loss of one layer and its gradient to the features; the check then "
               "transfers a style with it.\n\nF is the matrix of the features: F = features[0] as (C, H * W)."),
        functions=(
            Function("style_loss(features, target, weight)", ("loss", "dfeatures"), _(
                "Return (loss, dfeatures): a number, and its gradient, of the shape of the features.\n\n"
                "    gram      = F @ F.T / (C * H * W)\n"
                "    loss      = weight * sum of (gram - target)**2\n"
                "    dfeatures = weight * 4 * (gram - target) @ F / (C * H * W), as (1, C, H, W)\n\n"
                "features : (1, C, H, W). target : the Gram matrix of the painting, (1, C, C), which is symmetric."),
                ">>> float(style_loss(np.ones((1, 2, 3, 3)), np.full((1, 2, 2), 0.5), 10.0)[0])\n0.0"),
        ),
        cases=(
            Case(_("against loops"), "style_loss", (features, target, 1.0), naive_style_loss),
            Case(_("a weight of 30"), "style_loss", (features, target, 30.0), naive_style_loss),
            Case(_("against finite differences"), "style_loss", (normal(142, 1, 3, 2, 5), target, 2.0),
                 numeric_style_loss),
            Case(_("the painting itself: the loss is 0"), "style_loss", (other, target, 5.0), naive_style_loss),
        ),
        mistakes=mistakes(_),
        hints=(
            _("Bring the features into the shape (C, H * W) first; F.T is the transpose."),
            _("The derivative of the squares is 2 * (gram - target). Through F @ F.T, with a symmetric matrix, it "
              "becomes 2 * 2 * (gram - target) @ F."),
            _("Divide by C * H * W in both results, and multiply both by the weight."),
        ),
        picture=picture,
        caption=_("a photo in the style of a drawing, by your style loss"),
        solution="minicnn/losses/targets.py",
        translate=_,
    )


def mistakes(_: Translate) -> tuple[Mistake, ...]:
    """Return the known mistakes."""
    def mistake(hint: str, **changes: Any) -> Mistake:
        return Mistake("style_loss", hint, lambda *arguments: changed_loss(*arguments, **changes))
    return (
        mistake(_("The weight is missing in the loss."), loss_weight=False),
        mistake(_("The weight is missing in the gradient."), gradient_weight=False),
        mistake(_("The Gram matrix is not divided by C * H * W."), divided=False),
        mistake(_("The division by C * H * W is missing in the gradient."), gradient_divided=False),
        mistake(_("The loss is a mean over the Gram matrix. It is a sum."), mean=True),
        mistake(_("The differences are not squared: use their squares."), squared=False),
        mistake(_("The gradient is half of what it should be: F occurs twice in F @ F.T, so the factor is 4."),
                factor=2.0),
        mistake(_("The gradient is a quarter of what it should be: the square gives a factor 2, and F @ F.T another."),
                factor=1.0),
        mistake(_("The gradient has the wrong sign: use gram - target, not target - gram."),
                factor=-4.0),
        mistake(_("The gradient to the Gram matrix comes back. Go back to the features: multiply it by F."),
                to_features=False),
    )


def changed_loss(features: Array, target: Array, weight: float, loss_weight: bool = True, gradient_weight: bool = True,
                 divided: bool = True, gradient_divided: bool = True, mean: bool = False, squared: bool = True,
                 factor: float = 4.0, to_features: bool = True) -> tuple[float, Array]:
    """Return (loss, dfeatures), with the changes of a mistake."""
    _N, C, H, W = features.shape
    rows = features.reshape(C, H * W)
    difference = rows @ rows.T / (C * H * W if divided else 1) - target[0]
    loss = float((difference**2 if squared else abs(difference)).sum()) * (weight if loss_weight else 1.0)
    dgram = factor * difference * (weight if gradient_weight else 1.0)
    dfeatures = (dgram @ rows / (C * H * W if divided and gradient_divided else 1)).reshape(features.shape)
    if mean:
        loss, dfeatures = loss / difference.size, dfeatures / difference.size
    return loss, dfeatures if to_features else dgram[None] / 2


def picture(functions: Functions, model: Model, photo: Photo) -> list[Panel]:
    """Return a content, a style, and the content in the style, by the learner's style loss."""
    large = model.net.input_shape[1] >= 96
    side, drawn = (192, 256) if large else (96, 96)
    content, style = (images.resize(picture, side, side) for picture in
                      (photo.image if large else draw_scene(drawn),
                       draw_style("strokes", np.random.default_rng(0), drawn)))
    layers = texture_layers(model.net)
    model = model._replace(net=model.net.with_pooling("avg"))  # gives smoother images (Gatys et al. 2015)
    x, painting = (model.preprocessing.to_input(picture) for picture in (content, style))
    match = FeatureMatch(layers[-1], model.net.predict(x, layers[-1]))
    targets = {name: naive_gram(out) for name, out in
               model.net.forward(painting, upto=layers, keep=layers).activations.items()}
    sizes = {name: float((gram * gram).sum()) for name, gram in targets.items()}
    of_content, smooth = float((match.target * match.target).sum()), TotalVariation()

    def seeds(activations: dict[str, Array]) -> tuple[float, dict[str, Array]]:
        loss, gradients = match(activations)
        total = CONTENT * loss / of_content
        gradients = {match.layer: CONTENT / of_content * gradients[match.layer]}
        for name, target in targets.items():
            loss, seed = functions["style_loss"](activations[name], target, 1 / sizes[name])
            total += float(loss)
            gradients[name] = gradients[name] + seed if name in gradients else seed
        variation, smoothing = smooth(activations)
        weight = SMOOTH / x.size
        return total + weight * variation, gradients | {"input": weight * smoothing["input"]}
    made = minimised(model, x, layers, seeds, STEPS)
    return [("content", content / 255), ("style", style / 255),
            picture_panel("by your style loss", model, made)]
