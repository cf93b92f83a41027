"""The pyramid of tiles: every photo in its place in every level, and little memory."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from demos import tile_pyramid
from demos.tile_pyramid import pyramid_of, tile_name, write_tiles
from minicnn.errors import InputError
from minicnn.visualize.embedding.grid_map import grid_sheet


def whole_level(folder, pyramid, level):
    """Return a level as one picture, put together from its tiles."""
    across = 2**level
    picture = np.full((across * pyramid.side, across * pyramid.side, 3), 255, np.uint8)
    for y, x in np.ndindex(across, across):
        path = folder / tile_name(level, x, y)
        if path.exists():
            place = slice(y * pyramid.side, (y + 1) * pyramid.side), slice(x * pyramid.side, (x + 1) * pyramid.side)
            picture[place] = np.asarray(Image.open(path))
    return picture


@pytest.mark.parametrize(("rows", "columns", "cell"), [(7, 9, 8), (1, 40, 8), (40, 1, 8), (3, 3, 100), (1, 1, 8)])
def test_every_level_is_the_grid_at_its_resolution(tmp_path, monkeypatch, rows, columns, cell):
    monkeypatch.setattr(tile_pyramid, "TILE", 32)
    monkeypatch.setattr(tile_pyramid, "QUALITY", 100)
    rng = np.random.default_rng(0)
    N = max(1, rows * columns - 5)
    colours = rng.integers(0, 256, (N, 1, 1, 3), dtype=np.uint8)
    thumbnails, cells = np.broadcast_to(colours, (N, cell, cell, 3)), rng.permutation(rows * columns)[:N]
    pyramid = write_tiles(tmp_path, thumbnails, cells, rows, columns)
    sheet = grid_sheet(thumbnails, cells, rows, columns, cell).astype(float)
    size = pyramid.side * 2 ** (pyramid.levels - 1)
    expected = np.full((size, size, 3), 255.0)
    expected[:sheet.shape[0], :sheet.shape[1]] = sheet
    assert size >= max(rows, columns) * cell and pyramid.side % cell == 0
    middle = slice(cell // 2, None, cell)  # of each photo: the colours of JPEG run over edges
    assert np.abs(whole_level(tmp_path, pyramid, pyramid.levels - 1) - expected)[middle, middle].max() < 16
    for level in reversed(range(pyramid.levels)):
        assert np.abs(whole_level(tmp_path, pyramid, level) - expected).mean() < 6
        half = len(expected) // 2
        expected = expected.reshape(half, 2, half, 2, 3).mean((1, 3))
    assert len(list(tmp_path.iterdir())) <= sum(4**level for level in range(pyramid.levels))


def test_a_photo_is_inside_one_tile_of_every_level():
    for cell in (1, 3, 20, 28, 64, 100, 224, 600):
        pyramid = pyramid_of(88, 89, cell)
        assert pyramid.side % cell == 0 and 256 < pyramid.side < 800
        assert pyramid.across(0) >= 89 and (pyramid.levels == 1 or pyramid.across(1) < 89)


def test_the_memory_does_not_grow_with_the_number_of_tiles(tmp_path):
    rows = columns = 64
    thumbnails = np.broadcast_to(np.uint8(90), (rows * columns, 64, 64, 3))  # one byte
    tracemalloc.start()
    pyramid = write_tiles(tmp_path, thumbnails, np.arange(rows * columns), rows, columns)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * pyramid.levels * pyramid.side**2 * 3 < rows * columns * 64 * 64 * 3


def test_a_cell_holds_one_photo(tmp_path):
    thumbnails = np.zeros((2, 8, 8, 3), np.uint8)
    for cells in ([0, 0], [0, 4], [-1, 0]):
        with pytest.raises(InputError, match="each of 2 photos needs a cell of its own, from 0 to 3"):
            write_tiles(tmp_path, thumbnails, np.array(cells), 2, 2)
