"""The patches of many pictures that excite a channel most: minicnn patches [--photos FOLDER] [--layer NAME]

Without --photos, files and a folder of pictures can be given, too.
"""

import argparse
import os
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

from minicnn import images, plot
from minicnn.datasets.shapes import CLASSES, draw_shape
from minicnn.errors import InputError, one_line
from minicnn.receptive_field import receptive_field
from minicnn.visualize.grid import tile_images
from minicnn.visualize.units.patch_pictures import crop_patch, guided_patch, shrink_patch
from minicnn.visualize.units.patches import TopPatches, requested_channels, strongest_channels, top_patches
from minicnn.visualize.units.patches_check import Shown, check_patches

from .shared.command import demo_parser, main
from .shared.default_network import network_for
from .shared.executors import add_sweep_options, executor_for, store_for
from .shared.inputs import choose_model
from .shared.layers import feature_layers, usual_layer
from .shared.patch_sheet import sheet_of_channels
from .shared.photo_choice import add_photos_option, choose_folder, fetched_photos
from .shared.photo_files import find_photos, warn
from .shared.photo_folder import fit_photos
from .shared.picture import Picture, run_demo
from .shared.times import Times

NAMES = ("patches",)
TOP = 9
DRAWN, DRAWN_LARGE = 600, 150  # number of drawn shapes for a small network, and for a network of 224x224 pixels
LARGEST = 112  # largest side of a patch in the figure, in pixels
BATCH = 2**21  # numbers in a batch of inputs: 8 MB


class Source(NamedTuple):
    """A picture that can be loaded again: its name, and a function that returns it, uint8, of the network's size."""

    name: str
    load: Callable[[], np.ndarray]


class Found(NamedTuple):
    """The result of a search: the pictures that could be read, and the TopPatches of all channels.

    interrupted : whether Ctrl-C ended the search early.
    """

    sources: list[Source]
    best: TopPatches
    interrupted: bool


