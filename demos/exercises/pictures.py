"""What several exercises do with a real network: the gradient of a class score, with the learner's layers in place."""

from collections.abc import Callable

import numpy as np

from minicnn import plot
from minicnn.layers import GuidedReLU, ReLU
from minicnn.losses import one_hot
from minicnn.models import Model
from minicnn.network import Network
from minicnn.optimize import LBFGS, Clamp

from ..shared.inputs import Photo, short_label
from ..shared.layers import feature_layers
from .exercise import Panel

Seeds = Callable[[dict[str, np.ndarray]], tuple[float, dict[str, np.ndarray]]]  # activations -> (loss, seeds)
TEXTURE_LAYERS = ("relu_conv1", "fire2/concat", "fire3/concat", "fire4/concat")  # of SqueezeNet


def photo_gradient(net: Network, photo: Photo) -> np.ndarray:
    """Return the gradient of the photo's best class score to the pixels, (1, C, H, W)."""
    trace = net.forward(photo.x, keep=(net.output,))
    scores = trace.activations[net.output]
    return net.backward(trace, {net.output: one_hot(scores, photo.label)})["input"]


def photo_panel(model: Model, photo: Photo) -> Panel:
    """Return the panel of the photo with its class."""
    return f"{photo.name}: {short_label(model, photo.label)}", photo.image / 255


def gradient_panel(caption: str, model: Model, gradient: np.ndarray) -> Panel:
    """Return the panel of a gradient (1, C, H, W) in colours: grey is zero."""
    return caption, plot.gradient_to_colours(model.preprocessing.to_pixel_directions(gradient)[0])


def saliency_panel(caption: str, gradient: np.ndarray) -> Panel:
    """Return the panel of the largest absolute gradient of each pixel, white where it is large."""
    size = abs(gradient[0]).max(axis=0)
    return caption, np.clip(size / (np.percentile(size, 99.7) or 1.0), 0, 1)


def picture_panel(caption: str, model: Model, x: np.ndarray) -> Panel:
    """Return the panel of a network's input x, (1, C, H, W), as a picture."""
    return caption, model.preprocessing.to_image(x) / 255


def gradient_and_saliency(model: Model, photo: Photo, net: Network) -> list[Panel]:
    """Return the photo, the gradient of its class score through `net`, and its saliency map."""
    gradient = photo_gradient(net, photo)
    return [photo_panel(model, photo), gradient_panel("gradient of the class score", model, gradient),
            saliency_panel("saliency: its largest absolute value over the colours", gradient)]


def gradient_and_guided(model: Model, photo: Photo, net: Network) -> list[Panel]:
    """Return the photo, the gradient of its class score through `net`, and the same by guided backprop."""
    return [photo_panel(model, photo),
            gradient_panel("gradient of the class score", model, photo_gradient(net, photo)),
            gradient_panel("guided backprop", model, photo_gradient(net.with_relu(GuidedReLU()), photo))]


class RuleReLU(ReLU):
    """A ReLU layer whose backward pass is the learner's rule, a function of (dout, x)."""

    def __init__(self, rule: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
        super().__init__()
        self.rule = rule

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.maximum(x, 0), x

    def backward(self, dout: np.ndarray, x: np.ndarray) -> np.ndarray:
        return self.rule(dout, x)


def rule_panels(rule: Callable[[np.ndarray, np.ndarray], np.ndarray], caption: str, model: Model, photo: Photo
                ) -> list[Panel]:
    """Return the photo, the gradient of its class score, and the same by the learner's rule for the ReLUs."""
    net = model.net.plain()
    by_rule = photo_gradient(net.with_relu(RuleReLU(rule)), photo)
    zero = "" if by_rule.any() else ": exactly zero, as in some networks"
    return [photo_panel(model, photo), gradient_panel("gradient", model, photo_gradient(net, photo)),
            gradient_panel(caption + zero, model, by_rule)]


# ---- optimized images ------------------------------------------------------------------------------------------------


def texture_layers(net: Network) -> list[str]:
    """Return the layers whose Gram matrices make a texture: SqueezeNet's by name, else up to three ends of stages."""
    return [name for name in TEXTURE_LAYERS if name in net.positions] or feature_layers(net)[:3]


def first_noise(model: Model, side: int) -> np.ndarray:
    """Return noise around the mean colour, (1, C, side, side): the first image of an optimization."""
    channels = model.net.input_shape[0]
    return np.random.default_rng(0).standard_normal((1, channels, side, side)).astype(np.float32) * np.float32(0.3)


def minimised(model: Model, image: np.ndarray, layers: list[str], seeds: Seeds, steps: int) -> np.ndarray:
    """Return the image after some steps of L-BFGS.

    seeds : called with the activations of the layers, and of "input", which is the image itself. Returns the loss and
    its gradients to the activations, {layer: gradient}.
    """
    def evaluate(x: np.ndarray) -> tuple[float, np.ndarray, list[float]]:
        trace = model.net.forward(x, upto=layers, keep=(*layers, "input"))
        loss, gradients = seeds(trace.activations)
        return loss, model.net.backward(trace, gradients, release=True)["input"], [loss]
    update = LBFGS(within=Clamp(*model.preprocessing.valid_range()))
    for _step in range(steps):
        image, _loss, _values = update.step(image, evaluate)
    return image
