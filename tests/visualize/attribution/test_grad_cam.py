"""Grad-CAM: against class activation maps, finite differences and PyTorch's autograd."""

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

from minicnn.backend import to_host
from minicnn.errors import InputError, UnknownNameError
from minicnn.gradient_check import numerical_gradient
from minicnn.layers import Conv2D, GlobalAvgPool2D
from minicnn.models import load_model, resnet18, squeezenet1_1, vgg16
from minicnn.network import Network
from minicnn.visualize.attribution.grad_cam import grad_cam, guided_grad_cam, last_maps, upsample_maps
from minicnn.visualize.attribution.grad_cam_check import check_grad_cam, check_guided_grad_cam, class_activation_map
from minicnn.visualize.attribution.guided_backprop import guided_backprop


def test_grad_cam_is_cam_if_the_network_ends_in_the_mean_and_a_linear_layer(xp, rng):
    net, x = small_network(rng), pictures(rng, 3)
    heat = grad_cam(on(xp, net), x, [0, 1, 2])
    maps = net.predict(x, "relu2")
    weights = net.layer("fc3").params["w"][[0, 1, 2]]
    expected = np.maximum(np.einsum("nk,nkyx->nyx", weights, maps), 0)
    np.testing.assert_allclose(heat * maps[0, 0].size, expected, atol=1e-5)
    np.testing.assert_allclose(class_activation_map(on(xp, net), x, [0, 1, 2], "relu2"), expected, atol=1e-5)
    assert all(check.passed for check in check_grad_cam(on(xp, net), x, [0, 1, 2], heat))
    assert not check_grad_cam(net, x, [0, 1, 2], heat ** 2)[1].passed


def test_grad_cam_is_zero_if_no_map_raises_the_score(rng):
    net, x = small_network(rng), pictures(rng)
    net.layer("fc3").params["w"][2] = -abs(net.layer("fc3").params["w"][2])
    assert (grad_cam(net, x, 2) == 0).all() and (guided_grad_cam(net, x, 2) == 0).all()


def test_grad_cam_of_a_deep_layer_by_finite_differences(rng):
    """A channel's weight is the slope of the score when all positions of its map increase, divided by their number."""
    net, x = small_network(rng).astype("float64"), pictures(rng, 1, "float64")
    rest = Network((6, 8, 8))
    for node in net.nodes[3:]:
        rest.add(node.name, node.layer)
    maps = net.predict(x, "pool1")
    weights = numerical_gradient(lambda rise: score(rest, maps + rise, 4), np.zeros((1, 6, 1, 1)), 1e-6) / 64
    np.testing.assert_allclose(grad_cam(net, x, 4, "pool1"), np.maximum((weights * maps).sum(axis=1), 0), atol=1e-8)


def test_the_last_layer_with_maps():
    names = {build: last_maps(build(seed=None)) for build in (squeezenet1_1, vgg16, resnet18)}
    assert list(names.values()) == ["fire9/concat", "relu5_3", "relu5b"]
    assert [last_maps(load_model(name, "cpu").net) for name in ("shapes", "digits")] == ["relu5", "relu3"]
    single = Network((3, 8, 8))
    single.add("conv1", Conv2D(3, 2, 3))
    single.add("pool1", GlobalAvgPool2D())
    assert last_maps(single) == "conv1"
    flat = Network((3, 1, 1))
    flat.add("conv1", Conv2D(3, 2, 1))
    with pytest.raises(InputError, match="no layer of the network has maps"):
        last_maps(flat)


def test_unknown_layers_and_layers_without_maps_are_refused(rng):
    net, x = small_network(rng), pictures(rng)
    with pytest.raises(InputError, match=r"layer 'pool2' has no maps: its output is \(2, 8\); the last with maps is "
                                         "'relu2'"):
        grad_cam(net, x, 0, "pool2")
    with pytest.raises(UnknownNameError, match="no layer 'relu3'; did you mean"):
        guided_grad_cam(net, x, 0, "relu3")


