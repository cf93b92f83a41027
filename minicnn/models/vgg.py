"""VGG-16 and VGG-19: Simonyan and Zisserman 2014 (arXiv:1409.1556), configurations D and E."""

from collections.abc import Sequence

import numpy as np

from minicnn.errors import unknown_name
from minicnn.layers import AvgPool2D, Conv2D, Dropout, Flatten, Linear, MaxPool2D, Pad2D, ReLU
from minicnn.network import Network

CHANNELS = (64, 128, 256, 512, 512)  # of the five blocks
VGG16_DEPTHS = (2, 2, 3, 3, 3)       # convolutions in each block
VGG19_DEPTHS = (2, 2, 4, 4, 4)


def vgg16(seed: int | None = 0, pooling: str = "max", padding: str = "zero", num_classes: int = 1000) -> Network:
    """Return VGG-16, with 138,357,544 parameters.

    seed : of the initial weights (He et al. 2015). None gives zeros, for weights to load.
    pooling : "max", or "avg" as in Gatys et al. 2015.
    padding : "zero" or "reflect".

    >>> vgg16(seed=None).num_parameters()
    138357544
    """
    return _vgg(VGG16_DEPTHS, seed, pooling, padding, num_classes)


def vgg19(seed: int | None = 0, pooling: str = "max", padding: str = "zero", num_classes: int = 1000) -> Network:
    """Return VGG-19, with 143,667,240 parameters. It takes the same arguments as `vgg16`.

    >>> vgg19(seed=None, pooling="avg").find("block5_conv4")
    'relu5_4'
    """
    return _vgg(VGG19_DEPTHS, seed, pooling, padding, num_classes)


def _vgg(depths: Sequence[int], seed: int | None, pooling: str, padding: str, num_classes: int) -> Network:
    if pooling not in ("max", "avg"):
        raise unknown_name("pooling", pooling, ["max", "avg"])
    if padding not in ("zero", "reflect"):
        raise unknown_name("padding", padding, ["zero", "reflect"])
    rng = None if seed is None else np.random.default_rng(seed)
    net = Network((3, 224, 224), vgg_aliases(depths))
    in_channels = 3
    for block, (depth, channels) in enumerate(zip(depths, CHANNELS, strict=True), 1):
        for i in range(1, depth + 1):
            if padding == "reflect":
                net.add(f"pad{block}_{i}", Pad2D(1, "reflect"))
            net.add(f"conv{block}_{i}", Conv2D(in_channels, channels, 3, pad=int(padding == "zero"), rng=rng))
            net.add(f"relu{block}_{i}", ReLU())
            in_channels = channels
        net.add(f"pool{block}", MaxPool2D(2) if pooling == "max" else AvgPool2D(2))
    net.add("flatten", Flatten())
    net.add("fc6", Linear(512 * 7 * 7, 4096, rng))
    net.add("relu6", ReLU())
    net.add("drop6", Dropout())
    net.add("fc7", Linear(4096, 4096, rng))
    net.add("relu7", ReLU())
    net.add("drop7", Dropout())
    net.add("fc8", Linear(4096, num_classes, rng))
    return net


def vgg_aliases(depths: Sequence[int]) -> dict[str, str]:
    """Return {name in torchvision or Keras: name of the layer}.

    A Keras convolution includes its ReLU, so its name stands for the ReLU.
    """
    aliases: dict[str, str] = {}
    index = 0
    for block, depth in enumerate(depths, 1):
        for i in range(1, depth + 1):
            aliases[f"features.{index}"] = f"conv{block}_{i}"
            aliases[f"features.{index + 1}"] = f"relu{block}_{i}"
            aliases[f"block{block}_conv{i}"] = f"relu{block}_{i}"
            index += 2
        aliases[f"features.{index}"] = f"pool{block}"
        aliases[f"block{block}_pool"] = f"pool{block}"
        index += 1
    for index, name in enumerate(("fc6", "relu6", "drop6", "fc7", "relu7", "drop7", "fc8")):
        aliases[f"classifier.{index}"] = name
    return aliases | {"fc1": "relu6", "fc2": "relu7", "predictions": "fc8"}
