"""Photos as a network that has learnt a style, or several, paints them: python -m demos.fast_style PHOTO|FOLDER …"""

import sys
import time
from itertools import chain
from pathlib import Path

import numpy as np
from tqdm import tqdm

from demos.deepdream import example_photo
from demos.shared.command import OneLineParser, add_common, main, natural_int, positive_int
from demos.shared.photo_folder import find_photos
from demos.shared.picture import Picture, demo_folder, file_stem, make_folder, run_demo
from demos.train_fast_style import default_preset, drawn_style
from minicnn import images, plot
from minicnn.datasets.drawings import STYLES, draw_scene
from minicnn.errors import InputError, unknown_name
from minicnn.models import load_model
from minicnn.models.weights import weights_digest
from minicnn.visualize import StyleSettings, blend_square, perceptual_loss, with_style
from minicnn.visualize.grid import tile_images
from minicnn.visualize.style.fast_style import check_transform, choose_tile, mirrored, stylize
from minicnn.visualize.style.fast_style_check import check_against_optimiser, check_painting
from minicnn.visualize.style.many_styles import style_parameters
from minicnn.visualize.style.many_styles_check import check_style_losses, check_style_pictures, check_styles
from minicnn.visualize.style.perceptual import FAST_PRESETS
from minicnn.visualize.style.terms import check_weight

NAMES, SHEET = ("fast_style",), ("fast_styles",)
SHOWN = 4  # photos of a folder that the sheet shows
COMPARED = 128  # pixels: of the picture that the optimiser works at, for a number
SHEET_SIZE = 256  # pixels: the long side of the pictures in the sheet of styles
SHIPPED = "styles"  # which demos.train_fast_style made


def pictures(painter, painted, style="", more=(), seed=0, median=1):
    """Technique 26: photos, and what the transform network of the Model `painter` makes of them.

    painted : [(name, photo, painted, seconds), …], uint8 (H, W, 3) both, the first SHOWN of them. style : what the
    network paints in, in words. more : Checks. median : as `stylize` has had it.
    """
    panels = [panel for name, photo, result, _ in painted for panel in ((name, photo), (style or "painted", result))]
    _, photo, result, seconds = painted[0]
    title = f"{painter.name}: fast style transfer, {result.shape[1]}x{result.shape[0]} in {seconds:.2f} s"
    yield Picture(
        "fast_style", title, plot.show_panels(panels, 2 * min(2, len(painted)), title, 3.4), result,
        "One pass through a network that was trained with the losses of style transfer on its output: what an "
        "optimiser finds in many steps, it has learnt to guess.",
        "Johnson et al. 2016 (arXiv:1603.08155); instance norm: Ulyanov et al. 2016 (arXiv:1607.08022)",
        check_painting(painter.net, photo, result, painter.preprocessing, np.random.default_rng(seed), median)
        + list(more),
        {"painter": painter.name, "painter_sha256": weights_digest(painter.net), "device": painter.net.device,
         "style": style, "photos": [name for name, *_ in painted], "seconds": [seconds for *_, seconds in painted],
         "median": median, "seed": seed})


def sheet_pictures(painter, name, photo, judge, side=5, losses=()):
    """Technique 27: one photo in every style of the Model `painter`, and in blends of four of them.

    judge : the Model that says which style a painting is nearest to. side : blends along each side of the square.
    losses : the PerceptualLoss of each style, where they are known.
    """
    names, square = painter.styles, blend_square(len(painter.styles), side)

    def paint_in(style):
        return stylize(with_style(painter.net, style), photo, painter.preprocessing)
    pure = [paint_in(style) for style in np.eye(len(names))]
    blends = np.array([[paint_in(style) for style in row] for row in square])  # (rows, side, H, W, 3)
    x = painter.preprocessing.to_input(mirrored(photo))
    checks = check_styles(painter.net, x)
    if set(names) <= set(STYLES):
        checks += check_style_pictures(painter, photo, [drawn_style(style) for style in names], judge,
                                       FAST_PRESETS[default_preset(judge)]["style_layers"])
    if losses:
        checks += check_style_losses(losses, names, painter.net, x)
    own, total = style_parameters(painter.net), painter.net.num_parameters()
    title = f"{painter.name}: {len(names)} styles in one network, {own:,} of {total:,} parameters each"
    corners = "from the first to the last" if len(names) < 4 else "of " + ", ".join(names[:4]) + ", one in each corner"
    yield Picture(
        "fast_styles", title, plot.show_rows(
            [(", ".join((name, *names)), tile_images([photo, *pure], len(names) + 1, 4, 255)),
             (f"blends {corners}", tile_images(blends.reshape(-1, *photo.shape), side, 4, 255))], 9.0, 1.3, title),
        blends, "The styles share every convolution, and differ in the scale and the shift that follow each "
        "normalization: so few numbers are a style, and means of them are styles between.",
        "Dumoulin et al. 2016 (arXiv:1610.07629)", checks,
        {"painter": painter.name, "painter_sha256": weights_digest(painter.net), "device": painter.net.device,
         "styles": list(names), "judge": judge.name, "photo": name, "mixtures": square.tolist(),
         "parameters_of_a_style": own, "parameters": total})


