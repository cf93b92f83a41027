"""A photo as a layer sees it: a picture for each place: minicnn semantic_grid [PHOTO] [--layer NAME]"""

from dataclasses import asdict, replace
from itertools import islice

import numpy as np

from minicnn import plot
from minicnn.backend import to_device, to_host
from minicnn.visualize.entry import require_maps
from minicnn.visualize.synthesis.directions import DIRECTION_PRESETS, TILES, direction_view
from minicnn.visualize.synthesis.directions_check import (
    check_directions,
    check_first_direction,
    kept_direction_steps,
    strongest_cosines,
)
from minicnn.visualize.synthesis.semantic_grid import grid_vectors, magnitudes, semantic_grid

from .shared.command import demo_parser, main, natural_number, positive_int
from .shared.inputs import caption, choose_model, load_photos
from .shared.long_run import Watch, add_long_run_options, add_presets, chosen_settings, digest, long_run
from .shared.photo_choice import add_photos_option, choose_folder
from .shared.photo_folder import draw_photos, fit_photos, read_photos
from .shared.picture import Picture, demo_folder, run_demo
from .shared.tile_sheet import parts_layer, tile_sheet

NAMES = ("semantic_grid",)
CELLS, GALLERY = 7, 5  # rows and columns by default, and in the gallery
GALLERY_STEPS = 64     # of its tiles; after more, they change little
NATURAL = 40           # other photos whose patches the tiles are compared with


def gallery_pictures(model, photos, folder=None, seed=0):
    """Yield the Picture for the gallery, of fewer tiles and steps, to save time."""
    return pictures(model, photos[0], cells=GALLERY, settings=replace(TILES, num_steps=GALLERY_STEPS), seed=seed,
                    others=folder)


