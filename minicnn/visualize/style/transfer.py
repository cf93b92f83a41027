"""Style transfer by optimization: the content of one picture in the style of others.

Gatys et al. 2015 (arXiv:1508.06576).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minicnn import images
from minicnn.arguments import Seed, require_generator, require_kind
from minicnn.backend import Array, to_device, to_host
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize import LBFGS, Adam, Clamp, optimize_image
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.progress import Progress, Renumbered, renumbered
from minicnn.shown import html_fields, short_fields
from minicnn.visualize.arrays import as_picture, as_pictures
from minicnn.visualize.entry import require_network, require_preprocessing, require_watchers
from minicnn.visualize.spectrum import parametrization_of
from minicnn.visualize.style.pictures import finished_picture, network_input, recoloured
from minicnn.visualize.style.problem import Problem, style_problem
from minicnn.visualize.style.settings import StyleSettings


class Stylized(NamedTuple):
    """The result of style transfer.

    picture : uint8 (H, W, 3), with the colours of the settings. image : the optimized x, (1, 3, H, W), on the host.
    history : the Progress of every step.
    """

    picture: np.ndarray
    image: np.ndarray
    history: list[Progress]

    def __repr__(self) -> str:
        return short_fields(self)

    def _repr_html_(self) -> str:
        return html_fields(self)


class Phase(NamedTuple):
    """Steps with one update object: the update, the number of steps, and the functions applied after each step."""

    update: LBFGS | Adam
    num_steps: int
    project: tuple[Any, ...]


def transfer_style(net: Network, content: np.ndarray, styles: Sequence[np.ndarray], preprocessing: Preprocessing,
                   settings: StyleSettings, *, rng: Seed, masks: Sequence[np.ndarray] | None = None,
                   callback: Callable[[Progress, Array], Any] | None = None,
                   checkpoint: Checkpoint | None = None) -> Stylized:
    """Return the content painted in the styles, as Stylized: (picture, image, history).

    Source: Gatys et al. 2015 (arXiv:1508.06576). The published settings are in STYLE_PRESETS of style/settings.py.

    Parameters
    ----------
    content : uint8 (H, W, 3).
    styles : a list of pictures, uint8 (H, W, 3).
    preprocessing : the network's Preprocessing.
    settings : StyleSettings.
    rng : for the noise of the first image, or a seed.
    masks : for each style, the part of the content where it is painted, (H, W), of the content's size: True and
        False, 0 and 1, 0 to 1 or 0 to 255. By default, all styles are blended in the whole picture.
    callback : called with (Progress, image) after each step. Steps count through all sizes. If it returns a true value,
        the run ends.
    checkpoint : as for `optimize_image`.

    Raises
    ------
    InputError if a layer is unknown, a picture is too small for the layers, or a mask and the content differ in size.

    >>> settings = StyleSettings({"relu3": 1.0}, {"relu1": 1.0, "relu2": 1.0}, size=32, num_steps=2)
    >>> result = transfer_style(net, photo, [photo[::-1]], model.preprocessing, settings, rng=rng)
    >>> result.picture.shape, result.history[1].total < result.history[0].total
    ((32, 32, 3), True)
    """
    content, styles = to_host(as_picture("content", content)), as_pictures("styles", styles)
    rng = require_generator(rng)
    require_preprocessing(preprocessing, require_network(net))
    require_kind("settings", settings, StyleSettings, "give StyleSettings(...), or a preset of STYLE_PRESETS")
    require_watchers(callback, checkpoint)
    image: Array | None = None
    history: list[Progress] = []
    for size in settings.sizes():
        problem = style_problem(net, content, styles, preprocessing, settings, size, masks)
        image = first_image(settings, problem, preprocessing, rng) if image is None \
            else next_first_image(image, problem, preprocessing)
        part = checkpoint.part(size) if checkpoint else None
        image, stopped = optimize_size(problem, image, settings, preprocessing, history, rng, callback, part)
        if stopped:
            break
    x = to_host(image)
    return Stylized(finished_picture(x, content, preprocessing, settings.colours), x, history)


def optimize_size(problem: Problem, image: Array, settings: StyleSettings, preprocessing: Preprocessing,
                  history: list[Progress], rng: np.random.Generator,
                  callback: Callable[[Progress, Array], Any] | None, checkpoint: Checkpoint | None
                  ) -> tuple[Array, bool]:
    """Minimise the Problem of one size, from `image`. Return (image, whether the callback ended the run).

    history : the steps at smaller sizes; the new steps are appended.
    """
    num_steps = settings.fine_steps if history else settings.num_steps
    parametrization = parametrization_of(settings.parametrization, preprocessing, image.shape[2:], problem.net.device)
    z = parametrization.inverse(image)
    for number, phase in enumerate(phases(settings, num_steps)):
        part = checkpoint.part(number) if checkpoint else None
        count = Renumbered(callback, len(history))
        z, steps = optimize_image(problem.net, z, problem.terms, update=phase.update, num_steps=phase.num_steps,
                                  project=phase.project, callback=count, rng=rng, checkpoint=part,
                                  parametrization=parametrization)
        history += renumbered(steps, len(history))
        if count.stopped or part is not None and part.stopped:  # now, or in the resumed run
            return parametrization.forward(z)[0], True
    return parametrization.forward(z)[0], False


def phases(settings: StyleSettings, num_steps: int) -> list[Phase]:
    """Return the Phases of one size: one, or two for Adam with a `last_learning_rate`."""
    if settings.optimizer == "lbfgs":
        within = None if settings.clamp is None else Clamp(-settings.clamp, settings.clamp)
        return [Phase(LBFGS(memory=20, within=within), num_steps, ())]
    last = settings.last_learning_rate
    first_steps = num_steps if last is None else round(0.9 * num_steps)
    clamped = round(0.95 * num_steps)  # CS231n clamps before a step, so after one step less than this

    def project(done: int) -> tuple[Any, ...]:
        return () if settings.clamp is None else (ClampUntil(settings.clamp, clamped - done),)
    result = [Phase(Adam(settings.learning_rate), first_steps, project(0))]
    if last is not None and num_steps > first_steps:
        result.append(Phase(Adam(last), num_steps - first_steps, project(first_steps)))
    return result


@dataclass(frozen=True)
class ClampUntil:
    """Keep the image between -`size` and `size` before step number `step`."""

    size: float
    step: int

    def __call__(self, image: Array, step: int) -> Array:
        return Clamp(-self.size, self.size)(image, step) if step < self.step else image


def first_image(settings: StyleSettings, problem: Problem, preprocessing: Preprocessing,
                rng: np.random.Generator) -> Array:
    """Return the first image of the optimization, (1, 3, H, W) on the network's device."""
    if isinstance(settings.init, str):
        x = problem.content
        if settings.init == "noise":
            noise = settings.noise * rng.standard_normal(x.shape, dtype="float32")
            x = to_device(noise.astype(str(x.dtype)), problem.net.device)
    else:
        picture = images.resize(as_picture("init", settings.init), *problem.content.shape[2:])
        x = network_input(problem.net, recoloured(picture, picture, settings.colours), preprocessing)
    return x if settings.clamp is None else Clamp(-settings.clamp, settings.clamp)(x, 0)


def next_first_image(image: Array, problem: Problem, preprocessing: Preprocessing) -> Array:
    """Return the result of the previous size, resized, as the first image of the problem's size."""
    picture = images.resize(preprocessing.to_image(to_host(image)), *problem.content.shape[2:])
    return network_input(problem.net, picture, preprocessing)
