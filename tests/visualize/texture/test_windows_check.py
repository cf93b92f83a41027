"""The Checks of pixel-by-pixel textures pass for textures and fail for other pictures."""

import numpy as np
import pytest
from texture_samples import EFROS_LEUNG, METHODS

from minicnn.datasets.textures import TEXTURES, draw_checks, draw_texture
from minicnn.visualize.texture.efros_leung import efros_leung_fill
from minicnn.visualize.texture.wei_levoy import wei_levoy
from minicnn.visualize.texture.windows import Texture, coherence, pixel_coordinates, source_colours
from minicnn.visualize.texture.windows_check import (
    check_fill,
    check_texture,
    check_texture_methods,
    check_tiles,
    checkerboard_faults,
    histogram_distance,
    nearest_window_error,
)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", TEXTURES)
def test_textures_pass_their_checks(method, name):
    sample = draw_texture(name, np.random.default_rng(1), 40)
    texture = method(sample, 44, window=9, rng=np.random.default_rng(0))
    assert (texture.image == sample[texture.source[..., 0], texture.source[..., 1]]).all()
    checks = check_texture("texture", texture, sample, np.random.default_rng(2))
    assert checks[0].passed and [check.judged for check in checks] == [True, False, False, False]
    noise = float(checks[2].expected.split(": ")[1].split(" ")[0])
    assert checks[2].value < noise / 2 and checks[3].value < 0.25


@pytest.mark.parametrize("name", TEXTURES)
def test_two_passes_of_wei_levoy_make_tiles(name):
    sample = draw_texture(name, np.random.default_rng(1), 40)
    one, two = (wei_levoy(sample, 44, window=9, passes=passes, rng=np.random.default_rng(0)) for passes in (1, 2))
    found = check_tiles("two", two, sample, np.random.default_rng(2))
    assert found.value < 2 * float(found.expected.split(": ")[1].split(" ")[0])
    assert found.value < check_tiles(
        "one", one, sample, np.random.default_rng(2)).value


def test_a_crop_of_the_sample_fails_as_a_tile(rng):
    source = pixel_coordinates(40, 40)[:27, :31]
    sample = draw_texture("scales", rng, 40)
    check = check_tiles("cut out", Texture(sample[:27, :31], source), sample, rng)
    assert check.value > 15 and not check.judged  # but each of its windows is a window of the sample


def test_noise_and_flat_pictures_have_other_numbers(rng):
    sample = draw_texture("scales", np.random.default_rng(1), 40)
    source = np.stack([rng.integers(0, 40, (44, 44)), rng.integers(0, 40, (44, 44))], axis=-1)
    noise = Texture(sample[source[..., 0], source[..., 1]], source)
    window = check_texture("noise", noise, sample, rng)[2]
    assert "5x5 window" in window.what and window.value > 0.8 * float(window.expected.split(": ")[1].split(" ")[0])
    flat = Texture(np.broadcast_to(sample[3, 3], (44, 44, 3)), np.full((44, 44, 2), 3))
    colours = check_texture("flat", flat, sample, rng)[3]
    assert "chi-squared" in colours.what and colours.value > 0.25
    moved = noise._replace(source=np.roll(noise.source, 1, axis=0))
    assert "source" in [check.what for check in check_texture("moved", moved, sample, rng) if not check.passed][0]


def test_the_fill_check_counts_changed_pixels(rng):
    picture, hole = draw_texture("wood", rng, 24), np.zeros((24, 24), bool)
    hole[8:12, 8:12] = True
    filled = efros_leung_fill(picture, hole, window=5, rng=rng)
    assert [check.value for check in check_fill(filled, picture, hole)] == [0, 0]
    filled.image[0, 0] ^= 255
    assert [check.value for check in check_fill(filled, picture, hole)] == [1, 1]
    filled.source[9, 9] = 9, 9
    assert check_fill(filled, picture, hole)[0].value == 2


def test_the_method_checks_find_a_wrong_product(rng, monkeypatch):
    sample = draw_texture("weave", rng, 30)
    assert all(check.passed for check in check_texture_methods(sample, 7, rng))
    plain = EFROS_LEUNG.window_errors
    wrong = "minicnn.visualize.texture.windows_check.window_errors"
    monkeypatch.setattr(wrong, lambda *arguments: plain(*arguments) * (1 + 1e-5))
    assert [check.passed for check in check_texture_methods(sample, 7, rng)] == [True, True, False]


def test_the_parts_of_the_checks():
    board = draw_checks(20, 20, 3)
    assert checkerboard_faults(board) == checkerboard_faults(board[2:, 1:]) == 0
    board[4, 4] ^= 255
    assert checkerboard_faults(board) == 1
    assert histogram_distance(board, board) == 0
    assert histogram_distance(np.zeros((4, 4, 3)), np.full((4, 4, 3), 255)) == 1
    assert nearest_window_error(board[3:12], board, np.random.default_rng(0)) == 0
    source = pixel_coordinates(6, 5)
    assert coherence(source) == 1 and coherence(source[::-1]) == pytest.approx(24 / 49)
    colours = source_colours(np.array([[[0, 0], [9, 4], [-1, -1]]]), (10, 5, 3))
    assert colours.tolist() == [[[0, 0, 255], [255, 255, 0], [0, 0, 0]]]
