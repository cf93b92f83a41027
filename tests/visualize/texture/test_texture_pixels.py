"""Efros-Leung and Wei-Levoy: the very picture of a plain loop, whatever the array module; one line for bad input."""

import itertools
import json
from importlib import import_module

import numpy as np
import pytest
from demo_runs import exit_code
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from demos import texture_pixels as demo
from minicnn import images
from minicnn.backend import to_device, to_host
from minicnn.datasets.textures import TEXTURES, draw_checks, draw_texture
from minicnn.errors import InputError
from minicnn.visualize.texture.efros_leung import (
    efros_leung,
    efros_leung_fill,
    frontier,
    gaussian_weights,
    independent_waves,
    patch_matrix,
    window_errors,
)
from minicnn.visualize.texture.wei_levoy import (
    Candidates,
    choose_levels,
    histogram_noise,
    parent_window,
    pyramid,
    synthesize_row,
    wei_levoy,
)
from minicnn.visualize.texture.windows import (
    Texture,
    coherence,
    gather_windows,
    pixel_coordinates,
    source_colours,
)
from minicnn.visualize.texture.windows_check import (
    check_fill,
    check_texture,
    check_texture_methods,
    check_tiles,
    checkerboard_faults,
    histogram_distance,
    nearest_window_error,
)

METHODS = [efros_leung, wei_levoy]
EFROS_LEUNG, WEI_LEVOY = (import_module(method.__module__) for method in METHODS)  # the functions hide their modules


def on(xp, picture):
    return to_device(picture, "cpu" if xp is np else "gpu")


