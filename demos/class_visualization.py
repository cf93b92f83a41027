"""The image that a class likes best: python -m demos.class_visualization --class tarantula [--steps 100]"""

from typing import NamedTuple

import numpy as np

from demos.command import demo_parser, main, natural_int, positive_int
from demos.inputs import choose_model, short_label, warn_about_memory
from demos.long_run import Watch, add_long_run_options, add_presets, chosen_settings, long_run
from demos.picture import Picture, demo_folder, run_demo
from minicnn import plot
from minicnn.visualize.ascent import CLASS_PRESETS, class_visualization
from minicnn.visualize.checks import check_class_visualization

TARANTULA, GORILLA = 76, 366  # two of CS231n's favourites
NAMES = ("class_visualization",)


def pictures(model, labels=None, num_steps=100, seed=0, size=None, settings=None, run=None):
    """Technique 13: one image per class, or all of a small network's; of a single class, how it came about.

    settings : of `class_visualization`; CS231n's, unless given. run : the LongRun that saves it as it goes, or None.
    """
    labels = labels or default_labels(model)
    settings = settings or CLASS_PRESETS["cs231n"]
    ascents, checks = {}, []
    for label in labels:
        ascents[label] = ascend(model, label, num_steps, seed, size or model.net.input_shape[1], settings, run)
        checks += check_class_visualization(model.net, ascents[label].watch.image, ascents[label].noise, label,
                                            model.preprocessing, np.random.default_rng([seed, label, 1]))
        stopped = ascents[label].watch.stopped
        if stopped is not None:
            break
    panels = [(short_label(model, label), model.preprocessing.to_image(ascent.watch.image))
              for label, ascent in ascents.items()]
    if len(labels) == 1:
        panels = [(f"step {step}", model.preprocessing.to_image(frame))
                  for step, frame in ascents[labels[0]].watch.frames.items()] + panels
    done = len(ascents[label].watch.history)
    title = f"{model.name}: Iteration {done} / {num_steps}" + (", stopped" if stopped else "")
    yield Picture(
        "class_visualization", title, plot.show_panels(panels, min(4, len(panels)), title),
        np.concatenate([ascent.watch.image for ascent in ascents.values()]),
        f"Each image began as noise and was changed {num_steps} times so that the score of its class rose, with "
        "a small penalty on bright pixels, jitter and a little blur. What appears is what the network takes for the "
        "class, not what the class looks like.",
        "Simonyan et al. 2013 (arXiv:1312.6034), section 2; the settings are those of Stanford CS231n",
        checks, {"classes": list(ascents), "steps": num_steps, "seed": seed, "size": size} | settings,
        ascents[labels[0]].watch.history)
    if run is not None:
        run.finish(stopped)


class Ascent(NamedTuple):
    """How one image came about: what it began as, and who watched it."""

    noise: np.ndarray
    watch: Watch


def ascend(model, label, num_steps, seed, size, settings, run):
    """The Ascent for one class; Ctrl-C ends it early and keeps the image so far."""
    # the noise that class_visualization draws first from the same seed
    noise = np.random.default_rng([seed, label]).standard_normal((1, model.net.input_shape[0], size, size), np.float32)
    watch = Watch(short_label(model, label), num_steps, ("score", "L2"), noise, run=run,
                  to_image=model.preprocessing.to_image,
                  frames=(1, num_steps // 10, num_steps // 4, num_steps // 2))
    with watch:
        class_visualization(model.net, label, model.preprocessing, rng=np.random.default_rng([seed, label]), size=size,
                            num_steps=num_steps, callback=watch, checkpoint=run and run.checkpoint(label), **settings)
    return Ascent(noise, watch)


def default_labels(model):
    """Two favourites of ImageNet's 1,000 classes; of another network, the first twelve."""
    num_classes = model.net.shapes()[model.net.output][1]
    return [TARANTULA, GORILLA] if num_classes == 1000 else list(range(min(12, num_classes)))


def run(arguments):
    """Load, optimise, save."""
    model, said = choose_model(arguments.model, arguments.device)
    print(said)
    labels = [model.find_class(label) for label in arguments.labels or ()] or default_labels(model)
    settings = chosen_settings(arguments, CLASS_PRESETS)
    side = arguments.size or model.net.input_shape[1]
    warn_about_memory(model.net, (1, model.net.input_shape[0], side, side))
    folder = demo_folder(arguments, NAMES)
    run = long_run(arguments, folder, NAMES[0], {"model": model.name, "size": side, "seed": arguments.seed} | settings)
    run_demo(pictures(model, labels, arguments.steps, arguments.seed, arguments.size, settings, run), model, arguments,
             NAMES, folder)


def parser():
    """The command line."""
    parser = demo_parser("class_visualization", __doc__)
    parser.add_argument("--class", dest="labels", action="append", help="number or name; may be given several times")
    parser.add_argument("--steps", type=positive_int, default=100)
    parser.add_argument("--size", type=positive_int, help="side of the image in pixels; left out, the network's own")
    add_presets(parser, CLASS_PRESETS, "cs231n")
    parser.add_argument("--learning-rate", type=float, help="length of a step, at 224 pixels")
    parser.add_argument("--l2-reg", type=float)
    parser.add_argument("--blur-every", type=positive_int)
    parser.add_argument("--blur-sigma", type=float, help="pixels")
    parser.add_argument("--max-jitter", type=natural_int, help="pixels, at 224 pixels")
    add_long_run_options(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
