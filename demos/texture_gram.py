"""Synthesize a texture with the Gram matrices of a picture: minicnn texture_gram photo.jpg [--size 192]"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import NamedTuple

import numpy as np

from minicnn import images, plot
from minicnn.datasets.drawings import draw_style
from minicnn.errors import InputError
from minicnn.models import Model
from minicnn.network import Network
from minicnn.visualize.style.require import Layers, require_size
from minicnn.visualize.texture.gram import (
    TEXTURE_PRESETS,
    TextureSettings,
    match_histogram,
    num_conditions,
    synthesize_texture,
    texture_weights,
)
from minicnn.visualize.texture.gram_check import check_texture
from minicnn.visualize.texture.gram_steps_check import check_texture_steps, kept_texture_steps

from .shared.command import demo_parser, main, natural_number, number, positive_int, positive_number
from .shared.inputs import choose_model, require_memory
from .shared.long_run import LongRun, Watch, add_long_run_options, add_presets, chosen_settings, digest, long_run
from .shared.photo_files import shown_name
from .shared.picture import Picture, demo_folder, run_demo
from .shared.preset_choice import BY_LAYERS, default_texture, texture_presets

NAMES = ("texture_gram",)
USUAL_SIZES = {"gatys": 256, "squeezenet": 192, BY_LAYERS: 192, "shapes": 96}  # short side of the source, pixels


class Source(NamedTuple):
    """The source of the texture: its name, and the picture, uint8 (H, W, 3)."""

    name: str
    image: np.ndarray


def pictures(model: Model, source: Source | None = None, settings: TextureSettings | None = None,
             stacks: Sequence[int] | None = None, seed: int = 0, run: LongRun | None = None,
             histogram: bool = False) -> Iterator[Picture]:
    """Yield the picture of technique 22: the source, and textures by its first layer, its first two layers, and so on.

    stacks : numbers of layers; by default 1, 2, … up to all of them, as in the paper. run : the LongRun that saves the
    unfinished image and the state. histogram : True to show the textures with the source's histogram; the array has
    them without it.
    """
    source = source or drawn_source(model)
    settings = settings or texture_presets(model)[default_texture(model)]
    x = model.preprocessing.to_input(source.image)
    weights = texture_weights(model.net, settings.layers)
    made, checks, stopped = {}, [], None
    for count in stacks or range(1, len(weights) + 1):
        layers = dict(list(weights.items())[:count])
        watch = Watch(f"{count} of {len(weights)} layers", settings.num_steps, list(layers),
                      np.zeros_like(x), run=run, part=count, to_image=model.preprocessing.to_image,
                      frames=kept_texture_steps(settings.num_steps))
        with watch:
            image, history = synthesize_texture(
                model.net, x, replace(settings, layers=layers), rng=np.random.default_rng([seed, count]),
                callback=watch, checkpoint=watch.checkpoint)
        stopped = watch.stopped
        made[count] = (watch.image, watch.history) if stopped else (image, history)
        checks += check_texture_steps(model.net, x, made[count][0], layers, settings, watch.frames, made[count][1],
                                      np.random.default_rng([seed, count]), f"{count} of {len(weights)} layers")
        if stopped:
            break
    image, history = made[count]
    panels = [(source.name, source.image)]
    panels += [(f"{'up to ' if n > 1 else ''}{list(weights)[n - 1]}",
                model.preprocessing.to_image(match_histogram(texture, x) if histogram else texture))
               for n, (texture, _) in made.items()]
    title = (f"{model.name}: texture by Gram matrices"
             + (f", Iteration {len(history)} / {settings.num_steps}, stopped" if stopped else ""))
    yield Picture(
        "texture_gram", title, plot.show_panels(panels, min(5, len(panels)), title, 3.2),
        np.concatenate([texture for texture, _ in made.values()]),
        "Noise was changed until its layers have the same Gram matrices as the source. Then the same features "
        "occur together in it, but in other places. Each added layer brings larger structures.",
        "Gatys et al. 2015 (arXiv:1505.07376), figure 2",
        checks + check_texture(model.net.with_pooling(settings.pooling), x, image, dict(list(weights.items())[:count]),
                               np.random.default_rng([seed, 0])),
        {"source": source.name, "seed": seed, "stacks": list(made), "image": list(source.image.shape[:2]),
         "histogram": histogram} | asdict(settings),
        history, {f"{count}_layers": picture for count, (_, picture) in zip(made, panels[1:], strict=True)})
    if run is not None:
        run.finish(stopped)


def usual_size(model: Model) -> int:
    """Return the usual short side of a source in pixels. A smaller texture converges slowly, a larger one takes long.
    """
    return USUAL_SIZES[default_texture(model)]


def drawn_source(model: Model, size: int | None = None) -> Source:
    """Return a drawn texture that the network can tell from others."""
    name = "stripes" if model.name == "shapes" else "strokes"
    return Source(name, draw_style(name, np.random.default_rng(0), size or usual_size(model)))


def warn_about_conditions(net: Network, image: np.ndarray, layers: Layers) -> None:
    """Print a line if the texture has hardly more values than its Gram matrices prescribe."""
    conditions, values = num_conditions(net, layers), image.size
    if values < 2 * conditions:
        print(f"note: the Gram matrices of these layers have {conditions:,} different values, the texture has "
              f"{values:,}: their relative error may stay above 1 %; {round(conditions ** 0.5)} pixels a side are "
              "enough")


def gallery_pictures(model: Model, seed: int = 0) -> Iterator[Picture]:
    """Return the pictures of the gallery, made in seconds: three layers, and for a larger network also the first."""
    preset = default_texture(model)
    settings = texture_presets(model)[preset]
    layers = dict(list(texture_weights(model.net, settings.layers).items())[:3])
    settings = replace(settings, num_steps=200 if preset == "shapes" else 150, layers=layers)
    source = drawn_source(model, min(128, usual_size(model)))
    return pictures(model, source, settings, (3,) if preset == "shapes" else (1, 3), seed)


def run(arguments):
    """Load the network and the source, synthesize the texture, and save it."""
    model, reason = choose_model(arguments.model, arguments.device)
    print(reason)
    if len(arguments.photos) > 1:
        raise InputError(f"expected one picture, the source, got {len(arguments.photos)}")
    if arguments.preset is None:
        arguments.preset = default_texture(model)
    settings = chosen_settings(arguments, texture_presets(model))
    weights = texture_weights(model.net, settings.layers)
    if arguments.photos:
        picture = images.load_image(arguments.photos[0])
        side = arguments.size or min(*picture.shape[:2], usual_size(model))
        source = Source(shown_name(arguments.photos[0]), images.resize_short_side(picture, side))
        require_memory(model.net, source.image.shape[:2], list(weights))
    else:
        side = arguments.size or usual_size(model)
        require_memory(model.net, (side, side), list(weights))  # before it is drawn
        source = drawn_source(model, side)
    require_size(model.net, (model.net.input_shape[0], *source.image.shape[:2]), weights, "the source")
    warn_about_conditions(model.net, source.image, weights)
    folder = demo_folder(arguments, NAMES)
    run = long_run(arguments, folder, NAMES[0], model,
                   {"source": digest(source.image), "size": list(source.image.shape[:2]), "seed": arguments.seed}
                   # with Adam, the learning rate of each step depends on the number of steps
                   | {key: value for key, value in asdict(settings).items()
                      if key != "num_steps" or settings.optimizer == "adam"})
    run_demo(pictures(model, source, settings, seed=arguments.seed, run=run,
                      histogram=arguments.histogram), model, arguments, NAMES, folder)


def layer_names(text: str) -> dict[str, float]:
    """Return {layer: weight} for the argument "relu1_1,relu2_1" or "relu1_1=2,relu2_1=1" of the command line."""
    pairs = [part.strip().partition("=") for part in text.split(",")]
    if not all(name for name, *_ in pairs):
        raise argparse.ArgumentTypeError(f"expected layers, with or without weights, as relu1=2,pool1; not {text!r}")
    return {name: number(weight) if equals else 1.0 for name, equals, weight in pairs}


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("texture_gram", __doc__)
    add_presets(parser, dict.fromkeys([*TEXTURE_PRESETS, BY_LAYERS]), None)
    parser.add_argument("--layers", type=layer_names, metavar="NAME[=WEIGHT],…", help="layers from early to late, with "
                        "or without weights: relu1_1=2,pool1=1 (default: the preset's)")
    parser.add_argument("--size", type=positive_int, metavar="PIXELS", help="short side of the source and the texture "
                        "(default: 256 as in the paper, 192 for SqueezeNet, 96 for shapes, or the short side of a "
                        "smaller picture)")
    parser.add_argument("--reduction", help="sum, mean or relative squares of a layer (default: the preset's)")
    parser.add_argument("--pooling", help="max or avg (default: the preset's)")
    parser.add_argument("--optimizer", help="lbfgs or adam (default: the preset's)")
    parser.add_argument("--steps", dest="num_steps", type=positive_int, metavar="N",
                        help="steps for each stack of layers (default: the preset's)")
    parser.add_argument("--learning-rate", type=positive_number, metavar="RATE", help="learning rate of Adam "
                        "(default: the preset's)")
    parser.add_argument("--noise", type=natural_number, metavar="FACTOR",
                        help="standard deviation of the first image, relative to the source's (default: the preset's)")
    parser.add_argument("--histogram", action="store_true",
                        help="show the textures with the source's histogram of each channel, as Gatys does")
    add_long_run_options(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
