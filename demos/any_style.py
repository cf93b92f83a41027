"""Paint a photo in any style at once, without training: minicnn any_style CONTENT STYLE [STYLE=WEIGHT …]"""

import os
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import chain

import numpy as np

from minicnn import images, plot
from minicnn.datasets.drawings import STYLES, draw_scene, draw_style
from minicnn.errors import InputError, one_line
from minicnn.models import Model, cache_folder, load_model
from minicnn.models.autoencoder import DECODED
from minicnn.models.weights import weights_digest
from minicnn.visualize.style.any_style import ANY_STYLE_PRESETS, STROKES, AnyStyleSettings, any_style, learnt_inversion
from minicnn.visualize.style.any_style_check import check_any_style, check_learnt_inversion
from minicnn.visualize.style.pictures import resize_side

from .shared.command import OneLineParser, demo_parser, main, natural_number, positive_int, positive_number
from .shared.inputs import require_memory
from .shared.long_run import add_presets, chosen_settings
from .shared.picture import Picture, demo_folder, run_demo
from .shared.style_inputs import Sources, load_sources

NAMES, INVERSION = ("any_style",), ("learnt_inversion",)
MODEL = "vgg19_autoencoder"
SHEET_SIZE, SHEET_STRENGTH = 256, 0.7  # of the pictures in the gallery: long side in pixels; share of the style
SOURCE = "Li et al. 2017 (arXiv:1705.08086), figure 2; AdaIN: Huang and Belongie 2017 (arXiv:1703.06868)"
EXPLANATION = (
    "A network computes the features of the photo and of the style. The photo's features get the mean and covariance "
    "of the style's, and a decoder computes a picture from them. A style never seen before takes a few passes.")


def pictures(model: Model, sources: Sources, settings: AnyStyleSettings = STROKES) -> Iterator[Picture]:
    """Yield the picture of technique 31: the content, the styles, and the content painted in the styles."""
    start = time.perf_counter()
    painted = any_style(model.net, sources.content, sources.styles, model.preprocessing, settings, masks=sources.masks)
    seconds = time.perf_counter() - start
    title = f"{model.name}: {settings.method}, {painted.shape[1]}x{painted.shape[0]} in {seconds:.1f} s"
    panels = [("content", resize_side(sources.content, settings.size, settings.side))]
    panels += [(f"style {number}" if len(sources.styles) > 1 else "style", style)
               for number, style in enumerate(sources.styles, 1)]
    panels.append((f"painted, strength {settings.strength:g}", painted))
    yield Picture(
        "any_style", title, plot.show_panels(panels, len(panels), title, 3.4), painted, EXPLANATION, SOURCE,
        check_any_style(model.net, sources.content, sources.styles, model.preprocessing, settings, painted,
                        sources.masks),
        {"painter_sha256": weights_digest(model.net), "sources": sources.names, "masks": bool(sources.masks),
         "seconds": seconds} | asdict(settings),
        finished={"result": painted})


def sheet_pictures(model: Model, name: str, photo: np.ndarray, styles: dict[str, np.ndarray],
                   settings: AnyStyleSettings = STROKES) -> Iterator[Picture]:
    """Yield the picture of technique 31 in the gallery: a row of styles above the photo painted in each of them."""
    painted = [any_style(model.net, photo, style, model.preprocessing, settings) for style in styles.values()]
    checks = check_any_style(model.net, photo, list(styles.values())[:1], model.preprocessing, settings, painted[0])
    title = f"{model.name}: any style at once, {painted[0].shape[1]}x{painted[0].shape[0]}"
    rebuilt = learnt_inversion(model.net, resize_side(photo, settings.size, settings.side), model.preprocessing)
    panels = [(name, photo), *styles.items(), ("from relu3_1, without a style", rebuilt["relu3_1"]),
              *((f"with the style {style}", one) for style, one in zip(styles, painted, strict=True))]
    yield Picture("any_style", title, plot.show_panels(panels, len(styles) + 1, title, 2.6), np.stack(painted),
                  EXPLANATION, SOURCE, checks, {"painter": model.name, "painter_sha256": weights_digest(model.net),
                                                "photo": name, "styles": list(styles)} | asdict(settings),
                  finished=dict(zip(styles, painted, strict=True)))


def inversion_pictures(model: Model, name: str, photo: np.ndarray) -> Iterator[Picture]:
    """Yield a picture to compare with feature inversion: the photo as the decoder of each layer reconstructs it."""
    made = learnt_inversion(model.net, photo, model.preprocessing)
    panels = [(name, photo)] + [(f"{layer}, {images.psnr(one, photo):.1f} dB", one) for layer, one in made.items()]
    title = f"{model.name}: learnt inversion of {', '.join(DECODED)}"
    yield Picture(
        "learnt_inversion", title, plot.show_panels(panels, len(panels), title, 3.4), np.stack(list(made.values())),
        "The decoder of each layer was trained on photos to reconstruct them from the layer's features. It takes one "
        "pass, where the inversion by optimization takes hundreds.",
        "Li et al. 2017 (arXiv:1705.08086), section 3.1; Dosovitskiy and Brox 2016 (arXiv:1506.02753)",
        check_learnt_inversion(model.net, photo, made, model.preprocessing),
        {"painter": model.name, "painter_sha256": weights_digest(model.net), "photo": name}, finished=made)


