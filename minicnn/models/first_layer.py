"""The first convolution of some network, alone: enough for pictures of its filters."""

import numpy as np

from minicnn.errors import InputError
from minicnn.layers import Conv2D
from minicnn.network import Network

MOST_FILTERS, LARGEST_KERNEL = 4096, 64  # no first convolution has more; a file that announces more is a trap


def first_layer(seed=0, filters=64, kernel_size=7, input_size=224):
    """A convolution "conv1" on three channels, without bias; how it strides and pads is not known and not used.

    Raises InputError for more or larger filters than any network has.
    """
    if not (1 <= filters <= MOST_FILTERS and 2 <= kernel_size <= LARGEST_KERNEL):
        raise InputError(f"{filters} filters of {kernel_size}x{kernel_size}: expected 1 to {MOST_FILTERS:,} of 2x2 to "
                         f"{LARGEST_KERNEL}x{LARGEST_KERNEL}")
    rng = None if seed is None else np.random.default_rng(seed)
    net = Network((3, input_size, input_size))
    net.add("conv1", Conv2D(3, filters, kernel_size, bias=False, rng=rng))
    return net
