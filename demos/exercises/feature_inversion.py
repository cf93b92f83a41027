"""The exercise feature_inversion: an image with the same features as a photo."""

from typing import Any

import numpy as np

from minicnn.gradient_check import numerical_gradient
from minicnn.losses import TotalVariation
from minicnn.models import Model
from minicnn.network import Network
from minicnn.optimize import LBFGS, Clamp

from ..shared.inputs import Photo
from ..shared.language import Translate, english
from ..shared.layers import feature_layers
from .exercise import Case, Exercise, Function, Functions, Mistake, Panel
from .pictures import first_noise, picture_panel
from .scored import SIDE, network_text, tiny_network
from .twins import Array, normal

STEPS, SMOOTH = 80, 1e-5  # of L-BFGS; weight of the library's total variation, for an image of any size


def naive_inversion(net: Network, layer: str, x: Array, target: Array) -> tuple[float, Array]:
    """The relative squared distance of the features, and its gradient to the image."""
    return inversion(net, layer, x, target)


def numeric_inversion(net: Network, layer: str, x: Array, target: Array) -> tuple[float, Array]:
    """The same by finite differences of the loss, which is added up one feature after another."""
    def loss(image: Array) -> float:
        features = net.predict(image, layer)
        distance = sum((features[place] - target[place]) ** 2 for place in np.ndindex(target.shape))
        return float(distance / sum(target[place] ** 2 for place in np.ndindex(target.shape)))
    return loss(x), numerical_gradient(loss, x)


def inversion(net: Network, layer: str, x: Array, target: Array, loss_scale: float = 1.0, seed_scale: float = 1.0,
              relative: bool = True, relative_seed: bool = True) -> tuple[float, Array]:
    """Return (loss, dx), with the changes of a mistake."""
    trace = net.forward(x, upto=layer)
    difference = trace.activations[layer] - target
    size = (target * target).sum()
    seed = seed_scale * 2 * difference / (size if relative_seed else 1)
    dx = net.backward(trace, {layer: seed.astype(x.dtype)})["input"]
    return loss_scale * float((difference * difference).sum()) / (float(size) if relative else 1.0), dx


def exercise(_: Translate = english) -> Exercise:
    """Return the exercise in the chosen language."""
    net, x, other = tiny_network(), normal(130, 1, 3, SIDE, SIDE), normal(131, 1, 3, SIDE, SIDE)
    return Exercise(
        name="feature_inversion",
        title=_("Feature inversion: the loss and its gradient to the image"),
        task=_("Feature inversion looks for an image whose features at some layer are those of a photo (Mahendran and "
               "Vedaldi 2015). Where it differs from the photo, the layer has lost details. You write the "
               "loss and its gradient; the check then minimizes your loss, from noise.\n\n") + network_text(_),
        functions=(
            Function("inversion_loss(net, layer, x, target)", ("loss", "dx"), _(
                "Return (loss, dx): a number, and its gradient to the image, of the shape of x.\n\n"
                "    features = the output of `layer` for the image x\n"
                "    loss = sum of (features - target)**2 / sum of target**2\n\n"
                "layer : a name. target : the features of the photo, of the shape of `features`."),
                ">>> from minicnn import load_model\n"
                ">>> net, x = load_model(\"shapes\").net, np.ones((1, 3, 64, 64), np.float32)\n"
                ">>> float(inversion_loss(net, \"relu1\", x, net.predict(x, \"relu1\"))[0])\n0.0"),
        ),
        cases=(
            Case(_("at the layer conv1"), "inversion_loss", (net, "conv1", x, net.predict(other, "conv1")),
                 naive_inversion),
            Case(_("at the layer relu1: finite differences"), "inversion_loss",
                 (net, "relu1", x, net.predict(other, "relu1")), numeric_inversion),
            Case(_("the photo itself: the loss is 0"), "inversion_loss", (net, "relu1", x, net.predict(x, "relu1")),
                 naive_inversion),
        ),
        mistakes=mistakes(_),
        hints=(
            _("trace = net.forward(x), and trace.activations[layer] are the features."),
            _("The seed is the gradient of the loss to the features: 2 * (features - target) / sum of target**2."),
            _("net.backward(trace, {layer: seed})[\"input\"] is the gradient to the image."),
        ),
        picture=picture,
        caption=_("a photo, and images from noise with its features, by your loss"),
        solution="minicnn/visualize/synthesis/inversion.py",
        translate=_,
    )


