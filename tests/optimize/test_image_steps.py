"""Jitter, clamp, blur and Yosinski's regularizers, against naive twins and SciPy."""

import numpy as np
import pytest
import scipy.ndimage

from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.optimize import Blur, Clamp, Decay, GradientDescent, Jitter, SmallContribution, SmallNorm

# ---- Yosinski's regularizers -----------------------------------------------------------------------------------------


def zeroed_twin(image, sizes, percent):
    """Return the image with the smallest `percent` of its pixels set to zero, found by sorting `sizes`."""
    out = image.copy()
    N, _, H, W = image.shape
    for n in range(N):
        order = sorted((sizes[n, y, x], y, x) for y in range(H) for x in range(W))
        for _, y, x in order[:round(percent / 100 * H * W)]:
            out[n, :, y, x] = 0
    return out


@pytest.mark.parametrize("percent", [0, 20, 50, 90])
def test_small_norm_zeroes_a_percentage_of_the_pixels_of_each_image(percent, xp, rng):
    image = rng.standard_normal((2, 3, 8, 10)) * np.array([1, 50]).reshape(2, 1, 1, 1)
    got = to_host(SmallNorm(percent)(xp.asarray(image), 1))
    assert np.array_equal(got, zeroed_twin(image, np.sqrt((image**2).sum(axis=1)), percent))


@pytest.mark.parametrize("percent", [0, 50, 90])
def test_small_contribution_zeroes_the_pixels_that_contribute_least(percent, xp, rng):
    image, gradient = rng.standard_normal((2, 2, 3, 8, 10))
    update = GradientDescent(0.0)
    update.step(xp.asarray(image), lambda x: (0.0, xp.asarray(gradient), []))
    got = to_host(SmallContribution(percent, update)(xp.asarray(image), 1))
    assert np.array_equal(got, zeroed_twin(image, np.abs((-image * gradient).sum(axis=1)), percent))


@pytest.mark.parametrize("step", [SmallNorm(50.0), Decay(0.3)], ids=str)
def test_regularizers_keep_float32_and_their_argument(step, xp, rng):
    image = xp.asarray(rng.standard_normal((1, 3, 6, 6), dtype="float32"))
    before = to_host(image).copy()
    assert step(image, 1).dtype == "float32"
    assert np.array_equal(to_host(image), before)


def test_decay_removes_a_share(xp):
    assert to_host(Decay(0.25)(xp.full((1, 1, 1, 2), 4.0), 1)).ravel().tolist() == [3, 3]


@pytest.mark.parametrize("share", [1.0, -0.1, float("nan")])
def test_decay_outside_its_range_is_refused(share):
    with pytest.raises(InputError, match="from 0 to below 1"):
        Decay(share)


# ---- jitter, clamp, blur ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("pixels", [0, 1, 3, 20])
def test_jitter_is_undone_exactly(pixels, xp, rng):
    x = rng.standard_normal((2, 3, 7, 10))
    image, jitter = xp.asarray(x), Jitter(pixels)
    for _ in range(5):
        shift = jitter.draw(rng)
        rolled = jitter.apply(image, shift)
        assert np.array_equal(to_host(rolled), np.roll(x, shift, (2, 3)))
        assert np.array_equal(to_host(jitter.undo(rolled, shift)), x)
    assert np.array_equal(to_host(image), x)


def test_jitter_draws_on_the_host():
    """The shifts come from `integers` of NumPy's generator, so both backends get the same ones."""
    twin, rng = np.random.default_rng(8), np.random.default_rng(8)
    for _ in range(20):
        assert Jitter(5).draw(rng) == tuple(twin.integers(-5, 6, 2).tolist())


def test_jitter_draws_every_shift(rng):
    shifts = {Jitter(2).draw(rng) for _ in range(400)}
    assert shifts == {(y, x) for y in range(-2, 3) for x in range(-2, 3)}


def test_clamp_between_numbers(xp, rng):
    x = rng.standard_normal((2, 3, 4, 5)).astype("float32")
    image = xp.asarray(x)
    clamped = Clamp(-0.5, 1.25)(image, 1)
    assert clamped.dtype == "float32"
    assert np.array_equal(to_host(clamped), np.clip(x, -0.5, 1.25))
    assert np.array_equal(to_host(image), x)


def test_clamp_between_colours(xp, rng):
    x, low, high = rng.standard_normal((2, 3, 4, 5)), np.array([-1, 0, -0.2]), np.array([0.5, 1, 0.1])
    clamped = to_host(Clamp(*(xp.asarray(bound.reshape(3, 1, 1)) for bound in (low, high)))(xp.asarray(x), 1))
    for channel in range(3):
        assert np.array_equal(clamped[:, channel], np.clip(x[:, channel], low[channel], high[channel]))


def test_blur_equals_scipy_on_each_map(xp, rng):
    x = rng.standard_normal((2, 3, 9, 12))
    blurred = to_host(Blur(1.3)(xp.asarray(x), 1))
    for n in range(2):
        for c in range(3):
            assert np.allclose(blurred[n, c], scipy.ndimage.gaussian_filter(x[n, c], 1.3, mode="reflect"), rtol=1e-12)


@pytest.mark.parametrize("sigma", [0.5, 2, 9])
def test_blur_preserves_the_mean(sigma, xp, rng):
    x = 3 + rng.standard_normal((1, 2, 9, 12))  # the border is reflected
    blurred = to_host(Blur(sigma)(xp.asarray(x), 1))
    assert np.allclose(blurred.mean((2, 3)), x.mean((2, 3)), rtol=1e-13)
    assert blurred.std() < x.std()


def test_blur_at_every_fourth_step_only(xp):
    image = xp.asarray(np.eye(6, dtype="float32")[None, None])
    for step in range(1, 13):
        blurred = Blur(0.8, every=4)(image, step)
        assert blurred.dtype == "float32"
        assert (blurred is image) == (step not in (4, 8, 12))
