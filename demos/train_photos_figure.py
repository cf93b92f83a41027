"""Compare two trained networks `photos` in one figure: minicnn train_photos_figure PLAIN.h5 ADVERSARIAL.h5"""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from minicnn import plot
from minicnn.backend import Array
from minicnn.files import require_target
from minicnn.images import fit, load_image
from minicnn.models import Model, load_model
from minicnn.plot import save_figure
from minicnn.visualize import class_visualization, filter_weights, saliency_map
from minicnn.visualize.grid import tile_images
from minicnn.visualize.units.filters import colour_filters

from .shared.command import OneLineParser, main
from .shared.portrait import head

CLASSES = ("face", "motorbike", "leopard", "sunflower", "dalmatian", "pizza")
ROWS = ("plain training", "adversarial training")


def run(arguments: Namespace) -> None:
    """Draw the figure: for each network its filters, a saliency map, and pictures of some classes."""
    require_target(arguments.out, arguments.overwrite)
    models = [load_model(path, "cpu").fast() for path in (arguments.plain, arguments.adversarial)]
    notes = [accuracy_note(path) for path in (arguments.plain, arguments.adversarial)]
    photo = head() if arguments.photo is None else load_image(arguments.photo)
    figure = draw(models, notes, photo)
    save_figure(arguments.out, figure, overwrite=True)
    print(f"wrote {arguments.out}")


def accuracy_note(path: str) -> str:
    """Return the accuracy that the run card of demos.train_photos states, "" if the network has no card."""
    card = Path(path).with_suffix(".json")
    if not card.exists():
        return ""
    return f"{json.loads(card.read_text(encoding='utf-8'))['mean class accuracy']:.1%} of held-out photos right"


def draw(models: list[Model], notes: list[str], photo: Array) -> Figure:
    """Return the figure, with a row for each network."""
    figure = Figure(figsize=(15, 4.6), layout="constrained")
    axes = figure.subplots(2, 3 + len(CLASSES), width_ratios=[1.9, 1, 1, *[1] * len(CLASSES)])
    for row, (model, training, note) in enumerate(zip(models, ROWS, notes, strict=True)):
        w = filter_weights(model.net, "conv1", model.preprocessing)
        small = fit(photo, model.preprocessing.resize, model.preprocessing.crop)
        x = model.preprocessing.to_input(small)
        scores = model.net.predict(x)[0]
        saliency = saliency_map(model.net, x, int(scores.argmax()))[0]
        odds = np.exp(scores - scores.max())
        panels: list[tuple[str, Array, dict[str, Any]]] = [
            (f"{training}\n{note}\nhigh frequencies: {high_frequencies(w):.0%}",
             tile_images(colour_filters(w), 8), {"interpolation": "nearest"}),
            (f"{model.labels[scores.argmax()]}\n{odds.max() / odds.sum():.0%}", small, {}),
            ("saliency", saliency, plot.saliency_range(saliency))]
        for name in CLASSES:
            image, _ = class_visualization(model.net, model.find_class(name), model.preprocessing,
                                           rng=np.random.default_rng(0))
            panels.append((name, model.preprocessing.to_image(image), {}))
        for axis, (title, picture, options) in zip(axes[row], panels, strict=True):
            plot.hide_axes(axis)
            axis.imshow(picture, **options)
            axis.set_title(title, fontsize=9)
    return figure


def high_frequencies(w: Array) -> float:
    """Return the share of the filters' energy in the upper half of the frequencies, without the mean of each channel.

    w : (F, C, K, K). A frequency is high if a row or a column of its wave is shorter than four pixels.
    """
    energy = np.abs(np.fft.fft2(w, s=(16, 16))) ** 2
    energy[:, :, 0, 0] = 0
    frequency = np.abs(np.fft.fftfreq(16))
    high = np.maximum(frequency[:, None], frequency) > 0.25
    return float(energy[:, :, high].sum() / energy.sum())


def parser() -> ArgumentParser:
    """Return the parser of the command line."""
    parser = OneLineParser(prog="minicnn train_photos_figure", description=__doc__)
    parser.add_argument("plain", help="network of --radius 0, a file or a name")
    parser.add_argument("adversarial", help="network of adversarial training, a file or a name")
    parser.add_argument("--photo", help="photo for the saliency maps (default: the head in matplotlib's portrait)")
    parser.add_argument("-o", "--out", default="plain_and_adversarial.png",
                        help="file of the figure (default: plain_and_adversarial.png)")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    return parser


if __name__ == "__main__":
    main(run, parser())
