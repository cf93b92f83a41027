"""The page to zoom into a map of photos: NAME.html, and a folder NAME with tiles, data and the viewer's script.

The page opens from a folder, where browsers refuse modules and fetch: all data are script files.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minicnn.errors import one_line
from minicnn.files import replacing, replacing_folder
from minicnn.visualize.embedding.grid_assignment import grid_positions
from minicnn.visualize.embedding.neighbours import nearest_others

from .gallery_page import PAGES, TEMPLATES
from .shared.language import translation
from .shared.page_texts import translations
from .tile_pyramid import Pyramid, write_tiles

NEIGHBOURS = 12   # of each photo
CHUNK = 256       # photos whose neighbours are in one file
STEPS = 10_000    # positions are whole numbers below this one
VIEWER = ("zoom.js", "zoom.css")


class PhotoMap(NamedTuple):
    """N photos, each in a cell of a grid and at a position of an embedding.

    title : of the page. layer : whose activations the features are. names, labels : (N); a label may be None.
    thumbnails : square, uint8 (N, t, t, 3). cells : (N,), numbered row by row in a grid of rows x columns.
    positions : (N, 2), x to the right and y upwards. features : (N, D).
    """

    title: str
    layer: str
    names: Sequence[str]
    labels: Sequence[str | None]
    thumbnails: np.ndarray
    cells: np.ndarray
    rows: int
    columns: int
    positions: np.ndarray
    features: np.ndarray


def write_zoom_page(folder: Path, name: str, photos: PhotoMap, overwrite: bool = False,
                    language: str = "en") -> str:
    """Write the page NAME.html and its folder NAME into `folder`, and return the name of the page.

    The folder appears at once when it is complete, and the page after it. language : of the page, one of LANGUAGES.
    Raises InputError if they exist and `overwrite` is False, or if they cannot be written.
    """
    page, _ = f"{name}.html", translation(language)
    with replacing(folder / page, overwrite) as temporary:
        with replacing_folder(folder / name, overwrite) as inside:
            (inside / "tiles").mkdir()
            pyramid = write_tiles(inside / "tiles", photos.thumbnails, photos.cells, photos.rows, photos.columns)
            write_script(inside / "data.js", "zoomData = ", page_data(photos, pyramid, name))
            write_neighbours(inside, photos.features)
            for file in VIEWER:
                (inside / file).write_text((TEMPLATES / file).read_text(encoding="utf-8"), encoding="utf-8")
        html = PAGES.get_template("zoom.html").render(
            _=_, language=language, texts={} if language == "en" else translations(TEMPLATES, _),
            title=one_line(photos.title), folder=name, count=len(photos.names),
            classes=sorted({printable(label) for label in photos.labels if label is not None}))
        temporary.write_text(html, encoding="utf-8", errors="backslashreplace")
    return page


def page_data(photos: PhotoMap, pyramid: Pyramid, folder: str) -> dict[str, Any]:
    """Return the data of the page: the sizes of the pyramid, and the name, class and place of each photo."""
    classes = sorted({printable(label) for label in photos.labels if label is not None})
    number = {label: n for n, label in enumerate(classes)}
    labels = ["" if label is None else printable(label) for label in photos.labels]
    places = np.rint(grid_positions(photos.positions, STEPS, STEPS)).astype(int)  # (N, 2): row and column
    return {"folder": folder, **pyramid._asdict(), "layer": one_line(photos.layer), "classes": classes,
            "names": [printable(name).removeprefix(f"{label}/")
                      for name, label in zip(photos.names, labels, strict=True)],
            "labels": [number.get(label, -1) for label in labels], "cells": photos.cells.tolist(),
            "x": places[:, 1].tolist(), "y": places[:, 0].tolist(), "steps": STEPS, "chunk": CHUNK}


def write_neighbours(folder: Path, features: np.ndarray) -> None:
    """Write the numbers of the nearest other photos of each photo, the nearest first, in files of CHUNK photos."""
    k = min(NEIGHBOURS, len(features) - 1)
    for chunk in range(0, len(features), CHUNK):
        chosen = np.arange(chunk, min(chunk + CHUNK, len(features)))
        write_script(folder / f"neighbours_{chunk // CHUNK}.js", f"zoomNeighbours[{chunk // CHUNK}] = ",
                     nearest_others(features, k, chosen)[0].tolist())


def write_script(path: Path, before: str, data: Any) -> None:
    """Write data as a script. JSON in ASCII has no character that a script would read otherwise."""
    path.write_text(f"{before}{json.dumps(data, separators=(',', ':'))};\n", encoding="ascii")


def printable(text: str) -> str:
    """Return a file name or a label with its control characters escaped, and not too long for a page."""
    return one_line(text, 200)
