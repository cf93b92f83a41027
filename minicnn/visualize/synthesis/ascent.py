"""Gradient ascent on the image: the loop behind class, neuron, channel and layer visualization."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minicnn.arguments import Seed, require_generator, require_kind
from minicnn.backend import Array, to_device, to_host
from minicnn.losses import L2
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize import (
    Adam,
    Blur,
    Clamp,
    Decay,
    DesiredProgress,
    GradientDescent,
    NormalizedStep,
    SmallContribution,
    SmallNorm,
    optimize_image,
)
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.progress import Progress
from minicnn.visualize.entry import require_network, require_preprocessing, require_side, require_watchers
from minicnn.visualize.synthesis.ascent_settings import DISTILL, AscentSettings
from minicnn.visualize.synthesis.before_relu import before_relu, default_settings, values_by_image
from minicnn.visualize.synthesis.canvas import Canvas, input_scale


def ascend(net: Network, terms: Sequence[tuple[float, Any]], preprocessing: Preprocessing, shape: tuple[int, int],
           settings: AscentSettings, *, rng: Seed, callback: Callable | None = None,
           checkpoint: Checkpoint | None = None, start: Array | None = None,
           alike: bool = False) -> tuple[np.ndarray, list[Progress]]:
    """Return images (N, C, size, size) that maximize a sum of losses, on the host, and the history.

    If the first loss is 0 for a first image, the ascent maximizes the input of its ReLU instead: see `before_relu`.

    Parameters
    ----------
    net : the network.
    terms : [(weight, loss), …], all on one layer. Each of several images takes steps of its own.
    preprocessing : of the network's weights.
    shape : (N, size), the number of images and their side in pixels.
    settings : the AscentSettings.
    rng : the generator of the first image and the jitter, or a seed.
    callback : called with (Progress, image) after each step. Progress.values holds the terms before the step. A true
        return value ends the ascent.
    checkpoint : a Checkpoint for resuming an interrupted run.
    start : the first images, (N, C, size, size) on the network's device; by default, noise.
    alike : whether all images start from the same noise, so that an image does not depend on the others.
    """
    (count, size), objective, rng = shape, terms[0][1], require_generator(rng)
    scale, canvas = input_scale(preprocessing, settings.inputs), Canvas(preprocessing, settings, size, net.device)
    if start is not None:
        first = canvas.numbers(start)
    else:
        noise = canvas.draw(1, rng).repeat(count, axis=0) if alike else canvas.draw(count, rng)
        first = to_device(noise, net.device)
    update = ascent_update(settings, scale, shape)
    bounds = [to_device(bound, net.device) for bound in preprocessing.valid_range()]
    if not bool((values_by_image(objective, net.predict(canvas.image(first), objective.layer)) != 0).all()):
        net = before_relu(net, objective.layer)
    z, history = optimize_image(
        net, first, [*((-weight, loss) for weight, loss in terms), (settings.l2_reg / scale**2, L2())],
        update=update, num_steps=settings.num_steps, transforms=canvas.transforms(),
        project=regularizers(settings, size, update, Clamp(*bounds)),
        callback=canvas.watch(callback), rng=rng, checkpoint=checkpoint, parametrization=canvas.parametrization)
    return to_host(canvas.image(z)), history


def require_ascent(net: Network, preprocessing: Preprocessing, settings: AscentSettings | None, drawn: AscentSettings,
                   size: int | None, callback: Callable | None, checkpoint: Checkpoint | None,
                   small: AscentSettings = DISTILL) -> tuple[AscentSettings, int]:
    """Return the settings, by default of `default_settings`, and the side of the image, by default the network's.

    Raises InputError if an argument is wrong.
    """
    require_preprocessing(preprocessing, require_network(net))
    settings = default_settings(net, drawn, small) if settings is None else settings
    require_kind("settings", settings, AscentSettings, "give AscentSettings(...), or a preset of CLASS_PRESETS or "
                 "NEURON_PRESETS")
    require_watchers(callback, checkpoint)
    return settings, net.input_shape[1] if size is None else require_side("size", size)


def ascent_update(settings: AscentSettings, scale: float, shape: tuple[int, int]) -> Any:
    """Return the update of the policy in `settings`. scale : of `input_scale`. shape : (N, size)."""
    count, size = shape
    rate = settings.gain * settings.learning_rate * scale
    if settings.policy == "adam":
        return Adam(settings.gain * settings.learning_rate)  # of a spectrum, which has no unit
    if settings.policy == "normalized":
        return NormalizedStep(rate * size / 224, per_image=count > 1)
    rate = rate * scale  # the gradient to the input is smaller by `scale`, too
    if settings.policy == "constant":
        return GradientDescent(rate)
    return DesiredProgress(settings.gain * settings.progress, rate)


def regularizers(settings: AscentSettings, size: int, update: Any,
                 clamp: Clamp) -> tuple[Callable[[Array, int], Array], ...]:
    """Return the functions (image, step) -> image that are applied after each step, in their order."""
    steps: list[Callable[[Array, int], Array]] = []
    if settings.parametrization == "fourier":
        return ()  # the sigmoid keeps the colours valid
    if settings.decay:
        steps.append(Decay(settings.decay))
    if settings.blur_sigma:
        steps.append(Blur(min(settings.blur_sigma, size / 32), settings.blur_every))
    if settings.small_norm:
        steps.append(SmallNorm(settings.small_norm))
    if settings.small_contribution:
        steps.append(SmallContribution(settings.small_contribution, update))
    if settings.clamp == "none":
        return tuple(steps)
    return (clamp, *steps) if settings.clamp == "first" else (*steps, clamp)
