"""Train a transform network to paint photos in one style or in several: minicnn train_fast_style FOLDER …"""

from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minicnn import images
from minicnn.datasets.drawings import STYLES, draw_style
from minicnn.errors import InputError, unknown_name
from minicnn.models import Model, load_model, transform_network
from minicnn.models.load import weights_path
from minicnn.models.preprocessing import Preprocessing
from minicnn.models.weights import Header, read_header, save_weights
from minicnn.network import Network
from minicnn.visualize import (
    PhotoCrops,
    StyledCrops,
    StyledLoss,
    perceptual_loss,
    stylize,
    with_more_styles,
    with_style,
)
from minicnn.visualize.style.fast_style import mirrored, require_transform
from minicnn.visualize.style.fast_style_check import check_against_optimiser
from minicnn.visualize.style.perceptual import FAST_PRESETS, in_styles

from .deepdream import example_photo
from .shared.claim import claim
from .shared.command import MODEL_HELP, main, positive_int, positive_number
from .shared.inputs import choose_model
from .shared.long_run import add_presets, chosen_settings
from .shared.photo_files import find_photos
from .shared.training import train_with_progress, training_parser

SAMPLE = 256  # long side of the sample pictures, pixels


def run(arguments):
    """Train the network, compare it with the optimizer on a photo that was not in the training, and save it."""
    model, reason = choose_model(arguments.model, "auto")
    print(f"{reason}; it is the loss network")
    if arguments.preset is None:
        arguments.preset = default_preset(model)
    settings = chosen_settings(arguments, FAST_PRESETS)
    styles = {style_name(style): load_style(style) for style in arguments.style or STYLES}
    if len(styles) < len(arguments.style or STYLES):
        raise InputError("two of the styles have the same name; rename one of the files")
    losses = {name: perceptual_loss(model.net, picture, model.preprocessing, settings)
              for name, picture in styles.items()}
    if arguments.crop % 4:
        raise InputError(f"--crop {arguments.crop} is no multiple of 4, which the network needs, as it halves twice")
    net, options, trained = choose_network(arguments, list(styles), model.preprocessing)
    net, names = net.to_device(model.net.device).fast(), options.get("styles") or list(styles)
    batches: Any = PhotoCrops(find_photos(arguments.folder), model.preprocessing, arguments.crop, arguments.batch_size,
                         arguments.seed)
    loss: Any = losses[names[-1]]
    more: dict[str, Any] = {}
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
            print(f"{name}: {check.what}: {check.value:.4g} ({check.expected})")
    header = Header(Path(arguments.out).stem, "transform_network", model.preprocessing, options=options,
                    origin=f"trained by demos/train_fast_style.py with {model.name} as the loss network", licence="MIT")
    save_weights(arguments.out, net, header, overwrite=arguments.overwrite, half=arguments.half)
    print(f"wrote {arguments.out}")


def style_name(style: str) -> str:
    """Return the name of a style: its file's name, or the name of its drawing."""
    return Path(style).stem


def load_style(style: str) -> np.ndarray:
    """Return the picture of a style, uint8 (H, W, 3), from a file, or drawn for a name in STYLES."""
    if style not in STYLES and not Path(style).suffix and not Path(style).exists():
        raise unknown_name("drawn style", style, STYLES)
    return drawn_style(style) if style in STYLES else images.load_image(style)


def drawn_style(name: str = "strokes") -> np.ndarray:
    """Return a drawn style, as in the training of the shipped network."""
    return draw_style(name, np.random.default_rng(0), 256)


def default_preset(model: Model) -> str:
    """Return the name of the preset for a loss network."""
    layers = model.net.positions
    return "squeezenet" if "fire4/concat" in layers else "johnson" if "relu3_3" in layers else "shapes"


def choose_network(arguments: Namespace, names: Sequence[str],
                   preprocessing: Preprocessing) -> tuple[Network, dict[str, Any], tuple[str, ...] | None]:
    """Return (the network to train, the options of its builder, the keys of the trained parameters or None for all).

    By default, the network is new. --go-on names an existing network. --add-style names a network to which styles are
    added; only the scales and shifts of their normalizations are trained.
    """
    trained = arguments.add_style or arguments.go_on
    if trained is None:
        options = {"widths": list(arguments.widths), "num_blocks": arguments.blocks}
        if len(names) > 1:
            options["styles"] = names
        return new_network(arguments.seed, options), options, None
    painter = load_model(trained, "cpu").fast()
    require_transform(painter.net)
    options = read_header(weights_path(trained)).options
    if arguments.add_style is None:
        if names != list(painter.styles or names[:1]):
            raise InputError(f"{trained} has {', '.join(painter.styles) or 'a single style'}; --style must name the "
                             f"same styles, not {', '.join(names)}")
        net, keys = painter.net, None
    else:
        net, keys = with_more_styles(painter.net, len(names)), ("gamma", "beta")
        for name in names:
            if name in painter.styles:
                raise InputError(f"{trained} has a style {name!r} already; rename the new picture")
        options = options | {"styles": [*painter.styles, *names]}
    if painter.preprocessing[:4] != preprocessing[:4]:
        raise InputError(f"{trained} has another preprocessing than the loss network; give the --model that it was "
                         "trained with")
    return net, options, keys


