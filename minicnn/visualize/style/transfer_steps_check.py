"""The steps and the objective of style transfer, by the formulas of Gatys et al."""

from collections.abc import Mapping, Sequence

import numpy as np

from minicnn import images as pictures
from minicnn.backend import to_host
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize.progress import Progress
from minicnn.visualize.check import Check
from minicnn.visualize.replay_check import (
    Redone,
    check_last_frame,
    check_no_rise,
    check_recorded,
    check_redone,
    down_the_gradient,
    redo_adam,
    variation,
)
from minicnn.visualize.spectrum_replay import Waves, check_first_step, first_adam_step
from minicnn.visualize.style.objective_check import StyleObjective, features, gram, reduced
from minicnn.visualize.style.pictures import recoloured, resize_side
from minicnn.visualize.style.settings import StyleSettings
from minicnn.visualize.style.terms import layer_masks

STEPS = 3  # first steps of Adam that are done again


def kept_style_steps(settings: StyleSettings) -> set[int]:
    """Return the steps whose images `check_style_steps` needs: the first ones at the last size, and the last ones."""
    start, last = last_size_steps(settings)
    return {step for step in (*range(start, start + STEPS + 1), last - 1, last) if 0 < step <= last}


def last_size_steps(settings: StyleSettings) -> tuple[int, int]:
    """Return (the last step before the last size, the last step of all)."""
    more = len(settings.sizes()) - 1
    last = settings.num_steps + settings.fine_steps * more
    return (last - settings.fine_steps if more else 0), last


def check_style_steps(net: Network, content: np.ndarray, styles: Sequence[np.ndarray], preprocessing: Preprocessing,
                      settings: StyleSettings, image: np.ndarray, frames: Mapping[int, np.ndarray],
                      history: Sequence[Progress], rng: np.random.Generator,
                      masks: Sequence[np.ndarray] | None = None) -> list[Check]:
    """Return the Checks that an image is the result of this content, these styles and these weights.

    At the last size, the first step goes down the gradient of the objective; Adam's first steps are done again. The
    objective recorded at the last step is computed again from the image before it. L-BFGS never goes uphill.

    Parameters
    ----------
    net, content, styles, preprocessing, settings, masks : as in `transfer_style`.
    image : the optimized image, (1, 3, H, W) on the host.
    frames : {step: image} for the steps of `kept_style_steps`. Steps without an image are not judged.
    history : the Progress of all steps that were made.
    rng : a generator with the seed of the transfer.
    """
    start, last = last_size_steps(settings)
    if len(history) <= start:  # stopped at a smaller size
        return [check_redone([])]
    goal, small = style_objective(net, content, styles, preprocessing, settings, masks)
    known = dict(frames)
    if start == 0:
        known[0] = first_of_size(small, preprocessing, settings, rng)
    elif start in known:
        enlarged = pictures.resize(preprocessing.to_image(known[start]), *small.shape[2:])
        known[start] = preprocessing.to_input(enlarged)
    checks = [check_wave_step(goal, known, start, preprocessing, settings) if settings.parametrization == "fourier" else
              check_redone(first_steps(goal, known, start, last, len(history), settings))]
    floors = goal.floors(image)
    if settings.optimizer == "lbfgs":
        checks.append(check_no_rise(goal.total(image), history, floor=float(np.dot(goal.weights(), floors))))
    if len(history) == last and last - 1 > start and last - 1 in known:
        checks.append(check_recorded(history, last, goal.weights(), goal.values(known[last - 1]), floors=floors))
    return checks + check_last_frame(image, known.get(last) if len(history) == last else None)


def first_steps(goal: StyleObjective, images: Mapping[int, np.ndarray], start: int, last: int, done: int,
                settings: StyleSettings) -> list[Redone]:
    """Return the first steps after step `start`, Redone. done : number of steps that were made, of `last`."""
    bound = np.inf if settings.clamp is None else settings.clamp
    if settings.optimizer == "lbfgs":
        if start not in images or start + 1 not in images:
            return []
        return [down_the_gradient(start + 1, images[start], images[start + 1], goal.gradient(images[start]), -bound,
                                  bound)]
    steps = last - start
    first = steps if settings.last_learning_rate is None else round(0.9 * steps)  # the rate changes after them
    clamped = round(0.95 * steps)

    def project(x: np.ndarray, step: int) -> np.ndarray:
        return np.clip(x, -bound, bound) if step < clamped else x
    return redo_adam(images, start, min(STEPS, first, done - start), lambda step: settings.learning_rate, goal.gradient,
                     project)


