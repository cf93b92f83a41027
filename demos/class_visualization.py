"""Images that maximize class scores: minicnn class_visualization --class tarantula [--preset NAME | --compare]
"""

from dataclasses import asdict, replace

import numpy as np

from minicnn import plot
from minicnn.visualize.synthesis.ascent_settings import CLASS_PRESETS, MARGIN, PHOTOS
from minicnn.visualize.synthesis.before_relu import default_settings

from . import class_presets
from .shared.ascent_options import add_ascent_options, amplified
from .shared.class_ascent import ascend_class, checks_of, default_labels, shown_steps
from .shared.command import demo_parser, main, natural_number, positive_int
from .shared.inputs import choose_model, short_label, warn_about_memory
from .shared.long_run import add_long_run_options, chosen_settings, long_run
from .shared.picture import Picture, demo_folder, run_demo

NAMES = ("class_visualization",)


GALLERY_CLASSES, GALLERY_STEPS = 4, 160  # at most: a quarter of the time that all classes take


def gallery_pictures(model, seed=0):
    """Yield the picture of the gallery: a few classes, and fewer steps."""
    settings = default_settings(model.net, MARGIN, PHOTOS)
    settings = replace(settings, num_steps=min(settings.num_steps, GALLERY_STEPS))
    yield from pictures(model, default_labels(model)[:GALLERY_CLASSES], seed, settings=settings)


def pictures(model, labels=None, seed=0, size=None, settings=None, run=None):
    """Techniques 12 to 14: yield the Picture of one image per class; for a single class, with images of earlier steps.

    labels : by default, see `default_labels`. settings : AscentSettings; by default, see `default_settings`. run : the
    LongRun that saves the images, or None.
    """
    labels, settings = labels or default_labels(model), settings or default_settings(model.net, MARGIN, PHOTOS)
    ascents, checks, stopped = {}, [], None
    for label in labels:
        ascents[label] = ascend_class(model, label, seed, size or model.net.input_shape[1], settings, run)
        checks += checks_of(model, ascents[label], label, seed, settings)
        stopped = ascents[label].watch.stopped
        if stopped is not None:
            break
    panels = [amplified(model, short_label(model, label), ascent.watch.image) for label, ascent in ascents.items()]
    if len(labels) == 1:
        panels = [amplified(model, f"step {step}", frame)
                  for step, frame in ascents[labels[0]].watch.frames.items()
                  if step in shown_steps(settings)] + panels
    steps = len(ascents[label].watch.history)
    title = (f"{model.name}: class visualization"
             + (f", Iteration {steps} / {settings.num_steps}, stopped" if stopped else ""))
    first = "noise" if settings.start_noise else "the mean colour"
    objective = "the score of its class and its margin to all other scores" if settings.margin_weight else \
        "the score of its class"
    how = "Regularization keeps it natural: a penalty on bright pixels, jitter, blur, or small pixels set to zero."
    if settings.parametrization == "fourier":
        how = ("The numbers that changed are waves of decorrelated colours, and the network saw the image shifted and "
               "scaled at random, so that fine noise gains nothing.")
    yield Picture(
        "class_visualization", title, plot.show_panels(panels, 6 if len(panels) == 12 else min(5, len(panels)), title),
        np.concatenate([ascent.watch.image for ascent in ascents.values()]),
        f"Each image started as {first} and was changed in {settings.num_steps} steps to raise {objective}. "
        f"{how} The image shows the patterns by which the network recognizes the class, not the look of the class.",
        "Simonyan et al. 2013 (arXiv:1312.6034), section 2; Yosinski et al. 2015 (arXiv:1506.06579), section 4; "
        "Stanford CS231n; Olah et al. 2017, Feature Visualization",
        checks, {"classes": list(ascents), "steps": settings.num_steps, "seed": seed, "size": size} | asdict(settings),
        ascents[labels[0]].watch.history,
        {short_label(model, label): model.preprocessing.to_image(ascent.watch.image)
         for label, ascent in ascents.items()})
    if run is not None:
        run.finish(stopped)


def run(arguments):
    """Load the network, make the images, and save them."""
    model, reason = choose_model(arguments.model, arguments.device, scores=True)
    print(reason)
    labels = [model.find_class(label) for label in arguments.labels or ()]
    if arguments.compare:
        return class_presets.compare(model, labels, arguments)
    labels = labels or default_labels(model)
    arguments.preset = arguments.preset or name_of(default_settings(model.net, MARGIN, PHOTOS))
    settings = chosen_settings(arguments, CLASS_PRESETS)
    side = arguments.size or model.net.input_shape[1]
    warn_about_memory(model.net, (1, model.net.input_shape[0], side, side))
    folder = demo_folder(arguments, NAMES)
    run = long_run(arguments, folder, NAMES[0], model, {"size": side, "seed": arguments.seed}
                   | {key: value for key, value in asdict(settings).items() if key != "num_steps"})
    run_demo(pictures(model, labels, arguments.seed, arguments.size, settings, run), model, arguments, NAMES, folder)


def name_of(settings):
    """Return the name of a preset."""
    return next(name for name, preset in CLASS_PRESETS.items() if preset is settings)


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("class_visualization", __doc__, photos=False)
    parser.add_argument("--class", dest="labels", action="append", metavar="CLASS",
                        help="number or name of a class; may be repeated (default: two classes of ImageNet, or the "
                        "first 12 of another network)")
    parser.add_argument("--compare", action="store_true", help="show all presets but margin side by side for one "
                        "class; Yosinski's take larger and fewer steps, unless --steps and --gain are given")
    parser.add_argument("--size", type=positive_int, metavar="PIXELS",
                        help="side of the image (default: the network's input)")
    add_ascent_options(parser, CLASS_PRESETS, "distill; photos for networks of small photos, margin for networks of "
                       "drawings")
    parser.set_defaults(preset=None)
    parser.add_argument("--margin-weight", type=natural_number, metavar="WEIGHT", help="weight of the margin to the "
                        "best other class; 0 as published (default: the preset's)")
    add_long_run_options(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
