"""A network of one convolution, to draw the first filters of any network."""

import numpy as np

from minicnn.errors import InputError
from minicnn.layers import Conv2D
from minicnn.network import Network

MOST_FILTERS, LARGEST_KERNEL = 4096, 64  # limits the memory that a weights file can ask for


def first_layer(seed: int | None = 0, filters: int = 64, kernel_size: int = 7, input_size: int = 224) -> Network:
    """Return a network of one convolution "conv1" on three channels, without bias, stride or padding.

    Raises InputError if it has more or larger filters than any known network.
    """
    if not (1 <= filters <= MOST_FILTERS and 2 <= kernel_size <= LARGEST_KERNEL):
        raise InputError(f"{filters} filters of {kernel_size}x{kernel_size}: expected 1 to {MOST_FILTERS:,} of 2x2 to "
                         f"{LARGEST_KERNEL}x{LARGEST_KERNEL}")
    rng = None if seed is None else np.random.default_rng(seed)
    net = Network((3, input_size, input_size))
    net.add("conv1", Conv2D(3, filters, kernel_size, bias=False, rng=rng))
    return net
