"""What a neuron sees in a photo, by three ways back through the ReLU: python -m demos.guided_backprop photo.jpg"""

import numpy as np

from demos.shared.command import demo_parser, main
from demos.shared.inputs import choose_model, load_photos, short_label
from demos.shared.layers import feature_layers
from demos.shared.picture import Picture, run_demo
from minicnn import plot
from minicnn.errors import InputError
from minicnn.layers import DeconvReLU, GuidedReLU, ReLU
from minicnn.receptive_field import receptive_field
from minicnn.visualize.attribution.saliency import choose_neuron, guided_backprop, neuron_gradient
from minicnn.visualize.attribution.saliency_check import check_neuron_gradient
from minicnn.visualize.units.activations import feature_maps, strongest_neurons

NAMES = ("three_relus", "guided_backprop")
SPRINGENBERG = "Springenberg, Dosovitskiy, Brox and Riedmiller 2014 (arXiv:1412.6806)"


def pictures(model, photos, layer=None, channel=None, position=None, seed=0):
    """The class score by the three rules, then the strongest neurons of a layer, each beside what it sees."""
    # the neurons first: what was asked for may not exist
    single = neurons(model, photos[0], layer or feature_layers(model.net)[-2], channel, position, seed)
    yield three_relus(model, photos, seed)
    yield single


def three_relus(model, photos, seed):
    """Technique 11 from the class score: plain gradient, deconvnet, guided backprop, side by side."""
    net, shown = model.net, photos[:3]
    panels, gradients = [], []
    for photo in shown:
        panels.append((f"{photo.name}: {short_label(model, photo.label)}", photo.image))
        for caption, relu in (("plain gradient", ReLU), ("deconvnet", DeconvReLU), ("guided backprop", GuidedReLU)):
            gradient = neuron_gradient(net, photo.x, net.output, photo.label, None, relu)
            gradients.append(model.preprocessing.to_pixel_directions(gradient)[0])
            # On some networks the deconvnet's rule lets nothing of a class score through: say so beside the grey.
            lost = "" if gradients[-1].any() else ": exactly zero"
            panels.append((caption + lost, plot.gradient_to_colours(gradients[-1])))
    return Picture(
        "three_relus", f"{model.name}: three ways back through the ReLU", plot.show_panels(panels, 4),
        np.stack(gradients),
        "The same score, sent back to the pixels by three rules for the ReLU: where the input was positive, where "
        "the gradient is, where both are. Only the last draws clean outlines, as nothing that would weaken a neuron "
        "is let through.",
        f"{SPRINGENBERG}, figure 1; Zeiler and Fergus 2014 (arXiv:1311.2901)",
        check_neuron_gradient(net, shown[0].x, net.output, shown[0].label, None, np.random.default_rng(seed)),
        {"layer": net.output, "classes": [photo.label for photo in shown], "seed": seed,
         "photos": [photo.name for photo in shown]})


def neurons(model, photo, layer, channel, position, seed):
    """Technique 11 from single neurons: a row of the patches they see over a row of their guided gradients."""
    net = model.net
    maps = feature_maps(net, photo.x, layer)[0]
    field = receptive_field(net, layer)
    if field is None:
        raise InputError(f"each neuron of {layer!r} sees the whole picture; choose a layer with maps, such as "
                         f"{', '.join(feature_layers(net))}")
    height, width = photo.image.shape[:2]
    if channel is None and position is None:
        chosen = strongest_neurons(maps, 6, field, height, width)
    else:
        chosen = [choose_neuron(maps, layer, channel, position)]
        if maps[chosen[0]] == 0:
            neuron, y, x = chosen[0]
            raise InputError(f"channel {neuron} at ({y}, {x}) of {layer!r} is silent on {photo.name}, and nothing goes "
                             "back through a ReLU at zero; choose another, or a layer before its ReLU")
    patches, gradients, crops = [], [], []
    for neuron, y, x in chosen:
        gradient = guided_backprop(net, photo.x, layer, neuron, (y, x))
        gradients.append(model.preprocessing.to_pixel_directions(gradient)[0])
        top, bottom, left, right = field.box(y, x, height, width)
        patches.append((f"channel {neuron} at ({y}, {x})", photo.image[top:bottom, left:right]))
        crops.append(("guided backprop", plot.gradient_to_colours(gradients[-1][:, top:bottom, left:right])))
    checks = check_neuron_gradient(net, photo.x, layer, chosen[0][0], chosen[0][1:], np.random.default_rng(seed))
    return Picture(
        "guided_backprop", f"{layer}: what its strongest neurons see in {photo.name}",
        plot.show_panels(patches + crops, len(chosen), size=2.0), np.stack(gradients),
        f"Above, the {field.size}x{field.size} pixels that each of the strongest neurons of {layer} sees; below, "
        "which of them drive it, by guided backprop. Outside these patches the gradient is exactly zero.",
        SPRINGENBERG + ", figure 3", checks,
        {"layer": layer, "neurons": chosen, "photo": photo.name, "seed": seed})


def run(arguments):
    """Load, draw, save."""
    model, said = choose_model(arguments.model, arguments.device)
    print(said)
    photos = load_photos(model, arguments.photos, arguments.seed)
    position = None if arguments.position is None else tuple(arguments.position)
    run_demo(pictures(model, photos, arguments.layer, arguments.channel, position, arguments.seed), model, arguments,
             NAMES)


def parser():
    """The command line."""
    parser = demo_parser("guided_backprop", __doc__)
    parser.add_argument("--layer", help="any layer with maps")
    parser.add_argument("--channel", type=int, help="left out, the six strongest")
    parser.add_argument("--position", type=int, nargs=2, metavar=("Y", "X"), help="left out, the strongest")
    return parser


if __name__ == "__main__":
    main(run, parser())