def pictures(model, photos, layer=None, channels=None, seed=0, rows=5, drawn=None, folder=None):
    """Technique 8 on Photos: yield the Picture of the patches. If the photos are few, drawn shapes are added.

    folder : FolderPhotos, or None. They are added to the photos.
    """
    sources = [Source(photo.name, partial(np.asarray, photo.image)) for photo in photos]
    sources += [Source(photo.name, partial(np.asarray, photo.image)) for photo in fit_photos(model, folder or ())]
    if len(sources) < TOP:
        sources += drawn_sources(model, drawn or drawn_count(model) // 3, seed)
    return picture_of_patches(model, sources, layer, channels, rows)


def picture_of_patches(model, sources, layer=None, channels=None, rows=8, workers=1, folder=None, cluster=None,
                       all_channels=False):
    """Technique 8 on Sources: yield the Picture of a row per channel, with its nine patches and their guided gradients.

    channels : by default, the `rows` strongest. workers, folder, cluster : of the search, see --help.
    all_channels : whether a sheet with the patches of all channels is a finished picture.
    """
    net, layer = model.net, model.net.find(layer or usual_layer(model.net))
    field = receptive_field(net, layer)
    if field is None:
        raise InputError(f"each neuron of {layer!r} depends on the whole picture; choose a layer with maps, such as "
                         f"{', '.join(feature_layers(net))}")
    channels = channels and requested_channels(net, layer, channels)
    store = store_for(folder, net, layer)
    times = Times()
    with times.measure("search of all channels"):
        found, best, interrupted = search(model, sources, layer, store, workers, cluster)
    finished = {}
    if all_channels:
        with times.measure("sheet of all channels"):
            finished["all_channels"] = sheet_of_channels(best, field, lambda number: found[number].load())
    searched = len(best.values)
    shown = channels or strongest_channels(best, rows, field, *2 * [model.preprocessing.crop])
    best = TopPatches(*(part[shown] for part in best))

    def load(number):
        return model.preprocessing.to_input(found[number].load())

    def colour(gradient):
        gradient = model.preprocessing.to_pixel_directions(gradient[None])[0]
        return plot.gradient_to_colours(shrink_patch(gradient, -(-field.size // LARGEST)))

    with times.measure("patches and gradients shown"):
        crops, guided, table = draw_patches(model, found, layer, field, shown, best, load)
    cropped, gradients = (part.reshape(len(shown), TOP, *part.shape[1:]) for part in (crops, guided))
    tiles = Shown(cropped, gradients, lambda number: found[number].load(), colour)
    count = f"{len(found):,} picture{'s' if len(found) != 1 else ''}"
    yield Picture(
        "patches", f"{layer}: the strongest patches in {count}" + (", interrupted" if interrupted else ""),
        two_sheets(crops, guided, shown), table_of_numbers(best),
        f"Each row is a channel of {layer}. Left: the {TOP} pictures with its largest activations, cut to the "
        f"receptive field of {field.size}x{field.size} pixels. Right: the pixels in the same patches that excite the "
        "neuron, by guided backprop. Pixels beyond the picture's edge are grey. A place is empty if no other picture "
        "activates the channel.",
        "Springenberg, Dosovitskiy, Brox and Riedmiller 2014 (arXiv:1412.6806), figure 3; Zeiler and Fergus 2014 "
        "(arXiv:1311.2901)",
        check_patches(net, layer, shown, best, len(found), load, tiles),
        {"layer": layer, "pictures": len(found), "channels searched": searched,
         "receptive_field": field._asdict(), "interrupted": interrupted,
         "patches": {str(channel): row for channel, row in zip(shown, table, strict=True)}},
        finished=finished, times=times.seconds)
    if interrupted:
        raise KeyboardInterrupt


def search(model, sources, layer, store, workers=1, cluster=None):
    """Search all sources, with a progress bar, and return the Found. Ctrl-C ends the search early, with its results."""
    read: list[Source] = []
    latest, interrupted = None, False
    with (executor_for(workers, cluster) as executor,
          tqdm(total=len(sources), desc=layer, unit="picture", leave=False, disable=None) as bar):
        def watch(best, seen):
            nonlocal latest
            latest = best, seen
            bar.update(seen - bar.n)
        try:
            top_patches(model.net, batches(model, sources, read), layer, TOP, executor=executor, store=store,
                        callback=watch, report=lambda first, problem: warn(f"from picture {first} on: {problem}"))
        except KeyboardInterrupt:
            if latest is None:
                raise
            interrupted = True
    assert latest is not None  # top_patches has raised InputError otherwise
    best, seen = latest
    return Found(read[:seen], best, interrupted)


def batches(model, sources, read):
    """Yield the sources as batches of inputs x.

    Sources that cannot be read are skipped with a warning. The others are appended to the list `read`.
    """
    size, batch = max(1, BATCH // int(np.prod(model.net.input_shape))), []
    for source in sources:
        try:
            batch.append(source.load())
        except InputError as problem:
            warn(f"skipped: {problem}")
            continue
        read.append(source)
        if len(batch) == min(size, 64):
            yield model.preprocessing.to_input(np.stack(batch))
            batch = []
    if batch:
        yield model.preprocessing.to_input(np.stack(batch))


def draw_patches(model, found, layer, field, channels, best, load):
    """Return (crops, guided gradients, origins), row by row; pictures are (channels * TOP, side, side, 3) in 0..1.

    If the receptive field is larger than LARGEST, the pictures are shrunk.
    """
    factor = -(-field.size // LARGEST)
    shape = (len(channels), TOP, field.size // factor, field.size // factor, 3)
    crops, guided = np.ones(shape, np.float32), np.ones(shape, np.float32)
    table: list[list[dict]] = [[] for _ in channels]
    for row, rank in np.ndindex(best.values.shape):
        value, number, y, x = (part[row, rank].item() for part in best)
        if value <= 0:  # the channel is not active, or there is no other picture
            continue
        crop = crop_patch(found[number].load(), field, y, x, channels_last=True).transpose(2, 0, 1)
        crops[row, rank] = shrink_patch(crop, factor).transpose(1, 2, 0) / 255
        gradient = guided_patch(model.net, load(number), layer, channels[row], (y, x), field)
        gradient = model.preprocessing.to_pixel_directions(gradient[None])[0]
        guided[row, rank] = plot.gradient_to_colours(shrink_patch(gradient, factor))
        table[row].append({"picture": found[number].name, "unit": (y, x), "activation": value})
    return crops.reshape(-1, *shape[2:]), guided.reshape(-1, *shape[2:]), table


def two_sheets(crops, guided, channels):
    """Return the figure: crops on the left, guided gradients on the right, with a row for each channel."""
    zoom, gap = max(1, round(80 / crops.shape[1])), 4
    step = crops.shape[1] * zoom + gap
    # Small patches are enlarged without smoothing, so that their pixels are visible. Large ones are smoothed.
    options = {"interpolation": "nearest" if zoom > 1 else "antialiased"}
    panels = [(caption, tile_images(tiles, TOP, gap, fill=1.0, zoom=zoom), options)
              for caption, tiles in (("strongest patches", crops), ("guided backprop", guided))]
    figure = plot.show_panels(panels, 2, size=TOP * max(step, 84) / 100)
    for row, channel in enumerate(channels):
        figure.axes[0].text(-8, (row + 0.5) * step, str(channel), ha="right", va="center", fontsize=9)
    return figure


def table_of_numbers(best):
    """Return (activation, number of the picture, y, x) of each patch, (channels, TOP, 4); 0, -1, -1, -1 for none."""
    values = np.where(best.images < 0, 0, best.values)
    return np.stack([values, best.images, best.ys, best.xs], axis=2).astype(np.float64)


def folder_sources(model, paths):
    """Return the Sources of files and of folders of files.

    Raises InputError if a path does not exist, and if a folder has no pictures.
    """
    files = [file for path in paths for file in ([path] if os.path.isfile(path) else find_photos(path))]
    return [Source(one_line(file), partial(read, model.preprocessing, file)) for file in files]


def read(preprocessing, file):
    """Return the picture of a file, resized and cropped to the network's input size."""
    return images.fit(images.load_image(file), preprocessing.resize, preprocessing.crop)


def drawn_sources(model, count, seed):
    """Return `count` Sources of drawn shapes, of the network's input size."""
    return [Source(f"{CLASSES[n % len(CLASSES)]} {n // len(CLASSES) + 1}", partial(draw, model, n, seed))
            for n in range(count)]


def draw(model, number, seed):
    """Return a drawn shape. It depends on the number and the seed only."""
    return draw_shape(number % len(CLASSES), np.random.default_rng([seed, number]), model.preprocessing.crop)[0]


def drawn_count(model):
    """Return the number of shapes to draw for a network."""
    return DRAWN if model.preprocessing.crop <= 64 else DRAWN_LARGE


def run(arguments):
    """Load the network, search the pictures, and save the result."""
    has_photos = arguments.photos or arguments.photo_folder or fetched_photos()
    model, reason = choose_model(network_for(arguments.model, bool(has_photos)), arguments.device)
    print(reason)
    count, line = drawn_count(model), ""
    if arguments.photos and arguments.photo_folder:
        raise InputError("give pictures or --photos FOLDER, not both")
    folder = None
    if not arguments.photos:
        folder, line = choose_folder(model, None, arguments.photo_folder,
                                     f"no folder of pictures given; drawing {count} shapes")
    print(line, end="\n" * bool(line))
    paths = arguments.photos or ([folder] if folder else [])
    sources = folder_sources(model, paths) if paths else drawn_sources(model, count, arguments.seed)
    run_demo(picture_of_patches(model, sources, arguments.layer, arguments.channels, workers=arguments.workers,
                                folder=arguments.resume, cluster=arguments.cluster, all_channels=len(sources) >= TOP),
             model, arguments, NAMES)


def channel_list(text):
    """Return [1, 5, 9] for the argument "1,5,9"."""
    if not all(part.strip().isdecimal() for part in text.split(",")):
        raise argparse.ArgumentTypeError(f"expected channels as in 1,5,9, not {text!r}")
    return [int(part) for part in text.split(",")]


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("patches", __doc__)
    add_photos_option(parser)
    parser.add_argument("--layer", help="a layer with maps (default: one of the last)")
    parser.add_argument("--channels", type=channel_list, metavar="1,5,9", help="the channels to show (default: the "
                        "eight strongest)")
    add_sweep_options(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
