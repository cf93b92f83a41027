"""Fooling images: a change too small to see, and the network takes the picture for whatever was asked for."""

from typing import NamedTuple

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.errors import InputError, unknown_name
from minicnn.images import psnr
from minicnn.losses import ClassMargin, ClassScore
from minicnn.models.preprocessing import TORCHVISION
from minicnn.optimize import Clamp, NormalizedStep, optimize_image
from minicnn.visualize.attribution.gradients import score_seeds
from minicnn.visualize.entry import enter

# What fooling_image takes: CS231n's recipe, and the same with the way to the border of the classes made shorter.
FOOLING_PRESETS = {
    "cs231n": {"objective": "score", "learning_rate": 1.0, "margin": 0.0, "epsilon": 0},
    "margin": {"objective": "margin", "learning_rate": 1.0, "margin": 0.0, "epsilon": 0},
}
OBJECTIVES = {"score": ClassScore, "margin": ClassMargin}


class Fooled(NamedTuple):
    """How a picture, as an 8-bit file holds it, differs from the original, and what the network makes of it."""

    steps: int      # that were taken
    survived: bool  # whether the 8-bit picture is taken for the target, by more than the margin that was asked for
    margin: float   # score of the target minus the best other score, of the 8-bit picture
    l2: float       # Euclidean norm of the change, in levels of 255
    linf: int       # largest change of one colour of one pixel, in levels of 255
    psnr: float     # dB: 255² to the mean squared change; infinite where nothing changed


def fooling_image(net, x, target, preprocessing, *, num_steps=100, objective="margin", learning_rate=1.0, margin=0.0,
                  epsilon=0, callback=None, checkpoint=None):
    """The picture x (1, C, H, W) changed until the network takes it for class `target`: (uint8 (H, W, 3), Fooled,
    history).

    Steps of length `learning_rate` along the normalized gradient, within the colours that exist. After each, the image
    is rounded as a PNG holds it, and is finished when even then the target's score is the highest, by more than
    `margin`: rounding takes back each change of less than half a level, so that an image of floats that fools the
    network need be no picture that does.

    objective : "score", the target's unnormalised score, as in CS231n, which can raise others more; or "margin", the
    same minus the best other score, the shorter way. learning_rate : of inputs of torchvision's unit and 224 pixels,
    as CS231n's 1; converted for others. epsilon : no colour may change by more, in levels of 255; 0 sets no bound.
    num_steps : when to give up. callback : called with (Progress, image) after each step; Progress.values[0] is the
    objective before it. checkpoint : a Checkpoint to go on from later, see `optimize_image`. Raises InputError for a
    class that does not exist, or that the network sees in the picture already.
    Szegedy et al. 2013 (arXiv:1312.6199), section 4; Stanford CS231n, which does not round.
    """
    if objective not in OBJECTIVES:
        raise unknown_name("objective", objective, OBJECTIVES)
    x = enter(net, x)
    if len(x) != 1:
        raise InputError(f"one picture is fooled at a time, not {len(x)}")
    scores = score_seeds(net, x, target)[0].activations[net.output]  # raises for a class that does not exist
    if int(scores[0].argmax()) == target:
        raise InputError(f"the network takes the picture for class {target} already; choose another target")
    original = preprocessing.to_image(to_host(x))
    low, high = preprocessing.valid_range()
    if epsilon:
        reach = epsilon * (high - low) / 255
        low, high = np.maximum(low, to_host(x) - reach), np.minimum(high, to_host(x) + reach)

    def finished(progress, image):
        stop = callback is not None and callback(progress, image)
        picture = preprocessing.to_image(to_host(image))
        return stop or target_margin(net, picture, target, preprocessing) > margin

    image, history = optimize_image(
        net, x,
        [(-1.0, OBJECTIVES[objective](net.output, target))],
        update=NormalizedStep(learning_rate * preprocessing.unit / TORCHVISION.unit * max(x.shape[2:]) / 224),
        num_steps=num_steps,
        project=(Clamp(to_device(low, net.device), to_device(high, net.device)),),
        callback=finished,
        checkpoint=checkpoint)
    picture = preprocessing.to_image(to_host(image))
    return picture, fooling_report(net, original, picture, target, preprocessing, len(history), margin), history


def target_margin(net, picture, target, preprocessing):
    """Score of class `target` minus the best other score, for a picture, uint8 (H, W, 3)."""
    scores = to_host(net.predict(to_device(preprocessing.to_input(picture), net.device)))[0]
    return float(scores[target] - np.delete(scores, target).max())


def fooling_report(net, original, picture, target, preprocessing, steps, margin=0.0):
    """The Fooled of a picture and its original, both uint8 (H, W, 3)."""
    change = picture.astype(np.float64) - original
    found = target_margin(net, picture, target, preprocessing)
    return Fooled(steps, found > margin, found, float((change**2).sum() ** 0.5), int(np.abs(change).max()),
                  psnr(picture, original))
