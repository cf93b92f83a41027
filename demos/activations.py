"""What every channel of a layer answers to a photo: python -m demos.activations photo.jpg [--layer NAME --channel 7]"""

import numpy as np

from demos.command import demo_parser, main
from demos.inputs import choose_model, load_photos, short_label
from demos.layers import feature_layers
from demos.picture import Picture, run_demo
from minicnn import plot
from minicnn.errors import InputError
from minicnn.visualize.activations import feature_maps, scale_maps, strongest_neurons
from minicnn.visualize.checks import check_feature_maps
from minicnn.visualize.grid import tile_images
from minicnn.visualize.receptive_field import receptive_field

NAMES = ("activations", "channel")


def pictures(model, photos, layer=None, channel=None, per="layer"):
    """The grid of all channels of a layer, then one channel enlarged beside the photo."""
    photo = photos[0]
    layer = layer or feature_layers(model.net)[-2]
    maps = feature_maps(model.net, photo.x, layer)[0]
    if channel is None:
        channel = strongest_neurons(maps, 1, receptive_field(model.net, layer), *photo.image.shape[:2])[0][0]
    if not 0 <= channel < len(maps):
        raise InputError(f"layer {layer!r} has channels 0 to {len(maps) - 1}, not {channel}")
    yield grid(model, photo, layer, maps, per)
    yield enlarged(model, photo, layer, maps, channel)


def grid(model, photo, layer, maps, per):
    """Technique 7, the sheet."""
    C, H, W = maps.shape
    columns = 32 if C > 256 else 16 if C >= 64 else 8
    sheet = tile_images(scale_maps(maps, per), columns, fill=0.1)
    zeros = (maps == 0).mean()
    title = f"{layer}: {C} channels of {H}x{W} on {photo.name}, {zeros:.0%} zeros"
    figure = plot.show_image(sheet, title, width=11.0, vmax=float(np.percentile(sheet, 99.8)))
    return Picture(
        "activations", title, figure, maps,
        f"Each tile is what one channel of {layer} answers to the photo, white being strong. {zeros:.0%} of all "
        "values are exactly zero, cut off by the ReLU: a channel speaks up only where it finds what it looks for.",
        "Yosinski et al. 2015 (arXiv:1506.06579), figure 1", check_feature_maps(maps, columns),
        {"layer": layer, "scale": f"per {per}", "photo": photo.name, "columns": columns})


def enlarged(model, photo, layer, maps, channel):
    """Technique 7, one channel."""
    one = maps[channel]
    panels = [(f"{photo.name}: {short_label(model, photo.label)}", photo.image),
              (f"{layer}, channel {channel}", one, {"cmap": "gray", "vmin": 0}),
              ("over the photo", plot.overlay(photo.image, smooth_to(one, photo.image.shape[:2])))]
    return Picture(
        "channel", f"{layer}, channel {channel}, beside the photo", plot.show_panels(panels), one,
        f"The channel of {layer} that answers this photo most strongly, enlarged beside it. Where it is bright, the "
        "photo holds what the channel looks for.",
        "Yosinski et al. 2015 (arXiv:1506.06579), figure 2", check_feature_maps(maps[channel:channel + 1], 1),
        {"layer": layer, "channel": channel, "photo": photo.name})


def smooth_to(heat, shape):
    """A small map (h, w) enlarged to (H, W), smoothly."""
    from scipy.ndimage import zoom

    return zoom(heat, (shape[0] / heat.shape[0], shape[1] / heat.shape[1]), order=1, grid_mode=True, mode="nearest")


def run(arguments):
    """Load, draw, save."""
    model, said = choose_model(arguments.model, arguments.device)
    print(said)
    photos = load_photos(model, arguments.photos, arguments.seed)
    run_demo(pictures(model, photos, arguments.layer, arguments.channel, arguments.scale), model, arguments, NAMES)


def parser():
    """The command line."""
    parser = demo_parser("activations", __doc__)
    parser.add_argument("--layer", help="any layer with maps")
    parser.add_argument("--channel", type=int, help="the channel to enlarge; left out, the strongest")
    parser.add_argument("--scale", default="layer", help="layer: black stays black (default); channel: each its own")
    return parser


if __name__ == "__main__":
    main(run, parser())
