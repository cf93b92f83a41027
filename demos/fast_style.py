"""Paint photos with a transform network that was trained for styles: minicnn fast_style PHOTO|FOLDER …"""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

from minicnn import images, plot
from minicnn.datasets.drawings import STYLES, draw_scene
from minicnn.errors import InputError, unknown_name
from minicnn.models import Model, load_model
from minicnn.models.weights import weights_digest
from minicnn.visualize import PerceptualLoss, blend_square, perceptual_loss, with_style
from minicnn.visualize.check import Check
from minicnn.visualize.grid import tile_images
from minicnn.visualize.style.fast_style import mirrored, require_transform, stylize
from minicnn.visualize.style.fast_style_check import check_against_optimiser, check_painting
from minicnn.visualize.style.many_styles import style_parameters
from minicnn.visualize.style.many_styles_check import (
    check_mixtures,
    check_style_losses,
    check_style_pictures,
    check_styles,
)
from minicnn.visualize.style.perceptual import FAST_PRESETS
from minicnn.visualize.style.require import require_weight
from minicnn.visualize.style.tiled_transform import tile_that_fits

from .deepdream import example_photo
from .shared.claim import make_folder
from .shared.command import OneLineParser, add_common, main, natural_int, positive_int
from .shared.inputs import Photo
from .shared.photo_files import find_photos, shown_name
from .shared.picture import Picture, demo_folder, file_stem, run_demo
from .train_fast_style import default_preset, drawn_style

NAMES, SHEET = ("fast_style",), ("fast_styles",)
SHOWN = 4  # largest number of photos in the sheet
COMPARED = 128  # side in pixels of the photo for the comparison with the optimizer
SHEET_SIZE = 256  # long side in pixels of the pictures in the sheet of styles
SHIPPED = "styles"  # the shipped network, trained by demos.train_fast_style


class Painted(NamedTuple):
    """A photo, uint8 (H, W, 3), the painted picture of the same shape, and the seconds that the pass took."""

    name: str
    photo: np.ndarray
    picture: np.ndarray
    seconds: float


def pictures(painter: Model, painted: Sequence[Painted], style: str = "", more: Iterable[Check] = (), seed: int = 0,
             median: int = 1, mixture: np.ndarray | None = None) -> Iterator[Picture]:
    """Yield the picture of technique 26: photos, and the output of the transform network of the Model `painter`.

    painted : the photos. style : the network's style in words. more : further Checks. median : as for `stylize`.
    mixture : the weights of the styles, (S,), for a network of several.
    """
    panels = [panel for name, photo, result, _ in painted for panel in ((name, photo), (style or "painted", result))]
    _, photo, result, seconds = painted[0]
    title = f"{painter.name}: fast style transfer, {result.shape[1]}x{result.shape[0]} in {seconds:.2f} s"
    yield Picture(
        "fast_style", title, plot.show_panels(panels, 2 * min(2, len(painted)), title, 3.4), result,
        "One pass through a transform network. It was trained with the losses of style transfer on its output, which "
        "an optimizer minimizes in many steps.",
        "Johnson et al. 2016 (arXiv:1603.08155); instance norm: Ulyanov et al. 2016 (arXiv:1607.08022)",
        check_painting(painter.net, photo, result, painter.preprocessing, np.random.default_rng(seed), median,
                       mixture=mixture) + list(more),
        {"painter": painter.name, "painter_sha256": weights_digest(painter.net), "device": painter.net.device,
         "style": style, "photos": [one.name for one in painted], "seconds": [one.seconds for one in painted],
         "median": median, "seed": seed})


def sheet_pictures(painter: Model, name: str, photo: np.ndarray, judge: Model, side: int = 5,
                   losses: Sequence[PerceptualLoss] = ()) -> Iterator[Picture]:
    """Yield the picture of technique 27: one photo in every style of the Model `painter`, and in blends of four.

    Parameters
    ----------
    name, photo : the photo, uint8 (H, W, 3).
    judge : the Model that measures which style a painting is nearest to.
    side : blends along each side of the square.
    losses : the PerceptualLoss of each style, if known.
    """
    names, square = painter.styles, blend_square(len(painter.styles), side)

    def paint_in(style: np.ndarray) -> np.ndarray:
        return stylize(with_style(painter.net, style), photo, painter.preprocessing)
    pure = [paint_in(style) for style in np.eye(len(names))]
    blends = np.array([[paint_in(style) for style in row] for row in square])  # (rows, side, H, W, 3)
    x = painter.preprocessing.to_input(mirrored(photo))
    checks = [*check_styles(painter.net, x), check_mixtures(painter.net, photo, painter.preprocessing,
                                                            blends.reshape(-1, *photo.shape),
                                                            square.reshape(-1, square.shape[-1]))]
    if set(names) <= set(STYLES):
        checks += check_style_pictures(painter, photo, [drawn_style(style) for style in names], judge,
                                       list(FAST_PRESETS[default_preset(judge)].style_layers))
    if losses:
        checks += check_style_losses(losses, names, painter.net, x)
    own, total = style_parameters(painter.net), painter.net.num_parameters()
    title = f"{painter.name}: {len(names)} styles in one network, {own:,} of {total:,} parameters each"
    corners = "from the first to the last" if len(names) < 4 else "of " + ", ".join(names[:4]) + ", one in each corner"
    yield Picture(
        "fast_styles", title, plot.show_rows(
            [(", ".join((name, *names)), tile_images(np.stack([photo, *pure]), len(names) + 1, 4, 255)),
             (f"blends {corners}", tile_images(blends.reshape(-1, *photo.shape), side, 4, 255))], 9.0, 1.3, title),
        blends, "The styles share every convolution. They differ only in the scale and shift after each normalization. "
        "Weighted means of these few parameters give styles in between.",
        "Dumoulin et al. 2016 (arXiv:1610.07629)", checks,
        {"painter": painter.name, "painter_sha256": weights_digest(painter.net), "device": painter.net.device,
         "styles": list(names), "judge": judge.name, "photo": name, "mixtures": square.tolist(),
         "parameters_of_a_style": own, "parameters": total})


