"""More of a texture, by Gram matrices: python -m demos.texture_gram photo.jpg [--layers NAME,NAME] [--size 192]"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

from demos.shared.command import demo_parser, main, natural_number, number, positive_int, positive_number
from demos.shared.inputs import choose_model, require_memory
from demos.shared.long_run import Watch, add_long_run_options, add_presets, chosen_settings, digest, long_run
from demos.shared.picture import Picture, demo_folder, run_demo
from minicnn import images, plot
from minicnn.datasets.drawings import draw_style
from minicnn.errors import InputError
from minicnn.visualize.style.terms import check_size
from minicnn.visualize.texture.gram import (
    TEXTURE_PRESETS,
    match_histogram,
    num_conditions,
    synthesize_texture,
    texture_weights,
)
from minicnn.visualize.texture.gram_check import check_texture

NAMES = ("texture_gram",)
USUAL_SIZES = {"gatys": 256, "squeezenet": 192, "shapes": 96}  # by the default preset


class Source(NamedTuple):
    """The picture to make more of: its name, and uint8 (H, W, 3)."""

    name: str
    image: np.ndarray


def pictures(model, source=None, settings=None, stacks=None, seed=0, run=None, histogram=False):
    """Technique 22: the source, then a texture by its first layer alone, by its first two, … as in the paper.

    stacks : of how many layers; each number up to all of them, unless given. run : the LongRun that saves it as it
    goes. histogram : show the textures with the source's; the array has them as they are.
    """
    source = source or drawn_source(model)
    settings = settings or TEXTURE_PRESETS[default_preset(model)]
    x = model.preprocessing.to_input(source.image)
    weights = texture_weights(model.net, settings["layers"])
    made, stopped = {}, None
    for count in stacks or range(1, len(weights) + 1):
        layers = dict(list(weights.items())[:count])
        watch = Watch(f"{count} of {len(weights)} layers", settings["num_steps"], list(layers),
                      np.zeros_like(x), run=run, to_image=model.preprocessing.to_image)
        with watch:
            image, history = synthesize_texture(
                model.net, x, rng=np.random.default_rng([seed, count]), callback=watch,
                checkpoint=run and run.checkpoint(count), **settings | {"layers": layers})
        stopped = watch.stopped
        made[count] = (watch.image, watch.history) if stopped else (image, history)
        if stopped:
            break
    image, history = made[count]
    panels = [(source.name, source.image)]
    panels += [(f"{'up to ' if n > 1 else ''}{list(weights)[n - 1]}",
                model.preprocessing.to_image(match_histogram(texture, x) if histogram else texture))
               for n, (texture, _) in made.items()]
    title = f"{model.name}: texture by Gram matrices, Iteration {len(history)} / {settings['num_steps']}"
    title += ", stopped" if stopped else ""
    yield Picture(
        "texture_gram", title, plot.show_panels(panels, min(5, len(panels)), title, 3.2),
        np.concatenate([texture for texture, _ in made.values()]),
        "Noise was changed until the same features occur together in it as in the source, wherever they are: the Gram "
        "matrices of the layers are the same. Every layer that is added brings larger structures.",
        "Gatys et al. 2015 (arXiv:1505.07376), figure 2",
        check_texture(model.net.with_pooling(settings["pooling"]), x, image, dict(list(weights.items())[:count]),
                      np.random.default_rng([seed, 0])),
        {"source": source.name, "seed": seed, "stacks": list(made), "image": list(source.image.shape[:2]),
         "histogram": histogram} | settings,
        history)
    if run is not None:
        run.finish(stopped)


def default_preset(model):
    """The preset for a network."""
    for family in ("squeezenet", "shapes"):
        if model.net.positions.keys() >= TEXTURE_PRESETS[family]["layers"].keys():
            return family
    return "gatys"


def usual_size(model):
    """The short side of a source in pixels: of fewer, the Gram matrices are met only slowly, and more take long."""
    return USUAL_SIZES[default_preset(model)]


def drawn_source(model, size=None):
    """A texture drawn in code, one that the network can tell from others."""
    name = "stripes" if model.name == "shapes" else "strokes"
    return Source(name, draw_style(name, np.random.default_rng(0), size or usual_size(model)))


def say_whether_enough(net, image, layers):
    """Say so where the texture has hardly more numbers than the Gram matrices that it should have."""
    wanted, has = num_conditions(net, layers), image.size
    if has < 2 * wanted:
        print(f"note: the Gram matrices of these layers have {wanted:,} different numbers, and the texture {has:,}: it "
              f"may not come within a hundredth of them; {round(wanted ** 0.5)} pixels a side are enough")


def gallery_pictures(model, seed=0):
    """In a few seconds: three layers, and of a larger network the first alone too."""
    preset = default_preset(model)
    settings = TEXTURE_PRESETS[preset] | {"num_steps": 200 if preset == "shapes" else 250}
    layers = dict(list(settings["layers"].items())[:3])
    source = drawn_source(model, min(128, usual_size(model)))
    return pictures(model, source, settings | {"layers": layers}, (3,) if preset == "shapes" else (1, 3), seed)


def run(arguments):
    """Load, synthesize, save."""
    model, said = choose_model(arguments.model, arguments.device)
    print(said)
    if len(arguments.photos) > 1:
        raise InputError(f"one picture is the source, not {len(arguments.photos)}")
    if arguments.preset is None:
        arguments.preset = default_preset(model)
    settings = chosen_settings(arguments, TEXTURE_PRESETS)
    weights = texture_weights(model.net, settings["layers"])
    if arguments.photos:
        picture = images.load_image(arguments.photos[0])
        side = arguments.size or min(*picture.shape[:2], usual_size(model))
        source = Source(Path(arguments.photos[0]).stem, images.resize_short_side(picture, side))
        require_memory(model.net, source.image.shape[:2], list(weights))
    else:
        side = arguments.size or usual_size(model)
        require_memory(model.net, (side, side), list(weights))  # before it is drawn
        source = drawn_source(model, side)
    check_size(model.net, (model.net.input_shape[0], *source.image.shape[:2]), list(weights), "the source")
    say_whether_enough(model.net, source.image, weights)
    folder = demo_folder(arguments, NAMES)
    run = long_run(arguments, folder, NAMES[0], model,
                   {"source": digest(source.image), "size": list(source.image.shape[:2]), "seed": arguments.seed}
                   # Adam's rate depends on where it is on the way to the last step
                   | {key: value for key, value in settings.items()
                      if key != "num_steps" or settings["optimizer"] == "adam"})
    run_demo(pictures(model, source, settings, seed=arguments.seed, run=run,
                      histogram=arguments.histogram), model, arguments, NAMES, folder)


def layer_names(text):
    """relu1_1,relu2_1 or relu1_1=2,relu2_1=1 -> {layer: weight}, for argparse."""
    pairs = [part.strip().partition("=") for part in text.split(",")]
    if not all(name for name, *_ in pairs):
        raise argparse.ArgumentTypeError(f"expected layers, with weights or without: relu1=2,pool1; not {text!r}")
    return {name: number(weight) if equals else 1.0 for name, equals, weight in pairs}


def parser():
    """The command line."""
    parser = demo_parser("texture_gram", __doc__)
    add_presets(parser, TEXTURE_PRESETS, None)
    parser.add_argument("--layers", type=layer_names, help="from shallow to deep; with weights: relu1_1=2,pool1=1")
    parser.add_argument("--size", type=positive_int, help="short side in pixels; left out, 256 as in the paper "
                        "(192 for SqueezeNet, 96 for shapes), or a smaller picture's own")
    parser.add_argument("--reduction", help="how a layer's error counts: sum, mean or relative")
    parser.add_argument("--pooling", help="max or avg")
    parser.add_argument("--optimizer", help="lbfgs or adam")
    parser.add_argument("--steps", dest="num_steps", type=positive_int, help="for each stack of layers")
    parser.add_argument("--learning-rate", type=positive_number, help="of Adam")
    parser.add_argument("--noise", type=natural_number, help="that it begins with, as a part of the source's contrast")
    parser.add_argument("--histogram", action="store_true",
                        help="give what is shown exactly the source's colours, channel by channel, as Gatys does")
    add_long_run_options(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
