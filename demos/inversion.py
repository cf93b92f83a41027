"""What each layer still knows of a photo: python -m demos.inversion photo.jpg [--layer NAME …] [--preset tuned]"""

import argparse

import numpy as np

from demos.shared.command import demo_parser, main, natural_int, natural_number, positive_int, positive_number
from demos.shared.inputs import choose_model, load_photos, warn_about_memory
from demos.shared.layers import feature_layers
from demos.shared.long_run import Watch, add_long_run_options, add_presets, chosen_settings, digest, long_run
from demos.shared.picture import Picture, demo_folder, run_demo
from minicnn import plot
from minicnn.backend import to_device, to_host
from minicnn.visualize.synthesis.inversion import (
    INVERSION_PRESETS,
    inversion_report,
    invert_features,
    tv_weight_by_depth,
)
from minicnn.visualize.synthesis.inversion_check import check_inversion

QUICK = ((60, 4e-3), (60, 4e-4), (20, 4e-5))  # a third of the steps: rougher, where the layer is deep
DEPTH = ("relu_conv1", "fire2/concat", "fire3/concat", "fire5/concat", "fire7/concat", "fire9/concat")  # SqueezeNet's
NAMES = ("inversion",)


def pictures(model, photos, layers=None, seed=0, settings=None, run=None):
    """Technique 19: a row per photo: the photo, and what inverting its activations gives, layer by layer.

    settings : of `invert_features`; the preset "tuned", unless given. run : the LongRun that saves it as it goes, or
    None.
    """
    net, settings = model.net, settings or INVERSION_PRESETS["tuned"]
    layers = [net.find(layer) for layer in layers or default_layers(net)]
    tv_weights = {layer: tv_weight_by_depth(net, layer, photos[0].x.shape[2:], settings["tv_weight"])
                  for layer in layers}
    num_steps = sum(steps for steps, _ in settings["rates"])
    panels, inverted, numbers, checks, stopped, history = [], [], {}, [], None, []
    for n, photo in enumerate(photos):
        reports, targets = {}, {}
        panels.append((photo.name + "\n", photo.image))
        for layer in layers:
            targets[layer] = to_host(net.predict(to_device(photo.x, net.device), layer))
            watch = Watch(f"{photo.name}: {layer}", num_steps, ("features", "TV", "norm"), np.zeros_like(photo.x),
                          run=run, to_image=model.preprocessing.to_image)
            with watch:
                watch.latest, watch.history = invert_features(
                    net, layer, targets[layer], model.preprocessing, rng=np.random.default_rng([seed, n]),
                    callback=watch, checkpoint=run and run.checkpoint(f"{n}-{layer}"), **settings)
            reports[layer] = report = inversion_report(net, layer, watch.image, targets[layer], photo.image,
                                                       model.preprocessing)
            inverted.append(watch.image)
            history, stopped = history or watch.history, watch.stopped
            panels.append((f"{layer}\nerror {report.error_8bit:.1%}, {report.psnr:.1f} dB",
                           model.preprocessing.to_image(watch.image)))
            if stopped is not None:
                break
        numbers[photo.name] = {layer: report._asdict() for layer, report in reports.items()}
        checks += check_inversion(net, reports, targets, photo.name, photo.x.shape)
        if stopped is not None:
            break
    yield Picture(
        "inversion", f"{model.name}: inverted features" + (", stopped" if stopped else ""),
        plot.show_panels(panels, 1 + len(layers), size=2.2), np.concatenate(inverted),
        "Each picture began as noise and was changed until a layer gave almost the activations that it gives for the "
        "photo; smooth pictures are preferred. What differs from the photo is what the layer does not tell: first fine "
        "detail, then colours, then where things are.",
        "Mahendran and Vedaldi 2015 (arXiv:1412.0035), section 3",
        checks, {"photos": list(numbers), "layers": layers, "seed": seed, "numbers": numbers,
                 "tv_weight by layer": tv_weights} | settings, history)
    if run is not None:
        run.finish(stopped)