def gallery_pictures(model: Model, photos: Sequence[Photo], seed: int = 0) -> Iterator[Picture]:
    """Yield the pictures of the gallery: the shipped network on the first photo, or a drawn landscape for `shapes`.

    If the model is the loss network of the training, the picture is also compared with the optimizer.
    """
    painter = load_model(SHIPPED, model.net.device).fast()
    name, photo = ("scene", draw_scene(192)) if model.name == "shapes" else (photos[0].name, photos[0].picture)
    more, losses = [], []
    if model.name == "squeezenet1_1":
        losses = [perceptual_loss(model.net, drawn_style(style), model.preprocessing, FAST_PRESETS["squeezenet"])
                  for style in painter.styles]
        small = images.resize(photo, COMPARED, COMPARED)
        more = check_against_optimiser(losses[0], painter.net, painter.preprocessing.to_input(small),
                                       np.random.default_rng(seed))
    yield from pictures(painter, [paint(painter, name, photo)], painter.styles[0], more, seed,
                        mixture=np.eye(len(painter.styles))[0])
    yield from sheet_pictures(painter, name, images.resize_long_side(photo, COMPARED), model, 3, losses)


def paint(painter: Model, name: str, photo: np.ndarray, tile: int | None = None, median: int = 1) -> Painted:
    """Return one photo Painted. tile : as for `stylize`, 0 for one pass; by default, a side that fits into memory."""
    if tile is None:
        tile = tile_that_fits(painter.net, photo.shape[:2])
        if tile is not None:
            print(f"{name}: one pass over {photo.shape[1]}x{photo.shape[0]} pixels needs more than half of the free "
                  f"memory, so tiles of {tile} pixels are used")
    start = time.perf_counter()
    with tqdm(desc=name, unit="tile", disable=None if tile else True, leave=False) as bar:
        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
        result = stylize(painter.net, photo, painter.preprocessing, tile=tile or None, median=median,
                         callback=show)
    return Painted(name, photo, result, time.perf_counter() - start)


def run(arguments):
    """Load the network, choose the style, paint the photos one after another, and save them."""
    painter = load_model(arguments.model, arguments.device).fast()
    require_transform(painter.net)
    print(f"model: {painter.name}; device: {painter.net.device}")
    mixture = chosen_style(arguments.style, painter)
    if painter.styles:
        print_styles(painter)
    style = ""
    if mixture is not None:
        style = ", ".join(f"{name} {weight:.3g}" if weight < 1 else name
                          for name, weight in zip(painter.styles, mixture, strict=True) if weight)
        print(f"style: {style}")
        painter = painter._replace(net=with_style(painter.net, mixture))
    if arguments.styles and not painter.styles:
        raise InputError(f"{painter.name} has a single style; --styles needs a network of several")
    files = find_files(arguments.photos)
    stems = painted_stems([path.stem for path in files] if files else [example_photo()[0]])
    names = (*NAMES, *SHEET) if arguments.styles else NAMES
    folder = demo_folder(arguments, (*names, *stems))
    shown: list[Painted] = []
    for (name, photo), stem in zip(read(files, arguments.size), stems, strict=True):
        if photo is None:
            continue
        one = paint(painter, name, photo, arguments.tile, arguments.median)
        make_folder(folder)
        images.save_image(folder / f"{stem}.png", one.picture, overwrite=True)
        print(f"{folder / stem}.png: {one.picture.shape[1]}x{one.picture.shape[0]} in {one.seconds:.2f} s")
        shown += [one] * (len(shown) < SHOWN)
    if not shown:
        raise InputError(f"none of the {len(files)} picture files can be read")
    made = [pictures(painter, shown, style, seed=arguments.seed, median=arguments.median, mixture=mixture)]
    if arguments.styles:
        name, photo = shown[0][:2]
        made.append(sheet_pictures(painter, name, images.resize_long_side(photo, min(SHEET_SIZE, max(photo.shape))),
                                   load_model("shapes", painter.net.device).fast()))
    run_demo(chain(*made), painter, arguments, names, folder)


