"""The gradient of a neuron by three rules for the ReLU: values by hand, the receptive field, and the checks."""

import numpy as np
import pytest
from small_networks import on, scored_network, small_network

from minicnn.errors import InputError
from minicnn.layers import Conv2D, GuidedReLU, ReLU
from minicnn.models import build_network
from minicnn.network import Network
from minicnn.visualize import (
    deconvnet,
    guided_backprop,
    neuron_gradient,
    receptive_field,
)
from minicnn.visualize.attribution.guided_backprop_check import check_neuron_gradient, check_randomised


@pytest.mark.parametrize("position", [(0, 0), (2, 3), (5, 5)])
def test_guided_backprop_is_exactly_zero_outside_the_receptive_field(xp, rng, position):
    net = small_network(rng, positive=True)
    x = np.abs(rng.standard_normal((1, 3, 16, 16))).astype(np.float32)
    guided = guided_backprop(on(xp, net), x, "relu3", 1, position)[0]
    top, bottom, left, right = receptive_field(net, "relu3").box(*position, 16, 16)
    outside = guided.copy()
    outside[:, top:bottom, left:right] = 0
    assert (outside == 0).all()
    # all weights are positive, and the pool passes the gradient to a pixel of each window: the box is tight
    rows, columns = np.nonzero(guided.any(axis=0))
    assert rows.min() <= top + 1 and rows.max() >= bottom - 2
    assert columns.min() <= left + 1 and columns.max() >= right - 2


def test_the_gradient_of_one_unit_fills_the_receptive_field_of_squeezenet(rng):
    net = build_network("squeezenet1_1")
    for layer in net.parameter_layers().values():
        layer.params = {key: np.full_like(values, 0.01) for key, values in layer.params.items()}
    x = np.abs(rng.standard_normal((1, 3, 224, 224))).astype(np.float32)
    for layer, position in (("fire3", (20, 30)), ("fire5", (13, 13))):
        support = guided_backprop(net, x, layer, 0, position)[0].any(axis=0)
        rows, columns = np.nonzero(support)
        found = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        wanted = receptive_field(net, layer).box(*position, 224, 224)
        # a max pool passes the gradient to one pixel per window, so one or two rows may have no gradient
        assert all(abs(a - b) <= 8 for a, b in zip(found, wanted, strict=True))
        assert found[0] >= wanted[0] and found[1] <= wanted[1] and found[2] >= wanted[2] and found[3] <= wanted[3]


def test_the_three_rules_have_the_values_computed_by_hand(xp):
    net = Network((1, 1, 2))
    net.add("conv1", Conv2D(1, 2, 1))
    net.add("relu1", ReLU())
    net.add("conv2", Conv2D(2, 1, 1))
    net.layer("conv1").params["w"] = np.array([1.0, -1.0], np.float32).reshape(2, 1, 1, 1)
    net.layer("conv2").params["w"] = np.array([2.0, -3.0], np.float32).reshape(1, 2, 1, 1)
    x = np.array([[[[1.0, -1.0]]]], np.float32)
    net = on(xp, net)
    # at x = 1 the first unit is active (gradient 2), at x = -1 the second (gradient -3, which GuidedReLU sets to 0)
    assert neuron_gradient(net, x, "conv2", 0, (0, 0)).ravel().tolist() == [2, 0]
    assert neuron_gradient(net, x, "conv2", 0, (0, 1)).ravel().tolist() == [0, 3]
    assert guided_backprop(net, x, "conv2", 0, (0, 0)).ravel().tolist() == [2, 0]
    assert guided_backprop(net, x, "conv2", 0, (0, 1)).ravel().tolist() == [0, 0]
    assert deconvnet(net, x, "conv2", 0, (0, 1)).ravel().tolist() == [0, 2]


def test_with_positive_weights_guided_backprop_is_the_plain_gradient(rng):
    net = small_network(rng, positive=True)
    x = np.abs(rng.standard_normal((1, 3, 16, 16))).astype(np.float32)
    assert (guided_backprop(net, x, "relu3", 0, (2, 2)) == neuron_gradient(net, x, "relu3", 0, (2, 2))).all()


