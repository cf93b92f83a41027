"""A photo as others have painted: python -m demos.style_transfer CONTENT STYLE [STYLE …] [--preset starry-night]"""

from typing import NamedTuple

import numpy as np

from demos.shared.command import demo_parser, main, natural_number, number, positive_int, positive_number
from demos.shared.inputs import choose_model, load_photos, require_memory
from demos.shared.long_run import Watch, add_long_run_options, add_presets, chosen_settings, digest, long_run
from demos.shared.picture import Picture, demo_folder, run_demo
from demos.texture_gram import layer_names
from minicnn import images, plot
from minicnn.backend import to_device
from minicnn.datasets.drawings import draw_scene, draw_style
from minicnn.errors import InputError, unknown_name
from minicnn.models.preprocessing import TORCHVISION
from minicnn.visualize.style.terms import check_layers
from minicnn.visualize.style.transfer import (
    STYLE_PRESETS,
    StyleSettings,
    Stylized,
    finish,
    sized,
    style_problem,
    term_names,
    transfer_style,
)
from minicnn.visualize.style.transfer_check import (
    check_blend,
    check_colours,
    check_content_sweep,
    check_scale_sweep,
    check_style,
    content_error,
)

NAMES = ("style_transfer",)
SWEEP_NAMES = ("style_transfer_ratio", "style_transfer_scale")
RATIOS = (0.01, 0.1, 1, 10, 100)  # times the content weight
SCALES = (0.5, 1, 2)              # times the style scale


class Sources(NamedTuple):
    """What is painted, and as what: uint8 (H, W, 3) each, with their names; the masks, uint8 (H, W), or None."""

    content: np.ndarray
    styles: list
    names: list
    masks: list | None = None


def pictures(model, sources, settings, seed=0, run=None):
    """Techniques 23 to 25: the content, the styles, and the content painted so.

    settings : StyleSettings. run : the LongRun that saves it as it goes, or None.
    """
    result, stopped = transfer(model, sources, settings, seed, run)
    problem = style_problem(model.net, sources.content, sources.styles, model.preprocessing, settings,
                            settings.sizes()[-1], sources.masks)
    if stopped and result.image.shape != problem.content.shape:  # of a smaller size, on the way up
        checks = []
    else:
        checks = check_style(problem, result.image, settings, np.random.default_rng([seed, 1]))
        checks += check_colours(result.picture, sources.content, sources.styles, settings)
    title = f"{model.name}: style transfer, Iteration {len(result.history)} / {total_steps(settings)}"
    title += ", stopped" if stopped else ""
    small = sized(sources.content, settings.size, settings.side)
    panels = [("Content Source Img.", small)]
    panels += [(f"Style Source Img.{f' {n}' if len(sources.styles) > 1 else ''}",
                sized(style, settings.style_size(settings.size), settings.side))
               for n, style in enumerate(sources.styles, 1)] + [("the content, painted so", result.picture)]
    yield Picture(
        "style_transfer", title, plot.show_panels(panels, len(panels), title, 3.4), result.image,
        "The picture was changed until a deep layer sees in it what it sees in the content, and until features occur "
        "together in it as in the style (the Gram matrices of several layers), wherever they are.",
        "Gatys et al. 2015 (arXiv:1508.06576); presets of Stanford CS231n and of Johnson's neural-style",
        checks + check_blend(problem, settings),
        {"sources": sources.names, "masks": bool(sources.masks), "seed": seed, "terms": terms_of(sources, settings)}
        | shown(settings), result.history)
    if run is not None:
        run.finish(stopped)


def transfer(model, sources, settings, seed, run, part="", title="style transfer"):
    """(Stylized, what stopped it or None), with a bar. part : of a longer run."""
    watch = Watch(title, total_steps(settings), terms_of(sources, settings),
                  model.preprocessing.to_input(sized(sources.content, settings.sizes()[0], settings.side)), run=run,
                  to_image=lambda x: finish(x, sources.content, model.preprocessing, settings))
    with watch:
        result = transfer_style(model.net, sources.content, sources.styles, model.preprocessing, settings,
                                rng=np.random.default_rng([seed, 0]), masks=sources.masks, callback=watch,
                                checkpoint=run and run.checkpoint(part))
    if watch.stopped:
        result = Stylized(watch.to_image(watch.image), watch.image, watch.history)
    return result, watch.stopped


