"""Map the photos of a folder on a large grid, similar ones together, with a page to zoom into it:
minicnn zoom_page [FOLDER | --mnist FOLDER]"""

import base64
import html
import math
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from urllib.parse import quote

import numpy as np

from minicnn import images, plot
from minicnn.backend import to_device
from minicnn.errors import InputError, one_line
from minicnn.files import replacing
from minicnn.models import Model
from minicnn.sweep import Store
from minicnn.visualize.embedding.features import feature_layer
from minicnn.visualize.embedding.grid_assignment import assign_to_grid
from minicnn.visualize.embedding.grid_map import grid_sheet, thumbnail_map
from minicnn.visualize.embedding.grid_map_check import check_free_map, check_grid, check_sheet
from minicnn.visualize.embedding.tsne import TsneSettings, tsne

from .shared.command import main, positive_int
from .shared.executors import executor_for, store_for
from .shared.inputs import choose_model
from .shared.photo_folder import THUMBNAIL, FolderPhoto, choose_photos, collect, draw_photos, folder_parser
from .shared.picture import Picture, output_folder, run_demo

NAMES = ("grid_map",)
LARGE = ("grid_map_large", "free_map_large")  # the map with a cell for each photo, and the map with t-SNE's positions
DRAWN = 240      # drawn shapes if there is no folder: 20 of each class
FEWEST = 12      # least number of photos of a map
LARGEST_FREE = 4096  # side of the map with t-SNE's positions, pixels
PNG = b"\x89PNG\r\n\x1a\n"
EMBEDDED = 4_000_000  # bytes; a page that holds a larger picture opens slowly, so it names the file instead