def test_the_network_keeps_its_relus_after_an_error(rng):
    net = small_network(rng)
    x = rng.standard_normal((1, 3, 16, 16)).astype(np.float32)
    plain = neuron_gradient(net, x, "relu3", 0, (2, 2))
    with pytest.raises(InputError):
        guided_backprop(net, x, "relu3", 0, (99, 0))
    assert all(type(node.layer) is ReLU for node in net.nodes if isinstance(node.layer, ReLU))
    assert (neuron_gradient(net, x, "relu3", 0, (2, 2)) == plain).all()


def test_every_relu_on_the_path_obeys_the_rule(rng):
    calls = []

    class Counting(GuidedReLU):
        def backward(self, dout, out):
            calls.append(dout.shape)
            return super().backward(dout, out)
    net = build_network("squeezenet1_1")
    x = rng.standard_normal((1, 3, 224, 224)).astype(np.float32)
    neuron_gradient(net, x, net.output, 5, None, Counting)
    assert len(calls) == 26
    calls.clear()
    neuron_gradient(net, x, "fire3", 5, (3, 3), Counting)
    assert len(calls) == 7


def test_the_strongest_neuron_is_the_default(rng):
    net = small_network(rng)
    x = rng.standard_normal((2, 3, 16, 16)).astype(np.float32)
    out = net.forward(x).activations["relu3"]
    for n in range(2):
        channel, y, column = np.unravel_index(out[n].argmax(), out[n].shape)
        one = guided_backprop(net, x[n:n + 1], "relu3", int(channel), (int(y), int(column)))
        assert np.allclose(guided_backprop(net, x, "relu3")[n], one[0], atol=1e-7)


@pytest.mark.parametrize(("arguments", "message"), [
    ((99, None), "has channels 0 to 4, not 99"), ((-1, None), "has channels 0 to 4, not -1"),
    ((0, (6, 0)), r"has positions \(y, x\) up to \(5, 5\), not \(6, 0\)"), ((0, (1,)), "has positions")])
def test_neurons_that_do_not_exist_are_refused(rng, arguments, message):
    with pytest.raises(InputError, match=message):
        guided_backprop(small_network(rng), np.zeros((1, 3, 16, 16), np.float32), "relu3", *arguments)


def test_the_checks_of_a_neuron_pass_and_detect_a_leak(rng):
    net = small_network(rng, positive=True)
    x = np.abs(rng.standard_normal((1, 3, 16, 16))).astype(np.float32)
    neuron = "relu3", 0, (2, 2)
    assert all(check.passed for check in check_neuron_gradient(net, x, *neuron, guided_backprop(net, x, *neuron)))
    assert not check_randomised(net, x, *neuron, rng).judged

    class Leak(Conv2D):
        def backward(self, dout, x):
            return super().backward(dout, x) + 1e-6
    net.layer("conv1").__class__ = Leak
    assert not check_neuron_gradient(net, x, *neuron, guided_backprop(net, x, *neuron))[1].passed


@pytest.mark.parametrize("layer", ["relu3", "scores"])
def test_the_checks_of_a_neuron_know_the_three_rules_apart(xp, rng, layer):
    host = scored_network(rng)
    for name, conv in host.parameter_layers().items():
        conv.params["b"] = np.full_like(conv.params["b"], 0.1 * (name != "conv3"))  # some gradients are negative
    net, x = on(xp, host), rng.standard_normal((1, 3, 16, 16)).astype(np.float32)
    out = host.predict(x, layer)[0]
    channel, *place = (int(index) for index in np.unravel_index(out.argmax(), out.shape))
    position = tuple(place) or None
    shown = {"gradient": neuron_gradient(net, x, layer, channel, position),
             "deconvnet": deconvnet(net, x, layer, channel, position),
             "guided backprop": guided_backprop(net, x, layer, channel, position)}
    for rule in shown:
        passed = [method for method, gradient in shown.items()
                  if check_neuron_gradient(net, x, layer, channel, position, gradient, rule)[0].passed]
        assert passed == [rule]
