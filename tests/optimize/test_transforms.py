"""Jitter, scale, rotation and crop: their adjoints, and what they do to an image."""

import numpy as np
import pytest
from scipy.ndimage import affine_transform

from minicnn.optimize import Crop, Jitter, Rotation, Scale

CASES = [(Jitter(3), (2, -3)), (Scale(0.1), 0.9), (Scale(0.1), 1.07), (Scale(0.6), 0.45), (Scale(0.6), 1.6),
         (Rotation(10), 7.0), (Rotation(10), -9.5), (Rotation(10), 0.0), (Crop(12, 7), None), (Crop(13, 6), None)]


@pytest.mark.parametrize(("transform", "drawn"), CASES, ids=str)
def test_undo_is_the_adjoint_of_apply(transform, drawn, rng, xp):
    side = getattr(transform, "full", 13)
    x = xp.asarray(rng.standard_normal((2, 3, side, side)))
    shown = transform.apply(x, drawn)
    y = xp.asarray(rng.standard_normal(shown.shape))
    back = transform.undo(y, drawn)
    assert back.shape == x.shape
    left, right = float((shown * y).sum()), float((x * back).sum())
    assert left == pytest.approx(right, abs=1e-12 * float((x * x).sum()))


@pytest.mark.parametrize(("transform", "drawn"), CASES, ids=str)
def test_float32_stays_float32(transform, drawn, rng):
    side = getattr(transform, "full", 13)
    x = rng.standard_normal((1, 3, side, side), dtype="float32")
    shown = transform.apply(x, drawn)
    assert shown.dtype == transform.undo(shown, drawn).dtype == np.float32


@pytest.mark.parametrize("factor", [0.7, 0.93, 1.0, 1.08, 1.9])
def test_scale_reads_linearly_about_the_centre(factor, rng):
    x = rng.standard_normal((1, 2, 15, 15))
    inside = np.pad(x, ((0, 0), (0, 0), (9, 9), (9, 9)))  # SciPy's constant border begins half a pixel outside
    expected = np.stack([affine_transform(one, np.eye(2) / factor, 16 * (1 - 1 / factor), order=1)
                         for one in inside[0]])[None, :, 9:-9, 9:-9]
    assert np.abs(Scale(0.5).apply(x, factor) - expected).max() < 1e-12


@pytest.mark.parametrize("angle", [-8.0, 3.0, 10.0])
def test_rotation_turns_about_the_centre(angle):
    """A smooth picture is turned as SciPy turns it: three linear shears blur a little more than one cubic turn."""
    rows, columns = np.mgrid[:64, :64] / 64
    x = np.sin(7 * rows + 3 * columns**2)[None, None] * np.exp(-8 * ((rows - 0.45)**2 + (columns - 0.55)**2))
    a = np.radians(angle)
    turn = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
    centre = np.full(2, 31.5)
    expected = affine_transform(x[0, 0], turn, centre - turn @ centre, order=3)
    turned = Rotation(10).apply(x, angle)[0, 0]
    inside = slice(8, -8)
    assert np.abs(turned - expected)[inside, inside].max() < 0.01
    assert np.abs(turned - x[0, 0])[inside, inside].max() > 0.05


def test_nothing_is_drawn_beyond_the_limits(rng):
    factors = [Scale(0.1).draw(rng) for _ in range(300)]
    angles = [Rotation(5).draw(rng) for _ in range(300)]
    assert 0.9 <= min(factors) < 0.91 and 1.09 < max(factors) <= 1.1
    assert -5 <= min(angles) < -4.8 and 4.8 < max(angles) <= 5
    state = rng.bit_generator.state
    assert Crop(9, 5).draw(rng) is None and rng.bit_generator.state == state


def test_the_identity_changes_nothing(rng):
    x = rng.standard_normal((1, 3, 12, 12))
    assert np.array_equal(Scale(0.1).apply(x, 1.0), x) and np.array_equal(Rotation(5).apply(x, 0.0), x)
    assert np.array_equal(Crop(12, 12).apply(x), x) and np.array_equal(Crop(12, 12).undo(x), x)
