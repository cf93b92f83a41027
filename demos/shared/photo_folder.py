"""A folder of pictures, read one after another, and what a network says of each."""

import hashlib
import os
import sys
from collections import deque
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from demos.shared.command import MODEL_HELP, OneLineParser, add_common
from demos.shared.executors import add_sweep_options
from minicnn import images
from minicnn.datasets import mnist
from minicnn.datasets.shapes import CLASSES, draw_shape
from minicnn.errors import InputError
from minicnn.sweep import network_function, sweep
from minicnn.visualize.embedding.features import feature_layer, image_features

READABLE = (*images.SUFFIXES, ".gif", ".jfif")
THUMBNAIL = 64  # pixels, at most: of the thumbnails, and of the pictures that are compared pixel by pixel
BATCH = 16      # pictures that go through the network at a time


class FolderPhoto(NamedTuple):
    """A picture, uint8 (H, W, 3), its name, and its label: the sub-folder's name, or None."""

    name: str
    label: str | None
    image: np.ndarray


class Collection(NamedTuple):
    """Pictures as points: names and labels (N), features (N, D) of `layer`, square thumbnails uint8 (N, t, t, 3).

    mirrored : the features of the first M pictures, mirrored, (M, D).
    """

    names: list[str]
    labels: list[str | None]
    features: np.ndarray
    thumbnails: np.ndarray
    layer: str
    mirrored: np.ndarray

    @property
    def labelled(self):
        """Whether every picture has a label, and there are at least two different ones."""
        return None not in self.labels and len(set(self.labels)) > 1

    @property
    def pixels(self):
        """The thumbnails as vectors, uint8 (N, t t 3)."""
        return self.thumbnails.reshape(len(self.thumbnails), -1)


def find_photos(folder):
    """The picture files in the folder and below it, sorted; hidden ones are left out.

    Raises InputError where there is no such folder, it cannot be listed, or it holds no picture.
    """
    folder = Path(folder)
    if not os.path.isdir(folder):
        what = "this is a file; give the folder that it is in" if os.path.exists(folder) else "there is no such folder"
        raise InputError(f"{folder}: {what}")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise InputError(f"{folder}: no permission to look into this folder")
    found = []
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(where, name) for name in files
                  if name.lower().endswith(READABLE) and not name.startswith(".")]
    if not found:
        raise InputError(f"{folder} holds no pictures ({', '.join(READABLE)})")
    return sorted(found, key=lambda path: path.relative_to(folder).parts)


def read_photos(folder, report=None):
    """The FolderPhotos of a folder, one after another, in sorted order; labels are the names of its sub-folders.

    A file that cannot be read is skipped, and report(line) says why; unless given, on the error stream.
    Raises InputError as `find_photos` does, and at the end where no file at all could be read.
    """
    report = report or warn
    paths, count = find_photos(folder), 0
    for path in paths:
        try:
            image = images.load_image(path)
        except InputError as problem:
            report(f"skipped: {problem}")
            continue
        count += 1
        parts = path.relative_to(folder).parts
        yield FolderPhoto("/".join((*parts[:-1], path.stem)), parts[0] if len(parts) > 1 else None, image)
    if not count:
        raise InputError(f"none of the {len(paths)} picture files in {folder} can be read")


def warn(line):
    """Print a line on the error stream."""
    print(line, file=sys.stderr)


def choose_photos(model, arguments):
    """The FolderPhotos that the command line asks for, in a folder or MNIST's; None where drawn shapes are to do.

    Raises InputError where both are asked for, and where neither is and the network takes no colours, as shapes have.
    """
    if arguments.mnist and arguments.folder:
        raise InputError("give a FOLDER or --mnist, not both")
    if arguments.mnist:
        return digit_photos(arguments.mnist)
    if arguments.folder:
        return read_photos(arguments.folder)
    if model.preprocessing.channel_order == "L":
        raise InputError(f"{model.name} sees grey pictures only; give --mnist FOLDER, or a FOLDER of pictures")
    return None


def draw_photos(count, seed):
    """`count` FolderPhotos of textured shapes, of each class as many, drawn by minicnn.datasets.shapes."""
    rng = np.random.default_rng(seed)
    for n in range(count):
        label = CLASSES[n % len(CLASSES)]
        yield FolderPhoto(f"{label} {n // len(CLASSES) + 1}", label, draw_shape(n % len(CLASSES), rng)[0])


