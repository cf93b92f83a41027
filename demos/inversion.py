"""Photos reconstructed from the activations of layers: minicnn inversion photo.jpg [--layer NAME …]"""

import argparse
from dataclasses import asdict, replace

import numpy as np

from minicnn import plot
from minicnn.backend import to_device, to_host
from minicnn.optimize.progress import Progress
from minicnn.visualize.synthesis.before_relu import first_relu_is_dead
from minicnn.visualize.synthesis.inversion import inversion_report, invert_features, tv_weight_by_depth
from minicnn.visualize.synthesis.inversion_check import check_inversion
from minicnn.visualize.synthesis.inversion_settings import FOURIER, INVERSION_PRESETS
from minicnn.visualize.synthesis.inversion_steps_check import check_inversion_steps, kept_inversion_steps

from .shared.command import demo_parser, main, natural_int, natural_number, positive_int, positive_number
from .shared.inputs import choose_model, load_photos, warn_about_memory
from .shared.layers import feature_layers
from .shared.long_run import Watch, add_long_run_options, add_presets, chosen_settings, digest, long_run
from .shared.picture import Picture, demo_folder, run_demo

QUICK = replace(FOURIER, rates=((110, 0.05), (30, 0.01)))  # a third of the steps; late layers look rougher
DEPTH = ("relu_conv1", "fire2/concat", "fire3/concat", "fire5/concat", "fire7/concat", "fire9/concat")  # of SqueezeNet
NAMES = ("inversion",)


def pictures(model, photos, layers=None, seed=0, settings=FOURIER, run=None):
    """Technique 19: yield the Picture of a row per photo: the photo, and the inverted activations of each layer.

    layers : by default, see `default_layers`. settings : InversionSettings. run : the LongRun that saves the images, or
    None.
    """
    net = model.net
    layers = [net.find(layer) for layer in layers or default_layers(net)]
    tv_weights = {layer: tv_weight_by_depth(net, layer, photos[0].x.shape[2:], settings.tv_weight)
                  for layer in layers}
    panels, inverted, numbers, checks, stopped = [], [], {}, [], None
    finished: dict[str, np.ndarray] = {}
    history: list[Progress] = []
    for n, photo in enumerate(photos):
        reports, targets, made = {}, {}, {}
        panels.append((photo.name + "\n", photo.image))
        for layer in layers:
            targets[layer] = to_host(net.predict(to_device(photo.x, net.device), layer))
            watch = invert(model, photo, layer, targets[layer], settings, np.random.default_rng([seed, n]), run,
                           f"{n}-{layer}")
            reports[layer] = report = inversion_report(net, layer, watch.image, targets[layer], photo.image,
                                                       model.preprocessing)
            inverted.append(watch.image)
            made[layer] = watch.image
            checks += check_inversion_steps(net, layer, targets[layer], watch.image, model.preprocessing, settings,
                                            watch.frames, watch.history, np.random.default_rng([seed, n]),
                                            f"{photo.name}, {layer}")
            history, stopped = history or watch.history, watch.stopped
            picture = finished[f"{photo.name}_{layer}"] = model.preprocessing.to_image(watch.image)
            panels.append((f"{layer}\nerror {report.error_8bit:.1%}, {report.psnr:.1f} dB", picture))
            if stopped is not None:
                break
        numbers[photo.name] = {layer: report._asdict() for layer, report in reports.items()}
        checks += check_inversion(net, reports, made, targets, photo.image, model.preprocessing, photo.name)
        if stopped is not None:
            break
    first = "a grey picture" if settings.parametrization == "fourier" else "noise"
    yield Picture(
        "inversion", f"{model.name}: inverted features" + (", stopped" if stopped else ""),
        plot.show_panels(panels, 1 + len(layers), size=2.2), np.concatenate(inverted),
        f"Each picture started as {first} and was changed until a layer gave almost the same activations as for the "
        "photo. Smooth pictures are preferred. The differences from the photo show the information that the layer has "
        "lost: first fine detail, then colours, then positions.",
        "Mahendran and Vedaldi 2015 (arXiv:1412.0035), section 3",
        checks, {"photos": list(numbers), "layers": layers, "seed": seed, "numbers": numbers,
                 "tv_weight by layer": tv_weights} | asdict(settings), history, finished)
    if run is not None:
        run.finish(stopped)


def invert(model, photo, layer, target, settings, rng, run, part):
    """Return the Watch with the inverted image of one layer. Ctrl-C ends it early. part : its name in the LongRun."""
    watch = Watch(f"{photo.name}: {layer}", settings.num_steps, ("features", "TV", "norm"), np.zeros_like(photo.x),
                  run=run, part=part, to_image=model.preprocessing.to_image, frames=kept_inversion_steps(settings))
    with watch:
        watch.latest, watch.history = invert_features(
            model.net, layer, target, model.preprocessing, settings, rng=rng, callback=watch,
            checkpoint=watch.checkpoint)
    return watch


