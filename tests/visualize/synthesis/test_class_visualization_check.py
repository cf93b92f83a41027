"""The checks of class visualizations, and the contrast of faint pictures."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from minicnn import plot
from minicnn.visualize.synthesis.class_visualization_check import (
    check_smoother,
    check_zeroed,
    high_frequency_share,
    relative_variation,
)


def test_check_zeroed_counts_whole_pixels(rng):
    image = rng.standard_normal((1, 3, 10, 10))
    image[0, :, :2] = 0
    image[0, 1, 5] = 0  # only one channel is 0, so these pixels do not count
    assert check_zeroed(image, 20.0)[0].passed and check_zeroed(image, 20.0)[0].value == 0.2
    assert not check_zeroed(image, 22.0)[0].passed


def test_relative_variation_of_noise_and_of_a_ramp(rng):
    assert relative_variation(rng.standard_normal((1, 3, 64, 64))) == pytest.approx(2, rel=0.05)
    assert relative_variation(np.broadcast_to(np.linspace(-1, 1, 64), (1, 3, 64, 64))) < 0.1
    image = rng.standard_normal((1, 3, 8, 8))
    assert relative_variation(image) == pytest.approx(relative_variation(100 * image))  # independent of the contrast


def test_check_smoother_compares_at_the_same_score(rng):
    rough = rng.standard_normal((1, 3, 32, 32))
    smooth = gaussian_filter(rough, (0, 0, 2, 2))
    share, variation = check_smoother(smooth, 5.0, [smooth, rough, smooth], [1.0, 5.5, 9.0])
    assert share.value == high_frequency_share(smooth) and f"{high_frequency_share(rough):.3f}" in share.expected
    assert f"{relative_variation(rough):.3f} (plain" in variation.expected  # the second is the first that reaches 5
    best = check_smoother(smooth, 7.0, [smooth, rough, smooth], [1.0, 5.5, 2.0])
    assert all("did not reach" in check.expected and not check.judged for check in best)
    flat = np.zeros((1, 3, 8, 8))
    assert [check.value for check in check_smoother(flat, 0.0, [flat], [1.0])] == [0, 0]


def test_a_faint_picture_is_amplified_about_the_mean_colour_and_a_strong_one_is_not(rng):
    middle = np.full((20, 20, 3), (120, 115, 100), np.uint8)
    faint = middle + rng.integers(0, 9, middle.shape, dtype=np.uint8)
    shown, factor = plot.amplify(faint, faint.astype(float) - middle)
    assert factor == 15 and shown.dtype == np.uint8
    assert np.array_equal(shown, 127 + 15 * (faint.astype(int) - middle))
    strong = rng.integers(0, 256, middle.shape, dtype=np.uint8)
    shown, factor = plot.amplify(strong, strong.astype(float) - middle)
    assert shown is strong and factor == 1
    fainter, factor = plot.amplify(middle, 0.4 * np.sin(np.arange(1200.0)).reshape(20, 20, 3))
    assert factor == pytest.approx(300, rel=0.01) and len(np.unique(fainter)) > 100
