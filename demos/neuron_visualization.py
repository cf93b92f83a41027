"""Images that maximize neurons, channels or a layer: minicnn neuron_visualization [PICTURE …] --layer NAME

With --grid: a row for each layer, with an image for a neuron of each of several channels. The activations of the images
are compared with the activations of natural pictures: the given files and folders, or drawn shapes.
"""

from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from minicnn import plot
from minicnn.backend import to_device, to_host
from minicnn.errors import InputError, unknown_name
from minicnn.visualize.check import reported
from minicnn.visualize.grid import tile_images
from minicnn.visualize.synthesis.ascent_check import Goal, check_ascent, kept_steps
from minicnn.visualize.synthesis.ascent_settings import NEURON, NEURON_PRESETS
from minicnn.visualize.synthesis.neuron_view import neuron_view
from minicnn.visualize.synthesis.neuron_visualization import (
    channel_visualization,
    layer_visualization,
    neuron_visualization,
)
from minicnn.visualize.synthesis.neuron_visualization_check import (
    check_field,
    check_responses,
    layer_responses,
    rank_in_layer,
    without_padded_neurons,
)

from .neuron_rows import GAP, is_linear, unit_norm_images, whole_field_view
from .patches import batches, channel_list, drawn_count, drawn_sources, folder_sources
from .shared.ascent_options import add_ascent_options, amplified
from .shared.command import demo_parser, main, positive_int
from .shared.inputs import choose_model, warn_about_memory
from .shared.layers import feature_layers, usual_layer
from .shared.long_run import Watch, add_long_run_options, chosen_settings, long_run
from .shared.picture import Picture, demo_folder, run_demo

NAMES = ("neuron_visualization",)
GRID_NAMES = ("neuron_grid",)
KINDS = ("neuron", "channel", "layer")
TILE = 96  # an image of the grid is enlarged by a whole factor to about this side, pixels


class Row(NamedTuple):
    """The images of one layer.

    channels : one for each image. watch : the Watch that holds the images, (N, C, size, size). position : (y, x) of the
    neurons in the layer's map, or None.
    """

    layer: str
    channels: list
    watch: Watch
    position: tuple | None


def pictures(model, sources, kind="neuron", layer=None, channels=None, position=None, size=None, seed=0, settings=None,
             run=None):
    """Technique 17, one layer: yield the Picture of an image for each channel.

    sources : the natural pictures, see `sources_for`. kind : of KINDS. channels : by default, the four with the highest
    responses to the sources. settings : AscentSettings; by default, see `default_preset`. run : the LongRun that saves
    the images, or None.
    """
    layer = model.net.find(layer or usual_layer(model.net))
    settings = settings or NEURON_PRESETS[default_preset(kind)]
    natural = natural_responses(model, sources, layer, kind)
    if kind == "layer":
        channels = [0]
    elif not channels:
        channels = strongest(natural if kind == "neuron" else natural_responses(model, sources, layer, "neuron"), 4)
    row = ascend_layer(model, kind, layer, channels, position, size, seed, settings, run)
    panels = [amplified(model, kind if kind == "layer" else f"{kind} {channel}", image[None])
              for channel, image in zip(channels, row.watch.image, strict=True)]
    side = row.watch.image.shape[2]
    title = f"{model.name}, {layer}: {side}x{side} pixels" + (", stopped" if row.watch.stopped else "")
    yield Picture(
        "neuron_visualization", title, plot.show_panels(panels, min(4, len(panels)), title), row.watch.image,
        f"Each image started as noise and was changed to maximize the response of its {kind} of {layer}. The image of "
        "a neuron has the size of its receptive field. A channel consists of all neurons that respond to the same "
        "pattern.",
        "Yosinski et al. 2015 (arXiv:1506.06579), figure 4; Erhan et al. 2009",
        checks_of(model, kind, row, natural, seed, settings),
        {"kind": kind, "layer": layer, "channels": channels, "position": row.position, "size": side, "seed": seed,
         "pictures": len(natural)} | asdict(settings), row.watch.history, finished_pictures(model, kind, row))
    if run is not None:
        run.finish(row.watch.stopped)


