"""Images of neurons, channels and layers: their size, their objective, and their checks."""

from dataclasses import replace

import numpy as np
import pytest
from small_networks import on

from minicnn.backend import to_device, to_host
from minicnn.errors import InputError, UnknownNameError
from minicnn.layers import Conv2D, Flatten, Linear, ReLU
from minicnn.losses import GuideMatch, LayerNorm2
from minicnn.models import alexnet, build_network, caffenet, squeezenet1_0, squeezenet1_1, vgg16
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize import (
    channel_visualization,
    class_visualization,
    layer_visualization,
    neuron_gradient,
    neuron_visualization,
    receptive_field,
)
from minicnn.visualize.synthesis.ascent_settings import CS231N, DISTILL, MARGIN, AscentSettings
from minicnn.visualize.synthesis.canvas import first_images
from minicnn.visualize.synthesis.neuron_view import neuron_view
from minicnn.visualize.synthesis.neuron_visualization_check import (
    check_field,
    check_responses,
    layer_responses,
    rank_in_layer,
    without_padded_neurons,
)

PIXELS = Preprocessing("BGR", 1.0, (104.0, 117.0, 123.0), (1.0, 1.0, 1.0), 16, 16)


# ---- neurons, channels, layers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [squeezenet1_1, squeezenet1_0, vgg16, alexnet, caffenet,
                                   lambda seed: build_network("shapes"), lambda seed: build_network("digits")])
def test_a_neurons_view_is_the_smallest_image_without_padding(build):
    net = build(seed=None)
    for name in net.layer_names():
        size, position = neuron_view(net, name)
        field, largest = receptive_field(net, name), net.input_shape[1]
        if position is None:
            assert size == largest and field is None
            continue
        side = net.trunk(name).shapes((net.input_shape[0], size, size))[name][2]
        assert position[0] == position[1] < side
        if size < largest:
            assert field.fits(*position, size, size) and size - field.size < field.stride
            assert not field.fits(*position, size - 1, size - 1)


def test_the_view_of_a_given_size_or_position(net):
    assert neuron_view(net, "conv1", size=9) == (9, (4, 4))
    assert neuron_view(net, "conv1", position=(0, 15)) == (16, (0, 15))
    assert neuron_view(net, "scores") == (16, None)


def test_neurons_channels_and_layers_rise(net, xp):
    settings = {"settings": replace(CS231N, num_steps=12), "rng": np.random.default_rng(0)}
    net = on(xp, net)
    image, history = neuron_visualization(net, "relu2b", [1, 3], PIXELS, **settings)
    size, position = neuron_view(net, "relu2b")
    out = to_host(net.predict(to_device(image, net.device), "relu2b"))
    assert image.shape == (2, 3, size, size) and isinstance(image, np.ndarray)
    assert out[0, 1][position] + out[1, 3][position] > history[0].values[0]
    image, history = channel_visualization(net, "concat", 6, PIXELS, **settings)
    assert to_host(net.predict(to_device(image, net.device), "concat"))[0, 6].mean() > history[0].values[0]
    image, history = layer_visualization(net, "features.0", PIXELS, **settings)
    assert (to_host(net.predict(to_device(image, net.device), "conv1"))**2).sum() / 2 > history[0].values[0]


@pytest.mark.parametrize("settings", [replace(CS231N, num_steps=8, max_jitter=0),
                                      replace(DISTILL, num_steps=8, max_jitter=0, max_scale=0, border=0)])
def test_dreams_from_noise_raise_a_channel_or_match_a_guide(net, xp, rng, settings):
    net, guide = on(xp, net), rng.standard_normal((1, 3, 12, 12)).astype(np.float32)
    for goal, loss in (({"channel": 3}, LayerNorm2("relu2b", 3)),
                       ({"guide": guide}, GuideMatch("relu2b", net.predict(to_device(guide, net.device), "relu2b")))):
        image, history = layer_visualization(net, "relu2b", PIXELS, settings, rng=0, **goal)
        value, _ = loss(net.forward(to_device(image, net.device), upto=["relu2b"]).activations)
        assert value > 1.1 * history[0].values[0]
        assert history[0].values[0] == pytest.approx(first_value(net, loss, settings), rel=1e-4)


def first_value(net, loss, settings):
    """Return the loss of the noise from which `layer_visualization` starts with the seed 0."""
    noise = first_images((1, 3, 16, 16), PIXELS, np.random.default_rng(0), settings)
    return loss(net.forward(to_device(noise, net.device), upto=["relu2b"]).activations)[0]


def test_only_the_receptive_field_changes(net):
    """In an image larger than the receptive field, without a penalty, jitter or blur."""
    settings = AscentSettings(num_steps=5, start_noise=1.0, clamp="none")
    image, _ = neuron_visualization(net, "relu2b", 0, PIXELS, settings, rng=np.random.default_rng(4), size=16)
    start = first_images((1, 3, 16, 16), PIXELS, np.random.default_rng(4), settings)
    top, bottom, left, right = receptive_field(net, "relu2b").box(4, 4, 16, 16)
    inside = np.zeros((16, 16), bool)
    inside[top:bottom, left:right] = True
    assert np.array_equal(image[..., ~inside], start[..., ~inside]) and (image != start)[..., inside].any()


