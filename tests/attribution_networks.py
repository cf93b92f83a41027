"""Small networks, pictures and trained networks that the tests of attribution share."""

import numpy as np

from minicnn.layers import BatchNorm2D, Conv2D, GlobalAvgPool2D, Linear, MaxPool2D, ReLU
from minicnn.models.preprocessing import TORCHVISION
from minicnn.network import Network
from minicnn.visualize.attribution.compare import attribution_maps

SHAPES_SEED = 20_000_000  # no training has used this seed


def small_network(rng, relu=True, bias=True):
    """Return two stages, the mean over positions, and five scores. Without ReLUs and pooling it is linear."""
    net = Network((3, 16, 16))
    net.add("conv1", Conv2D(3, 6, 3, pad=1, rng=rng))
    if relu:
        net.add("relu1", ReLU())
        net.add("pool1", MaxPool2D(2))
    net.add("conv2", Conv2D(6, 8, 3, rng=rng))
    if relu:
        net.add("relu2", ReLU())
    net.add("pool2", GlobalAvgPool2D())
    net.add("fc3", Linear(8, 5, rng=rng))
    for layer in net.parameter_layers().values():
        layer.params["b"] = rng.normal(0, 0.3 * bias, layer.params["b"].shape).astype(np.float32)
    return net


def module_network(rng, last_relu=False):
    """Return two stages, the second one named as a module, and five scores. last_relu : the scores come from a ReLU."""
    net = Network((3, 16, 16))
    net.add("conv1", Conv2D(3, 6, 3, pad=1, rng=rng))
    net.add("bn1", BatchNorm2D(6))
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(2))
    net.add("fire2/conv", Conv2D(6, 8, 3, rng=rng))
    net.add("relu2", ReLU())
    if last_relu:
        net.add("conv3", Conv2D(8, 5, 1, rng=rng))
        net.add("relu3", ReLU())
    net.add("pool3", GlobalAvgPool2D())
    if not last_relu:
        net.add("fc3", Linear(8, 5, rng=rng))
    return net


def pictures(rng, count=2, dtype="float32"):
    """Return random inputs, (count, 3, 16, 16)."""
    return rng.standard_normal((count, 3, 16, 16)).astype(dtype)


def score(net, x, label):
    """Return the sum of the scores of one class over the images."""
    return float(net.predict(x)[:, label].sum())


def maps_of(net, x, label, **settings):
    """Return the attribution_maps with few samples and steps."""
    few = {"samples": 3, "steps": 3, "masks": 8}
    return attribution_maps(net, x, label, rng=np.random.default_rng(1), **(few | settings))


def squeezenet_twins(oracle, net, test_data):
    """Return the trained SqueezeNet 1.1 `net` in both libraries, float64, and two small crops of photos."""
    net = net.astype("float64")
    module = oracle.with_parameters_of(net, lambda: oracle.SqueezeNet("1_1"), oracle.SQUEEZENET1_1_NAMES)
    x, labels = real_photos(test_data)
    return net, module, x[[0, 3], :, 40:137, 50:131].astype("float64"), labels[[0, 3]]


def real_photos(test_data):
    """Return 25 photos as inputs, and their classes."""
    with np.load(test_data / "photos" / "imagenet_25.npz") as photos:
        return TORCHVISION.to_input(photos["X"]), photos["y"]