def gallery_pictures(model: Model, photos: Sequence[tuple], seed: int = 0) -> Iterator[Picture]:
    """Yield the pictures of the gallery: the first photo in three drawn styles, and its reconstructions.

    model : of the gallery. With the network `shapes`, a drawn landscape takes the place of the photo.
    """
    name, photo = ("scene", draw_scene(SHEET_SIZE)) if model.name == "shapes" else photos[0][:2]
    model = load_painter(None, model.net.device)
    styles = {style: draw_style(style, np.random.default_rng(seed), SHEET_SIZE) for style in list(STYLES)[:3]}
    settings = replace(STROKES, strength=SHEET_STRENGTH, size=min(SHEET_SIZE, max(photo.shape)))
    yield from sheet_pictures(model, name, photo, styles, settings)
    yield from inversion_pictures(model, name, photo)


def has_painter() -> bool:
    """Return whether the cache folder has the network of this demo."""
    try:
        return os.path.isfile(cache_folder() / f"{MODEL}.h5")
    except InputError:
        return False


def load_painter(name: str | None, device: str) -> Model:
    """Return the Model, by default the converted one in the cache folder. Raises InputError with the way to get it."""
    if name is None and not has_painter():
        raise InputError("this demo needs the decoders of VGG-19: convert vgg19_normalised_conv1_1-conv3_1.npz once "
                         "with minicnn convert FILE, or name the converted file with --model")
    model = load_model(name or MODEL, device).fast()
    return model._replace(name=one_line(model.name, 60))


def split_weights(texts: Sequence[str]) -> tuple[list[str], list[float] | None]:
    """Return the files of the styles and their weights from FILE or FILE=WEIGHT; (files, None) without any weight.

    A style without a weight gets 1. Raises InputError for a weight that is no number from 0 on.
    """
    files, weights, given = [], [], False
    for text in texts:
        file, equals, weight = text.rpartition("=")
        if not equals or os.path.exists(text):  # the name of a file may hold a "="
            files.append(text)
            weights.append(1.0)
            continue
        try:
            weights.append(natural_number(weight))
        except Exception:  # argparse.ArgumentTypeError, whose message lacks the file
            raise InputError(f"the weight of {one_line(file, 80)} is {one_line(weight, 40)!r}; expected a number from "
                             "0 on") from None
        files.append(file)
        given = True
    return files, weights if given else None


def run(arguments: Namespace) -> None:
    """Load the network and the pictures, paint the content, and save the result."""
    files, blend = split_weights(arguments.photos[1:])
    model = load_painter(arguments.model, arguments.device)
    print(f"model: {model.name}; device: {model.net.device}")
    sources = load_sources(model, Namespace(photos=[*arguments.photos[:1], *files], masks=arguments.masks))
    settings = chosen_settings(Namespace(**vars(arguments) | {"blend": blend}), ANY_STYLE_PRESETS)
    small = resize_side(sources.content, settings.size, settings.side)
    require_memory(model.net, small.shape[:2], [f"decoder3/{name}" for name in ("relu1_2", "conv1_1")], backward=False)
    names = (*NAMES, *INVERSION) if arguments.inversion else NAMES
    folder = demo_folder(arguments, names)
    made = [pictures(model, sources, settings)]
    if arguments.inversion:
        made.append(inversion_pictures(model, sources.names[0], small))
    run_demo(chain(*made), model, arguments, names, folder)


def parser() -> OneLineParser:
    """Return the parser of the command line."""
    parser = demo_parser("any_style", __doc__, photos=False, model_help="the converted encoder with its decoders "
                         f"(default: {MODEL} in the cache folder)")
    parser.add_argument("photos", nargs="*", metavar="CONTENT STYLE[=WEIGHT]", help="the photo, and the pictures whose "
                        "style it gets, as a.jpg=0.7 b.jpg=0.3 for a blend (default: a drawn landscape and style)")
    add_presets(parser, ANY_STYLE_PRESETS, "strokes")
    parser.add_argument("--method", help="wct or adain (default: the preset's)")
    parser.add_argument("--strength", type=natural_number, metavar="SHARE",
                        help="0: the photo as the decoders reconstruct it; 1: the whole style (default: 1)")
    parser.add_argument("--size", type=positive_int, metavar="PIXELS",
                        help="long side of the result; a smaller one has larger strokes (default: 512)")
    parser.add_argument("--style-scale", type=positive_number, metavar="FACTOR",
                        help="size of the style, relative to --size (default: 1)")
    parser.add_argument("--mask", dest="masks", action="append", metavar="PICTURE",
                        help="mask of a style, white where it is painted; once for each style, of the content's size "
                        "(default: the whole picture)")
    parser.add_argument("--colours", help="style; original: restore the content's colours at the end; luminance: use "
                        "only the style's brightness; match: first change the style's colours to the content's "
                        "(default: style)")
    parser.add_argument("--inversion", action="store_true",
                        help=f"also show the photo as the decoders of {', '.join(DECODED)} reconstruct it")
    return parser


if __name__ == "__main__":
    main(run, parser())