def grid_pictures(model, sources, layers=None, columns=8, seed=0, settings=NEURON, run=None):
    """Technique 17, several layers: yield the Picture of a row for each layer, with a neuron of each strong channel."""
    layers = [model.net.find(layer) for layer in layers or feature_layers(model.net)]
    rows, checks, stopped = [], [], None
    for layer in layers:
        natural = natural_responses(model, sources, layer, "neuron")
        side, position = whole_field_view(model.net, layer)
        rows.append(ascend_layer(model, "neuron", layer, strongest(natural, columns), position, side, seed, settings,
                                 run))
        stopped = rows[-1].watch.stopped
        if stopped is not None:
            break
        checks += checks_of(model, "neuron", rows[-1], natural, seed, settings)
    sheets, captions = [], []
    for row in rows:
        linear = is_linear(model.net, row.layer)
        images = (unit_norm_images(model, row.layer, row.channels, row.position, row.watch.image) if linear
                  else model.preprocessing.to_images(row.watch.image))
        zoom = max(1, round(TILE / images.shape[1]))
        sheets.append(tile_images(images, columns, gap=3, fill=GAP, zoom=zoom))
        captions.append(f"{row.layer}: {images.shape[1]}x{images.shape[1]} pixels" + ", of unit norm" * linear)
    title = f"{model.name}: neurons of {len(rows)} layer{'s' * (len(rows) > 1)}" + (", stopped" if stopped else "")
    figure = plot.show_rows(list(zip(captions, sheets, strict=True)), 9.0, title=title, interpolation="antialiased")
    yield Picture(
        "neuron_grid", title, figure,
        padded([row.watch.image for row in rows]),
        "Each row is a layer, from early to late. Each image was made from noise to maximize one neuron, and has the "
        "size of its receptive field. The first layer is linear in the pixels, so its optimum within the colours is "
        "black and white; its optimum of unit norm, the filter itself, is shown. Early layers show edges and colours, "
        "then come textures, then parts of objects.",
        "Yosinski et al. 2015 (arXiv:1506.06579), figure 4", checks,
        {"layers": layers, "channels": {row.layer: row.channels for row in rows}, "seed": seed} | asdict(settings),
        rows[-1].watch.history)
    if run is not None:
        run.finish(stopped)


def gallery_pictures(model, seed=0):
    """Yield the grid for the gallery: only layers with small receptive fields, and few drawn shapes."""
    largest = min(64, model.net.input_shape[1] - 1)
    layers = [layer for layer in feature_layers(model.net) if neuron_view(model.net, layer)[0] <= largest]
    yield from grid_pictures(model, drawn_sources(model, min(60, drawn_count(model)), seed), layers, seed=seed)


def finished_pictures(model, kind, row):
    """Return {word for its file: picture, uint8 (H, W, 3)} of each image of the Row."""
    return {"_".join((kind, row.layer, *([str(channel)] if kind != "layer" else []))): picture
            for channel, picture in zip(row.channels, model.preprocessing.to_images(row.watch.image), strict=True)}


def padded(batches):
    """Return all images in one array, (N, C, H, W), each in the upper left corner of the size of the largest."""
    whole = np.zeros((sum(map(len, batches)), *max(batch.shape[1:] for batch in batches)), np.float32)
    places = iter(whole)
    for image in (image for batch in batches for image in batch):
        next(places)[:, :image.shape[1], :image.shape[2]] = image
    return whole


def ascend_layer(model, kind, layer, channels, position, size, seed, settings, run):
    """Return the Row of one layer. Ctrl-C ends it early and keeps the last images."""
    net = model.net
    side, position = neuron_view(net, layer, size, position) if kind == "neuron" else (size or net.input_shape[1], None)
    shape = (len(channels), net.input_shape[0], side, side)
    warn_about_memory(net.trunk(layer), shape)
    watch = Watch(layer, settings.num_steps, (kind, "L2"), np.zeros(shape, np.float32), run=run,
                  part=layer, to_image=lambda images: tile_images(model.preprocessing.to_images(images)),
                  frames=kept_steps(settings))
    common: dict[str, Any] = {"rng": np.random.default_rng([seed, *layer.encode()]), "size": side, "callback": watch,
                              "checkpoint": watch.checkpoint}
    with watch:
        if kind == "layer":
            result = layer_visualization(net, layer, model.preprocessing, settings, **common)
        elif kind == "channel":
            result = channel_visualization(net, layer, channels, model.preprocessing, settings, **common)
        else:
            result = neuron_visualization(net, layer, channels, model.preprocessing, settings, position=position,
                                          **common)
        watch.latest, watch.history = result
    return Row(layer, channels, watch, position)


def checks_of(model, kind, row, natural, seed, settings):
    """Return the Checks of the images of one layer: of their steps, and of their responses as 8-bit pictures."""
    x = model.preprocessing.to_input(model.preprocessing.to_images(row.watch.image))
    out = to_host(model.net.predict(to_device(x, model.net.device), row.layer))
    if kind == "neuron":
        neurons = [(n, channel, *(row.position or ())) for n, channel in enumerate(row.channels)]
        values = np.array([out[neuron] for neuron in neurons])
    else:
        values = layer_responses(kind, out)[range(len(out)), row.channels]
    units = {"neuron": [(channel, *(row.position or ())) for channel in row.channels],
             "channel": [(channel,) for channel in row.channels], "layer": None}[kind]
    checks = check_ascent(model.net, Goal(row.layer, units), model.preprocessing, settings, row.watch.frames,
                          row.watch.image, np.random.default_rng([seed, *row.layer.encode()]), row.layer,
                          len(row.watch.history))
    checks += check_responses(kind, row.layer, values, natural[:, row.channels])
    if kind == "neuron":
        checks += check_field(model.net, row.layer, row.channels[0], np.random.default_rng(seed))
        ranks = [rank_in_layer(out[n], channel, row.position) for n, channel in enumerate(row.channels)]
        checks.append(reported(f"{row.layer}: images whose neuron is the most active of the layer", ranks.count(1),
                               f"of {len(ranks)}"))
    return checks