def chosen_style(text: str | None, painter: Model) -> np.ndarray | None:
    """Return the mixture given by NAME or NAME=WEIGHT,NAME=WEIGHT, (S,), with sum 1; None for a single style.

    text : by default, the first style. Raises InputError if a style is unknown or given twice, or if a weight is
    negative or all are 0.
    """
    if not painter.styles:
        if text is not None:
            raise InputError(f"{painter.name} has a single style; --style needs a network of several")
        return None
    weights: dict[str, float] = {}
    for part in (painter.styles[0] if text is None else text).split(","):
        name, given, weight = part.strip().partition("=")
        if name not in painter.styles:
            raise unknown_name("style", name, painter.styles)
        if name in weights:
            raise InputError(f"the style {name!r} is given twice")
        try:
            weights[name] = float(weight) if given else 1.0
        except ValueError:
            raise InputError(f"the weight of {name!r} is {weight!r}; expected a number from 0 on") from None
        require_weight(f"the weight of {name!r}", weights[name])
    total = sum(weights.values())
    if not total:
        raise InputError("all weights of --style are 0; give at least one style a weight above 0")
    if abs(total - 1) > 1e-6:
        print(f"the weights of --style sum to {total:g}; each is divided by this sum")
    return np.array([weights.get(name, 0.0) / total for name in painter.styles])


def print_styles(painter: Model) -> None:
    """Print the names of the styles and the share of their parameters."""
    own, total = style_parameters(painter.net), painter.net.num_parameters()
    print(f"styles: {', '.join(painter.styles)}; {own:,} of {total:,} parameters, {own / total:.1%}, for each alone")


def find_files(paths: Iterable[str]) -> list[Path]:
    """Return the files, with the picture files in and below the folders."""
    return [file for path in paths for file in (find_photos(path) if Path(path).is_dir() else [Path(path)])]


def read(files: Sequence[Path], size: int | None) -> Iterator[tuple[str, np.ndarray | None]]:
    """Yield (name, uint8 (H, W, 3)) of each file, or of the example if there is no file.

    Of several files, one that cannot be read gives (name, None). A single one raises InputError.
    """
    if not files:
        name, photo = example_photo()
        yield name, resized(photo, size)
    for file in files:
        try:
            yield shown_name(file), resized(images.load_image(file), size)
        except InputError as problem:
            if len(files) == 1:
                raise
            print(f"skipped: {problem}", file=sys.stderr)
            yield shown_name(file), None


def resized(photo: np.ndarray, size: int | None) -> np.ndarray:
    """Return the photo with a long side of `size` pixels; None: unchanged."""
    return photo if size is None else images.resize_long_side(photo, size)


def painted_stems(stems: Iterable[str]) -> list[str]:
    """Return the stems of the output files, each different from the others."""
    taken: list[str] = []
    for stem in stems:
        stem, number = f"{file_stem(stem)}_painted", 2
        name = stem
        while name in taken:
            name, number = f"{stem}-{number}", number + 1
        taken.append(name)
    return taken


def parser():
    """Return the parser of the command line."""
    parser = OneLineParser(prog="minicnn fast_style", description=__doc__)
    parser.add_argument("photos", nargs="*", metavar="PHOTO|FOLDER",
                        help="picture files and folders of them (default: an example)")
    parser.add_argument("--model", default=SHIPPED, metavar="FILE", help="weights of a transform network (.h5), made "
                        "by demos.train_fast_style, or by weights_converter from a .pth file of fast_neural_style "
                        f"(default: {SHIPPED}, the small shipped network)")
    parser.add_argument("--style", metavar="NAME[=WEIGHT,NAME=WEIGHT…]", help="style, or blend of styles as "
                        "strokes=0.7,dots=0.3, of a network of several (default: its first style)")
    parser.add_argument("--styles", action="store_true",
                        help="make also a sheet of the first photo in every style and in blends of four")
    parser.add_argument("--size", type=positive_int, metavar="PIXELS",
                        help="long side of the result (default: the photo's)")
    parser.add_argument("--median", type=positive_int, default=1, metavar="PIXELS", help="side of the window of a "
                        "final median filter, odd, up to 31; 3 in the authors' script, to remove dots (default: 1)")
    parser.add_argument("--tile", type=natural_int, metavar="PIXELS", help="side of the tiles, 0: one pass; the "
                        "picture is the same, and tiles take several times as long (default: tiles if memory is short)")
    add_common(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
