"""The class score shared out among the pixels, layer by layer: minicnn relevance photo.jpg [--class NAME]"""

import numpy as np

from minicnn import plot
from minicnn.visualize.attribution.deeplift import deeplift
from minicnn.visualize.attribution.deeplift_check import check_deeplift
from minicnn.visualize.attribution.grad_cam import last_maps
from minicnn.visualize.attribution.relevance import (
    LRP_COMPOSITE,
    RELEVANCE_PRESETS,
    relevance_map,
    relevance_network,
    relevance_seeds,
)
from minicnn.visualize.attribution.relevance_check import check_relevance
from minicnn.visualize.check import reported
from minicnn.visualize.entry import enter

from .attribution import signed
from .occlusion import colour
from .shared.command import demo_parser, main
from .shared.inputs import choose_model, load_photos, short_label
from .shared.picture import Picture, run_demo

NAMES = ("relevance",)
COLUMNS = 6
TITLES = {"composite": "LRP, composite", "gamma": "LRP-γ", "zplus": "LRP, z⁺", "epsilon": "LRP-ε"}


def pictures(model, photos, label=None, baseline=None, seed=0):
    """Yield the Picture of two rows per photo: four rules of relevance and DeepLIFT, and the relevance of the layers.

    label : the class; by default, each photo's best class. baseline : (R, G, B) of DeepLIFT in 0..255; by default, the
    mean colour.
    """
    labels = [photo.label if label is None else label for photo in photos]
    start = 0.0 if baseline is None else model.preprocessing.to_input(np.array([[baseline]]))
    explained = [explain(model, photo, chosen, start) for photo, chosen in zip(photos, labels, strict=True)]
    found, flow, score = explained[0]
    yield Picture(
        "relevance", f"{model.name}: the score of a class, shared out among the pixels",
        draw(model, photos, labels, explained),
        np.stack([np.concatenate(list(maps.values())) for maps, _, _ in explained]),
        "The score of the class is handed down layer by layer. Each neuron shares its relevance out among its inputs, "
        "in proportion to their contributions. Red pixels speak for the class and blue pixels against it. The "
        "relevance of every layer adds up to the score, as the numbers over the maps show; biases hand their share to "
        "the inputs. LRP-ε is noisy because large contributions cancel each other. LRP-γ and z⁺ favour positive "
        "contributions. The composite uses ε near the scores, γ below and z^B at the pixels; the lower row follows it "
        "from the score to the pixels. DeepLIFT shares out the difference of the score from that of a baseline.",
        "Bach et al. 2015 (PLOS ONE 10:e0130140), figure 3; Montavon et al. 2017 (arXiv:1512.02479); Montavon et al. "
        "2019, Layer-Wise Relevance Propagation: An Overview, figure 10.4; Shrikumar et al. 2017 (arXiv:1704.02685)",
        checks_of(model, photos[0].x, labels[0], found, flow, score, start, seed),
        {"photos": [photo.name for photo in photos], "classes": labels, "seed": seed, "scores": "unnormalised",
         "score": [float(one) for _, _, one in explained], "layers": list(flow),
         "baseline of DeepLIFT": "the mean colour" if baseline is None else list(baseline),
         "sums": {method: float(values.sum(dtype=np.float64)) for method, values in found.items()},
         "array": ["photos", list(found), "channels", "rows", "columns"]})


def explain(model, photo, label, baseline):
    """Return ({method: map (1, C, H, W)}, {layer: relevance (1, K, h, w)} of the composite, score) of one photo."""
    net, x = model.net, photo.x
    maps = {TITLES[name]: relevance_map(net, x, label, RELEVANCE_PRESETS[name], preprocessing=model.preprocessing)
            for name in TITLES}
    maps["DeepLIFT"] = deeplift(net, x, label, baseline=baseline)
    flow = {layer: relevance_map(net, x, label, preprocessing=model.preprocessing, layer=layer)
            for layer in stage_ends(net)}
    sibling = relevance_network(net, enter(net, x), LRP_COMPOSITE, model.preprocessing)
    _, seeds = relevance_seeds(sibling, enter(net, x), label)
    return maps, flow, float(seeds[net.output].sum())


def stage_ends(net):
    """Return the last layer of each size of maps, the deepest first, at most four."""
    shapes, ends = net.shapes(), {}
    for name in net.layer_names()[:net.positions[last_maps(net)] + 1]:
        if len(shapes[name]) == 4:
            ends[shapes[name][2:]] = name
    return list(reversed(ends.values()))[:COLUMNS - 2]


def draw(model, photos, labels, explained):
    """Return the figure, with two rows for each photo."""
    panels = []
    for photo, label, (maps, flow, score) in zip(photos, labels, explained, strict=True):
        panels.append((f"{photo.name}: {short_label(model, label)}", photo.image))
        panels += [(f"{method}: {values.sum(dtype=np.float64):.2f}", *signed(values[0], 99.5))
                   for method, values in maps.items()]
        panels.append((f"the score: {score:.2f}", *signed(np.full((1, 1, 1), score))))
        panels += [(f"{layer}: {values.sum(dtype=np.float64):.2f}", *signed(values[0], 99.9))
                   for layer, values in flow.items()]
        panels.append((f"the pixels: {maps[TITLES['composite']].sum(dtype=np.float64):.2f}",
                       *signed(maps[TITLES["composite"]][0], 99.5)))
        panels += [("", np.ones((2, 2, 3)))] * (COLUMNS - 2 - len(flow))
    return plot.show_panels(panels, COLUMNS, size=2.6)


def checks_of(model, x, label, found, flow, score, baseline, seed):
    """Return the Checks of all maps of one photo."""
    rng, checks = np.random.default_rng(seed), []
    for name, title in TITLES.items():
        checks += check_relevance(model.net, x, label, found[title], rng, RELEVANCE_PRESETS[name], model.preprocessing,
                                  title)
    gaps = [abs(values.sum(dtype=np.float64) - score) / max(np.abs(values).sum(dtype=np.float64), 1e-30)
            for values in flow.values()]
    return [*checks, reported(f"relevance of {len(flow)} layers: largest difference of a sum from the score, relative",
                              max(gaps, default=0.0), "biases without inputs keep a share"),
            *check_deeplift(model.net, x, label, found["DeepLIFT"], rng, baseline=baseline)]


def run(arguments):
    """Load the network and the photos, make the picture and save it."""
    model, reason = choose_model(arguments.model, arguments.device, scores=True)
    print(reason)
    photos = load_photos(model, arguments.photos, arguments.seed)
    label = None if arguments.label is None else model.find_class(arguments.label)
    run_demo(pictures(model, photos, label, arguments.baseline, arguments.seed), model, arguments, NAMES)


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("relevance", __doc__)
    parser.add_argument("--class", dest="label", metavar="CLASS", help="number or name of the class (default: the "
                        "class that the network predicts)")
    parser.add_argument("--baseline", type=colour, metavar="GREY|R,G,B", help="colour of DeepLIFT's baseline, 0 to 255 "
                        "(default: the mean colour)")
    return parser


if __name__ == "__main__":
    main(run, parser())
