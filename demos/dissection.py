"""The concepts that channels detect, on drawings with exact masks: minicnn dissection [--layer NAME]"""

from dataclasses import asdict
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from tqdm.auto import tqdm

from minicnn import plot
from minicnn.backend import to_device, to_host
from minicnn.datasets.concepts import CONCEPTS, draw_concepts
from minicnn.datasets.shapes import CLASSES
from minicnn.errors import InputError
from minicnn.receptive_field import receptive_field
from minicnn.visualize.attribution.randomise import with_random_weights
from minicnn.visualize.units.dissection import BAU, DISSECTION_PRESETS, channel_masks, dissect
from minicnn.visualize.units.dissection_check import check_dissection, check_learned

from .shared.command import demo_parser, main, positive_int, positive_number
from .shared.inputs import choose_model
from .shared.layers import feature_layers
from .shared.long_run import add_presets, chosen_settings
from .shared.picture import Picture, run_demo

NAMES = ("dissection", "dissection_concepts")
# The number of drawings for a small network, for a network of 224x224 pixels, and in the gallery: multiples of 12.
DRAWN, DRAWN_LARGE, GALLERY = 480, 96, 120
DRAWING_SEED = 30_000_000     # no training has used this seed
ROWS, COLUMNS = 8, 6          # of the figure: concepts at most, and drawings of each
FEWEST = 3                    # rows, if hardly any concept is detected
COLOURS = {"shape": "#d62728", "texture": "#1f77b4", "colour": "#2ca02c"}  # of the kinds of concepts
DIM = 0.3                     # brightness of the pixels outside the channel's mask


def pictures(model, layer=None, count=None, settings=BAU, seed=0):
    """Technique 32: yield the Picture of the best channels of a layer, and the Picture of the concepts of all layers.

    layer : by default the deepest of the feature layers. count : the number of drawings.
    """
    net = model.net
    layers = feature_layers(net)
    if layer is None and not layers:
        raise InputError("the network has no layer with maps at the end of a stage; name one with --layer")
    layer = layers[-1] if layer is None else net.find(layer)
    layers = sorted({*layers, layer}, key=net.positions.get)
    count = count or (DRAWN if model.preprocessing.crop <= 64 else DRAWN_LARGE)
    images, masks = draw_concepts(np.arange(count) % len(CLASSES), np.random.default_rng([DRAWING_SEED, seed]),
                                  model.preprocessing.crop)
    x = model.preprocessing.to_input(images)
    random = with_random_weights(net, net.parameter_layers(), np.random.default_rng(seed))
    with tqdm(desc="dissection", total=4 * count * len(layers), unit="picture", leave=False, disable=None) as bar:
        found = {name: [dissect(one, x, masks, name, settings, callback=bar.update) for one in (net, random)]
                 for name in layers}
    trained, untrained = found[layer]
    shares = {name: [one.share for one in both] for name, both in found.items()}
    parameters = {"layer": layer, "drawings": count, "seed": seed, **asdict(settings),
                  "concepts": [concept.name for concept in CONCEPTS], "share of detectors, trained and random": shares}
    yield Picture(
        "dissection", f"{model.name}, {layer}: {trained.detects.sum()} of {len(trained.best)} channels detect a "
        "concept", draw_channels(model, layer, trained, images, x, masks), trained.ious,
        f"Each row is the channel of {layer} whose largest {settings.quantile:.1%} of activations fit the mask of a "
        f"concept best, on the drawings that excite it most. Bright: the pixels above the channel's threshold. Yellow: "
        "the outline of the concept's mask. IoU is the number of pixels in both over that in at least one, over "
        f"{count} drawings. Its largest possible value is about 0.1, as a channel's mask has few pixels.",
        "Bau et al. 2017 (arXiv:1704.05796), figure 4",
        [*check_dissection(net, x, masks, layer, trained, settings),
         *check_learned(layer, trained, untrained, model.name == "shapes")],
        parameters | {"best channels": best_channels(trained), "array": ["channels", "concepts"]})
    yield Picture(
        "dissection_concepts", f"{model.name}: {trained.share:.0%} of the channels of {layer} detect a concept, "
        f"{untrained.share:.0%} with random weights", draw_concept_bars(layer, found),
        np.stack([one.ious.max(axis=0) for both in found.values() for one in both]),
        f"Left: the channels of {layer} that detect each concept, with an IoU above {settings.least_iou:g}. Right: the "
        "share of detectors in each layer. Hatched bars: the same network with random weights. Training makes "
        "detectors, of textures first and of shapes in the last layers. A random filter of the first layer can detect "
        "a colour.",
        "Bau et al. 2017 (arXiv:1704.05796), figures 5 and 7",
        [check for name, (one, other) in found.items()
         for check in check_learned(name, one, other, judged=False)],
        parameters | {"array": ["trained and random of each layer", "largest IoU of each concept"]})


def best_channels(found):
    """Return {concept: [channel, IoU]} of the best channel of each concept, for the run card."""
    return {concept.name: [int(found.ious[:, k].argmax()), float(found.ious[:, k].max())]
            for k, concept in enumerate(CONCEPTS)}


