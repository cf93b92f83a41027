"""Several images of one class, one for each kind: minicnn multifaceted [--photos FOLDER] [--class NAME]"""

from dataclasses import asdict
from typing import NamedTuple

import numpy as np

from minicnn import plot
from minicnn.backend import to_device, to_host
from minicnn.datasets.shapes import CLASSES, draw_shapes
from minicnn.errors import InputError
from minicnn.visualize.embedding.features import feature_layer
from minicnn.visualize.replay_check import check_redone
from minicnn.visualize.synthesis.ascent_check import Goal, check_ascent, kept_steps
from minicnn.visualize.synthesis.ascent_settings import AscentSettings
from minicnn.visualize.synthesis.before_relu import SMALL
from minicnn.visualize.synthesis.facet_steps_check import kept_facet_steps, redo_facet_steps
from minicnn.visualize.synthesis.facets import find_facets, suggest_facets
from minicnn.visualize.synthesis.multifaceted import FACET_PRESETS, centre_crop, facet_visualization, noise_start
from minicnn.visualize.synthesis.multifaceted_check import (
    check_clusters,
    check_facets,
    check_starts,
    facet_direction,
)

from .shared.command import demo_parser, main, positive_int
from .shared.inputs import choose_model, short_label
from .shared.long_run import Watch, add_long_run_options, chosen_settings, digest, long_run
from .shared.photo_choice import add_photos_option, choose_folder, fetched_photos, knows_photos
from .shared.photo_class import class_folder, largest_class, network_class
from .shared.photo_folder import digit_photos, fit_photos, read_photos
from .shared.picture import Picture, demo_folder, run_demo

NAMES = ("multifaceted",)
DRAWN, DRAWN_CLASS = 300, CLASSES.index("dotted disc")
MOST = 1000  # images that are used; more take longer and change little
FEWEST, GALLERY = 36, 150  # photos of a class for the gallery: at least, and at most
SHOWN = 3    # images of a facet in the figure


def pictures(model, x=None, label=DRAWN_CLASS, num_facets=None, layer=None, settings=None, seed=0, count=DRAWN,
             run=None):
    """Technique 15: yield the Picture of the facets of a class's images, with an optimized image for each facet.

    x : the images, (N, C, H, W); by default, `count` drawn shapes. settings : FacetSettings; by default, the preset for
    the network's size. run : the LongRun that saves the images, or None.
    """
    if x is None:
        x = draw_class(model, label, count, seed)
    settings = settings or FACET_PRESETS[default_preset(model)]
    num_facets = num_facets or suggest_facets(len(x), settings.most)
    layer = layer or feature_layer(model.net)
    facets = find_facets(model.net, x, num_facets, rng=np.random.default_rng([seed, 15]), layer=layer,
                         nearest=settings.nearest)
    noises = [noise_start(x.shape[1:], model.preprocessing, np.random.default_rng([seed, group, 1]))
              for group in range(num_facets)]
    pulls = facet_pulls(model.net, layer, settings, facets.directions)
    expected = facet_pulls(model.net, layer, settings, lambda channels: [
        facet_direction(facets, group, channels) for group in range(num_facets)])
    results, stopped = ascend_all(model, label, facets.starts, noises, pulls or [None] * num_facets,
                                  expected or [None] * num_facets, settings, seed, run)
    images, from_noise = (made + [None] * (num_facets - len(made)) for made in (results.facets, results.from_noise))
    checks = check_clusters(facets.positions, facets.clusters) if stopped else check_facets(
        model.net, label, facets, images, from_noise, model.preprocessing, layer)
    checks += [check_starts(x, facets, settings.nearest), *results.checks]
    if not isinstance(settings.stages, AscentSettings):
        checks.append(check_redone(results.redone, f"{len(results.facets)} facets"))
    size = min(image.shape[-1] for image in results.facets)  # an interrupted image may not have its final size yet
    title = (f"{model.name}: {num_facets} facets of {len(x):,} images of {short_label(model, label)}"
             + (", stopped" if stopped else ""))
    yield Picture(
        "multifaceted", title, show_facets(model, x, facets, images, from_noise, title),
        np.concatenate([centre_crop(image, size) for image in results.facets]),
        "The images of a class are of several kinds. They were put into groups by the network's features (above, "
        f"{SHOWN} images of each group). The mean of each group was then changed to raise the score of the class"
        + (", and the features by which the group differs from the others" if settings.pull else "") + ". The "
        "images in the last row started from noise: without the groups, the results are more alike.",
        "Nguyen, Yosinski and Clune 2016 (arXiv:1602.03616), section 2.1"
        + ("" if isinstance(settings.stages, AscentSettings) else ", with the settings of their code"),
        checks, {"images": len(x), "class": label, "facets": num_facets, "layer": layer, "seed": seed,
                 "sizes": np.bincount(facets.clusters.labels).tolist()} | asdict(settings), results.history,
        {f"facet_{n}": model.preprocessing.to_image(image) for n, image in enumerate(results.facets, 1)})
    if run is not None:
        run.finish(stopped)


