"""SqueezeNet 1.0 and 1.1: Iandola et al. 2016 (arXiv:1602.07360)."""

from collections.abc import Sequence

import numpy as np

from minicnn.backend import Generator
from minicnn.layers import Concat, Conv2D, Dropout, GlobalAvgPool2D, MaxPool2D, ReLU
from minicnn.network import Network

# module number -> (squeeze, expand) channels, the same in both versions; they pool after different modules
FIRES = {2: (16, 64), 3: (16, 64), 4: (32, 128), 5: (32, 128), 6: (48, 192), 7: (48, 192), 8: (64, 256), 9: (64, 256)}


def squeezenet1_0(seed: int | None = 0, pool_ceil: bool = True, conv10_pad: int = 0, input_size: int = 224,
                  num_classes: int = 1000) -> Network:
    """Return SqueezeNet 1.0, with 1,248,424 parameters.

    Parameters
    ----------
    seed : of the initial weights (He et al. 2015). None gives zeros, for weights to load.
    pool_ceil : whether pooled sizes are rounded up (Caffe, torchvision) or down (TensorFlow ports).
    conv10_pad : 0 as in torchvision, or 1 as in the Caffe original, whose maps so have a border of only the bias.
    input_size : side of the images in pixels.
    num_classes : number of outputs.

    >>> squeezenet1_0().num_parameters()
    1248424
    """
    return _squeezenet(seed, 96, 7, (1, 4, 8), pool_ceil, conv10_pad, input_size, num_classes)


def squeezenet1_1(seed: int | None = 0, pool_ceil: bool = True, conv10_pad: int = 0, input_size: int = 224,
                  num_classes: int = 1000) -> Network:
    """Return SqueezeNet 1.1, with 1,235,496 parameters and 2.4 times fewer multiply-adds than SqueezeNet 1.0.

    It takes the same arguments as `squeezenet1_0`.

    >>> squeezenet1_1().find("features.0")
    'conv1'
    """
    return _squeezenet(seed, 64, 3, (1, 3, 5), pool_ceil, conv10_pad, input_size, num_classes)


def _squeezenet(seed: int | None, channels: int, kernel_size: int, pools_after: Sequence[int], pool_ceil: bool,
                conv10_pad: int, input_size: int, num_classes: int) -> Network:
    rng = None if seed is None else np.random.default_rng(seed)
    net = Network((3, input_size, input_size), squeezenet_aliases(pools_after))
    net.add("conv1", Conv2D(3, channels, kernel_size, stride=2, rng=rng))
    net.add("relu_conv1", ReLU())
    net.add("pool1", MaxPool2D(3, stride=2, ceil=pool_ceil))
    for number, (squeeze, expand) in FIRES.items():
        add_fire(net, f"fire{number}", channels, squeeze, expand, rng)
        channels = 2 * expand
        if number in pools_after:
            net.add(f"pool{number}", MaxPool2D(3, stride=2, ceil=pool_ceil))
    net.add("drop9", Dropout())
    net.add("conv10", Conv2D(512, num_classes, 1, pad=conv10_pad, rng=rng))
    net.add("relu_conv10", ReLU())
    net.add("pool10", GlobalAvgPool2D())
    return net


def add_fire(net: Network, name: str, in_channels: int, squeeze: int, expand: int,
             rng: Generator | None = None) -> str:
    """Append a Fire module of seven layers: a 1x1 convolution squeezes, a 1x1 and a 3x3 one expand, side by side."""
    net.add(f"{name}/squeeze1x1", Conv2D(in_channels, squeeze, 1, rng=rng))
    squeezed = net.add(f"{name}/relu_squeeze1x1", ReLU())
    net.add(f"{name}/expand1x1", Conv2D(squeeze, expand, 1, rng=rng), squeezed)
    left = net.add(f"{name}/relu_expand1x1", ReLU())
    net.add(f"{name}/expand3x3", Conv2D(squeeze, expand, 3, pad=1, rng=rng), squeezed)
    right = net.add(f"{name}/relu_expand3x3", ReLU())
    return net.add(f"{name}/concat", Concat(), left, right)


def squeezenet_aliases(pools_after: Sequence[int]) -> dict[str, str]:
    """Return {torchvision's name, or CS231n's number 0 to 12 of a module in `features`: name of the layer}."""
    modules = ["conv1", "relu_conv1", "pool1"]
    for number in FIRES:
        modules.append(f"fire{number}")
        if number in pools_after:
            modules.append(f"pool{number}")
    aliases = {}
    for index, module in enumerate(modules):
        if module.startswith("fire"):
            aliases[f"features.{index}.squeeze"] = f"{module}/squeeze1x1"
            aliases[f"features.{index}.expand1x1"] = f"{module}/expand1x1"
            aliases[f"features.{index}.expand3x3"] = f"{module}/expand3x3"
            aliases[module] = f"{module}/concat"
            module = f"{module}/concat"
        aliases[f"features.{index}"] = aliases[str(index)] = module
    for index, name in enumerate(("drop9", "conv10", "relu_conv10", "pool10")):
        aliases[f"classifier.{index}"] = name
    return aliases
