"""The distortion of images."""

import math

import numpy as np
import pytest
import scipy.ndimage

from minicnn.training.augment import Distortion, distort
from minicnn.training.train import MiniBatches

STILL = dict(shift=0, rotation=0, scale=0, shear=0, elastic=0)


@pytest.mark.parametrize("shape, dtype", [((3, 1, 28, 28), "float32"), ((2, 3, 9, 12), "float64"),
                                          ((1, 2, 1, 5), "float32")])
def test_distort_keeps_shape_type_and_its_argument(shape, dtype, rng):
    x = rng.standard_normal(shape).astype(dtype)
    original = x.copy()
    out = distort(x, rng)
    assert out.shape == shape and out.dtype == dtype and not np.array_equal(out, x)
    assert np.array_equal(x, original)


@pytest.mark.parametrize("shape", [(2, 1, 28, 28), (2, 2, 7, 10)])
def test_no_strength_is_the_identity(shape, rng):
    x = rng.standard_normal(shape, dtype="float32")
    assert np.array_equal(distort(x, rng, Distortion(**STILL)), x)


def test_distort_is_a_function_of_the_generator(rng):
    x = np.repeat(rng.standard_normal((1, 1, 12, 12), dtype="float32"), 3, axis=0)
    out = distort(x, np.random.default_rng(4))
    assert np.array_equal(out, distort(x, np.random.default_rng(4)))
    assert not np.array_equal(out, distort(x, np.random.default_rng(5)))
    assert not np.array_equal(out[0], out[1]) and not np.array_equal(out[1], out[2])  # each image its own


def test_the_channels_of_an_image_move_together(rng):
    x = np.repeat(rng.standard_normal((2, 1, 12, 12)), 3, axis=1)
    out = distort(x, rng)
    assert np.array_equal(out[:, 0], out[:, 1]) and np.array_equal(out[:, 0], out[:, 2])


@pytest.mark.parametrize("strengths", [{}, dict(shift=2.0), dict(rotation=0.4), dict(shear=0.3), dict(scale=0.2),
                                       dict(shift=1.0, rotation=0.2, shear=0.1, scale=0.1)])
def test_distort_equals_scipys_affine_transform(strengths, rng):
    strengths = STILL | strengths
    x = rng.standard_normal((4, 1, 9, 14))
    out, twin = distort(x, np.random.default_rng(1), Distortion(**strengths)), np.random.default_rng(1)
    angles = twin.uniform(-strengths["rotation"], strengths["rotation"], 4)
    slants = twin.uniform(-strengths["shear"], strengths["shear"], 4)
    sizes = 1 + twin.uniform(-strengths["scale"], strengths["scale"], (2, 4))
    shifts = twin.uniform(-strengths["shift"], strengths["shift"], (4, 2))
    centre = np.array([4.0, 6.5])
    for n, angle in enumerate(angles):
        matrix = np.array([[math.cos(angle) * sizes[0, n], math.sin(angle) + slants[n]],
                           [-math.sin(angle), math.cos(angle) * sizes[1, n]]])
        expected = scipy.ndimage.affine_transform(x[n, 0], matrix, centre + shifts[n] - matrix @ centre, order=1,
                                                  mode="nearest")
        assert np.allclose(out[n, 0], expected, atol=1e-10)


@pytest.mark.parametrize("elastic, smoothness", [(4.0, 4.0), (4.0, 6.0), (2.0, 4.0)])
def test_elastic_displacements_are_smooth_and_of_their_strength(elastic, smoothness, rng):
    """On a ramp, bilinear interpolation shows where a pixel came from."""
    ramp = np.broadcast_to(100.0 + np.arange(80)[:, None], (4, 1, 80, 80))
    distortion = Distortion(**STILL | dict(elastic=elastic, smoothness=smoothness))
    moved = (distort(ramp, rng, distortion) - ramp)[:, 0, 8:-8, 8:-8]
    # uniform noise has a deviation of 1 / sqrt(3), which a blur by s divides by 2 s sqrt(pi)
    assert moved.std() == pytest.approx(elastic / 3**0.5 / (2 * math.pi**0.5), rel=0.25)
    assert abs(moved.mean()) < 0.3 * moved.std()
    assert np.diff(moved, axis=2).std() < moved.std() / smoothness


def test_pixels_from_outside_repeat_the_border(rng):
    """A normalised black border stays black: nothing but the picture's own values comes in."""
    x = np.full((20, 1, 10, 10), -0.4)
    x[:, :, 4:-4, 4:-4] = 1
    out = distort(x, rng, Distortion(**STILL | dict(shift=3.0)))
    assert np.allclose(out.min(axis=(1, 2, 3)), -0.4) and np.allclose(out[:, :, [0, -1]], -0.4)


def test_distorted_batches_are_a_function_of_the_step(rng):
    batches = MiniBatches(rng.standard_normal((6, 1, 9, 9), dtype="float32"), np.arange(6), 3, augment=distort)
    x, labels = batches(3)
    assert np.array_equal(batches(3)[0], x)
    assert not np.array_equal(x, batches.x[labels])