def random_sample(rng, H=11, W=9, channels=(3,), values=4):
    """A picture of few colours, so that windows are alike and equally near ones are common."""
    return (rng.integers(0, values, (H, W, *channels)) * (255 // (values - 1))).astype(np.uint8)


# ---- the definitions, one pixel and one window after another ---------------------------------------------------------


def grow_naively(image, source, sample, allowed, window, rng, tolerance, max_error):
    """The authors' pseudo-code, in whole numbers: the weights in units of 2^-24."""
    half, (H, W, C) = window // 2, image.shape
    weights = np.rint(gaussian_weights(window) * 2**24).astype(np.int64)
    sample, (tops, lefts) = sample.astype(np.int64), np.array(allowed).T
    while (source < 0).any():
        progress = False
        known = source[..., 0] >= 0
        unfilled = []
        for y, x in np.argwhere(~known).tolist():
            neighbours = int(known[max(y - 1, 0):y + 2, max(x - 1, 0):x + 2].sum())
            if neighbours:
                unfilled.append((y, x, neighbours))
        permuted = [unfilled[n] for n in rng.permutation(len(unfilled))]
        for y, x, _ in sorted(permuted, key=lambda pixel: -pixel[2]):
            draw = rng.random()
            errors, total = np.zeros(len(allowed), np.int64), 0
            for i in range(-half, half + 1):
                for j in range(-half, half + 1):
                    if 0 <= y + i < H and 0 <= x + j < W and source[y + i, x + j, 0] >= 0:
                        weight = weights[i + half, j + half]
                        total += weight
                        errors += weight * ((sample[tops + i, lefts + j] - image[y + i, x + j])**2).sum(axis=-1)
            errors = [int(error) * 2.0**-24 for error in errors]
            matches = [n for n, error in enumerate(errors) if error <= min(errors) * (1 + tolerance)]
            match = matches[int(draw * len(matches))]
            if errors[match] / (total * 2.0**-24 * C * 255**2) < max_error:
                source[y, x] = allowed[match]
                image[y, x] = sample[allowed[match]]
                progress = True
        if not progress:
            max_error *= 1.1


def efros_leung_naively(sample, size, window, rng, tolerance=0.1, max_error=0.3):
    (h, w), (H, W), half = sample.shape[:2], size, window // 2
    image, source = np.zeros((H, W, sample.shape[2]), np.uint8), np.full((H, W, 2), -1)
    top, left = rng.integers(h - 2), rng.integers(w - 2)
    for i in range(3):
        for j in range(3):
            y, x = (H - 3) // 2 + i, (W - 3) // 2 + j
            image[y, x], source[y, x] = sample[top + i, left + j], (top + i, left + j)
    allowed = [(y, x) for y in range(half, h - half) for x in range(half, w - half)]
    grow_naively(image, source, sample, allowed, window, rng, tolerance, max_error)
    return Texture(image, source)


def wei_levoy_naively(sample, size, window, levels, passes, rng):
    """Every pixel in reading order, each pass, every neighbourhood that lies within the sample, in whole numbers."""
    half, reach = window // 2, parent_window(window) // 2
    image = histogram_noise(sample, *size, rng)
    samples, results = pyramid(sample, levels, "reflect"), pyramid(image, levels, "wrap")
    square = [(i, j) for i in range(-half, half + 1) for j in range(-half, half + 1) if (i, j) != (0, 0)]
    before = [(i, j) for i, j in square if (i, j) < (0, 0)]
    around = [(i, j) for i in range(-reach, reach + 1) for j in range(-reach, reach + 1)]
    for level, number in itertools.product(reversed(range(levels)), range(passes)):
        given, result = samples[level].astype(int), results[level]
        (h, w), (H, W), seen = given.shape[:2], result.shape[:2], square if number else before
        source = np.empty((H, W, 2), int)
        for y in range(H):
            for x in range(W):
                best, least = None, None
                for a in range(half, h - half * (number > 0)):
                    for b in range(half, w - half):
                        parts = [given[a + i, b + j] - result[(y + i) % H, (x + j) % W] for i, j in seen]
                        if level < levels - 1:
                            coarse, below = samples[level + 1].astype(int), results[level + 1]
                            (ch, cw), (cH, cW) = coarse.shape[:2], below.shape[:2]
                            if not (reach <= a // 2 < ch - reach and reach <= b // 2 < cw - reach):
                                continue
                            parts += [coarse[a // 2 + i, b // 2 + j] - below[(y // 2 + i) % cH, (x // 2 + j) % cW]
                                      for i, j in around]
                        error = sum(int((part**2).sum()) for part in parts)
                        if least is None or error < least:
                            best, least = (a, b), error
                result[y, x], source[y, x] = given[best], best
    return Texture(results[0], source)


@pytest.mark.parametrize("seed, window, size, channels, tolerance, max_error", [
    (0, 3, (8, 8), 3, 0.1, 0.3), (1, 5, (7, 10), 3, 0.1, 0.3), (2, 5, (9, 6), 1, 0.1, 0.3), (3, 7, (8, 8), 3, 0.5, 0.3),
    (4, 5, (8, 8), 3, 0.0, 0.3), (5, 3, (9, 9), 3, 0.1, 0.02)])
def test_efros_leung_is_the_plain_loop_pixel_for_pixel(xp, seed, window, size, channels, tolerance, max_error):
    sample = random_sample(np.random.default_rng(seed), channels=(channels,))
    expected = efros_leung_naively(sample, size, window, np.random.default_rng(seed), tolerance, max_error)
    given = sample if channels == 3 else sample[..., 0]
    found = efros_leung(on(xp, given), size, window=window, rng=np.random.default_rng(seed), tolerance=tolerance,
                        max_error=max_error)
    assert type(found.image) is np.ndarray and found.image.dtype == np.uint8
    assert found.image.shape == (*size, 3)[:given.ndim]
    assert (found.source == expected.source).all()
    assert (found.image.reshape(expected.image.shape) == expected.image).all()


def test_efros_leung_waits_for_pixels_whose_error_is_too_large(rng):
    # Noise is never near; with so small a bound every layer has to wait, and is filled in another order.
    sample = rng.integers(0, 256, (11, 9, 3), np.uint8)
    strict = efros_leung(sample, 9, window=5, rng=np.random.default_rng(1), max_error=1e-3)
    expected = efros_leung_naively(sample, (9, 9), 5, np.random.default_rng(1), max_error=1e-3)
    assert (strict.source == expected.source).all()
    assert (strict.source != efros_leung(sample, 9, window=5, rng=np.random.default_rng(1)).source).any()


def test_filling_a_hole_is_the_plain_loop_too_and_leaves_the_rest(xp, rng):
    picture = random_sample(rng, 12, 13)
    hole = np.zeros((12, 13), bool)
    hole[8:11, 2:5] = hole[11, 12] = True
    found = efros_leung_fill(on(xp, picture), on(xp, hole), window=5, rng=np.random.default_rng(3))
    image, source = np.where(hole[..., None], 0, picture), np.where(hole[..., None], -1, pixel_coordinates(12, 13))
    allowed = [(y, x) for y in range(2, 10) for x in range(2, 11) if not hole[y - 2:y + 3, x - 2:x + 3].any()]
    grow_naively(image, source, picture, allowed, 5, np.random.default_rng(3), 0.1, 0.3)
    assert (found.image == image).all() and (found.source == source).all()
    assert (found.image[~hole] == picture[~hole]).all() and not hole[found.source[..., 0], found.source[..., 1]].any()


@pytest.mark.parametrize("seed, window, size, levels, passes, channels", [
    (0, 3, (7, 8), 1, 1, 3), (1, 5, (8, 8), 1, 2, 3), (2, 3, (9, 7), 2, 1, 3), (3, 5, (8, 7), 2, 2, 1),
    (4, 3, (8, 7), 3, 2, 3), (5, 3, (5, 6), 2, 3, 3)])
def test_wei_levoy_is_the_plain_loop_pixel_for_pixel(seed, window, size, levels, passes, channels):
    sample = random_sample(np.random.default_rng(seed), 13, 14, (channels,))
    expected = wei_levoy_naively(sample, size, window, levels, passes, np.random.default_rng(seed))
    given = sample if channels == 3 else sample[..., 0]
    found = wei_levoy(given, size, window=window, levels=levels, passes=passes, rng=np.random.default_rng(seed))
    assert found.image.shape == (*size, 3)[:given.ndim] and found.image.dtype == np.uint8
    assert (found.source == expected.source).all()
    assert (found.image.reshape(expected.image.shape) == expected.image).all()


def test_wei_levoy_in_blocks_and_of_a_device_array_is_the_same(xp, rng, monkeypatch):
    sample = random_sample(rng, 13, 14)
    plain = wei_levoy(sample, 10, window=3, rng=np.random.default_rng(0))
    monkeypatch.setattr(WEI_LEVOY, "BLOCK", 300)
    blocks = wei_levoy(on(xp, sample), 10, window=3, rng=np.random.default_rng(0))
    assert (plain.source == blocks.source).all() and (plain.image == blocks.image).all()


# ---- the parts -------------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 4), st.integers(1, 60), st.integers(0, 10**6))
def test_a_pixel_sees_exactly_the_earlier_ones_in_its_window(half, count, seed):
    places = np.random.default_rng(seed).permutation(144)[:count]
    rows, columns = np.divmod(places, 12)
    waves = independent_waves(rows, columns, half)
    assert sorted(n for wave in waves for n in wave) == list(range(count))
    number = {n: k for k, wave in enumerate(waves) for n in wave}
    for i in range(count):
        for j in range(i):
            if max(abs(rows[i] - rows[j]), abs(columns[i] - columns[j])) <= half:
                assert number[j] < number[i]


def test_the_frontier_has_the_pixels_with_most_known_neighbours_first(rng):
    known = rng.random((9, 8)) < 0.3
    rows, columns = frontier(known, rng)
    count = [known[max(y - 1, 0):y + 2, max(x - 1, 0):x + 2].sum() for y, x in zip(rows, columns, strict=True)]
    assert count == sorted(count, reverse=True) and min(count) >= 1
    beyond = ~known
    beyond[rows, columns] = False
    assert all(not known[max(y - 1, 0):y + 2, max(x - 1, 0):x + 2].any() for y, x in np.argwhere(beyond))
    orders = {tuple(frontier(known, np.random.default_rng(seed))[0]) for seed in range(4)}
    assert len(orders) > 1


def test_the_product_gives_the_sums_of_squared_differences_exactly(xp, rng):
    sample = rng.integers(0, 256, (14, 12, 3), np.uint8)
    centres = pixel_coordinates(8, 6).reshape(-1, 2) + 3
    values = rng.integers(0, 256, (5, 7, 7, 3)).astype(np.float64)
    values[0] = gather_windows(sample, centres[9:10, 0], centres[9:10, 1], 7)[0]
    mask = gaussian_weights(7) * (rng.random((5, 7, 7)) < 0.6)
    found = window_errors(values, mask, patch_matrix(sample, centres, 7, "cpu" if xp is np else "gpu"))
    assert type(found) is xp.ndarray
    windows = gather_windows(sample.astype(np.int64), centres[:, 0], centres[:, 1], 7)
    units = np.rint(mask * 2**24).astype(np.int64)
    expected = [[(units[n, ..., None] * (window - values[n].astype(np.int64))**2).sum() for window in windows]
                for n in range(5)]
    assert (to_host(found) * 2**24 == np.array(expected)).all() and to_host(found)[0, 9] == 0


def test_the_weights_are_the_papers_gaussian():
    weights = gaussian_weights(11)
    axis = np.exp(-0.5 * (np.arange(-5, 6) / (11 / 6.4))**2)
    assert weights[5, 5] == 1 and np.abs(weights - axis[:, None] * axis).max() <= 2.0**-25
    assert (weights * 2**24 % 1 == 0).all()


def test_a_level_of_the_pyramid_is_every_second_pixel_of_the_blurred_one(rng):
    image = rng.integers(0, 256, (9, 6, 3), np.uint8)
    taps = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    for edges, mode in (("reflect", "symmetric"), ("wrap", "wrap")):
        levels = pyramid(image, 3, edges)
        assert [level.shape for level in levels] == [(9, 6, 3), (5, 3, 3), (3, 2, 3)] and levels[0] is image
        padded = np.pad(image.astype(float), ((2, 2), (2, 2), (0, 0)), mode=mode)
        for y, x in np.ndindex(5, 3):
            blurred = (padded[2 * y:2 * y + 5, 2 * x:2 * x + 5] * taps[..., None]).sum(axis=(0, 1))
            assert np.abs(levels[1][y, x] - blurred).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("size", [(22, 9), (5, 7), (11, 10)])
def test_the_noise_has_the_samples_histogram(rng, size):
    sample = rng.integers(0, 256, (11, 9, 1), np.uint8)
    noise = histogram_noise(sample, *size, rng)
    count, expected = (np.bincount(picture.ravel(), minlength=256) for picture in (noise, sample))
    whole = size[0] * size[1] // sample.size
    assert noise.shape == (*size, 1) and (count >= whole * expected).all() and (count <= (whole + 1) * expected).all()


def test_as_many_levels_as_fit():
    assert choose_levels(5, None, (64, 64), (128, 128)) == 4
    assert choose_levels(9, None, (64, 64), (128, 128)) == 3
    assert choose_levels(9, None, (64, 9), (128, 128)) == 1
    assert choose_levels(5, None, (64, 64), (128, 12)) == 3
    assert [parent_window(window) for window in (3, 5, 7, 9, 11)] == [3, 3, 5, 5, 7]


# ---- what the textures are -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", TEXTURES)
def test_every_pixel_is_the_samples_and_the_texture_passes_its_checks(method, name):
    sample = draw_texture(name, np.random.default_rng(1), 40)
    texture = method(sample, 44, window=9, rng=np.random.default_rng(0))
    assert (texture.image == sample[texture.source[..., 0], texture.source[..., 1]]).all()
    checks = check_texture("texture", texture, sample, np.random.default_rng(2))
    assert all(check.passed for check in checks), checks


@pytest.mark.parametrize("side, window", [(1, 5), (1, 11), (2, 7), (3, 9), (4, 11)])
def test_a_checkerboard_is_continued_exactly(side, window):
    sample = draw_checks(6 * side + window, 6 * side + window, side)
    for seed in range(3):
        grown = efros_leung(sample, 10 * side, window=window, rng=np.random.default_rng(seed))
        assert checkerboard_faults(grown.image, side) == 0


def test_wei_levoy_continues_a_checkerboard_from_right_edges_however_noisy_the_rest(rng):
    # The noise is read at the edges alone: from the rows at the bottom and the columns at the right.
    sample, board = draw_checks(24, 24, 3), draw_checks(30, 30, 3)
    image = rng.integers(0, 256, board.shape, np.uint8)
    image[-4:], image[:, -4:], image[:, :4] = board[-4:], board[:, -4:], board[:, :4]
    found, candidates = np.empty((30, 30, 2), int), Candidates(sample, None, 9)
    for row in range(30):
        synthesize_row(image, None, row, candidates, found)
    assert (image == board).all()


@pytest.mark.parametrize("name", TEXTURES)
def test_two_passes_of_wei_levoy_make_tiles(name):
    sample = draw_texture(name, np.random.default_rng(1), 40)
    one, two = (wei_levoy(sample, 44, window=9, passes=passes, rng=np.random.default_rng(0)) for passes in (1, 2))
    assert check_tiles("two", two, sample, np.random.default_rng(2)).passed
    assert check_tiles("two", two, sample, np.random.default_rng(2)).value < check_tiles(
        "one", one, sample, np.random.default_rng(2)).value


def test_a_part_of_the_sample_is_no_tile(rng):
    source = pixel_coordinates(40, 40)[:27, :31]
    sample = draw_texture("scales", rng, 40)
    check = check_tiles("cut out", Texture(sample[:27, :31], source), sample, rng)
    assert check.value > 15 and not check.passed  # while each of its windows is one of the sample's


@pytest.mark.parametrize("method", METHODS)
def test_the_seed_decides(method):
    sample = draw_texture("scales", np.random.default_rng(1), 24)
    one, two, other = (method(sample, 20, window=5, rng=np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert (one.image == two.image).all() and (one.source == two.source).all() and (one.image != other.image).any()


@pytest.mark.parametrize("method", METHODS)
def test_the_callback_counts_to_the_end_and_sees_the_texture_grow(method):
    sample = draw_texture("wood", np.random.default_rng(1), 20)
    calls, known = [], []

    def watch(done, total, texture):
        calls.append((done, total))
        known.append(int((texture.source[..., 0] >= 0).sum()))
    before = sample.copy()
    texture = method(sample, (12, 16), window=5, rng=np.random.default_rng(7), callback=watch)
    done = [call[0] for call in calls]
    assert done == sorted(done) and calls[-1][0] == calls[-1][1] and known[-1] == 12 * 16 and known[0] < 12 * 16
    assert texture.image.shape == (12, 16, 3) and (sample == before).all()


def test_a_picture_is_extended_by_a_hole_around_it():
    picture = draw_texture("bricks", np.random.default_rng(0), 32)
    canvas, hole = np.zeros((40, 48, 3), np.uint8), np.ones((40, 48), bool)
    canvas[4:36, 8:40], hole[4:36, 8:40] = picture, False
    found = efros_leung_fill(canvas, hole, window=7, rng=np.random.default_rng(0))
    assert (found.image[4:36, 8:40] == picture).all()
    assert (found.source.min(axis=(0, 1)) >= (4, 8)).all() and (found.source.max(axis=(0, 1)) < (36, 40)).all()


def test_a_hole_in_a_checkerboard_is_mended():
    board = draw_checks(30, 30, 3)
    hole = np.zeros((30, 30), bool)
    hole[12:20, 9:18] = True
    damaged = np.where(hole[..., None], 90, board).astype(np.uint8)
    assert (efros_leung_fill(damaged, hole, window=7, rng=np.random.default_rng(0)).image == board).all()


def test_sizes_down_to_one_pixel(rng):
    sample = rng.integers(0, 256, (9, 8, 3), np.uint8)
    for size in (1, 2, (1, 7), (7, 2)):
        assert (efros_leung(sample, size, window=5, rng=rng).source >= 0).all()
    assert (wei_levoy(sample, 3, window=5, rng=rng).source >= 0).all()
    for method in METHODS:  # of a sample that is one window, there is but one pixel to copy
        copied = method(sample[:5, :5], 6, window=5, rng=rng).source
        assert len(np.unique(copied.reshape(-1, 2), axis=0)) > (0 if method is wei_levoy else 1)


# ---- the checks can fail ---------------------------------------------------------------------------------------------


def test_the_checks_fail_for_what_is_no_texture(rng):
    sample = draw_texture("scales", np.random.default_rng(1), 40)
    source = np.stack([rng.integers(0, 40, (44, 44)), rng.integers(0, 40, (44, 44))], axis=-1)
    noise = Texture(sample[source[..., 0], source[..., 1]], source)
    failed = [check.what for check in check_texture("noise", noise, sample, rng) if not check.passed]
    assert len(failed) == 1 and "5x5 window" in failed[0]
    flat = Texture(np.broadcast_to(sample[3, 3], (44, 44, 3)), np.full((44, 44, 2), 3))
    failed = [check.what for check in check_texture("flat", flat, sample, rng) if not check.passed]
    assert any("chi-squared" in what for what in failed)
    moved = noise._replace(source=np.roll(noise.source, 1, axis=0))
    assert "source" in [check.what for check in check_texture("moved", moved, sample, rng) if not check.passed][0]


def test_the_check_of_a_filled_hole_fails_for_what_is_none(rng):
    picture, hole = draw_texture("wood", rng, 24), np.zeros((24, 24), bool)
    hole[8:12, 8:12] = True
    filled = efros_leung_fill(picture, hole, window=5, rng=rng)
    assert [check.value for check in check_fill(filled, picture, hole)] == [0, 0]
    filled.image[0, 0] ^= 255
    assert [check.value for check in check_fill(filled, picture, hole)] == [1, 1]
    filled.source[9, 9] = 9, 9
    assert check_fill(filled, picture, hole)[0].value == 2


def test_the_checks_of_the_methods_pass_and_see_a_fault(rng, monkeypatch):
    sample = draw_texture("weave", rng, 30)
    assert all(check.passed for check in check_texture_methods(sample, 7, rng))
    plain = EFROS_LEUNG.window_errors
    wrong = "minicnn.visualize.texture.windows_check.window_errors"
    monkeypatch.setattr(wrong, lambda *arguments: plain(*arguments) * (1 + 1e-5))
    assert [check.passed for check in check_texture_methods(sample, 7, rng)] == [True, True, False]


def test_the_numbers_of_the_checks():
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


# ---- what cannot be --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("change, says", [
    ({"window": 13}, "a sample of 12x20 pixels is smaller than the window of 13x13; give a larger sample or a smaller"),
    ({"window": 6}, "window is 6; expected an odd number of pixels from 3 on"),
    ({"window": 1}, "window is 1; expected an odd"),
    ({"window": -3}, "window is -3"), ({"window": 5.0}, "window is 5.0"),
    ({"size": 0}, "size is 0; expected a whole number"), ({"size": (4, -1)}, "size is .4, -1."),
    ({"size": 2.5}, "size is 2.5"),
    ({"sample": np.zeros((1, 1, 3), np.uint8)}, "a sample of 1x1 pixels is smaller than the window"),
    ({"sample": np.zeros((20, 12, 4), np.uint8)}, "alpha channel; lay it over a colour"),
    ({"sample": np.zeros((20, 12, 2), np.uint8)}, "expected a picture of shape"),
    ({"sample": np.zeros((0, 12, 3), np.uint8)}, "expected a picture of shape"),
    ({"sample": np.zeros((20, 12, 3))}, "expected a picture of type uint8 from 0 to 255, got float64")], ids=str)
def test_bad_input_is_named(method, change, says):
    given = {"sample": np.zeros((20, 12, 3), np.uint8), "size": 8, "window": 5} | change
    with pytest.raises(InputError, match=says):
        method(given.pop("sample"), given.pop("size"), rng=np.random.default_rng(0), **given)


def test_other_bad_input_is_named(rng, monkeypatch):
    sample = np.zeros((20, 12, 3), np.uint8)
    for levels in (0, 3, -1):
        with pytest.raises(InputError, match="give fewer levels"):
            wei_levoy(sample, 30, window=5, levels=levels, rng=rng)
    with pytest.raises(InputError, match="0 passes: at least one is needed"):
        wei_levoy(sample, 30, window=5, passes=0, rng=rng)
    with pytest.raises(InputError, match="1 levels .* does not fit"):
        wei_levoy(sample, 2, window=5, rng=rng)
    for wrong in ({"tolerance": -1}, {"max_error": 0}, {"max_error": float("nan")}):
        with pytest.raises(InputError, match="tolerance must be at least 0 and max_error above 0"):
            efros_leung(sample, 8, window=5, rng=rng, **wrong)
    with pytest.raises(InputError, match="expected a hole of type bool and shape"):
        efros_leung_fill(sample, np.zeros((12, 20), bool), rng=rng)
    with pytest.raises(InputError, match="no window of 11x11 pixels lies outside the hole"):
        efros_leung_fill(sample, np.arange(240).reshape(20, 12) % 90 == 50, rng=rng)
    monkeypatch.setattr(EFROS_LEUNG, "available_memory", lambda device: 10**5)
    with pytest.raises(InputError, match="windows of the sample take .* GB of memory"):
        efros_leung(sample, 8, window=5, rng=rng)
    with pytest.raises(InputError, match="no texture 'brick'; did you mean bricks"):
        draw_texture("brick", rng)


def test_drawn_textures_are_pictures_and_their_seed_decides():
    for name in TEXTURES:
        one, two, other = (draw_texture(name, np.random.default_rng(seed), 37) for seed in (1, 1, 2))
        assert one.shape == (37, 37, 3) and one.dtype == np.uint8 and one.std() > 20
        assert (one == two).all() and (one != other).any()


# ---- the demo --------------------------------------------------------------------------------------------------------


def run_demo(*arguments):
    return exit_code(demo, *arguments)


def read(folder):
    """The array and the run card, after a look at the picture and at what else lies about."""
    assert sorted(path.name for path in folder.iterdir()) == [
        "texture_pixels.json", "texture_pixels.npy", "texture_pixels.png"]
    assert Image.open(folder / "texture_pixels.png").size[0] > 100
    return np.load(folder / "texture_pixels.npy"), json.loads((folder / "texture_pixels.json").read_text())


SMALL = ["--sample", "24", "--size", "20", "--window", "5"]


def test_the_demo_without_a_picture_draws_one(tmp_path, capsys):
    assert run_demo(*SMALL, "--seed", "2", "--windows", "5", "7", "25", "--out", str(tmp_path / "out")) == 0
    array, card = read(tmp_path / "out")
    said = capsys.readouterr().out
    assert "no SAMPLE was given: the texture scales is drawn; --texture NAME draws one of scales, bricks" in said
    assert "FAIL" not in said
    assert card["parameters"]["pictures"] == [["Efros-Leung", 5], ["Wei-Levoy", 5], ["Efros-Leung", 7]]
    assert array.shape == (3, 20, 20, 5) and card["model"] is card["weights_sha256"] is None and card["device"] == "cpu"
    sample = draw_texture("scales", np.random.default_rng([2, 1]), 24)
    assert (sample[array[..., 3], array[..., 4]] == array[..., :3]).all()
    assert card["checks"] and all(check["passed"] for check in card["checks"])


@pytest.mark.parametrize("kind", ["colour", "grey", "alpha"])
def test_the_demo_of_a_users_picture(kind, tmp_path):
    picture = draw_texture("weave", np.random.default_rng(0), 60)
    image = Image.fromarray(picture)
    if kind == "grey":
        image = image.convert("L")
    if kind == "alpha":
        image.putalpha(200)
    image.save(tmp_path / "photo.png")
    assert run_demo(str(tmp_path / "photo.png"), "--crop", "8", "16", "24", *SMALL, "--method", "efros_leung",
                    "--windows", "--out", str(tmp_path / "out")) == 0
    array, card = read(tmp_path / "out")
    sample = images.load_image(tmp_path / "photo.png")[8:32, 16:40]
    assert (sample[array[..., 3], array[..., 4]] == array[..., :3]).all() and card["parameters"]["sample"] == "photo"
    if kind == "grey":
        assert (array[..., 0] == array[..., 1]).all()


def test_the_demo_fills_holes_and_extends(tmp_path, capsys):
    assert run_demo("--texture", "bricks", "--sample", "30", "--window", "5", "--hole", "4", "20", "6", "5",
                    "--extend", "3", "--out", str(tmp_path / "out")) == 0
    array, card = read(tmp_path / "out")
    assert array.shape == (1, 36, 36, 5) and card["parameters"]["missing"] == 36**2 - 30**2 + 30
    assert "FAIL" not in capsys.readouterr().out and (array[..., 3:] >= 0).all()


def test_the_demo_on_the_strict_gpu_makes_the_picture_of_the_cpu(strict_cupy, tmp_path):
    for device in ("gpu", "cpu"):
        assert run_demo(*SMALL, "--windows", "--device", device, "--out", str(tmp_path / device)) == 0
    (on_gpu, card), (on_cpu, _) = read(tmp_path / "gpu"), read(tmp_path / "cpu")
    assert (on_gpu == on_cpu).all() and card["device"] == "gpu"


@pytest.mark.parametrize("options", [[], ["--extend", "8"]], ids=str)
def test_ctrl_c_saves_the_texture_so_far(options, tmp_path, monkeypatch, capsys):
    plain = EFROS_LEUNG.independent_waves
    layers = []

    def third_time_unlucky(*arguments):
        layers.append(arguments)
        if len(layers) == 4:
            raise KeyboardInterrupt
        return plain(*arguments)
    monkeypatch.setattr(EFROS_LEUNG, "independent_waves", third_time_unlucky)
    assert run_demo(*SMALL, *options, "--out", str(tmp_path / "out")) == 130
    array, card = read(tmp_path / "out")
    known = array[0, ..., 3] >= 0
    assert known.sum() == (9**2 if not options else 30**2) and card["parameters"]["interrupted"] is True
    assert "interrupted" in card["title"] and "interrupted" in capsys.readouterr().err


def test_ctrl_c_before_there_is_anything_writes_nothing(tmp_path, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt
    monkeypatch.setattr(EFROS_LEUNG, "patch_matrix", interrupted)
    assert run_demo(*SMALL, "--out", str(tmp_path / "out")) == 130 and not (tmp_path / "out").exists()
    assert run_demo(*SMALL, "--extend", "2", "--out", str(tmp_path / "out")) == 130 and not (tmp_path / "out").exists()


def test_nothing_is_overwritten_without_being_asked(tmp_path, capsys):
    (tmp_path / "texture_pixels.png").write_text("precious")
    assert run_demo(*SMALL, "--out", str(tmp_path)) == 2
    assert "holds texture_pixels.png" in capsys.readouterr().err
    assert (tmp_path / "texture_pixels.png").read_text() == "precious"


@pytest.mark.parametrize("options, says", [
    (["--window", "6"], "window is 6; expected an odd number"),
    (["--window", "25"], "a sample of 24x24 pixels is smaller than"),
    (["--windows", "4"], "window is 4; expected an odd number"),
    (["--window", "1"], "window is 1; expected an odd number"),
    (["--texture", "wod"], "no texture 'wod'; did you mean wood"), (["--size", "0"], "expected a whole number from 1"),
    (["--method", "efros"], "no method 'efros'"), (["--method", "wei_levi"], "did you mean wei_levoy"),
    (["--levels", "5", "--windows"], "5 levels halve"), (["--device", "tpu"], "no device 'tpu'"),
    (["--hole", "20", "20", "9", "9"], "does not lie within the picture of 24x24"),
    (["--hole", "20", "20", "0", "9"], "does not lie within"), (["--hole", "2", "2", "20", "20"], "no window of 5x5"),
    (["no_such.jpg"], "no_such.jpg"), (["{dot}"], "dot.png: 1x1 pixels is too small"), (["{flat}"], "smaller than the"),
    (["{flat}", "--crop", "2", "0", "3"], "flat.png has 9x4 pixels: there is no square of 3 from row 2, column 0"),
    (["{flat}", "--texture", "wood"], "not both"), (["{broken}"], "broken.png")], ids=str)
def test_bad_input_to_the_demo_is_one_line_and_exit_code_2(options, says, tmp_path, capsys):
    Image.new("L", (1, 1)).save(tmp_path / "dot.png")
    Image.new("RGB", (9, 4)).save(tmp_path / "flat.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    files = {name: str(tmp_path / f"{name}.png") for name in ("dot", "flat", "broken")}
    assert run_demo(*SMALL, *[option.format(**files) for option in options], "--out", str(tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1 and not (tmp_path / "out").exists()
