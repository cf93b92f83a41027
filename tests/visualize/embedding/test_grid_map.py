"""Maps of thumbnails: each thumbnail once, with the right pixels."""

import numpy as np
import pytest

from minicnn.errors import InputError
from minicnn.images import load_image, save_image
from minicnn.visualize.embedding.grid_map import grid_sheet, thumbnail_map
from minicnn.visualize.embedding.grid_map_check import check_free_map, check_sheet


def plain_thumbnails(count, size=6):
    """Return thumbnails (count, size, size, 3); the red and green of each encode its number."""
    thumbnails = np.zeros((count, size, size, 3), np.uint8)
    thumbnails[..., 0], thumbnails[..., 1] = (np.arange(count) // 200)[:, None, None], (np.arange(count) % 200)[
        :, None, None]
    return thumbnails


def test_a_sheet_has_each_thumbnail_in_its_cell_and_the_exact_size(rng, tmp_path):
    thumbnails, cells = plain_thumbnails(33, 6), rng.permutation(35)[:33]
    sheet = grid_sheet(thumbnails, cells, 5, 7, 6)
    assert sheet.shape == (30, 42, 3) and sheet.dtype == np.uint8
    for n, cell in enumerate(cells.tolist()):
        top, left = cell // 7 * 6, cell % 7 * 6
        assert (sheet[top:top + 6, left:left + 6] == thumbnails[n]).all()
    assert (sheet == 255).all(axis=2).sum() == 2 * 36
    assert all(check.passed for check in check_sheet(sheet, thumbnails, cells, 5, 7, 6))
    assert not check_sheet(sheet[::-1], thumbnails, cells, 5, 7, 6)[1].passed
    assert not any(check.passed for check in check_sheet(sheet[1:], thumbnails, cells, 5, 7, 6))
    save_image(tmp_path / "sheet.png", sheet)
    assert (load_image(tmp_path / "sheet.png") == sheet).all()


@pytest.mark.parametrize("size", [1, 4, 9, 12])
def test_thumbnails_of_another_size_are_scaled(rng, size):
    thumbnails = rng.integers(0, 256, (4, 6, 8, 3), dtype=np.uint8)
    sheet = grid_sheet(thumbnails, [3, 1, 0, 2], 2, 2, size)
    assert sheet.shape == (2 * size, 2 * size, 3) and (sheet[0, 0] == thumbnails[2, 0, 0]).all()
    assert all(check.passed for check in check_sheet(sheet, thumbnails, np.array([3, 1, 0, 2]), 2, 2, size))


def test_thumbnails_touch_the_edges_of_a_map_and_later_ones_cover_earlier_ones():
    thumbnails = plain_thumbnails(4, 5)
    positions = np.array([(0, 0), (10, 10), (5, 5), (5, 5)])
    picture = thumbnail_map(thumbnails, positions, 41)
    assert picture.shape == (41, 41, 3) and picture.dtype == np.uint8
    assert (picture[-5:, :5] == thumbnails[0]).all() and (picture[:5, -5:] == thumbnails[1]).all()
    assert (picture[18:23, 18:23] == thumbnails[3]).all()
    assert (picture == 255).all(axis=2).sum() == 41 * 41 - 3 * 25


def test_a_single_thumbnail_is_in_the_middle():
    picture = thumbnail_map(plain_thumbnails(1, 5), [(3, 4)], 15)
    assert (picture[5:10, 5:10] == 0).all() and (picture == 0).all(axis=2).sum() == 25


@pytest.mark.parametrize(("call", "message"), [
    (lambda t: thumbnail_map(t, np.zeros((3, 2)), 4), "thumbnails of 6x6 pixels do not fit into a map of 4x4"),
    (lambda t: thumbnail_map(t, np.zeros((2, 2)), 40), "3 thumbnails for 2 places"),
    (lambda t: thumbnail_map(t / 255, np.zeros((3, 2)), 40), "expected a picture of type uint8"),
    (lambda t: grid_sheet(t, [0, 1], 2, 2, 6), "3 thumbnails for 2 places"),
    (lambda t: grid_sheet(t, [0, 1, 1], 2, 2, 6), "a cell of its own, from 0 to 3"),
    (lambda t: grid_sheet(t, [0, 1, 4], 2, 2, 6), "a cell of its own, from 0 to 3"),
    (lambda t: grid_sheet(t, [0, 1, 2], 2, 2, 0), "size is 0; expected a whole number of pixels from 1")])
def test_thumbnails_that_do_not_fit_are_refused_in_one_line(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call(plain_thumbnails(3))
    assert "\n" not in str(caught.value)


def test_the_check_of_the_free_map_detects_turned_maps(rng):
    thumbnails, positions = rng.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8), rng.standard_normal((20, 2))
    picture = thumbnail_map(thumbnails, positions, 90)
    assert check_free_map(picture, thumbnails, positions)[0].passed
    for wrong in (picture[::-1], picture[:, ::-1], picture.swapaxes(0, 1),
                  thumbnail_map(thumbnails[::-1], positions, 90)):
        assert not check_free_map(wrong, thumbnails, positions)[0].passed
    one_place = np.zeros((20, 2))
    assert check_free_map(thumbnail_map(thumbnails, one_place, 90), thumbnails, one_place)[0].passed
