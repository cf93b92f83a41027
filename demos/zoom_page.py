"""All pictures of a folder on one large map, alike ones together, and a page to zoom into it:
python -m demos.zoom_page [FOLDER | --mnist FOLDER]"""

import base64
import html
import math
from pathlib import Path

import numpy as np

from demos.shared.command import main, positive_int
from demos.shared.executors import executor_for, store_for
from demos.shared.inputs import choose_model
from demos.shared.photo_folder import choose_photos, collect, draw_photos, folder_parser
from demos.shared.picture import Picture, output_folder, run_demo
from minicnn import images, plot
from minicnn.backend import to_device
from minicnn.errors import InputError
from minicnn.files import replacing
from minicnn.visualize.embedding.embedding_check import check_grid, check_sheet
from minicnn.visualize.embedding.features import feature_layer
from minicnn.visualize.embedding.grid_map import assign_to_grid, grid_sheet, thumbnail_map
from minicnn.visualize.embedding.tsne import tsne

NAMES = ("grid_map",)
LARGE = ("grid_map_large", "free_map_large")  # each cell a picture; and where t-SNE puts them
DRAWN = 240      # pictures, where no folder is given: 20 of each class
FEWEST = 12      # pictures that make a map
LARGEST_FREE = 4096  # pixels a side of the map without cells
PNG = b"\x89PNG\r\n\x1a\n"

# The picture has its own pixels, and a transform puts them on the screen: screen = left, top + zoom * picture.
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
<button id="out" title="smaller: -">&minus;</button><button id="in" title="larger: +">+</button>
<button id="all" title="all of it: 0">all</button><button id="pixels" title="pixel for pixel: 1">1:1</button>
<span id="scale"></span></div>
<div id="view" tabindex="0"><img id="picture" alt="{title}" draggable="false" src="data:image/png;base64,{data}"></div>
<script>
"use strict";
const view = document.getElementById("view"), picture = document.getElementById("picture");
let zoom = 1, left = 0, top_ = 0, held = null;

function show() {{
  // some of the picture always stays in sight
  const margin = 60, width = picture.naturalWidth * zoom, height = picture.naturalHeight * zoom;
  left = Math.min(Math.max(left, margin - width), view.clientWidth - margin);
  top_ = Math.min(Math.max(top_, margin - height), view.clientHeight - margin);
  picture.style.transform = `translate(${{left}}px, ${{top_}}px) scale(${{zoom}})`;
  picture.className = zoom > 2 ? "near" : "";
  document.getElementById("scale").textContent = (100 * zoom).toPrecision(3) + " %";
}}

function smallest() {{  // all of it in sight
  return Math.min(view.clientWidth / picture.naturalWidth, view.clientHeight / picture.naturalHeight);
}}

function showAll() {{
  zoom = smallest();
  left = (view.clientWidth - picture.naturalWidth * zoom) / 2;
  top_ = (view.clientHeight - picture.naturalHeight * zoom) / 2;
  show();
}}

function zoomTo(wanted, x = view.clientWidth / 2, y = view.clientHeight / 2) {{  // the point under (x, y) stays there
  const next = Math.min(Math.max(wanted, Math.min(1, smallest()) / 2), 32);
  left = x - (x - left) * next / zoom;
  top_ = y - (y - top_) * next / zoom;
  zoom = next;
  show();
}}

function zoomAt(event, wanted) {{
  const box = view.getBoundingClientRect();
  zoomTo(wanted, event.clientX - box.left, event.clientY - box.top);
}}

function move(x, y) {{
  left += x;
  top_ += y;
  show();
}}

