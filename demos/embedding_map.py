"""Images on a map by PCA and by t-SNE: minicnn embedding_map [--photos FOLDER | --mnist FOLDER]"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
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
from .shared.photo_choice import add_photos_option, choose_folder, fetched_photos
from .shared.photo_folder import FolderPhoto, collect, fit_photos, read_photos
from .shared.picture import Picture, run_demo
from .shared.times import Times

NAMES = ("embedding_map",)
DRAWN, DRAWN_IN_GALLERY = 600, 240  # default numbers of drawn shapes
COLOURED, OTHERS = 18, "other classes"  # colours of classes that a reader can tell apart, with grey for the others
GREYS = (14, 15)  # of the colours of tab20: kept for the other classes
FEWEST = 200  # photos of a folder in the gallery; with fewer, two axes separate the classes as well as t-SNE

History = list[tuple[int, float]]  # (step, divergence)


def pictures(model: Model, labelled: tuple[np.ndarray, np.ndarray] | None = None, layer: str | None = None,
             perplexity: float | None = None, num_steps: int = 1000, seed: int = 0,
             count: int = DRAWN, names: Sequence[str] | None = None,
             photos: Iterable[FolderPhoto] | None = None) -> Iterator[Picture]:
    """Techniques 4, 5: yield the Picture of the maps of images by PCA and by t-SNE of their features.

    Parameters
    ----------
    labelled : images x, (N, C, H, W), and their classes, (N,). By default, `count` drawn shapes.
    perplexity : of t-SNE. By default 30, or the largest that the number of images allows.
    num_steps : number of steps of t-SNE.
    names : of the classes. By default, the drawn classes or the network's.
    photos : FolderPhotos instead of images x, read one after another. Their labels are the classes.
    """
    names = names or (CLASSES if labelled is None else model.labels)
    layer = layer or feature_layer(model.net)
    times = Times()
    labels: np.ndarray | None
    with times.measure("features of all images"):
        if photos is not None:
            features, labels, names = features_of_photos(model, photos, layer)
        else:
            x, labels = draw_images(model, count, seed) if labelled is None else labelled
            features = image_features(model.net, x, layer)
    N = len(features)
    if perplexity is None:
        perplexity = max(1.1, min(30.0, (N - 1) / 3))
    require_points(features, perplexity)
    with times.measure("principal components"):
        components = pca(features, 2)
    settings = TsneSettings(perplexity, num_steps, exaggerated_steps=min(250, num_steps // 4))
    with times.measure("t-SNE"):
        positions, history, interrupted = map_with_progress(features, model.net.device, settings, seed)
    title = (f"{model.name}: {N:,} images by their {features.shape[1]} numbers at {layer}"
             + (f", interrupted at step {history[-1][0]}" if interrupted else ""))
    figure = show_maps([("two principal components", components.positions),
                        (f"t-SNE, perplexity {perplexity:g}, divergence {history[-1][1]:.2f}", positions)],
                       labels, names, title)
    with times.measure("checks"):
        checks = [*check_pca(features, components),
                  *check_map(features, labels, positions, components.positions, history, perplexity),
                  check_map_gradient(features, positions, np.random.default_rng(seed)),
                  check_same_map(features, seed)]
    yield Picture(
        "embedding_map", title, figure, positions,
        "Each point is an image. Its colour is its class, which the map does not use. Images with similar features are "
        "neighbours, so classes that the network separates are apart. The sizes of clusters and the distances between "
        "them mean little.",
        "van der Maaten and Hinton, Visualizing Data using t-SNE, JMLR 2008; Linderman et al. 2019 (arXiv:1712.09005)",
        checks,
        {"count": N, "layer": layer, "perplexity": perplexity, "steps": num_steps, "seed": seed,
         "divergence": history}, times=times.seconds)
    if interrupted:
        raise KeyboardInterrupt


def gallery_pictures(model: Model, folder: Sequence[FolderPhoto] | None, seed: int) -> Iterator[Picture]:
    """Return the picture of the gallery: the photos of a folder with several classes, or drawn shapes."""
    photos = [photo for photo in fit_photos(model, folder or ()) if photo.label is not None]
    if not enough(photos):
        return pictures(model, count=DRAWN_IN_GALLERY, seed=seed)
    return pictures(model, seed=seed, photos=photos)


def features_of_photos(model: Model, photos: Iterable[FolderPhoto], layer: str
                       ) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    """Return (features (N, D), classes (N,) or None, names of the classes) of FolderPhotos.

    The classes are None if a photo has no label or if all have the same one.
    """
    found = collect(model, photos, layer)
    if not found.labelled:
        return found.features, None, ["photos"]
    names, classes = np.unique(np.array(found.labels), return_inverse=True)
    return found.features, classes, names.tolist()


def enough(photos: Sequence[FolderPhoto] | None) -> bool:
    """Return True if there are enough photos, of several classes, for a map."""
    labels = {photo.label for photo in photos or () if photo.label is not None}
    return len(labels) > 1 and len(photos or ()) >= FEWEST


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


def show_maps(maps: Sequence[tuple[str, np.ndarray]], labels: np.ndarray | None, names: Sequence[str],
              title: str) -> Figure:
    """Return a figure of maps side by side, [(caption, positions (N, 2))], coloured by class, with a legend.

    If there are more than COLOURED classes, the largest ones have colours and all others are grey.
    """
    labels = np.zeros(len(maps[0][1]), np.int64) if labels is None else labels
    labels, names = largest_classes(labels, names)
    figure = Figure(figsize=(6.5 * len(maps) + 1.6, 6.9), layout="constrained")
    present = np.unique(labels)
    colours = [colormaps["tab10"](number) for number in range(10)] if len(present) <= 10 else [
        colormaps["tab20"](number) for number in range(20) if number not in GREYS]
    entries: dict[int, tuple[Any, str]] = {}
    size = float(np.clip(9000 / len(labels), 1.5, 18))
    for axis, (caption, positions) in zip(figure.subplots(1, len(maps), squeeze=False)[0], maps, strict=True):
        for number, label in enumerate(present):
            points = positions[labels == label]
            # the others come first, so the classes lie over them
            colour = (0.85, 0.85, 0.85) if names[label] == OTHERS else colours[number % len(colours)]
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


def largest_classes(labels: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Return the labels (N,) and names with all but the COLOURED largest classes put together as the first class."""
    present, sizes = np.unique(labels, return_counts=True)
    if len(present) <= COLOURED:
        return labels, list(names)
    largest = np.sort(present[np.argsort(-sizes, kind="stable")[:COLOURED]])
    place = np.searchsorted(largest, labels).clip(max=COLOURED - 1)
    return np.where(largest[place] == labels, place + 1, 0), [OTHERS, *(names[label] for label in largest)]


