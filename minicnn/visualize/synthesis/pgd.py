"""Projected gradient descent: the strongest change of a picture within a given distance, after which it fools."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minicnn.arguments import (
    Seed,
    require_choice,
    require_fields,
    require_flag,
    require_generator,
    require_kind,
    require_number,
)
from minicnn.backend import Array, Generator, device_of, get_array_module, to_device, to_host
from minicnn.losses import ClassMargin, CrossEntropy
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize import optimize_image
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.progress import Progress
from minicnn.optimize.updates import TINY, FirstOrder
from minicnn.visualize.entry import enter, require_labels, require_preprocessing, require_scores, require_watchers
from minicnn.visualize.synthesis.ball import NORMS, Ball, norm_of, on_the_grid, random_change, rounded_pictures

OBJECTIVES = {"margin": ClassMargin, "cross-entropy": CrossEntropy}


@dataclass(frozen=True)
class PGDSettings:
    """The settings of `pgd_attack`. Raises InputError if a name is unknown or a number out of range."""

    norm: str = "linf"         # the ball: "linf", the largest change of a colour, or "l2", the Euclidean norm
    epsilon: float = 8.0       # radius of the ball, in levels of 255; "l2" is the norm over all pixels and colours
    num_steps: int = 20        # number of steps
    step: float = 2.5          # length of all steps together, in radii; a step is step * epsilon / num_steps long
    objective: str = "margin"  # the score of the class minus the best other one, or "cross-entropy"
    random_start: bool = True  # whether to start at a random place in the ball instead of at the picture

    def __post_init__(self) -> None:
        require_choice("norm", self.norm, NORMS)
        require_choice("objective", self.objective, list(OBJECTIVES))
        require_fields(self, num_steps=1)
        object.__setattr__(self, "random_start", require_flag("random_start", self.random_start))
        require_number("epsilon", self.epsilon, above=0, most=1e6)
        require_number("step", self.step, above=0, most=1e6)


MADRY = PGDSettings(step=5.0, objective="cross-entropy")  # Madry et al. 2018: 20 steps of 2, for CIFAR-10
LINF = PGDSettings()  # ours: in float32 the gradient of cross-entropy can vanish, but not the margin's
L2 = PGDSettings("l2", 500)
PGD_PRESETS = {"linf": LINF, "l2": L2, "madry": MADRY}


class Attacked(NamedTuple):
    """The network's answer to an attacked picture of 8 bits, and the size of the change."""

    label: int      # the class of the original
    answer: int     # the class of the attacked picture
    fooled: bool    # True if the answer is the target, or, without a target, another one than for the original
    margin: float   # how far: the score of the target, or the best other score, minus the best of the others
    l2: float       # Euclidean norm of the change, in levels of 255
    linf: int       # largest change of one colour of one pixel, in levels of 255