view.addEventListener("wheel", event => {{
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 16 : 1;  // Firefox counts lines, others pixels
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


def pictures(model, gallery=None, layer=None, size=None, steps=1000, seed=0, finished=None, executor=None,
             store=None):
    """Technique 6: a t-SNE map of the features with thumbnails for points, and each thumbnail in a cell of its own.

    gallery : FolderPhotos, read one after another; left out, drawn shapes. size : pixels of a thumbnail; left out, 64
    or as many as the network's crop has. finished : called with the grid, then the free map, uint8 (H, W, 3). executor,
    store : as for collect.
    """
    rng = np.random.default_rng(seed)
    found = collect(model, draw_photos(DRAWN, seed) if gallery is None else gallery, layer, executor=executor,
                    store=store, **({} if size is None else {"thumbnail": size}))
    N, size = len(found.names), size or found.thumbnails.shape[1]
    if N < FEWEST:
        raise InputError(f"a map needs at least {FEWEST} pictures, not {N}")
    features = to_device(found.features, model.net.device)
    positions = tsne(features, min(30.0, (N - 1) / 3), steps, rng=rng)[0]
    columns = math.ceil(N**0.5)
    rows = -(-N // columns)
    cells = assign_to_grid(positions, rows, columns)
    sheet = grid_sheet(found.thumbnails, cells, rows, columns, size)
    side = min(2 * math.isqrt(N) * found.thumbnails.shape[1], LARGEST_FREE)
    free = thumbnail_map(found.thumbnails, positions, side)
    if finished:
        finished(sheet, free)
    what = "drawn shapes" if gallery is None else "pictures"
    title = f"{model.name}: {N:,} {what} by their {found.features.shape[1]} numbers at {found.layer}"
    smooth = {"interpolation": "antialiased"}
    panels = [("where t-SNE puts them", free, smooth), (f"each in a cell of its own, {rows}x{columns}", sheet, smooth)]
    figure = plot.show_panels(panels, title=title, size=7.0)
    yield Picture(
        "grid_map", title, figure, np.stack(np.divmod(cells, columns), axis=1),
        "Pictures that are alike to the network lie together. On the left they lie where t-SNE puts them, over each "
        "other; on the right each has a cell of its own, as near to that place as can be for all of them together.",
        "Karpathy 2014, t-SNE visualization of CNN codes; van der Maaten and Hinton, Visualizing Data using t-SNE, "
        "JMLR 2008",
        [*check_grid(positions, cells, rows, columns, rng),
         *check_sheet(sheet, found.thumbnails, cells, rows, columns, size)],
        {"layer": found.layer, "rows": rows, "columns": columns, "thumbnail": size, "steps": steps, "seed": seed,
         "names": found.names})


def write_zoom_page(path, png, title, overwrite=False):
    """Write an HTML page with the picture in the file `png` inside it; the title stands above it.

    Raises InputError where `png` is no PNG file and, as minicnn.files.replacing, where the page cannot be written.
    """
    try:
        data = Path(png).read_bytes()
    except OSError as problem:
        raise InputError(f"{png}: cannot be read ({problem.strerror})") from None
    if not data.startswith(PNG):
        raise InputError(f"{png}: not a PNG file")
    with replacing(path, overwrite) as temporary:
        temporary.write_text(PAGE.format(title=html.escape(title), data=base64.b64encode(data).decode("ascii")),
                             encoding="utf-8")


def run(arguments):
    """Load, draw, save; then both maps in full size, and their pages."""
    model, said = choose_model(arguments.model or ("digits" if arguments.mnist else None), arguments.device)
    print(said)
    gallery = choose_photos(model, arguments)
    if gallery is None:
        print(f"no folder given: {DRAWN} drawn shapes are on the map")
    large = [f"{name}{suffix}" for name in LARGE for suffix in (".png", ".html")]
    arguments.out = output_folder(arguments.out, "pictures", [f"{NAMES[0]}.png", *large], arguments.overwrite)
    maps = []
    layer = model.net.find(arguments.layer) if arguments.layer else feature_layer(model.net)
    store = store_for(arguments.resume, model.net, layer)
    with executor_for(arguments.workers, arguments.cluster) as executor:
        run_demo(pictures(model, gallery, layer, arguments.thumbnail, arguments.steps, arguments.seed,
                          lambda *both: maps.extend(both), executor, store), model, arguments, NAMES)
    for name, picture in zip(LARGE, maps, strict=True):
        png, page = (arguments.out / f"{name}{suffix}" for suffix in (".png", ".html"))
        height, width, _ = picture.shape
        images.save_image(png, picture, overwrite=True)
        write_zoom_page(page, png, f"{width}x{height} pixels: alike ones together", overwrite=True)
        print(f"{png}: {width}x{height} pixels; open {page} to zoom into it")


def parser():
    """The command line."""
    parser = folder_parser("zoom_page", __doc__)
    parser.add_argument("--thumbnail", type=positive_int, help="pixels of a thumbnail in the grid (default 64)")
    parser.add_argument("--mnist", metavar="FOLDER", help="map MNIST's 10,000 test digits in this folder, by the "
                        "network digits unless --model names another")
    parser.add_argument("--steps", type=positive_int, default=1000, help="of t-SNE (default 1000)")
    return parser


if __name__ == "__main__":
    main(run, parser())
