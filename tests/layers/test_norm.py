"""Normalizations of channels with one value: rounding errors are not amplified, and everything else is as before."""

import numpy as np
import pytest

from minicnn.backend import to_host
from minicnn.fast.norm import instance_norm
from minicnn.gradient_check import relative_error
from minicnn.layers import BatchNorm2D, ConditionalInstanceNorm2D, InstanceNorm2D
from minicnn.layers.norm import FLAT, is_flat

LAYERS = {"instance": InstanceNorm2D(4), "conditional": ConditionalInstanceNorm2D(4, 2)}


def rounded_constants(rng, dtype="float32", errors=8):
    """Channels of one value with a few rounding errors, and the same channels without them, (2, 4, 5, 6)."""
    exact = np.repeat(np.array([200.0, -3.0, 0.5, 0.0])[None, :, None, None], 2, axis=0) + np.zeros((2, 4, 5, 6))
    noise = 200 * np.finfo(dtype).eps * errors * rng.uniform(-1, 1, exact.shape)
    return (exact + noise).astype(dtype), exact


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rounding_errors_of_a_flat_channel_become_0(name, dtype, rng, xp):
    layer, (x, _) = copy_on(xp, LAYERS[name]), rounded_constants(rng, dtype)
    for out, (x_hat, inverse_std) in (layer.forward(xp.asarray(x)), instance_norm(layer, xp.asarray(x))):
        assert (to_host(x_hat) == 0).all() and (to_host(out) == 0).all()
        np.testing.assert_allclose(to_host(inverse_std), 1 / layer.eps**0.5, rtol=1e-3)
        assert np.isfinite(to_host(layer.backward(xp.asarray(x), (x_hat, inverse_std)))).all()


def copy_on(xp, layer):
    """The layer with its parameters on the device of xp."""
    moved = type(layer)(*((4,) if isinstance(layer, InstanceNorm2D) else (4, 2)))
    moved.params = {key: xp.asarray(values) for key, values in layer.params.items()}
    return moved


def test_a_flat_channel_in_training(rng):
    x, _ = rounded_constants(rng)
    layer = BatchNorm2D(4)
    out, (x_hat, _, _) = layer.forward_train(x, rng=rng)
    assert (x_hat == 0).all() and (out == 0).all()


def test_more_than_rounding_is_normalized(rng):
    """The bound is relative to the largest channel of the image."""
    for errors, flat in ((FLAT / 8, True), (FLAT * 8, False)):
        x, _ = rounded_constants(rng, errors=errors)
        assert (np.abs(InstanceNorm2D(4).forward(x)[1][0]).max() == 0) == flat
    mean, variance = np.array([[1000.0, 0.0]]), np.array([[0.0, 1e-9]])
    assert is_flat(mean.astype("f4"), variance).tolist() == [[True, True]]
    assert is_flat(mean[:, 1:].astype("f4"), variance[:, 1:]).tolist() == [[False]]
    x = rng.standard_normal((2, 4, 5, 6))
    x[:, 1] *= 1e-3
    assert not is_flat(x.mean((2, 3)), x.var((2, 3))).any()


def test_the_gradient_near_a_flat_channel_is_the_limit(rng):
    """The loss changes by the gradient times a small step, if the step is more than rounding."""
    x, dout = np.full((1, 4, 5, 6), 3.0), rng.standard_normal((1, 4, 5, 6))
    layer, step = InstanceNorm2D(4), 1e-5 * rng.standard_normal((1, 4, 5, 6))
    dx = layer.backward(dout, layer.forward(x)[1])
    change = (dout * (layer.forward(x + step)[0] - layer.forward(x - step)[0])).sum() / 2
    assert relative_error(np.array(change), np.array((dx * step).sum())) < 1e-4
