"""The filters of the first and a deeper layer: python -m demos.filters --model squeezenet1_0 [--layer NAME]"""

import numpy as np

from demos.command import demo_parser, main
from demos.inputs import choose_model
from demos.picture import Picture, run_demo
from minicnn import plot
from minicnn.visualize.checks import check_filter_grid, check_signed_filters
from minicnn.visualize.filters import conv_layers, filter_grid, filter_weights, mean_colour_share

SHOWN_FILTERS = 16  # of a deeper layer: a row each, the rest is in the array
NAMES = ("filters", "deeper_filters")


def pictures(model, layer=None, seed=0):
    """The first layer's filters in colour, then those of `layer`, the first 3x3 or larger one behind it if any."""
    layer = layer or default_layer(model.net)
    w = filter_weights(model.net, layer) if layer else None  # before anything is drawn: the name may be wrong
    yield first_layer(model, seed)
    if layer:
        yield deeper_layer(model, layer, w)


def first_layer(model, seed):
    """Technique 1."""
    name = conv_layers(model.net)[0]
    w = filter_weights(model.net, name, model.preprocessing)
    grid = filter_grid(w, zoom=max(1, 60 // w.shape[2]))
    share = mean_colour_share(w)
    title = f"{model.name}: {len(w)} filters of {name}, {w.shape[2]}x{w.shape[3]}"
    return Picture(
        "filters", title, plot.show_image(grid, title, width=6.5), w,
        f"Each tile is one of the {len(w)} filters that slide over the picture in the first layer, its weights shown "
        f"as colours. Edges, blobs of opposite colours and fine textures are what it looks for; on average "
        f"{share.mean():.0%} of a filter's energy is in its mean colour.",
        "Krizhevsky, Sutskever and Hinton 2012, figure 3",
        check_filter_grid(w, np.random.default_rng(seed)), {"layer": name, "scale": "each filter", "seed": seed})


def deeper_layer(model, name, w):
    """Technique 2."""
    shown = w[:SHOWN_FILTERS]
    title = f"{model.name}: {len(shown)} of {len(w)} filters of {name}, {w.shape[2]}x{w.shape[3]}"
    return Picture(
        "deeper_filters", title, plot.show_image(filter_grid(shown, zoom=8), title, width=10.0), w,
        f"A row is one filter of {name}: how it weighs each of its {w.shape[1]} input channels, grey being zero, "
        "white positive, black negative. These are weights on activations and not on pixels, so they say little by "
        "themselves: the pictures below say more.",
        "Karpathy, ConvNetJS; Stanford CS231n, lecture 12", check_signed_filters(w),
        {"layer": name, "scale": "each filter, symmetric about 0", "shown": len(shown)})


def default_layer(net):
    """The first convolution behind the first that is larger than 1x1, else the last; None where there is but one."""
    behind = conv_layers(net)[1:]
    deeper = [name for name in behind if net.layer(name).params["w"].shape[2] > 1]
    return next(iter(deeper or behind[-1:]), None)


def run(arguments):
    """Load, draw, save."""
    model, said = choose_model(arguments.model, arguments.device)
    print(said)
    run_demo(pictures(model, arguments.layer, arguments.seed), model, arguments, NAMES)


def parser():
    """The command line."""
    parser = demo_parser("filters", __doc__)
    parser.add_argument("--layer", help="the deeper convolution to show")
    return parser


if __name__ == "__main__":
    main(run, parser())
