"""Paint a photo in the style of other pictures: minicnn style_transfer CONTENT STYLE [STYLE …]"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from minicnn import plot
from minicnn.backend import to_device
from minicnn.errors import InputError
from minicnn.models import Model
from minicnn.models.preprocessing import TORCHVISION
from minicnn.visualize.style.pictures import finished_picture, resize_side
from minicnn.visualize.style.problem import style_problem, term_names
from minicnn.visualize.style.require import require_layers
from minicnn.visualize.style.settings import STYLE_PRESETS, StyleSettings
from minicnn.visualize.style.transfer import Stylized, transfer_style
from minicnn.visualize.style.transfer_check import (
    check_blend,
    check_colours,
    check_content_sweep,
    check_scale_sweep,
    check_style,
    content_error,
)
from minicnn.visualize.style.transfer_steps_check import check_style_steps, kept_style_steps

from .shared.command import demo_parser, main, natural_number, number, positive_int, positive_number
from .shared.inputs import choose_model, require_memory
from .shared.long_run import LongRun, Watch, add_long_run_options, add_presets, long_run
from .shared.picture import Picture, demo_folder, run_demo
from .shared.preset_choice import BY_LAYERS, default_style, style_presets
from .shared.style_inputs import (
    Sources,
    card_settings,
    drawn_sources,
    given_settings,
    load_sources,
    resume_settings,
)
from .texture_gram import layer_names

NAMES = ("style_transfer",)
RATIOS = (0.01, 0.1, 1, 10, 100)  # factors of the content weight
SCALES = (0.5, 1, 2)              # factors of the style scale


class Sweep(NamedTuple):
    """A sheet of pictures with one setting changed: the picture's name, the setting, its factors, and the captions."""

    name: str
    field: str
    factors: Sequence[float]
    title: str
    caption: str


SWEEPS = (
    Sweep("style_transfer_ratio", "content_weight", RATIOS, "content weight",
          "The same content and style. From picture to picture the content weight grows tenfold."),
    Sweep("style_transfer_scale", "style_scale", SCALES, "style scale",
          "The same content and style. A larger style picture gives larger brush strokes."))
SWEEP_NAMES = tuple(sweep.name for sweep in SWEEPS)


def pictures(model: Model, sources: Sources, settings: StyleSettings, seed: int = 0,
             run: LongRun | None = None) -> Iterator[Picture]:
    """Yield the picture of techniques 23 to 25: the content, the styles, and the content painted in the styles.

    run : the LongRun that saves the unfinished image and the state, or None.
    """
    result, stopped, frames = transfer(model, sources, settings, seed, run)
    problem = style_problem(model.net, sources.content, sources.styles, model.preprocessing, settings,
                            settings.size, sources.masks)
    if stopped and result.image.shape != problem.content.shape:  # stopped at a smaller size
        checks = []
    else:
        checks = check_style(problem, result.image, settings, np.random.default_rng([seed, 1]))
        checks += check_colours(result.picture, sources.content, sources.styles, settings,
                                model.preprocessing.to_image(result.image))
    checks += check_style_steps(model.net, sources.content, sources.styles, model.preprocessing, settings,
                                result.image, frames, result.history, np.random.default_rng([seed, 0]), sources.masks)
    heading = (f"{model.name}: style transfer"
               + (f", Iteration {len(result.history)} / {total_steps(settings)}, stopped" if stopped else ""))
    small = resize_side(sources.content, settings.size, settings.side)
    panels = [("Content Source Img.", small)]
    panels += [(f"Style Source Img.{f' {n}' if len(sources.styles) > 1 else ''}",
                resize_side(style, settings.style_size(settings.size), settings.side))
               for n, style in enumerate(sources.styles, 1)] + [("Output Img.", result.picture)]
    yield Picture(
        "style_transfer", heading, plot.show_panels(panels, len(panels), heading, 3.4), result.image,
        "The picture was changed until a deep layer has the features of the content in the same places, and several "
        "layers have the Gram matrices of the style: the same features occur together, in other places.",
        "Gatys et al. 2015 (arXiv:1508.06576); presets of Stanford CS231n and of Johnson's neural-style",
        checks + check_blend(problem, settings),
        {"sources": sources.names, "masks": bool(sources.masks), "seed": seed, "terms": terms_of(sources, settings)}
        | card_settings(settings), result.history, {"result": result.picture})
    if run is not None:
        run.finish(stopped)


def transfer(model: Model, sources: Sources, settings: StyleSettings, seed: int, run: LongRun | None,
             part: str = "",
             title: str = "style transfer") -> tuple[Stylized, BaseException | None, dict[int, np.ndarray]]:
    """Return (Stylized, the exception that stopped the run or None, images of some steps) and show a progress bar.

    part : the name of this transfer in a run of several.
    """
    watch = Watch(title, total_steps(settings), terms_of(sources, settings),
                  model.preprocessing.to_input(resize_side(sources.content, settings.sizes()[0], settings.side)),
                  run=run, part=part,
                  to_image=lambda x: finished_picture(x, sources.content, model.preprocessing, settings.colours),
                  frames=kept_style_steps(settings))
    with watch:
        result = transfer_style(model.net, sources.content, sources.styles, model.preprocessing, settings,
                                rng=np.random.default_rng([seed, 0]), masks=sources.masks, callback=watch,
                                checkpoint=watch.checkpoint)
    if watch.stopped:
        picture = finished_picture(watch.image, sources.content, model.preprocessing, settings.colours)
        result = Stylized(picture, watch.image, watch.history)
    return result, watch.stopped, watch.frames


