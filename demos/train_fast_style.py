"""Trains a transform network to paint photos in one style: python -m demos.train_fast_style FOLDER --style PICTURE"""

from argparse import ArgumentTypeError
from pathlib import Path

import numpy as np

from demos.command import MODEL_HELP, main, positive_int
from demos.deepdream import example_photo
from demos.inputs import choose_model
from demos.long_run import add_presets, chosen_settings
from demos.photo_folder import find_photos
from demos.picture import make_folder
from demos.training import train_with_progress, training_parser
from minicnn import images
from minicnn.drawings import draw_style
from minicnn.errors import InputError
from minicnn.models import transform_network
from minicnn.visualize import PhotoCrops, StyleSettings, perceptual_loss, stylize
from minicnn.visualize.checks_fast_style import check_against_optimiser
from minicnn.visualize.fast_style import mirrored
from minicnn.visualize.perceptual import FAST_PRESETS
from minicnn.weights import Header, save_weights

SAMPLE = 256  # pixels: the long side of the sample pictures


def run(arguments):
    """Train, compare with the optimiser on a photo that was not trained on, save."""
    model, said = choose_model(arguments.model, "auto")
    print(f"{said}; it is the loss network")
    if arguments.preset is None:
        arguments.preset = default_preset(model)
    settings = StyleSettings(**chosen_settings(arguments, FAST_PRESETS))
    style = images.load_image(arguments.style) if arguments.style else drawn_style()
    loss = perceptual_loss(model.net, style, model.preprocessing, settings)
    if arguments.crop % 4:
        raise InputError(f"--crop {arguments.crop} is no multiple of 4, as the network's halvings need")
    net = new_network(arguments.widths, arguments.blocks, arguments.seed).to_device(model.net.device)
    crops = PhotoCrops(find_photos(arguments.folder), model.preprocessing, arguments.crop, arguments.batch_size,
                       arguments.seed)
    train_with_progress(net, crops, arguments, learning_rate=arguments.learning_rate, loss=loss,
                        callback=arguments.samples and sampling(net, model.preprocessing, arguments),
                        checkpoint_every=arguments.save_every)
    x = model.preprocessing.to_input(mirrored(images.resize_long_side(example_photo()[1], SAMPLE // 2)))
    for check in check_against_optimiser(loss, net, x):
        print(f"{check.what}: {check.value:.4g} (expected {check.expected})")
    header = Header(Path(arguments.out).stem, "transform_network", model.preprocessing,
                    options={"widths": list(arguments.widths), "num_blocks": arguments.blocks},
                    origin=f"trained by demos/train_fast_style.py with {model.name} as the loss network", licence="MIT")
    save_weights(arguments.out, net, header, overwrite=arguments.overwrite)
    print(f"wrote {arguments.out}")


def drawn_style():
    """The strokes that the shipped network paints with."""
    return draw_style("strokes", np.random.default_rng(0), 256)


def default_preset(model):
    """The preset for a loss network."""
    layers = model.net.positions
    return "squeezenet" if "fire4/concat" in layers else "johnson" if "relu3_3" in layers else "shapes"


def new_network(widths, blocks, seed):
    """A transform network whose first pictures are rather grey: its last layer would make them far too bright."""
    net = transform_network(seed, widths, blocks)
    net.layer("deconv3").params["w"] *= np.float32(0.3)
    return net


def sampling(net, preprocessing, arguments):
    """A callback that paints a photo now and then, into the --samples folder."""
    photo = images.resize_long_side(example_photo()[1], SAMPLE)
    folder = Path(arguments.samples)
    make_folder(folder)

    def sample(step):
        if (step + 1) % arguments.sample_every == 0:
            images.save_image(folder / f"step_{step + 1:06}.png", stylize(net, photo, preprocessing), overwrite=True)
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
    parser.add_argument("--style", metavar="PICTURE", help="left out, strokes are drawn")
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
    parser.add_argument("--learning-rate", type=float, default=4e-3, help="at its height (default 0.004)")
    parser.add_argument("--save-every", type=positive_int, default=100, metavar="STEPS", help="write the --checkpoint")
    parser.add_argument("--samples", metavar="FOLDER", help="paint a photo there as the training goes")
    parser.add_argument("--sample-every", type=positive_int, default=100, metavar="STEPS")
    return parser


if __name__ == "__main__":
    main(run, parser())
