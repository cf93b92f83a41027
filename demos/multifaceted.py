"""One class, several pictures: python -m demos.multifaceted [FOLDER] [--class NAME] [--mnist FOLDER] [--facets N]"""

from typing import NamedTuple

import numpy as np

from demos.shared.command import demo_parser, main, positive_int
from demos.shared.inputs import choose_model, short_label
from demos.shared.long_run import Watch, add_long_run_options, chosen_settings, digest, long_run
from demos.shared.photo_folder import digit_photos, fit_photos, read_photos
from demos.shared.picture import Picture, demo_folder, run_demo
from minicnn import plot
from minicnn.backend import to_device, to_host
from minicnn.datasets.shapes import CLASSES, draw_shapes
from minicnn.errors import InputError
from minicnn.visualize.embedding.features import feature_layer
from minicnn.visualize.synthesis.multifaceted import (
    FACET_PRESETS,
    facet_visualization,
    find_facets,
    middle,
    noise_start,
    suggest_facets,
)
from minicnn.visualize.synthesis.multifaceted_check import check_facets, check_inertias

NAMES = ("multifaceted",)
DRAWN, DRAWN_CLASS = 300, CLASSES.index("dotted disc")
MOST = 1000  # images; more take their time, and show nothing new
SHOWN = 3    # of a facet's images


def pictures(model, x=None, label=DRAWN_CLASS, num_facets=None, layer=None, settings=None, seed=0, count=DRAWN,
             run=None):
    """Technique 15: the kinds of a class's images x, (N, C, H, W), and an image that the class likes of each kind.

    Left out, `count` drawn shapes. settings : one of FACET_PRESETS; by the network's size, unless given. run : the
    LongRun that saves it as it goes, or None.
    """
    if x is None:
        x = draw_class(model, label, count, seed)
    settings = settings or FACET_PRESETS[default_preset(model)]
    num_facets = num_facets or suggest_facets(len(x), settings["most"])
    layer = layer or feature_layer(model.net)
    facets = find_facets(model.net, x, num_facets, rng=np.random.default_rng([seed, 15]), layer=layer,
                         nearest=settings["nearest"])
    noises = [noise_start(x.shape[1:], model.preprocessing, np.random.default_rng([seed, group, 1]))
              for group in range(num_facets)]
    found, stopped = ascend_all(model, label, facets.starts, noises, settings["stages"], seed, run)
    images, from_noise = (made + [None] * (num_facets - len(made)) for made in (found.facets, found.from_noise))
    checks = [check_inertias(facets.clusters.inertias)] if stopped else check_facets(
        model.net, label, facets, images, from_noise, model.preprocessing, layer)
    least = min(image.shape[-1] for image in found.facets)  # one that was interrupted may not have grown yet
    title = (f"{model.name}: {num_facets} facets of {len(x):,} images of {short_label(model, label)}"
             + (", stopped" if stopped else ""))
    yield Picture(
        "multifaceted", title, show_facets(model, x, facets, images, from_noise, title),
        np.concatenate([middle(image, least) for image in found.facets]),
        "A class is not one picture: its images, as the network describes them, were put into groups that are alike "
        f"(above, {SHOWN} of each). Each group's mean was then changed so that the class's score rose. What the last "
        "row began with was noise: without the groups, the pictures are more of one kind.",
        "Nguyen, Yosinski and Clune 2016 (arXiv:1602.03616), section 2.1, with the settings of their code",
        checks, {"images": len(x), "class": label, "facets": num_facets, "layer": layer, "seed": seed,
                 "nearest": settings["nearest"],
                 "sizes": np.bincount(facets.clusters.labels).tolist(),
                 "stages": [stage._asdict() for stage in settings["stages"]]}, found.history)
    if run is not None:
        run.finish(stopped)


class Found(NamedTuple):
    """The images, each (1, C, S, S), that began as means and those that began as noise; the first one's history."""

    facets: list
    from_noise: list
    history: list


def ascend_all(model, label, starts, noises, stages, seed, run):
    """(Found, what has stopped it or None): from every start, then from every noise; an interruption ends it early."""
    found = Found([], [], [])
    num_steps = sum(stage.num_steps for stage in stages)
    for made, kind, firsts in ((found.facets, "facet", starts), (found.from_noise, "noise", noises)):
        for group, start in enumerate(firsts):
            watch = Watch(f"{kind} {group + 1} of {len(starts)}", num_steps, ("score",), start[None], run=run,
                          to_image=model.preprocessing.to_image)
            with watch:
                # a run that is gone on with finds a finished image in its checkpoint, and the callback is not called
                watch.latest, watch.history = facet_visualization(
                    model.net, label, start, model.preprocessing, rng=np.random.default_rng([seed, group, 2]),
                    callback=watch, checkpoint=run and run.checkpoint(f"{kind}{group}"), stages=stages)
            made.append(watch.image)
            if kind == "facet" and group == 0:
                found.history.extend(watch.history)
            if watch.stopped is not None:
                return found, watch.stopped
    return found, None


