"""How far nine attribution methods can be trusted, measured on a photo: python -m demos.compare photo.jpg"""

from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from demos.compare_figure import draw_comparison, draw_pointing
from demos.shared.command import demo_parser, main, natural_int, positive_int
from demos.shared.inputs import choose_model, load_photos
from demos.shared.picture import Picture, run_demo
from minicnn.datasets.shapes import CLASSES, draw_shapes
from minicnn.visualize.attribution.compare import METHODS, attribution_maps, deletion_insertion, rank_correlations
from minicnn.visualize.attribution.compare_check import (
    check_cascade,
    check_correlations,
    check_curves,
    check_similarities,
    mean_area,
)
from minicnn.visualize.attribution.gradients_check import check_pointing_games
from minicnn.visualize.attribution.randomise import cascade_similarity, redrawn, unmoved, upper_half
from minicnn.visualize.attribution.saliency import pointing_game

NAMES = ("compare",)
POINTING_SEED, POINTING_PICTURES = 20_000_000, 504  # that no training has seen, as many a class
UNTRAINED_PICTURES, MARGIN = 84, 2                  # of them; pixels
COARSE = {"samples": 8, "steps": 16}  # of the maps that are made again and again


class Effort(NamedTuple):
    """How finely it is measured: steps of the curves, random orders, stages and draws of the randomisation, and the
    settings of `attribution_maps`."""

    steps: int = 20
    orders: int = 5
    stages: int = 10
    draws: int = 3
    maps: dict = {}  # noqa: RUF012 (never written to)


GALLERY = Effort(10, 3, 3, 1, COARSE)  # where two dozen other pictures wait


def pictures(model, photos, label=None, layer=None, seed=0, effort=GALLERY):
    """A figure a photo: the maps, deletion and insertion, their rank correlations, the randomisation test."""
    for n, photo in enumerate(photos):
        chosen, name = photo.label if label is None else label, "compare" if n == 0 else f"compare_{n + 1}"
        yield from compare(model, photo, chosen, layer, seed, effort, name)


def surest(photos):
    """The photo that the network is surest of: of a doubtful one, hiding anything may as well help the class."""
    return max(photos, key=lambda photo: photo.top[0][1])


def compare(model, photo, label, layer, seed, effort, name):
    """The Picture of one photo; Ctrl-C during the randomisation keeps what was measured until then."""
    net, x = model.net, photo.x
    maps = attribution_maps(net, x, label, rng=np.random.default_rng(seed), layer=layer, **effort.maps)
    deletion, insertion = deletion_insertion(net, x, label, maps, np.random.default_rng([seed, 1]), steps=effort.steps,
                                             orders=effort.orders)
    stacked = np.concatenate(list(maps.values()))
    matrix = rank_correlations(stacked)
    stages, similarities, interrupted = randomisation(net, x, label, layer, seed, effort)
    failing = unmoved(similarities) if similarities else {}
    flat = [method for method, found in maps.items() if np.ptp(found) == 0]
    said = verdict(failing, flat) if similarities else "Ctrl-C came before the randomisation could say anything."
    checks = [*check_curves(net, x, label, deletion, insertion), *check_correlations(stacked, matrix),
              *(check_similarities(similarities) if similarities else ()),
              *(() if interrupted else check_cascade(net, x, label, np.random.default_rng([seed, 2, 0]),
                                                     effort.stages))]
    yield Picture(
        name, f"{model.name}: nine attributions of {photo.name} compared",
        draw_comparison(model, photo, label, maps, deletion, insertion, matrix, stages, similarities), stacked,
        "Nine methods, and what they are worth. Deletion: the class should vanish fast when the blocks that a map "
        "calls important become mean colour; insertion: it should come fast when they are put back into a blurred "
        "photo; the grey band is random order. Rank correlation: how far two maps agree. Randomisation: with the "
        "network's weights drawn anew, from the scores down, a map that shows what was learnt has to change. "
        f"{said} Measured in {effort.steps} steps, {len(stages)} stages and {effort.draws} "
        f"draw{'s' * (effort.draws > 1)} of the weights{'; the demo measures more finely' * (effort is GALLERY)}.",
        "Petsiuk et al. 2018 (arXiv:1806.07421); Adebayo et al. 2018 (arXiv:1810.03292)", checks,
        {"photo": photo.name, "class": label, "layer": layer, "seed": seed, **effort._asdict(),
         "deletion area": {method: mean_area(curves) for method, curves in deletion.items()},
         "insertion area": {method: mean_area(curves) for method, curves in insertion.items()},
         "deletion": {method: curves.tolist() for method, curves in deletion.items()},
         "insertion": {method: curves.tolist() for method, curves in insertion.items()},
         "rank correlations": matrix.tolist(), "stages": stages,
         "similarity, draws x stages": {method: values.tolist() for method, values in similarities.items()},
         "fails": failing, "verdict": said, "array": [list(maps), "rows", "columns"]})
    if interrupted:
        raise KeyboardInterrupt


def randomisation(net, x, label, layer, seed, effort):
    """(stages, {method: similarity (draws, stages)}, interrupted): the draws that were finished, {} where none was."""
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
                finished.append([found for _, found in rows])
    except KeyboardInterrupt:
        interrupted = True
    similarities = {method: np.array([[found[method] for found in rows] for rows in finished])
                    for method in METHODS if finished}
    return names, similarities, interrupted


def verdict(failing, flat=()):
    """What the randomisation says, in a sentence: the numbers decide. flat : the methods whose maps show nothing."""
    if flat:
        others = f" {verdict(failing)}" if failing else " The others change." if len(flat) < len(METHODS) else ""
        return f"Flat, and so with nothing to compare: {', '.join(flat)}.{others}"
    if not failing:
        return "Here every map changes."
    named = ", ".join(f"{method} ({value:.2f})" for method, value in failing.items())
    return (f"Not so here: {named}. Even with the upper half of the network untrained, more than half of the variance "
            "of the ranks stays: such a map shows the photo's edges rather than what the network has learnt, however "
            "fine it looks.")