def gallery_pictures(model, photos, seed=0):
    """The shipped network on the first photo, or for `shapes` on a drawn landscape; where the model is the loss network
    that it was trained with, against the optimiser too."""
    painter = load_model(SHIPPED, model.net.device)
    name, photo = ("scene", draw_scene(192)) if model.name == "shapes" else photos[0][:2]
    more, losses = [], []
    if model.name == "squeezenet1_1":
        settings = StyleSettings(**FAST_PRESETS["squeezenet"])
        losses = [perceptual_loss(model.net, drawn_style(style), model.preprocessing, settings)
                  for style in painter.styles]
        small = images.resize(photo, COMPARED, COMPARED)
        more = check_against_optimiser(losses[0], painter.net, painter.preprocessing.to_input(small),
                                       np.random.default_rng(seed))
    yield from pictures(painter, [paint(painter, name, photo)], painter.styles[0], more, seed)
    yield from sheet_pictures(painter, name, images.resize_long_side(photo, COMPARED), model, 3, losses)


def paint(painter, name, photo, tile=None, median=1):
    """(name, photo, painted, seconds) of one photo. tile : as `stylize` has it, 0 for never, None for what fits; median
    likewise."""
    if tile is None:
        tile = choose_tile(painter.net, photo.shape[:2])
        if tile is not None:
            print(f"{name}: memory is short for {photo.shape[1]}x{photo.shape[0]} pixels at once: by tiles of {tile}")
    start = time.perf_counter()
    with tqdm(desc=name, unit="tile", disable=None if tile else True, leave=False) as bar:
        def show(done, total):
            bar.total = total
            bar.update(done - bar.n)
        result = stylize(painter.net, photo, painter.preprocessing, tile=tile or None, median=median,
                         callback=show)
    return name, photo, result, time.perf_counter() - start


def run(arguments):
    """Load, choose the style, paint one after another, save."""
    painter = load_model(arguments.model, arguments.device)
    check_transform(painter.net)
    print(f"model: {painter.name}; device: {painter.net.device}")
    mixture = chosen_style(arguments.style, painter)
    if painter.styles:
        say_styles(painter)
    style = ""
    if mixture is not None:
        style = ", ".join(f"{name} {weight:.3g}" if weight < 1 else name
                          for name, weight in zip(painter.styles, mixture, strict=True) if weight)
        print(f"style: {style}")
        painter = painter._replace(net=with_style(painter.net, mixture))
    if arguments.styles and not painter.styles:
        raise InputError(f"{painter.name} has learnt a single style: there is no sheet of --styles")
    files = find_files(arguments.photos)
    stems = painted_stems([path.stem for path in files] if files else [example_photo()[0]])
    names = (*NAMES, *SHEET) if arguments.styles else NAMES
    folder = demo_folder(arguments, (*names, *stems))
    shown = []
    for (name, photo), stem in zip(read(files, arguments.size), stems, strict=True):
        if photo is None:
            continue
        one = paint(painter, name, photo, arguments.tile, arguments.median)
        make_folder(folder)
        images.save_image(folder / f"{stem}.png", one[2], overwrite=True)
        print(f"{folder / stem}.png: {one[2].shape[1]}x{one[2].shape[0]} in {one[3]:.2f} s")
        shown += [one] * (len(shown) < SHOWN)
    if not shown:
        raise InputError(f"none of the {len(files)} picture files can be read")
    made = [pictures(painter, shown, style, seed=arguments.seed, median=arguments.median)]
    if arguments.styles:
        name, photo = shown[0][:2]
        made.append(sheet_pictures(painter, name, images.resize_long_side(photo, min(SHEET_SIZE, max(photo.shape))),
                                   load_model("shapes", painter.net.device)))
    run_demo(chain(*made), painter, arguments, names, folder)


