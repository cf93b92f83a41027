"""The first convolution of some network, alone: enough for pictures of its filters."""

import numpy as np

from minicnn.layers import Conv2D
from minicnn.network import Network


def first_layer(seed=0, filters=64, kernel_size=7, input_size=224):
    """A convolution "conv1" on three channels, without bias; how it strides and pads is not known and not used."""
    rng = None if seed is None else np.random.default_rng(seed)
    net = Network((3, input_size, input_size))
    net.add("conv1", Conv2D(3, filters, kernel_size, bias=False, rng=rng))
    return net
