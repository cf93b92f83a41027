"""A map of the things that a layer finds in many photos, drawn by the network: minicnn atlas [--photos FOLDER]"""

import json
import textwrap
from dataclasses import asdict, replace
from itertools import islice

import numpy as np
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from minicnn import plot
from minicnn.errors import InputError
from minicnn.files import replacing
from minicnn.visualize.synthesis.activation_vectors import ActivationVectors, merged, sample_vectors
from minicnn.visualize.synthesis.atlas import ATLAS_PRESETS, DRAWINGS, activation_atlas, atlas_cells, atlas_positions
from minicnn.visualize.synthesis.atlas_check import check_atlas, check_attributions
from minicnn.visualize.synthesis.directions import direction_view

from .semantic_grid import add_direction_options
from .shared.command import demo_parser, main, positive_int
from .shared.inputs import choose_model, short_label
from .shared.long_run import Watch, add_long_run_options, add_presets, chosen_settings, long_run
from .shared.photo_choice import add_photos_option, choose_folder
from .shared.photo_folder import BATCH, draw_photos, fit_photos, read_photos
from .shared.picture import Picture, demo_folder, run_demo
from .shared.tile_sheet import parts_layer, tile_sheet

NAMES = ("atlas",)
DRAWN, GALLERY = 600, 240  # drawn shapes: without photos, and in the gallery
MOST = 2000     # photos of a folder
FEWEST = 100    # photos of a folder in the gallery
CHECKED = 4     # photos whose attributions are computed again
CELL = 1.1      # side of a cell in the figure, inches
LETTERS = 18    # of a label, in the width of a cell


def gallery_pictures(model, folder=None, seed=0):
    """Yield the Picture for the gallery: of the photos of a folder, or of drawn shapes, with few cells."""
    settings = replace(DRAWINGS, cells=6, tsne_steps=250, directions=replace(DRAWINGS.directions, num_steps=64))
    folder = folder if len(folder or ()) >= FEWEST else draw_photos(GALLERY, seed)
    return pictures(model, folder, settings=settings, seed=seed, per_photo=3)