def pgd_attack(net: Network, x: Array, preprocessing: Preprocessing, settings: PGDSettings = LINF,
               target: Any = None, *, rng: Seed = 0, callback: Callable | None = None,
               checkpoint: Checkpoint | None = None) -> tuple[np.ndarray, list[Attacked], list[Progress]]:
    """Return pictures that fool the network and lie within epsilon of the originals, reports, and the history.

    All pictures are attacked at the same time, in `num_steps` steps. Each step goes along the gradient, has a fixed
    length in the norm of the ball, and is followed by the projection onto the ball and onto the colours that exist.
    At the end the pictures are rounded to 8 bits such that they stay in the ball.

    Parameters
    ----------
    net : the network.
    x : the pictures, (N, C, H, W). The centre of a ball is the 8-bit picture.
    preprocessing : of the network's weights.
    settings : the PGDSettings, such as a preset in PGD_PRESETS.
    target : the class to reach, or one for each picture. By default any class but the network's answer.
    rng : the random generator of the start, or a seed.
    callback : called with (Progress, images) after each step. Progress.values[0] is the objective before the step.
    checkpoint : a Checkpoint for resuming an interrupted run.

    Returns
    -------
    The pictures, uint8 (N, H, W, 3), an Attacked for each, and the Progress of each step.

    Raises
    ------
    InputError if a class does not exist.

    References
    ----------
    Madry et al. 2018 (arXiv:1706.06083), section 2.1. The margin: Carlini and Wagner 2017 (arXiv:1608.04644).

    Examples
    --------
    >>> pictures, reports, history = pgd_attack(net, x, model.preprocessing, PGDSettings(epsilon=3, num_steps=4))
    >>> pictures.shape, reports[0].linf <= 3, len(history)
    ((1, 64, 64, 3), True, 4)
    """
    require_scores(net)
    x = enter(net, x)
    require_preprocessing(preprocessing, net)
    require_kind("settings", settings, PGDSettings, "give PGDSettings(...)")
    require_watchers(callback, checkpoint)
    rng = require_generator(rng)
    targets = None if target is None else require_labels(net, target, len(x))
    originals, x, unit = on_the_grid(net, x, preprocessing)
    labels = to_host(net.predict(x)).argmax(axis=1).tolist()
    ball = Ball(settings.norm, x, unit, settings.epsilon)
    low, high = (to_device(bound, net.device) for bound in preprocessing.valid_range())
    loss = OBJECTIVES[settings.objective](net.output, labels if targets is None else targets)
    # The class: its cross-entropy rises, or its margin falls. The target: its cross-entropy falls, or its margin rises.
    sign = 1.0 if (settings.objective == "margin") == (targets is None) else -1.0
    start = random_start(x, unit, settings, rng) if settings.random_start else x
    images, history = optimize_image(
        net, clipped(ball(start, 0), low, high), [(sign, loss)],
        update=SteepestStep(settings.norm, unit, settings.step * settings.epsilon / settings.num_steps),
        num_steps=settings.num_steps, project=(ball, lambda image, step: clipped(image, low, high)),
        callback=callback, checkpoint=checkpoint)
    pictures = rounded_pictures(images, x, preprocessing, settings)
    return pictures, attack_reports(net, originals, pictures, labels, targets, preprocessing), history


def clipped(images: Array, low: Array, high: Array) -> Array:
    """Return the images with their colours between black and white."""
    return get_array_module(images).clip(images, low, high)


class SteepestStep(FirstOrder):
    """The step of this length in levels that changes the loss most, for each image of a batch.

    linf : length * sign(gradient). l2 : length * gradient / |gradient|. unit : of a level in x, (C, 1, 1).
    """

    not_kept = ("gradient", "unit")

    def __init__(self, norm: str, unit: Array, length: float) -> None:
        self.norm, self.unit, self.learning_rate = norm, unit, length

    def delta(self, gradient: Array) -> Array:
        xp = get_array_module(gradient)
        in_levels = gradient * self.unit  # d loss / d level
        if self.norm == "linf":
            return self.learning_rate * self.unit * xp.sign(in_levels)
        return self.learning_rate * self.unit * (in_levels / xp.maximum(norm_of(in_levels, "l2"), TINY))


def random_start(x: Array, unit: Array, settings: PGDSettings, rng: Generator) -> Array:
    """Return x plus a random change in the ball: uniform for "linf", a random direction and length for "l2"."""
    change = random_change(x.shape, settings, rng)
    lengths = rng.random(x.shape if settings.norm == "linf" else (len(x), 1, 1, 1))
    return x + unit * to_device((change * lengths).astype(x.dtype), device_of(x))


def attack_reports(net: Network, originals: np.ndarray, pictures: np.ndarray, labels: list[int],
                   targets: list[int] | None, preprocessing: Preprocessing) -> list[Attacked]:
    """Return the Attacked of each picture: originals and pictures are uint8 (N, H, W, 3)."""
    scores = to_host(net.predict(to_device(preprocessing.to_input(pictures), net.device)))
    reports = []
    for n, (row, label) in enumerate(zip(scores, labels, strict=True)):
        change = pictures[n].astype(np.float64) - originals[n]
        wanted = label if targets is None else targets[n]
        margin = float(row[wanted] - np.delete(row, wanted).max())
        answer = int(row.argmax())
        reports.append(Attacked(label, answer, answer != label if targets is None else answer == wanted,
                                -margin if targets is None else margin,
                                float((change**2).sum() ** 0.5), int(abs(change).max())))
    return reports


def answers(net: Network, pictures: np.ndarray, preprocessing: Preprocessing, batch_size: int = 16) -> np.ndarray:
    """Return the network's class for each picture, uint8 (N, H, W, 3), whole numbers (N,)."""
    return np.concatenate([
        to_host(net.predict(to_device(preprocessing.to_input(pictures[n:n + batch_size]), net.device))).argmax(axis=1)
        for n in range(0, len(pictures), batch_size)])