def chosen_style(text, painter):
    """The mixture that NAME or NAME=WEIGHT,NAME=WEIGHT means, (S,), made to sum to 1; the first style where nothing is
    asked for; None for a network of a single style.

    Raises InputError for a style that is not there or given twice, and for weights that are negative or all 0.
    """
    if not painter.styles:
        if text is not None:
            raise InputError(f"{painter.name} has learnt a single style; --style needs a network of several")
        return None
    weights = {}
    for part in (painter.styles[0] if text is None else text).split(","):
        name, given, weight = part.strip().partition("=")
        if name not in painter.styles:
            raise unknown_name("style", name, painter.styles)
        if name in weights:
            raise InputError(f"the style {name!r} is given twice")
        try:
            weights[name] = float(weight) if given else 1.0
        except ValueError:
            raise InputError(f"the weight of {name!r} is {weight!r}; a number from 0 on is expected") from None
        check_weight(f"the weight of {name!r}", weights[name])
    total = sum(weights.values())
    if not total:
        raise InputError("all weights of --style are 0: there is no style to take")
    if abs(total - 1) > 1e-6:
        print(f"the weights of --style sum to {total:g}; each is divided by that")
    return np.array([weights.get(name, 0.0) / total for name in painter.styles])


def say_styles(painter):
    """Print the styles' names and how few numbers each of them is."""
    own, total = style_parameters(painter.net), painter.net.num_parameters()
    print(f"styles: {', '.join(painter.styles)}; {own:,} of {total:,} parameters, {own / total:.1%}, for each alone")


def find_files(paths):
    """The files, and those in the folders and below them."""
    return [file for path in paths for file in (find_photos(path) if Path(path).is_dir() else [Path(path)])]


def read(files, size):
    """(name, uint8 (H, W, 3)) of each file, or of the example; of several, one that cannot be read is skipped: None."""
    if not files:
        name, photo = example_photo()
        yield name, resized(photo, size)
    for file in files:
        try:
            yield file.stem, resized(images.load_image(file), size)
        except InputError as problem:
            if len(files) == 1:
                raise
            print(f"skipped: {problem}", file=sys.stderr)
            yield file.stem, None


def resized(photo, size):
    """With its long side of that size, where one was asked for."""
    return photo if size is None else images.resize_long_side(photo, size)


def painted_stems(stems):
    """The names of the pictures to write, each once."""
    taken = []
    for stem in stems:
        stem, number = f"{file_stem(stem)}_painted", 2
        name = stem
        while name in taken:
            name, number = f"{stem}-{number}", number + 1
        taken.append(name)
    return taken


def parser():
    """The command line."""
    parser = OneLineParser(prog="python -m demos.fast_style", description=__doc__)
    parser.add_argument("photos", nargs="*", metavar="PHOTO|FOLDER", help="picture files, and folders of them; left "
                        "out, an example is used")
    parser.add_argument("--model", default=SHIPPED, help="a transform network's weights (.h5), as "
                        "demos.train_fast_style makes them, or weights_converter of fast_neural_style's .pth; left "
                        "out, the small one that is shipped")
    parser.add_argument("--style", metavar="NAME[=WEIGHT,NAME=WEIGHT…]", help="of a network of several styles: which "
                        "one, or a blend, as strokes=0.7,dots=0.3 (default: its first)")
    parser.add_argument("--styles", action="store_true", help="also a sheet of the first photo in every style, and in "
                        "blends of four")
    parser.add_argument("--size", type=positive_int, help="the long side in pixels; left out, as large as it is")
    parser.add_argument("--median", type=positive_int, default=1, metavar="PIXELS", help="in the end, each pixel is "
                        "the median of a window of this side, odd, up to 31: 3 in the authors' script, against dots "
                        "(default: 1)")
    parser.add_argument("--tile", type=natural_int, metavar="PIXELS", help="compute by tiles of this side, 0: never "
                        "(default: where memory is short); the picture is the same, and takes several times as long")
    add_common(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