def pictures(model, photos, layer=None, settings=DRAWINGS, size=None, seed=0, per_photo=1, run=None):
    """Technique 33: yield the Picture of the activation atlas of FolderPhotos, which are read one after another.

    layer : by default, see `parts_layer`. size : the side of the tiles, pixels. per_photo : vectors of each photo.
    run : the LongRun that saves the map and the tiles, or None.
    """
    net = model.net
    layer = net.find(layer or parts_layer(net))
    samples, positions, checks = kept_map(run, lambda: collect_and_map(model, photos, layer, settings, seed, per_photo))
    cells = atlas_cells(samples, positions, settings)
    batches = -(-int(cells.vectors.any(axis=1).sum()) // settings.directions.batch)
    watch = Watch(f"{layer}: {len(cells.vectors)} tiles", max(1, batches) * settings.directions.num_steps,
                  ("direction", "L2"), np.zeros((1, *net.input_shape), np.float32), run=run, part="tiles",
                  to_image=lambda x: model.preprocessing.to_images(x)[0])
    with watch:
        atlas = activation_atlas(net, samples, layer, model.preprocessing, settings, rng=seed, size=size,
                                 positions=positions, callback=watch, checkpoint=watch.checkpoint)
    watch.end()
    count, shown = int(samples.photos.max()) + 1, len(cells.vectors)
    sheet = sheet_of(model, atlas, settings)
    yield Picture(
        "atlas", f"{model.name}: atlas of {layer}, {len(samples.vectors):,} vectors of {count:,} photos",
        draw(model, atlas, sheet, settings), atlas.images,
        f"{len(samples.vectors):,} activation vectors at random places of {count:,} photos were laid out by t-SNE, "
        f"so that similar ones are near. Each of the {shown} tiles is drawn by the network for the mean vector of its "
        "cell. How to read it: neighbouring tiles show similar things. Small tiles stand for few vectors. The "
        "word below a tile is the class that its vectors support most, to first order.",
        "Carter et al. 2019, Activation Atlas (https://distill.pub/2019/activation-atlas)",
        [*check_atlas(net, layer, samples, atlas, model.preprocessing, settings, np.random.default_rng([seed, 33])),
         *checks],
        {"photos": count, "vectors": len(samples.vectors), "layer": layer, "size": int(atlas.images.shape[-1]),
         "seed": seed, "per_photo": per_photo, "cells shown": shown,
         "labels": [label_of(model, row) for row in cells.attributions]} | asdict(settings),
        atlas.history[:settings.directions.num_steps], {"tiles": sheet})
    if run is not None:
        run.finish()


def collect_and_map(model, photos, layer, settings, seed, per_photo):
    """Return (ActivationVectors of the photos, their positions on the map, the Checks of the attributions)."""
    rng, parts, checks = np.random.default_rng([seed, 1]), [], []
    fitted = fit_photos(model, photos)
    while batch := list(islice(fitted, BATCH)):
        x = model.preprocessing.to_input(np.stack([photo.image for photo in batch]))
        parts.append(sample_vectors(model.net, x, layer, rng=rng, per_photo=per_photo))
        if len(parts) == 1:
            few = parts[0].photos < CHECKED
            checks = check_attributions(model.net, layer, x[:CHECKED],
                                        ActivationVectors(*(column[few] for column in parts[0])))
    if not parts:
        raise InputError("there are no photos to make an atlas of")
    samples = merged(parts)
    with tqdm(total=settings.tsne_steps, desc="t-SNE", unit="step", leave=False, disable=None) as bar:
        positions = atlas_positions(samples.vectors, settings, rng=np.random.default_rng([seed, 2]),
                                    callback=lambda step, *_: bar.update(step - bar.n) and None)
    return samples, positions, checks


def kept_map(run, compute):
    """Return the result of `compute`, which a LongRun keeps: a resumed run does not read the photos again."""
    if run is None:
        return compute()
    path, settings = run.folder / f"{run.name}_state_map.npz", json.dumps(run.settings, sort_keys=True)
    if run.resume and path.exists():
        try:
            with np.load(path, allow_pickle=False) as file:
                kept, stored, checks = str(file["settings"]), [file[f"a{n}"] for n in range(6)], str(file["checks"])
        except Exception:  # zip, zlib and NumPy have errors of their own
            raise InputError(f"cannot continue from {path}: the file is damaged; start again without it") from None
        if kept != settings:
            raise InputError(f"{path} was saved by another run; give the same options, or --overwrite")
        return ActivationVectors(*stored[:5]), stored[5], [check_of(row) for row in json.loads(checks)]
    samples, positions, checks = compute()
    arrays = {f"a{n}": array for n, array in enumerate([*samples, positions])}
    run.folder.mkdir(parents=True, exist_ok=True)
    with replacing(path, overwrite=True) as temporary, open(temporary, "wb") as file:
        np.savez(file, settings=np.asarray(settings), checks=np.asarray(json.dumps(checks)), **arrays)
    return samples, positions, checks


def check_of(row):
    """Return the Check that a file holds as a list."""
    from minicnn.visualize.check import Check
    return Check(*row)


def label_of(model, attributions):
    """Return the name of the class with the largest attribution; "" for a network without class scores."""
    return short_label(model, int(attributions.argmax())) if len(attributions) else ""


def sheet_of(model, atlas, settings):
    """Return the tiles in their cells, each sized by the number of its vectors, uint8."""
    counts = atlas.cells.counts
    return tile_sheet(model.preprocessing.to_images(atlas.images), atlas.cells.rows, atlas.cells.columns,
                      (settings.cells, settings.cells), np.clip((counts / np.percentile(counts, 75)) ** 0.5, 0.45, 1.0))


def draw(model, atlas, sheet, settings):
    """Return the figure: the sheet with the class below each tile."""
    side, cells = atlas.images.shape[-1], atlas.cells
    top, bottom, left, right = cells.rows.min(), cells.rows.max() + 1, cells.columns.min(), cells.columns.max() + 1
    figure = Figure(figsize=(CELL * (right - left), CELL * (bottom - top)), layout="constrained")
    axis = figure.subplots()
    axis.imshow(sheet[top * side:bottom * side, left * side:right * side], interpolation="antialiased")
    for row, column, attributions in zip(cells.rows - top, cells.columns - left, cells.attributions, strict=True):
        label = textwrap.fill(label_of(model, attributions), LETTERS)
        axis.text((column + 0.5) * side, (row + 0.99) * side, label, ha="center", va="bottom",
                  fontsize=6.5, color="black",
                  bbox={"facecolor": "white", "alpha": 0.75, "pad": 0.8, "linewidth": 0})
    plot.hide_axes(axis)
    return plot.plain_text(figure)


def run(arguments):
    """Load the network and the photos, draw the atlas, and save the picture."""
    model, reason = choose_model(arguments.model, arguments.device)
    print(reason)
    source, line = choose_folder(model, None, arguments.photo_folder, f"{DRAWN} drawn shapes are used")
    print(line, end="\n" * bool(line))
    arguments.preset = arguments.preset or ("drawings" if source is None else "atlas")
    settings = chosen_settings(arguments, ATLAS_PRESETS)
    given = {name: value for name in ("num_steps", "power") if (value := getattr(arguments, name)) is not None}
    settings = replace(settings, directions=replace(settings.directions, **given))
    layer = model.net.find(arguments.layer or parts_layer(model.net))
    size = direction_view(model.net, layer, arguments.size)[0]
    folder = demo_folder(arguments, NAMES)
    settings_kept = asdict(settings)
    del settings_kept["directions"]["num_steps"]
    run = long_run(arguments, folder, NAMES[0], model,
                   {"photos": str(source), "most": arguments.count, "layer": layer, "size": size,
                    "per_photo": arguments.per_photo, "seed": arguments.seed, "settings": settings_kept})
    photos = draw_photos(min(arguments.count, DRAWN), arguments.seed) if source is None \
        else read_photos(source, most=arguments.count)
    run_demo(pictures(model, photos, layer, settings, size, arguments.seed, arguments.per_photo, run), model, arguments,
             NAMES, folder)


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("atlas", __doc__, photos=False)
    add_photos_option(parser)
    parser.add_argument("--count", type=positive_int, default=MOST, metavar="N",
                        help=f"largest number of photos, spread evenly over the folder (default: {MOST})")
    parser.add_argument("--per-photo", type=positive_int, default=1, metavar="N",
                        help="number of random places of each photo (default: 1, as in the paper)")
    parser.add_argument("--cells", type=positive_int, metavar="N", help="number of rows, and of columns "
                        "(default: the preset's)")
    parser.add_argument("--least", type=positive_int, metavar="N",
                        help="smallest number of vectors of a cell with a tile (default: the preset's)")
    add_direction_options(parser)
    add_presets(parser, ATLAS_PRESETS, None)
    add_long_run_options(parser, 64)
    return parser


if __name__ == "__main__":
    main(run, parser())
