"""Grad-CAM++, Layer-CAM, Score-CAM and RISE: ten-line versions in PyTorch, hand-made networks, and convergence."""

from functools import partial

import numpy as np
import pytest
from attribution_networks import pictures, small_network, squeezenet_twins

from minicnn.errors import InputError, UnknownNameError
from minicnn.layers import Conv2D, GlobalAvgPool2D
from minicnn.network import Network
from minicnn.visualize.attribution.cams import grad_cam_plus_plus, layer_cam, score_cam
from minicnn.visualize.attribution.cams_check import check_grad_cam_plus_plus, check_layer_cam, check_score_cam
from minicnn.visualize.attribution.grad_cam import grad_cam
from minicnn.visualize.attribution.occlusion import class_probability
from minicnn.visualize.attribution.rise import RiseSettings, random_masks, rise
from minicnn.visualize.attribution.rise_check import check_rise

CAMS = pytest.mark.parametrize("method", [grad_cam_plus_plus, layer_cam, score_cam])


def torch_maps(module, x, layer):
    """Return the twin's scores and its maps of the layer, from which autograd can go on."""
    kept = {}
    handle = dict(module.named_modules())[layer].register_forward_hook(lambda _, __, out: kept.update(maps=out))
    scores = module(x)
    handle.remove()
    return scores, kept["maps"]


@pytest.fixture
def twins(oracle, real_squeezenet, test_data):
    """The trained SqueezeNet 1.1 in both libraries, float64, and two small crops of photos."""
    return (oracle, *squeezenet_twins(oracle, real_squeezenet, test_data))


def test_grad_cam_plus_plus_against_autograd(twins):
    oracle, net, module, x, labels = twins
    torch = oracle.torch
    found = grad_cam_plus_plus(net, x, labels, "fire9/concat")
    for n, label in enumerate(labels.tolist()):
        scores, A = torch_maps(module, torch.from_numpy(x[n:n + 1]).requires_grad_(True), "features.12")
        g, = torch.autograd.grad(scores[0, label], A)
        alpha = g ** 2 / (2 * g ** 2 + A.sum((2, 3), keepdim=True) * g ** 3)
        w = (torch.nan_to_num(alpha) * g.relu()).sum((2, 3), keepdim=True)
        expected = (w * A).sum(1).relu().detach().numpy()
        np.testing.assert_allclose(found[n], expected[0], atol=1e-5 * expected.max())


def test_layer_cam_against_autograd(twins):
    oracle, net, module, x, labels = twins
    found = layer_cam(net, x, labels, "fire5/concat")
    for n, label in enumerate(labels.tolist()):
        scores, A = torch_maps(module, oracle.torch.from_numpy(x[n:n + 1]).requires_grad_(True), "features.7")
        g, = oracle.torch.autograd.grad(scores[0, label], A)
        expected = (g.relu() * A).sum(1).relu().detach().numpy()
        np.testing.assert_allclose(found[n], expected[0], atol=1e-5 * expected.max())


def test_score_cam_against_pytorch(twins):
    oracle, net, module, x, labels = twins
    torch = oracle.torch
    found = score_cam(net, x[:1], labels[:1], "fire9/concat", channels=24)
    image = torch.from_numpy(x[:1])
    with torch.no_grad():
        _, A = torch_maps(module, image, "features.12")
        A = A[0][A[0].amax((1, 2)).argsort(descending=True, stable=True)[:24]]
        low, high = A.amin((1, 2), keepdim=True), A.amax((1, 2), keepdim=True)
        large = oracle.F.interpolate(((A - low) / (high - low))[:, None], x.shape[2:], mode="bilinear")
        w = module(image * large)[:, int(labels[0])].softmax(0)
        expected = (w[:, None, None] * A).sum(0).relu().numpy()
    np.testing.assert_allclose(found[0], expected, atol=1e-5 * expected.max())


