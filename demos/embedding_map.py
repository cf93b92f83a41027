"""Images on a map by PCA and by t-SNE: minicnn embedding_map [--mnist FOLDER] [--count N]"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from minicnn.backend import to_device, to_host
from minicnn.datasets.mnist import load_digits
from minicnn.datasets.shapes import CLASSES, draw_shapes
from minicnn.errors import InputError, one_line
from minicnn.models import Model
from minicnn.visualize.embedding.affinities import require_points
from minicnn.visualize.embedding.features import feature_layer, image_features
from minicnn.visualize.embedding.pca import pca
from minicnn.visualize.embedding.pca_check import check_pca
from minicnn.visualize.embedding.tsne import TsneSettings, tsne
from minicnn.visualize.embedding.tsne_check import check_map, check_map_gradient, check_same_map

from .shared.command import demo_parser, main, positive_int
from .shared.inputs import choose_model
from .shared.photo_folder import FolderPhoto, fit_photos
from .shared.picture import Picture, run_demo

NAMES = ("embedding_map",)
DRAWN, DRAWN_IN_GALLERY = 600, 240  # default numbers of drawn shapes
FEWEST = 200  # photos of a folder in the gallery; with fewer, two axes separate the classes as well as t-SNE

History = list[tuple[int, float]]  # (step, divergence)


def pictures(model: Model, labelled: tuple[np.ndarray, np.ndarray] | None = None, layer: str | None = None,
             perplexity: float | None = None, num_steps: int = 1000, seed: int = 0,
             count: int = DRAWN, names: Sequence[str] | None = None) -> Iterator[Picture]:
    """Techniques 4, 5: yield the Picture of the maps of images by PCA and by t-SNE of their features.

    Parameters
    ----------
    labelled : images x, (N, C, H, W), and their classes, (N,). By default, `count` drawn shapes.
    perplexity : of t-SNE. By default 30, or the largest that the number of images allows.
    num_steps : number of steps of t-SNE.
    names : of the classes. By default, the drawn classes or the network's.
    """
    names = names or (CLASSES if labelled is None else model.labels)
    x, labels = draw_images(model, count, seed) if labelled is None else labelled
    layer = layer or feature_layer(model.net)
    features = image_features(model.net, x, layer)
    if perplexity is None:
        perplexity = max(1.1, min(30.0, (len(x) - 1) / 3))
    require_points(features, perplexity)
    components = pca(features, 2)
    settings = TsneSettings(perplexity, num_steps, exaggerated_steps=min(250, num_steps // 4))
    positions, history, interrupted = map_with_progress(features, model.net.device, settings, seed)
    title = (f"{model.name}: {len(x):,} images by their {features.shape[1]} numbers at {layer}"
             + (f", interrupted at step {history[-1][0]}" if interrupted else ""))
    figure = show_maps([("two principal components", components.positions),
                        (f"t-SNE, perplexity {perplexity:g}, divergence {history[-1][1]:.2f}", positions)],
                       labels, names, title)
    yield Picture(
        "embedding_map", title, figure, positions,
        "Each point is an image. Its colour is its class, which the map does not use. Images with similar features are "
        "neighbours, so classes that the network separates are apart. The sizes of clusters and the distances between "
        "them mean little.",
        "van der Maaten and Hinton, Visualizing Data using t-SNE, JMLR 2008; Linderman et al. 2019 (arXiv:1712.09005)",
        [*check_pca(features, components),
         *check_map(features, labels, positions, components.positions, history, perplexity),
         check_map_gradient(features, positions, np.random.default_rng(seed)), check_same_map(features, seed)],
        {"count": len(x), "layer": layer, "perplexity": perplexity, "steps": num_steps, "seed": seed,
         "divergence": history})
    if interrupted:
        raise KeyboardInterrupt


def gallery_pictures(model: Model, folder: Sequence[FolderPhoto] | None, seed: int) -> Iterator[Picture]:
    """Return the picture of the gallery: the photos of a folder with several classes, or drawn shapes."""
    photos = list(fit_photos(model, folder or ()))
    names = sorted({photo.label for photo in photos if photo.label is not None})
    if len(names) < 2 or len(photos) < FEWEST:
        return pictures(model, count=DRAWN_IN_GALLERY, seed=seed)
    photos = [photo for photo in photos if photo.label is not None]
    labels = np.array([names.index(photo.label) for photo in photos if photo.label is not None])
    x = model.preprocessing.to_input(np.stack([photo.image for photo in photos]))
    return pictures(model, (x, labels), seed=seed, names=names)


def draw_images(model: Model, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return drawn shapes, the same number of each class, as input (count, C, H, W) with labels (count,)."""
    if model.net.input_shape[0] != 3:
        raise InputError(f"{model.name} takes grey digits, not drawn shapes: give --mnist FOLDER")
    labels = np.arange(count) % len(CLASSES)
    images, _ = draw_shapes(labels, np.random.default_rng([seed, 5]), model.preprocessing.crop)
    return model.preprocessing.to_input(images), labels