@pytest.mark.parametrize(("call", "message"), [
    (lambda net, **s: neuron_visualization(net, "relu1", 6, PIXELS, **s), "layer 'relu1' has channels 0 to 5, not 6"),
    (lambda net, **s: neuron_visualization(net, "relu1", [0, -1], PIXELS, **s), "has channels 0 to 5, not -1"),
    (lambda net, **s: channel_visualization(net, "relu1", 9, PIXELS, **s), "has channels 0 to 5, not 9"),
    (lambda net, **s: channel_visualization(net, "scores", 1, PIXELS, **s), "'scores' has no maps"),
    (lambda net, **s: neuron_visualization(net, "scores", 1, PIXELS, position=(0, 0), **s), "neurons have no position"),
    (lambda net, **s: neuron_visualization(net, "pool1", 1, PIXELS, position=(0, 8), **s),
     r"has positions \(y, x\) up to \(7, 7\), not \(0, 8\)"),
    (lambda net, **s: neuron_visualization(net, "rleu1", 1, PIXELS, **s), "no layer 'rleu1'; did you mean relu1"),
    (lambda net, **s: layer_visualization(net, "relu3", PIXELS, size=1, **s), "layer 'pool1': "),
    (lambda net, **s: neuron_visualization(net, "relu1", 1, PIXELS, MARGIN, **s), "only classes have a margin"),
    (lambda net, **s: channel_visualization(net, "relu1", 1, PIXELS, MARGIN, **s), "only classes have a margin"),
    (lambda net, **s: layer_visualization(net, "relu1", PIXELS, MARGIN, **s), "only classes have a margin"),
    (lambda net, **s: layer_visualization(net, "relu1", PIXELS, channel=6, **s), "has channels 0 to 5, not 6"),
    (lambda net, **s: layer_visualization(net, "relu1", PIXELS, channel=1, guide=np.ones((1, 3, 16, 16)), **s),
     "either a guide or one channel, not both"),
    (lambda net, **s: layer_visualization(net, "scores", PIXELS, guide=np.ones((1, 3, 16, 16)), **s), "has no maps"),
    (lambda net, **s: class_visualization(net, 5, PIXELS, **s), "no class 5")])
def test_wrong_arguments_are_named(call, message, net):
    with pytest.raises((InputError, UnknownNameError), match=message):
        call(net, rng=np.random.default_rng(0))


# ---- the checks ------------------------------------------------------------------------------------------------------


def test_check_responses_counts_a_single_stronger_picture():
    natural = np.array([[1.0, 5.0], [3.0, 4.0]])
    good = check_responses("neuron", "relu1", np.array([3.5, 6.0]), natural)
    assert not any(check.judged for check in good) and good[0].value == 2 and good[2].value == 100
    bad = check_responses("neuron", "relu1", np.array([3.5, 4.5]), natural)
    assert bad[0].value == 1 and bad[2].value == 75


def test_responses_of_neurons_channels_and_layers(rng):
    out = rng.standard_normal((2, 3, 4, 4))
    assert np.array_equal(layer_responses("neuron", out), out.max(axis=(2, 3)))
    assert np.allclose(layer_responses("channel", out), out.mean(axis=(2, 3)))
    assert np.allclose(layer_responses("layer", out)[:, 0], np.sqrt((out**2).mean(axis=(1, 2, 3))))
    assert np.array_equal(layer_responses("neuron", out[:, :, 0, 0]), out[:, :, 0, 0])


def test_neurons_with_padding_are_left_out(net):
    out = np.zeros((1, 4, 8, 8))
    assert without_padded_neurons(net, "relu2b", out).shape == (1, 4, 4, 4)  # a field of 6 pixels, stride 2
    assert without_padded_neurons(net, "scores", out[:, :, 0, 0]).shape == (1, 4)


def test_check_field(net, rng):
    assert check_field(net, "relu2b", 1, rng)[0].passed
    assert check_field(net, "scores", 1, rng) == []

    class Leak(Conv2D):
        def backward(self, dout, x):
            return super().backward(dout, x) + 1e-6
    net.layer("conv1").__class__ = Leak
    assert not check_field(net, "relu2b", 1, rng)[0].passed


def test_rank_in_layer(rng):
    out = np.arange(24.0).reshape(2, 3, 4)
    assert rank_in_layer(out, 1, (2, 3)) == 1 and rank_in_layer(out, 0, (0, 0)) == 24
    assert rank_in_layer(np.array([3.0, 1.0, 2.0]), 2) == 2


def test_neurons_of_fully_connected_layers(rng):
    net = Network((1, 6, 6))
    net.add("flatten", Flatten())
    net.add("fc1", Linear(36, 4, rng))
    net.add("relu1", ReLU())
    grey = Preprocessing("L", 1 / 255, (0.5,), (0.25,), 6, 6)
    image, history = neuron_visualization(net, "relu1", [0, 2], grey, replace(CS231N, num_steps=8),
                                          rng=np.random.default_rng(0))
    gradient = neuron_gradient(net, image, "fc1", 2)
    assert image.shape == (2, 1, 6, 6) and history[-1].values[0] > history[0].values[0] and gradient.any()