def sweep_pictures(model, sources, settings, seed=0, run=None):
    """The sheets of the lecture: more and more content, and a style of several sizes."""
    kinds = (("style_transfer_ratio", "content_weight", RATIOS, "content weight"),
             ("style_transfer_scale", "style_scale", SCALES, "style scale"))
    for name, field, factors, what in kinds:
        results, stopped = [], None
        for factor in factors:
            changed = StyleSettings(**vars(settings) | {field: getattr(settings, field) * factor})
            result, stopped = transfer(model, sources, changed, seed, run, f"{field}-{factor}", f"{what} x {factor}")
            results.append(result)
            if stopped:
                break
        values = [getattr(settings, field) * factor for factor in factors[:len(results)]]
        panels = [(f"{what} {value:.3g}", result.picture) for value, result in zip(values, results, strict=True)]
        if field == "content_weight":
            problem = style_problem(model.net, sources.content, sources.styles, model.preprocessing, settings,
                                    settings.size, sources.masks)
            content_layers, _ = settings.weighted_layers()
            checks = check_content_sweep([content_error(problem.net, to_device(result.image, model.net.device),
                                                        problem.content, content_layers) for result in results])
        else:
            checks = check_scale_sweep(strokes_alone(model, settings))
        title = f"{model.name}: {what}" + (", stopped" if stopped else "")
        yield Picture(
            name, title, plot.show_panels(panels, len(panels), title), np.stack([r.image[0] for r in results]),
            "The same content and style, with the weight of the content growing tenfold from picture to picture."
            if field == "content_weight" else
            "The same content and style; the style's picture was made larger, so what is painted is larger too.",
            "Gatys et al. 2015 (arXiv:1508.06576), figure 3; Johnson's neural-style",
            checks, {"sources": sources.names, "seed": seed, what: values} | shown(settings), results[-1].history)
        if stopped:
            break
    if run is not None:
        run.finish(stopped)


def strokes_alone(model, settings):
    """The drawn strokes at each style scale, without content: of one size, so that their scale is a number, which a
    painting's is not."""
    size = 64 if default_preset(model) == "shapes" else 128
    drawn = drawn_sources(192)
    return [transfer_style(
        model.net, drawn.content, drawn.styles, model.preprocessing,
        StyleSettings(**vars(settings) | {"size": size, "coarse": None, "style_scale": scale, "content_weight": 0.0,
                                          "blend": None, "colours": "style", "init": "noise", "num_steps": 50}),
        rng=np.random.default_rng(0)).picture for scale in SCALES]


def total_steps(settings):
    """Of all sizes together."""
    return settings.num_steps + settings.fine_steps * (len(settings.sizes()) - 1)


def terms_of(sources, settings):
    """The names of the terms."""
    return term_names(settings, len(sources.masks or ()))


def shown(settings):
    """The settings as the run card has them: a picture to begin with only as the fact that there was one."""
    return vars(settings) | ({} if isinstance(settings.init, str) else {"init": "a picture"})


def default_preset(model):
    """The preset for a network."""
    layers = model.net.positions
    if "fire4/concat" in layers:
        return "squeezenet"
    return "neural-style" if "relu1_1" in layers else "shapes"


def drawn_sources(size):
    """A landscape and a way to paint, drawn in code."""
    return Sources(draw_scene(size), [draw_style("strokes", np.random.default_rng(0), size)], ["scene", "strokes"])


def gallery_pictures(model, photos, seed=0):
    """In a few seconds: the drawn landscape by `shapes`, else the first photo, painted in drawn strokes."""
    preset = default_preset(model)
    sources = drawn_sources(96 if preset == "shapes" else 192)
    if preset != "shapes":
        sources = sources._replace(content=photos[0].image, names=[photos[0].name, "strokes"])
    size = {"size": 160, "num_steps": 60} if preset != "shapes" else {"num_steps": 40}
    return pictures(model, sources, StyleSettings(**STYLE_PRESETS[preset] | size), seed)


def run(arguments):
    """Load, transfer, save."""
    model, said = choose_model(arguments.model, arguments.device)
    print(said)
    if arguments.preset is None:
        arguments.preset = default_preset(model)
    sources = load_sources(model, arguments)
    settings = StyleSettings(**given_settings(arguments))
    settings.check()
    if arguments.sweep and not all(settings.weighted_layers()):
        raise InputError("--sweep compares content with style: both need weights above 0")
    layers = check_layers(model.net, [layer for kind in settings.weighted_layers() for layer in kind])
    require_memory(model.net, sized(sources.content, settings.size, settings.side).shape[:2], layers)
    for style in sources.styles:
        require_memory(model.net, sized(style, settings.style_size(settings.size), settings.side).shape[:2], layers,
                         backward=False)
    if arguments.preset in ("composition-vii", "the-scream", "starry-night") and model.preprocessing != TORCHVISION:
        print(f"note: the weights of {arguments.preset} are for torchvision's SqueezeNet 1.1; for {model.name}, "
              f"--preset {default_preset(model)} finds its own")
    names = SWEEP_NAMES if arguments.sweep else NAMES
    folder = demo_folder(arguments, names)
    # more steps can be added only where they change nothing about those before
    free = {"num_steps"} if settings.optimizer == "lbfgs" and not settings.coarse else set()
    pictures_of = {"content": digest(sources.content), "styles": [digest(style) for style in sources.styles],
                   "masks": [digest(mask) for mask in sources.masks or ()]}
    if not isinstance(settings.init, str):
        pictures_of["begins with"] = digest(settings.init)
    run = long_run(arguments, folder, NAMES[0], model, {"seed": arguments.seed} | pictures_of
                   | {key: value for key, value in shown(settings).items() if key not in free})
    make = sweep_pictures if arguments.sweep else pictures
    run_demo(make(model, sources, settings, arguments.seed, run), model, arguments, names, folder)


