"""The gradient of a neuron to the pixels, by three rules for the ReLU: minicnn guided_backprop photo.jpg"""

import numpy as np

from minicnn import plot
from minicnn.errors import InputError
from minicnn.layers import DeconvReLU, GuidedReLU, ReLU
from minicnn.receptive_field import receptive_field
from minicnn.visualize.attribution.guided_backprop import choose_neuron, guided_backprop, neuron_gradient
from minicnn.visualize.attribution.guided_backprop_check import check_neuron_gradient, check_randomised
from minicnn.visualize.check import Check
from minicnn.visualize.units.activations import feature_maps, strongest_neurons

from .shared.command import demo_parser, main
from .shared.inputs import caption, choose_model, load_photos
from .shared.layers import feature_layers, usual_layer
from .shared.picture import Picture, run_demo

NAMES = ("three_relus", "guided_backprop")
CHECKED = 2  # neurons whose gradient is checked
SPRINGENBERG = "Springenberg, Dosovitskiy, Brox and Riedmiller 2014 (arXiv:1412.6806)"


def pictures(model, photos, layer=None, channel=None, position=None, seed=0):
    """Yield the Picture of the class score by the three rules, then the Picture of the strongest neurons of a layer.

    A network without class scores shows the strongest neuron of its last layer by the three rules instead.
    """
    # The neurons are computed first, as they raise an error if the chosen layer, channel or position does not exist.
    single = neurons(model, photos[0], layer or usual_layer(model.net), channel, position, seed)
    yield three_relus(model, photos, seed)
    yield single


def three_relus(model, photos, seed):
    """Technique 11 for a class score: return the Picture of the gradient, the deconvnet and guided backprop."""
    net, shown = model.net, photos[:3]
    panels, gradients = [], []
    checks: list[Check] = []
    chosen = [(photo.label, None) if photo.top else strongest_output(net, photo) for photo in shown]
    for photo, (channel, position) in zip(shown, chosen, strict=True):
        panels.append((caption(model, photo), photo.image))
        for rule, relu in (("gradient", ReLU), ("deconvnet", DeconvReLU), ("guided backprop", GuidedReLU)):
            gradient = neuron_gradient(net, photo.x, net.output, channel, position, relu)
            if photo is shown[0]:
                checks += check_neuron_gradient(net, photo.x, net.output, channel, position, gradient, rule)
            gradients.append(model.preprocessing.to_pixel_directions(gradient)[0])
            # In some networks the deconvnet's gradient of a class score is zero everywhere: the caption says so.
            zero = "" if gradients[-1].any() else ": exactly zero"
            panels.append((rule + zero, plot.gradient_to_colours(gradients[-1])))
    return Picture(
        "three_relus", f"{model.name}: three rules for the ReLU's backward pass", plot.show_panels(panels, 4),
        np.stack(gradients),
        f"The gradient of the same {'class score' if shown[0].top else f'neuron of {net.output}'}, by three rules for "
        "the ReLU's backward pass. The plain gradient passes where the input was positive, the deconvnet's where the "
        "gradient is positive, and guided backprop's where both are. Only guided backprop shows clean "
        "outlines: it removes all gradients that would weaken a neuron.",
        f"{SPRINGENBERG}, figure 1; Zeiler and Fergus 2014 (arXiv:1311.2901)",
        [*checks, check_randomised(net, shown[0].x, net.output, chosen[0][0], chosen[0][1],
                                   np.random.default_rng(seed))],
        {"layer": net.output, "classes" if shown[0].top else "neurons": [channel for channel, _ in chosen],
         "positions": [position for _, position in chosen], "seed": seed,
         "photos": [photo.name for photo in shown]})


def strongest_output(net, photo):
    """Return (channel, (y, x)) of the strongest neuron in the last layer of a trunk."""
    channel, *position = choose_neuron(feature_maps(net, photo.x, net.output)[0], net.output)
    return channel, tuple(position)


def neurons(model, photo, layer, channel, position, seed):
    """Technique 11 for single neurons: return the Picture of their receptive fields above their guided gradients."""
    net = model.net
    maps = feature_maps(net, photo.x, layer)[0]
    field = receptive_field(net, layer)
    if field is None:
        raise InputError(f"each neuron of {layer!r} depends on the whole picture; choose a layer with maps, such as "
                         f"{', '.join(feature_layers(net))}")
    height, width = photo.image.shape[:2]
    if channel is None and position is None:
        chosen = strongest_neurons(maps, 6, field, height, width)
    else:
        neuron, y, x = choose_neuron(maps, layer, channel, position)
        chosen = [(neuron, y, x)]
        if maps[neuron, y, x] == 0:
            raise InputError(f"channel {neuron} at ({y}, {x}) of {layer!r} is 0 on {photo.name}, and no gradient "
                             "passes a ReLU whose output is 0; choose another neuron, or a layer before its ReLU")
    patches, gradients, crops = [], [], []
    checks: list[Check] = []
    for neuron, y, x in chosen:
        gradient = guided_backprop(net, photo.x, layer, neuron, (y, x))
        if len(checks) < 2 * CHECKED:
            checks += check_neuron_gradient(net, photo.x, layer, neuron, (y, x), gradient)
        gradients.append(model.preprocessing.to_pixel_directions(gradient)[0])
        top, bottom, left, right = field.box(y, x, height, width)
        patches.append((f"channel {neuron} at ({y}, {x})", photo.image[top:bottom, left:right]))
        crops.append(("guided backprop", plot.gradient_to_colours(gradients[-1][:, top:bottom, left:right])))
    checks.append(check_randomised(net, photo.x, layer, chosen[0][0], chosen[0][1:], np.random.default_rng(seed)))
    return Picture(
        "guided_backprop", f"{layer}: its strongest neurons in {photo.name}",
        plot.show_panels(patches + crops, len(chosen), size=2.0), np.stack(gradients),
        f"Above: the receptive fields of the strongest neurons of {layer}, {field.size}x{field.size} pixels. Below: "
        "the pixels in them that excite the neuron, by guided backprop. Outside the receptive field the gradient is "
        "exactly zero.",
        SPRINGENBERG + ", figure 3", checks,
        {"layer": layer, "neurons": chosen, "photo": photo.name, "seed": seed})


def run(arguments):
    """Load the network and the photos, make the pictures and save them."""
    model, reason = choose_model(arguments.model, arguments.device)
    print(reason)
    photos = load_photos(model, arguments.photos, arguments.seed)
    position = None if arguments.position is None else tuple(arguments.position)
    run_demo(pictures(model, photos, arguments.layer, arguments.channel, position, arguments.seed), model, arguments,
             NAMES)


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("guided_backprop", __doc__)
    parser.add_argument("--layer", help="a layer with maps (default: one of the last)")
    parser.add_argument("--channel", type=int, help="the neuron's channel (default: the six strongest neurons)")
    parser.add_argument("--position", type=int, nargs=2, metavar=("Y", "X"), help="the neuron's position in the map "
                        "(default: the strongest)")
    return parser


if __name__ == "__main__":
    main(run, parser())