def enough(photos):
    """Return True if there are enough FolderPhotos of one class for three facets."""
    return largest_class(photos or ())[1] >= FEWEST


def gallery_pictures(model, folder=None, seed=0):
    """Yield the Picture for the gallery: of the photos of the largest class of a folder, or of drawn shapes."""
    if not knows_photos(model) or not enough(folder):
        return pictures(model, num_facets=3, count=225, seed=seed)
    label, _ = largest_class(folder)
    x = read_images(model, (photo for photo in folder if photo.label == label), print, GALLERY)
    name = next((name for name, source in model.sources.items() if source == label), None)
    return pictures(model, x, commonest_class(model, x) if name is None else model.find_class(name), 3, seed=seed)


class Results(NamedTuple):
    """The images (1, C, S, S) that started from means and from noise, the history of the first one, and their steps.

    redone : the Redone steps of the stages. checks : the Checks of an ascent, instead of them.
    """

    facets: list
    from_noise: list
    history: list
    redone: list
    checks: list


def facet_pulls(net, layer, settings, directions):
    """Return [(layer, direction)] of the facets; none if the settings have no pull or the layer has no maps.

    directions : a function from the number of channels to the directions of length 1.
    """
    shape = net.shapes()[layer]
    if not settings.pull or len(shape) != 4:
        return []
    return [(layer, settings.pull * direction) for direction in directions(shape[1])]


def ascend_all(model, label, starts, noises, pulls, expected, settings, seed, run):
    """Return (Results, the exception that ended the run early or None): first from every start, then from every noise.

    pulls : (layer, direction) of each facet, or None; images from noise have none. expected : the pulls by the formula.
    """
    results, stages = Results([], [], [], [], []), settings.stages
    by_ascent = isinstance(stages, AscentSettings)
    for made, kind, firsts in ((results.facets, "facet", starts), (results.from_noise, "noise", noises)):
        for group, start in enumerate(firsts):
            pull = pulls[group] if kind == "facet" else None
            terms = ("score", *["margin"] * bool(getattr(stages, "margin_weight", 0)),
                     *["facet"] * (pull is not None and bool(pull[1].any())), "L2")
            watch = Watch(f"{kind} {group + 1} of {len(starts)}", settings.num_steps,
                          terms if by_ascent else ("score",), start[None], run=run, part=f"{kind}{group}",
                          to_image=model.preprocessing.to_image,
                          frames=kept_steps(stages) if by_ascent else kept_facet_steps(stages))
            with watch:
                watch.latest, watch.history = facet_visualization(
                    model.net, label, start, model.preprocessing, rng=np.random.default_rng([seed, group, 2]),
                    layer=pull and pull[0], direction=pull and pull[1], callback=watch, checkpoint=watch.checkpoint,
                    stages=stages)
            made.append(watch.image)
            if kind == "facet":
                keep_steps(results, model, label, start, stages, watch, np.random.default_rng([seed, group, 2]),
                           f"facet {group + 1}", expected[group])
            if kind == "facet" and group == 0:
                results.history.extend(watch.history)
            if watch.stopped is not None:
                return results, watch.stopped
    return results, None


def keep_steps(results, model, label, start, stages, watch, rng, name, pull):
    """Append the steps of one image to the Results, done again: Redone steps of stages, or the Checks of an ascent."""
    if isinstance(stages, AscentSettings):
        goal = Goal(model.net.output, [(label,)], stages.margin_weight)
        results.checks.extend(check_ascent(
            model.net, goal, model.preprocessing, stages, watch.frames, watch.image, rng, name, len(watch.history),
            start[None], pull))
    else:
        results.redone.extend(redo_facet_steps(
            model.net, label, start, watch.image if watch.stopped is None else None, watch.frames, model.preprocessing,
            stages, rng))


def show_facets(model, x, facets, images, from_noise, title):
    """Return the figure: a column for each facet, with images of it, their mean, the result, and one from noise."""
    to_image, rows = model.preprocessing.to_image, []
    nearest = [facets.nearest(group, SHOWN) for group in range(len(images))]
    for row in range(SHOWN):
        rows += [("" if row else f"facet {group + 1}: {(facets.clusters.labels == group).sum()} images",
                  to_image(x[chosen[min(row, len(chosen) - 1)]])) for group, chosen in enumerate(nearest)]
    rows += [("their mean", to_image(start)) for start in facets.starts]
    blank = np.full((*x.shape[2:], 3), 255, np.uint8)
    for caption, made in (("optimized", images), ("from noise", from_noise)):
        rows += [(caption, to_image(image)) if image is not None else ("", blank) for image in made]
    return plot.show_panels(rows, len(images), title, size=1.5 if len(images) > 4 else 2.0)


def draw_class(model, label, count, seed):
    """Return `count` drawn shapes of one class as the network's input, (count, C, H, W)."""
    if model.name != "shapes":
        raise InputError(f"{model.name} was not trained on drawn shapes: give a FOLDER with images of a class"
                         + (", or --mnist FOLDER" if model.net.input_shape[0] == 1 else ""))
    images, _ = draw_shapes([label] * count, np.random.default_rng([seed, 16]), model.preprocessing.crop)
    return model.preprocessing.to_input(images)