def quick_pictures(model, photos, seed=0):
    """The same with less to do, for the gallery: fewer steps, and the first four layers, as deep ones need them all."""
    return pictures(model, photos, default_layers(model.net)[:4], seed, INVERSION_PRESETS["tuned"] | {"rates": QUICK})


def default_layers(net):
    """Six layers over SqueezeNet's depth; of another network, the last of each stage."""
    return [layer for layer in DEPTH if layer in net.positions] or feature_layers(net)


def rates(text):
    """ "100x0.004,200x0.0004" -> ((100, 0.004), (200, 0.0004)), for argparse."""
    try:
        parts = [part.split("x") for part in text.split(",")]
        found = tuple((positive_int(steps), positive_number(rate)) for steps, rate in parts)
    except (ValueError, argparse.ArgumentTypeError):
        found = ()
    if not found:
        raise argparse.ArgumentTypeError(f"expected steps and learning rates as in 100x0.004,200x0.0004, not {text!r}")
    return found


def weights(text):
    """ "20" -> 20.0, "1,10,20" -> (1.0, 10.0, 20.0), for argparse."""
    try:
        found = tuple(map(natural_number, text.split(",")))
    except argparse.ArgumentTypeError:
        found = ()
    if len(found) not in (1, 3):
        raise argparse.ArgumentTypeError(f"expected a number from 0 on, or three as in 1,10,20, not {text!r}")
    return found if len(found) == 3 else found[0]


def run(arguments):
    """Load, invert, save."""
    model, said = choose_model(arguments.model, arguments.device)
    print(said)
    photos = load_photos(model, arguments.photos, arguments.seed)
    if not arguments.photos:
        photos = photos[:1]
    layers = [model.net.find(layer) for layer in arguments.layers or default_layers(model.net)]
    settings = chosen_settings(arguments, INVERSION_PRESETS)
    warn_about_memory(model.net, photos[0].x.shape)
    folder = demo_folder(arguments, NAMES)
    run = long_run(arguments, folder, NAMES[0], model,
                   {"seed": arguments.seed, "photos": [digest(photo.image) for photo in photos]} | settings)
    run_demo(pictures(model, photos, layers, arguments.seed, settings, run), model, arguments, NAMES, folder)


def parser():
    """The command line."""
    parser = demo_parser("inversion", __doc__)
    parser.add_argument("--layer", dest="layers", action="append", help="may be given several times, near ones first; "
                        "left out, some over the depth of the network")
    add_presets(parser, INVERSION_PRESETS, "tuned")
    parser.add_argument("--rates", type=rates, help="steps and learning rates, as 100x0.004,200x0.0004")
    parser.add_argument("--update", help="momentum, guarded (the same, taken back where it leads uphill), adam, or "
                        "lbfgs, which takes no rate")
    parser.add_argument("--tv-weight", type=weights, help="how smooth: a number, or three by depth, as 1,10,20")
    parser.add_argument("--tv-beta", type=positive_number, help="power of the step between pixels: 2 smooths, 1 "
                        "keeps edges")
    parser.add_argument("--p-weight", type=natural_number, help="how near to the mean colour")
    parser.add_argument("--p", type=positive_number, help="the power by which bright pixels count")
    parser.add_argument("--feature-weight", type=positive_number, help="how near to the layer's activations")
    parser.add_argument("--normalized", action=argparse.BooleanOptionalAction, default=None,
                        help="whether the terms are divided by the norms of the features and of a photo")
    parser.add_argument("--init", dest="noise", help="what it begins with: normal or uniform noise")
    parser.add_argument("--clamp", type=natural_number, help="bounds of the image, in the preset's unit; 0 sets none")
    parser.add_argument("--clamp-until", type=natural_int, metavar="STEP", help="afterwards it may go beyond them")
    add_long_run_options(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
