"""Receptive fields: the published ones, by intervals, and by the gradients of single units."""


import numpy as np
import pytest
from small_networks import PUBLISHED_FIELDS

from minicnn.layers import AvgPool2D, BatchNorm2D, Concat, Conv2D, Flatten, GlobalAvgPool2D, MaxPool2D, Pad2D, ReLU
from minicnn.layers.pool import Pool2D
from minicnn.models import (
    alexnet,
    caffenet,
    digits,
    resnet18,
    shapes,
    squeezenet1_0,
    squeezenet1_1,
    vgg16,
    vgg19,
)
from minicnn.network import Network
from minicnn.receptive_field import ReceptiveField
from minicnn.visualize import (
    receptive_field,
)


# (network, layer, size, stride): measured elsewhere, on torchvision's and Caffe's networks
@pytest.mark.parametrize(("build", "layer", "size", "stride"), PUBLISHED_FIELDS,
                         ids=[f"{build.__name__}-{layer}" for build, layer, *_ in PUBLISHED_FIELDS])
def test_receptive_fields_are_the_published_ones(build, layer, size, stride):
    field = receptive_field(build(seed=None), layer)
    assert (field.size, field.stride) == (size, stride)


def test_units_after_a_global_layer_depend_on_the_whole_image():
    net = alexnet(seed=None)
    assert receptive_field(net, "fc6") is None and receptive_field(net, "fc8") is None


NETWORKS = [vgg16, vgg19, squeezenet1_0, squeezenet1_1, alexnet, caffenet, resnet18, digits, shapes]


def layers_with_maps(net):
    """Return the names of the layers with maps."""
    shapes_of = net.shapes()
    return [name for name in net.layer_names() if len(shapes_of[name]) == 4]


def interval(net, layer, unit):
    """Return the (first, last) pixel along a side that a unit depends on, padding included, by intervals."""
    needed = {layer: (unit, unit)}
    for name, step, inputs in reversed(net.nodes):
        if name not in needed:
            continue
        first, last = needed[name]
        if isinstance(step, Conv2D):
            kernel, stride, pad = step.params["w"].shape[3], step.stride, step.pad
        elif isinstance(step, Pool2D):
            kernel, stride, pad = step.kernel_size, step.stride, step.pad
        elif isinstance(step, Pad2D):
            kernel, stride, pad = 1, 1, step.pad
        else:
            kernel, stride, pad = 1, 1, 0
        first, last = first * stride - pad, last * stride - pad + kernel - 1
        for source in inputs:
            known = needed.get(source, (first, last))
            needed[source] = min(known[0], first), max(known[1], last)
    return needed["input"]


def thin(net, rng):
    """Return a network of the same geometry with one channel per layer, so that all units can be tried.

    The weights are float64 and positive, so no gradients cancel. Pools take the mean, as the gradient of a maximum goes
    to one pixel only.
    """
    slim, channels = Network((1, *net.input_shape[1:])), {"input": 1}
    for name, layer, inputs in net.trunk(layers_with_maps(net)[-1]).nodes:
        C = channels[inputs[0]]
        if isinstance(layer, Concat):
            C = sum(channels[source] for source in inputs)
        elif isinstance(layer, Conv2D):
            F, _, kernel, _ = layer.params["w"].shape
            layer = Conv2D(C, 1, kernel, layer.stride, layer.pad, bias=False)
            layer.params["w"] = rng.uniform(0.5, 1.5, layer.params["w"].shape) / (C * kernel**2)
            C = 1
        elif isinstance(layer, MaxPool2D):
            layer = AvgPool2D(layer.kernel_size, layer.stride, layer.pad, layer.ceil)
        elif isinstance(layer, BatchNorm2D):
            layer = BatchNorm2D(C)
        slim.add(name, layer, *inputs)
        channels[name] = C
    return slim.astype("float64")


def support(net, trace, layer, unit):
    """Return (top, bottom, left, right) of the pixels with a gradient, and whether all pixels in this box have one."""
    seed = np.zeros_like(trace.activations[layer])
    seed[(0, slice(None), *unit)] = 1  # all channels: in a concatenation their fields differ
    gradient = net.backward(trace, {layer: seed})["input"][0, 0]
    rows, columns = np.flatnonzero(gradient.any(axis=1)), np.flatnonzero(gradient.any(axis=0))
    box = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return box, bool(gradient[box[0]:box[1], box[2]:box[3]].all())


@pytest.mark.parametrize("build", NETWORKS, ids=lambda build: build.__name__)
def test_closed_form_intervals_and_gradients_agree_on_every_layer(build, rng):
    net = build(seed=None)
    slim = thin(net, rng)
    side = 128 if net.input_shape[1] <= 64 else 512 if build is resnet18 else 320  # so that a receptive field fits in
    trace = slim.forward(rng.uniform(0.5, 1.5, (1, 1, side, side)))
    for layer in layers_with_maps(net):
        field = receptive_field(net, layer)
        for unit in (0, 3, 7):
            first, last = interval(net, layer, unit)
            assert (field.start + field.stride * unit, field.size) == (first, last - first + 1), layer
        middle = trace.activations[layer].shape[2] // 2
        assert field.fits(middle, middle, side, side), layer
        for unit in ((0, 0), (middle, middle)):  # at a corner, with padding, and far from all padding
            assert support(slim, trace, layer, unit) == (field.box(*unit, side, side), True), (layer, unit)


@pytest.mark.parametrize(("build", "layer", "size", "stride"), PUBLISHED_FIELDS,
                         ids=[f"{build.__name__}-{layer}" for build, layer, *_ in PUBLISHED_FIELDS])
def test_intervals_give_the_published_fields(build, layer, size, stride):
    net = build(seed=None)
    (first, last), (next_first, _) = (interval(net, net.find(layer), unit) for unit in (5, 6))
    assert (last - first + 1, next_first - first) == (size, stride)


def test_relus_alone_change_no_field():
    net = Network((3, 8, 8))
    net.add("relu", ReLU())
    assert receptive_field(net, "relu") == ReceptiveField(1, 1, 0)
    net.add("pool", GlobalAvgPool2D())
    net.add("flat", Flatten())
    assert receptive_field(net, "pool") is receptive_field(net, "flat") is None