def digit_photos(folder, part="t10k"):
    """The FolderPhotos of MNIST's test digits in a folder; raises InputError as minicnn.datasets.mnist.load_digits."""
    x, labels = mnist.load_digits(folder, part)
    for n, (image, label) in enumerate(zip(mnist.PREPROCESSING.to_images(x), labels.tolist(), strict=True)):
        yield FolderPhoto(f"{part} {n}", str(label), image)


def collect(model, photos, layer=None, mirror=0, thumbnail=THUMBNAIL, report=None, executor=None, store=None):
    """The Collection of FolderPhotos, an iterable, of which no more than BATCH are in memory at a time, and as many for
    each batch that the executor has in flight.

    Each is cropped as the network wants it; the thumbnail is of that crop, `thumbnail` pixels a side or as many as
    the crop has. layer : left out, `feature_layer`'s. mirror : of how many the mirrored features are wanted too.
    executor, store : as for minicnn.sweep; the result is the same. Skips, and reports, as `fit_photos` does,
    and a batch that fails in an executor. Raises InputError where no picture is left.
    """
    layer = feature_layer(model.net) if layer is None else model.net.find(layer)
    thumbnail = min(thumbnail, model.preprocessing.crop)
    names, labels, thumbnails, features, mirrored = [], [], [], [], []
    waiting = deque()  # (names, labels, thumbnails) of each batch whose features are still to come

    def batches():
        fitted, first = fit_photos(model, photos, report), 0
        while batch := list(islice(fitted, BATCH)):
            x = model.preprocessing.to_input(np.stack([photo.image for photo in batch]))
            x = np.concatenate([x, x[:max(mirror - first, 0), :, :, ::-1]])
            waiting.append(([photo.name for photo in batch], [photo.label for photo in batch],
                            [images.resize(photo.image, thumbnail, thumbnail) for photo in batch]))
            digest = () if store is None else (hashlib.sha256(x).hexdigest()[:16],)  # a changed picture is a new one
            yield (first, *digest), x
            first += len(batch)

    function = network_function(partial(feature_arrays, layer=layer), model.net.trunk(layer), executor)
    with closing(sweep(function, batches(), executor, store=store)) as found:
        for (first, *_), result, problem in found:
            of_batch = waiting.popleft()
            if problem is not None:
                if executor is None:
                    raise problem
                (report or warn)(f"skipped: {len(of_batch[0])} pictures from number {first + 1} on: {problem}")
                continue
            for whole, part in zip((names, labels, thumbnails), of_batch, strict=True):
                whole += part
            features.append(result["features"][:len(of_batch[0])])
            mirrored.append(result["features"][len(of_batch[0]):])
    if not names:
        raise InputError("there are no pictures to compare")
    return Collection(names, labels, np.concatenate(features), np.stack(thumbnails), layer, np.concatenate(mirrored))


def feature_arrays(net, x, layer):
    """`image_features` as a sweep keeps them."""
    return {"features": image_features(net, x, layer)}


def fit_photos(model, photos, report=None):
    """The FolderPhotos, one after another, resized and cropped as the network wants them.

    One that is too long and thin for it is skipped, and report(line) says why; unless given, on the error stream.
    """
    for photo in photos:
        try:
            fitted = images.fit(photo.image, model.preprocessing.resize, model.preprocessing.crop)
        except InputError as problem:
            (report or warn)(f"skipped: {photo.name}: {problem}")
            continue
        yield photo._replace(image=fitted)


def folder_parser(name, description):
    """A parser for python -m demos.NAME [FOLDER], with the options that all demos share."""
    parser = OneLineParser(prog=f"python -m demos.{name}", description=description)
    parser.add_argument("folder", nargs="?", metavar="FOLDER", help="a folder of pictures, whose sub-folders, if it "
                        "has any, are their classes; left out, textured shapes are drawn")
    parser.add_argument("--model", help=MODEL_HELP)
    parser.add_argument("--layer", help="the layer whose activations are the features; left out, the last before "
                        "the classes")
    add_sweep_options(parser)
    add_common(parser)
    return parser
