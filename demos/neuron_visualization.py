"""What a neuron, a channel or a whole layer likes best: python -m demos.neuron_visualization [FOLDER] --layer NAME

With --grid a row a layer, a neuron of each channel in it. What the images reach is compared with what the pictures of
the folder do, which are drawn shapes where none is given.
"""

from typing import NamedTuple

import numpy as np

from demos.patches import batches, channel_list, drawn_count, drawn_sources, folder_sources
from demos.shared.ascent_options import add_ascent_options, amplified
from demos.shared.command import demo_parser, main, positive_int
from demos.shared.inputs import choose_model, warn_about_memory
from demos.shared.layers import feature_layers
from demos.shared.long_run import Watch, add_long_run_options, chosen_settings, long_run
from demos.shared.picture import Picture, demo_folder, run_demo
from minicnn import plot
from minicnn.backend import to_device, to_host
from minicnn.errors import InputError, unknown_name
from minicnn.visualize.check import Check
from minicnn.visualize.grid import tile_images
from minicnn.visualize.synthesis.ascent import (
    NEURON_PRESETS,
    channel_visualization,
    layer_visualization,
    neuron_view,
    neuron_visualization,
)
from minicnn.visualize.synthesis.ascent_check import (
    away_from_padding,
    check_excitement,
    check_field,
    excitement,
    rank_in_layer,
)

NAMES = ("neuron_visualization",)
GRID_NAMES = ("neuron_grid",)
KINDS = ("neuron", "channel", "layer")
TILE = 96  # pixels that an image of the grid is enlarged to, by whole factors


class Row(NamedTuple):
    """The images of one layer: which channels, who watched, (N, C, size, size), and the neuron's place in the map."""

    layer: str
    channels: list
    watch: Watch
    position: tuple | None


def pictures(model, sources, kind="neuron", layer=None, channels=None, position=None, size=None, seed=0, settings=None,
             run=None):
    """Technique 17, one layer. channels : as many images; the layer's strongest on the sources, unless given."""
    layer = model.net.find(layer or feature_layers(model.net)[-2])
    settings = settings or NEURON_PRESETS[default_preset(kind)]
    natural = natural_excitement(model, sources, layer, kind)
    if kind == "layer":
        channels = [0]
    elif not channels:
        channels = strongest(natural if kind == "neuron" else natural_excitement(model, sources, layer, "neuron"), 4)
    row = ascend(model, kind, layer, channels, position, size, seed, settings, run)
    panels = [amplified(model, kind if kind == "layer" else f"{kind} {channel}", image[None])
              for channel, image in zip(channels, row.watch.image, strict=True)]
    side = row.watch.image.shape[2]
    title = f"{model.name}, {layer}: {side}x{side} pixels" + (", stopped" if row.watch.stopped else "")
    yield Picture(
        "neuron_visualization", title, plot.show_panels(panels, min(4, len(panels)), title), row.watch.image,
        f"Each image began as noise and was changed until it excited its {kind} of {layer} as much as could be. A "
        "neuron's image is as large as what it sees; a channel is all the neurons that look for one thing.",
        "Yosinski et al. 2015 (arXiv:1506.06579), figure 4; Erhan et al. 2009",
        checks_of(model, kind, row, natural, seed),
        {"kind": kind, "layer": layer, "channels": channels, "position": row.position, "size": side, "seed": seed,
         "pictures": len(natural)} | settings, row.watch.history)
    if run is not None:
        run.finish(row.watch.stopped)