def load_sources(model, arguments):
    """The pictures that were named; what is missing is drawn, or matplotlib's portrait of Grace Hopper."""
    loaded = [images.load_image(path) for path in arguments.photos]
    names = [str(path) for path in arguments.photos]
    drawn = drawn_sources(96 if default_preset(model) == "shapes" else 256)
    if not loaded and default_preset(model) == "squeezenet":
        photo = load_photos(model, [])[0]
        loaded, names = [photo.image], [photo.name]
    if not loaded:
        loaded, names = [drawn.content], drawn.names[:1]
    if len(loaded) == 1:
        loaded, names = [*loaded, *drawn.styles], [*names, *drawn.names[1:]]
    masks = [images.load_image(path) for path in arguments.masks or ()]
    return Sources(loaded[0], loaded[1:], names,
                   [np.rint(mask.mean(axis=2)).astype(np.uint8) for mask in masks] or None)


def given_settings(arguments):
    """The preset, but for what was given on the command line."""
    if arguments.preset not in STYLE_PRESETS:
        raise unknown_name("preset", arguments.preset, STYLE_PRESETS)
    settings = chosen_settings(arguments, STYLE_PRESETS)
    for key in ("blend", "colours", "coarse", "fine_steps"):
        if getattr(arguments, key) is not None:
            settings[key] = getattr(arguments, key)
    if isinstance(settings["init"], str) and settings["init"] not in ("content", "noise", "image", "random"):
        settings["init"] = images.load_image(settings["init"])
    elif settings["init"] in ("image", "random"):  # neural-style's words
        settings["init"] = {"image": "content", "random": "noise"}[settings["init"]]
    if settings.get("coarse") and settings["coarse"] > settings["size"]:
        raise InputError(f"--coarse {settings['coarse']} is larger than the size, {settings['size']}")
    return settings


def numbers(text):
    """3,7 -> (3.0, 7.0), for argparse."""
    return tuple(map(number, text.split(",")))


def parser():
    """The command line: neural-style's options, in its words where they are the same."""
    parser = demo_parser("style_transfer", __doc__)
    add_presets(parser, STYLE_PRESETS, None)
    parser.add_argument("--size", "--image-size", type=positive_int, help="pixels of the --side")
    parser.add_argument("--side", help="which side --size is: long, as in neural-style, or short, as in CS231n")
    parser.add_argument("--content-weight", type=number, help="how much the content counts")
    parser.add_argument("--style-weight", type=number, help="how much the style counts")
    parser.add_argument("--tv-weight", type=number, help="how smooth")
    parser.add_argument("--content-layers", type=layer_names, help="names, with weights if wanted: relu4_2=1")
    parser.add_argument("--style-layers", type=layer_names, help="likewise: relu1_1=2,relu2_1=1")
    parser.add_argument("--reduction", help="how squares are summed up: sum (CS231n), mean (neural-style) or relative")
    parser.add_argument("--style-scale", type=number, help="the style's size as a part of the content's")
    parser.add_argument("--blend", "--style-blend-weights", type=numbers, help="a weight per style: 3,7")
    parser.add_argument("--mask", dest="masks", action="append", metavar="PICTURE",
                        help="where a style goes, white there; once for each style, as large as the content")
    parser.add_argument("--colours", help="style (default); original: the content's afterwards; luminance: the style's "
                        "brightness alone; match: the style's colours are made the content's before")
    parser.add_argument("--original-colors", dest="colours", action="store_const", const="original",
                        help="the same as --colours original")
    parser.add_argument("--init", help="content, noise, or a picture file")
    parser.add_argument("--noise", type=natural_number, help="strength of the noise that it begins with")
    parser.add_argument("--optimizer", help="lbfgs or adam")
    parser.add_argument("--learning-rate", type=positive_number, help="of Adam")
    parser.add_argument("--last-learning-rate", type=positive_number, help="of Adam, for the last tenth of the steps")
    parser.add_argument("--clamp", type=positive_number, help="x stays within +- this")
    parser.add_argument("--pooling", help="max or avg")
    parser.add_argument("--steps", "--num-iterations", dest="num_steps", type=positive_int,
                        help="at the first size, the only one without --coarse")
    parser.add_argument("--coarse", type=positive_int, help="begin at this size and go up by sqrt 2")
    parser.add_argument("--fine-steps", type=positive_int, help="at each size after the first (default 100)")
    parser.add_argument("--sweep", action="store_true", help="sheets of several content weights and style scales")
    add_long_run_options(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
