"""Drawn shapes: labels, masks and pixels agree."""

import numpy as np
import pytest

from minicnn.datasets import painting, shapes
from minicnn.datasets.shapes import CLASSES, ShapeBatches, draw_shape, draw_shapes
from minicnn.errors import InputError

LABELS = range(len(CLASSES))
LUMA = np.array([0.299, 0.587, 0.114])


def test_twelve_classes():
    assert len(CLASSES) == 12
    assert CLASSES[:4] == ("striped disc", "checked disc", "dotted disc", "striped square")
    assert CLASSES[-1] == "dotted star"


@pytest.mark.parametrize("size", [48, 64, 96])
def test_dtypes_and_shapes(size):
    image, mask = draw_shape(3, np.random.default_rng(0), size)
    assert (image.dtype, image.shape) == (np.uint8, (size, size, 3))
    assert (mask.dtype, mask.shape) == (bool, (size, size))
    images, masks = draw_shapes([3, 5], np.random.default_rng(0), size)
    assert (images.dtype, images.shape) == (np.uint8, (2, size, size, 3))
    assert (masks.dtype, masks.shape) == (bool, (2, size, size))
    assert (images[0] == image).all() and (masks[0] == mask).all()


def test_the_seed_decides():
    first, again, other = (draw_shapes(LABELS, np.random.default_rng(seed)) for seed in (4, 4, 5))
    assert (first[0] == again[0]).all() and (first[1] == again[1]).all()
    assert (first[0] != other[0]).any()


@pytest.mark.parametrize("label", [-1, 12])
def test_an_unknown_label_is_named(label):
    with pytest.raises(InputError, match=f"no class {label}; labels go from 0 to 11"):
        draw_shape(label, np.random.default_rng(0))


def test_batches_depend_on_seed_and_step_alone():
    batches = ShapeBatches(batch_size=5, seed=1)
    x, labels = batches(7)
    assert (x.dtype, x.shape) == (np.float32, (5, 3, 64, 64))
    assert (labels.dtype, labels.shape) == (np.int64, (5,))
    batches(8)
    same_x, same_labels = ShapeBatches(batch_size=5, seed=1)(7)
    assert (same_x == x).all() and (same_labels == labels).all()
    assert (batches(8)[0] != x).any()
    assert (ShapeBatches(batch_size=5, seed=2)(7)[0] != x).any()


def test_a_batch_holds_the_pictures_that_it_names():
    x, labels = ShapeBatches(batch_size=3, seed=6)(2)
    rng = np.random.default_rng([6, 2])
    np.testing.assert_array_equal(rng.integers(12, size=3), labels)
    images, _ = draw_shapes(labels, rng)
    np.testing.assert_allclose(x, (images.transpose(0, 3, 1, 2) / 255 - 0.5) / 0.25, atol=1e-6)


def test_batches_draw_every_class():
    _, labels = ShapeBatches(batch_size=240, seed=0, size=16)(0)
    counts = np.bincount(labels, minlength=12)
    assert counts.min() >= 8 and counts.max() <= 36  # expected: 20 of each, with a standard deviation of 4.3


@pytest.mark.parametrize("size", [64, 96])
def test_area_is_in_bounds_and_the_object_inside_the_picture(size):
    _, masks = draw_shapes([*LABELS] * 8, np.random.default_rng(1), size)
    areas = masks.mean(axis=(1, 2))
    assert areas.min() > 0.1 and areas.max() < 0.315  # AREA, up to the pixels of the edge
    assert areas.max() - areas.min() > 0.14
    # a tip may touch the border, but nothing is cut off
    assert masks[:, [0, -1]].sum(axis=2).max() <= 2 and masks[:, :, [0, -1]].sum(axis=1).max() <= 2


def test_objects_are_placed_and_turned_at_random():
    _, masks = draw_shapes([9] * 40, np.random.default_rng(2))  # stars
    offsets = [_offsets(mask) for mask in masks]
    assert np.std([dx.mean() for dx, _ in offsets]) > 1
    turns = np.array([np.angle(((dx - dx.mean() + 1j * (dy - dy.mean())) ** 5).sum()) for dx, dy in offsets])
    assert abs(np.exp(1j * turns).mean()) < 0.4