def grid_pictures(model, sources, layers=None, columns=8, seed=0, settings=None, run=None):
    """Technique 17, a row a layer: a neuron of each of the channels that the sources excite most."""
    settings = settings or NEURON_PRESETS["neuron"]
    layers = [model.net.find(layer) for layer in layers or feature_layers(model.net)]
    rows, checks, stopped = [], [], None
    for layer in layers:
        natural = natural_excitement(model, sources, layer, "neuron")
        rows.append(ascend(model, "neuron", layer, strongest(natural, columns), None, None, seed, settings, run))
        stopped = rows[-1].watch.stopped
        if stopped is not None:
            break
        checks += checks_of(model, "neuron", rows[-1], natural, seed)
    sheets, captions = [], []
    for row in rows:
        images = model.preprocessing.to_images(row.watch.image)
        zoom = max(1, round(TILE / images.shape[1]))
        sheets.append(tile_images(images, columns, gap=3, fill=255, zoom=zoom))
        captions.append(f"{row.layer}: {images.shape[1]}x{images.shape[1]} pixels")
    title = f"{model.name}: neurons of {len(rows)} layer{'s' * (len(rows) > 1)}" + (", stopped" if stopped else "")
    figure = plot.show_rows(list(zip(captions, sheets, strict=True)), 9.0, title=title, interpolation="antialiased")
    yield Picture(
        "neuron_grid", title, figure,
        padded([row.watch.image for row in rows]),
        "A row is a layer, deeper from row to row; each image was made, from noise, to excite one neuron of it, and is "
        "as large as what that neuron sees: edges and colours first, then textures, then parts of things.",
        "Yosinski et al. 2015 (arXiv:1506.06579), figure 4", checks,
        {"layers": layers, "channels": {row.layer: row.channels for row in rows}, "seed": seed} | settings,
        rows[-1].watch.history)
    if run is not None:
        run.finish(stopped)


def gallery_pictures(model, seed=0):
    """The grid as the gallery has it: layers whose neurons see a small part of the picture, and few drawn shapes."""
    largest = min(64, model.net.input_shape[1] - 1)
    layers = [layer for layer in feature_layers(model.net) if neuron_view(model.net, layer)[0] <= largest]
    yield from grid_pictures(model, drawn_sources(model, min(60, drawn_count(model)), seed), layers, seed=seed)


def padded(batches):
    """All images in one array, (N, C, H, W), each in the upper left corner of a place as large as the largest."""
    whole = np.zeros((sum(map(len, batches)), *max(batch.shape[1:] for batch in batches)), np.float32)
    places = iter(whole)
    for image in (image for batch in batches for image in batch):
        next(places)[:, :image.shape[1], :image.shape[2]] = image
    return whole


def ascend(model, kind, layer, channels, position, size, seed, settings, run):
    """The Row of one layer; Ctrl-C ends it early and keeps the images so far."""
    net = model.net
    side, position = neuron_view(net, layer, size, position) if kind == "neuron" else (size or net.input_shape[1], None)
    warn_about_memory(net.trunk(layer), (len(channels), net.input_shape[0], side, side))
    nothing = np.zeros((len(channels), net.input_shape[0], side, side), np.float32)
    watch = Watch(layer, settings["num_steps"], (kind, "L2"), nothing, run=run,
                  to_image=lambda images: tile_images(model.preprocessing.to_images(images)))
    common = {"rng": np.random.default_rng([seed, *layer.encode()]), "size": side, "callback": watch,
              "checkpoint": run and run.checkpoint(layer)} | settings
    with watch:
        if kind == "layer":
            result = layer_visualization(net, layer, model.preprocessing, **common)
        elif kind == "channel":
            result = channel_visualization(net, layer, channels, model.preprocessing, **common)
        else:
            result = neuron_visualization(net, layer, channels, model.preprocessing, position=position, **common)
        watch.latest, watch.history = result  # whole, also where it went on from a state
    return Row(layer, channels, watch, position)


def checks_of(model, kind, row, natural, seed):
    """What proves the images of one layer, as 8-bit pictures."""
    x = model.preprocessing.to_input(model.preprocessing.to_images(row.watch.image))
    out = to_host(model.net.predict(to_device(x, model.net.device), row.layer))
    if kind == "neuron":
        place = row.position or ()
        values = np.array([out[(n, channel, *place)] for n, channel in enumerate(row.channels)])
        ranks = [rank_in_layer(out[n], channel, row.position) for n, channel in enumerate(row.channels)]
    else:
        values = excitement(kind, out)[range(len(out)), row.channels]
    checks = check_excitement(kind, row.layer, values, natural[:, row.channels])
    if kind == "neuron":
        checks += check_field(model.net, row.layer, row.channels[0], np.random.default_rng(seed))
        checks.append(Check(f"{row.layer}: images whose neuron is the most active of the layer", ranks.count(1),
                            f"reported, of {len(ranks)}", True))
    return checks