def test_upsampled_maps_keep_their_values_and_bounds(xp, rng):
    maps = xp.asarray(rng.random((3, 13, 7)))
    large = to_host(upsample_maps(maps, 224, 97))
    maps = to_host(maps)
    assert large.shape == (3, 224, 97)
    for one, upsampled in zip(maps, large, strict=True):
        assert one.min() - 1e-12 <= upsampled.min() < upsampled.max() <= one.max() + 1e-12
    hand = to_host(upsample_maps(xp.asarray(np.array([[[0.0, 4.0]]])), 1, 4))
    assert hand.tolist() == [[[0, 1, 3, 4]]]
    np.testing.assert_allclose(to_host(upsample_maps(xp.asarray(maps), 13, 7)), maps, atol=1e-12)


def test_guided_grad_cam_is_the_product(xp, rng):
    net, x = small_network(rng), pictures(rng, 1)
    heat = grad_cam(net, x, 1)
    found = guided_grad_cam(on(xp, net), x, 1)
    guided = guided_backprop(net, x, "fc3", 1)
    np.testing.assert_allclose(found, upsample_maps(heat, 16, 16)[:, None] * guided, atol=1e-6)
    heat[:, :3] = 0
    found = upsample_maps(heat, 16, 16)[:, None] * guided
    assert check_guided_grad_cam(net, x, 1, heat, found)[0].passed and (found[:, :, :6] == 0).all()
    assert not check_guided_grad_cam(net, x, 1, heat, guided)[0].passed
    assert not check_guided_grad_cam(net, x, 1, heat, -found)[0].passed


@pytest.mark.parametrize("layer", [None, "relu_conv10", "pool5", "fire3/relu_expand3x3"])
def test_grad_cam_against_autograd(oracle, real_squeezenet, test_data, layer):
    net, module, x, labels = squeezenet_twins(oracle, real_squeezenet, test_data)
    heat = grad_cam(net, x, labels, layer)
    torch = oracle.torch
    kept = oracle.activations(module, oracle.SQUEEZENET1_1_NAMES, torch.from_numpy(x).requires_grad_(True))
    scores, maps = kept["pool10"], kept[layer or "fire9/concat"]
    gradient, = torch.autograd.grad(scores[[0, 1], labels].sum(), maps)
    expected = torch.relu((gradient.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1))
    assert np.linalg.norm(heat - expected.detach().numpy()) < 1e-9 * expected.norm().item()
    large = oracle.F.interpolate(expected[:, None], size=x.shape[2:], mode="bilinear")[:, 0].detach().numpy()
    np.testing.assert_allclose(upsample_maps(heat, *x.shape[2:]), large, atol=1e-12 * large.max())
    guided = oracle.gradients(module, oracle.SQUEEZENET1_1_NAMES, x, {"pool10": np.eye(1000)[labels]}, rule="guided")
    product = large[:, None] * guided["input"]
    assert np.linalg.norm(guided_grad_cam(net, x, labels, layer) - product) < 1e-9 * np.linalg.norm(product)


def test_grad_cam_on_squeezenet_is_its_class_map(real_squeezenet, test_data):
    """At conv10, Grad-CAM is the class's own channel. At fire9 it is the map before conv10's bias and ReLU."""
    net = real_squeezenet
    x, labels = real_photos(test_data)
    x, labels = x[:1], labels[:1]
    heat = grad_cam(net, x, labels, "relu_conv10")
    checks = check_grad_cam(net, x, labels, heat, "relu_conv10")
    assert len(checks) == 2 and all(check.passed for check in checks) and heat.shape == (1, 13, 13)
    deeper = grad_cam(net, x, labels)
    assert len(check_grad_cam(net, x, labels, deeper)) == 1 and check_grad_cam(net, x, labels, deeper)[0].passed
    assert np.corrcoef(heat.ravel(), deeper.ravel())[0, 1] > 0.99
