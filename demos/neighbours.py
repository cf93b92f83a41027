"""The pictures that are nearest, in features and in pixels: python -m demos.neighbours [FOLDER] [--query PHOTO …]"""

from pathlib import Path

import numpy as np

from demos.shared.command import main, positive_int
from demos.shared.executors import executor_for, store_for
from demos.shared.inputs import choose_model
from demos.shared.photo_folder import FolderPhoto, choose_photos, collect, draw_photos, folder_parser
from demos.shared.picture import Picture, run_demo
from minicnn import images, plot
from minicnn.errors import InputError
from minicnn.visualize.embedding.embedding_check import check_distances, check_mirrored, check_precision
from minicnn.visualize.embedding.features import feature_layer
from minicnn.visualize.embedding.neighbours import nearest, nearest_others, neighbour_sheet

NAMES = ("neighbours",)
QUERIES = 6
DRAWN = 240     # pictures, where no folder is given: 20 of each class
MIRRORED = 50   # pictures, at most, that are mirrored for the check


def pictures(model, gallery=None, queries=(), layer=None, k=5, seed=0, mirror=True, executor=None,
             store=None):
    """Technique 3: rows of a query and its k nearest in features, beside them the k nearest in pixels.

    gallery : FolderPhotos, read one after another; left out, drawn shapes. queries : FolderPhotos; left out, six
    of the gallery, which are then no neighbours of their own. mirror : whether a mirrored picture shows the same
    thing, which is then checked; letters and digits do not. executor, store : as for collect.
    """
    rng = np.random.default_rng(seed)
    drawn = gallery is None
    strange = drawn and model.preprocessing.channel_order == "L"  # a network of grey digits knows nothing of shapes
    mirror = mirror and not strange
    found = collect(model, draw_photos(DRAWN, seed) if drawn else gallery, layer, MIRRORED if mirror else 0,
                    executor=executor, store=store)
    if len(found.names) <= k:
        count = f"{len(found.names)} picture{'s are' if len(found.names) > 1 else ' is'}"
        raise InputError(f"{count} too few to show {k} neighbours of one; add some, or give a smaller -k")
    layer = found.layer
    if queries:
        asked = collect(model, queries, layer)
        rows = [nearest(query, of, k)[0] for query, of in ((asked.features, found.features),
                                                           (asked.pixels, found.pixels))]
    else:
        chosen = choose_queries(found, rng)
        asked = found._replace(names=[found.names[n] for n in chosen], labels=[found.labels[n] for n in chosen],
                               features=found.features[chosen], thumbnails=found.thumbnails[chosen])
        rows = [nearest_others(x, k, chosen)[0] for x in (found.features, found.pixels)]
    known = found.labelled and set(asked.labels) <= set(found.labels)
    sheets = [neighbour_sheet(asked.thumbnails, found.thumbnails, indices,
                              np.array(found.labels)[indices] == np.array(asked.labels)[:, None] if known else None)
              for indices in rows]
    checks = check_distances(found.features, rng)
    if found.labelled and not strange:
        checks += check_precision(found.features, found.pixels, found.labels, k)
    if mirror:
        originals = np.arange(len(found.mirrored))
        checks += check_mirrored(found.mirrored, found.features, originals,
                                 found.thumbnails[originals, :, ::-1].reshape(len(originals), -1), found.pixels)
    what = "drawn shapes" if drawn else "pictures"
    figure = plot.show_panels([(f"{len(asked.names)} pictures, each with its {k} nearest in {layer} "
                                f"({found.features.shape[1]} numbers)", sheets[0]),
                               (f"the {k} nearest in pixels ({found.pixels.shape[1]:,} numbers)", sheets[1])], size=5.2)
    yield Picture(
        "neighbours", f"{model.name}: nearest neighbours among {len(found.names):,} {what}", figure, np.stack(rows),
        f"In each row a picture, and then the {k} of {len(found.names):,} {what} that are nearest to it: on the left "
        f"by what {layer} answers, averaged over the picture where it has maps; on the right pixel by pixel. Near "
        "in pixels is what has the same colours in the same places; near in features is what shows the same thing."
        + (" A green frame marks the same class, a red one another." if known else ""),
        "Krizhevsky, Sutskever and Hinton 2012, ImageNet classification with deep convolutional neural networks, "
        "figure 4", checks,
        {"layer": layer, "k": k, "gallery": len(found.names), "queries": asked.names, "seed": seed,
         "neighbours": {name: [[found.names[n] for n in row] for row in indices.tolist()]
                        for name, indices in zip(("features", "pixels"), rows, strict=True)},
         "pixels": "of the network's crop, at {0}x{0}".format(found.thumbnails.shape[1])})


def choose_queries(found, rng):
    """The rows of six pictures to ask for: where labels are known, one of each of six classes; else any."""
    order = rng.permutation(len(found.names))
    if found.labelled:
        firsts = {found.labels[n]: n for n in reversed(order.tolist())}  # the first of each class in that order
        order = [n for n in order.tolist() if firsts[found.labels[n]] == n]
    return np.sort(order[:QUERIES])


def run(arguments):
    """Load, draw, save."""
    model, said = choose_model(arguments.model, arguments.device)
    print(said)
    gallery = choose_photos(model, arguments)
    if gallery is None:
        print(f"no folder given: {DRAWN} drawn shapes are compared")
    queries = [FolderPhoto(Path(path).stem, None, images.load_image(path)) for path in arguments.query]
    layer = model.net.find(arguments.layer) if arguments.layer else feature_layer(model.net)
    store = store_for(arguments.resume, model.net, layer)
    with executor_for(arguments.workers, arguments.cluster) as executor:
        run_demo(pictures(model, gallery, queries, layer, arguments.k, arguments.seed, not arguments.mnist, executor,
                          store), model, arguments, NAMES)


def parser():
    """The command line."""
    parser = folder_parser("neighbours", __doc__)
    parser.add_argument("--query", nargs="+", default=[], metavar="PHOTO", help="the pictures to find neighbours of; "
                        f"left out, {QUERIES} of the folder's")
    parser.add_argument("-k", type=positive_int, default=5, help="neighbours a query (default 5)")
    parser.add_argument("--mnist", metavar="FOLDER", help="compare MNIST's 10,000 test digits in this folder "
                        "(with --model digits)")
    return parser


if __name__ == "__main__":
    main(run, parser())
