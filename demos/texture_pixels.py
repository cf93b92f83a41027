"""Enlarge a texture by copying pixels, without a network: minicnn texture_pixels [SAMPLE]"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from minicnn import plot
from minicnn.backend import choose_device, to_device
from minicnn.datasets.textures import TEXTURES, draw_texture
from minicnn.errors import InputError, unknown_name
from minicnn.visualize.check import Check
from minicnn.visualize.texture.efros_leung import efros_leung, efros_leung_fill
from minicnn.visualize.texture.growth_check import check_filling, check_growth, check_wei_levoy
from minicnn.visualize.texture.wei_levoy import wei_levoy
from minicnn.visualize.texture.windows import Texture, source_colours
from minicnn.visualize.texture.windows_check import (
    check_fill,
    check_texture,
    check_texture_methods,
    check_tiles,
)

from .shared.command import OneLineParser, main, natural_int, positive_int
from .shared.photo_files import shown_name
from .shared.picture import Picture, run_demo
from .texture_crop import Sample, cropped_line, framed, read_sample, with_hole

NAMES = ("texture_pixels",)
METHODS: dict[str, tuple[str, Callable[..., Texture]]] = {"efros_leung": ("Efros-Leung", efros_leung),
                                                          "wei_levoy": ("Wei-Levoy", wei_levoy)}
SWEEP = (5, 11, 15, 23)   # Efros-Leung's windows in figure 2 of the paper
UNKNOWN = 225             # grey level of pixels that are not filled yet
EFROS_LEUNG = "Efros and Leung 1999, Texture synthesis by non-parametric sampling"
WEI_LEVOY = "Wei and Levoy 2000, Fast texture synthesis using tree-structured vector quantization"


class Result(NamedTuple):
    """A texture, with the method's name and its window."""

    method: str
    window: int
    texture: Texture


def pictures(sample: np.ndarray | None = None, name: str = "scales", methods: Sequence[str] = tuple(METHODS),
             size: int = 64, window: int = 11, levels: int | None = None, passes: int = 2,
             sweep: Sequence[int] = SWEEP, seed: int = 0, device: str = "cpu",
             origin: Sample | None = None) -> Iterator[Picture]:
    """Yield the picture of technique 21: a sample, its textures by both methods, their sources, and several windows.

    sample : uint8 (H, W, 3); by default 40x40 pixels of the drawn texture `name`. sweep : Efros-Leung's windows.
    origin : the Sample with the photo from which it was cropped, for the figure.
    After Ctrl-C the picture shows the finished part.
    """
    rng = np.random.default_rng([seed, 1])
    sample = draw_texture(name, rng, 40) if sample is None else sample
    windows = [side for side in sweep if side <= min(sample.shape[:2])] if "efros_leung" in methods else []
    runs = dict.fromkeys([(method, window) for method in methods] + [("efros_leung", side) for side in windows])
    results, interrupted = [], False
    for method, side in runs:
        settings: dict[str, Any] = {"window": side, "rng": np.random.default_rng(seed)}
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
    checks = checks_of(sample, window, results, seed, rng)
    if not interrupted:
        checks += check_texture_methods(sample, min(window, 7), rng)
        checks.append(check_wei_levoy(METHODS["wei_levoy"][1], sample))
    yield Picture(
        "texture_pixels", f"{name}: the same texture on a larger area, without a network"
        + ", interrupted" * interrupted,
        draw(sample, size, window, windows, results, origin),
        stack(result.texture for result in results),
        "Efros-Leung grows the texture from 3x3 pixels of the sample. Each new pixel is copied from a random place "
        "among those with the most similar surroundings, so the window must be as large as the pattern's period. "
        "Wei-Levoy turns noise into texture in reading order, from the coarse level to the fine. The first pass over a "
        "level compares the pixels before and the coarser level, the second all pixels around. The edges of its "
        "texture fit each other like tiles. Smooth patches in the maps of sources were copied as one piece.",
        f"{EFROS_LEUNG}, figure 2; {WEI_LEVOY}, figure 7", checks,
        {"sample": name, "sample_size": sample.shape[:2], "sample_place": origin and origin.place,
         "size": size, "window": window, "levels": levels,
         "passes": passes, "seed": seed, "device": device,
         "pictures": [(result.method, result.window) for result in results], "interrupted": interrupted,
         "array": "red, green and blue of each picture, and row and column in the sample, -1 for unfilled pixels"})
    if interrupted:
        raise KeyboardInterrupt


