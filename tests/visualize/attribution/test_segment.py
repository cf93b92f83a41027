"""Segmentation by saliency: drawn objects, the mixture of Gaussians, and its parts."""

import numpy as np
import pytest

from minicnn.errors import InputError
from minicnn.visualize.attribution.saliency import saliency_map
from minicnn.visualize.attribution.segment import (
    fit_mixture,
    intersection_over_union,
    largest_component,
    log_density,
    outline,
    saliency_segment,
)
from minicnn.visualize.attribution.segment_check import check_segmentation


def test_the_segmentation_finds_the_drawn_objects(drawn):
    net, images, x, labels, masks = drawn
    saliency = saliency_map(net, x, labels)
    check = check_segmentation(images, saliency, masks)[0]
    assert check.passed, check
    noise = np.random.default_rng(0).random((12, 64, 64))
    assert not check_segmentation(images[:12], noise, masks[:12])[0].passed


def painted(rng):
    """A red and green object on blue, and a map that marks a part of it."""
    mask = np.zeros((40, 50), bool)
    mask[10:30, 15:35] = True
    image = rng.integers(0, 20, (40, 50, 3), dtype=np.uint8)
    image[..., 2] += 150
    stripes = mask & (np.arange(50) // 3 % 2 == 0)
    image[mask] = [20, 200, 20]
    image[stripes] = [200, 20, 20]
    saliency = 0.1 * rng.random((40, 50))
    saliency[14:26, 20:30] += 1
    return image, saliency, mask


def test_the_segmentation_grows_from_a_part_to_the_object(rng):
    image, saliency, mask = painted(rng)
    found = saliency_segment(image, saliency)
    assert found.dtype == bool and intersection_over_union(found[None], mask[None])[0] > 0.95
    assert (saliency_segment(image, 1000 * saliency + 5) == found).all()  # the quantiles count, not the values


def test_the_mask_is_empty_if_the_saliency_is_constant(rng):
    image, saliency, _ = painted(rng)
    assert not saliency_segment(image, np.zeros((40, 50))).any()
    assert saliency_segment(np.zeros((40, 50, 3), np.uint8), saliency).shape == (40, 50)


@pytest.mark.parametrize(("shape", "value", "settings", "message"), [
    ((40, 49), 0, {}, r"expected a picture \(H, W, 3\) and a map \(H, W\), got \(40, 50, 3\) and \(40, 49\)"),
    ((40, 50), np.nan, {}, "the saliency map has values that are not finite"),
    ((40, 50), 0, {"foreground": 0.3}, "0 <= background < foreground <= 1, not 0.3 and 0.3"),
    ((40, 50), 0, {"foreground": 1.5}, "expected quantiles"),
    ((40, 50), 0, {"background": -0.1}, "expected quantiles")])
def test_the_segmentation_refuses_wrong_arguments(shape, value, settings, message, rng):
    with pytest.raises(InputError, match=message):
        saliency_segment(painted(rng)[0], np.full(shape, value, float), **settings)


def test_the_largest_component_without_its_holes():
    mask = np.zeros((8, 12), bool)
    mask[1:6, 1:6] = True
    mask[3, 3] = False
    mask[2:5, 8:11] = True
    found = largest_component(mask)
    assert found.sum() == 25 and found[3, 3] and not found[:, 7:].any()
    assert not largest_component(np.zeros((3, 3), bool)).any()


def test_the_mixture_is_a_density_and_finds_its_colours(rng):
    centres = np.array([[0.2, 0.2, 0.8], [0.9, 0.1, 0.1], [0.2, 0.9, 0.3]])
    colours = centres[rng.integers(3, size=900)] + 0.03 * rng.standard_normal((900, 3))
    mixture = fit_mixture(colours, components=3)
    assert np.abs(np.sort(mixture.means, axis=0) - np.sort(centres, axis=0)).max() < 0.01
    grid = np.stack(np.meshgrid(*[np.linspace(-0.2, 1.2, 71)] * 3), axis=-1).reshape(-1, 3)
    assert np.exp(log_density(mixture, grid)).sum() * 0.02 ** 3 == pytest.approx(1, abs=0.01)
    assert np.isfinite(log_density(fit_mixture(np.zeros((3, 3))), grid[:5])).all()  # fewer colours than components


def test_overlap_and_outline_by_hand():
    mask, truth = np.zeros((2, 4, 6), bool)
    mask[1:3, 1:3] = truth[1:3, 2:4] = True
    assert intersection_over_union(mask[None], truth[None]).tolist() == [1 / 3]
    image = np.zeros((4, 6, 3), np.uint8)
    drawn = outline(image, mask, (1, 2, 3))
    assert (drawn.any(axis=2).sum(), image.any()) == (8, False) and not drawn[mask].any()
