"""A small network for the tests of textures and style: two convolutions, each with a ReLU and a pool."""

import numpy as np

from minicnn.layers import Conv2D, MaxPool2D, ReLU
from minicnn.network import Network


def network(xp, dtype="float32"):
    """Return the network for pictures of 24x24 pixels or another size, on the device of `xp`."""
    rng = np.random.default_rng(3)
    net = Network((3, 24, 24))
    net.add("conv1", Conv2D(3, 6, 3, pad=1, rng=rng))
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(2))
    net.add("conv2", Conv2D(6, 8, 3, pad=1, rng=rng))
    net.add("relu2", ReLU())
    net.add("pool2", MaxPool2D(2))
    return net.astype(dtype).to_device("cpu" if xp is np else "gpu")
