"""The parts of many pictures that excite a channel most: python -m demos.patches [FOLDER] [--layer NAME]

FOLDER is a folder of pictures (or name files); without one, shapes are drawn.
"""

import argparse
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from demos.shared.command import demo_parser, main
from demos.shared.executors import add_sweep_options, executor_for, store_for
from demos.shared.inputs import choose_model
from demos.shared.layers import feature_layers
from demos.shared.photo_folder import find_photos, warn
from demos.shared.picture import Picture, run_demo
from minicnn import images, plot
from minicnn.datasets.shapes import CLASSES, draw_shape
from minicnn.errors import InputError
from minicnn.receptive_field import receptive_field
from minicnn.visualize.grid import tile_images
from minicnn.visualize.units.patches import (
    TopPatches,
    checked_channels,
    crop_patch,
    guided_patch,
    shrink_patch,
    strongest_channels,
    top_patches,
)
from minicnn.visualize.units.patches_check import check_patches

NAMES = ("patches",)
TOP = 9
DRAWN, DRAWN_LARGE = 600, 150  # how many shapes to draw for a small network, and for one of 224x224 pixels
LARGEST = 112  # pixels of a patch in the picture
BATCH = 2**21  # numbers of a batch of inputs: 8 MB


class Source(NamedTuple):
    """A picture that can be had again: its name, and what reads or draws it, uint8 of the network's size."""

    name: str
    load: Callable[[], np.ndarray]


class Found(NamedTuple):
    """What a sweep found: the pictures that could be read, the TopPatches of all channels, and whether it ended."""

    sources: list[Source]
    best: TopPatches
    interrupted: bool