def checks_of(sample: np.ndarray, window: int, results: Sequence[Result], seed: int,
              rng: np.random.Generator) -> list[Check]:
    """Return the Checks of the textures made with this window, of Efros-Leung's growth, and of Wei-Levoy's tiles."""
    checks = [check for method, side, texture in results if side == window
              for check in check_texture(method, texture, sample, rng)]
    checks += [check_growth(f"{method} {side}", texture, sample, side, np.random.default_rng(seed))
               for method, side, texture in results if method == METHODS["efros_leung"][0]]
    return checks + [check_tiles(method, texture, sample, rng) for method, side, texture in results
                     if method == METHODS["wei_levoy"][0] and (texture.source >= 0).all()]


def filled(image: np.ndarray, hole: np.ndarray, name: str = "picture", window: int = 11, seed: int = 0,
           device: str = "cpu") -> Iterator[Picture]:
    """Yield the picture of technique 21 for a hole: the image with its hole, bool (H, W), the fill, and its sources."""
    texture, interrupted = watch(efros_leung_fill, to_device(image, device), hole, f"Efros-Leung {window}",
                                 {"window": window, "rng": np.random.default_rng(seed)})
    if texture is None:
        raise KeyboardInterrupt
    panels = [(name, np.where(hole[..., None], np.uint8(UNKNOWN), image)),
              (f"Efros-Leung, {window}x{window}", shown(texture)),
              ("sources of the pixels", source_colours(texture.source, image.shape))]
    yield Picture(
        "texture_pixels", f"{name}: the hole filled, without a network" + ", interrupted" * interrupted,
        plot.show_panels(panels, size=4), stack([texture]),
        "The grey pixels were missing. From the border inwards, each was copied from a random place in the rest of the "
        "picture among those with the most similar surroundings.",
        f"{EFROS_LEUNG}, section 4", [*check_fill(texture, image, hole),
                                      check_filling(texture, image, hole, window, np.random.default_rng(seed))],
        {"picture": name, "size": image.shape[:2], "window": window, "seed": seed, "device": device,
         "missing": int(hole.sum()), "interrupted": interrupted,
         "array": "red, green and blue, and row and column of the source, -1 for unfilled pixels"})
    if interrupted:
        raise KeyboardInterrupt


def watch(method: Callable[..., Texture], sample: Any, size: Any, description: str,
          settings: dict[str, Any]) -> tuple[Texture | None, bool]:
    """Return (Texture, False) and show a progress bar; after Ctrl-C, (the unfinished Texture or None, True)."""
    latest = None
    with tqdm(desc=description, unit="px", leave=False, disable=None) as bar:
        def show(done: int, total: int, texture: Texture) -> None:
            nonlocal latest
            latest = texture
            bar.total = total
            bar.update(done - bar.n)
        try:
            return method(sample, size, callback=show, **settings), False
        except KeyboardInterrupt:
            return latest, True


def draw(sample: np.ndarray, size: int, window: int, sweep: Sequence[int], results: Sequence[Result],
         origin: Sample | None = None) -> Any:
    """Return the figure: the sample, the textures at its scale, and their sources; below, Efros-Leung's windows.

    If the sample is a part of a photo, the photo comes first, with a frame around the sample.
    """
    canvas = np.full((max(size, sample.shape[0]), max(size, sample.shape[1]), 3), 255, np.uint8)
    canvas[:sample.shape[0], :sample.shape[1]] = sample
    whole: list[tuple] = []
    if origin is not None and origin.photo is not None and origin.place is not None:
        whole = [("the photo, the sample framed\nat row {}, column {}".format(*origin.place),
                  framed(origin.photo, *origin.place, *sample.shape[:2]), {"interpolation": "antialiased"})]
    first = [(f"the sample, {sample.shape[1]}x{sample.shape[0]}", canvas)]
    first += [(f"{method}, {side}x{side}", shown(texture)) for method, side, texture in results if side == window]
    first += [(f"sources of {method}'s pixels\n(red: downwards, green: to the right)",
               source_colours(texture.source, sample.shape)) for method, side, texture in results if side == window]
    windows = {side: texture for method, side, texture in results if method == METHODS["efros_leung"][0]}
    below = [(f"Efros-Leung, {side}x{side}", shown(windows[side])) for side in sorted(sweep) if side in windows]
    panels = whole + first
    return plot.show_panels(panels + (below if len(windows) > 1 else []), len(panels))


def shown(texture: Texture) -> np.ndarray:
    """Return the texture's picture, with unfilled pixels in grey."""
    return np.where(texture.source[..., :1] < 0, np.uint8(UNKNOWN), texture.image)


