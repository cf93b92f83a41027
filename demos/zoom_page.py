"""Map the photos of a folder on a large grid, similar ones together, with a page to zoom into it and to search it:
minicnn zoom_page [--photos FOLDER | --mnist FOLDER]"""

import math
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor

import numpy as np

from minicnn import plot
from minicnn.backend import to_device
from minicnn.errors import InputError, one_line
from minicnn.models import Model
from minicnn.sweep import Store
from minicnn.visualize.embedding.features import feature_layer
from minicnn.visualize.embedding.grid_assignment import assign_to_grid
from minicnn.visualize.embedding.grid_map import grid_sheet, thumbnail_map
from minicnn.visualize.embedding.grid_map_check import check_free_map, check_grid, check_sheet
from minicnn.visualize.embedding.pca import pca
from minicnn.visualize.embedding.tsne import TsneSettings, tsne
from minicnn.visualize.embedding.tsne_check import report_kept

from .gallery_page import source_of
from .gallery_texts import VALUES, named, sentences
from .shared.command import main, positive_int
from .shared.default_network import network_for
from .shared.executors import executor_for, store_for
from .shared.inputs import choose_model
from .shared.language import LANGUAGE_HELP, LANGUAGES, translation
from .shared.photo_choice import fetched_photos
from .shared.photo_folder import THUMBNAIL, FolderPhoto, choose_photos, collect, draw_photos, folder_parser
from .shared.picture import Picture, output_folder, run_demo
from .shared.times import Times
from .zoom_site import PhotoMap, write_zoom_page

NAMES = ("grid_map",)
PAGE = "grid_map_zoom"  # the page, and the folder of its tiles
DRAWN = 240      # drawn shapes if there is no folder: 20 of each class
FEWEST = 12      # least number of photos of a map
LARGEST_FREE = 4096  # side of the map with t-SNE's positions, pixels
LARGE = {"large": "one cell for each", "positions": "at t-SNE's positions"}  # the maps in full size: NAME_WORD.png


def pictures(model: Model, gallery: Iterable[FolderPhoto] | None = None, layer: str | None = None,
             size: int | None = None, steps: int = 1000, seed: int = 0, executor: Executor | None = None,
             store: Store | None = None, language: str = "en") -> Iterator[Picture]:
    """Technique 6: yield the Picture of thumbnails at their t-SNE positions, and each in its own grid cell.

    Parameters
    ----------
    gallery : FolderPhotos, read one after another. By default, drawn shapes.
    size : side of a thumbnail, pixels. By default 64, or the side of the network's crop if that is less.
    steps : number of steps of t-SNE.
    executor, store : as for `collect`.
    language : of the page to zoom into, one of LANGUAGES; the figure stays English.
    """
    rng = np.random.default_rng(seed)
    times = Times()
    with times.measure("features of all photos"):
        found = collect(model, draw_photos(DRAWN, seed) if gallery is None else gallery, layer,
                        thumbnail=size or THUMBNAIL, executor=executor, store=store)
    N, size = len(found.names), size or found.thumbnails.shape[1]
    if N < FEWEST:
        raise InputError(f"a map needs at least {FEWEST} photos, not {N}")
    features = to_device(found.features, model.net.device)
    with times.measure("t-SNE"):
        positions = tsne(features, TsneSettings(min(30.0, (N - 1) / 3), steps), rng=rng)[0]
    columns = math.ceil(N**0.5)
    rows = -(-N // columns)
    with times.measure("grid"):
        cells = assign_to_grid(positions, rows, columns)
    sheet = grid_sheet(found.thumbnails, cells, rows, columns, size)
    side = min(2 * math.isqrt(N) * found.thumbnails.shape[1], LARGEST_FREE)
    free = thumbnail_map(found.thumbnails, positions, side)
    kind = "drawn shapes" if gallery is None else "photos"
    title = f"{model.name}: {N:,} {kind} by their {found.features.shape[1]} numbers at {found.layer}"
    page_title = named(title, model.name, [*sentences(source_of("zoom_page")), *VALUES], translation(language))
    photos = PhotoMap(page_title, found.layer, found.names, found.labels, found.thumbnails, cells, rows, columns,
                      positions, found.features)
    smooth = {"interpolation": "antialiased"}
    panels = [("positions by t-SNE", free, smooth), (f"one cell for each, {rows}x{columns}", sheet, smooth)]
    yield Picture(
        "grid_map", title, plot.show_panels(panels, title=title, size=7.0),
        np.stack(np.divmod(cells, columns), axis=1),
        "Images with similar features are close together. On the left, each is at its position by t-SNE, and some "
        "cover others. On the right, each has its own cell; the sum of the squared distances from the positions to the "
        "cells is as small as possible.",
        "Karpathy 2014, t-SNE visualization of CNN codes; van der Maaten and Hinton, Visualizing Data using t-SNE, "
        "JMLR 2008",
        [*check_grid(positions, cells, rows, columns, rng),
         *check_sheet(sheet, found.thumbnails, cells, rows, columns, size),
         *check_free_map(free, found.thumbnails, positions),
         *report_kept(found.features, np.array(found.labels) if found.labelled else None, positions,
                      pca(found.features, 2).positions)],
        {"layer": found.layer, "rows": rows, "columns": columns, "thumbnail": size, "steps": steps, "seed": seed,
         "names": found.names}, finished=dict(zip(LARGE, (sheet, free), strict=True)), times=times.seconds,
        page=lambda folder: write_zoom_page(folder, PAGE, photos, overwrite=True, language=language))


def run(arguments: Namespace) -> None:
    """Run the demo with the arguments of the command line, then write both large maps and their pages."""
    has_photos = bool(arguments.folder or arguments.photo_folder or fetched_photos())
    name = arguments.model or ("digits" if arguments.mnist else network_for(None, has_photos))
    model, line = choose_model(name, arguments.device)
    print(line)
    gallery, line = choose_photos(model, arguments, f"no folder given: {DRAWN} drawn shapes are on the map")
    print(line, end="\n" * bool(line))
    files = [f"{NAMES[0]}.png", f"{PAGE}.html", *(f"{NAMES[0]}_{word}.png" for word in LARGE)]
    arguments.out = output_folder(arguments.out, "pictures", files, arguments.overwrite)
    layer = model.net.find(arguments.layer) if arguments.layer else feature_layer(model.net)
    store = store_for(arguments.resume, model.net, layer)
    with executor_for(arguments.workers, arguments.cluster) as executor:
        run_demo(pictures(model, gallery, layer, arguments.thumbnail, arguments.steps, arguments.seed, executor, store,
                          arguments.lang),
                 model, arguments, NAMES)
    print(f"open {one_line(arguments.out / PAGE, 300)}.html to zoom into the map")


def parser() -> ArgumentParser:
    """Return the parser of the command line."""
    parser = folder_parser("zoom_page", __doc__)
    parser.add_argument("--thumbnail", type=positive_int, metavar="PIXELS",
                        help=f"side of a thumbnail in the grid (default: {THUMBNAIL})")
    parser.add_argument("--mnist", metavar="FOLDER", help="folder of MNIST, whose 10,000 test digits are mapped; the "
                        "default of --model is then `digits`")
    parser.add_argument("--steps", type=positive_int, default=1000, help="number of steps of t-SNE (default: 1000)")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help=LANGUAGE_HELP)
    return parser


if __name__ == "__main__":
    main(run, parser())
