"""Trains a transform network to paint photos in one style, or in several: python -m demos.train_fast_style FOLDER …"""

from argparse import ArgumentTypeError
from pathlib import Path

import numpy as np

from demos.deepdream import example_photo
from demos.shared.command import MODEL_HELP, main, positive_int, positive_number
from demos.shared.inputs import choose_model
from demos.shared.long_run import add_presets, chosen_settings
from demos.shared.photo_folder import find_photos
from demos.shared.picture import make_folder
from demos.shared.training import train_with_progress, training_parser
from minicnn import images
from minicnn.datasets.drawings import STYLES, draw_style
from minicnn.errors import InputError, unknown_name
from minicnn.models import load_model, transform_network
from minicnn.models.load import weights_path
from minicnn.models.weights import Header, read_header, save_weights
from minicnn.visualize import (
    PhotoCrops,
    StyledCrops,
    StyledLoss,
    StyleSettings,
    perceptual_loss,
    stylize,
    with_more_styles,
    with_style,
)
from minicnn.visualize.style.fast_style import check_transform, mirrored
from minicnn.visualize.style.fast_style_check import check_against_optimiser
from minicnn.visualize.style.perceptual import FAST_PRESETS, in_styles

SAMPLE = 256  # pixels: the long side of the sample pictures