def quick_pictures(model, photos, seed=0):
    """Yield the Picture for the gallery: fewer steps, and only the first four layers, as late ones need all steps."""
    return pictures(model, photos, default_layers(model.net)[:4], seed, QUICK)


def default_layers(net):
    """Return six layers over the depth of SqueezeNet; for other networks, the last layer of each stage."""
    return [layer for layer in DEPTH if layer in net.positions] or feature_layers(net)


def rates(text):
    """Return ((100, 0.004), (200, 0.0004)) for the argument "100x0.004,200x0.0004" of the command line."""
    try:
        parts = [part.split("x") for part in text.split(",")]
        stages = tuple((positive_int(steps), positive_number(rate)) for steps, rate in parts)
    except (ValueError, argparse.ArgumentTypeError):
        stages = ()
    if not stages:
        raise argparse.ArgumentTypeError(f"expected steps and learning rates as in 100x0.004,200x0.0004, not {text!r}")
    return stages


def weights(text):
    """Return 20.0 for the argument "20" of the command line, and (1.0, 10.0, 20.0) for "1,10,20"."""
    try:
        values = tuple(map(natural_number, text.split(",")))
    except argparse.ArgumentTypeError:
        values = ()
    if len(values) not in (1, 3):
        raise argparse.ArgumentTypeError(f"expected a number from 0 on, or three as in 1,10,20, not {text!r}")
    return values if len(values) == 3 else values[0]


def run(arguments):
    """Load the network and the photos, invert the features, and save the images."""
    model, reason = choose_model(arguments.model, arguments.device)
    print(reason)
    photos = load_photos(model, arguments.photos, arguments.seed)
    if not arguments.photos:
        photos = photos[:1]
    layers = [model.net.find(layer) for layer in arguments.layers or default_layers(model.net)]
    arguments.preset = arguments.preset or ("drawings" if first_relu_is_dead(model.net) else "fourier")
    settings = chosen_settings(arguments, INVERSION_PRESETS)
    warn_about_memory(model.net, photos[0].x.shape)
    folder = demo_folder(arguments, NAMES)
    run = long_run(arguments, folder, NAMES[0], model,
                   {"seed": arguments.seed, "photos": [digest(photo.image) for photo in photos]}
                   | asdict(settings))
    run_demo(pictures(model, photos, layers, arguments.seed, settings, run), model, arguments, NAMES, folder)


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("inversion", __doc__)
    parser.add_argument("--layer", dest="layers", action="append", metavar="NAME", help="a layer; may be repeated, "
                        "early layers first (default: several over the depth of the network)")
    add_presets(parser, INVERSION_PRESETS, "fourier; drawings for networks of drawings")
    parser.set_defaults(preset=None)
    parser.add_argument("--rates", type=rates, metavar="NxRATE,…", help="steps and learning rate of each stage, as "
                        "100x0.004,200x0.0004 (default: the preset's)")
    parser.add_argument("--update", help="momentum, guarded (momentum that takes back steps uphill), adam, or lbfgs, "
                        "which ignores the learning rates (default: the preset's)")
    parser.add_argument("--parametrization", metavar="NAME", help="numbers that change: pixels, or fourier, a spectrum "
                        "of decorrelated colours, with --update adam (default: the preset's)")
    parser.add_argument("--tv-weight", type=weights, metavar="WEIGHT", help="weight of total variation, which smooths: "
                        "a number, or three for early, middle and late layers, as 1,10,20 (default: the preset's)")
    parser.add_argument("--tv-beta", type=positive_number, metavar="POWER",
                        help="exponent of total variation: 2 smooths, 1 keeps edges (default: the preset's)")
    parser.add_argument("--p-weight", type=natural_number, metavar="WEIGHT",
                        help="weight of the distance from the mean colour (default: the preset's)")
    parser.add_argument("--p", type=positive_number, metavar="POWER", help="exponent of this distance "
                        "(default: the preset's)")
    parser.add_argument("--feature-weight", type=positive_number, metavar="WEIGHT",
                        help="weight of the distance from the layer's activations (default: the preset's)")
    parser.add_argument("--normalized", action=argparse.BooleanOptionalAction, default=None,
                        help="divide the terms by the norms of the features and of a photo")
    parser.add_argument("--init", dest="noise", metavar="NOISE", help="first image: normal or uniform noise "
                        "(default: the preset's)")
    parser.add_argument("--clamp", type=natural_number, metavar="BOUND",
                        help="bound of the image, in the preset's unit; 0: no bound (default: the preset's)")
    parser.add_argument("--clamp-until", type=natural_int, metavar="STEP", help="last step with the bound "
                        "(default: the preset's)")
    add_long_run_options(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