# --- the mask is the shape ---

def _offsets(mask):
    """Return the centres of the mask's pixels, x and y, relative to the middle of the image."""
    y, x = np.nonzero(mask)
    return x + 0.5 - mask.shape[1] / 2, y + 0.5 - mask.shape[0] / 2


def _inside_polygon(x, y, corners):
    """Return the points from which a ray to the right crosses the outline an odd number of times: those inside."""
    inside = np.zeros(np.broadcast_shapes(x.shape, y.shape), bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        crosses = ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
        inside ^= crosses
    return inside


@pytest.mark.parametrize("shape", ["square", "triangle", "star"])
def test_the_outline_is_the_polygon(shape):
    n, ratio = shapes.OUTLINES[shape]
    rng = np.random.default_rng(3)
    for _ in range(10):
        x, y, radius, angle = rng.uniform([20, 20, 10, 0], [44, 44, 20, 2 * np.pi])
        turn = angle + np.pi * np.arange(2 * n) / n  # tips and inner corners alternate
        reach = radius * np.where(np.arange(2 * n) % 2, ratio, 1)
        polygon = np.stack([reach * np.cos(turn), reach * np.sin(turn)], axis=1)
        rows, columns, dx, dy = painting.window(x, y, 25, 64)
        assert dx.shape == (1, columns.stop - columns.start) and dy.shape == (rows.stop - rows.start, 1)
        distance = painting.signed_distance(dx, dy, radius, n, ratio, angle)
        sure = np.abs(distance) > 1e-4  # on the edge itself, rounding decides
        assert ((distance <= 0) == _inside_polygon(dx, dy, polygon))[sure].all()


def test_a_disc_is_round():
    _, masks = draw_shapes([0, 1, 2] * 8, np.random.default_rng(4))
    for mask in masks:
        dx, dy = _offsets(mask)
        radius = np.sqrt(mask.sum() / np.pi)
        y, x = np.mgrid[:64, :64] + 0.5 - 32
        r = np.hypot(x - dx.mean(), y - dy.mean())
        assert mask[r < radius - 0.5].all() and not mask[r > radius + 0.5].any()


@pytest.mark.parametrize("label", LABELS)
def test_the_mask_has_the_symmetry_of_its_shape(label):
    # The moments of z^3, z^4 and z^5 vanish except for a triangle, a square and a five-pointed star.
    _, masks = draw_shapes([label] * 4, np.random.default_rng(5), 96)
    tips = {"disc": None, "triangle": 3, "square": 4, "star": 5}[CLASSES[label].split()[1]]
    for mask in masks:
        dx, dy = _offsets(mask)
        z = dx - dx.mean() + 1j * (dy - dy.mean())
        for n in (3, 4, 5):
            moment = abs((z ** n).sum()) / (abs(z) ** n).sum()
            assert moment > 0.2 if n == tips else moment < 0.05, (n, moment)


# --- texture ---

def _power(texture):
    """Return the power spectrum of 8 by 8 periods, without the mean, (64, 64)."""
    t = np.arange(64, dtype=np.float32) / 8 + 1 / 16
    u, v = np.broadcast_arrays(t[None, :], t[:, None])
    pattern = painting.texture_pattern(texture, u, v, period=8)
    assert pattern.min() >= 0 and pattern.max() <= 1
    return np.abs(np.fft.fft2(pattern - pattern.mean())) ** 2


def test_each_texture_has_its_spectrum():
    striped, checked, dotted = (_power(texture) for texture in shapes.TEXTURES)
    assert striped[0].sum() > 0.999 * striped.sum()  # along u only
    assert striped[0, [8, -8]].sum() > 0.8 * striped.sum()  # a period of 8: the 8th frequency
    assert checked[0].sum() + checked[:, 0].sum() < 1e-3 * checked.sum()  # on the diagonals
    assert checked[[8, 8, -8, -8], [8, -8, 8, -8]].sum() > 0.65 * checked.sum()
    on_axes = dotted[0].sum(), dotted[:, 0].sum()  # along both axes
    assert on_axes[0] == pytest.approx(on_axes[1], rel=1e-3)
    assert 0.2 < on_axes[0] / dotted.sum() < 0.45


def interior(mask):
    """Return the pixels of the mask whose eight neighbours are in the mask."""
    inner = mask.copy()
    for shift in [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]:
        inner &= np.roll(mask, shift, (0, 1))
    return inner


@pytest.mark.parametrize("label", LABELS)
def test_the_texture_is_seen_in_the_picture(label):
    texture = CLASSES[label].split()[0]
    images, masks = draw_shapes([label] * 6, np.random.default_rng(6))
    for image, mask in zip(images, masks, strict=True):
        luma = image @ LUMA
        inner = interior(mask)  # at the edge, the gradient belongs to the outline
        dy, dx = (slope[inner] for slope in np.gradient(luma))
        # From the covariance of the gradients: 1 if all are along one axis, 0 if two axes are equally strong.
        one_axis = np.hypot((dx * dx - dy * dy).sum(), 2 * (dx * dy).sum()) / (dx * dx + dy * dy).sum()
        assert one_axis > 0.8 if texture == "striped" else one_axis < 0.4
        low, high = np.percentile(luma[inner], [2, 98])
        share = (luma[inner] > (low + high) / 2).mean()
        assert abs(share - 0.5) > 0.12 if texture == "dotted" else abs(share - 0.5) < 0.12


def test_nothing_but_its_two_colours_is_inside_the_object(monkeypatch):
    monkeypatch.setattr(shapes, "_add_light", lambda image, rng: None)
    images, masks = draw_shapes([*LABELS] * 4, np.random.default_rng(7))
    for image, mask in zip(images, masks, strict=True):
        colours = image[interior(mask)].astype(float)
        # All mixtures of two colours lie on a line; clutter painted over them would not.
        centred = colours - colours.mean(axis=0)
        line = np.linalg.svd(centred, full_matrices=False)[2][0]
        assert np.abs(centred - np.outer(centred @ line, line)).max() < 2

        along = centred @ line
        first, second = colours[along.argmin()] / 255, colours[along.argmax()] / 255
        assert abs((first - second) @ LUMA) > 0.95 * painting.CONTRAST
        behind = image[~mask].mean(axis=0) / 255
        nearest = min(np.linalg.norm(first - behind), np.linalg.norm(second - behind))
        assert nearest > 0.8 * painting.DISTINCTNESS  # `behind` excludes the pixels under the object


def test_the_object_covers_its_mask_and_less_than_half_of_any_other_pixel(monkeypatch):
    pair = np.zeros((2, 3, 1, 1), np.float32) + np.float32([0.1, 0.9]).reshape(2, 1, 1, 1)
    monkeypatch.setattr(shapes, "texture_colours", lambda rng, behind: pair)
    plain = np.full((3, 64, 64), 0.5, np.float32)
    cluttered = plain.copy()
    for seed in range(20):
        shapes._add_clutter(cluttered, np.zeros((64, 64), np.float32), np.random.default_rng(seed))
    behind = np.abs(cluttered - plain)
    assert behind.max() > 0.3  # the clutter is visible
    mask = shapes._add_object(plain, "star", "checked", np.random.default_rng(0))
    again = shapes._add_object(cluttered, "star", "checked", np.random.default_rng(0))
    assert (mask == again).all()
    left = np.abs(cluttered - plain)  # of the difference between the backgrounds
    assert (left[:, interior(mask)] < 1e-6).all()
    assert (left[:, mask] <= 0.5 * behind[:, mask] + 1e-6).all()
    assert (left[:, ~mask] >= 0.5 * behind[:, ~mask] - 1e-6).all()