def natural_excitement(model, sources, layer, kind):
    """What the layer answers to the sources: (M, channels), or (M, 1) for a whole layer."""
    found = []
    for x in batches(model, sources, []):
        out = to_host(model.net.predict(to_device(x, model.net.device), layer))
        found.append(excitement(kind, away_from_padding(model.net, layer, out) if kind == "neuron" else out))
    if not found:
        raise InputError("none of the pictures could be used")
    return np.concatenate(found)


def strongest(natural, count):
    """The channels that the pictures excite most on the average."""
    return np.argsort(-natural.mean(axis=0), kind="stable")[:count].tolist()


def default_preset(kind):
    """What a neuron does not see keeps its noise; a whole map sees everything, and needs noise to be awake."""
    return "neuron" if kind == "neuron" else "cs231n"


def sources_for(model, paths, seed=0):
    """The pictures to compare with: those of the user, or drawn shapes."""
    return folder_sources(model, paths) if paths else drawn_sources(model, drawn_count(model) // 3, seed)


def run(arguments):
    """Load, optimise, save."""
    model, said = choose_model(arguments.model, arguments.device)
    print(said)
    if arguments.kind not in KINDS:
        raise unknown_name("kind", arguments.kind, KINDS)
    arguments.preset = arguments.preset or default_preset(arguments.kind)
    settings = chosen_settings(arguments, NEURON_PRESETS)
    if arguments.grid and (arguments.channels or arguments.position or arguments.kind != "neuron"):
        raise InputError("--grid chooses neurons itself: leave out --channels, --position and --kind")
    if arguments.kind != "neuron" and arguments.position or arguments.kind == "layer" and arguments.channels:
        raise InputError(f"a {arguments.kind} has no place of its own: leave out --position" if arguments.position else
                         "a layer is shown as a whole: leave out --channels, or give --kind channel")
    if arguments.grid and arguments.size:
        raise InputError("--grid makes images as large as what the neurons see: leave out --size")
    names = GRID_NAMES if arguments.grid else NAMES
    folder = demo_folder(arguments, names)
    sources = sources_for(model, arguments.photos, arguments.seed)
    layers = arguments.layer.split(",") if arguments.layer else None
    if layers and len(layers) > 1 and not arguments.grid:
        raise InputError("one layer at a time, or --grid")
    if layers and "input" in layers:
        raise InputError("'input' is the picture itself, not a layer; choose another")
    run = long_run(arguments, folder, names[0], model, {
        "seed": arguments.seed, "layer": arguments.layer, "channels": arguments.channels, "kind": arguments.kind,
        "position": arguments.position, "size": arguments.size}
        | {key: value for key, value in settings.items() if key != "num_steps"})
    if arguments.grid:
        made = grid_pictures(model, sources, layers, arguments.columns, arguments.seed, settings, run)
    else:
        made = pictures(model, sources, arguments.kind, layers and layers[0], arguments.channels,
                        arguments.position and tuple(arguments.position), arguments.size, arguments.seed, settings, run)
    run_demo(made, model, arguments, names, folder)


def parser():
    """The command line."""
    parser = demo_parser("neuron_visualization", __doc__)
    parser.add_argument("--layer", help="any layer; with --grid, several with commas between")
    parser.add_argument("--kind", default="neuron", help="neuron (default), channel or layer")
    parser.add_argument("--channels", type=channel_list, metavar="1,5,9", help="an image each; left out, four that the "
                        "pictures excite strongly")
    parser.add_argument("--position", type=int, nargs=2, metavar=("Y", "X"), help="left out, the centre")
    parser.add_argument("--size", type=positive_int, help="side of the image in pixels; left out, what the neuron sees")
    parser.add_argument("--grid", action="store_true", help="a row a layer")
    parser.add_argument("--columns", type=positive_int, default=8, help="images a row of the grid (default 8)")
    add_ascent_options(parser, NEURON_PRESETS, "neuron; cs231n for channels and layers")
    parser.set_defaults(preset=None)
    add_long_run_options(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