def pictures(model, photos, layer=None, channels=None, seed=0, rows=5, drawn=None):
    """Technique 8 on Photos, and on drawn shapes where there are fewer than a row has."""
    sources = [Source(photo.name, lambda image=photo.image: image) for photo in photos]
    if len(sources) < TOP:
        sources += drawn_sources(model, drawn or drawn_count(model) // 3, seed)
    return picture_of_patches(model, sources, layer, channels, rows)


def picture_of_patches(model, sources, layer=None, channels=None, rows=8, workers=1, folder=None, cluster=None):
    """Technique 8 on Sources: a row a channel, its nine strongest patches and what in them drives it."""
    net, layer = model.net, model.net.find(layer or feature_layers(model.net)[-2])
    field = receptive_field(net, layer)
    if field is None:
        raise InputError(f"each neuron of {layer!r} sees the whole picture; choose a layer with maps, such as "
                         f"{', '.join(feature_layers(net))}")
    channels = channels and checked_channels(net, layer, channels)
    store = store_for(folder, net, layer)
    found, best, interrupted = search(model, sources, layer, store, workers, cluster)
    shown = channels or strongest_channels(best, rows, field, *2 * [model.preprocessing.crop])
    best = TopPatches(*(part[shown] for part in best))

    def load(number):
        return model.preprocessing.to_input(found[number].load())

    crops, guided, table = draw_patches(model, found, layer, field, shown, best, load)
    count = f"{len(found):,} picture{'s' if len(found) != 1 else ''}"
    yield Picture(
        "patches", f"{layer}: what excites its channels most in {count}" + (", interrupted" if interrupted else ""),
        two_sheets(crops, guided, shown), table_of_numbers(best),
        f"A row is a channel of {layer}: the {TOP} pictures that excite it most, cut to the {field.size}x{field.size} "
        "pixels that its neuron sees there, and the same patches as guided backprop shows them, with what drives the "
        "neuron and nothing else. Grey is beyond the picture's edge; a place is empty where a channel is silent.",
        "Springenberg, Dosovitskiy, Brox and Riedmiller 2014 (arXiv:1412.6806), figure 3; Zeiler and Fergus 2014 "
        "(arXiv:1311.2901)",
        check_patches(net, layer, shown, best, len(found), load),
        {"layer": layer, "pictures": len(found), "receptive_field": field._asdict(), "interrupted": interrupted,
         "patches": {str(channel): row for channel, row in zip(shown, table, strict=True)}})
    if interrupted:
        raise KeyboardInterrupt


def search(model, sources, layer, store, workers=1, cluster=None):
    """The Found, with a progress bar; Ctrl-C ends it early and keeps what was found so far."""
    read, latest, interrupted = [], None, False
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
    best, seen = latest
    return Found(read[:seen], best, interrupted)


def batches(model, sources, read):
    """The sources as inputs x, a batch at a time; those that cannot be read are skipped, the others put into `read`."""
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
    """For a row a channel: crops and guided pictures, (channels * TOP, side, side, 3) in 0..1, and their origins.

    A field of more pixels than LARGEST is shown smaller.
    """
    factor = -(-field.size // LARGEST)
    shape = (len(channels), TOP, field.size // factor, field.size // factor, 3)
    crops, guided, table = np.ones(shape, np.float32), np.ones(shape, np.float32), [[] for _ in channels]
    for row, rank in np.ndindex(best.values.shape):
        value, number, y, x = (part[row, rank].item() for part in best)
        if value <= 0:  # silent, or no picture left
            continue
        crop = crop_patch(found[number].load(), field, y, x, channels_last=True).transpose(2, 0, 1)
        crops[row, rank] = shrink_patch(crop, factor).transpose(1, 2, 0) / 255
        gradient = guided_patch(model.net, load(number), layer, channels[row], (y, x), field)
        gradient = model.preprocessing.to_pixel_directions(gradient[None])[0]
        guided[row, rank] = plot.gradient_to_colours(shrink_patch(gradient, factor))
        table[row].append({"picture": found[number].name, "unit": (y, x), "activation": value})
    return crops.reshape(-1, *shape[2:]), guided.reshape(-1, *shape[2:]), table


def two_sheets(crops, guided, channels):
    """The figure: crops to the left, guided pictures to the right, a row a channel."""
    zoom, gap = max(1, round(80 / crops.shape[1])), 4
    step = crops.shape[1] * zoom + gap
    # A patch of few pixels shows them; others are scaled to what fits into the figure, and smoothed.
    options = {"interpolation": "nearest" if zoom > 1 else "antialiased"}
    panels = [(caption, tile_images(tiles, TOP, gap, fill=1.0, zoom=zoom), options)
              for caption, tiles in (("strongest patches", crops), ("guided backprop", guided))]
    figure = plot.show_panels(panels, 2, size=TOP * max(step, 84) / 100)
    for row, channel in enumerate(channels):
        figure.axes[0].text(-8, (row + 0.5) * step, str(channel), ha="right", va="center", fontsize=9)
    return figure


def table_of_numbers(best):
    """(channels, TOP, 4): activation, number of the picture, y, x; 0, -1, -1, -1 where there is none."""
    values = np.where(best.images < 0, 0, best.values)
    return np.stack([values, best.images, best.ys, best.xs], axis=2).astype(np.float64)


def folder_sources(model, paths):
    """The Sources of files and of folders of files; InputError for a path that leads nowhere, and for a folder without
    pictures."""
    for path in paths:
        if not os.path.exists(path):
            raise InputError(f"{path}: there is no such file or folder")
    files = [file for path in paths for file in (find_photos(path) if Path(path).is_dir() else [path])]
    return [Source(str(file), partial(read, model.preprocessing, file)) for file in files]


def read(preprocessing, file):
    """A picture file, cropped as the network wants it."""
    return images.fit(images.load_image(file), preprocessing.resize, preprocessing.crop)


def drawn_sources(model, count, seed):
    """`count` Sources of drawn shapes, as large as the network's input."""
    return [Source(f"{CLASSES[n % len(CLASSES)]} {n // len(CLASSES) + 1}", partial(draw, model, n, seed))
            for n in range(count)]


def draw(model, number, seed):
    """One drawn shape; the same number and seed, the same shape."""
    return draw_shape(number % len(CLASSES), np.random.default_rng([seed, number]), model.preprocessing.crop)[0]


def drawn_count(model):
    """How many shapes to draw for a network."""
    return DRAWN if model.preprocessing.crop <= 64 else DRAWN_LARGE


def run(arguments):
    """Load, search, save."""
    model, said = choose_model(arguments.model, arguments.device)
    print(said)
    if arguments.photos:
        sources = folder_sources(model, arguments.photos)
    else:
        sources = drawn_sources(model, drawn_count(model), arguments.seed)
        print(f"no folder of pictures given: {len(sources)} shapes are drawn"
              + ("" if model.name == "shapes" else f", which {model.name} was not trained on; it shows more on photos: "
                 "python -m demos.patches FOLDER"))
    run_demo(picture_of_patches(model, sources, arguments.layer, arguments.channels, workers=arguments.workers,
                                folder=arguments.resume, cluster=arguments.cluster), model, arguments, NAMES)


def channel_list(text):
    """Channels with commas between, for argparse."""
    if not all(part.strip().isdecimal() for part in text.split(",")):
        raise argparse.ArgumentTypeError(f"expected channels as in 1,5,9, not {text!r}")
    return [int(part) for part in text.split(",")]


def parser():
    """The command line."""
    parser = demo_parser("patches", __doc__)
    parser.add_argument("--layer", help="any layer with maps")
    parser.add_argument("--channels", type=channel_list, metavar="1,5,9", help="left out, the eight strongest")
    add_sweep_options(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