def new_network(seed: int, options: Mapping[str, Any]) -> Network:
    """Return a new transform network. Its last layer is scaled down, since its first pictures would be too bright."""
    net = transform_network(seed, **options)
    net.layer("deconv3").params["w"] *= np.float32(0.3)
    return net


def each_style(net: Network, names: Sequence[str]) -> dict[str, Network]:
    """Return {name: the network that paints in this style}."""
    if len(names) == 1:
        return {names[0]: net}
    return {name: with_style(net, row) for name, row in zip(names, np.eye(len(names)), strict=True)}


def sampling(net: Network, preprocessing: Preprocessing, names: Sequence[str],
             arguments: Namespace) -> Callable[[int], None]:
    """Return a callback that paints a photo in every style every --sample-every steps, into the --samples folder."""
    photo = images.resize_long_side(example_photo()[1], SAMPLE)
    folder = Path(arguments.samples)
    claim(folder)

    def sample(step: int) -> None:
        if (step + 1) % arguments.sample_every == 0:
            painted = [stylize(painter, photo, preprocessing) for painter in each_style(net, names).values()]
            images.save_image(folder / f"step_{step + 1:06}.png", np.concatenate(painted, axis=1), overwrite=True)
    return sample


def widths(text: str) -> tuple[int, ...]:
    """Return (8, 16, 32) for the argument "8,16,32" of the command line."""
    found = tuple(map(positive_int, text.split(",")))
    if len(found) != 3:
        raise ArgumentTypeError(f"expected three numbers as 8,16,32, not {text!r}")
    return found


def parser():
    """Return the parser of the command line."""
    parser = training_parser("train_fast_style", __doc__, steps=2000, batch_size=4)
    parser.add_argument("folder", metavar="FOLDER", help="folder of photos for the training; subfolders are searched")
    parser.add_argument("--style", nargs="+", metavar="PICTURE", help="style pictures, one or several for one network, "
                        f"named by their files; or drawn styles: {', '.join(STYLES)} (default: all drawn styles)")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--go-on", metavar="NETWORK", help="train this network (.h5) further, for its styles "
                        "(default: a new network)")
    start.add_argument("--add-style", metavar="NETWORK", help="add the styles to a network of several styles (.h5) and "
                       "train only their scales and shifts (default: a new network)")
    parser.add_argument("--model", help=f"loss network: {MODEL_HELP}")
    add_presets(parser, FAST_PRESETS, None)
    parser.add_argument("--content-weight", type=float, metavar="WEIGHT", help="weight of the content "
                        "(default: the preset's)")
    parser.add_argument("--style-weight", type=float, metavar="WEIGHT", help="weight of the style "
                        "(default: the preset's)")
    parser.add_argument("--tv-weight", type=float, metavar="WEIGHT", help="weight of total variation "
                        "(default: the preset's)")
    parser.add_argument("--size", type=positive_int, metavar="PIXELS", help="long side of the style "
                        "(default: the preset's)")
    parser.add_argument("--crop", type=positive_int, default=64, metavar="PIXELS",
                        help="side of the crops of the photos (default: 64; Johnson: 256)")
    parser.add_argument("--widths", type=widths, default=(8, 16, 32), metavar="C,C,C", help="channels at the full "
                        "size, a half and a quarter (default: 8,16,32; published networks: 32,64,128)")
    parser.add_argument("--blocks", type=positive_int, default=3, metavar="N",
                        help="residual blocks (default: 3; published networks: 5)")
    parser.add_argument("--learning-rate", type=positive_number, default=4e-3, metavar="RATE",
                        help="largest learning rate (default: 0.004)")
    parser.add_argument("--half", action="store_true", help="write float16, half the size")
    parser.add_argument("--save-every", type=positive_int, default=100, metavar="STEPS",
                        help="steps between two savings of the --checkpoint (default: 100)")
    parser.add_argument("--samples", metavar="FOLDER", help="folder for a photo that is painted during the training "
                        "(default: none)")
    parser.add_argument("--sample-every", type=positive_int, default=100, metavar="STEPS",
                        help="steps between two samples (default: 100)")
    return parser


if __name__ == "__main__":
    main(run, parser())
