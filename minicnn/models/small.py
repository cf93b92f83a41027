"""The two small classifiers that were trained with this library. Their weights come with it."""

import numpy as np

from minicnn.layers import Conv2D, Dropout, Flatten, GlobalAvgPool2D, Linear, MaxPool2D, ReLU
from minicnn.network import Network


def digits(seed: int | None = 0) -> Network:
    """Return a classifier of the ten handwritten digits of MNIST, for grey images of 28x28 pixels.

    seed : of the initial weights (He et al. 2015). None gives zeros, for weights to load.

    >>> digits().output
    'fc5'
    """
    rng = None if seed is None else np.random.default_rng(seed)
    net = Network((1, 28, 28))
    net.add("conv1", Conv2D(1, 16, 5, pad=2, rng=rng))
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(2))
    net.add("conv2", Conv2D(16, 32, 3, pad=1, rng=rng))
    net.add("relu2", ReLU())
    net.add("pool2", MaxPool2D(2))
    net.add("conv3", Conv2D(32, 64, 3, pad=1, rng=rng))
    net.add("relu3", ReLU())
    net.add("flatten", Flatten())
    net.add("drop4", Dropout(0.3))
    net.add("fc4", Linear(64 * 7 * 7, 64, rng))
    net.add("relu4", ReLU())
    net.add("fc5", Linear(64, 10, rng))
    return net


def shapes(seed: int | None = 0) -> Network:
    """Return a classifier of the twelve textured shapes that minicnn.datasets.shapes draws.

    It takes colour images of 64x64 pixels or larger.
    seed : of the initial weights (He et al. 2015). None gives zeros, for weights to load.

    >>> shapes().num_parameters()
    168588
    """
    rng = None if seed is None else np.random.default_rng(seed)
    net = Network((3, 64, 64))
    net.add("conv1", Conv2D(3, 24, 7, pad=3, rng=rng))
    net.layer("conv1").params["w"] *= np.float32(0.1)  # small, so that the learnt part dominates
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(2))
    net.add("conv2", Conv2D(24, 32, 3, pad=1, rng=rng))
    net.add("relu2", ReLU())
    net.add("pool2", MaxPool2D(2))
    net.add("conv3", Conv2D(32, 64, 3, pad=1, rng=rng))
    net.add("relu3", ReLU())
    net.add("pool3", MaxPool2D(2))
    net.add("conv4", Conv2D(64, 96, 3, pad=1, rng=rng))
    net.add("relu4", ReLU())
    net.add("conv5", Conv2D(96, 96, 3, pad=1, rng=rng))
    net.add("relu5", ReLU())
    net.add("pool5", GlobalAvgPool2D())
    net.add("fc6", Linear(96, 12, rng))
    return net
