"""AlexNet in its two best known variants, torchvision's and Caffe's (Krizhevsky et al. 2012 and 2014)."""

import numpy as np

from minicnn.layers import Conv2D, Dropout, Flatten, Linear, LocalResponseNorm, MaxPool2D, ReLU
from minicnn.network import Network


def alexnet(seed: int | None = 0, num_classes: int = 1000) -> Network:
    """Return torchvision's AlexNet (Krizhevsky 2014, arXiv:1404.5997), with 61,100,840 parameters.

    seed : of the initial weights (He et al. 2015). None gives zeros, for weights to load.

    >>> alexnet(seed=None).shapes()["pool5"]
    (1, 256, 6, 6)
    """
    rng = None if seed is None else np.random.default_rng(seed)
    net = Network((3, 224, 224), alexnet_aliases())
    net.add("conv1", Conv2D(3, 64, 11, stride=4, pad=2, rng=rng))
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(3, stride=2))
    net.add("conv2", Conv2D(64, 192, 5, pad=2, rng=rng))
    net.add("relu2", ReLU())
    net.add("pool2", MaxPool2D(3, stride=2))
    net.add("conv3", Conv2D(192, 384, 3, pad=1, rng=rng))
    net.add("relu3", ReLU())
    net.add("conv4", Conv2D(384, 256, 3, pad=1, rng=rng))
    net.add("relu4", ReLU())
    net.add("conv5", Conv2D(256, 256, 3, pad=1, rng=rng))
    net.add("relu5", ReLU())
    net.add("pool5", MaxPool2D(3, stride=2))
    net.add("flatten", Flatten())
    net.add("drop6", Dropout())
    net.add("fc6", Linear(256 * 6 * 6, 4096, rng))
    net.add("relu6", ReLU())
    net.add("drop7", Dropout())
    net.add("fc7", Linear(4096, 4096, rng))
    net.add("relu7", ReLU())
    net.add("fc8", Linear(4096, num_classes, rng))
    return net


def caffenet(seed: int | None = 0, num_classes: int = 1000) -> Network:
    """Return Caffe's AlexNet (bvlc_reference_caffenet), with 60,965,224 parameters.

    Three convolutions have two groups, and local response normalization follows the first two poolings.
    seed : of the initial weights (He et al. 2015). None gives zeros, for weights to load.

    >>> caffenet(seed=None).input_shape
    (3, 227, 227)
    """
    rng = None if seed is None else np.random.default_rng(seed)
    net = Network((3, 227, 227))
    net.add("conv1", Conv2D(3, 96, 11, stride=4, rng=rng))
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(3, stride=2, ceil=True))
    net.add("norm1", LocalResponseNorm())
    net.add("conv2", Conv2D(96, 256, 5, pad=2, groups=2, rng=rng))
    net.add("relu2", ReLU())
    net.add("pool2", MaxPool2D(3, stride=2, ceil=True))
    net.add("norm2", LocalResponseNorm())
    net.add("conv3", Conv2D(256, 384, 3, pad=1, rng=rng))
    net.add("relu3", ReLU())
    net.add("conv4", Conv2D(384, 384, 3, pad=1, groups=2, rng=rng))
    net.add("relu4", ReLU())
    net.add("conv5", Conv2D(384, 256, 3, pad=1, groups=2, rng=rng))
    net.add("relu5", ReLU())
    net.add("pool5", MaxPool2D(3, stride=2, ceil=True))
    net.add("flatten", Flatten())
    net.add("fc6", Linear(256 * 6 * 6, 4096, rng))
    net.add("relu6", ReLU())
    net.add("drop6", Dropout())
    net.add("fc7", Linear(4096, 4096, rng))
    net.add("relu7", ReLU())
    net.add("drop7", Dropout())
    net.add("fc8", Linear(4096, num_classes, rng))
    return net


def alexnet_aliases() -> dict[str, str]:
    """Return {torchvision's name: name of the layer}."""
    features = ("conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "conv3", "relu3", "conv4", "relu4", "conv5",
                "relu5", "pool5")
    classifier = ("drop6", "fc6", "relu6", "drop7", "fc7", "relu7", "fc8")
    return ({f"features.{index}": name for index, name in enumerate(features)}
            | {f"classifier.{index}": name for index, name in enumerate(classifier)})