def mistakes(_: Translate) -> tuple[Mistake, ...]:
    """Return the known mistakes."""
    def mistake(hint: str, **changes: Any) -> Mistake:
        return Mistake("inversion_loss", hint, lambda *arguments: inversion(*arguments, **changes))

    def seed_alone(net: Network, layer: str, x: Array, target: Array) -> tuple[float, Array]:
        difference = net.predict(x, layer) - target
        return inversion(net, layer, x, target)[0], 2 * difference / (target * target).sum()

    def mean(net: Network, layer: str, x: Array, target: Array) -> tuple[float, Array]:
        loss, dx = inversion(net, layer, x, target, relative=False, relative_seed=False)
        return loss / target.size, dx / target.size

    def absolute(net: Network, layer: str, x: Array, target: Array) -> tuple[float, Array]:
        loss, dx = inversion(net, layer, x, target)
        return loss**0.5, dx

    def by_own_size(net: Network, layer: str, x: Array, target: Array) -> tuple[float, Array]:
        features = net.predict(x, layer)
        factor = float((target * target).sum() / (features * features).sum())
        loss, dx = inversion(net, layer, x, target)
        return loss * factor, dx * factor
    return (
        mistake(_("The loss is not divided by the sum of target**2."), relative=False, relative_seed=False),
        mistake(_("The gradient is not divided by the sum of target**2."), relative_seed=False),
        mistake(_("The factor 2 is missing in the gradient: the derivative of d**2 is 2 * d."), seed_scale=0.5),
        mistake(_("The gradient has the wrong sign: the derivative of (features - target)**2 is "
                  "2 * (features - target)."),
                seed_scale=-1.0),
        mistake(_("The loss is half of what it should be: each squared difference counts in full."), loss_scale=0.5,
                seed_scale=0.5),
        Mistake("inversion_loss", _("dx is the gradient to the features. Go back to the image: net.backward(trace, "
                                    "{layer: seed})[\"input\"]."), seed_alone),
        Mistake("inversion_loss", _("The loss is a mean over the features. It is a sum, divided by the sum of "
                                    "target**2."), mean),
        Mistake("inversion_loss", _("The loss is a norm. It is the squared norm: no square root."), absolute),
        Mistake("inversion_loss", _("The loss is divided by the sum of features**2. Divide by the sum of "
                                    "target**2, which does not change with the image."), by_own_size),
    )


def picture(functions: Functions, model: Model, photo: Photo) -> list[Panel]:
    """Return the photo, and for the first three stages an image from noise that minimizes the learner's loss."""
    panels = [picture_panel(photo.name, model, photo.x)]
    for layer in feature_layers(model.net)[:3]:
        x = inverted(functions, model, layer, model.net.predict(photo.x, layer))
        panels.append(picture_panel(f"from {layer}", model, x))
    return panels


def inverted(functions: Functions, model: Model, layer: str, target: Array) -> Array:
    """Return an image that minimizes the learner's loss and a little total variation."""
    side, smooth = model.net.input_shape[1], TotalVariation()

    def evaluate(x: Array) -> tuple[float, Array, list[float]]:
        loss, dx = functions["inversion_loss"](model.net, layer, x, target)
        variation, seeds = smooth({"input": x})
        weight = SMOOTH * (224 / side) ** 2
        return float(loss) + weight * variation, dx + weight * seeds["input"], [float(loss)]
    x, update = first_noise(model, side), LBFGS(within=Clamp(*model.preprocessing.valid_range()))
    for _step in range(STEPS):
        x, _total, _values = update.step(x, evaluate)
    return x
