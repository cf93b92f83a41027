"""Universal perturbations: one change that, added to almost any picture, changes the network's answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn.arguments import Seed, require_choice, require_fields, require_generator, require_kind, require_number
from minicnn.array_likes import as_numbers
from minicnn.backend import Array, get_array_module, to_device, to_host
from minicnn.errors import InputError
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.progress import Progress
from minicnn.visualize.entry import enter, require_preprocessing, require_scores, require_watchers
from minicnn.visualize.synthesis.ball import NORMS, into_ball, on_the_grid, round_in_ball
from minicnn.visualize.synthesis.pgd import answers


@dataclass(frozen=True)
class UniversalSettings:
    """The settings of `universal_perturbation`. Raises InputError if a value is out of range."""

    norm: str = "linf"          # of the perturbation: "linf", the largest change of a colour, or "l2", over all pixels
    epsilon: float = 10.0       # largest norm of the perturbation, in levels of 255
    fooling_rate: float = 0.8   # share of the pictures that ends the passes
    num_passes: int = 10        # largest number of passes over the pictures
    candidates: int = 10        # classes that DeepFool considers: the best ones of a picture, besides its own
    deepfool_steps: int = 10    # largest number of steps of DeepFool
    overshoot: float = 0.02     # share by which DeepFool goes beyond the boundary of the classes

    def __post_init__(self) -> None:
        require_choice("norm", self.norm, NORMS)
        require_fields(self, num_passes=1, candidates=1, deepfool_steps=1, overshoot=0)
        require_number("epsilon", self.epsilon, above=0, most=1e6)
        require_number("fooling_rate", self.fooling_rate, 0, 1)


MOOSAVI = UniversalSettings()                        # Moosavi-Dezfooli et al. 2017, section 3: norm infinity
MOOSAVI_L2 = UniversalSettings("l2", epsilon=2000.0)  # the same section: norm 2, for pictures of 224 pixels
# Ours, for the network `shapes`: its drawings are smaller, so the same norm is a larger change of each pixel.
DRAWINGS = UniversalSettings("l2", epsilon=2000.0, fooling_rate=0.95, num_passes=3, candidates=3, deepfool_steps=6)
# Ours, for few photos: DeepFool goes six times as far as to the boundary, so few visits make a large perturbation.
FEW = UniversalSettings(fooling_rate=0.98, num_passes=4, candidates=3, deepfool_steps=3, overshoot=5.0)
UNIVERSAL_PRESETS = {"moosavi": MOOSAVI, "moosavi-l2": MOOSAVI_L2, "drawings": DRAWINGS, "few": FEW}


class Passes:
    """The memory of the passes: `rates`, the share of pictures that are fooled after each finished pass."""

    def __init__(self) -> None:
        self.rates: tuple[float, ...] = ()


def universal_perturbation(net: Network, x: Array, preprocessing: Preprocessing,
                           settings: UniversalSettings = MOOSAVI, *, rng: Seed = 0, callback: Callable | None = None,
                           checkpoint: Checkpoint | None = None) -> tuple[np.ndarray, tuple[float, ...],
                                                                          list[Progress]]:
    """Return a perturbation of whole levels, int16 (H, W, 3), the fooling rate after each pass, and the history.

    The pictures are visited in random order. If a picture plus the perturbation still gets its own class, the smallest
    change that crosses a boundary (`deepfool`) is added to the perturbation, which is then projected onto the ball.
    `add_perturbation` adds the result to pictures.

    Parameters
    ----------
    net : the network.
    x : the pictures to learn from, (N, C, H, W). Their classes are the network's answers.
    preprocessing : of the network's weights.
    settings : the UniversalSettings, such as a preset in UNIVERSAL_PRESETS.
    rng : the random generator of the order, or a seed.
    callback : called with (Progress, perturbation (1, C, H, W) in levels) after each picture. Progress.total is the
        fooling rate after the last pass; Progress.values[0] is 1 if the picture changed the perturbation, else 0.
    checkpoint : a Checkpoint for resuming an interrupted run.

    Raises
    ------
    InputError if the network gives no class scores.

    References
    ----------
    Moosavi-Dezfooli et al. 2017 (arXiv:1610.08401), algorithm 1.

    Examples
    --------
    >>> settings = UniversalSettings(num_passes=1, deepfool_steps=3)
    >>> perturbation, rates, history = universal_perturbation(net, x, model.preprocessing, settings)
    >>> perturbation.shape, bool(abs(perturbation).max() <= 10), len(history)
    ((64, 64, 3), True, 1)
    """
    require_scores(net)
    x = enter(net, x)
    require_preprocessing(preprocessing, net)
    require_kind("settings", settings, UniversalSettings, "give UniversalSettings(...)")
    require_watchers(callback, checkpoint)
    rng = require_generator(rng)
    pictures, x, unit = on_the_grid(net, x, preprocessing)
    labels = answers(net, pictures, preprocessing)
    orders = np.stack([rng.permutation(len(x)) for _ in range(settings.num_passes)]).ravel()  # drawn before the loop
    change, history, state = get_array_module(x).zeros_like(x[:1]), list[Progress](), Passes()
    if checkpoint is not None:
        change, history = checkpoint.restore(change, state, None)
    low, high = (to_device(bound, net.device) for bound in preprocessing.valid_range())
    for step in range(len(history) + 1, len(orders) + 1):
        if checkpoint is not None and checkpoint.stopped:
            break
        n = int(orders[step - 1])
        image = get_array_module(x).clip(x[n:n + 1] + unit * change, low, high)
        moved = int(net.predict(image)[0].argmax()) == labels[n]
        if moved:
            change = into_ball(change + deepfool(net, image, int(labels[n]), unit, settings), settings.norm,
                               settings.epsilon)
        finished = step % len(x) == 0
        if finished:
            fooled = answers(net, add_perturbation(pictures, whole_levels(change, preprocessing, settings)),
                             preprocessing) != labels
            state.rates += (float(fooled.mean()),)
        history.append(Progress(step, state.rates[-1] if state.rates else 0.0, [float(moved)]))
        stop = callback is not None and bool(callback(history[-1], change))
        stop = stop or finished and state.rates[-1] >= settings.fooling_rate
        if checkpoint is not None and (step % checkpoint.every == 0 or step == len(orders) or stop):
            checkpoint.save(change, state, None, history, stopped=stop)
        if stop:
            break
    return whole_levels(change, preprocessing, settings), state.rates, history


def deepfool(net: Network, image: Array, label: int, unit: Array, settings: UniversalSettings = MOOSAVI) -> Array:
    """Return a small change in levels, (1, C, H, W), after which the network's answer is not `label`.

    Each step takes the scores as linear, and goes to the nearest boundary between the class and another one. With the
    gradient w of (score of the other class - score of the class), the boundary is |difference| / |w| away, along w.

    image : (1, C, H, W). unit : the size of a level in the network's input, (C, 1, 1).
    Moosavi-Dezfooli et al. 2016 (arXiv:1511.04599), algorithm 2.

    >>> change = deepfool(net, x, int(net.predict(x).argmax()), np.float32(1 / 64))
    >>> bool(net.predict(x + change / 64).argmax() == net.predict(x).argmax())
    False
    """
    xp = get_array_module(image)
    change = xp.zeros_like(image)
    best = xp.argsort(-net.predict(image)[0])
    rivals = [other for other in to_host(best).tolist() if other != label][:settings.candidates]
    for _ in range(settings.deepfool_steps):
        shown = image + (1 + settings.overshoot) * unit * change
        trace = net.forward(xp.concatenate([shown] * len(rivals)), keep=(net.output,))
        scores = trace.activations[net.output]
        if int(scores[0].argmax()) != label:
            break
        seeds = xp.zeros_like(scores)
        for row, rival in enumerate(rivals):
            seeds[row, rival], seeds[row, label] = 1, -1
        w = net.backward(trace, {net.output: seeds}, release=True)["input"] * unit  # to levels, (rivals, C, H, W)
        squares = xp.maximum((w * w).sum(axis=(1, 2, 3)), 1e-20)
        gaps = -(scores[0] * seeds).sum(axis=1)  # score of the class - score of the rival, above 0
        nearest = int((gaps * gaps / squares).argmin())
        change = change + (gaps[nearest] + 1e-4) / squares[nearest] * w[nearest:nearest + 1]
    return (1 + settings.overshoot) * change


def whole_levels(change: Array, preprocessing: Preprocessing, settings: UniversalSettings) -> np.ndarray:
    """Return a perturbation in levels, (1, C, H, W), as whole levels of a picture in the ball, int16 (H, W, 3)."""
    rounded = round_in_ball(to_host(change), settings.norm, settings.epsilon)
    return preprocessing.to_pixel_directions(rounded)[0].transpose(1, 2, 0).astype(np.int16)


def add_perturbation(pictures: Array, perturbation: Array) -> np.ndarray:
    """Return pictures, uint8 (N, H, W, 3) or (H, W, 3), plus a perturbation of whole levels (H, W, 3), clipped.

    >>> add_perturbation(np.full((1, 1, 3), 250, np.uint8), np.array([[[10, 0, -10]]]))
    array([[[255, 250, 240]]], dtype=uint8)
    """
    pictures, perturbation = (to_host(as_numbers(name, value)) for name, value
                              in (("pictures", pictures), ("perturbation", perturbation)))
    if pictures.dtype != np.uint8 or pictures.ndim not in (3, 4) or pictures.shape[-3:] != perturbation.shape:
        raise InputError(f"expected pictures of type uint8 and a perturbation of their size (H, W, 3), got "
                         f"{pictures.dtype} {pictures.shape} and {perturbation.shape}")
    return np.clip(pictures + perturbation.astype(np.int32), 0, 255).astype(np.uint8)


def fooled_pictures(net: Network, pictures: Any, perturbation: Array, preprocessing: Preprocessing) -> np.ndarray:
    """Return whether the perturbation changes the network's answer to each picture, uint8 (N, H, W, 3), bool (N,).

    >>> fooled_pictures(net, photo[None], 0 * photo, model.preprocessing)
    array([False])
    """
    require_scores(net)
    require_preprocessing(preprocessing, net)
    after = add_perturbation(pictures, perturbation)
    return answers(net, np.asarray(to_host(pictures)), preprocessing) != answers(net, after, preprocessing)
