"""The third small network that is shipped: it paints a picture from what the `shapes` network makes of one."""

import numpy as np

from minicnn.layers import AvgPool2D, BatchNorm2D, Concat, Conv2D, FourierFeatures2D, ReLU, Upsample2D
from minicnn.network import Network


def shapes_encoder(net):
    """The `shapes` network up to the code that `shapes_decoder` starts from, (120, 4, 4): the answers of relu1, which
    tell the colours, and of relu5, which tell what it is, each averaged over the 4x4 parts of the picture."""
    encoder = net.trunk("relu5")
    encoder.add("code1", AvgPool2D(16), "relu1")
    encoder.add("code5", AvgPool2D(2), "relu5")
    encoder.add("code", Concat(), "code1", "code5")
    return encoder


def shapes_decoder(seed=0):
    """From a code, (120, 4, 4), to a picture as the `shapes` network takes it, (3, 64, 64).

    An up-convolutional network as of Dosovitskiy and Brox 2016 (arXiv:1602.02644), which at last chooses among waves
    of the textures' periods. `norm0` knows each channel's mean and variance in the codes of drawn pictures.
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