def sweep_pictures(model: Model, sources: Sources, settings: StyleSettings, seed: int = 0,
                   run: LongRun | None = None) -> Iterator[Picture]:
    """Yield the two sheets of the lecture: several content weights, and several style scales."""
    stopped = None
    for name, field, factors, title, caption in SWEEPS:
        results = []
        for factor in factors:
            changed = replace(settings, **{field: getattr(settings, field) * factor})
            result, stopped, _ = transfer(model, sources, changed, seed, run, f"{field}-{factor}",
                                          f"{title} x {factor}")
            results.append(result)
            if stopped:
                break
        values = [getattr(settings, field) * factor for factor in factors[:len(results)]]
        panels = [(f"{title} {value:.3g}", result.picture) for value, result in zip(values, results, strict=True)]
        if field == "content_weight":
            checks = check_content_sweep(content_errors(model, sources, settings, results))
        else:
            checks = check_scale_sweep(strokes_alone(model, settings))
        heading = f"{model.name}: {title}" + (", stopped" if stopped else "")
        yield Picture(
            name, heading, plot.show_panels(panels, len(panels), heading), np.stack([r.image[0] for r in results]),
            caption, "Gatys et al. 2015 (arXiv:1508.06576), figure 3; Johnson's neural-style",
            checks, {"sources": sources.names, "seed": seed, title: values} | card_settings(settings),
            results[-1].history,
            {f"{value:.3g}": result.picture for value, result in zip(values, results, strict=True)})
        if stopped:
            break
    if run is not None:
        run.finish(stopped)


def content_errors(model: Model, sources: Sources, settings: StyleSettings, results: Sequence[Stylized]) -> list[float]:
    """Return the relative error of the content's features for each of the results."""
    problem = style_problem(model.net, sources.content, sources.styles, model.preprocessing, settings, settings.size,
                            sources.masks)
    content_layers, _ = settings.weighted_layers()
    return [content_error(problem.net, to_device(result.image, model.net.device), problem.content, content_layers)
            for result in results]


def strokes_alone(model: Model, settings: StyleSettings) -> list[np.ndarray]:
    """Return textures of the drawn strokes at each style scale, without content.

    The drawn strokes have one size, so the scale of their texture can be measured.
    """
    size = 64 if default_style(model) == "shapes" else 128
    drawn = drawn_sources(192)
    alone = replace(settings, size=size, coarse=None, content_weight=0.0, blend=None, colours="style", init="noise",
                    num_steps=50)
    return [transfer_style(model.net, drawn.content, drawn.styles, model.preprocessing,
                           replace(alone, style_scale=scale), rng=np.random.default_rng(0)).picture
            for scale in SCALES]


def total_steps(settings: StyleSettings) -> int:
    """Return the number of steps at all sizes together."""
    return settings.num_steps + settings.fine_steps * (len(settings.sizes()) - 1)


def terms_of(sources: Sources, settings: StyleSettings) -> list[str]:
    """Return the names of the loss terms."""
    return term_names(settings, len(sources.masks or ()))


def gallery_pictures(model: Model, photos: Sequence[Any], seed: int = 0) -> Iterator[Picture]:
    """Return the picture of the gallery, made in seconds: the drawn landscape for `shapes`, else the first photo."""
    preset = default_style(model)
    sources = drawn_sources(96 if preset == "shapes" else 192)
    settings = style_presets(model)[preset]
    if preset != "shapes":
        sources = sources._replace(content=photos[0].picture, names=[photos[0].name, "strokes"])
        settings = replace(settings, size=160, num_steps=60)
    else:
        settings = replace(settings, num_steps=40)
    return pictures(model, sources, settings, seed)


def run(arguments):
    """Load the network and the pictures, transfer the style, and save the result."""
    model, reason = choose_model(arguments.model, arguments.device)
    print(reason)
    if arguments.preset is None:
        arguments.preset = default_style(model)
    sources = load_sources(model, arguments)
    settings = given_settings(arguments, model)
    if arguments.sweep and not all(settings.weighted_layers()):
        raise InputError("--sweep compares content with style: both need weights above 0")
    require_memory_for(model, sources, settings)
    if arguments.preset in ("composition-vii", "the-scream", "starry-night") and model.preprocessing != TORCHVISION:
        print(f"note: the weights of {arguments.preset} are for torchvision's SqueezeNet 1.1; for {model.name}, "
              f"use --preset {default_style(model)}")
    names = SWEEP_NAMES if arguments.sweep else NAMES
    folder = demo_folder(arguments, names)
    run = long_run(arguments, folder, NAMES[0], model, resume_settings(arguments.seed, sources, settings))
    make = sweep_pictures if arguments.sweep else pictures
    run_demo(make(model, sources, settings, arguments.seed, run), model, arguments, names, folder)


