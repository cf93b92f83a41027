"""The fixture of the tests of gradient ascent."""

import pytest

from minicnn.layers import Concat, Conv2D, Dropout, GlobalAvgPool2D, MaxPool2D, ReLU
from minicnn.network import Network


@pytest.fixture
def net(rng):
    """A small network: a convolution and a pool, two branches, and five class scores after the last ReLU."""
    net = Network((3, 16, 16), {"features.0": "conv1"})
    net.add("conv1", Conv2D(3, 6, 3, pad=1, rng=rng))
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(2))
    net.add("conv2a", Conv2D(6, 4, 1, rng=rng), "pool1")
    left = net.add("relu2a", ReLU())
    net.add("conv2b", Conv2D(6, 4, 3, pad=1, rng=rng), "pool1")
    right = net.add("relu2b", ReLU())
    net.add("concat", Concat(), left, right)
    net.add("drop3", Dropout(0.5))
    net.add("conv3", Conv2D(8, 5, 1, rng=rng))
    net.add("relu3", ReLU())
    net.add("scores", GlobalAvgPool2D())
    return net