def draw_channels(model, layer, found, images, x, masks):
    """Return the figure: a row for each concept that a channel detects, with this channel's drawings.

    If fewer than FEWEST concepts are detected, those with the largest IoU are shown.
    """
    largest = found.ious.max(axis=0)
    shown = max(FEWEST, min(ROWS, int((largest > found.least_iou).sum())))
    concepts = np.argsort(-largest, kind="stable")[:shown]
    figure = Figure(figsize=(1.5 * COLUMNS + 2.2, 1.5 * len(concepts) + 0.3), layout="constrained")
    axes = figure.subplots(len(concepts), COLUMNS, squeeze=False)
    maps = np.concatenate([to_host(model.net.predict(to_device(x[n:n + 16], model.net.device), layer))
                           for n in range(0, len(x), 16)])
    for row, k in zip(axes, concepts, strict=True):
        channel = int(found.ious[:, k].argmax())
        strongest = np.argsort(-maps[:, channel].max(axis=(1, 2)), kind="stable")[:COLUMNS]
        for axis, n in zip(row, strongest, strict=False):
            active = channel_masks(model.net, layer, maps[n, channel:channel + 1],
                                   found.thresholds[channel:channel + 1], x.shape[2:])[0]
            axis.imshow(np.where(active[..., None], images[n], images[n] * DIM).astype(np.uint8),
                        interpolation="nearest")
            if masks[n, k].any():
                axis.contour(masks[n, k], levels=[0.5], colors=["#ffe000"], linewidths=1.2)
        for axis in row:
            plot.hide_axes(axis)
        concept = CONCEPTS[k]
        row[0].text(-0.06, 0.5, f"{concept.name}\n{concept.kind}\nchannel {channel}\nIoU {found.ious[channel, k]:.3f}",
                    ha="right", va="center", fontsize=10, transform=row[0].transAxes, color=COLOURS[concept.kind])
    return plot.plain_text(figure)


def draw_concept_bars(layer, found):
    """Return the figure: detectors of each concept in one layer, and the share of detectors in each layer.

    found : {layer: (Dissection, Dissection with random weights)}.
    """
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    numbers = [[len(one.detectors(k)) for k in range(len(CONCEPTS))] for one in found[layer]]
    order = np.argsort(np.negative(numbers[0]), kind="stable")
    for place, k in enumerate(order):
        colour = COLOURS[CONCEPTS[k].kind]
        left.bar(place - 0.2, numbers[0][k], 0.4, color=colour)
        left.bar(place + 0.2, numbers[1][k], 0.4, color="white", edgecolor=colour, hatch="////")
    left.set_xticks(range(len(order)), [CONCEPTS[k].name for k in order], rotation=45, ha="right")
    left.set(ylabel="channels", title=f"detectors of each concept in {layer}")
    kinds = [concept.kind for concept in CONCEPTS]
    for place, both in enumerate(found.values()):
        for shift, one, style in zip((-0.2, 0.2), both, ({}, {"hatch": "////"}), strict=True):
            bottom = 0.0
            for kind, colour in COLOURS.items():
                share = float(np.mean([detects and kinds[best] == kind for detects, best
                                       in zip(one.detects, one.best, strict=True)]))
                face: dict[str, Any] = {"color": "white", "edgecolor": colour} if style else {"color": colour}
                right.bar(place + shift, share, 0.4, bottom=bottom, **face, **style)
                bottom += share
    right.set_xticks(range(len(found)), list(found), rotation=30 if len(found) > 6 else 0)
    right.set(ylabel="share of the channels", title="detectors in each layer")
    right.margins(y=0.08)
    right.set_ylim(bottom=0)
    right.legend(handles=[*(Patch(color=colour, label=kind) for kind, colour in COLOURS.items()),
                          Patch(facecolor="white", edgecolor="black", hatch="////", label="random weights")],
                 frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return plot.plain_text(figure)


def run(arguments):
    """Load the network, dissect its layers, and save the pictures."""
    model, reason = choose_model(arguments.model, arguments.device)
    print(reason)
    if model.net.input_shape[0] != 3:
        raise InputError(f"{model.name} takes grey images only, and the concepts need colours; choose another --model")
    if model.name != "shapes":
        print(f"note: the concepts belong to drawn shapes, on which {model.name} was not trained")
    settings = chosen_settings(arguments, DISSECTION_PRESETS)
    if arguments.layer is not None and receptive_field(model.net, arguments.layer) is None:
        raise InputError(f"each neuron of {arguments.layer!r} depends on the whole picture; choose a layer with maps, "
                         f"such as {', '.join(feature_layers(model.net))}")
    run_demo(pictures(model, arguments.layer, arguments.count, settings, arguments.seed), model, arguments, NAMES)


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("dissection", __doc__, photos=False)
    add_presets(parser, DISSECTION_PRESETS, "bau")
    parser.add_argument("--layer", help="the layer of the first picture (default: the last that ends a stage)")
    parser.add_argument("--count", type=positive_int, metavar="N", help=f"drawings (default: {DRAWN}, or {DRAWN_LARGE} "
                        "for a network of large pictures)")
    parser.add_argument("--quantile", type=positive_number, metavar="SHARE", help="share of a channel's activations "
                        "above its threshold (default: the preset's, 0.005)")
    return parser


if __name__ == "__main__":
    main(run, parser())