def require_memory_for(model: Model, sources: Sources, settings: StyleSettings) -> None:
    """Raise InputError if a layer is unknown or the passes do not fit into memory."""
    layers = require_layers(model.net, [layer for kind in settings.weighted_layers() for layer in kind])
    require_memory(model.net, resize_side(sources.content, settings.size, settings.side).shape[:2], layers)
    for style in sources.styles:
        require_memory(model.net, resize_side(style, settings.style_size(settings.size), settings.side).shape[:2],
                       layers, backward=False)


def numbers(text: str) -> tuple[float, ...]:
    """Return (3.0, 7.0) for the argument "3,7" of the command line."""
    return tuple(map(number, text.split(",")))


def parser():
    """Return the parser of the command line, with the names of neural-style's options where they exist."""
    parser = demo_parser("style_transfer", __doc__)
    add_presets(parser, dict.fromkeys([*STYLE_PRESETS, BY_LAYERS]), None)
    parser.add_argument("--size", "--image-size", type=positive_int, metavar="PIXELS", help="length of the --side "
                        "(default: the preset's)")
    parser.add_argument("--side", help="side that --size measures: long, as in neural-style, or short, as in CS231n "
                        "(default: the preset's)")
    parser.add_argument("--content-weight", type=number, metavar="WEIGHT", help="weight of the content "
                        "(default: the preset's)")
    parser.add_argument("--style-weight", type=number, metavar="WEIGHT", help="weight of the style "
                        "(default: the preset's)")
    parser.add_argument("--tv-weight", type=number, metavar="WEIGHT",
                        help="weight of total variation, which smooths the picture (default: the preset's)")
    parser.add_argument("--content-layers", type=layer_names, metavar="NAME[=WEIGHT],…",
                        help="content layers, with or without weights: relu4_2=1 (default: the preset's)")
    parser.add_argument("--style-layers", type=layer_names, metavar="NAME[=WEIGHT],…",
                        help="style layers, with or without weights: relu1_1=2,relu2_1=1 (default: the preset's)")
    parser.add_argument("--reduction",
                        help="squares of a layer: sum (CS231n), mean (neural-style) or relative "
                        "(default: the preset's)")
    parser.add_argument("--style-scale", type=number, metavar="FACTOR", help="size of the style, relative to --size "
                        "(default: the preset's)")
    parser.add_argument("--blend", "--style-blend-weights", type=numbers, metavar="WEIGHT,…",
                        help="weight of each style: 3,7 (default: equal weights)")
    parser.add_argument("--mask", dest="masks", action="append", metavar="PICTURE",
                        help="mask of a style, white where it is painted; once for each style, of the content's size "
                        "(default: the whole picture)")
    parser.add_argument("--colours", help="style; original: restore the content's colours at the end; luminance: use "
                        "only the style's brightness; match: first change the style's colours to the content's "
                        "(default: style)")
    parser.add_argument("--original-colors", dest="colours", action="store_const", const="original",
                        help="same as --colours original")
    parser.add_argument("--init", metavar="NAME|PICTURE", help="first image: content, noise, or a picture file "
                        "(default: the preset's)")
    parser.add_argument("--noise", type=natural_number, metavar="DEVIATION",
                        help="standard deviation of the noise in the first image (default: the preset's)")
    parser.add_argument("--optimizer", help="lbfgs or adam (default: the preset's)")
    parser.add_argument("--learning-rate", type=positive_number, metavar="RATE", help="learning rate of Adam "
                        "(default: the preset's)")
    parser.add_argument("--last-learning-rate", type=positive_number, metavar="RATE",
                        help="learning rate of Adam in the last tenth of the steps (default: the preset's)")
    parser.add_argument("--parametrization", metavar="NAME", help="numbers that change: pixels, or fourier, a spectrum "
                        "of decorrelated colours (default: the preset's, pixels)")
    parser.add_argument("--clamp", type=positive_number, metavar="BOUND", help="bound of the network's input "
                        "(default: the preset's)")
    parser.add_argument("--pooling", help="max or avg (default: the preset's)")
    parser.add_argument("--steps", "--num-iterations", dest="num_steps", type=positive_int, metavar="N",
                        help="steps at the first size, which is the only one without --coarse (default: the preset's)")
    parser.add_argument("--coarse", type=positive_int, metavar="PIXELS",
                        help="first size; it grows by sqrt 2 up to --size (default: --size only)")
    parser.add_argument("--fine-steps", type=positive_int, metavar="N",
                        help="steps at each size after the first (default: 100)")
    parser.add_argument("--sweep", action="store_true", help="make sheets of several content weights and style scales")
    add_long_run_options(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
