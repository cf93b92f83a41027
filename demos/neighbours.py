"""Nearest neighbours in features and in pixels: minicnn neighbours [--photos FOLDER] [--query PHOTO …]"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor

import numpy as np

from minicnn import images, plot
from minicnn.errors import InputError
from minicnn.models import Model
from minicnn.sweep import Store
from minicnn.visualize.check import Check
from minicnn.visualize.embedding.features import feature_layer
from minicnn.visualize.embedding.neighbours import nearest, nearest_others, neighbour_sheet
from minicnn.visualize.embedding.neighbours_check import (
    check_distances,
    check_neighbour_sheet,
    check_neighbours,
    report_mirrored,
    report_precision,
)

from .shared.command import main, positive_int
from .shared.default_network import network_for
from .shared.executors import executor_for, store_for
from .shared.inputs import choose_model
from .shared.photo_choice import fetched_photos
from .shared.photo_files import shown_name
from .shared.photo_folder import Collection, FolderPhoto, choose_photos, collect, draw_photos, folder_parser
from .shared.picture import Picture, run_demo
from .shared.times import Times

NAMES = ("neighbours",)
QUERIES = 6
DRAWN = 240     # drawn shapes if there is no folder: 20 of each class
MIRRORED = 50   # largest number of images that are mirrored for the check


def pictures(model: Model, gallery: Iterable[FolderPhoto] | None = None, queries: Sequence[FolderPhoto] = (),
             layer: str | None = None, k: int = 5, seed: int = 0, mirror: bool = True,
             executor: Executor | None = None, store: Store | None = None) -> Iterator[Picture]:
    """Technique 3: yield the Picture of queries with their k nearest neighbours in features and in pixels.

    Parameters
    ----------
    gallery : FolderPhotos, read one after another. By default, drawn shapes.
    queries : FolderPhotos. By default, six photos of the gallery; a query is not its own neighbour.
    mirror : whether to check that mirrored photos find their originals. Mirrored letters and digits are other signs.
    executor, store : as for `collect`.
    """
    rng = np.random.default_rng(seed)
    drawn = gallery is None
    if drawn and model.preprocessing.channel_order == "L":  # a network of grey digits describes no drawn shapes
        mirror = judged = False
    else:
        judged = True
    times = Times()
    with times.measure("features of all photos"):
        found = collect(model, draw_photos(DRAWN, seed) if gallery is None else gallery, layer,
                        MIRRORED if mirror else 0, executor=executor, store=store)
    require_more_than(found, k)
    with times.measure("neighbours of the queries"):
        asked, indices = find_neighbours(model, found, queries, k, rng)
    known = found.labelled and set(asked.labels) <= set(found.labels)
    sheets = [neighbour_sheet(asked.thumbnails, found.thumbnails, rows,
                              np.array(found.labels)[rows] == np.array(asked.labels)[:, None] if known else None)
              for rows in indices]
    kind = "drawn shapes" if drawn else "photos"
    with times.measure("precision and checks"):
        checks = [*neighbour_checks(asked, found, indices, sheets, not queries),
                  *checks_of(found, k, judged, mirror, rng)]
    figure = plot.show_panels(
        [(f"{len(asked.names)} queries, each with its {k} nearest in {found.layer} ({found.features.shape[1]} numbers)",
          sheets[0]),
         (f"the {k} nearest in pixels ({found.pixels.shape[1]:,} numbers)", sheets[1])], size=5.2)
    yield Picture(
        "neighbours", f"{model.name}: nearest neighbours among {len(found.names):,} {kind}", figure, np.stack(indices),
        f"Each row shows a query and the {k} of {len(found.names):,} {kind} nearest to it. On the left, the distance "
        f"is between the activations of {found.layer}, averaged over the positions. On the right, it is between "
        "pixels. Neighbours in pixels have the same colours in the same places. Neighbours in features show the same "
        "kind of thing." + (" A green frame marks the same class, a red frame another one." if known else ""),
        "Krizhevsky, Sutskever and Hinton 2012, ImageNet classification with deep convolutional neural networks, "
        "figure 4",
        checks,
        {"layer": found.layer, "k": k, "gallery": len(found.names), "queries": asked.names, "seed": seed,
         "neighbours": {name: [[found.names[n] for n in row] for row in rows.tolist()]
                        for name, rows in zip(("features", "pixels"), indices, strict=True)},
         "pixels": "of the network's crop, at {0}x{0}".format(found.thumbnails.shape[1])}, times=times.seconds)


def require_more_than(found: Collection, k: int) -> None:
    """Raise InputError unless the Collection has more than k photos."""
    if len(found.names) <= k:
        count = f"{len(found.names)} photo{'s are' if len(found.names) > 1 else ' is'}"
        raise InputError(f"{count} too few to show {k} neighbours of one; add some, or give a smaller -k")


def find_neighbours(model: Model, found: Collection, queries: Sequence[FolderPhoto], k: int,
                    rng: np.random.Generator) -> tuple[Collection, list[np.ndarray]]:
    """Return the Collection of the queries, and the indices (M, k) of their neighbours in features and in pixels."""
    if queries:
        asked = collect(model, queries, found.layer)
        return asked, [nearest(asked.features, found.features, k)[0], nearest(asked.pixels, found.pixels, k)[0]]
    chosen = choose_queries(found, rng)
    asked = found._replace(names=[found.names[n] for n in chosen], labels=[found.labels[n] for n in chosen],
                           features=found.features[chosen], thumbnails=found.thumbnails[chosen])
    return asked, [nearest_others(x, k, chosen)[0] for x in (found.features, found.pixels)]


def choose_queries(found: Collection, rng: np.random.Generator) -> np.ndarray:
    """Return the indices of six photos, of six different classes if the labels are known."""
    order = rng.permutation(len(found.names)).tolist()
    if found.labelled:
        firsts = {found.labels[n]: n for n in reversed(order)}  # the first photo of each class in this order
        order = [n for n in order if firsts[found.labels[n]] == n]
    return np.sort(order[:QUERIES])


def neighbour_checks(asked: Collection, found: Collection, indices: Sequence[np.ndarray],
                     sheets: Sequence[np.ndarray], from_gallery: bool) -> list[Check]:
    """Return the Checks of the neighbours shown. from_gallery : whether the queries are photos of the gallery."""
    itself = np.array([next(n for n, other in enumerate(found.names) if other == name
                            and np.array_equal(found.features[n], features))
                       for name, features in zip(asked.names, asked.features, strict=True)]) if from_gallery else None
    pixels = found.pixels[itself] if itself is not None else asked.pixels
    return [*check_neighbours(asked.features, found.features, indices[0], itself),
            *check_neighbours(pixels, found.pixels, indices[1], itself, "pixels"),
            *(check for sheet, rows in zip(sheets, indices, strict=True)
              for check in check_neighbour_sheet(sheet, asked.thumbnails, found.thumbnails, rows))]


def checks_of(found: Collection, k: int, judged: bool, mirror: bool, rng: np.random.Generator) -> list[Check]:
    """Return the Checks of a Collection. judged : whether the network should know its classes."""
    checks = check_distances(found.features, rng)
    if found.labelled and judged:
        checks += report_precision(found.features, found.pixels, found.labels, k)
    if mirror:
        originals = np.arange(len(found.mirrored))
        checks += report_mirrored(found.mirrored, found.features, originals,
                                 found.thumbnails[originals, :, ::-1].reshape(len(originals), -1), found.pixels)
    return checks


def run(arguments: Namespace) -> None:
    """Run the demo with the arguments of the command line."""
    has_photos = arguments.folder or arguments.photo_folder or arguments.mnist or fetched_photos()
    name = network_for(arguments.model, bool(has_photos))
    model, line = choose_model(name, arguments.device)
    print(line)
    gallery, line = choose_photos(model, arguments, f"no folder given: {DRAWN} drawn shapes are compared")
    print(line, end="\n" * bool(line))
    queries = [FolderPhoto(shown_name(path), None, images.load_image(path)) for path in arguments.query]
    layer = model.net.find(arguments.layer) if arguments.layer else feature_layer(model.net)
    store = store_for(arguments.resume, model.net, layer)
    with executor_for(arguments.workers, arguments.cluster) as executor:
        run_demo(pictures(model, gallery, queries, layer, arguments.k, arguments.seed, not arguments.mnist, executor,
                          store), model, arguments, NAMES)


def parser() -> ArgumentParser:
    """Return the parser of the command line."""
    parser = folder_parser("neighbours", __doc__)
    parser.add_argument("--query", nargs="+", default=[], metavar="PHOTO",
                        help=f"photos whose neighbours are shown (default: {QUERIES} photos of the folder)")
    parser.add_argument("-k", type=positive_int, default=5, help="number of neighbours of each query (default: 5)")
    parser.add_argument("--mnist", metavar="FOLDER", help="folder of MNIST, whose 10,000 test digits are compared "
                        "(with --model digits) (default: photos, or drawn shapes)")
    return parser


if __name__ == "__main__":
    main(run, parser())
