"""Folders of photos: read one after another, and collected as features and thumbnails."""

import hashlib
from argparse import ArgumentParser, Namespace
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

from minicnn import images
from minicnn.datasets import mnist
from minicnn.datasets.shapes import CLASSES, draw_shape
from minicnn.errors import InputError, one_line
from minicnn.images.paths import SHOWN
from minicnn.models import Model
from minicnn.network import Network
from minicnn.sweep import Store, network_function, sweep
from minicnn.visualize.embedding.features import feature_layer, image_features

from .command import MODEL_HELP, OneLineParser, add_common
from .executors import add_sweep_options
from .photo_choice import add_photos_option, choose_folder
from .photo_files import Report, find_photos, warn

THUMBNAIL = 64  # largest side of the thumbnails, pixels; the comparison by pixels uses the thumbnails
BATCH = 16      # photos in one pass of the network


class FolderPhoto(NamedTuple):
    """A photo, uint8 (H, W, 3), its name, and its label: the name of its sub-folder, or None."""

    name: str
    label: str | None
    image: np.ndarray


class Collection(NamedTuple):
    """N photos as points.

    names, labels : (N). features : the activations of `layer`, (N, D). thumbnails : square, uint8 (N, t, t, 3).
    mirrored : the features of the first M photos, mirrored, (M, D).
    """

    names: list[str]
    labels: list[str | None]
    features: np.ndarray
    thumbnails: np.ndarray
    layer: str
    mirrored: np.ndarray

    @property
    def labelled(self) -> bool:
        """Whether every photo has a label and at least two labels are different."""
        return None not in self.labels and len(set(self.labels)) > 1

    @property
    def pixels(self) -> np.ndarray:
        """The thumbnails as vectors, uint8 (N, t t 3)."""
        return self.thumbnails.reshape(len(self.thumbnails), -1)


# ---- sources of photos -----------------------------------------------------------------------------------------------