def check_wave_step(goal: StyleObjective, images: Mapping[int, np.ndarray], start: int, preprocessing: Preprocessing,
                    settings: StyleSettings) -> Check:
    """Return the Check of the step after step `start` on a spectrum: down the gradient to it, or Adam's first step."""
    if start not in images or start + 1 not in images:
        return check_redone([])
    after, waves = images[start + 1], Waves(preprocessing, *images[start].shape[2:])
    z = waves.of(images[start])
    first = waves.image(z)
    slope = waves.slope(z, goal.gradient(first.astype(np.float32)))
    if settings.optimizer == "adam":
        return check_first_step(first, {1: after}, waves.image(first_adam_step(z, slope, settings.learning_rate)))
    length = float((slope * (z - waves.of(after, 1e-6))).sum()) / max(float((slope * slope).sum()), 1e-30)
    return check_redone([Redone(start + 1, first, after, waves.image(z - max(0.0, length) * slope))])


def first_of_size(small: np.ndarray, preprocessing: Preprocessing, settings: StyleSettings,
                  rng: np.random.Generator) -> np.ndarray:
    """Return the first image of all: the content `small`, (1, 3, H, W), noise, or a picture, within the clamp."""
    if not isinstance(settings.init, str):
        picture = pictures.resize(settings.init, *small.shape[2:])
        x = preprocessing.to_input(recoloured(picture, picture, settings.colours))
    elif settings.init == "noise":
        x = settings.noise * rng.standard_normal(small.shape, dtype="float32")
    else:
        x = small
    return x if settings.clamp is None else np.clip(x, -settings.clamp, settings.clamp)


def style_objective(net: Network, content: np.ndarray, styles: Sequence[np.ndarray], preprocessing: Preprocessing,
                    settings: StyleSettings, masks: Sequence[np.ndarray] | None) -> tuple[StyleObjective, np.ndarray]:
    """Return the StyleObjective at the last size, and the content, (1, 3, H, W) on the host."""
    net = net.with_pooling(settings.pooling)
    content_layers, style_layers = ({net.find(layer): weight for layer, weight in layers.items()}
                                    for layers in settings.weighted_layers())
    small = resize_side(content, settings.size, settings.side)
    x = preprocessing.to_input(recoloured(small, small, settings.colours))
    targets = features(net, x, list(content_layers))
    parts = []
    if style_layers:
        grams = []
        for style in styles:
            picture = resize_side(style, settings.style_size(settings.size), settings.side)
            out = features(net, preprocessing.to_input(recoloured(picture, small, settings.colours)),
                           list(style_layers))
            grams.append({layer: gram(maps) for layer, maps in out.items()})
        parts = style_parts(net, x, grams, style_layers, settings, masks)
    smoothing = None
    if settings.tv_weight:
        own = variation(x.astype(np.float64)) if settings.reduction == "relative" else 1.0
        smoothing = settings.tv_weight / (own or 1.0)
    return StyleObjective(net, {
        layer: (settings.content_weight * reduced(weight, targets[layer], settings.reduction), targets[layer])
        for layer, weight in content_layers.items()}, parts, smoothing), x


def style_parts(net: Network, x: np.ndarray, grams: Sequence[Mapping[str, np.ndarray]], layers: Mapping[str, float],
                settings: StyleSettings, masks: Sequence[np.ndarray] | None) -> list[dict]:
    """Return the parts of the StyleObjective: one for the blend of all styles, or one for each mask.

    grams : {layer: Gram matrix} of each style.
    """
    blend = np.ones(len(grams)) if settings.blend is None else np.asarray(settings.blend, float)
    blend = blend / blend.sum()
    if masks is None:
        mixed = {layer: sum(share * one[layer] for share, one in zip(blend, grams, strict=True)) for layer in layers}
        return [{layer: (settings.style_weight * reduced(weight, mixed[layer], settings.reduction), mixed[layer], None)
                 for layer, weight in layers.items()}]
    parts = []
    for share, targets, mask in zip(blend * len(grams), grams, masks, strict=True):
        part = {}
        for layer, maps in layer_masks(as_levels(mask), net, x.shape[1:], layers).items():
            shown = to_host(maps).astype(np.float64)
            area = float(np.square(shown).mean())  # the Gram matrix is the mean over this area
            weight = area * share * settings.style_weight * reduced(layers[layer], targets[layer], settings.reduction)
            part[layer] = (weight, targets[layer], shown / (area**0.5 or 1.0))
        parts.append(part)
    return parts


def as_levels(mask: np.ndarray) -> np.ndarray:
    """Return a mask of 0 to 255, of 0 to 1, or of bool, as uint8 from 0 to 255."""
    mask = np.asarray(mask)
    return np.rint(mask * (255.0 if mask.max() <= 1 else 1.0)).astype(np.uint8)
