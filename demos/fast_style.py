"""Photos as a network that was trained for one style paints them, at once: python -m demos.fast_style PHOTO|FOLDER …"""

import sys
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from demos.command import OneLineParser, add_common, main, natural_int, positive_int
from demos.deepdream import example_photo
from demos.photo_folder import find_photos
from demos.picture import Picture, demo_folder, file_stem, make_folder, run_demo
from demos.train_fast_style import drawn_style
from minicnn import images, plot
from minicnn.drawings import draw_scene
from minicnn.errors import InputError
from minicnn.models import load_model
from minicnn.visualize import StyleSettings, perceptual_loss
from minicnn.visualize.checks_fast_style import check_against_optimiser, check_painting
from minicnn.visualize.fast_style import check_transform, choose_tile, stylize
from minicnn.visualize.perceptual import FAST_PRESETS
from minicnn.weights import weights_digest

NAMES = ("fast_style",)
SHOWN = 4  # photos of a folder that the sheet shows
COMPARED = 128  # pixels: of the picture that the optimiser works at, for a number
SHIPPED = "strokes"  # which demos.train_fast_style made


def pictures(painter, painted, more=(), seed=0):
    """Technique 26: photos, and what the transform network of the Model `painter` makes of them.

    painted : [(name, photo, painted, seconds), …], uint8 (H, W, 3) both, the first SHOWN of them. more : Checks.
    """
    panels = [panel for name, photo, result, _ in painted for panel in ((name, photo), ("painted", result))]
    _, photo, result, seconds = painted[0]
    title = f"{painter.name}: fast style transfer, {result.shape[1]}x{result.shape[0]} in {seconds:.2f} s"
    yield Picture(
        "fast_style", title, plot.show_panels(panels, 2 * min(2, len(painted)), title, 3.4), result,
        "One pass through a network that was trained for this style alone, with the losses of style transfer on its "
        "output: what an optimiser finds in many steps, it has learnt to guess.",
        "Johnson et al. 2016 (arXiv:1603.08155); instance norm: Ulyanov et al. 2016 (arXiv:1607.08022)",
        check_painting(painter.net, photo, result, painter.preprocessing, np.random.default_rng(seed)) + list(more),
        {"painter": painter.name, "painter_sha256": weights_digest(painter.net), "device": painter.net.device,
         "photos": [name for name, *_ in painted], "seconds": [seconds for *_, seconds in painted], "seed": seed})


def gallery_pictures(model, photos, seed=0):
    """The shipped network on the first photo, or for `shapes` on a drawn landscape; where the model is the loss network
    that it was trained with, against the optimiser too."""
    painter = load_model(SHIPPED, model.net.device)
    name, photo = ("scene", draw_scene(192)) if model.name == "shapes" else photos[0][:2]
    more = []
    if model.name == "squeezenet1_1":
        settings = StyleSettings(**FAST_PRESETS["squeezenet"])
        loss = perceptual_loss(model.net, drawn_style(), model.preprocessing, settings)
        small = images.resize(photo, COMPARED, COMPARED)
        more = check_against_optimiser(loss, painter.net, painter.preprocessing.to_input(small))
    return pictures(painter, [paint(painter, name, photo)], more, seed)


def paint(painter, name, photo, tile=None):
    """(name, photo, painted, seconds) of one photo. tile : as `stylize` has it, 0 for never, None for what fits."""
    if tile is None:
        tile = choose_tile(painter.net, photo.shape[:2])
        if tile is not None:
            print(f"{name}: memory is short for {photo.shape[1]}x{photo.shape[0]} pixels at once: by tiles of {tile}")
    start = time.perf_counter()
    with tqdm(desc=name, unit="tile", disable=None if tile else True, leave=False) as bar:
        def show(done, total):
            bar.total = total
            bar.update(done - bar.n)
        result = stylize(painter.net, photo, painter.preprocessing, tile=tile or None, callback=show)
    return name, photo, result, time.perf_counter() - start


def run(arguments):
    """Load, paint one after another, save."""
    painter = load_model(arguments.model, arguments.device)
    check_transform(painter.net)
    print(f"model: {painter.name}; device: {painter.net.device}")
    files = find_files(arguments.photos)
    stems = painted_stems([path.stem for path in files] if files else [example_photo()[0]])
    folder = demo_folder(arguments, (*NAMES, *stems))
    shown = []
    for (name, photo), stem in zip(read(files, arguments.size), stems, strict=True):
        if photo is None:
            continue
        one = paint(painter, name, photo, arguments.tile)
        make_folder(folder)
        images.save_image(folder / f"{stem}.png", one[2], overwrite=True)
        print(f"{folder / stem}.png: {one[2].shape[1]}x{one[2].shape[0]} in {one[3]:.2f} s")
        shown += [one] * (len(shown) < SHOWN)
    if not shown:
        raise InputError(f"none of the {len(files)} picture files can be read")
    run_demo(pictures(painter, shown, seed=arguments.seed), painter, arguments, NAMES, folder)


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
    parser.add_argument("--size", type=positive_int, help="the long side in pixels; left out, as large as it is")
    parser.add_argument("--tile", type=natural_int, metavar="PIXELS", help="compute by tiles of this side, 0: never "
                        "(default: where memory is short); the picture is the same, and takes several times as long")
    add_common(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
