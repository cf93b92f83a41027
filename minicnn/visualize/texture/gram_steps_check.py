"""The steps and the objective of a texture by Gram matrices, by the formulas."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from minicnn.network import Network
from minicnn.optimize.progress import Progress
from minicnn.visualize.check import Check
from minicnn.visualize.replay_check import (
    Redone,
    check_last_frame,
    check_no_rise,
    check_range,
    check_recorded,
    check_redone,
    down_the_gradient,
    redo_adam,
)
from minicnn.visualize.style.objective_check import StyleObjective, features, gram, reduced
from minicnn.visualize.texture.gram import BETA2, TextureSettings

STEPS = 3  # first steps of Adam that are done again


def kept_texture_steps(num_steps: int) -> set[int]:
    """Return the steps whose images `check_texture_steps` needs."""
    return {step for step in (*range(1, STEPS + 1), num_steps - 1, num_steps) if 0 < step <= num_steps}


def check_texture_steps(net: Network, source: np.ndarray, image: np.ndarray, layers: Mapping[str, float],
                        settings: TextureSettings, frames: Mapping[int, np.ndarray], history: Sequence[Progress],
                        rng: np.random.Generator, name: str = "") -> list[Check]:
    """Return the Checks that an image is the result of these layers' Gram matrices, and that its values are in range.

    The first step goes down the gradient of the sum of squared differences of the Gram matrices; Adam's first steps are
    done again. The objective recorded at the last step is computed again from the image before it. L-BFGS never goes
    uphill.

    Parameters
    ----------
    net : the network.
    source : the source, (1, C, H, W) on the host.
    image : the texture, (1, C, h, w) on the host.
    layers : {layer: weight}.
    settings : the TextureSettings; `layers` replaces theirs.
    frames : {step: image} for the steps of `kept_texture_steps`. Steps without an image are not judged.
    history : the Progress of all steps that were made; without one, nothing is judged.
    rng : a generator with the seed of the texture.
    name : the layers, for the Checks.
    """
    if not history:
        return [check_redone([], name)]
    goal = texture_objective(net, source, layers, settings)
    mean, spread, low, high = (of(source, axis=(0, 2, 3))[:, None, None] for of in (np.mean, np.std, np.min, np.max))
    noise = rng.standard_normal(image.shape, dtype="float32")
    images = {0: np.clip(mean + settings.noise * spread * noise, low, high), **frames}
    redone: list[Redone] = []
    if settings.optimizer == "adam":
        redone = redo_adam(images, 0, min(STEPS, len(history)), lambda step: settings.learning_rate * (
            1 + math.cos(math.pi * (step - 1) / settings.num_steps)) / 2, goal.gradient,
            lambda x, step: np.clip(x, low, high), BETA2)
    elif 1 in images:
        redone = [down_the_gradient(1, images[0], images[1], goal.gradient(images[0]), low, high)]
    found = check_range(image, low, high, "the least and the greatest value of the source")
    checks = [check_redone(redone, name), found._replace(what=f"{name}: {found.what}" if name else found.what)]
    floors = goal.floors(image)
    if settings.optimizer == "lbfgs":
        checks.append(check_no_rise(goal.total(image), history, name, float(np.dot(goal.weights(), floors))))
    last = settings.num_steps
    if len(history) == last and last - 1 in images:
        checks.append(check_recorded(history, last, goal.weights(), goal.values(images[last - 1]), name, floors))
    return checks + check_last_frame(image, images.get(last) if len(history) == last else None, name)


def texture_objective(net: Network, source: np.ndarray, layers: Mapping[str, float],
                      settings: TextureSettings) -> StyleObjective:
    """Return the StyleObjective of the source's Gram matrices alone."""
    net = net.with_pooling(settings.pooling)
    names = [net.find(layer) for layer in layers]
    targets = {layer: gram(maps) for layer, maps in features(net, source, names).items()}
    return StyleObjective(net, {}, [{layer: (reduced(weight, targets[layer], settings.reduction), targets[layer], None)
                                     for layer, weight in zip(names, layers.values(), strict=True)}])