def run(arguments):
    """Train, compare with the optimiser on a photo that was not trained on, save."""
    model, said = choose_model(arguments.model, "auto")
    print(f"{said}; it is the loss network")
    if arguments.preset is None:
        arguments.preset = default_preset(model)
    settings = StyleSettings(**chosen_settings(arguments, FAST_PRESETS))
    styles = {style_name(style): load_style(style) for style in arguments.style or STYLES}
    if len(styles) < len(arguments.style or STYLES):
        raise InputError("two of the styles have the same name; each needs one of its own")
    losses = {name: perceptual_loss(model.net, picture, model.preprocessing, settings)
              for name, picture in styles.items()}
    if arguments.crop % 4:
        raise InputError(f"--crop {arguments.crop} is no multiple of 4, as the network's halvings need")
    net, options, trained = choose_network(arguments, list(styles), model.preprocessing)
    net, names = net.to_device(model.net.device), options.get("styles") or list(styles)
    batches = PhotoCrops(find_photos(arguments.folder), model.preprocessing, arguments.crop, arguments.batch_size,
                         arguments.seed)
    loss, more = losses[names[-1]], {}
    if len(names) > 1:
        first = len(names) - len(styles)
        batches = StyledCrops(batches, len(names), first)
        loss, more = StyledLoss((None,) * first + tuple(losses.values())), {"variant": in_styles, "only": trained}
    train_with_progress(net, batches, arguments, learning_rate=arguments.learning_rate, loss=loss,
                        callback=arguments.samples and sampling(net, model.preprocessing, names, arguments),
                        checkpoint_every=arguments.save_every, **more)
    x = model.preprocessing.to_input(mirrored(images.resize_long_side(example_photo()[1], SAMPLE // 2)))
    painters = each_style(net, names)
    for name in styles:
        for check in check_against_optimiser(losses[name], painters[name], x, np.random.default_rng(0)):
            print(f"{name}: {check.what}: {check.value:.4g} (expected {check.expected})")
    header = Header(Path(arguments.out).stem, "transform_network", model.preprocessing, options=options,
                    origin=f"trained by demos/train_fast_style.py with {model.name} as the loss network", licence="MIT")
    save_weights(arguments.out, net, header, overwrite=arguments.overwrite, half=arguments.half)
    print(f"wrote {arguments.out}")


def style_name(style):
    """What a style is called: by its file, or as it is drawn."""
    return Path(style).stem


def load_style(style):
    """A picture, uint8 (H, W, 3), from a file, or drawn where it is one of STYLES."""
    if style not in STYLES and not Path(style).suffix and not Path(style).exists():
        raise unknown_name("drawn style", style, STYLES)
    return drawn_style(style) if style in STYLES else images.load_image(style)


def drawn_style(name="strokes"):
    """A drawn style as the shipped network has learnt it."""
    return draw_style(name, np.random.default_rng(0), 256)


def default_preset(model):
    """The preset for a loss network."""
    layers = model.net.positions
    return "squeezenet" if "fire4/concat" in layers else "johnson" if "relu3_3" in layers else "shapes"


def choose_network(arguments, names, preprocessing):
    """(the network to train, the options that build it, the keys of what is trained or None for everything): a new
    one; with --go-on that one; with --add-style that one with more styles, of which nothing but their normalizations is
    trained."""
    trained = arguments.add_style or arguments.go_on
    if trained is None:
        options = {"widths": list(arguments.widths), "num_blocks": arguments.blocks}
        if len(names) > 1:
            options["styles"] = names
        return new_network(arguments.seed, options), options, None
    painter = load_model(trained, "cpu")
    check_transform(painter.net)
    options = read_header(weights_path(trained)).options
    if arguments.add_style is None:
        if names != list(painter.styles or names[:1]):
            raise InputError(f"{trained} has learnt {', '.join(painter.styles) or 'a single style'}; --style must give "
                             f"the same, not {', '.join(names)}")
        net, keys = painter.net, None
    else:
        net, keys = with_more_styles(painter.net, len(names)), ("gamma", "beta")
        for name in names:
            if name in painter.styles:
                raise InputError(f"{trained} has a style {name!r} already; rename the new picture")
        options = options | {"styles": [*painter.styles, *names]}
    if painter.preprocessing[:4] != preprocessing[:4]:
        raise InputError(f"{trained} paints for another preprocessing than the loss network has; give the "
                         "--model that it was trained with")
    return net, options, keys


def new_network(seed, options):
    """A transform network whose first pictures are rather grey: its last layer would make them far too bright."""
    net = transform_network(seed, **options)
    net.layer("deconv3").params["w"] *= np.float32(0.3)
    return net


def each_style(net, names):
    """{name: the network that paints in that style}."""
    if len(names) == 1:
        return {names[0]: net}
    return {name: with_style(net, row) for name, row in zip(names, np.eye(len(names)), strict=True)}


def sampling(net, preprocessing, names, arguments):
    """A callback that paints a photo now and then in every style, into the --samples folder."""
    photo = images.resize_long_side(example_photo()[1], SAMPLE)
    folder = Path(arguments.samples)
    make_folder(folder)

    def sample(step):
        if (step + 1) % arguments.sample_every == 0:
            painted = [stylize(painter, photo, preprocessing) for painter in each_style(net, names).values()]
            images.save_image(folder / f"step_{step + 1:06}.png", np.concatenate(painted, axis=1), overwrite=True)
    return sample


def widths(text):
    """8,16,32 -> (8, 16, 32), for argparse."""
    found = tuple(map(positive_int, text.split(",")))
    if len(found) != 3:
        raise ArgumentTypeError(f"expected three numbers, as 8,16,32, not {text!r}")
    return found


def parser():
    """The command line."""
    parser = training_parser("train_fast_style", __doc__, steps=2000, batch_size=4)
    parser.add_argument("folder", metavar="FOLDER", help="photos to learn from, in it and below it")
    parser.add_argument("--style", nargs="+", metavar="PICTURE", help="a style, or several for one network, called as "
                        f"their files are; or of {', '.join(STYLES)}, which are drawn (default: all of these)")
    begun = parser.add_mutually_exclusive_group()
    begun.add_argument("--go-on", metavar="NETWORK", help="train this one further (.h5) instead of a new one, for the "
                        "styles that it has")
    begun.add_argument("--add-style", metavar="NETWORK", help="teach the styles to a network that has learnt several "
                        "(.h5): nothing but their own scales and shifts is trained")
    parser.add_argument("--model", help=f"the loss network: {MODEL_HELP}")
    add_presets(parser, FAST_PRESETS, None)
    parser.add_argument("--content-weight", type=float)
    parser.add_argument("--style-weight", type=float)
    parser.add_argument("--tv-weight", type=float)
    parser.add_argument("--size", type=positive_int, help="the style's size, pixels of its long side")
    parser.add_argument("--crop", type=positive_int, default=64, help="of the photos, pixels a side (default 64; "
                        "Johnson: 256)")
    parser.add_argument("--widths", type=widths, default=(8, 16, 32), help="channels at the full size, a half and a "
                        "quarter (default 8,16,32; published networks: 32,64,128)")
    parser.add_argument("--blocks", type=positive_int, default=3, help="residual blocks (default 3; published: 5)")
    parser.add_argument("--learning-rate", type=positive_number, default=4e-3, help="at its height (default 0.004)")
    parser.add_argument("--half", action="store_true", help="write float16, half as large")
    parser.add_argument("--save-every", type=positive_int, default=100, metavar="STEPS", help="write the --checkpoint")
    parser.add_argument("--samples", metavar="FOLDER", help="paint a photo there as the training goes")
    parser.add_argument("--sample-every", type=positive_int, default=100, metavar="STEPS")
    return parser


if __name__ == "__main__":
    main(run, parser())