def natural_responses(model, sources, layer, kind):
    """Return the responses of the layer to the sources: (M, channels), or (M, 1) for a whole layer."""
    responses = []
    for x in batches(model, sources, []):
        out = to_host(model.net.predict(to_device(x, model.net.device), layer))
        responses.append(layer_responses(
            kind, without_padded_neurons(model.net, layer, out) if kind == "neuron" else out))
    if not responses:
        raise InputError("none of the pictures could be used")
    return np.concatenate(responses)


def strongest(natural, count):
    """Return the channels with the highest mean response to the pictures."""
    return np.argsort(-natural.mean(axis=0), kind="stable")[:count].tolist()


def default_preset(kind):
    """Return the name of the default preset.

    Pixels outside a neuron's receptive field keep their noise, so "neuron" starts with little. A channel or a layer
    needs more noise to become active.
    """
    return "neuron" if kind == "neuron" else "cs231n"


def sources_for(model, paths, seed=0):
    """Return the natural pictures for the comparison: those at `paths`, or drawn shapes."""
    return folder_sources(model, paths) if paths else drawn_sources(model, drawn_count(model) // 3, seed)


def run(arguments):
    """Load the network, make the images, and save them."""
    model, reason = choose_model(arguments.model, arguments.device)
    print(reason)
    if arguments.kind not in KINDS:
        raise unknown_name("kind", arguments.kind, KINDS)
    arguments.preset = arguments.preset or default_preset(arguments.kind)
    settings = chosen_settings(arguments, NEURON_PRESETS)
    layers = arguments.layer.split(",") if arguments.layer else None
    require_options_that_fit(arguments, layers)
    names = GRID_NAMES if arguments.grid else NAMES
    folder = demo_folder(arguments, names)
    sources = sources_for(model, arguments.photos, arguments.seed)
    run = long_run(arguments, folder, names[0], model, {
        "seed": arguments.seed, "layer": arguments.layer, "channels": arguments.channels, "kind": arguments.kind,
        "position": arguments.position, "size": arguments.size}
        | {key: value for key, value in asdict(settings).items() if key != "num_steps"})
    if arguments.grid:
        made = grid_pictures(model, sources, layers, arguments.columns, arguments.seed, settings, run)
    else:
        made = pictures(model, sources, arguments.kind, layers and layers[0], arguments.channels,
                        arguments.position and tuple(arguments.position), arguments.size, arguments.seed, settings, run)
    run_demo(made, model, arguments, names, folder)


def require_options_that_fit(arguments, layers):
    """Raise InputError if the options contradict each other. layers : the names after --layer, or None."""
    if arguments.grid and (arguments.channels or arguments.position or arguments.kind != "neuron"):
        raise InputError("--grid chooses the neurons itself: leave out --channels, --position and --kind")
    if arguments.kind != "neuron" and arguments.position:
        raise InputError(f"a {arguments.kind} has no position: leave out --position")
    if arguments.kind == "layer" and arguments.channels:
        raise InputError("a layer is shown as a whole: leave out --channels, or give --kind channel")
    if arguments.grid and arguments.size:
        raise InputError("the images of --grid have the sizes of the receptive fields: leave out --size")
    if layers and len(layers) > 1 and not arguments.grid:
        raise InputError("one layer at a time, or --grid")
    if layers and "input" in layers:
        raise InputError("'input' is the picture itself, not a layer; choose another")


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("neuron_visualization", __doc__)
    parser.add_argument("--layer", metavar="NAME", help="the layer; with --grid, several names separated by commas "
                        "(default: a late layer; with --grid, the last layer of each stage)")
    parser.add_argument("--kind", default="neuron", help="neuron, channel or layer (default: neuron)")
    parser.add_argument("--channels", type=channel_list, metavar="1,5,9",
                        help="an image for each channel (default: four with high responses to the pictures)")
    parser.add_argument("--position", type=int, nargs=2, metavar=("Y", "X"),
                        help="the neuron's position in the layer's map (default: the centre)")
    parser.add_argument("--size", type=positive_int, metavar="PIXELS",
                        help="side of the image (default: the receptive field's)")
    parser.add_argument("--grid", action="store_true", help="show several layers, a row for each")
    parser.add_argument("--columns", type=positive_int, default=8, metavar="N",
                        help="images in a row of the grid (default: 8)")
    add_ascent_options(parser, NEURON_PRESETS, "neuron; cs231n for channels and layers")
    parser.set_defaults(preset=None)
    add_long_run_options(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
