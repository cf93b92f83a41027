"""The pictures and the settings of style transfer, from the command line."""

from argparse import Namespace
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from minicnn import images
from minicnn.datasets.drawings import draw_scene, draw_style
from minicnn.errors import InputError, one_line
from minicnn.models import Model
from minicnn.visualize.style.masks import mask_levels
from minicnn.visualize.style.settings import StyleSettings

from .inputs import load_photos
from .long_run import chosen_settings, digest
from .preset_choice import default_style, style_presets


class Sources(NamedTuple):
    """The content and the styles, uint8 (H, W, 3), their names, and the masks of the styles, uint8 (H, W), or None."""

    content: np.ndarray
    styles: list[np.ndarray]
    names: list[str]
    masks: list[np.ndarray] | None = None


def load_sources(model: Model, arguments: Namespace) -> Sources:
    """Return the given pictures. A missing style is drawn. A missing content is drawn or, for SqueezeNet, a photo."""
    loaded = [images.load_image(path) for path in arguments.photos]
    names = [one_line(path, 80) for path in arguments.photos]
    drawn = drawn_sources(96 if default_style(model) == "shapes" else 256)
    if not loaded and default_style(model) == "squeezenet":
        photo = load_photos(model, [])[0]
        loaded, names = [photo.image], [photo.name]
    if not loaded:
        loaded, names = [drawn.content], drawn.names[:1]
    if len(loaded) == 1:
        loaded, names = [*loaded, *drawn.styles], [*names, *drawn.names[1:]]
    masks = [mask_levels(one_line(path, 80), images.load_image(path)) for path in arguments.masks or ()]
    return Sources(loaded[0], loaded[1:], names, masks or None)


def drawn_sources(size: int) -> Sources:
    """Return a drawn landscape and a drawn style."""
    return Sources(draw_scene(size), [draw_style("strokes", np.random.default_rng(0), size)], ["scene", "strokes"])


def given_settings(arguments: Namespace, model: Model) -> StyleSettings:
    """Return the preset, changed by the options of the command line."""
    synonyms = {"image": "content", "random": "noise"}  # of neural-style
    init = synonyms.get(arguments.init, arguments.init)
    if init not in (None, "content", "noise"):
        init = images.load_image(init)
    settings = chosen_settings(Namespace(**vars(arguments) | {"init": init}), style_presets(model))
    if settings.coarse and settings.coarse > settings.size:
        raise InputError(f"--coarse {settings.coarse} is larger than the size, {settings.size}")
    return settings


def card_settings(settings: StyleSettings) -> dict[str, Any]:
    """Return the settings for the run card, which names a first image from a file only as "a picture"."""
    return asdict(settings) | ({} if isinstance(settings.init, str) else {"init": "a picture"})


def resume_settings(seed: int, sources: Sources, settings: StyleSettings) -> dict[str, Any]:
    """Return everything that a run must have in common with the run that it resumes.

    The number of steps may differ if it does not change the earlier steps: with L-BFGS, at a single size.
    """
    result = {"seed": seed, "content": digest(sources.content), "styles": [digest(style) for style in sources.styles],
              "masks": [digest(mask) for mask in sources.masks or ()]}
    if not isinstance(settings.init, str):
        result["first image"] = digest(settings.init)
    free = {"num_steps"} if settings.optimizer == "lbfgs" and not settings.coarse else set()
    return result | {key: value for key, value in card_settings(settings).items() if key not in free}