def test_rise_against_pytorch(twins):
    oracle, net, module, x, labels = twins
    torch, settings = oracle.torch, RiseSettings(masks=20, grid=5, keep=0.4)
    found = rise(net, x[:1], labels[:1], settings, rng=3)
    masks = torch.from_numpy(np.concatenate(list(random_masks(settings, *x.shape[2:], np.random.default_rng(3)))))
    with torch.no_grad():
        p = module(torch.from_numpy(x[:1]) * masks[:, None]).softmax(1)[:, int(labels[0])]
    expected = ((p[:, None, None] * masks).sum(0) / (20 * 0.4)).numpy()
    np.testing.assert_allclose(found[0], expected, atol=1e-5 * expected.max())


@CAMS
def test_both_back_ends_and_both_networks_agree(method, strict_cupy, rng):
    net, x = small_network(rng), pictures(rng, 2)
    expected = method(net, x, [0, 3])
    assert expected.shape == (2, 6, 6) and expected.dtype == np.float32 and (expected >= 0).all()
    found = method(net.to_device("gpu"), x, [0, 3])
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(method(net.fast(), x, [0, 3]), expected, atol=1e-5)
    np.testing.assert_allclose(method(net, x[1:], 3), expected[1:], atol=1e-6)


@CAMS
def test_unknown_layers_and_layers_without_maps_are_refused(method, rng):
    net, x = small_network(rng), pictures(rng)
    with pytest.raises(InputError, match=r"layer 'pool2' has no maps: its output is \(2, 8\)"):
        method(net, x, 0, "pool2")
    with pytest.raises(UnknownNameError, match="no layer 'relu3'; did you mean"):
        method(net, x, 0, "relu3")
    with pytest.raises(InputError, match="no class 5"):
        method(net, x, 5)
    with pytest.raises(InputError, match="has no class scores"):
        method(net.trunk("relu2"), x, 0)


def one_channel_network(w):
    """Return a network whose score is the mean of one map, w times the only channel of the image."""
    net = Network((1, 4, 4))
    net.add("conv1", Conv2D(1, 1, 1))
    net.add("scores", GlobalAvgPool2D())
    net.layer("conv1").params = {"w": np.full((1, 1, 1, 1), w), "b": np.zeros(1)}
    return net


def test_the_maps_of_one_channel_by_hand(rng):
    """The gradient of a mean over 16 places is 1/16 everywhere, so all three maps are the channel, scaled."""
    x = rng.random((1, 1, 4, 4))
    g, sums = 1 / 16, 3 * x.sum()
    np.testing.assert_allclose(grad_cam_plus_plus(one_channel_network(3.0), x, 0, "conv1"),
                               3 * x[0] * 16 * g / (2 + sums * g))
    np.testing.assert_allclose(layer_cam(one_channel_network(3.0), x, 0, "conv1"), 3 * x[0] * g)
    np.testing.assert_allclose(score_cam(one_channel_network(3.0), x, 0, "conv1"), 3 * x[0])
    assert (layer_cam(one_channel_network(-3.0), x, 0, "conv1") == 0).all()
    assert score_cam(one_channel_network(3.0), np.ones_like(x), 0, "conv1").max() == 3  # a constant map


def test_score_cam_of_few_channels_takes_the_strongest(rng):
    net, x = small_network(rng), pictures(rng, 1)
    maps = net.predict(x, "relu2")[0]
    best = maps.max(axis=(1, 2)).argmax()
    np.testing.assert_allclose(score_cam(net, x, 2, channels=1)[0], maps[best], atol=1e-6)
    np.testing.assert_array_equal(score_cam(net, x, 2, channels=99), score_cam(net, x, 2))
    with pytest.raises(InputError, match="channels is 0"):
        score_cam(net, x, 2, channels=0)


# ---- RISE ------------------------------------------------------------------------------------------------------------


def test_the_error_of_rise_falls_with_the_square_root_of_the_masks(rng):
    net, x = small_network(rng), pictures(rng, 1)
    net = net.fast()
    spreads = [np.std([rise(net, x, 1, RiseSettings(masks), rng=seed) for seed in range(12)], axis=0).mean()
               for masks in (16, 256)]
    assert spreads[0] / spreads[1] == pytest.approx(4, rel=0.25)


