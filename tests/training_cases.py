"""Small networks and batches for the tests of training."""

import numpy as np

from minicnn.backend import to_host
from minicnn.layers import BatchNorm2D, Conv2D, Dropout, Flatten, Linear, MaxPool2D, ReLU
from minicnn.models.weights import named_arrays
from minicnn.network import Network
from minicnn.training.train import MiniBatches


def tiny_net(xp=np, dtype="float32", seed=0, dropout=0.3, batch_norm=True):
    """Return two convolutions and a classifier of three classes, for images of 2x6x6."""
    rng = np.random.default_rng(seed)
    net = Network((2, 6, 6))
    net.add("conv1", Conv2D(2, 4, 3, pad=1, rng=rng))
    if batch_norm:
        net.add("norm1", BatchNorm2D(4))
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(2))
    net.add("conv2", Conv2D(4, 5, 3, pad=1, rng=rng))
    net.add("relu2", ReLU())
    net.add("flatten", Flatten())
    if dropout:
        net.add("drop3", Dropout(dropout))
    net.add("fc3", Linear(45, 3, rng))
    return net.astype(dtype).to_device("cpu" if xp is np else "gpu")


def noise_batches(batch_size=4, count=12, dtype="float32"):
    """Return batches of noise with random labels."""
    rng = np.random.default_rng(1)
    return MiniBatches(rng.standard_normal((count, 2, 6, 6)).astype(dtype), rng.integers(0, 3, count), batch_size)


def arrays_of(net):
    """Return copies of all parameters and buffers, on the host."""
    return {name: to_host(array).copy() for name, array in named_arrays(net).items()}


def same(arrays, others):
    """Return whether both have the same names and the same bits."""
    return arrays.keys() == others.keys() and all(
        array.dtype == others[name].dtype and np.array_equal(array, others[name]) for name, array in arrays.items())


def shared_net(dtype="float64", shared=True):
    """Return a network with the same convolution twice or, unless `shared`, with two equal convolutions."""
    net, layer = Network((2, 4, 4)), Conv2D(2, 2, 3, pad=1, rng=np.random.default_rng(0))
    net.add("conv1", layer)
    net.add("relu1", ReLU())
    net.add("conv2", layer if shared else Conv2D(2, 2, 3, pad=1, rng=np.random.default_rng(0)))
    net.add("flatten", Flatten())
    net.add("fc", Linear(32, 3, np.random.default_rng(1)))
    return net.astype(dtype)


def shared_batches(step):
    rng = np.random.default_rng([9, step])
    return rng.standard_normal((3, 2, 4, 4)), np.array([0, 2, 1])
