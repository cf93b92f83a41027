"""More of the same texture, copied pixel by pixel, without a network: python -m demos.texture_pixels [SAMPLE]"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from demos.shared.command import OneLineParser, main, natural_int, positive_int
from demos.shared.picture import Picture, run_demo
from minicnn import images, plot
from minicnn.backend import choose_device, to_device
from minicnn.datasets.textures import TEXTURES, draw_texture
from minicnn.errors import InputError, unknown_name
from minicnn.visualize.texture.efros_leung import efros_leung, efros_leung_fill
from minicnn.visualize.texture.texture_pixels import Texture, source_colours
from minicnn.visualize.texture.texture_pixels_check import (
    check_fill,
    check_texture,
    check_texture_methods,
    check_tiles,
)
from minicnn.visualize.texture.wei_levoy import wei_levoy

NAMES = ("texture_pixels",)
METHODS = {"efros_leung": ("Efros-Leung", efros_leung), "wei_levoy": ("Wei-Levoy", wei_levoy)}
SWEEP = (5, 11, 15, 23)   # Efros-Leung's windows in figure 2 of the paper
UNKNOWN = 225             # grey of pixels that are not there yet
EFROS_LEUNG = "Efros and Leung 1999, Texture synthesis by non-parametric sampling"
WEI_LEVOY = "Wei and Levoy 2000, Fast texture synthesis using tree-structured vector quantization"


class Result(NamedTuple):
    """A texture that was made, with the method's name and its window."""

    method: str
    window: int
    texture: Texture


def pictures(sample=None, name="scales", methods=tuple(METHODS), size=64, window=11, levels=None, passes=2,
             sweep=SWEEP, seed=0, device="cpu"):
    """Technique 21: a sample, more of it by both methods, where the pixels come from, and Efros-Leung's windows.

    sample : uint8 (H, W, 3); left out, 40x40 pixels of the drawn texture `name`. Ctrl-C keeps what there is.
    """
    rng = np.random.default_rng([seed, 1])
    sample = draw_texture(name, rng, 40) if sample is None else sample
    windows = [side for side in sweep if side <= min(sample.shape[:2])] if "efros_leung" in methods else []
    wanted = dict.fromkeys([(method, window) for method in methods] + [("efros_leung", side) for side in windows])
    results, interrupted = [], False
    for method, side in wanted:
        settings = {"window": side, "rng": np.random.default_rng(seed)}
        if method == "wei_levoy":
            settings |= {"levels": levels, "passes": passes}
        title, function = METHODS[method]
        texture, interrupted = watch(function, to_device(sample, device), size, f"{title} {side}", settings)
        if texture:
            results.append(Result(title, side, texture))
        if interrupted:
            break
    if not results:
        raise KeyboardInterrupt
    checks = [check for method, side, texture in results if side == window
              for check in check_texture(method, texture, sample, rng)]
    checks += [check_tiles(method, texture, sample, rng) for method, side, texture in results
               if method == METHODS["wei_levoy"][0] and (texture.source >= 0).all()]
    if not interrupted:
        checks += check_texture_methods(sample, min(window, 7), rng)
    yield Picture(
        "texture_pixels", f"{name}: more of the same texture, without a network" + ", interrupted" * interrupted,
        draw(sample, size, window, windows, results),
        stack(result.texture for result in results),
        "Efros-Leung grows the texture from 3x3 pixels of the sample: each new pixel is copied from a place whose "
        "surroundings look nearly as those here as any do, so the window must be as large as what repeats. Wei-Levoy "
        "turns noise into texture in reading order, from coarse to fine: each level first by the pixels before and the "
        "coarser level around, then by all pixels around; its edges fit each "
        "other, like tiles. Smooth patches in the maps of sources were copied in one piece.",
        f"{EFROS_LEUNG}, figure 2; {WEI_LEVOY}, figure 7", checks,
        {"sample": name, "sample_size": sample.shape[:2], "size": size, "window": window, "levels": levels,
         "passes": passes, "seed": seed, "device": device,
         "pictures": [(result.method, result.window) for result in results], "interrupted": interrupted,
         "array": "each picture's red, green, blue, and the row and the column in the sample, -1 where not done"})
    if interrupted:
        raise KeyboardInterrupt


