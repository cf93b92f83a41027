"""Steps of gradient ascent done again: step length, penalty, jitter, and the regularizers of the settings."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from minicnn.backend import to_device, to_host
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.check import Check
from minicnn.visualize.replay_check import (
    Redone,
    check_last_frame,
    check_range,
    check_redone,
    draw_shift,
    input_gradient,
    jittered_gradient,
)
from minicnn.visualize.synthesis.ascent_settings import INPUTS, AscentSettings
from minicnn.visualize.synthesis.before_relu import before_relu
from minicnn.visualize.synthesis.canvas import first_images
from minicnn.visualize.synthesis.spectrum_check import Pull, check_spectrum


class Goal(NamedTuple):
    """What N images maximize: the activations `units`, one of each image, or half the squared norm of the layer.

    units : for each image, the index of its activations in the layer, such as a class, or (channel, y, x), or
    (channel,) for the mean of a channel; None for the norm. margin : weight of the margin to the best other class.
    diversity : weight of the likeness of the images.
    """

    layer: str
    units: Sequence[tuple[int, ...]] | None
    margin: float = 0.0
    diversity: float = 0.0

    def whole_seed(self, out: np.ndarray) -> np.ndarray:
        """Return the gradient of the objective, the margin and the diversity to the layer's activations, (N, …)."""
        seed = self.seed(out, self.margin)
        return seed - self.diversity * likeness_gradient(out) if self.diversity else seed

    def seed(self, out: np.ndarray, margin: float = 0.0) -> np.ndarray:
        """Return the gradient of the objective to the layer's activations, (N, …)."""
        if self.units is None:
            return out
        seed = np.zeros_like(out)
        for n, unit in enumerate(self.units):
            seed[n][unit] = 1 / out[n][unit].size
            if margin:
                others = out[n].copy()
                others[unit] = -np.inf
                seed[n][unit] += margin
                seed[n, others.argmax()] -= margin
        return seed


def likeness_gradient(out: np.ndarray) -> np.ndarray:
    """Return the gradient of the mean over images of the cosines of their Gram matrices to all others, (N, C, …)."""
    rows = out.reshape(*out.shape[:2], -1).astype(np.float64)
    grams = np.einsum("nch,ndh->ncd", rows, rows)
    lengths = np.maximum(np.linalg.norm(grams, axis=(1, 2)), 1e-30)
    gradient = np.zeros(rows.shape)
    for n in range(len(out)):
        for m in range(len(out)):
            if m != n:
                cosine = (grams[n] * grams[m]).sum() / lengths[n] / lengths[m]
                # the pair counts twice, and so does each of the two equal factors of a Gram matrix
                slope = grams[m] / lengths[n] / lengths[m] - cosine * grams[n] / lengths[n]**2
                gradient[n] += 4 / len(out) * slope @ rows[n]
    return gradient.reshape(out.shape)


def redone_steps(settings: AscentSettings) -> set[int]:
    """Return the steps that `check_ascent` does again: the first, the last one with a blur, and the last.

    On a spectrum it is the first, see `check_spectrum`.
    """
    if settings.parametrization == "fourier":
        return {1}
    last, every = settings.num_steps, settings.blur_every
    return {1, last} | ({last - last % every} if settings.blur_sigma and last >= every else set())


def kept_steps(settings: AscentSettings) -> set[int]:
    """Return the steps whose images `check_ascent` needs: the repeated steps, and the step before each."""
    kept = {step for one in redone_steps(settings) for step in (one - 1, one) if step > 0}
    return kept | {settings.num_steps}


