"""Attribution by gradients: the property that each method's paper promises, and PyTorch's autograd."""

import numpy as np
import pytest
from attribution_networks import (
    pictures,
    real_photos,
    score,
    small_network,
    squeezenet_twins,
)
from small_networks import on

from minicnn.errors import InputError
from minicnn.gradient_check import numerical_gradient
from minicnn.layers import ReLU
from minicnn.network import Network
from minicnn.visualize.attribution.gradients import (
    BATCH,
    class_gradient,
    completeness_gap,
    gradient_times_input,
    integrated_gradients,
    smooth_grad,
)
from minicnn.visualize.attribution.gradients_check import (
    check_gradient_times_input,
    check_integrated_gradients,
    check_smooth_grad,
    roughness,
)
from minicnn.visualize.attribution.saliency import saliency_map


def test_gradient_times_input_against_finite_differences(rng):
    net = small_network(rng).astype("float64")
    x = rng.standard_normal((1, 3, 8, 7))
    expected = x * numerical_gradient(lambda values: score(net, values, 3), x, 1e-6)
    np.testing.assert_allclose(gradient_times_input(net, x, 3), expected, atol=1e-7)


def test_without_biases_the_products_add_up_to_the_score(rng):
    """ReLUs and max pools are positively homogeneous: Euler's theorem."""
    net, x = small_network(rng, bias=False).astype("float64"), pictures(rng, dtype="float64")
    found = gradient_times_input(net, x, 2)
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), net.predict(x)[:, 2], rtol=1e-12)
    np.testing.assert_allclose(integrated_gradients(net, x, 2, steps=3), found, atol=1e-14)
    assert all(check.passed for check in check_gradient_times_input(net, x, 2, found, rng))


def test_the_check_of_gradient_times_input_detects_a_broken_backward(rng):
    net, x = small_network(rng), pictures(rng, 1)
    assert all(check.passed for check in check_gradient_times_input(net, x, 1, gradient_times_input(net, x, 1), rng))

    class Leaky(ReLU):
        def backward(self, dout, out):
            return dout * (out > 0.05)
    broken = net.with_relu(Leaky())
    assert not check_gradient_times_input(broken, x, 1, gradient_times_input(broken, x, 1), rng)[1].passed


def test_smooth_grad_without_noise_is_exactly_the_gradient(xp, rng):
    net, x = on(xp, small_network(rng)), pictures(rng, 1)
    found = smooth_grad(net, x, 1, rng=rng, noise=0)
    assert (np.abs(found).max(axis=1) == saliency_map(net, x, 1)).all()


def test_smooth_grad_is_the_mean_over_noisy_copies(rng):
    net, x = small_network(rng).astype("float64"), pictures(rng, 1, "float64")
    samples = BATCH + 3  # more than one batch
    found = smooth_grad(net, x, 1, rng=np.random.default_rng(4), samples=samples, noise=0.2)
    noise = np.random.default_rng(4).standard_normal((samples, 3, 16, 16)) * 0.2 * np.ptp(x)
    expected = sum(class_gradient(net, x + values, 1) for values in noise) / samples
    np.testing.assert_allclose(found, expected, atol=1e-14)
    assert not np.allclose(found, smooth_grad(net, x, 1, rng=np.random.default_rng(5), samples=samples), atol=1e-3)


def test_smooth_grad_of_a_linear_network_is_the_gradient(rng):
    net, x = small_network(rng, relu=False).astype("float64"), pictures(rng, dtype="float64")
    np.testing.assert_allclose(smooth_grad(net, x, 1, rng=rng), class_gradient(net, x, 1), atol=1e-14)


@pytest.mark.parametrize(("settings", "message"), [
    ({"samples": 0}, "samples is 0; expected a whole number from 1"), ({"noise": -0.1}, "noise is -0.1; .* from 0"),
    ({"noise": float("nan")}, "noise is nan")])
def test_wrong_settings_of_smooth_grad_are_refused(settings, message, rng):
    with pytest.raises(InputError, match=message):
        smooth_grad(small_network(rng), pictures(rng), 0, rng=rng, **settings)


@pytest.mark.parametrize("method", [
    lambda net, x: smooth_grad(net, x, 0, rng=np.random.default_rng(0), samples=50),
    lambda net, x: integrated_gradients(net, x, 0, steps=50)], ids=["smooth_grad", "integrated_gradients"])
def test_batches_are_bounded(method, rng, monkeypatch):
    net, sizes = small_network(rng), []
    forward = Network.forward
    monkeypatch.setattr(Network, "forward", lambda self, x, **rest: sizes.append(len(x)) or forward(self, x, **rest))
    method(net, pictures(rng, 3))
    assert max(sizes) == BATCH and sum(sizes) == 3 * 50


