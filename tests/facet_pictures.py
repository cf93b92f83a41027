"""A small network and two kinds of pictures, for the tests of facets."""

import numpy as np

from minicnn.backend import to_device
from minicnn.layers import Conv2D, GlobalAvgPool2D, Linear, ReLU
from minicnn.network import Network


def small_network(rng):
    """Return a network for pictures of 3x12x12 with four class scores."""
    net = Network((3, 12, 12))
    net.add("conv1", Conv2D(3, 6, 3, pad=1, rng=rng))
    net.add("relu1", ReLU())
    net.add("pool1", GlobalAvgPool2D())
    net.add("fc2", Linear(6, 4, rng))
    return net


def on(xp, thing):
    """Return a network or an array on the device of xp."""
    device = "cpu" if xp is np else "gpu"
    return thing.to_device(device) if isinstance(thing, Network) else to_device(thing, device)


def two_kinds(rng, count=40):
    """Return red pictures with a bright left side, and blue ones with a bright right side, (count, 3, 12, 12)."""
    x = 0.1 * rng.standard_normal((count, 3, 12, 12)).astype(np.float32)
    x[::2, 0, :, :6] += 1
    x[1::2, 2, :, 6:] += 1
    return x
