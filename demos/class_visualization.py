"""The image that a class likes best: python -m demos.class_visualization --class tarantula [--preset N | --compare]"""

from typing import NamedTuple

import numpy as np

from demos import class_presets
from demos.shared.ascent_options import add_ascent_options, amplified
from demos.shared.command import demo_parser, main, natural_number, positive_int
from demos.shared.inputs import choose_model, short_label, warn_about_memory
from demos.shared.long_run import Watch, add_long_run_options, chosen_settings, long_run
from demos.shared.picture import Picture, demo_folder, run_demo
from minicnn import plot
from minicnn.visualize.synthesis.ascent import CLASS_PRESETS, class_visualization, first_images
from minicnn.visualize.synthesis.ascent_check import check_class_visualization, check_zeroed

TARANTULA, GORILLA = 76, 366  # two of CS231n's favourites
NAMES = ("class_visualization",)


def pictures(model, labels=None, seed=0, size=None, settings=None, run=None):
    """Techniques 12 to 14: one image per class, or all of a small network's; of a single class, how it came about.

    settings : of `class_visualization`; those of the preset "margin", unless given. run : the LongRun that saves it as
    it goes, or None.
    """
    labels = labels or default_labels(model)
    settings = settings or CLASS_PRESETS["margin"]
    num_steps = settings["num_steps"]
    ascents, checks = {}, []
    for label in labels:
        ascents[label] = ascend(model, label, seed, size or model.net.input_shape[1], settings, run)
        checks += checks_of(model, ascents[label], label, seed, settings)
        stopped = ascents[label].watch.stopped
        if stopped is not None:
            break
    panels = [amplified(model, short_label(model, label), ascent.watch.image) for label, ascent in ascents.items()]
    if len(labels) == 1:
        panels = [amplified(model, f"step {step}", frame)
                  for step, frame in ascents[labels[0]].watch.frames.items()] + panels
    done = len(ascents[label].watch.history)
    title = f"{model.name}: Iteration {done} / {num_steps}" + (", stopped" if stopped else "")
    yield Picture(
        "class_visualization", title, plot.show_panels(panels, min(5, len(panels)), title),
        np.concatenate([ascent.watch.image for ascent in ascents.values()]),
        f"Each image began as {'noise' if settings['start_noise'] else 'the mean colour'} and was changed {num_steps} "
        f"times so that the score of its class rose{', ahead of all others' if settings['margin_weight'] else ''}, "
        "with what keeps the image natural: a penalty on bright pixels, jitter, blur, or small pixels set to zero. "
        "What appears is what the network takes for the class, not what the class looks like.",
        "Simonyan et al. 2013 (arXiv:1312.6034), section 2; Yosinski et al. 2015 (arXiv:1506.06579), section 4; "
        "Stanford CS231n",
        checks, {"classes": list(ascents), "steps": num_steps, "seed": seed, "size": size} | settings,
        ascents[labels[0]].watch.history)
    if run is not None:
        run.finish(stopped)


class Ascent(NamedTuple):
    """How one image came about: what it began as, and who watched it."""

    noise: np.ndarray
    watch: Watch


def ascend(model, label, seed, size, settings, run=None, name=None, frames=None):
    """The Ascent for one class; Ctrl-C ends it early and keeps the image so far. name : of the run's part, and in the
    progress bar; the class's, unless given. frames : the steps whose images are kept; a few, unless given."""
    # the noise that class_visualization draws first from the same seed
    noise = first_images((1, model.net.input_shape[0], size, size), model.preprocessing,
                         np.random.default_rng([seed, label]), settings["start_noise"], settings["inputs"])
    num_steps = settings["num_steps"]
    terms = ("score", "margin", "L2") if settings["margin_weight"] else ("score", "L2")
    watch = Watch(name or short_label(model, label), num_steps, terms, noise, run=run,
                  to_image=model.preprocessing.to_image,
                  frames=frames or (1, num_steps // 10, num_steps // 4, num_steps // 2))
    with watch:
        watch.latest, watch.history = class_visualization(
            model.net, label, model.preprocessing, rng=np.random.default_rng([seed, label]), size=size, callback=watch,
            checkpoint=run and run.checkpoint(name or label), **settings)
    return Ascent(noise, watch)


def checks_of(model, ascent, label, seed, settings):
    """What proves the image of one class."""
    checks = check_class_visualization(model.net, ascent.watch.image, ascent.noise, label, model.preprocessing,
                                       np.random.default_rng([seed, label, 1]))
    if settings["inputs"] == "caffe":  # Yosinski's steps are for CaffeNet; theirs too reports whether it succeeded
        checks[0] = checks[0]._replace(expected="reported: 1 is what their code calls a majority", passed=True)
    percent = max(settings["small_norm"], settings["small_contribution"])
    return checks + (check_zeroed(ascent.watch.image, percent) if percent and ascent.watch.history else [])


def default_labels(model):
    """Two favourites of ImageNet's 1,000 classes; of another network, the first twelve."""
    num_classes = model.net.shapes()[model.net.output][1]
    return [TARANTULA, GORILLA] if num_classes == 1000 else list(range(min(12, num_classes)))


def run(arguments):
    """Load, optimise, save."""
    model, said = choose_model(arguments.model, arguments.device)
    print(said)
    labels = [model.find_class(label) for label in arguments.labels or ()]
    if arguments.compare:
        return class_presets.compare(model, labels, arguments)
    labels = labels or default_labels(model)
    settings = chosen_settings(arguments, CLASS_PRESETS)
    side = arguments.size or model.net.input_shape[1]
    warn_about_memory(model.net, (1, model.net.input_shape[0], side, side))
    folder = demo_folder(arguments, NAMES)
    run = long_run(arguments, folder, NAMES[0], model, {"size": side, "seed": arguments.seed}
                   | {key: value for key, value in settings.items() if key != "num_steps"})
    run_demo(pictures(model, labels, arguments.seed, arguments.size, settings, run), model, arguments, NAMES, folder)


def parser():
    """The command line."""
    parser = demo_parser("class_visualization", __doc__, photos=False)
    parser.add_argument("--class", dest="labels", action="append", help="number or name; may be given several times")
    parser.add_argument("--compare", action="store_true", help="all published presets side by side on one class; "
                        "Yosinski's with larger steps and fewer, unless --steps and --gain say otherwise")
    parser.add_argument("--size", type=positive_int, help="side of the image in pixels; left out, the network's own")
    add_ascent_options(parser, CLASS_PRESETS, "margin")
    parser.add_argument("--margin-weight", type=natural_number, help="how much counts what the score is ahead of the "
                        "best other class's; 0 as published")
    add_long_run_options(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
