"""Fifteen attribution methods compared and tested on photos or a folder: minicnn compare PHOTO … | FOLDER"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from minicnn.datasets.shapes import CLASSES, draw_shapes
from minicnn.visualize.attribution.compare import METHODS, attribution_maps, rank_correlations
from minicnn.visualize.attribution.compare_check import check_correlations, check_maps
from minicnn.visualize.attribution.deletion import deletion_insertion, mean_area
from minicnn.visualize.attribution.deletion_check import check_curves
from minicnn.visualize.attribution.pointing_game import pointing_game
from minicnn.visualize.attribution.pointing_game_check import check_pointing_games
from minicnn.visualize.attribution.randomise import (
    cascade_similarity,
    unchanged_methods,
    upper_half,
    with_random_weights,
)
from minicnn.visualize.attribution.randomise_check import check_cascade, check_similarities

from .compare_figure import draw_comparison, draw_pointing
from .compare_set import SET_NAMES, chosen_files, set_pictures
from .shared.command import demo_parser, main, natural_int, positive_int
from .shared.inputs import choose_model, load_photos
from .shared.picture import Picture, run_demo

NAMES = ("compare",)
POINTING_SEED, POINTING_PICTURES = 20_000_000, 504  # no training has used this seed; a multiple of the classes
UNTRAINED_PICTURES, MARGIN = 84, 2                  # the number of them for the untrained network; pixels
COARSE: dict[str, Any] = {"samples": 8, "steps": 16, "masks": 24}  # settings of `attribution_maps`, to save time


@dataclass(frozen=True)
class Effort:
    """The number of computations of a comparison."""

    steps: int = 20   # points of a deletion or insertion curve after the first
    orders: int = 5   # random orders of the blocks
    stages: int = 10  # of the randomisation, at most
    draws: int = 3    # of the random weights
    maps: dict[str, Any] = field(default_factory=dict)  # settings of `attribution_maps`


GALLERY = Effort(10, 3, 3, 1, COARSE)  # to save time in the gallery


def pictures(model, photos, label=None, layer=None, seed=0, effort=GALLERY):
    """Yield a Picture for each photo: the maps, their curves, their rank correlations and the randomisation test.

    label : the class; by default, each photo's best class. layer : of Grad-CAM; by default, the last one with maps.
    """
    for n, photo in enumerate(photos):
        chosen, name = photo.label if label is None else label, "compare" if n == 0 else f"compare_{n + 1}"
        yield from compare(model, photo, chosen, layer, seed, effort, name)


def surest(photos):
    """Return the photo with the most probable class. For an improbable class, hiding any part may raise it."""
    return max(photos, key=lambda photo: photo.top[0][1])


def compare(model, photo, label, layer, seed, effort, name):
    """Yield the Picture of one photo. Ctrl-C during the randomisation keeps the finished draws."""
    net, x = model.net, photo.x
    maps = attribution_maps(net, x, label, rng=np.random.default_rng(seed), layer=layer, **effort.maps)
    deletion, insertion = deletion_insertion(net, x, label, maps, np.random.default_rng([seed, 1]), steps=effort.steps,
                                             orders=effort.orders)
    stacked = np.concatenate(list(maps.values()))
    matrix = rank_correlations(stacked)
    stages, similarities, interrupted = randomisation(net, x, label, layer, seed, effort)
    failing = unchanged_methods(similarities) if similarities else {}
    flat = [method for method, values in maps.items() if np.ptp(values) == 0]
    conclusion = verdict(failing, flat) if similarities else "Ctrl-C ended the randomisation before its first result."
    checks = [*check_maps(net, x, label, maps, np.random.default_rng(seed), layer, **effort.maps),
              *check_curves(net, x, label, deletion, insertion, maps), *check_correlations(stacked, matrix),
              *(check_similarities(similarities) if similarities else ()),
              *(() if interrupted else check_cascade(net, x, label, np.random.default_rng([seed, 2, 0]),
                                                     effort.stages))]
    yield Picture(
        name, f"{model.name}: fifteen attributions of {photo.name} compared",
        draw_comparison(model, photo, label, maps, deletion, insertion, matrix, stages, similarities), stacked,
        explanation(conclusion, len(stages), effort),
        "Petsiuk et al. 2018 (arXiv:1806.07421); Adebayo et al. 2018 (arXiv:1810.03292)", checks,
        {"photo": photo.name, "class": label, "layer": layer, "seed": seed, **asdict(effort),
         "deletion area": {method: mean_area(curves) for method, curves in deletion.items()},
         "insertion area": {method: mean_area(curves) for method, curves in insertion.items()},
         "deletion": {method: curves.tolist() for method, curves in deletion.items()},
         "insertion": {method: curves.tolist() for method, curves in insertion.items()},
         "rank correlations": matrix.tolist(), "stages": stages,
         "similarity, draws x stages": {method: values.tolist() for method, values in similarities.items()},
         "fails": failing, "verdict": conclusion, "array": [list(maps), "rows", "columns"]})
    if interrupted:
        raise KeyboardInterrupt


def explanation(conclusion, stages, effort):
    """Return the explanation of the figure of one photo."""
    return ("Fifteen attribution methods, and four tests of them. Deletion: the most important blocks of the photo "
            "become mean colour, and the probability of the class should fall fast. Insertion: they are put back into "
            "a blurred photo, and the probability should rise fast. The grey band is random order. Rank correlation: "
            "the similarity of two maps. Randomisation: the network's weights become random, from the scores down, and "
            f"a map of learned features should change. {conclusion} Computed in {effort.steps} steps, {stages} stages "
            f"and {effort.draws} draw{'s' * (effort.draws > 1)} of the weights"
            f"{'; the demo itself computes more' * (effort is GALLERY)}.")


def randomisation(net, x, label, layer, seed, effort):
    """Return (stages, {method: similarities (draws, stages)}, interrupted).

    Ctrl-C keeps the finished draws; the dict is empty if there are none.
    """
    def explain(network):
        return attribution_maps(network, x, label, rng=np.random.default_rng(seed), layer=layer, stride=stride,
                                window=tuple(2 * step for step in stride), **COARSE)
    stride = tuple(max(1, side // 7) for side in x.shape[2:])
    finished, names, interrupted = [], [], False
    try:
        with tqdm(desc="randomisation", unit="network", leave=False, disable=None) as bar:
            for draw in range(effort.draws):
                rows = []
                for stage in cascade_similarity(net, x, label, explain, np.random.default_rng([seed, 2, draw]),
                                                effort.stages):
                    rows.append(stage)
                    bar.update()
                names = [name for name, _ in rows]
                finished.append([similarity for _, similarity in rows])
    except KeyboardInterrupt:
        interrupted = True
    similarities = {method: np.array([[similarity[method] for similarity in rows] for rows in finished])
                    for method in METHODS if finished}
    return names, similarities, interrupted


def verdict(failing, flat=()):
    """Return a sentence with the result of the randomisation.

    failing : {method: rank correlation} of the methods that fail. flat : the methods whose map is constant.
    """
    if flat:
        others = f" {verdict(failing)}" if failing else " The others change." if len(flat) < len(METHODS) else ""
        return f"Constant maps, which cannot be compared: {', '.join(flat)}.{others}"
    if not failing:
        return "Here every map changes."
    named = ", ".join(f"{method} ({value:.2f})" for method, value in failing.items())
    return (f"These maps hardly change: {named}. With random weights in the upper half of the network, more than half "
            "of the variance of the ranks is the same. Such a map shows the edges of the photo more than the features "
            "that the network has learned.")


# ---- the pointing game -----------------------------------------------------------------------------------------------


def pointing_picture(model, count, seed):
    """Return the Picture of the pointing game of all methods over `count` drawn pictures, also for random weights."""
    _, x, labels, masks = drawn_pictures(model, count)
    few = min(count, UNTRAINED_PICTURES)
    random = with_random_weights(model.net, model.net.parameter_layers(), np.random.default_rng(seed))
    maps, random_maps = pointing_maps(model.net, x, labels), pointing_maps(random, x[:few], labels[:few])
    shares, wider, untrained = (
        {method: pointing_game(values, masks[:len(values)], margin) for method, values in method_maps.items()}
        for method_maps, margin in ((maps, 0), (maps, MARGIN), (random_maps, 0)))
    return Picture(
        "compare_pointing", f"{model.name}: the pointing game",
        draw_pointing(shares, wider, untrained, count, MARGIN, float(masks.mean())), np.stack(list(maps.values())),
        "New pictures are drawn, with the true mask of their object. A map has a hit if its largest value lies in the "
        f"mask. The diamonds show the hits with random weights, over {few} of the pictures: the object's texture often "
        "has the strongest edges, so a map that shows edges alone has many hits, too.",
        "Zhang et al. 2016 (arXiv:1608.00507)", check_pointing_games(maps, masks, np.random.default_rng(seed)),
        {"pictures": count, "margin": MARGIN, "inside": shares, "with the margin": wider, "untrained": untrained,
         "untrained pictures": few, "seed": seed, "seed of the pictures": POINTING_SEED,
         "array": ["methods", "pictures", "rows", "columns"]})


def drawn_pictures(model, count):
    """Return (images, x, labels, masks) of `count` newly drawn shapes, equally many of each class."""
    labels = np.arange(count) % len(CLASSES)
    images, masks = draw_shapes(labels, np.random.default_rng(POINTING_SEED))
    return images, model.preprocessing.to_input(images), labels, masks


def pointing_maps(net, x, labels):
    """Return {method: maps (N, H, W)} of many pictures x (N, C, H, W), with few samples and steps to save time."""
    rng = np.random.default_rng(0)
    parts = [attribution_maps(net, x[k:k + 42], labels[k:k + 42], rng=rng, samples=4, steps=4, stride=8,
                              window=16, masks=64)
             for k in tqdm(range(0, len(x), 42), desc="pointing game", unit="batch", leave=False, disable=None)]
    return {method: np.concatenate([part[method] for part in parts]) for method in METHODS}


# ---- the command line ------------------------------------------------------------------------------------------------


def table(parameters):
    """Return the numbers of a comparison as text, with a line for each method."""
    deletion, insertion = parameters["deletion area"], parameters["insertion area"]
    similarities = {method: np.array(values) for method, values in parameters["similarity, draws x stages"].items()}
    lines = [f"  {'':22}{'deletion':>10}{'insertion':>11}{'upper half untrained':>22}{'all untrained':>15}"]
    for method in deletion:
        values = similarities.get(method)
        after = ("", "") if values is None else (f"{upper_half(values):.2f}", f"{values[:, -1].mean():.2f}")
        lines.append(f"  {method:22}{deletion[method]:10.3f}{insertion[method]:11.3f}{after[0]:>22}{after[1]:>15}")
    return "\n".join(lines)


def printed(pictures):
    """Yield the same pictures; before each comparison, print its table and its verdict."""
    for picture in pictures:
        if "verdict" in picture.parameters:
            print(table(picture.parameters))
            print(f"  {picture.parameters['verdict']}")
        yield picture


def every_picture(model, photos, label, arguments):
    """Yield the comparisons, then the pointing game if the network is `shapes`, whose pictures have masks."""
    effort = Effort(stages=arguments.stages, draws=arguments.draws)
    yield from pictures(model, photos, label, arguments.layer, arguments.seed, effort)
    if model.name == "shapes" and arguments.pictures:
        yield pointing_picture(model, arguments.pictures, arguments.seed)


def run(arguments):
    """Load the network and the photos, make the comparisons, and save their pictures."""
    model, reason = choose_model(arguments.model, arguments.device, scores=True)
    print(reason)
    if any(Path(path).is_dir() for path in arguments.photos):
        folder, paths = chosen_files(arguments.photos, arguments.count)
        return run_demo(set_pictures(model, folder, paths, arguments.layer, arguments.seed), model, arguments,
                        SET_NAMES)
    photos = load_photos(model, arguments.photos, arguments.seed)
    if not arguments.photos:
        photos = [surest(photos)]
    if arguments.pictures is None:
        arguments.pictures = 0 if arguments.photos else POINTING_PICTURES
    label = None if arguments.label is None else model.find_class(arguments.label)
    names = ["compare", *(f"compare_{n + 1}" for n in range(1, len(photos))),
             *(["compare_pointing"] if model.name == "shapes" and arguments.pictures else ())]
    run_demo(printed(every_picture(model, photos, label, arguments)), model, arguments, names)


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("compare", __doc__)
    parser.add_argument("--class", dest="label", metavar="CLASS", help="number or name of the class (default: the "
                        "class that the network predicts)")
    parser.add_argument("--layer", help="the layer of Grad-CAM (default: the last one with maps "
                        "before the class scores)")
    parser.add_argument("--stages", type=positive_int, default=Effort().stages, metavar="N",
                        help="largest number of stages of the randomisation (default: %(default)s)")
    parser.add_argument("--draws", type=positive_int, default=Effort().draws, metavar="N",
                        help="draws of the random weights, for the mean (default: %(default)s)")
    parser.add_argument("--count", type=positive_int, default=24, metavar="N", help="photos of a FOLDER, evenly spread "
                        "over it; their mean curves are compared (default: %(default)s)")
    parser.add_argument("--pictures", type=natural_int, metavar="N", help="drawn pictures for the pointing game of the "
                        f"network `shapes`, two to three minutes for {POINTING_PICTURES} (default: "
                        f"{POINTING_PICTURES}, or 0 if photos are given)")
    return parser


if __name__ == "__main__":
    main(run, parser())