def stack(textures: Iterable[Texture]) -> np.ndarray:
    """Return the colours and sources of textures of one size, int16 (N, H, W, 5)."""
    return np.stack([np.concatenate([texture.image, texture.source], axis=-1) for texture in textures]).astype(np.int16)


def run(arguments):
    """Read or draw the sample, synthesize the texture, and save it."""
    device = choose_device(arguments.device)
    if arguments.method not in (*METHODS, "both"):
        raise unknown_name("method", arguments.method, (*METHODS, "both"))
    if arguments.photo and arguments.texture:
        raise InputError("give a SAMPLE or --texture, not both")
    fill = bool(arguments.hole or arguments.extend)
    if arguments.photo:
        name = shown_name(arguments.photo)
        origin = read_sample(arguments.photo, arguments.crop, arguments.sample, fill, arguments.reduce)
        sample = origin.image
        if origin.place:
            print(cropped_line(origin))
    else:
        name, origin = arguments.texture or next(iter(TEXTURES)), None
        sample = draw_texture(name, np.random.default_rng([arguments.seed, 1]), arguments.sample)
        print(f"no SAMPLE was given: the texture {name} is drawn; --texture NAME draws one of {', '.join(TEXTURES)}")
    if fill:
        image, hole = with_hole(sample, arguments.hole, arguments.extend or 0)
        made = filled(image, hole, name, arguments.window, arguments.seed, device)
    else:
        methods = tuple(METHODS) if arguments.method == "both" else (arguments.method,)
        made = pictures(sample, name, methods, arguments.size, arguments.window, arguments.levels,
                        arguments.passes, arguments.windows, arguments.seed, device, origin)
    run_demo(made, None, arguments, NAMES)


def parser():
    """Return the parser of the command line."""
    parser = OneLineParser(prog="minicnn texture_pixels", description=__doc__)
    parser.add_argument("photo", nargs="?", metavar="SAMPLE",
                        help="picture file of a texture (default: a drawn texture)")
    parser.add_argument("--texture", metavar="NAME",
                        help=f"drawn texture: {', '.join(TEXTURES)} (default: {next(iter(TEXTURES))})")
    parser.add_argument("--crop", nargs=3, type=natural_int, metavar=("TOP", "LEFT", "SIDE"),
                        help="square of the picture file to use, in its pixels (default: its most textured part; with "
                        "--hole or --extend, the whole picture)")
    parser.add_argument("--sample", type=positive_int, default=64, metavar="PIXELS",
                        help="side of the part that is cropped from a larger picture; with --crop, --hole or --extend, "
                        "the shorter side to which a larger picture is reduced (default: 64)")
    parser.add_argument("--reduce", type=positive_int, metavar="PIXELS", help="reduce the picture to this long side "
                        "first, if its pattern is larger than the window (default: its own size)")
    parser.add_argument("--size", type=positive_int, default=128, metavar="PIXELS",
                        help="side of the result (default: 128)")
    parser.add_argument("--method", default="both", help="efros_leung, wei_levoy or both (default: both)")
    parser.add_argument("--window", type=positive_int, default=11, metavar="PIXELS", help="side of the square that is "
                        "compared, odd; at least the period of the pattern (default: 11)")
    parser.add_argument("--windows", type=positive_int, nargs="*", default=SWEEP, metavar="PIXELS",
                        help="more windows for Efros-Leung; none without a number (default: 5 11 15 23)")
    parser.add_argument("--levels", type=positive_int, metavar="N",
                        help="levels of Wei-Levoy's pyramid (default: 4, or as many as fit)")
    parser.add_argument("--passes", type=positive_int, default=2, metavar="N", help="passes of Wei-Levoy over each "
                        "level; after one, the edges do not fit each other well (default: 2)")
    parser.add_argument("--hole", nargs=4, type=natural_int, metavar=("TOP", "LEFT", "HEIGHT", "WIDTH"),
                        help="fill this part of the sample by Efros-Leung instead, in pixels (default: none)")
    parser.add_argument("--extend", type=positive_int, metavar="PIXELS",
                        help="extend the sample on all sides by Efros-Leung instead"
                        ", by this number of pixels (default: none)")
    parser.add_argument("--device", default="cpu", help="cpu, gpu or auto, for Efros-Leung's products; a GPU gains "
                        "little, as pixels are filled one after another (default: cpu)")
    parser.add_argument("--out", metavar="FOLDER", help="output folder (default: a new one)")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument("--seed", type=natural_int, default=0, metavar="N",
                        help="seed of the random generator (default: 0)")
    return parser


if __name__ == "__main__":
    main(run, parser())
