"""The ascent of one class, for the demos of class visualization: one preset, or all presets side by side."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from minicnn.models import Model
from minicnn.visualize.check import Check
from minicnn.visualize.synthesis.ascent_check import Goal, check_ascent, kept_steps
from minicnn.visualize.synthesis.ascent_settings import AscentSettings
from minicnn.visualize.synthesis.canvas import first_images
from minicnn.visualize.synthesis.class_visualization import class_visualization
from minicnn.visualize.synthesis.class_visualization_check import check_class_visualization, check_zeroed

from .inputs import require_scores, short_label
from .long_run import LongRun, Watch

TARANTULA, GORILLA = 76, 366  # two examples of CS231n


class ClassAscent(NamedTuple):
    """The first image of an ascent, and the Watch that holds its last image and its history."""

    noise: np.ndarray
    watch: Watch


def default_labels(model: Model) -> list[int]:
    """Return two of ImageNet's 1,000 classes; for other networks, the first 12 classes.

    Raises InputError if the network has no classes.
    """
    require_scores(model)
    num_classes = model.net.shapes()[model.net.output][1]
    return [TARANTULA, GORILLA] if num_classes == 1000 else list(range(min(12, num_classes)))


def ascend_class(model: Model, label: int, seed: int, size: int, settings: AscentSettings,
                 run: LongRun | None = None, name: str | None = None,
                 frames: Collection[int] | None = None) -> ClassAscent:
    """Return the ClassAscent of one class. Ctrl-C ends it early and keeps the last image.

    run : the LongRun that saves the ascent, or None. name : the name of the run's part and the title of the progress
    bar; by default, the class. frames : the steps whose images are kept; by default, four of them.
    """
    shape = (1, model.net.input_shape[0], size, size)
    # class_visualization draws the same noise first from the same seed
    noise = first_images(shape, model.preprocessing, np.random.default_rng([seed, label]), settings)
    num_steps = settings.num_steps
    terms = ("score", "margin", "L2") if settings.margin_weight else ("score", "L2")
    watch = Watch(name or short_label(model, label), num_steps, terms, noise, run=run,
                  part=name or label, to_image=model.preprocessing.to_image,
                  frames=kept_steps(settings).union(frames or shown_steps(settings)))
    with watch:
        watch.latest, watch.history = class_visualization(
            model.net, label, model.preprocessing, settings, rng=np.random.default_rng([seed, label]), size=size,
            callback=watch, checkpoint=watch.checkpoint)
    return ClassAscent(noise, watch)


def shown_steps(settings: AscentSettings) -> tuple[int, ...]:
    """Return the numbers of four steps. A figure of one class shows their images and the result."""
    return 1, settings.num_steps // 10, settings.num_steps // 4, settings.num_steps // 2


def checks_of(model: Model, ascent: ClassAscent, label: int, seed: int, settings: AscentSettings) -> list[Check]:
    """Return the Checks of the image of one class."""
    watch, goal = ascent.watch, Goal(model.net.output, [(label,)], settings.margin_weight)
    checks = check_ascent(model.net, goal, model.preprocessing, settings, watch.frames, watch.image,
                          np.random.default_rng([seed, label]), short_label(model, label), len(watch.history))
    checks += check_class_visualization(model.net, watch.image, ascent.noise, label, model.preprocessing,
                                        np.random.default_rng([seed, label, 1]))
    percent = max(settings.small_norm, settings.small_contribution)
    return checks + (check_zeroed(ascent.watch.image, percent) if percent and ascent.watch.history else [])
