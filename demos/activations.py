"""The activations of all channels of a layer: minicnn activations photo.jpg [--layer NAME --channel 7]"""

import math

import numpy as np
from matplotlib.patches import Rectangle

from minicnn import plot
from minicnn.errors import InputError
from minicnn.receptive_field import receptive_field
from minicnn.visualize.attribution.grad_cam import upsample_maps
from minicnn.visualize.entry import require_channels
from minicnn.visualize.grid import tile_corners, tile_images
from minicnn.visualize.units.activations import feature_maps, scale_maps, strongest_neurons
from minicnn.visualize.units.activations_check import check_feature_maps, check_sheet

from .shared.command import demo_parser, main
from .shared.inputs import caption, choose_model, load_photos
from .shared.layers import usual_layer
from .shared.picture import Picture, file_stem, run_demo

NAMES = ("activations", "channel")
FRAME = "#30e030"  # colour of the frame around the enlarged channel


def pictures(model, photos, layers=(), channel=None, per="layer"):
    """Yield two Pictures for each layer: the sheet of all channels, and one channel enlarged next to the photo.

    layers : by default, `usual_layer`. channel : the channel to enlarge; by default, the
    strongest of each layer. per : see `scale_maps`.
    """
    photo = photos[0]
    chosen = []
    for layer in layers or [usual_layer(model.net)]:  # first, as a layer or channel may not exist
        maps = feature_maps(model.net, photo.x, layer)[0]
        if channel is not None:
            require_channels(layer, channel, len(maps))
        chosen.append((model.net.find(layer), maps))
    for (layer, maps), names in zip(chosen, stems(model, layers), strict=True):
        number = strongest(model, layer, maps, photo) if channel is None else channel
        yield all_channels(names[0], model, photo, layer, maps, number, per)
        yield enlarged(names[1], model, photo, layer, maps, number, per)


def stems(model, layers):
    """Return the names of the two pictures of each layer. With several layers they have the layer's name in them."""
    if len(layers) < 2:
        return [NAMES]
    return [[f"{name}-{file_stem(model.net.find(layer))}" for name in NAMES] for layer in layers]


def strongest(model, layer, maps, photo):
    """Return the channel with the largest activation whose receptive field is inside the photo."""
    try:
        field = receptive_field(model.net, layer)
    except InputError:  # after an upsampling, the receptive field is not known
        field = None
    if field is None:  # each neuron depends on the whole photo
        return int(maps.max(axis=(1, 2)).argmax())
    return strongest_neurons(maps, 1, field, *photo.image.shape[:2])[0][0]


def all_channels(name, model, photo, layer, maps, channel, per):
    """Technique 7: return the Picture of the sheet of all channels."""
    C, H, W = maps.shape
    columns = 32 if C > 256 else 16 if C >= 64 else 8
    sheet, options = draw_sheet(maps, per, columns)
    zeros = (maps == 0).mean()
    black = (f"{zeros:.0%} of all values are exactly zero, as the ReLU sets negative values to zero: a channel is "
             "active only where the photo has its pattern." if maps.min() >= 0 else "No ReLU has cut off the negative "
             "values yet: black is the lowest value, and zero is grey.")
    title = f"{layer}: {C} channels of {H}x{W} on {photo.name}, {zeros:.0%} zeros"
    figure = plot.show_image(sheet, title, width=11.0, **options)
    frame_channel(figure.axes[0], channel, columns, H, W)
    return Picture(
        name, title, figure, maps,
        f"Each tile shows the activations of one channel of {layer} on the photo; white is strong. {black} "
        f"The green frame marks channel {channel}.",
        "Yosinski et al. 2015 (arXiv:1506.06579), figure 1",
        [check_feature_maps(model.net, photo.x, layer, maps), *check_sheet(maps, sheet, columns, per)],
        {"layer": layer, "scale": f"per {per}", "photo": photo.name, "columns": columns, "framed": channel})


def enlarged(name, model, photo, layer, maps, channel, per):
    """Technique 7: return the Picture of one channel next to the photo and the sheet of all channels."""
    activations = maps[channel]
    columns = math.ceil(len(maps) ** 0.5)
    sheet, options = draw_sheet(maps, per, columns)
    over = upsample_maps(np.maximum(activations, 0)[None], *photo.image.shape[:2])[0]
    panels = [(caption(model, photo), photo.image),
              (f"{layer}: {len(maps)} channels, {(maps == 0).mean():.0%} zeros", sheet,
               {"cmap": "gray", "vmin": 0, "interpolation": "antialiased"} | options),
              (f"channel {channel}: up to {activations.max():.3g}, {(activations == 0).mean():.0%} zeros", activations,
               {"cmap": "gray", "vmin": min(0, activations.min())}),
              ("the same over the photo", plot.overlay(photo.image, over))]
    figure = plot.show_panels(panels, size=4.0)
    frame_channel(figure.axes[1], channel, columns, *activations.shape)
    return Picture(
        name, f"{layer}, channel {channel}, next to the photo", figure, activations,
        f"One channel of {layer}: framed among all channels, and enlarged. It is bright where the photo has the "
        "channel's pattern.",
        "Yosinski et al. 2015 (arXiv:1506.06579), figure 2",
        [check_feature_maps(model.net, photo.x, layer, activations[None], [channel]),
         *check_sheet(maps, sheet, columns, per)],
        {"layer": layer, "channel": channel, "photo": photo.name})


def draw_sheet(maps, per, columns):
    """Return (the sheet of all channels, imshow's options, which cut off the few largest values)."""
    sheet = tile_images(scale_maps(maps, per), columns, fill=0.1)
    return sheet, {"vmax": float(np.percentile(sheet, 99.8)) or 1.0}


def frame_channel(axis, channel, columns, height, width):
    """Draw a frame around the channel's tile in a sheet."""
    top, left = tile_corners(channel + 1, height, width, columns)[channel]
    axis.add_patch(Rectangle((left - 1, top - 1), width + 1, height + 1, fill=False, edgecolor=FRAME, linewidth=1.6))


def run(arguments):
    """Load the network and the photo, make the pictures and save them."""
    if len(arguments.photos) > 1:
        raise InputError(f"expected one photo, not {len(arguments.photos)}")
    model, reason = choose_model(arguments.model, arguments.device)
    print(reason)
    photos = load_photos(model, arguments.photos, arguments.seed)
    layers = list(dict.fromkeys(map(model.net.find, arguments.layer)))
    names = [name for layer_names in stems(model, layers) for name in layer_names]
    run_demo(pictures(model, photos, layers, arguments.channel, arguments.scale), model, arguments, names)


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("activations", __doc__)
    parser.add_argument("--layer", action="append", default=[], metavar="NAME", help="a layer with maps; may be "
                        "repeated; minicnn step_through lists the layers (default: one of the last)")
    parser.add_argument("--channel", type=int, help="the channel to enlarge (default: the strongest)")
    parser.add_argument("--scale", default="layer", help="layer: scale all channels by the largest activation of the "
                        "layer; channel: scale each channel by its own (default: layer)")
    return parser


if __name__ == "__main__":
    main(run, parser())