# A transform maps the pixels of the picture to the screen: screen = (left, top) + zoom * picture.
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
html, body {{ margin: 0; height: 100%; background: #222; font: 15px/1.4 system-ui, sans-serif }}
body {{ display: flex; flex-direction: column }}
#view {{ flex: 1; min-height: 0; position: relative; overflow: hidden; cursor: grab; touch-action: none }}
#view.held {{ cursor: grabbing }}
#picture {{ position: absolute; left: 0; top: 0; transform-origin: 0 0; max-width: none; user-select: none }}
#picture.near {{ image-rendering: pixelated }}
#bar {{ display: flex; gap: 0.4rem; align-items: center; padding: 0.4rem 0.6rem; background: #eee }}
#bar h1 {{ font-size: 1rem; margin: 0 0.6rem 0 0 }} #bar button {{ font: inherit; min-width: 2.2rem }}
#scale {{ min-width: 4rem; text-align: right; font-variant-numeric: tabular-nums }}
</style></head><body>
<div id="bar"><h1>{title}</h1>
<button id="out" title="zoom out: -">&minus;</button><button id="in" title="zoom in: +">+</button>
<button id="all" title="whole picture: 0">all</button><button id="pixels" title="size of its pixels: 1">1:1</button>
<span id="scale"></span></div>
<div id="view" tabindex="0"><img id="picture" alt="{title}" draggable="false" src="{source}"></div>
<script>
"use strict";
const view = document.getElementById("view"), picture = document.getElementById("picture");
let zoom = 1, left = 0, top_ = 0, held = null;

function show() {{
  // a margin of the picture always stays visible
  const margin = 60, width = picture.naturalWidth * zoom, height = picture.naturalHeight * zoom;
  left = Math.min(Math.max(left, margin - width), view.clientWidth - margin);
  top_ = Math.min(Math.max(top_, margin - height), view.clientHeight - margin);
  picture.style.transform = `translate(${{left}}px, ${{top_}}px) scale(${{zoom}})`;
  picture.className = zoom > 2 ? "near" : "";
  document.getElementById("scale").textContent = (100 * zoom).toPrecision(3) + " %";
}}

function smallest() {{  // the whole picture is visible
  return Math.min(view.clientWidth / picture.naturalWidth, view.clientHeight / picture.naturalHeight);
}}

function showAll() {{
  zoom = smallest();
  left = (view.clientWidth - picture.naturalWidth * zoom) / 2;
  top_ = (view.clientHeight - picture.naturalHeight * zoom) / 2;
  show();
}}

function zoomTo(target, x = view.clientWidth / 2, y = view.clientHeight / 2) {{  // (x, y) stays in place
  const next = Math.min(Math.max(target, Math.min(1, smallest()) / 2), 32);
  left = x - (x - left) * next / zoom;
  top_ = y - (y - top_) * next / zoom;
  zoom = next;
  show();
}}

function zoomAt(event, target) {{
  const box = view.getBoundingClientRect();
  zoomTo(target, event.clientX - box.left, event.clientY - box.top);
}}

function move(x, y) {{
  left += x;
  top_ += y;
  show();
}}

view.addEventListener("wheel", event => {{
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 16 : 1;  // Firefox counts lines, other browsers pixels
  zoomAt(event, zoom * Math.exp(-0.002 * Math.max(-200, Math.min(200, lines * event.deltaY))));
}}, {{passive: false}});
view.addEventListener("pointerdown", event => {{
  held = [event.clientX, event.clientY];
  view.setPointerCapture(event.pointerId);
  view.className = "held";
}});
view.addEventListener("pointermove", event => {{
  if (held) {{
    move(event.clientX - held[0], event.clientY - held[1]);
    held = [event.clientX, event.clientY];
  }}
}});
for (const end of ["pointerup", "pointercancel"])
  view.addEventListener(end, () => {{ held = null; view.className = ""; }});
view.addEventListener("dblclick", event => zoomAt(event, 2 * zoom));
const keys = {{
  "+": () => zoomTo(1.25 * zoom), "=": () => zoomTo(1.25 * zoom), "-": () => zoomTo(zoom / 1.25),
  "0": showAll, "1": () => zoomTo(1), "ArrowLeft": () => move(80, 0), "ArrowRight": () => move(-80, 0),
  "ArrowUp": () => move(0, 80), "ArrowDown": () => move(0, -80)}};
document.addEventListener("keydown", event => {{
  if (event.key in keys && !event.ctrlKey && !event.metaKey && !event.altKey) {{
    event.preventDefault();
    keys[event.key]();
  }}
}});
for (const [name, key] of [["out", "-"], ["in", "+"], ["all", "0"], ["pixels", "1"]])
  document.getElementById(name).addEventListener("click", keys[key]);
window.addEventListener("resize", show);
if (picture.complete) showAll();
else picture.addEventListener("load", showAll);
</script>
</body></html>
"""


def pictures(model: Model, gallery: Iterable[FolderPhoto] | None = None, layer: str | None = None,
             size: int | None = None, steps: int = 1000, seed: int = 0,
             finished: Callable[[np.ndarray, np.ndarray], object] | None = None, executor: Executor | None = None,
             store: Store | None = None) -> Iterator[Picture]:
    """Technique 6: yield the Picture of thumbnails at their t-SNE positions, and each in its own grid cell.

    Parameters
    ----------
    gallery : FolderPhotos, read one after another. By default, drawn shapes.
    size : side of a thumbnail, pixels. By default 64, or the side of the network's crop if that is less.
    steps : number of steps of t-SNE.
    finished : called with the grid and the map with t-SNE's positions, uint8 (H, W, 3).
    executor, store : as for `collect`.
    """
    rng = np.random.default_rng(seed)
    found = collect(model, draw_photos(DRAWN, seed) if gallery is None else gallery, layer,
                    thumbnail=size or THUMBNAIL, executor=executor, store=store)
    N, size = len(found.names), size or found.thumbnails.shape[1]
    if N < FEWEST:
        raise InputError(f"a map needs at least {FEWEST} photos, not {N}")
    features = to_device(found.features, model.net.device)
    positions = tsne(features, TsneSettings(min(30.0, (N - 1) / 3), steps), rng=rng)[0]
    columns = math.ceil(N**0.5)
    rows = -(-N // columns)
    cells = assign_to_grid(positions, rows, columns)
    sheet = grid_sheet(found.thumbnails, cells, rows, columns, size)
    side = min(2 * math.isqrt(N) * found.thumbnails.shape[1], LARGEST_FREE)
    free = thumbnail_map(found.thumbnails, positions, side)
    if finished:
        finished(sheet, free)
    kind = "drawn shapes" if gallery is None else "photos"
    title = f"{model.name}: {N:,} {kind} by their {found.features.shape[1]} numbers at {found.layer}"
    smooth = {"interpolation": "antialiased"}
    panels = [("positions by t-SNE", free, smooth), (f"one cell for each, {rows}x{columns}", sheet, smooth)]
    yield Picture(
        "grid_map", title, plot.show_panels(panels, title=title, size=7.0),
        np.stack(np.divmod(cells, columns), axis=1),
        "Images with similar features are close together. On the left, each is at its position by t-SNE, and some "
        "cover others. On the right, each has its own cell; the sum of the squared distances from the positions to the "
        "cells is as small as possible.",
        "Karpathy 2014, t-SNE visualization of CNN codes; van der Maaten and Hinton, Visualizing Data using t-SNE, "
        "JMLR 2008",
        [*check_grid(positions, cells, rows, columns, rng),
         *check_sheet(sheet, found.thumbnails, cells, rows, columns, size),
         *check_free_map(free, found.thumbnails, positions)],
        {"layer": found.layer, "rows": rows, "columns": columns, "thumbnail": size, "steps": steps, "seed": seed,
         "names": found.names})


def write_zoom_page(path: str | Path, png: str | Path, title: str, overwrite: bool = False) -> None:
    """Write an HTML page that contains the picture in the file `png`, with the title above it.

    A page with a picture of more than EMBEDDED bytes does not contain it, and needs the file where it is.
    Raises InputError if `png` is not a PNG file or if the page cannot be written, see minicnn.files.replacing.
    """
    try:
        data = Path(png).read_bytes()
    except OSError as problem:
        raise InputError(f"{one_line(png)}: cannot be read ({problem.strerror})") from None
    if not data.startswith(PNG):
        raise InputError(f"{one_line(png)}: not a PNG file")
    if len(data) > EMBEDDED:
        source = quote(os.fsencode(os.path.relpath(png, Path(path).parent)))
    else:
        source = f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"
    with replacing(path, overwrite) as temporary:
        temporary.write_text(PAGE.format(title=html.escape(one_line(title)), source=source), encoding="utf-8")


def run(arguments: Namespace) -> None:
    """Run the demo with the arguments of the command line, then write both large maps and their pages."""
    model, line = choose_model(arguments.model or ("digits" if arguments.mnist else None), arguments.device)
    print(line)
    gallery = choose_photos(model, arguments)
    if gallery is None:
        print(f"no folder given: {DRAWN} drawn shapes are on the map")
    large = [f"{name}{suffix}" for name in LARGE for suffix in (".png", ".html")]
    arguments.out = output_folder(arguments.out, "pictures", [f"{NAMES[0]}.png", *large], arguments.overwrite)
    maps: list[np.ndarray] = []
    layer = model.net.find(arguments.layer) if arguments.layer else feature_layer(model.net)
    store = store_for(arguments.resume, model.net, layer)
    with executor_for(arguments.workers, arguments.cluster) as executor:
        run_demo(pictures(model, gallery, layer, arguments.thumbnail, arguments.steps, arguments.seed,
                          lambda *both: maps.extend(both), executor, store), model, arguments, NAMES)
    for name, picture in zip(LARGE, maps, strict=True):
        png, page = (arguments.out / f"{name}{suffix}" for suffix in (".png", ".html"))
        height, width, _ = picture.shape
        images.save_image(png, picture, overwrite=True)
        write_zoom_page(page, png, f"{width}x{height} pixels: similar images are close together", overwrite=True)
        print(f"{one_line(png, 300)}: {width}x{height} pixels; open {one_line(page, 300)} to zoom into it")


def parser() -> ArgumentParser:
    """Return the parser of the command line."""
    parser = folder_parser("zoom_page", __doc__)
    parser.add_argument("--thumbnail", type=positive_int, metavar="PIXELS",
                        help=f"side of a thumbnail in the grid (default: {THUMBNAIL})")
    parser.add_argument("--mnist", metavar="FOLDER", help="folder of MNIST, whose 10,000 test digits are mapped; the "
                        "default of --model is then `digits`")
    parser.add_argument("--steps", type=positive_int, default=1000, help="number of steps of t-SNE (default: 1000)")
    return parser


if __name__ == "__main__":
    main(run, parser())
