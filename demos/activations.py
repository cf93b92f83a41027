"""What every channel of a layer answers to a photo: python -m demos.activations photo.jpg [--layer NAME --channel 7]"""

import math

import numpy as np
from matplotlib.patches import Rectangle

from demos.shared.command import demo_parser, main
from demos.shared.inputs import choose_model, load_photos, short_label
from demos.shared.layers import feature_layers
from demos.shared.picture import Picture, file_stem, run_demo
from minicnn import plot
from minicnn.errors import InputError
from minicnn.receptive_field import receptive_field
from minicnn.visualize.attribution.grad_cam import upsample_maps
from minicnn.visualize.grid import tile_corners, tile_images
from minicnn.visualize.units.activations import feature_maps, scale_maps, strongest_neurons
from minicnn.visualize.units.activations_check import check_feature_maps

NAMES = ("activations", "channel")
FRAME = "#30e030"  # of the channel that is enlarged, in the sheet of all


def pictures(model, photos, layers=(), channel=None, per="layer"):
    """For each layer the grid of all channels, then one channel enlarged beside the photo.

    layers : left out, the last but one of `feature_layers`. channel : left out, the strongest of each layer.
    """
    photo = photos[0]
    chosen = []
    for layer in layers or [feature_layers(model.net)[-2]]:  # before anything is drawn: a number may be wrong
        maps = feature_maps(model.net, photo.x, layer)[0]
        if channel is not None and not 0 <= channel < len(maps):
            raise InputError(f"layer {layer!r} has channels 0 to {len(maps) - 1}, not {channel}")
        chosen.append((model.net.find(layer), maps))
    for (layer, maps), names in zip(chosen, stems(model, layers), strict=True):
        number = strongest(model, layer, maps, photo) if channel is None else channel
        yield grid(names[0], photo, layer, maps, number, per)
        yield enlarged(names[1], model, photo, layer, maps, number, per)


def stems(model, layers):
    """The names of the pictures of each layer: with the layer's name where there are several."""
    if len(layers) < 2:
        return [NAMES]
    return [[f"{name}-{file_stem(model.net.find(layer))}" for name in NAMES] for layer in layers]


def strongest(model, layer, maps, photo):
    """The channel with the strongest neuron that sees no padding."""
    try:
        field = receptive_field(model.net, layer)
    except InputError:  # behind an upsampling
        field = None
    if field is None:  # each neuron sees everything
        return int(maps.max(axis=(1, 2)).argmax())
    return strongest_neurons(maps, 1, field, *photo.image.shape[:2])[0][0]


def grid(name, photo, layer, maps, channel, per):
    """Technique 7, the sheet."""
    C, H, W = maps.shape
    columns = 32 if C > 256 else 16 if C >= 64 else 8
    sheet, options = draw_sheet(maps, per, columns)
    zeros = (maps == 0).mean()
    why = (f"{zeros:.0%} of all values are exactly zero, cut off by the ReLU: a channel speaks up only where it finds "
           "what it looks for." if maps.min() >= 0 else "No ReLU has cut off what is below zero yet: black is the "
           "lowest value, and zero is a grey.")
    title = f"{layer}: {C} channels of {H}x{W} on {photo.name}, {zeros:.0%} zeros"
    figure = plot.show_image(sheet, title, width=11.0, **options)
    frame_channel(figure.axes[0], channel, columns, H, W)
    return Picture(
        name, title, figure, maps,
        f"Each tile is what one channel of {layer} answers to the photo, white being strong. {why} "
        f"The green frame marks channel {channel}.",
        "Yosinski et al. 2015 (arXiv:1506.06579), figure 1", check_feature_maps(maps, columns),
        {"layer": layer, "scale": f"per {per}", "photo": photo.name, "columns": columns, "framed": channel})


def enlarged(name, model, photo, layer, maps, channel, per):
    """Technique 7, one channel."""
    one = maps[channel]
    columns = math.ceil(len(maps) ** 0.5)
    sheet, options = draw_sheet(maps, per, columns)
    over = upsample_maps(np.maximum(one, 0)[None], *photo.image.shape[:2])[0]
    panels = [(f"{photo.name}: {short_label(model, photo.label)}", photo.image),
              (f"{layer}: {len(maps)} channels, {(maps == 0).mean():.0%} zeros", sheet,
               {"cmap": "gray", "vmin": 0, "interpolation": "antialiased"} | options),
              (f"channel {channel}: up to {one.max():.3g}, {(one == 0).mean():.0%} zeros", one,
               {"cmap": "gray", "vmin": min(0, one.min())}),
              ("the same over the photo", plot.overlay(photo.image, over))]
    figure = plot.show_panels(panels, size=4.0)
    frame_channel(figure.axes[1], channel, columns, *one.shape)
    return Picture(
        name, f"{layer}, channel {channel}, beside the photo", figure, one,
        f"One channel of {layer}, framed among all of them, and enlarged. Where it is bright, the photo holds what "
        "the channel looks for.",
        "Yosinski et al. 2015 (arXiv:1506.06579), figure 2", check_feature_maps(maps[channel:channel + 1], 1),
        {"layer": layer, "channel": channel, "photo": photo.name})


def draw_sheet(maps, per, columns):
    """(the tiles of all channels, imshow's options: the few values that outshine all others are cut off)."""
    sheet = tile_images(scale_maps(maps, per), columns, fill=0.1)
    return sheet, {"vmax": float(np.percentile(sheet, 99.8)) or 1.0}


def frame_channel(axis, channel, columns, height, width):
    """A frame around the channel's tile in a sheet."""
    top, left = tile_corners(channel + 1, height, width, columns)[channel]
    axis.add_patch(Rectangle((left - 1, top - 1), width + 1, height + 1, fill=False, edgecolor=FRAME, linewidth=1.6))


def run(arguments):
    """Load, draw, save."""
    if len(arguments.photos) > 1:
        raise InputError(f"one photo at a time, not {len(arguments.photos)}")
    model, said = choose_model(arguments.model, arguments.device)
    print(said)
    photos = load_photos(model, arguments.photos, arguments.seed)
    layers = list(dict.fromkeys(map(model.net.find, arguments.layer)))
    names = [name for of_layer in stems(model, layers) for name in of_layer]
    run_demo(pictures(model, photos, layers, arguments.channel, arguments.scale), model, arguments, names)


def parser():
    """The command line."""
    parser = demo_parser("activations", __doc__)
    parser.add_argument("--layer", action="append", default=[], metavar="NAME", help="any layer with maps; may be "
                        "repeated; python -m demos.step_through lists them")
    parser.add_argument("--channel", type=int, help="the channel to enlarge; left out, the strongest")
    parser.add_argument("--scale", default="layer", help="layer: black stays black (default); channel: each its own")
    return parser


if __name__ == "__main__":
    main(run, parser())