def test_integrated_gradients_of_a_linear_network_are_gradient_times_input(rng):
    net, x = small_network(rng, relu=False).astype("float64"), pictures(rng, dtype="float64")
    found = integrated_gradients(net, x, [1, 3], steps=1)
    np.testing.assert_allclose(found, gradient_times_input(net, x, [1, 3]), atol=1e-14)
    assert np.abs(completeness_gap(net, x, [1, 3], found)).max() < 1e-12


@pytest.mark.parametrize("baseline", [0.0, -1.5, np.full((3, 1, 1), 0.5), np.linspace(-1, 1, 256).reshape(16, 16)],
                         ids=["zero", "number", "colour", "picture"])
def test_completeness_from_any_baseline(xp, baseline, rng):
    net, x = on(xp, small_network(rng).astype("float64")), pictures(rng, dtype="float64")
    found = integrated_gradients(net, x, [0, 4], baseline=baseline, steps=100)
    gap = completeness_gap(net, x, [0, 4], found, baseline=baseline)
    host = net.to_device("cpu")
    difference = host.predict(x) - host.predict(np.broadcast_to(baseline, x.shape))
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), (1 + gap) * difference[[0, 1], [0, 4]], rtol=1e-9)
    assert (np.abs(gap * difference[[0, 1], [0, 4]]) < 2e-3 * np.abs(found).sum(axis=(1, 2, 3))).all()
    half = completeness_gap(net, x, [0, 4], found / 2, baseline=baseline)
    np.testing.assert_allclose(half, (1 + gap) / 2 - 1, atol=1e-9)


def test_the_attribution_is_zero_if_the_image_is_the_baseline(rng):
    net, x = small_network(rng), pictures(rng)
    found = integrated_gradients(net, x, 0, baseline=x, steps=2)
    assert (found == 0).all() and (completeness_gap(net, x, 0, found, baseline=x) == 0).all()


def test_pixels_without_influence_have_zero_attribution(rng):
    """Sensitivity, the paper's other axiom: here the third channel is not connected."""
    net, x = small_network(rng), pictures(rng)
    net.layer("conv1").params["w"][:, 2] = 0
    assert (integrated_gradients(net, x, 0)[:, 2] == 0).all()


def test_wrong_settings_of_integrated_gradients_are_refused(rng):
    net, x = small_network(rng), pictures(rng)
    with pytest.raises(InputError, match="steps is 0; expected a whole number from 1"):
        integrated_gradients(net, x, 0, steps=0)
    with pytest.raises(InputError, match=r"a baseline of shape \(5,\) does not fit images of shape \(2, 3, 16, 16\)"):
        integrated_gradients(net, x, 0, baseline=np.zeros(5))


def test_integrated_gradients_against_autograd(oracle, real_squeezenet, test_data):
    net, module, x, labels = squeezenet_twins(oracle, real_squeezenet, test_data)
    ours = integrated_gradients(net, x, labels, baseline=0.25, steps=10)
    torch = oracle.torch
    for n, label in enumerate(labels.tolist()):
        image, baseline = torch.from_numpy(x[n:n + 1]), torch.full((1, *x.shape[1:]), 0.25, dtype=torch.float64)
        total = torch.zeros_like(image)
        for step in range(10):
            left, right = (step / 10) ** 2, ((step + 1) / 10) ** 2
            point = (baseline + (left + right) / 2 * (image - baseline)).requires_grad_(True)
            total += (right - left) * torch.autograd.grad(module(point)[0, label], point)[0]
        expected = ((image - baseline) * total).numpy()
        assert np.linalg.norm(ours[n] - expected[0]) < 1e-9 * np.linalg.norm(expected)


def test_completeness_on_squeezenet(real_squeezenet, test_data):
    net = real_squeezenet
    x, labels = real_photos(test_data)
    x, labels = x[11:12, :, ::3, ::3], labels[11:12]  # small: to save time
    found = integrated_gradients(net, x, labels, steps=400)
    assert all(check.passed for check in check_integrated_gradients(net, x, labels, found, steps=400))
    for wrong in (found * 1.1, found[..., ::-1], np.abs(found)):
        assert not all(check.passed for check in check_integrated_gradients(net, x, labels, wrong, steps=400))
    assert not any(check.judged for check in check_integrated_gradients(net, x, labels, found, steps=15))


def test_smooth_grad_is_smoother_than_the_gradient(drawn):
    net, _, x, labels, _ = drawn
    x, labels = x[:6], labels[:6]
    found = smooth_grad(net, x, labels, rng=np.random.default_rng(0))
    assert all(check.passed for check in check_smooth_grad(net, x, labels, found, np.random.default_rng(0)))
    plain = class_gradient(net, x, labels)
    checks = check_smooth_grad(net, x, labels, plain, np.random.default_rng(0))
    assert not checks[0].passed and not checks[1].judged


def test_roughness_of_a_flat_a_dotted_and_a_black_map():
    dots = np.zeros((1, 9, 9))
    dots[:, 1::3, 1::3] = 2
    assert roughness(np.ones((1, 9, 9))) == 0 and roughness(dots) == 4 and roughness(np.zeros((1, 9, 9))) == 0