def filled(image, hole, name="picture", window=11, seed=0, device="cpu"):
    """Technique 21: a picture with a hole, bool (H, W), what grows there, and where it comes from."""
    texture, interrupted = watch(efros_leung_fill, to_device(image, device), hole, f"Efros-Leung {window}",
                                 {"window": window, "rng": np.random.default_rng(seed)})
    if texture is None:
        raise KeyboardInterrupt
    panels = [(name, np.where(hole[..., None], np.uint8(UNKNOWN), image)),
              (f"Efros-Leung, {window}x{window}", shown(texture)),
              ("where its pixels come from", source_colours(texture.source, image.shape))]
    yield Picture(
        "texture_pixels", f"{name}: what was missing, without a network" + ", interrupted" * interrupted,
        plot.show_panels(panels, size=4), stack([texture]),
        "The grey pixels were not there. From the border inwards, each was copied from a place in the rest of the "
        "picture whose surroundings look nearly as those here as any do.",
        f"{EFROS_LEUNG}, section 4", check_fill(texture, image, hole),
        {"picture": name, "size": image.shape[:2], "window": window, "seed": seed, "device": device,
         "missing": int(hole.sum()), "interrupted": interrupted,
         "array": "red, green, blue, and the row and the column of the source"})
    if interrupted:
        raise KeyboardInterrupt


def watch(method, sample, size, description, settings):
    """(Texture, False) with a progress bar; after Ctrl-C (what there is, None if nothing is, True)."""
    latest = None
    with tqdm(desc=description, unit="px", leave=False, disable=None) as bar:
        def show(done, total, texture):
            nonlocal latest
            latest = texture
            bar.total = total
            bar.update(done - bar.n)
        try:
            return method(sample, size, callback=show, **settings), False
        except KeyboardInterrupt:
            return latest, True


def draw(sample, size, window, sweep, results):
    """The figure: the sample at the scale of the others, the textures, their sources; below, Efros-Leung's windows."""
    canvas = np.full((max(size, sample.shape[0]), max(size, sample.shape[1]), 3), 255, np.uint8)
    canvas[:sample.shape[0], :sample.shape[1]] = sample
    first = [(f"the sample, {sample.shape[1]}x{sample.shape[0]}", canvas)]
    first += [(f"{method}, {side}x{side}", shown(texture)) for method, side, texture in results if side == window]
    first += [(f"where {method}'s come from\n(red: downwards, green: to the right)",
               source_colours(texture.source, sample.shape)) for method, side, texture in results if side == window]
    windows = {side: texture for method, side, texture in results if method == METHODS["efros_leung"][0]}
    below = [(f"Efros-Leung, {side}x{side}", shown(windows[side])) for side in sorted(sweep) if side in windows]
    return plot.show_panels(first + (below if len(windows) > 1 else []), len(first))


def shown(texture):
    """The texture's picture, grey where a pixel has no source yet."""
    return np.where(texture.source[..., :1] < 0, np.uint8(UNKNOWN), texture.image)


def stack(textures):
    """Colours and sources of textures of one size, int16 (N, H, W, 5)."""
    return np.stack([np.concatenate([texture.image, texture.source], axis=-1) for texture in textures]).astype(np.int16)


def read_sample(path, crop, side):
    """The sample in a picture file, uint8 (H, W, 3): the part `crop` (top, left, size) or all of it, its shorter side
    reduced to `side` pixels if it is longer."""
    image = images.load_image(path)
    H, W, _ = image.shape
    if crop:
        top, left, size = crop
        if size < 1 or top + size > H or left + size > W:
            raise InputError(f"{path} has {W}x{H} pixels: there is no square of {size} from row {top}, column {left}")
        image = np.ascontiguousarray(image[top:top + size, left:left + size])
    return images.resize_short_side(image, side) if min(image.shape[:2]) > side else image


