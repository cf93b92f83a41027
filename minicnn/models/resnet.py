"""ResNet-18: He et al. 2015 (arXiv:1512.03385), with the layer names of their Caffe files."""

import numpy as np

from minicnn.backend import Generator
from minicnn.layers import Add, BatchNorm2D, Conv2D, GlobalAvgPool2D, Linear, MaxPool2D, ReLU
from minicnn.network import Network

STAGES = {2: 64, 3: 128, 4: 256, 5: 512}  # stage -> channels; each stage has two blocks, "a" and "b"


def resnet18(seed: int | None = 0, num_classes: int = 1000) -> Network:
    """Return ResNet-18, with 11,689,512 parameters.

    seed : of the initial weights (He et al. 2015). None gives zeros, for weights to load.

    >>> resnet18(seed=None).num_parameters()
    11689512
    """
    rng = None if seed is None else np.random.default_rng(seed)
    net = Network((3, 224, 224), resnet18_aliases())
    net.add("conv1", Conv2D(3, 64, 7, stride=2, pad=3, bias=False, rng=rng))
    net.add("bn1", BatchNorm2D(64))
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(3, stride=2, pad=1))
    in_channels = 64
    for stage, channels in STAGES.items():
        for block in "ab":
            stride = 2 if block == "a" and stage > 2 else 1
            add_residual_block(net, f"{stage}{block}", in_channels, channels, stride, rng)
            in_channels = channels
    net.add("pool5", GlobalAvgPool2D())
    net.add("fc1000", Linear(512, num_classes, rng))
    return net


def add_residual_block(net: Network, name: str, in_channels: int, channels: int, stride: int,
                       rng: Generator | None = None) -> str:
    """Append out = relu(x + f(x)), where f is two 3x3 convolutions. If shapes differ, a 1x1 convolution adapts x."""
    x = net.output
    net.add(f"res{name}_branch2a", Conv2D(in_channels, channels, 3, stride, pad=1, bias=False, rng=rng), x)
    net.add(f"bn{name}_branch2a", BatchNorm2D(channels))
    net.add(f"relu{name}_branch2a", ReLU())
    net.add(f"res{name}_branch2b", Conv2D(channels, channels, 3, pad=1, bias=False, rng=rng))
    branch = net.add(f"bn{name}_branch2b", BatchNorm2D(channels))
    if stride != 1 or in_channels != channels:
        net.add(f"res{name}_branch1", Conv2D(in_channels, channels, 1, stride, bias=False, rng=rng), x)
        x = net.add(f"bn{name}_branch1", BatchNorm2D(channels))
    net.add(f"res{name}", Add(), x, branch)
    return net.add(f"relu{name}", ReLU())


def resnet18_aliases() -> dict[str, str]:
    """Return {torchvision's name: name of the layer}. `layer1` … `layer4` are the last layers of the stages."""
    aliases = {"relu": "relu1", "maxpool": "pool1", "avgpool": "pool5", "fc": "fc1000"}
    for stage in STAGES:
        for index, block in enumerate("ab"):
            module, name = f"layer{stage - 1}.{index}", f"{stage}{block}"
            aliases |= {f"{module}.conv1": f"res{name}_branch2a", f"{module}.bn1": f"bn{name}_branch2a",
                        f"{module}.conv2": f"res{name}_branch2b", f"{module}.bn2": f"bn{name}_branch2b",
                        module: f"relu{name}"}
        if stage > 2:
            aliases |= {f"layer{stage - 1}.0.downsample.0": f"res{stage}a_branch1",
                        f"layer{stage - 1}.0.downsample.1": f"bn{stage}a_branch1"}
        aliases[f"layer{stage - 1}"] = f"relu{stage}b"
    return aliases