def map_with_progress(features: np.ndarray, device: str, settings: TsneSettings,
                      seed: int) -> tuple[np.ndarray, History, bool]:
    """Return (positions, history, interrupted) of t-SNE, with a progress bar. Ctrl-C ends it and keeps the map."""
    history: History = []
    latest, interrupted = None, False
    with tqdm(total=settings.num_steps, desc="t-SNE", unit="step", leave=False, disable=None) as bar:
        def show(step: int, divergence: float, positions: np.ndarray) -> None:
            nonlocal latest
            latest = positions
            history.append((step, divergence))
            bar.update(step - bar.n)
            bar.set_postfix(divergence=f"{divergence:.3f}")
        try:
            latest, _ = tsne(to_device(features, device), settings, rng=np.random.default_rng(seed), callback=show)
        except KeyboardInterrupt:
            if latest is None:
                raise
            interrupted = True
    return to_host(latest), history, interrupted


def show_maps(maps: Sequence[tuple[str, np.ndarray]], labels: np.ndarray, names: Sequence[str], title: str) -> Figure:
    """Return a figure of maps side by side, [(caption, positions (N, 2))], coloured by class, with a legend."""
    figure = Figure(figsize=(6.5 * len(maps) + 1.6, 6.9), layout="constrained")
    present = np.unique(labels)
    colours = colormaps["tab10" if len(present) <= 10 else "tab20"]
    entries: dict[int, tuple[Any, str]] = {}
    size = float(np.clip(9000 / len(labels), 1.5, 18))
    for axis, (caption, positions) in zip(figure.subplots(1, len(maps), squeeze=False)[0], maps, strict=True):
        for number, label in enumerate(present):
            points = positions[labels == label]
            colour = colours(number % colours.N)
            dots = axis.scatter(*points.T, s=size, color=colour, linewidths=0)
            entries[number] = dots, one_line(names[label].split(", ")[0], 40)  # as a label, a name with _ is left out
        axis.set(title=caption, xticks=[], yticks=[])
        axis.set_aspect("equal", "datalim")
    legend = figure.legend(*zip(*entries.values(), strict=True), loc="outside right center", frameon=False, fontsize=10)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set(sizes=[40])
    figure.suptitle(title, fontsize=12)
    return figure


def run(arguments: Namespace) -> None:
    """Run the demo with the arguments of the command line."""
    model, line = choose_model(arguments.model or ("digits" if arguments.mnist else "shapes"), arguments.device)
    print(line)
    labelled = None
    if arguments.mnist:
        x, labels = find_digits(Path(arguments.mnist), model.net.input_shape)
        labelled = x[:arguments.count], labels[:arguments.count]
    run_demo(pictures(model, labelled, arguments.layer, arguments.perplexity, arguments.steps, arguments.seed,
                      arguments.count or DRAWN), model, arguments, NAMES)


def find_digits(path: Path, input_shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return x (N, 1, 28, 28) and labels (N,): MNIST's test digits in a folder, or the part to which a file belongs."""
    if input_shape[0] != 1:
        raise InputError("digits are grey images: give --model digits, or another network of grey images")
    if path.is_file():
        return load_digits(path.parent, "train" if path.name.startswith("train") else "t10k")
    return load_digits(path, "t10k")


def parser() -> ArgumentParser:
    """Return the parser of the command line."""
    parser = demo_parser("embedding_map", __doc__, photos=False, model_help="a network's name or a weights file (.h5) "
                         "(default: the shipped network `shapes`, or `digits` with --mnist)")
    parser.add_argument("--mnist", metavar="PATH", help="folder of MNIST, whose test digits are mapped, or one of its "
                        "files (default: shapes are drawn)")
    parser.add_argument("--count", type=positive_int,
                        help=f"number of images (default: all digits, or {DRAWN} drawn shapes)")
    parser.add_argument("--layer", help="layer whose activations are the features (default: the last before the "
                        "classes)")
    parser.add_argument("--perplexity", type=float, help="effective number of neighbours of an image (default: 30, or "
                        "a third of the number of images if that is less)")
    parser.add_argument("--steps", type=positive_int, default=1000, help="number of steps of t-SNE (default: 1000)")
    return parser


if __name__ == "__main__":
    main(run, parser())
