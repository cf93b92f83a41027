"""Class visualization: an image that maximizes the score of a class."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minicnn.arguments import Seed, count_of
from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.losses import ClassMargin, ClassScore
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.progress import Progress
from minicnn.visualize.entry import Labels, enter, require_labels
from minicnn.visualize.synthesis.ascent import ascend, require_ascent
from minicnn.visualize.synthesis.ascent_settings import MARGIN, PHOTOS, AscentSettings


def class_visualization(net: Network, label: Labels, preprocessing: Preprocessing,
                        settings: AscentSettings | None = None, *, rng: Seed, size: int | None = None,
                        start: Array | None = None, callback: Callable | None = None,
                        checkpoint: Checkpoint | None = None) -> tuple[np.ndarray, list[Progress]]:
    """Return an image that maximizes the score of a class, (1, C, size, size) on the host, and the history.

    Parameters
    ----------
    net : the network.
    label : a class, or a sequence of N classes for N images, (N, C, size, size).
    preprocessing : of the network's weights.
    settings : the AscentSettings, such as a preset in CLASS_PRESETS; by default, DISTILL, PHOTOS for networks of
        small photos, or MARGIN for networks of drawings, see `default_settings`. The margin to the best other class
        counts `margin_weight`. A weight of 0, as published, does not ensure that the class gets the highest score.
    rng : the generator of the first image and the jitter, or a seed.
    size : the side of the image in pixels. By default, the side of the network's input.
    start : the first images, (N, C, size, size), which also set the size. By default, noise.
    callback : called with (Progress, image) after each step. Progress.values holds the score, the margin if its weight
        is not 0, and the L2 term, each before the step.
    checkpoint : a Checkpoint for resuming an interrupted run.

    References
    ----------
    Simonyan et al. 2013 (arXiv:1312.6034), section 2. Yosinski et al. 2015 (arXiv:1506.06579), section 4.

    Examples
    --------
    >>> quick = AscentSettings(num_steps=3, start_noise=1.0)
    >>> image, history = class_visualization(net, label, model.preprocessing, quick, rng=rng)
    >>> image.shape, history[-1].values[0] > history[0].values[0]
    ((1, 3, 64, 64), True)
    """
    settings, size = require_ascent(net, preprocessing, settings, MARGIN, size, callback, checkpoint, PHOTOS)
    labels = require_labels(net, label, max(1, count_images(label)))
    if start is not None:
        start, size = require_start(net, start, len(labels))
    return ascend(net, class_terms(net, labels, settings), preprocessing, (len(labels), size), settings, rng=rng,
                  callback=callback, checkpoint=checkpoint, start=start)


def class_terms(net: Network, labels: Sequence[int], settings: AscentSettings) -> list[tuple[float, Any]]:
    """Return the terms to maximize for N images of N classes, [(weight, loss), …]: the score, and the margin."""
    terms: list[tuple[float, Any]] = [(1.0, ClassScore(net.output, labels))]
    if settings.margin_weight:
        terms.append((settings.margin_weight, ClassMargin(net.output, labels)))
    return terms


def require_start(net: Network, start: Array, count: int) -> tuple[Array, int]:
    """Return the first images on the network's device, and their side. Raises InputError unless all are square."""
    start = enter(net, start, "start")
    if start.shape[0] != count or start.shape[2] != start.shape[3]:
        raise InputError(f"start has the shape {tuple(start.shape)}; expected {count} square images of shape "
                         f"({count}, {net.input_shape[0]}, size, size)")
    return start, start.shape[2]


def count_images(labels: Labels) -> int:
    """Return the number of images: one for each of several labels or channels."""
    return 1 if count_of(labels) is None else len(labels)  # type: ignore[arg-type]  # a sequence here