def run(arguments):
    """Read or draw the sample, make more of it, save."""
    device = choose_device(arguments.device)
    if arguments.method not in (*METHODS, "both"):
        raise unknown_name("method", arguments.method, (*METHODS, "both"))
    if arguments.photo and arguments.texture:
        raise InputError("give a SAMPLE or --texture, not both")
    if arguments.photo:
        name, sample = Path(arguments.photo).stem, read_sample(arguments.photo, arguments.crop, arguments.sample)
    else:
        name = arguments.texture or next(iter(TEXTURES))
        sample = draw_texture(name, np.random.default_rng([arguments.seed, 1]), arguments.sample)
        print(f"no picture given: {name} are drawn; --texture knows {', '.join(TEXTURES)}")
    if arguments.hole or arguments.extend:
        image, hole = with_hole(sample, arguments.hole, arguments.extend or 0)
        made = filled(image, hole, name, arguments.window, arguments.seed, device)
    else:
        methods = tuple(METHODS) if arguments.method == "both" else (arguments.method,)
        made = pictures(sample, name, methods, arguments.size, arguments.window, arguments.levels,
                        arguments.passes, arguments.windows, arguments.seed, device)
    run_demo(made, None, arguments, NAMES)


def with_hole(image, box, margin):
    """The image with `margin` pixels around it, and where it is to be filled, bool (H, W): there, and in the box."""
    hole = np.zeros(image.shape[:2], bool)
    if box:
        top, left, height, width = box
        hole[top:top + height, left:left + width] = True
        if hole.sum() != height * width or not hole.any():
            raise InputError(f"a hole of {width}x{height} pixels at row {top}, column {left} does not lie within the "
                             f"picture of {image.shape[1]}x{image.shape[0]} (see --sample)")
    return (np.pad(image, ((margin, margin), (margin, margin), (0, 0))),
            np.pad(hole, margin, constant_values=True))


def parser():
    """The command line."""
    parser = OneLineParser(prog="python -m demos.texture_pixels", description=__doc__)
    parser.add_argument("photo", nargs="?", metavar="SAMPLE",
                        help="a picture file of a texture; left out, one is drawn")
    parser.add_argument("--texture", help=f"which texture is drawn: {', '.join(TEXTURES)}")
    parser.add_argument("--crop", nargs=3, type=natural_int, metavar=("TOP", "LEFT", "SIDE"),
                        help="take this square of the picture file alone, in its pixels")
    parser.add_argument("--sample", type=positive_int, default=64, help="the sample's shorter side: a larger picture "
                        "is reduced to it (default 64)")
    parser.add_argument("--size", type=positive_int, default=128, help="side of the result in pixels (default 128)")
    parser.add_argument("--method", default="both", help="efros_leung, wei_levoy or both (default)")
    parser.add_argument("--window", type=positive_int, default=11, help="side of the square that is compared, odd; as "
                        "large as what repeats (default 11)")
    parser.add_argument("--windows", type=positive_int, nargs="*", default=SWEEP, metavar="WINDOW",
                        help="Efros-Leung with these windows too; none without a number (default 5 11 15 23)")
    parser.add_argument("--levels", type=positive_int, help="of Wei-Levoy's pyramid; left out, 4 or as many as fit")
    parser.add_argument("--passes", type=positive_int, default=2, help="of Wei-Levoy over each level (default 2); "
                        "after one, its edges do not quite fit each other")
    parser.add_argument("--hole", nargs=4, type=natural_int, metavar=("TOP", "LEFT", "HEIGHT", "WIDTH"),
                        help="fill this part of the sample by Efros-Leung instead")
    parser.add_argument("--extend", type=positive_int, metavar="PIXELS", help="grow the sample on all sides instead")
    parser.add_argument("--device", default="cpu", help="cpu (default), gpu or auto, for Efros-Leung's products; its "
                        "pixels wait for each other, so that a GPU has little to do at a time")
    parser.add_argument("--out", help="the folder to write; left out, a new one")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there already")
    parser.add_argument("--seed", type=natural_int, default=0, help="for everything random (default 0)")
    return parser


if __name__ == "__main__":
    main(run, parser())
