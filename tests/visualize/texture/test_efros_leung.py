"""Efros-Leung equals a plain loop over pixels and windows on both backends."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from texture_samples import on_device_of, random_sample

from minicnn.backend import to_host
from minicnn.datasets.textures import draw_checks, draw_texture
from minicnn.visualize.texture.efros_leung import (
    efros_leung,
    efros_leung_fill,
    frontier,
    gaussian_weights,
    independent_waves,
    patch_matrix,
    window_errors,
)
from minicnn.visualize.texture.windows import Texture, gather_windows, pixel_coordinates
from minicnn.visualize.texture.windows_check import checkerboard_faults


def grow_naively(image, source, sample, allowed, window, rng, tolerance, max_error):
    """Fill the image in place by the authors' pseudo-code, in whole numbers. The weights are in units of 2^-24."""
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


@pytest.mark.parametrize("seed, window, size, channels, tolerance, max_error", [
    (0, 3, (8, 8), 3, 0.1, 0.3), (1, 5, (7, 10), 3, 0.1, 0.3), (2, 5, (9, 6), 1, 0.1, 0.3), (3, 7, (8, 8), 3, 0.5, 0.3),
    (4, 5, (8, 8), 3, 0.0, 0.3), (5, 3, (9, 9), 3, 0.1, 0.02)])
def test_each_pixel_equals_the_plain_loop(xp, seed, window, size, channels, tolerance, max_error):
    sample = random_sample(np.random.default_rng(seed), channels=(channels,))
    expected = efros_leung_naively(sample, size, window, np.random.default_rng(seed), tolerance, max_error)
    given = sample if channels == 3 else sample[..., 0]
    found = efros_leung(on_device_of(xp, given), size, window=window, rng=np.random.default_rng(seed),
                        tolerance=tolerance, max_error=max_error)
    assert type(found.image) is np.ndarray and found.image.dtype == np.uint8
    assert found.image.shape == (*size, 3)[:given.ndim]
    assert (found.source == expected.source).all()
    assert (found.image.reshape(expected.image.shape) == expected.image).all()


def test_pixels_with_a_large_error_wait(rng):
    # Windows of noise are never similar. With this small bound every layer waits, so the order of filling changes.
    sample = rng.integers(0, 256, (11, 9, 3), np.uint8)
    strict = efros_leung(sample, 9, window=5, rng=np.random.default_rng(1), max_error=1e-3)
    expected = efros_leung_naively(sample, (9, 9), 5, np.random.default_rng(1), max_error=1e-3)
    assert (strict.source == expected.source).all()
    assert (strict.source != efros_leung(sample, 9, window=5, rng=np.random.default_rng(1)).source).any()


def test_filling_a_hole_equals_the_plain_loop_and_keeps_the_rest(xp, rng):
    picture = random_sample(rng, 12, 13)
    hole = np.zeros((12, 13), bool)
    hole[8:11, 2:5] = hole[11, 12] = True
    found = efros_leung_fill(on_device_of(xp, picture), on_device_of(xp, hole), window=5, rng=np.random.default_rng(3))
    image, source = np.where(hole[..., None], 0, picture), np.where(hole[..., None], -1, pixel_coordinates(12, 13))
    allowed = [(y, x) for y in range(2, 10) for x in range(2, 11) if not hole[y - 2:y + 3, x - 2:x + 3].any()]
    grow_naively(image, source, picture, allowed, 5, np.random.default_rng(3), 0.1, 0.3)
    assert (found.image == image).all() and (found.source == source).all()
    assert (found.image[~hole] == picture[~hole]).all() and not hole[found.source[..., 0], found.source[..., 1]].any()


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 4), st.integers(1, 60), st.integers(0, 10**6))
def test_waves_keep_the_order_of_pixels_in_one_window(half, count, seed):
    places = np.random.default_rng(seed).permutation(144)[:count]
    rows, columns = np.divmod(places, 12)
    waves = independent_waves(rows, columns, half)
    assert sorted(n for wave in waves for n in wave) == list(range(count))
    number = {n: k for k, wave in enumerate(waves) for n in wave}
    for i in range(count):
        for j in range(i):
            if max(abs(rows[i] - rows[j]), abs(columns[i] - columns[j])) <= half:
                assert number[j] < number[i]


def test_the_frontier_starts_with_the_most_known_neighbours(rng):
    known = rng.random((9, 8)) < 0.3
    rows, columns = frontier(known, rng)
    count = [known[max(y - 1, 0):y + 2, max(x - 1, 0):x + 2].sum() for y, x in zip(rows, columns, strict=True)]
    assert count == sorted(count, reverse=True) and min(count) >= 1
    beyond = ~known
    beyond[rows, columns] = False
    assert all(not known[max(y - 1, 0):y + 2, max(x - 1, 0):x + 2].any() for y, x in np.argwhere(beyond))
    orders = {tuple(frontier(known, np.random.default_rng(seed))[0]) for seed in range(4)}
    assert len(orders) > 1


def test_the_matrix_product_is_exact(xp, rng):
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


def test_the_weights_are_the_gaussian_of_the_paper():
    weights = gaussian_weights(11)
    axis = np.exp(-0.5 * (np.arange(-5, 6) / (11 / 6.4))**2)
    assert weights[5, 5] == 1 and np.abs(weights - axis[:, None] * axis).max() <= 2.0**-25
    assert (weights * 2**24 % 1 == 0).all()


@pytest.mark.parametrize("side, window", [(1, 5), (1, 11), (2, 7), (3, 9), (4, 11)])
def test_a_checkerboard_is_continued_exactly(side, window):
    sample = draw_checks(6 * side + window, 6 * side + window, side)
    for seed in range(3):
        grown = efros_leung(sample, 10 * side, window=window, rng=np.random.default_rng(seed))
        assert checkerboard_faults(grown.image, side) == 0


def test_a_frame_as_the_hole_extends_the_picture():
    picture = draw_texture("bricks", np.random.default_rng(0), 32)
    canvas, hole = np.zeros((40, 48, 3), np.uint8), np.ones((40, 48), bool)
    canvas[4:36, 8:40], hole[4:36, 8:40] = picture, False
    found = efros_leung_fill(canvas, hole, window=7, rng=np.random.default_rng(0))
    assert (found.image[4:36, 8:40] == picture).all()
    assert (found.source.min(axis=(0, 1)) >= (4, 8)).all() and (found.source.max(axis=(0, 1)) < (36, 40)).all()


def test_a_hole_in_a_checkerboard_is_filled_exactly():
    board = draw_checks(30, 30, 3)
    hole = np.zeros((30, 30), bool)
    hole[12:20, 9:18] = True
    damaged = np.where(hole[..., None], 90, board).astype(np.uint8)
    assert (efros_leung_fill(damaged, hole, window=7, rng=np.random.default_rng(0)).image == board).all()
