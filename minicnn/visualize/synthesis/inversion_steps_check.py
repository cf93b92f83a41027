"""Steps of feature inversion done again, and its objective, by the formulas of Mahendran and Vedaldi."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import NamedTuple

import numpy as np

from minicnn.backend import Array, to_device, to_host
from minicnn.models.preprocessing import TORCHVISION, Preprocessing
from minicnn.network import Network
from minicnn.optimize.progress import Progress
from minicnn.visualize.check import Check
from minicnn.visualize.replay_check import (
    Redone,
    check_last_frame,
    check_recorded,
    check_redone,
    down_the_gradient,
    input_gradient,
    redo_adam,
    variation,
    variation_gradient,
)
from minicnn.visualize.spectrum import START_NOISE, draw_spectrum, spectrum_of
from minicnn.visualize.spectrum_replay import Waves, check_first_images, check_first_step, first_adam_step
from minicnn.visualize.synthesis.inversion import PHOTO_RMS, tv_weight_by_depth
from minicnn.visualize.synthesis.inversion_settings import InversionSettings

STEPS = 3       # first steps that are done again
UPHILL = 1.5    # GuardedMomentum takes back a step to more than this times the lowest loss


def kept_inversion_steps(settings: InversionSettings) -> set[int]:
    """Return the steps whose images `check_inversion_steps` needs: the first ones and the last ones."""
    last = settings.num_steps
    return {step for step in (*range(1, STEPS + 1), last - 1, last) if 0 < step <= last}


def check_inversion_steps(net: Network, layer: str, target: Array, image: np.ndarray, preprocessing: Preprocessing,
                          settings: InversionSettings, frames: Mapping[int, np.ndarray], history: Sequence[Progress],
                          rng: np.random.Generator, name: str) -> list[Check]:
    """Return the Checks that an image is the result of the settings' objective at this layer, and of their steps.

    The first steps are done again from the noise; on a spectrum, the first one. With L-BFGS, whose step lengths are
    its own, the first step must go down the gradient. The objective recorded at the last step is computed again from
    the image before it.

    Parameters
    ----------
    net, layer, target, preprocessing, settings : as in `invert_features`.
    image : the result, (1, C, H, W) on the host.
    frames : {step: image} for the steps of `kept_inversion_steps`. Steps without an image are not judged.
    history : the Progress of all steps that were made.
    rng : a generator with the seed of the inversion.
    name : the photo and the layer, for the Checks.
    """
    goal = objective(net, layer, target, preprocessing, settings, image.shape)
    if settings.parametrization == "fourier":
        return [*check_first_wave_step(goal, image.shape, frames, preprocessing, settings, rng, name),
                *check_end(goal, image, frames, history, settings, name)]
    images = {0: noise(image.shape, preprocessing, settings, rng), **frames}
    count = min(STEPS, settings.rates[0][0], len(history))
    redone: list[Redone] = []
    if settings.update == "lbfgs":
        if 1 in images:
            bound = settings.clamp * unit_of(preprocessing, settings) if settings.clamp_until else 0.0
            redone = [down_the_gradient(1, images[0], images[1], goal.gradient(images[0]), -bound or -np.inf,
                                        bound or np.inf)]
    elif all(step in images for step in range(1, count + 1)):
        redone = first_steps(goal, images, count, settings, unit_of(preprocessing, settings))
    return [check_redone(redone, name), *check_end(goal, image, images, history, settings, name)]


def check_end(goal: "Objective", image: np.ndarray, images: Mapping[int, np.ndarray], history: Sequence[Progress],
              settings: InversionSettings, name: str) -> list[Check]:
    """Return the Checks of the objective recorded at the last step and of the last image; [] if it was stopped."""
    checks, last = [], settings.num_steps
    if len(history) < last:
        return []
    if last - 1 in images:
        values = goal.values(images[last - 1])
        lowest = min((step.total for step in history[:-1]), default=float("inf"))
        # a step uphill is taken back, and the step before is recorded again
        if settings.update != "guarded" or np.dot(goal.weights, values) <= UPHILL * lowest * 0.99:
            checks.append(check_recorded(history, last, goal.weights, values, name))
    return checks + check_last_frame(image, images.get(last), name)


def check_first_wave_step(goal: "Objective", shape: tuple[int, ...], frames: Mapping[int, np.ndarray],
                          preprocessing: Preprocessing, settings: InversionSettings, rng: np.random.Generator,
                          name: str) -> list[Check]:
    """Return the Checks of the first image of a spectrum, and of its first step.

    The gradient is the one at the very image of the technique, as in `check_spectrum`.
    """
    N, C, H, W = shape
    waves, spectrum = Waves(preprocessing, H, W), spectrum_of(preprocessing, (H, W), "cpu")
    z, shown = waves.drawn(N, deepcopy(rng), START_NOISE), spectrum.forward(draw_spectrum(spectrum, N, rng))[0]
    first = waves.image(z)
    after = waves.image(first_adam_step(z, waves.slope(z, goal.gradient(shown)), settings.rates[0][1]))
    prefix = f"{name}: "
    return [check_first_images(shown, first, waves, prefix), check_first_step(first, frames, after, prefix)]


class Objective(NamedTuple):
    """The sum of weight * value over |phi(x) - phi0|², total variation, and the sum of |x|^p."""

    net: Network
    layer: str
    target: np.ndarray
    weights: tuple[float, float, float]
    beta: float
    p: float

    def values(self, x: np.ndarray) -> tuple[float, float, float]:
        """Return the three values at x (1, C, H, W)."""
        phi = to_host(self.net.predict(to_device(np.asarray(x, np.float32), self.net.device), self.layer))
        x = x.astype(np.float64)
        return (float(np.square(phi.astype(np.float64) - self.target).sum()), variation(x, self.beta),
                float((abs(x) ** self.p).sum()))

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """Return the gradient of the sum to x (1, C, H, W), float64."""
        of_features, of_variation, of_norm = self.weights
        inward = input_gradient(self.net, x, [self.layer], lambda out: {
            self.layer: of_features * 2 * (out[self.layer] - self.target)})
        x = x.astype(np.float64)
        return (inward + of_variation * variation_gradient(x, self.beta)
                + of_norm * self.p * abs(x) ** (self.p - 1) * np.sign(x))


def objective(net: Network, layer: str, target: Array, preprocessing: Preprocessing, settings: InversionSettings,
              shape: tuple[int, ...]) -> Objective:
    """Return the Objective of the settings for the network's input x of `shape`; z = x / unit is the settings' image.
    """
    phi0, layer = to_host(target).astype(np.float64), net.find(layer)
    unit, of_features, of_image = unit_of(preprocessing, settings), 1.0, 1.0
    if settings.normalized:
        of_features, of_image = 1 / np.square(phi0).sum(), 1 / (2 * PHOTO_RMS**2 * np.prod(shape))
    smoothing = tv_weight_by_depth(net, layer, shape[2:], settings.tv_weight)
    return Objective(net, layer, phi0, (settings.feature_weight * of_features,
                                        smoothing * of_image * unit**-settings.tv_beta,
                                        settings.p_weight * of_image * unit**-settings.p), settings.tv_beta, settings.p)


def unit_of(preprocessing: Preprocessing, settings: InversionSettings) -> float:
    """Return the size of 1 of the settings' image in the network's input."""
    return preprocessing.unit if settings.normalized else preprocessing.unit / TORCHVISION.unit


def noise(shape: tuple[int, ...], preprocessing: Preprocessing, settings: InversionSettings,
          rng: np.random.Generator) -> np.ndarray:
    """Return the first image: uniform z in 0 to 1, or normal noise with the root mean square of a photo."""
    if settings.noise == "uniform":
        return rng.random(shape, dtype="float32") * np.float32(unit_of(preprocessing, settings))
    x = rng.standard_normal(shape, dtype="float32").astype(np.float64)
    return (x * (PHOTO_RMS * preprocessing.unit / np.sqrt(np.square(x).mean()))).astype(np.float32)


def first_steps(goal: Objective, images: Mapping[int, np.ndarray], count: int, settings: InversionSettings,
                unit: float) -> list[Redone]:
    """Return the first `count` steps by momentum or Adam, Redone, each from the kept image before it."""
    def project(x: np.ndarray, step: int) -> np.ndarray:
        bound = settings.clamp * unit
        return np.clip(x, -bound, bound) if settings.clamp and step <= settings.clamp_until else x
    rate = settings.rates[0][1] * unit
    if settings.update == "adam":
        return redo_adam(images, 0, count, lambda step: rate, goal.gradient, project)
    rate *= unit * (PHOTO_RMS**2 * images[0].size if settings.normalized else 1)
    velocity = np.zeros(images[0].shape)
    lowest, best, redone = float("inf"), (images[0], velocity), []
    for step in range(1, count + 1):
        x, gradient = images[step - 1].astype(np.float64), goal.gradient(images[step - 1])
        if settings.update == "guarded":
            total = float(np.dot(goal.weights, goal.values(images[step - 1])))
            if total <= lowest:
                lowest, best = total, (x, gradient)
            elif total > UPHILL * lowest:  # back to the best image, with half of the rate and no velocity
                (x, gradient), velocity, rate = best, np.zeros(x.shape), rate / 2
        velocity = 0.9 * velocity + gradient
        redone.append(Redone(step, images[step - 1], images[step], project(x - rate * velocity, step)))
    return redone
