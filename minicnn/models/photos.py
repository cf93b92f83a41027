"""The small classifier of photographs that was trained with this library. Its weights come with it."""

import numpy as np

from minicnn.backend import Generator
from minicnn.layers import BatchNorm2D, Concat, Conv2D, Dropout, GlobalAvgPool2D, MaxPool2D, ReLU
from minicnn.network import Network

# module number -> (squeeze, expand) channels: SqueezeNet's modules with fewer channels
FIRES = {2: (16, 32), 3: (16, 48), 4: (24, 64), 5: (32, 96), 6: (48, 128), 7: (64, 192), 8: (64, 192)}
POOLS_AFTER = (3, 5)
NUM_CLASSES = 36


def photos(seed: int | None = 0, num_classes: int = NUM_CLASSES, batch_norm: bool = False) -> Network:
    """Return a classifier of photographs of 128x128 pixels or larger, made of the Fire modules of SqueezeNet.

    Iandola et al. 2016 (arXiv:1602.07360), with a first layer of 7x7 pixels.

    seed : of the initial weights (He et al. 2015). None gives zeros, for weights to load.
    num_classes : number of outputs.
    batch_norm : normalize each convolution's output by the batch (Ioffe and Szegedy 2015), as the training does.
    `fold_norms` then returns a network without normalization.

    >>> photos().num_parameters()
    444556
    """
    rng = None if seed is None else np.random.default_rng(seed)
    net = Network((3, 128, 128), {f"fire{number}": f"fire{number}/concat" for number in FIRES})
    add_convolution(net, "conv1", "relu_conv1", Conv2D(3, 32, 7, stride=2, pad=3, rng=rng), batch_norm)
    net.add("pool1", MaxPool2D(3, stride=2, ceil=True))
    channels = 32
    for number, (squeeze, expand) in FIRES.items():
        add_fire(net, f"fire{number}", channels, squeeze, expand, rng, batch_norm)
        channels = 2 * expand
        if number in POOLS_AFTER:
            net.add(f"pool{number}", MaxPool2D(3, stride=2, ceil=True))
    net.add("drop8", Dropout(0.4))
    net.add("conv9", Conv2D(channels, num_classes, 1, rng=rng))
    net.add("pool9", GlobalAvgPool2D())
    return net


def add_fire(net: Network, name: str, in_channels: int, squeeze: int, expand: int, rng: Generator | None,
             batch_norm: bool) -> str:
    """Append a Fire module: a 1x1 convolution squeezes, a 1x1 and a 3x3 one expand, side by side."""
    squeezed = add_convolution(net, f"{name}/squeeze1x1", f"{name}/relu_squeeze1x1",
                               Conv2D(in_channels, squeeze, 1, rng=rng), batch_norm)
    left = add_convolution(net, f"{name}/expand1x1", f"{name}/relu_expand1x1",
                           Conv2D(squeeze, expand, 1, rng=rng), batch_norm, squeezed)
    right = add_convolution(net, f"{name}/expand3x3", f"{name}/relu_expand3x3",
                            Conv2D(squeeze, expand, 3, pad=1, rng=rng), batch_norm, squeezed)
    return net.add(f"{name}/concat", Concat(), left, right)


def add_convolution(net: Network, name: str, relu: str, convolution: Conv2D, batch_norm: bool, *inputs: str) -> str:
    """Append a convolution, its normalization if there is one, and its ReLU, whose name is returned."""
    net.add(name, convolution, *inputs)
    if batch_norm:
        net.add(f"{name}/norm", BatchNorm2D(len(convolution.params["w"])))
    return net.add(relu, ReLU())
