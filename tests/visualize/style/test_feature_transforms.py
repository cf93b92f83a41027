"""Whitening and colouring, and AdaIN, of feature maps: the statistics that they promise, on both backends."""

import numpy as np
import pytest

from minicnn.backend import get_array_module
from minicnn.errors import InputError
from minicnn.visualize import adaptive_instance_norm, whiten_and_colour
from minicnn.visualize.style.feature_transforms import BLOCK, feature_statistics


def features(rng, channels=6, size=(9, 11), dtype="float64"):
    """Return features with correlated channels, (1, C, H, W)."""
    mixed = np.tensordot(rng.standard_normal((channels, channels)), rng.standard_normal((channels, *size)), 1)
    return np.maximum(mixed + rng.uniform(-0.5, 2, (channels, 1, 1)), 0)[None].astype(dtype)


def moments(array, weights=None):
    rows = array[0].reshape(array.shape[1], -1).astype("float64")
    weights = None if weights is None else weights.ravel()
    return np.average(rows, axis=1, weights=weights), np.cov(rows, aweights=weights, ddof=0)


def run(transform, xp, *arrays):
    result = transform(*map(xp.asarray, arrays))
    assert get_array_module(result) is xp and result.dtype == arrays[0].dtype
    return result if xp is np else result.get()


@pytest.mark.parametrize("dtype, error", [("float64", 1e-9), ("float32", 1e-4)])
def test_whitening_and_colouring_give_the_styles_mean_and_covariance(dtype, error, xp, rng):
    content, style = features(rng, dtype=dtype), features(rng, size=(7, 20), dtype=dtype)
    mean, covariance = moments(run(whiten_and_colour, xp, content, style))
    np.testing.assert_allclose(mean, moments(style)[0], atol=error)
    np.testing.assert_allclose(covariance, moments(style)[1], atol=error)
    np.testing.assert_allclose(run(whiten_and_colour, xp, content, content), content, atol=error)


def test_adain_gives_the_styles_means_and_variances_alone(xp, rng):
    content, style = features(rng), features(rng, size=(7, 20))
    result = run(adaptive_instance_norm, xp, content, style)
    mean, covariance = moments(result)
    np.testing.assert_allclose(mean, moments(style)[0], atol=1e-12)
    np.testing.assert_allclose(covariance.diagonal(), moments(style)[1].diagonal(), atol=1e-12)
    correlation, own = (np.corrcoef(array[0].reshape(6, -1)) for array in (result, content))
    np.testing.assert_allclose(correlation, own, atol=1e-9)


@pytest.mark.parametrize("transform", [whiten_and_colour, adaptive_instance_norm])
def test_a_mask_chooses_the_part_whose_statistics_change(transform, xp, rng):
    content, style = features(rng), features(rng)
    mask = rng.uniform(0, 1, (9, 11)) * (np.arange(11) < 6)
    mean, covariance = moments(run(transform, xp, content, style, mask), mask)
    np.testing.assert_allclose(mean, moments(style)[0], atol=1e-9)
    np.testing.assert_allclose(covariance.diagonal(), moments(style)[1].diagonal(), atol=1e-9)
    np.testing.assert_array_equal(run(transform, xp, content, style, np.ones((9, 11))),
                                  run(transform, xp, content, style))


@pytest.mark.parametrize("transform", [whiten_and_colour, adaptive_instance_norm])
def test_rounding_of_a_flat_picture_is_not_amplified(transform, xp, rng):
    style = features(rng, dtype="float32")
    flat = np.full((1, 6, 5, 5), 3, "float32") * (1 + 1e-6 * rng.standard_normal((1, 6, 5, 5)).astype("float32"))
    result = run(transform, xp, flat, style)
    assert abs(result - moments(style)[0][:, None, None]).max() < 1e-4
    dead = features(rng)
    dead[:, 2] = 0  # a channel that never fires gets the style's mean and nothing else
    np.testing.assert_allclose(run(transform, xp, dead, features(rng)).std(axis=(2, 3))[0, 2] > 0,
                               transform is whiten_and_colour)  # colouring mixes other channels into it


def test_statistics_of_many_positions_are_added_block_by_block(rng):
    many = rng.standard_normal((1, 2, 3, BLOCK // 2)) + [[[[1.0]], [[3.0]]]]
    mean, covariance = feature_statistics(many)
    np.testing.assert_allclose(mean, moments(many)[0], atol=1e-12)
    np.testing.assert_allclose(covariance, moments(many)[1], atol=1e-12)


@pytest.mark.parametrize("content, style, mask, message", [
    ((1, 6, 5, 5), (1, 5, 5, 5), None, "of the same layer"), ((2, 6, 5, 5), (2, 6, 5, 5), None, "one picture each"),
    ((6, 5, 5), (1, 6, 5, 5), None, "expected content of shape"), ((1, 6, 5, 5), (1, 6, 5, 5), (4, 5), "mask is"),
    ((1, 6, 5, 5), (1, 6, 5, 5), (1, 5, 5), "expected mask of shape")])
def test_bad_input(content, style, mask, message):
    with pytest.raises(InputError, match=message):
        whiten_and_colour(np.ones(content), np.ones(style), None if mask is None else np.ones(mask))
    with pytest.raises(InputError, match="not all 0"):
        adaptive_instance_norm(np.ones((1, 2, 3, 3)), np.ones((1, 2, 3, 3)), np.zeros((3, 3)))