# ---- the pointing game -----------------------------------------------------------------------------------------------


def pointing_picture(model, count, seed):
    """The pointing game of all methods over `count` drawn pictures, as bars; and on an untrained network."""
    _, x, labels, masks = drawn_pictures(model, count)
    few = min(count, UNTRAINED_PICTURES)
    untrained = redrawn(model.net, model.net.parameter_layers(), np.random.default_rng(seed))
    maps, others = pointing_maps(model.net, x, labels), pointing_maps(untrained, x[:few], labels[:few])
    shares, wider, untrained = (
        {method: pointing_game(found, masks[:len(found)], margin) for method, found in these.items()}
        for these, margin in ((maps, 0), (maps, MARGIN), (others, 0)))
    return Picture(
        "compare_pointing", f"{model.name}: the pointing game",
        draw_pointing(shares, wider, untrained, count, MARGIN, float(masks.mean())), np.stack(list(maps.values())),
        "Freshly drawn pictures come with the true mask of their object: a map has a hit when its largest value lies "
        f"in there. The diamonds, over {few} of the pictures, show how little of that need be learnt: where the "
        "object's texture has the strongest edges, whatever shows edges points at it.",
        "Zhang et al. 2016 (arXiv:1608.00507)", check_pointing_games(maps, masks, np.random.default_rng(seed)),
        {"pictures": count, "margin": MARGIN, "inside": shares, "with the margin": wider, "untrained": untrained,
         "untrained pictures": few, "seed": seed, "seed of the pictures": POINTING_SEED,
         "array": ["methods", "pictures", "rows", "columns"]})


def drawn_pictures(model, count):
    """(images, x, labels, masks) of freshly drawn shapes, as many of each class."""
    labels = np.arange(count) % len(CLASSES)
    images, masks = draw_shapes(labels, np.random.default_rng(POINTING_SEED))
    return images, model.preprocessing.to_input(images), labels, masks


def pointing_maps(net, x, labels):
    """{method: maps (N, H, W)} of many pictures x (N, C, H, W), made coarsely, with a progress bar."""
    rng = np.random.default_rng(0)
    parts = [attribution_maps(net, x[k:k + 42], labels[k:k + 42], rng=rng, samples=4, steps=4, stride=8,
                              window=16)
             for k in tqdm(range(0, len(x), 42), desc="pointing game", unit="batch", leave=False, disable=None)]
    return {method: np.concatenate([part[method] for part in parts]) for method in METHODS}


# ---- the command line ------------------------------------------------------------------------------------------------


def table(parameters):
    """The numbers of a comparison, a line a method."""
    deletion, insertion = parameters["deletion area"], parameters["insertion area"]
    similarities = {method: np.array(values) for method, values in parameters["similarity, draws x stages"].items()}
    lines = [f"  {'':22}{'deletion':>10}{'insertion':>11}{'upper half untrained':>22}{'all untrained':>15}"]
    for method in deletion:
        moved = similarities.get(method)
        after = ("", "") if moved is None else (f"{upper_half(moved):.2f}", f"{moved[:, -1].mean():.2f}")
        lines.append(f"  {method:22}{deletion[method]:10.3f}{insertion[method]:11.3f}{after[0]:>22}{after[1]:>15}")
    return "\n".join(lines)


def told(pictures):
    """The same pictures, with the table and the verdict printed for each comparison."""
    for picture in pictures:
        if "verdict" in picture.parameters:
            print(table(picture.parameters))
            print(f"  {picture.parameters['verdict']}")
        yield picture


def every_picture(model, photos, label, arguments):
    """The comparisons, then the pointing game where there are pictures with masks."""
    effort = Effort(stages=arguments.stages, draws=arguments.draws)
    yield from pictures(model, photos, label, arguments.layer, arguments.seed, effort)
    if model.name == "shapes" and arguments.pictures:
        yield pointing_picture(model, arguments.pictures, arguments.seed)


def run(arguments):
    """Load, measure, draw, save."""
    model, said = choose_model(arguments.model, arguments.device)
    print(said)
    photos = load_photos(model, arguments.photos, arguments.seed)
    if not arguments.photos:
        photos = [surest(photos)]
    if arguments.pictures is None:
        arguments.pictures = 0 if arguments.photos else POINTING_PICTURES
    label = None if arguments.label is None else model.find_class(arguments.label)
    names = ["compare", *(f"compare_{n + 1}" for n in range(1, len(photos))),
             *(["compare_pointing"] if model.name == "shapes" and arguments.pictures else ())]
    run_demo(told(every_picture(model, photos, label, arguments)), model, arguments, names)


def parser():
    """The command line."""
    parser = demo_parser("compare", __doc__)
    parser.add_argument("--class", dest="label", help="number or name; left out, what the network sees")
    parser.add_argument("--layer", help="Grad-CAM's layer; left out, the last one with maps")
    parser.add_argument("--stages", type=positive_int, default=Effort().stages,
                        help="of the randomisation, at most (default %(default)s)")
    parser.add_argument("--draws", type=positive_int, default=Effort().draws,
                        help="of the random weights, over which is averaged (default %(default)s)")
    parser.add_argument("--pictures", type=natural_int, help="drawn ones for the pointing game of the network `shapes` "
                        f"(default {POINTING_PICTURES}, beside photos of one's own none: it takes a minute)")
    return parser


if __name__ == "__main__":
    main(run, parser())