def run(arguments: Namespace) -> None:
    """Run the demo with the arguments of the command line."""
    named = arguments.folder or arguments.photo_folder
    if arguments.mnist and named:
        raise InputError("give --photos FOLDER or --mnist, not both")
    default = "digits" if arguments.mnist else None if named or fetched_photos() else "shapes"
    model, line = choose_model(arguments.model or default, arguments.device)
    print(line)
    labelled = photos = None
    if arguments.mnist:
        x, labels = find_digits(Path(arguments.mnist), model.net.input_shape)
        labelled = x[:arguments.count], labels[:arguments.count]
    else:
        folder, line = choose_folder(model, arguments.folder, arguments.photo_folder,
                                     f"no folder given: {arguments.count or DRAWN} drawn shapes are on the map")
        print(line, end="\n" * bool(line))
        photos = None if folder is None else islice(read_photos(folder), arguments.count)
    layer = model.net.find(arguments.layer) if arguments.layer else None
    run_demo(pictures(model, labelled, layer, arguments.perplexity, arguments.steps, arguments.seed,
                      arguments.count or DRAWN, photos=photos), model, arguments, NAMES)


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
                         "(default: with photos the best network in the cache folder; else the shipped network "
                         "`shapes`, or `digits` with --mnist)")
    parser.add_argument("folder", nargs="?", metavar="FOLDER", help="the same as --photos FOLDER "
                        "(default: the folder of --photos)")
    add_photos_option(parser)
    parser.add_argument("--mnist", metavar="PATH", help="folder of MNIST, whose test digits are mapped, or one of its "
                        "files (default: shapes are drawn)")
    parser.add_argument("--count", type=positive_int,
                        help=f"number of images (default: all photos or digits, or {DRAWN} drawn shapes)")
    parser.add_argument("--layer", help="layer whose activations are the features (default: the last before the "
                        "classes)")
    parser.add_argument("--perplexity", type=float, help="effective number of neighbours of an image (default: 30, or "
                        "a third of the number of images if that is less)")
    parser.add_argument("--steps", type=positive_int, default=1000, help="number of steps of t-SNE (default: 1000)")
    return parser


if __name__ == "__main__":
    main(run, parser())