def show_facets(model, x, facets, images, from_noise, title):
    """A column for each facet: some of its images, the mean, the image that grew from it, and one from noise."""
    to_image, rows = model.preprocessing.to_image, []
    nearest = [facets.nearest(group, SHOWN) for group in range(len(images))]
    for row in range(SHOWN):
        rows += [("" if row else f"facet {group + 1}: {(facets.clusters.labels == group).sum()} images",
                  to_image(x[chosen[min(row, len(chosen) - 1)]])) for group, chosen in enumerate(nearest)]
    rows += [("their mean", to_image(start)) for start in facets.starts]
    blank = np.full((*x.shape[2:], 3), 255, np.uint8)
    for caption, made in (("what it becomes", images), ("from noise", from_noise)):
        rows += [(caption, to_image(image)) if image is not None else ("", blank) for image in made]
    return plot.show_panels(rows, len(images), title, size=1.5 if len(images) > 4 else 2.0)


def draw_class(model, label, count, seed):
    """`count` drawn shapes of one class as the network wants them, (count, C, H, W)."""
    if model.name != "shapes":
        raise InputError(f"{model.name} does not know drawn shapes: give a FOLDER with images of a class"
                         + (", or --mnist FOLDER" if model.net.input_shape[0] == 1 else ""))
    images, _ = draw_shapes([label] * count, np.random.default_rng([seed, 16]), model.preprocessing.crop)
    return model.preprocessing.to_input(images)


def default_preset(model):
    """"tiny" for pictures of up to 32 pixels, "small" for up to 100."""
    size = model.net.input_shape[1]
    return "tiny" if size <= 32 else "small" if size <= 100 else "nguyen"


def read_images(model, photos, report):
    """The FolderPhotos as the network wants them, (N, C, H, W), up to MOST of them; report : called with a line."""
    fitted = [photo.image for _, photo in zip(range(MOST), fit_photos(model, photos), strict=False)]
    if not fitted:
        raise InputError("there are no images to put into groups")
    if len(fitted) == MOST:
        report(f"the first {MOST:,} images are taken")
    return model.preprocessing.to_input(np.stack(fitted))


def commonest_class(model, x, batch_size=16):
    """The class that the network takes most of the images x, (N, C, H, W), for."""
    labels = [to_host(model.net.predict(to_device(x[start:start + batch_size], model.net.device))).argmax(axis=1)
              for start in range(0, len(x), batch_size)]
    return int(np.bincount(np.concatenate(labels)).argmax())


def run(arguments):
    """Load, group, optimise, save."""
    model, said = choose_model(arguments.model or choice_of_model(arguments), arguments.device)
    print(said)
    arguments.preset = arguments.preset or default_preset(model)
    settings = chosen_settings(arguments, FACET_PRESETS)
    label = None if arguments.label is None else model.find_class(arguments.label)
    if arguments.layer:
        arguments.layer = model.net.find(arguments.layer)
    folder = demo_folder(arguments, NAMES)
    if arguments.mnist:
        label = 7 if label is None else label
        x = read_images(model, (photo for photo in digit_photos(arguments.mnist) if photo.label == str(label)), print)
    elif arguments.folder:
        x = read_images(model, read_photos(arguments.folder), print)
    else:
        label = DRAWN_CLASS if label is None else label
        x = draw_class(model, label, arguments.count, arguments.seed)
    label = commonest_class(model, x) if label is None else label
    num_facets = arguments.facets or suggest_facets(len(x), settings["most"])
    if not arguments.facets and num_facets < 10:
        why = (f"as there are {len(x):,} images, not 1,000" if num_facets < settings["most"] else
               f"the most of the preset {arguments.preset}")
        print(f"{num_facets} facets, fewer than the paper's 10, {why}")
    run = long_run(arguments, folder, NAMES[0], model,
                   {"images": digest(x), "class": label, "facets": num_facets, "layer": arguments.layer,
                    "preset": arguments.preset, "seed": arguments.seed})
    run_demo(pictures(model, x, label, num_facets, arguments.layer, settings, arguments.seed, run=run), model,
             arguments, NAMES, folder)


def choice_of_model(arguments):
    """The network for what is to be seen, where none is named; None: the best there is for photos."""
    if arguments.mnist:
        return "digits"
    return None if arguments.folder else "shapes"


def parser():
    """The command line."""
    parser = demo_parser("multifaceted", __doc__, photos=False)
    parser.add_argument("folder", nargs="?", metavar="FOLDER", help="images of one class; left out, shapes are drawn")
    parser.add_argument("--layer", help="whose activations describe an image; left out, the last before the classes")
    parser.add_argument("--mnist", metavar="FOLDER", help="MNIST's folder: facets of a digit of its test part")
    parser.add_argument("--class", dest="label", help="number or name of the class that the images are of; left out, "
                        "the one that the network takes most of them for, 7 of digits, or dotted disc of drawn shapes")
    parser.add_argument("--facets", type=positive_int, help="how many; left out, one for 100 images, from 2 to "
                        "the most of the preset, 10 or of tiny pictures 4")
    parser.add_argument("--count", type=positive_int, default=DRAWN, help=f"drawn shapes (default {DRAWN})")
    parser.add_argument("--preset", help=f"settings by name: {', '.join(FACET_PRESETS)}; left out, tiny for pictures "
                        "of up to 32 pixels, small for up to 100")
    add_long_run_options(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