def check_ascent(net: Network, goal: Any, preprocessing: Preprocessing, settings: AscentSettings,
                 frames: Mapping[int, np.ndarray], image: np.ndarray, rng: np.random.Generator,
                 name: str = "", steps: int | None = None, start: np.ndarray | None = None,
                 pull: Pull | None = None) -> list[Check]:
    """Return the Checks that an image was made by the steps of its settings, and that its colours are valid.

    The first step, the last one with a blur and the last one are done again by the formulas: the gradient of the
    objective and of the penalty, the step's length, the jitter, and the regularizers.

    Parameters
    ----------
    net, preprocessing, settings : as in `class_visualization`.
    goal : the Goal of the images, or another object with its methods.
    frames : {step: image (N, C, size, size)} for the steps of `kept_steps`. Steps without an image are not judged.
    image : the result, (N, C, size, size) on the host.
    rng : a generator with the seed of the ascent.
    name : the name of the layer or the class, for the Checks.
    steps : the number of steps that were made; by default all of the settings.
    start : the images from which the ascent started, (N, C, size, size) on the host, or None for noise.
    pull : as for `check_spectrum`, on a spectrum only.
    """
    last = frames.get(settings.num_steps) if steps in (None, settings.num_steps) else None
    if settings.parametrization == "fourier":
        first = first_images(image.shape, preprocessing, deepcopy(rng), settings, start)
        return [*check_spectrum(awake(net, goal, first), net.find(goal.layer), goal.whole_seed, preprocessing, settings,
                                frames, image.shape, rng, name, start, pull),
                *check_last_frame(image, last, name), range_check(image, preprocessing, name)]
    replay = Replay(net, goal, preprocessing, settings, rng, image.shape, start)
    images = {0: replay.first, **frames}
    if steps in (None, settings.num_steps):
        images[settings.num_steps] = image
    redone = []
    for step in range(1, settings.num_steps + 1):
        shift = draw_shift(rng, round(settings.max_jitter * image.shape[2] / 224))
        if step in redone_steps(settings) and step in images and step - 1 in images:
            redone.append(Redone(step, images[step - 1], images[step], replay.step(images[step - 1], step, shift)))
    checks = [check_redone(redone, name)]
    if settings.clamp != "none" and steps != 0:
        checks.append(range_check(image, preprocessing, name))
    return checks


def range_check(image: np.ndarray, preprocessing: Preprocessing, name: str) -> Check:
    """Return the Check that the colours of an image are valid. name : for the Check."""
    check = check_range(image, *preprocessing.valid_range(), "the valid colours, black to white")
    return check._replace(what=f"{name}: {check.what}") if name else check


def awake(net: Network, goal: Goal, first: np.ndarray) -> Network:
    """Return the network of the ascent: up to before the ReLU if a neuron is 0 for its first image (N, C, H, W)."""
    out = to_host(net.predict(to_device(first.astype(np.float32), net.device), goal.layer))
    values = (out * goal.seed(out)).reshape(len(out), -1).sum(axis=1)
    return net if values.all() else before_relu(net, goal.layer)


class Replay:
    """The formulas of one ascent. first : the first image, `start` or drawn from `rng`."""

    def __init__(self, net: Network, goal: Goal, preprocessing: Preprocessing, settings: AscentSettings,
                 rng: np.random.Generator, shape: tuple[int, ...], start: np.ndarray | None = None) -> None:
        self.goal, self.preprocessing, self.settings = goal, preprocessing, settings
        self.scale = preprocessing.unit / INPUTS[settings.inputs].unit  # of one grey level
        self.first = start if start is not None else \
            rng.standard_normal(shape, dtype="float32") * (settings.start_noise * self.scale)
        self.net = awake(net, goal, self.first)

    def step(self, x: np.ndarray, number: int, shift: tuple[int, int]) -> np.ndarray:
        """Return the image after a step from x: ascent of the objective minus l2_reg |x|², then the regularizers."""
        settings, layer = self.settings, self.net.find(self.goal.layer)
        x = x.astype(np.float64)

        def gradient(shown: np.ndarray) -> np.ndarray:
            return input_gradient(self.net, shown, [layer], lambda out: {
                layer: self.goal.whole_seed(out[layer])})
        uphill = jittered_gradient(gradient, x, shift) - 2 * settings.l2_reg / self.scale**2 * x
        x = x + self.rate(uphill) * uphill
        low, high = self.preprocessing.valid_range()
        if settings.clamp == "first":
            x = np.clip(x, low, high)
        x = x * (1 - settings.decay)
        if settings.blur_sigma and number % settings.blur_every == 0:
            sigma = min(settings.blur_sigma, x.shape[2] / 32)
            x = gaussian_filter(x, (0, 0, sigma, sigma))
        for percent, other in ((settings.small_norm, None), (settings.small_contribution, uphill)):
            if percent:
                size = abs((x * (x if other is None else other)).sum(axis=1, keepdims=True))
                x = x * (size >= np.percentile(size, percent, axis=(2, 3), keepdims=True))
        return np.clip(x, low, high) if settings.clamp == "last" else x

    def rate(self, uphill: np.ndarray) -> np.ndarray | float:
        """Return the factor of the gradient, a number or (N, 1, 1, 1)."""
        settings = self.settings
        rate = settings.gain * settings.learning_rate * self.scale
        squares = (uphill * uphill).sum(axis=(1, 2, 3), keepdims=True)
        if settings.policy == "normalized":
            return rate * uphill.shape[2] / 224 / np.sqrt(np.maximum(squares, 1e-60))
        if settings.policy == "constant":
            return rate * self.scale
        return np.minimum(settings.gain * settings.progress / np.maximum(squares, 1e-30), rate * self.scale)