def default_preset(model):
    """Return the preset for the network's size: tiny for up to 32 pixels, small below 100, photos, or distill."""
    size = model.net.input_shape[1]
    return "tiny" if size <= 32 else "small" if size < SMALL.start else "photos" if size in SMALL else "distill"


def read_images(model, photos, report, most=MOST):
    """Return up to `most` of the FolderPhotos as input, (N, C, H, W). report : called with a line of text."""
    fitted = [photo.image for _, photo in zip(range(most), fit_photos(model, photos), strict=False)]
    if not fitted:
        raise InputError("there are no images for the facets; give another folder")
    if len(fitted) == MOST:
        report(f"only the first {most:,} images are used")
    return model.preprocessing.to_input(np.stack(fitted))


def commonest_class(model, x, batch_size=16):
    """Return the network's most frequent answer to the images x, (N, C, H, W)."""
    labels = [to_host(model.net.predict(to_device(x[start:start + batch_size], model.net.device))).argmax(axis=1)
              for start in range(0, len(x), batch_size)]
    return int(np.bincount(np.concatenate(labels)).argmax())


def run(arguments):
    """Load the network, find the facets, make their images, and save them."""
    if arguments.mnist and (arguments.folder or arguments.photo_folder):
        raise InputError("give --photos FOLDER or --mnist, not both")
    model, reason = choose_model(arguments.model or default_model(arguments), arguments.device, scores=True)
    print(reason)
    arguments.preset = arguments.preset or default_preset(model)
    settings = chosen_settings(arguments, FACET_PRESETS)
    if arguments.layer:
        arguments.layer = model.net.find(arguments.layer)
    folder = demo_folder(arguments, NAMES)
    x, label = chosen_images(model, arguments)
    num_facets = arguments.facets or suggest_facets(len(x), settings.most)
    if not arguments.facets and num_facets < 10:
        why = (f"as there are {len(x):,} images, not 1,000" if num_facets < settings.most else
               f"the most of the preset {arguments.preset}")
        print(f"{num_facets} facets, fewer than the paper's 10, {why}")
    run = long_run(arguments, folder, NAMES[0], model,
                   {"images": digest(x), "class": label, "facets": num_facets, "layer": arguments.layer,
                    "preset": arguments.preset, "seed": arguments.seed})
    run_demo(pictures(model, x, label, num_facets, arguments.layer, settings, arguments.seed, run=run), model,
             arguments, NAMES, folder)


def chosen_images(model, arguments):
    """Return (images (N, C, H, W), class): of MNIST, of a folder, of the set in the cache folder, or drawn shapes."""
    if arguments.mnist:
        label = 7 if arguments.label is None else model.find_class(arguments.label)
        photos = (photo for photo in digit_photos(arguments.mnist) if photo.label == str(label))
        return read_images(model, photos, print), label
    folder, line = choose_folder(model, arguments.folder, arguments.photo_folder,
                                 f"no folder given: {arguments.count} drawn shapes of a class are used")
    print(line, end="\n" * bool(line))
    if folder is None:
        label = DRAWN_CLASS if arguments.label is None else model.find_class(arguments.label)
        return draw_class(model, label, arguments.count, arguments.seed), label
    folder, line = class_folder(model, folder, arguments.label)
    print(line, end="\n" * bool(line))
    label = network_class(model, arguments.label) if line else (
        None if arguments.label is None else model.find_class(arguments.label))
    x = read_images(model, read_photos(folder), print)
    return x, commonest_class(model, x) if label is None else label


def default_model(arguments):
    """Return the name of the default network for the images; None for photos: the best one in the cache folder."""
    if arguments.mnist:
        return "digits"
    return None if arguments.folder or arguments.photo_folder or fetched_photos() else "shapes"


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("multifaceted", __doc__, photos=False)
    parser.add_argument("folder", nargs="?", metavar="FOLDER", help="the same as --photos FOLDER; images of one "
                        "class if it has no sub-folders (default: no folder)")
    add_photos_option(parser)
    parser.add_argument("--layer", metavar="NAME",
                        help="layer of the features (default: the last one before the class scores)")
    parser.add_argument("--mnist", metavar="FOLDER", help="folder of MNIST: facets of a digit of its test images "
                        "(default: photos, or drawn shapes)")
    parser.add_argument("--class", dest="label", metavar="CLASS", help="number or name of the images' class, or a "
                        "sub-folder of the photos (default: the network's most frequent answer to the largest "
                        "sub-folder; 7 for MNIST; dotted disc for drawn shapes)")
    parser.add_argument("--facets", type=positive_int, metavar="N", help="number of facets (default: one for each 100 "
                        "images, from 2 to 10; to 4 with the preset tiny)")
    parser.add_argument("--count", type=positive_int, default=DRAWN, metavar="N",
                        help=f"number of drawn shapes (default: {DRAWN})")
    parser.add_argument("--preset", metavar="NAME", help=f"settings by name: {', '.join(FACET_PRESETS)} (default: tiny "
                        "for pictures of up to 32 pixels, small for up to 99, photos for up to 160, else distill)")
    add_long_run_options(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