def read_photos(folder: str | Path, report: Report | None = None, most: int | None = None) -> Iterator[FolderPhoto]:
    """Yield the FolderPhotos of a folder in sorted order. Their labels are the names of the sub-folders.

    Names and labels are safe to print: control characters are escaped, and long names cut.
    report : called with a line for each file that cannot be read and is skipped. By default, `warn`.
    most : read only this number of files, spread evenly over the folder. By default, all are read.
    Raises InputError as `find_photos`, and at the end if no file could be read.
    """
    report = report or warn
    paths, count = find_photos(folder, report), 0
    if most is not None and most < len(paths):
        paths = [paths[n * len(paths) // most] for n in range(most)]
    for path in tqdm(paths, unit="photo", leave=False, disable=None):
        try:
            image = images.load_image(path)
        except InputError as problem:
            report(f"skipped: {problem}")
            continue
        count += 1
        parts = path.relative_to(folder).parts
        label = one_line(parts[0], 100) if len(parts) > 1 else None
        yield FolderPhoto(one_line("/".join((*parts[:-1], path.stem)), 120), label, image)
    if not count:
        raise InputError(f"none of the {len(paths)} picture files in {one_line(folder, SHOWN)} can be read")


def choose_photos(model: Model, arguments: Namespace, instead: str) -> tuple[Iterator[FolderPhoto] | None, str]:
    """Return the FolderPhotos of FOLDER, --photos, --mnist or the cache folder, or None, and a line that says which.

    instead : the sentence that names the pictures used if there are no photos, as in `choose_folder`.
    Raises InputError if several are given, or if there are none and the network takes grey images, as drawn shapes have
    colours.
    """
    if arguments.mnist and (arguments.folder or arguments.photo_folder):
        raise InputError(f"give {'a FOLDER' if arguments.folder else '--photos FOLDER'} or --mnist, not both")
    if arguments.mnist:
        return digit_photos(arguments.mnist), ""
    folder, line = choose_folder(model, arguments.folder, arguments.photo_folder, instead)
    if folder is not None:
        return read_photos(folder), line
    if model.preprocessing.channel_order == "L":
        raise InputError(f"{model.name} takes grey images only; give --mnist FOLDER, or a FOLDER of photos")
    return None, line


def draw_photos(count: int, seed: int) -> Iterator[FolderPhoto]:
    """Yield `count` FolderPhotos of drawn shapes, the same number of each class."""
    rng = np.random.default_rng(seed)
    for n in range(count):
        label = CLASSES[n % len(CLASSES)]
        yield FolderPhoto(f"{label} {n // len(CLASSES) + 1}", label, draw_shape(n % len(CLASSES), rng)[0])


def digit_photos(folder: str | Path, part: str = "t10k") -> Iterator[FolderPhoto]:
    """Yield the FolderPhotos of MNIST's test digits in a folder. Raises InputError as minicnn.datasets.load_digits."""
    x, labels = mnist.load_digits(folder, part)
    for n, (image, label) in enumerate(zip(mnist.PREPROCESSING.to_images(x), labels.tolist(), strict=True)):
        yield FolderPhoto(f"{part} {n}", str(label), image)


def fit_photos(model: Model, photos: Iterable[FolderPhoto], report: Report | None = None) -> Iterator[FolderPhoto]:
    """Yield the FolderPhotos, resized and cropped to the network's input.

    report : called with a line for each photo that is too narrow to resize and is skipped. By default, `warn`.
    """
    for photo in photos:
        try:
            fitted = images.fit(photo.image, model.preprocessing.resize, model.preprocessing.crop)
        except InputError as problem:
            (report or warn)(f"skipped: {photo.name}: {problem}")
            continue
        yield photo._replace(image=fitted)


# ---- collections -----------------------------------------------------------------------------------------------------


def collect(model: Model, photos: Iterable[FolderPhoto], layer: str | None = None, mirror: int = 0,
            thumbnail: int = THUMBNAIL, report: Report | None = None, executor: Executor | None = None,
            store: Store | None = None) -> Collection:
    """Return the Collection of FolderPhotos. At most BATCH photos for each batch in flight are in memory at a time.

    Parameters
    ----------
    layer : the layer of the features. By default, `feature_layer`.
    mirror : the number of photos whose mirrored features are computed too.
    thumbnail : the largest side of the thumbnails, pixels. They are made from the crop for the network.
    report : as for `fit_photos`; also called for each batch that fails in an executor and is skipped.
    executor, store : as for `minicnn.sweep`; the result does not depend on them.

    Raises InputError if no photo is left.
    """
    layer = feature_layer(model.net) if layer is None else model.net.find(layer)
    thumbnail = min(thumbnail, model.preprocessing.crop)
    in_flight: deque[list[FolderPhoto]] = deque()  # the photos of each batch, with thumbnails as images
    photos_done: list[FolderPhoto] = []
    features, mirrored = [], []

    def batches() -> Iterator[tuple[tuple, np.ndarray]]:
        fitted, first = fit_photos(model, photos, report), 0
        while batch := list(islice(fitted, BATCH)):
            x = model.preprocessing.to_input(np.stack([photo.image for photo in batch]))
            x = np.concatenate([x, x[:max(mirror - first, 0), :, :, ::-1]])
            in_flight.append([photo._replace(image=images.resize(photo.image, thumbnail, thumbnail))
                              for photo in batch])
            digest = () if store is None else (hashlib.sha256(x.data).hexdigest()[:16],)  # for a changed photo
            yield (first, *digest), x
            first += len(batch)

    function = network_function(partial(feature_arrays, layer=layer), model.net.trunk(layer), executor)
    with closing(sweep(function, batches(), executor, store=store)) as outcomes:
        for (first, *_), result, problem in outcomes:
            batch = in_flight.popleft()
            if problem is not None:
                if executor is None:
                    raise problem
                (report or warn)(f"skipped: {len(batch)} photos from number {first + 1} on: {problem}")
                continue
            photos_done += batch
            features.append(result["features"][:len(batch)])
            mirrored.append(result["features"][len(batch):])
    if not photos_done:
        raise InputError("there are no photos to compare")
    names, labels, thumbnails = zip(*photos_done, strict=True)
    return Collection(list(names), list(labels), np.concatenate(features), np.stack(thumbnails), layer,
                      np.concatenate(mirrored))


def feature_arrays(net: Network, x: np.ndarray, layer: str) -> dict[str, np.ndarray]:
    """Return `image_features` in the form that a Store saves."""
    return {"features": image_features(net, x, layer)}


def folder_parser(name: str, description: str | None) -> ArgumentParser:
    """Return a parser for minicnn NAME [FOLDER] with the options that all demos share."""
    parser = OneLineParser(prog=f"minicnn {name}", description=description)
    parser.add_argument("folder", nargs="?", metavar="FOLDER", help="the same as --photos FOLDER "
                        "(default: the folder of --photos)")
    add_photos_option(parser)
    parser.add_argument("--model", help=MODEL_HELP)
    parser.add_argument("--layer", help="layer whose activations are the features (default: the last before the "
                        "classes)")
    add_sweep_options(parser)
    add_common(parser)
    return parser