def test_the_masks_are_smooth_and_their_mean_is_the_share_of_seen_cells():
    masks = np.concatenate(list(random_masks(RiseSettings(2000, 5, 0.3), 33, 21, np.random.default_rng(0))))
    assert masks.shape == (2000, 33, 21) and masks.min() >= 0 and masks.max() <= 1
    assert np.abs(masks.mean(axis=0) - 0.3).max() < 0.04  # at every pixel, the corners too
    assert np.abs(np.diff(masks, axis=1)).max() <= 1 / 7 + 1e-9 and np.abs(np.diff(masks, axis=2)).max() <= 1 / 5 + 1e-9


def test_rise_of_constant_masks_is_the_probability(rng):
    net, x = small_network(rng), pictures(rng)
    found = rise(net, x, [0, 3], RiseSettings(masks=3, keep=1), rng=rng)
    expected = [class_probability(net, x[n:n + 1], label)[0] for n, label in enumerate((0, 3))]
    np.testing.assert_allclose(found, np.broadcast_to(np.array(expected)[:, None, None], found.shape), rtol=1e-5)


def test_rise_on_both_back_ends_and_in_batches(strict_cupy, rng):
    net, x, settings = small_network(rng), pictures(rng), RiseSettings(masks=19)
    expected = rise(net, x, [0, 3], settings, rng=7)
    assert expected.shape == (2, 16, 16) and expected.dtype == np.float32
    np.testing.assert_allclose(rise(net.to_device("gpu"), x, [0, 3], settings, rng=7), expected, atol=1e-6)
    np.testing.assert_allclose(rise(net, x[1:], 3, settings, rng=7), expected[1:], atol=1e-6)


@pytest.mark.parametrize(("settings", "message"), [
    (RiseSettings(masks=0), "masks is 0"), (RiseSettings(grid=0), "grid is 0"), (RiseSettings(keep=0), "keep is 0"),
    (RiseSettings(keep=1.5), "keep is 1.5"), (100, "settings is 100; expected a RiseSettings")])
def test_wrong_settings_of_rise_are_refused(settings, message, rng):
    with pytest.raises(InputError, match=message):
        rise(small_network(rng), pictures(rng), 0, settings, rng=0)


# ---- the checks ------------------------------------------------------------------------------------------------------


def test_the_checks_pass_on_shapes(drawn_dozen):
    model, x, labels, _ = drawn_dozen
    net, x, label = model.net.fast(), x[4:5], 4
    checks = [check_grad_cam_plus_plus(net, x, label, grad_cam_plus_plus(net, x, label)),
              check_layer_cam(net, x, label, layer_cam(net, x, label)),
              check_score_cam(net, x, label, score_cam(net, x, label, channels=8), channels=8),
              check_rise(net, x, label, rise(net, x, label, RiseSettings(16), rng=0), np.random.default_rng(0),
                         RiseSettings(16))]
    assert all(check.passed and check.judged for check in checks), checks
    wrong = [check_grad_cam_plus_plus(net, x, label, grad_cam(net, x, label)),
             check_layer_cam(net, x, label, grad_cam(net, x, label)),
             check_score_cam(net, x, label, score_cam(net, x, label, channels=4), channels=8),
             check_rise(net, x, label, rise(net, x, label, RiseSettings(16), rng=1), np.random.default_rng(0),
                        RiseSettings(16))]
    assert not any(check.passed for check in wrong), wrong


def test_the_maps_find_the_object(drawn_dozen):
    """The mean of a map within the object is larger than outside it, in most pictures."""
    model, x, labels, masks = drawn_dozen
    net, x, labels, masks = model.net.fast(), x[:6], labels[:6], masks[:6]
    maps = {"RISE": rise(net, x, labels, RiseSettings(100), rng=0)}
    for method in (grad_cam_plus_plus, layer_cam, partial(score_cam, channels=16)):
        heat = method(net, x, labels)
        side = x.shape[2] // heat.shape[1]
        maps[str(method)] = heat.repeat(side, axis=1).repeat(side, axis=2)
    for name, found in maps.items():
        hits = [values[mask].mean() > values[~mask].mean() for values, mask in zip(found, masks, strict=True)]
        assert sum(hits) >= 5, (name, hits)
