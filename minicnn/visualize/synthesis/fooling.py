"""Fooling images: invisible changes of a picture after which the network classifies it as another class."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minicnn.arguments import require_choice, require_fields, require_kind, require_number, require_whole
from minicnn.backend import Array, to_device, to_host
from minicnn.errors import InputError
from minicnn.images import psnr
from minicnn.losses import ClassMargin, ClassScore
from minicnn.models.preprocessing import TORCHVISION, Preprocessing
from minicnn.network import Network
from minicnn.optimize import Clamp, NormalizedStep, optimize_image
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.progress import Progress
from minicnn.shown import html_fields, short_fields
from minicnn.visualize.arrays import as_picture
from minicnn.visualize.attribution.gradients import score_seeds
from minicnn.visualize.entry import enter, require_labels, require_preprocessing, require_watchers

OBJECTIVES = {"score": ClassScore, "margin": ClassMargin}


@dataclass(frozen=True)
class FoolingSettings:
    """The settings of `fooling_image`. Raises InputError if the objective is unknown."""

    num_steps: int = 100         # largest number of steps
    objective: str = "margin"    # "score" of the target, or its "margin": the score minus the best other score
    learning_rate: float = 1.0   # length of a step, for torchvision's unit and 224 pixels; converted for other inputs
    margin: float = 0.0          # margin of the target that the finished 8-bit picture must exceed
    epsilon: int = 0             # largest change of a colour, in levels of 255; 0: no bound

    def __post_init__(self) -> None:
        require_choice("objective", self.objective, list(OBJECTIVES))
        require_fields(self, num_steps=1, learning_rate=0, epsilon=0)


CS231N = FoolingSettings(objective="score")   # Stanford CS231n, assignment 3; the score of other classes can rise more
MARGIN = FoolingSettings(objective="margin")  # ours: needs a smaller change, as it goes straight to the class boundary
FOOLING_PRESETS = {"cs231n": CS231N, "margin": MARGIN}


class Fooled(NamedTuple):
    """The difference between a fooling image, as 8-bit picture, and its original, and the network's answer to it."""

    steps: int      # number of steps
    survived: bool  # True if the 8-bit picture's margin exceeds the margin of the settings
    margin: float   # score of the target minus the best other score, for the 8-bit picture
    l2: float       # Euclidean norm of the change, in levels of 255
    linf: int       # largest change of one colour of one pixel, in levels of 255
    psnr: float     # peak signal-to-noise ratio to the original in dB; infinite if nothing changed

    def __repr__(self) -> str:
        return short_fields(self)

    def _repr_html_(self) -> str:
        return html_fields(self)


def fooling_image(net: Network, x: Array, target: int, preprocessing: Preprocessing,
                  settings: FoolingSettings = MARGIN, *, callback: Callable | None = None,
                  checkpoint: Checkpoint | None = None) -> tuple[np.ndarray, Fooled, list[Progress]]:
    """Return a picture like x that the network classifies as `target`, uint8 (H, W, 3), the report, and the history.

    After each step the image is rounded to the 8 bits of an image file. The loop ends when the rounded picture has the
    target as its highest score, by more than the margin of the settings. Rounding removes all changes of less than half
    a level, so an image of floats can fool the network while its file does not.

    Parameters
    ----------
    net : the network.
    x : the picture, (1, C, H, W).
    target : the class.
    preprocessing : of the network's weights.
    settings : the FoolingSettings, such as a preset in FOOLING_PRESETS.
    callback : called with (Progress, image) after each step. Progress.values[0] is the objective before the step.
    checkpoint : a Checkpoint for resuming an interrupted run.

    Raises
    ------
    InputError : if the class does not exist, or is the network's answer to x already.

    References
    ----------
    Szegedy et al. 2013 (arXiv:1312.6199), section 4. Stanford CS231n, whose code does not round.

    Examples
    --------
    >>> picture, report, history = fooling_image(net, x, 1, model.preprocessing, FoolingSettings(num_steps=2))
    >>> picture.shape, report.steps, report.linf > 0
    ((64, 64, 3), 2, True)
    """
    x, target = enter(net, x), require_labels(net, target, 1)[0]
    require_preprocessing(preprocessing, net)
    require_kind("settings", settings, FoolingSettings, "give FoolingSettings(...)")
    require_watchers(callback, checkpoint)
    require_new_target(net, x, target)
    original = preprocessing.to_image(to_host(x))

    def finished(progress: Progress, image: Array) -> bool:
        stop = callback is not None and bool(callback(progress, image))
        picture = preprocessing.to_image(to_host(image))
        return stop or target_margin(net, picture, target, preprocessing) > settings.margin

    rate = settings.learning_rate * preprocessing.unit / TORCHVISION.unit
    image, history = optimize_image(
        net, x,
        [(-1.0, OBJECTIVES[settings.objective](net.output, target))],
        update=NormalizedStep(rate * max(x.shape[2:]) / 224),
        num_steps=settings.num_steps,
        project=(Clamp(*(to_device(bound, net.device) for bound in bounds(to_host(x), preprocessing,
                                                                          settings.epsilon))),),
        callback=finished,
        checkpoint=checkpoint)
    picture = preprocessing.to_image(to_host(image))
    report = fooling_report(net, original, picture, target, preprocessing, len(history), settings.margin)
    return picture, report, history


def require_new_target(net: Network, x: Array, target: int) -> None:
    """Raise InputError unless x is one picture and `target` is a class other than the network's answer to it."""
    if len(x) != 1:
        raise InputError(f"fooling_image takes one picture at a time, not {len(x)}")
    scores = score_seeds(net, x, target)[0].activations[net.output]  # raises InputError if the class does not exist
    if int(scores[0].argmax()) == target:
        raise InputError(f"the network classifies the picture as class {target} already; choose another target")


def bounds(x: np.ndarray, preprocessing: Preprocessing, epsilon: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest valid images near x: at most `epsilon` levels of 255 away, unless epsilon is 0."""
    low, high = preprocessing.valid_range()
    if not epsilon:
        return low, high
    reach = epsilon * (high - low) / 255  # per channel, as the bound holds for every colour; `unit` is their mean
    return np.maximum(low, x - reach), np.minimum(high, x + reach)


def target_margin(net: Network, picture: np.ndarray, target: int, preprocessing: Preprocessing) -> float:
    """Return the score of class `target` minus the best other score, for a picture, uint8 (H, W, 3)."""
    scores = to_host(net.predict(to_device(preprocessing.to_input(picture), net.device)))[0]
    return float(scores[target] - np.delete(scores, target).max())


def fooling_report(net: Network, original: np.ndarray, picture: np.ndarray, target: int, preprocessing: Preprocessing,
                   steps: int, margin: float = 0.0) -> Fooled:
    """Return the Fooled of a picture and its original, both uint8 (H, W, 3), after this number of steps.

    >>> fooling_report(net, photo, photo, 1, model.preprocessing, 0).survived
    False
    """
    target, = require_labels(net, target, 1)
    require_preprocessing(preprocessing, net)
    original, picture = to_host(as_picture("original", original)), to_host(as_picture("picture", picture))
    if original.shape != picture.shape:
        raise InputError(f"the picture has the shape {picture.shape}, the original {original.shape}")
    steps, margin = require_whole("steps", steps), require_number("margin", margin)
    change = picture.astype(np.float64) - original
    reached = target_margin(net, picture, target, preprocessing)
    return Fooled(steps, reached > margin, reached, float((change**2).sum() ** 0.5), int(np.abs(change).max()),
                  psnr(picture, original))
