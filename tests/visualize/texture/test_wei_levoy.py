"""Wei-Levoy equals a plain loop over pixels and neighbourhoods."""

import itertools

import numpy as np
import pytest
from texture_samples import WEI_LEVOY, on_device_of, random_sample

from minicnn.datasets.textures import draw_checks
from minicnn.visualize.texture.wei_levoy import (
    Candidates,
    choose_levels,
    histogram_noise,
    parent_window,
    pyramid,
    synthesize_row,
    wei_levoy,
)
from minicnn.visualize.texture.windows import Texture


def wei_levoy_naively(sample, size, window, levels, passes, rng):
    """Return the Texture by plain loops over passes, pixels and neighbourhoods inside the sample, in whole numbers."""
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


@pytest.mark.parametrize("seed, window, size, levels, passes, channels", [
    (0, 3, (7, 8), 1, 1, 3), (1, 5, (8, 8), 1, 2, 3), (2, 3, (9, 7), 2, 1, 3), (3, 5, (8, 7), 2, 2, 1),
    (4, 3, (8, 7), 3, 2, 3), (5, 3, (5, 6), 2, 3, 3)])
def test_each_pixel_equals_the_plain_loop(seed, window, size, levels, passes, channels):
    sample = random_sample(np.random.default_rng(seed), 13, 14, (channels,))
    expected = wei_levoy_naively(sample, size, window, levels, passes, np.random.default_rng(seed))
    given = sample if channels == 3 else sample[..., 0]
    found = wei_levoy(given, size, window=window, levels=levels, passes=passes, rng=np.random.default_rng(seed))
    assert found.image.shape == (*size, 3)[:given.ndim] and found.image.dtype == np.uint8
    assert (found.source == expected.source).all()
    assert (found.image.reshape(expected.image.shape) == expected.image).all()


def test_blocks_and_device_arrays_give_the_same_texture(xp, rng, monkeypatch):
    sample = random_sample(rng, 13, 14)
    plain = wei_levoy(sample, 10, window=3, rng=np.random.default_rng(0))
    monkeypatch.setattr(WEI_LEVOY, "BLOCK", 300)
    blocks = wei_levoy(on_device_of(xp, sample), 10, window=3, rng=np.random.default_rng(0))
    assert (plain.source == blocks.source).all() and (plain.image == blocks.image).all()


def test_each_pyramid_level_is_blurred_and_halved(rng):
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
def test_the_noise_has_the_histogram_of_the_sample(rng, size):
    sample = rng.integers(0, 256, (11, 9, 1), np.uint8)
    noise = histogram_noise(sample, *size, rng)
    count, expected = (np.bincount(picture.ravel(), minlength=256) for picture in (noise, sample))
    whole = size[0] * size[1] // sample.size
    assert noise.shape == (*size, 1) and (count >= whole * expected).all() and (count <= (whole + 1) * expected).all()


def test_the_default_number_of_levels():
    assert choose_levels(5, None, (64, 64), (128, 128)) == 4
    assert choose_levels(9, None, (64, 64), (128, 128)) == 3
    assert choose_levels(9, None, (64, 9), (128, 128)) == 1
    assert choose_levels(5, None, (64, 64), (128, 12)) == 3
    assert [parent_window(window) for window in (3, 5, 7, 9, 11)] == [3, 3, 5, 5, 7]


def test_a_checkerboard_is_continued_from_its_edges(rng):
    # The method reads the noise only in the bottom rows and the right columns.
    sample, board = draw_checks(24, 24, 3), draw_checks(30, 30, 3)
    image = rng.integers(0, 256, board.shape, np.uint8)
    image[-4:], image[:, -4:], image[:, :4] = board[-4:], board[:, -4:], board[:, :4]
    found, candidates = np.empty((30, 30, 2), int), Candidates(sample, None, 9)
    for row in range(30):
        synthesize_row(image, None, row, candidates, found)
    assert (image == board).all()
