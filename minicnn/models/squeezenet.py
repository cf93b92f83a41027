"""SqueezeNet 1.0 and 1.1: Iandola et al. 2016 (arXiv:1602.07360)."""

import numpy as np

from minicnn.layers import Concat, Conv2D, Dropout, GlobalAvgPool2D, MaxPool2D, ReLU
from minicnn.network import Network

# module number -> (squeeze, expand) channels, the same in both versions; "pool" follows the modules named below
FIRES = {2: (16, 64), 3: (16, 64), 4: (32, 128), 5: (32, 128), 6: (48, 192), 7: (48, 192), 8: (64, 256), 9: (64, 256)}


def squeezenet1_0(seed=0, pool_ceil=True, conv10_pad=0, input_size=224, num_classes=1000):
    """SqueezeNet 1.0, 1,248,424 parameters, He-initialised from `seed` (None: zeros, for weights to be loaded).

    pool_ceil : round pooled sizes up (Caffe, torchvision) or down (TensorFlow ports).
    conv10_pad : 0 as in torchvision, 1 as in the Caffe original, which so adds a border of pure bias.
    """
    return _squeezenet(seed, 96, 7, (1, 4, 8), pool_ceil, conv10_pad, input_size, num_classes)


def squeezenet1_1(seed=0, pool_ceil=True, conv10_pad=0, input_size=224, num_classes=1000):
    """SqueezeNet 1.1, 1,235,496 parameters and 2.4 times less work; options as for squeezenet1_0."""
    return _squeezenet(seed, 64, 3, (1, 3, 5), pool_ceil, conv10_pad, input_size, num_classes)


def _squeezenet(seed, channels, kernel_size, pools_after, pool_ceil, conv10_pad, input_size, num_classes):
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


def add_fire(net, name, in_channels, squeeze, expand, rng=None):
    """Append a Fire module as seven named nodes: squeeze by 1x1, expand by 1x1 and 3x3 side by side, concat."""
    net.add(f"{name}/squeeze1x1", Conv2D(in_channels, squeeze, 1, rng=rng))
    squeezed = net.add(f"{name}/relu_squeeze1x1", ReLU())
    net.add(f"{name}/expand1x1", Conv2D(squeeze, expand, 1, rng=rng), squeezed)
    left = net.add(f"{name}/relu_expand1x1", ReLU())
    net.add(f"{name}/expand3x3", Conv2D(squeeze, expand, 3, pad=1, rng=rng), squeezed)
    right = net.add(f"{name}/relu_expand3x3", ReLU())
    return net.add(f"{name}/concat", Concat(), left, right)


def squeezenet_aliases(pools_after):
    """torchvision's names, and CS231n's numbers 0..12 of the modules of `features`."""
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
