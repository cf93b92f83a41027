"""The filters of the first and of deeper layers, of one network or of several networks:
minicnn filters [NETWORK …] [--layer NAME …]"""


from minicnn import plot
from minicnn.errors import unknown_name
from minicnn.visualize.units.filters import (
    conv_layers,
    filter_grid,
    filter_weights,
    grey_filter_grid,
    mean_colour_share,
    stack_filters,
)
from minicnn.visualize.units.filters_check import check_filter_grid, check_filter_responses, check_signed_filters

from .shared.command import MODEL_HELP, OneLineParser, add_common, main
from .shared.inputs import choose_model
from .shared.picture import Picture, run_demo

# Filters (one layer, or one of several) and channels of a deeper layer in the picture; the array has all.
SHOWN_FILTERS, SHOWN_OF_SEVERAL, SHOWN_CHANNELS = 16, 6, 64
NAMES = ("filters", "deeper_filters")


def pictures(models, layers=(), seed=0):
    """Yield the Picture of the first layers' filters, then the Picture of the deeper layers' filters, if any.

    layers : of deeper layers. By default, see `default_layer`.
    """
    deeper = deeper_filters(models, layers)  # first, as it raises an error if a layer does not exist
    yield first_layers(models, seed)
    if deeper:
        yield deeper_layers(deeper)


def first_layers(models, seed):
    """Technique 1: return the Picture of the first layers' filters, in colour."""
    names = [conv_layers(model.net)[0] for model in models]
    filters = [filter_weights(model.net, name, model.preprocessing)
               for model, name in zip(models, names, strict=True)]
    panels, checks = [], []
    for model, name, w in zip(models, names, filters, strict=True):
        caption = f"{model.name}: {len(w)} filters of {name}, {w.shape[2]}x{w.shape[3]}"
        zoom = max(1, 60 // w.shape[2])
        grid = filter_grid(w, gap=2, zoom=zoom)
        panels.append((f"{caption},\n{mean_colour_share(w).mean():.0%} of their energy in the mean colour", grid))
        checks += named_checks(models, model.name, [
            *check_filter_grid(model.net, name, grid, model.preprocessing, gap=2, zoom=zoom),
            *check_filter_responses(model.net, name)])
    if len(models) == 1:
        (title, grid), = panels
        figure, title, array = plot.show_image(grid, title, width=6.5), caption, filters[0]
        tiles = f"Each tile is one of the {len(w)} filters"
    else:
        figure = plot.show_panels(panels, min(3, len(panels)), size=5.5)
        title, array = "first-layer filters of " + ", ".join(model.name for model in models), stack_filters(filters)
        tiles = "Each tile is one of the filters"
    return Picture(
        "filters", title, figure, array,
        f"{tiles} of the first layer: its weights, shown as colours. A filter responds most to a part of the picture "
        "that looks like its tile. Typical filters show edges, blobs of opposite colours and fine textures. A filter "
        "with much energy in its mean colour responds to this colour alone.",
        "Krizhevsky, Sutskever and Hinton 2012, figure 3", checks,
        {"networks": [{"name": model.name, "layer": name, "shape": w.shape,
                       "mean_colour_share": mean_colour_share(w).tolist()}
                      for model, name, w in zip(models, names, filters, strict=True)],
         "scale": "each filter", "seed": seed})


def deeper_layers(deeper):
    """Technique 2: return the Picture of deeper layers' filters, as grey maps. deeper : [(Model, layer, weights)]."""
    rows = SHOWN_FILTERS if len(deeper) == 1 else SHOWN_OF_SEVERAL
    panels, checks, shown = [], [], []
    for model, layer, w in deeper:
        part = w[:rows, :SHOWN_CHANNELS]
        F, C, KH, KW = part.shape
        shown.append({"name": model.name, "layer": layer, "shape": w.shape, "shown": part.shape})
        zoom = max(1, 24 // KH)
        grid = grey_filter_grid(part, zoom=zoom)
        panels.append((f"{model.name}, {layer}: {F} of {len(w)} filters, {KH}x{KW}, on "
                       + (f"{C} channels" if C == w.shape[1] else f"{C} of {w.shape[1]} channels"),
                       grid))
        checks += named_checks(deeper, f"{model.name}, {layer}", check_signed_filters(part, grid, zoom=zoom))
    title = panels[0][0] if len(deeper) == 1 else "filters of " + ", ".join(
        f"{model.name} {layer}" for model, layer, _ in deeper)
    return Picture(
        "deeper_filters", title, plot.show_rows(panels, width=10.0, tallest=1.2 if len(deeper) == 1 else 0.5),
        deeper[0][2] if len(deeper) == 1 else stack_filters([w for *_, w in deeper]),
        "Each row is one filter, with a tile for each of its input channels. Grey is a weight of zero, white is "
        "positive, black is negative. These weights apply to activations, not to pixels, so they are hard to "
        "interpret. The patches with the largest activations (demos.patches) tell more about a channel.",
        "Karpathy, ConvNetJS; Stanford CS231n, lecture 12", checks,
        {"networks": shown, "scale": "each filter, symmetric about 0"})


def named_checks(several, name, checks):
    """Return the checks; with `name` in front of each if there are several networks or layers."""
    return checks if len(several) == 1 else [check._replace(what=f"{name}: {check.what}") for check in checks]


def deeper_filters(models, layers):
    """Return [(Model, layer, weights)] of all networks that have one of `layers`; by default of `default_layer`.

    Raises InputError if no network has a layer of this name.
    """
    if layers:
        chosen = [(model, layer) for layer in layers for model in models_with(models, layer)]
    else:
        chosen = [(model, default_layer(model.net)) for model in models if default_layer(model.net)]
    return [(model, model.net.find(layer), filter_weights(model.net, layer)) for model, layer in chosen]


def models_with(models, layer):
    """Return the models that have a layer of this name or alias. Raises InputError if there are none."""
    found = [model for model in models if layer in model.net.positions or layer in model.net.aliases]
    if not found:
        raise unknown_name("layer", layer, dict.fromkeys(name for model in models for name in conv_layers(model.net)))
    return found


def default_layer(net):
    """Return the first convolution after the first one that is larger than 1x1, or else the last one.

    It is None if the network has only one convolution.
    """
    deeper = conv_layers(net)[1:]
    large = [name for name in deeper if net.layer(name).params["w"].shape[2] > 1]
    return next(iter(large or deeper[-1:]), None)


def run(arguments):
    """Load the networks, make the pictures and save them."""
    models = []
    for name in [*arguments.networks, *arguments.model] or [None]:
        model, reason = choose_model(name, arguments.device)
        print(reason)
        models.append(model)
    run_demo(pictures(models, arguments.layer, arguments.seed), models, arguments, NAMES)


def parser():
    """Return the parser of the command line."""
    parser = OneLineParser(prog="minicnn filters", description=__doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=MODEL_HELP + "; minicnn convert "
                        "FILE --first-layer -o OUT.h5 makes a file with the first layer alone")
    parser.add_argument("--model", action="append", default=[], metavar="NETWORK",
                        help="another network; may be repeated (default: the network above)")
    parser.add_argument("--layer", action="append", default=[], metavar="NAME", help="a deeper convolution; may be "
                        "repeated (default: the first one that is larger than 1x1)")
    add_common(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
