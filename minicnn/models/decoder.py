"""The decoder of the `shapes` network: it computes an image from activations. Its weights come with the library."""

import numpy as np

from minicnn.layers import AvgPool2D, BatchNorm2D, Concat, Conv2D, FourierFeatures2D, ReLU, Upsample2D
from minicnn.network import Network


def shapes_encoder(net: Network) -> Network:
    """Return the `shapes` network up to the code of an image, (120, 4, 4), which is the input of `shapes_decoder`.

    The code consists of the activations of relu1, which hold the colours, and of relu5, which hold the class, each
    averaged over 4x4 parts of the image.

    >>> shapes_encoder(net).predict(x).shape
    (1, 120, 4, 4)
    """
    encoder = net.trunk("relu5")
    encoder.add("code1", AvgPool2D(16), "relu1")
    encoder.add("code5", AvgPool2D(2), "relu5")
    encoder.add("code", Concat(), "code1", "code5")
    return encoder


def shapes_decoder(seed: int | None = 0) -> Network:
    """Return a network from a code (120, 4, 4) of `shapes_encoder` to an input (3, 64, 64) of the `shapes` network.

    An up-convolutional network (Dosovitskiy and Brox 2016, arXiv:1602.02644). Its last layers also get waves with the
    periods of the textures. `norm0` holds the mean and variance of each channel in the codes of drawn images.
    seed : of the initial weights (He et al. 2015). None gives zeros, for weights to load.

    >>> shapes_decoder().predict(np.zeros((1, 120, 4, 4), "float32")).shape
    (1, 3, 64, 64)
    """
    rng = None if seed is None else np.random.default_rng(seed)
    net = Network((120, 4, 4))
    net.add("norm0", BatchNorm2D(120))
    channels = 120
    for i, width in enumerate((48, 48, 48, 32, 24), 1):  # 4x4 twice, then 8x8, 16x16, 32x32
        if i > 2:
            net.add(f"upsample{i}", Upsample2D())
        net.add(f"conv{i}", Conv2D(channels, width, 3, pad=1, rng=rng))
        net.add(f"norm{i}", BatchNorm2D(width))
        net.add(f"relu{i}", ReLU())
        channels = width
    net.add("upsample6", Upsample2D())
    net.add("waves6", FourierFeatures2D((4.8, 6.2, 8.0), 6))
    net.add("conv6", Conv2D(channels + 36, 48, 1, rng=rng))
    net.add("relu6", ReLU())
    net.add("conv7", Conv2D(48, 32, 1, rng=rng))
    net.add("relu7", ReLU())
    net.add("picture", Conv2D(32, 3, 3, pad=1, rng=rng))
    return net