def pictures(model, photo, layer=None, cells=CELLS, settings=TILES, size=None, seed=0, others=None, run=None):
    """Technique 33: yield the Picture of a photo's semantic grid.

    photo : a Photo. layer : by default, see `parts_layer`. cells : the largest number of rows and columns. size : the
    side of the tiles, pixels. others : FolderPhotos whose patches the tiles are compared with; by default drawn shapes.
    run : the LongRun that saves the tiles, or None.
    """
    net = model.net
    layer = net.find(layer or parts_layer(net))
    require_maps(layer, net.shapes()[layer])
    vectors = grid_vectors(net, photo.x, layer, cells)[2]
    count = -(-int(vectors.any(axis=2).sum()) // settings.batch)
    watch = Watch(f"{layer}: {vectors.shape[0]}x{vectors.shape[1]} tiles", max(1, count) * settings.num_steps,
                  ("direction", "L2"), photo.x, run=run, to_image=lambda x: model.preprocessing.to_images(x)[0],
                  frames=kept_direction_steps(net, settings))
    with watch:
        grid = semantic_grid(net, photo.x, layer, model.preprocessing, settings, rng=seed, cells=cells, size=size,
                             callback=watch, checkpoint=watch.checkpoint)
    watch.end()
    rows, columns, channels = grid.vectors.shape
    flat = grid.vectors.reshape(-1, channels)
    tiles = grid.images.reshape(rows * columns, *grid.images.shape[2:])
    rng = np.random.default_rng([seed, 33])
    first = tiles[int(flat.any(axis=1).argmax())]
    checks = [*check_directions(net, layer, photo_vectors(model, photo, layer, grid.ys, grid.xs), tiles,
                                natural_cosines(model, layer, flat, photo, others), model.preprocessing,
                                settings.everywhere, rng, (rows, columns), settings.num_steps),
              *check_first_direction(net, layer, flat, first, model.preprocessing, settings, watch.frames, seed)]
    sheets = sheets_of(model, grid)
    side = tiles.shape[-1]
    yield Picture(
        "semantic_grid", f"{model.name}: {caption(model, photo)}, as {layer} sees it", plot.show_panels(
            [(caption(model, photo), photo.image), (f"{rows}x{columns} places of {layer}, each drawn by the network",
                                                    sheets["grid"]),
             ("sized by the length of the activation vector", sheets["sized"])], size=5.0), grid.images,
        f"Each tile stands for a place in the photo. It is a picture that was made from noise, so that its activations "
        f"at {layer} point the same way as those at this place. How to read it: a tile shows the thing that the "
        "network finds there, such as an eye, fur or sky, not the pixels. Places with similar tiles are the same to "
        "the layer. On the right, large tiles are places with strong activations.",
        "Olah et al. 2018, The Building Blocks of Interpretability (https://distill.pub/2018/building-blocks), section "
        "What Does the Network See?", checks,
        {"photo": photo.name, "layer": layer, "cells": [rows, columns], "size": side, "seed": seed,
         "magnitudes": np.round(magnitudes(grid.vectors), 4).tolist()} | asdict(settings),
        grid.history[:settings.num_steps], sheets)
    if run is not None:
        run.finish()


def photo_vectors(model, photo, layer, ys, xs):
    """Return the photo's activation vectors at rows ys and columns xs, (R K, D), by a pass of their own for the checks.
    """
    out = to_host(model.net.predict(to_device(photo.x, model.net.device), layer))[0]
    return np.array([out[:, y, x] for y in ys.tolist() for x in xs.tolist()])


def natural_cosines(model, layer, vectors, photo, others):
    """Return the largest cosine of a patch of other photos with each of the vectors, (N,)."""
    chosen = list(others) if others else list(draw_photos(NATURAL, 0))
    chosen = chosen[::max(1, len(chosen) // NATURAL)][:NATURAL]
    best = np.full(len(vectors), -1.0)
    for other in fit_photos(model, chosen):
        if other.image.shape == photo.image.shape and (other.image == photo.image).all():
            continue
        out = to_host(model.net.predict(to_device(model.preprocessing.to_input(other.image), model.net.device), layer))
        best = np.maximum(best, strongest_cosines(vectors, out[0].reshape(out.shape[1], -1).T))
    return best if (best > -1).any() else np.zeros(0)


def sheets_of(model, grid):
    """Return {"grid": all tiles side by side, "sized": each sized by the length of its vector}, uint8."""
    rows, columns = grid.vectors.shape[:2]
    pictures = model.preprocessing.to_images(grid.images.reshape(rows * columns, *grid.images.shape[2:]))
    ys, xs = (place.reshape(-1) for place in np.indices((rows, columns)))
    return {"grid": tile_sheet(pictures, ys, xs, (rows, columns)),
            "sized": tile_sheet(pictures, ys, xs, (rows, columns), magnitudes(grid.vectors).reshape(-1))}


def run(arguments):
    """Load the network and the photo, draw the tiles, and save the picture."""
    model, reason = choose_model(arguments.model, arguments.device)
    print(reason)
    photo = load_photos(model, arguments.photos[:1], arguments.seed)[0]
    settings = chosen_settings(arguments, DIRECTION_PRESETS)
    layer = model.net.find(arguments.layer or parts_layer(model.net))
    size = direction_view(model.net, layer, arguments.size)[0]
    folder = demo_folder(arguments, NAMES)
    source, line = choose_folder(model, None, arguments.photo_folder, "the tiles are compared with drawn shapes")
    print(line, end="\n" * bool(line))
    others = None if source is None else list(islice(read_photos(source, most=NATURAL), NATURAL))
    run = long_run(arguments, folder, NAMES[0], model, {"photo": digest(photo.image), "layer": layer, "size": size,
                                                        "cells": arguments.cells, "seed": arguments.seed}
                   | {key: value for key, value in asdict(settings).items() if key != "num_steps"})
    run_demo(pictures(model, photo, layer, arguments.cells, settings, size, arguments.seed, others, run), model,
             arguments, NAMES, folder)


def add_direction_options(parser):
    """Add the options of DirectionSettings, --size and --layer."""
    parser.add_argument("--layer", metavar="NAME", help="layer with maps (default: the deepest one that sees at most "
                        "two thirds of the picture)")
    parser.add_argument("--size", type=positive_int, metavar="PIXELS", help="side of a tile (default: the receptive "
                        "field)")
    parser.add_argument("--steps", dest="num_steps", type=positive_int, metavar="N",
                        help="steps of each tile (default: the preset's, 128)")
    parser.add_argument("--power", type=natural_number, metavar="K", help="exponent of the cosine in the objective; 0: "
                        "the dot product alone (default: the preset's, 2)")


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("semantic_grid", __doc__)
    add_photos_option(parser)
    parser.add_argument("--cells", type=positive_int, default=CELLS, metavar="N",
                        help=f"largest number of rows and columns (default: {CELLS})")
    add_direction_options(parser)
    add_presets(parser, DIRECTION_PRESETS, "tiles")
    add_long_run_options(parser, 64)
    return parser


if __name__ == "__main__":
    main(run, parser())
