"""Inactive neurons: the network before their ReLU, from which an ascent can start."""

from dataclasses import replace

import numpy as np
import pytest
from small_networks import on

from minicnn import load_model
from minicnn.backend import to_device, to_host
from minicnn.layers import ReLU
from minicnn.losses import ClassScore, NeuronActivation
from minicnn.models.preprocessing import TORCHVISION
from minicnn.visualize import channel_visualization, class_visualization
from minicnn.visualize.synthesis.ascent_settings import CS231N, MARGIN
from minicnn.visualize.synthesis.before_relu import before_relu, first_relu_is_dead, values_by_image
from minicnn.visualize.synthesis.canvas import first_images


def test_before_relu_keeps_active_neurons_and_gives_inactive_ones_a_gradient(net, rng, xp):
    x = rng.standard_normal((2, 3, 16, 16), dtype="float32")
    for layer in ("relu1", "concat", "drop3"):
        other = before_relu(on(xp, net), layer)
        out, before = (to_host(one.predict(to_device(x, other.device), layer)) for one in (on(xp, net), other))
        assert np.allclose(np.maximum(before, 0), out, atol=1e-5) and (before < 0).any()
    assert [type(node.layer) for node in net.nodes].count(ReLU) == 4  # the network itself is unchanged
    assert [node.name for node in before_relu(net, "concat").nodes if isinstance(node.layer, ReLU)] == ["relu1"]
    assert [node.name for node in before_relu(net, "scores").nodes if isinstance(node.layer, ReLU)] == \
        ["relu1", "relu2a", "relu2b"]


def test_an_inactive_neuron_becomes_active(net):
    start, channel = first_images((1, 3, 16, 16), TORCHVISION, np.random.default_rng(0), CS231N), 5
    largest = net.predict(start, "conv2b")[0, channel - 4].max()
    net.layer("conv2b").params["b"] = net.layer("conv2b").params["b"] - np.float32(1.05 * largest)
    assert not net.predict(start, "concat")[0, channel].any()
    image, history = channel_visualization(net, "concat", channel, TORCHVISION, replace(CS231N, num_steps=60),
                                           rng=np.random.default_rng(0))
    assert history[0].values[0] < 0 < net.predict(image, "concat")[0, channel].max()


def test_an_active_class_keeps_its_relu(net, monkeypatch):
    """The ascent maximizes the score itself, not the input of its ReLU."""
    monkeypatch.setattr("minicnn.visualize.synthesis.ascent.before_relu", lambda net, layer: pytest.fail("it was"))
    start = first_images((1, 3, 16, 16), TORCHVISION, np.random.default_rng(0), MARGIN)
    label = int(net.predict(start)[0].argmax())
    class_visualization(net, label, TORCHVISION, replace(MARGIN, num_steps=1), rng=np.random.default_rng(0))


def test_values_by_image(rng, xp):
    out = xp.asarray(rng.standard_normal((2, 3, 4, 4)))
    values = values_by_image(NeuronActivation("a", [2, 0], (1, 3)), out)
    assert np.allclose(to_host(values), [float(out[0, 2, 1, 3]), float(out[1, 0, 1, 3])])
    scores = xp.asarray(rng.standard_normal((2, 3)))
    assert np.allclose(to_host(values_by_image(ClassScore("s", 1), scores)), to_host(scores)[:, 1])


def test_the_first_relu_of_the_shipped_network_is_dead_on_grey(net):
    assert first_relu_is_dead(load_model("shapes", "cpu").net)
    for bias, dead in ((-1, True), (1, False)):
        net.layer("conv1").params["b"] = np.full(6, bias, np.float32)
        assert first_relu_is_dead(net) is dead
