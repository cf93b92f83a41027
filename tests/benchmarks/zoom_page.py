"""Measure the page to zoom into a map of many photos: python tests/benchmarks/zoom_page.py FOLDER [OUT]

FOLDER has photos, its sub-folders are classes. The positions are two principal components of the thumbnails, as the
page does not depend on the network. Chromium opens the page from its file; it is ready when all tiles of the first
view are drawn.
"""

import shutil
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np

from demos.shared.photo_folder import THUMBNAIL, read_photos
from demos.zoom_site import PhotoMap, write_zoom_page
from minicnn.images import fit
from minicnn.visualize.embedding.grid_assignment import assign_to_grid
from minicnn.visualize.embedding.pca import pca

SIZES = {"1400x900": (1400, 900), "400x800": (400, 800)}
TIMES = 5  # openings of the page; their median is printed


def map_of(folder: Path) -> PhotoMap:
    """Return the map of all photos of a folder."""
    names, labels, thumbnails = zip(*((photo.name, photo.label, fit(photo.image, THUMBNAIL, THUMBNAIL))
                                      for photo in read_photos(folder)), strict=True)
    small = np.stack(thumbnails)
    features = small.reshape(len(small), 16, 4, 16, 4, 3).mean((2, 4), dtype=np.float32).reshape(len(small), -1)
    positions = pca(features, 2).positions
    columns = int(np.ceil(len(names) ** 0.5))
    rows = -(-len(names) // columns)
    cells = assign_to_grid(positions, rows, columns)
    return PhotoMap(f"{len(names):,} photos by their colours", "the pixels", names, labels, small, cells, rows, columns,
                    positions, features)


def open_page(browser, page_file: Path, size: tuple[int, int]) -> tuple[float, int, int]:
    """Open the page in a new window. Return the seconds until the first view, and the bytes and number of its files."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    files = {}
    page.on("request", lambda request: files.update({request.url: request.url.startswith("file:") and Path(
        unquote(urlsplit(request.url).path)).stat().st_size}))
    start = time.perf_counter()
    page.goto(page_file.as_uri(), wait_until="commit")
    page.wait_for_selector("html[data-ready=yes]", state="attached")
    seconds = time.perf_counter() - start
    page.close()
    return seconds, sum(files.values()), len(files)


def main() -> None:
    """Make the page, open it, and print the seconds, the bytes and the memory."""
    from playwright.sync_api import sync_playwright
    folder, out = Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp())
    start = time.perf_counter()
    photos = map_of(folder)
    print(f"{len(photos.names):,} photos read and arranged in {time.perf_counter() - start:.0f} s")
    start = time.perf_counter()
    page = out / write_zoom_page(out, "zoom", photos, overwrite=True)
    print(f"page written in {time.perf_counter() - start:.1f} s")
    tracemalloc.start()
    write_zoom_page(out, "zoom", photos, overwrite=True)
    print(f"largest memory while it is written: {tracemalloc.get_traced_memory()[1] / 1e6:.0f} MB")
    tracemalloc.stop()
    files = [path for path in (out / "zoom").rglob("*") if path.is_file()]
    print(f"{len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"),
                                         args=["--no-sandbox", "--disable-gpu"])
        for name, size in SIZES.items():
            opened = [open_page(browser, page, size) for _ in range(TIMES)]
            seconds = sorted(seconds for seconds, _, _ in opened)
            print(f"{name}: first view after {seconds[TIMES // 2]:.2f} s ({seconds[0]:.2f} to {seconds[-1]:.2f}), "
                  f"{opened[0][1] / 1e6:.2f} MB in {opened[0][2]} files")
        browser.close()


if __name__ == "__main__":
    main()
