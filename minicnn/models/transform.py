"""The network of fast style transfer: Johnson et al. 2016 (arXiv:1603.08155)."""

from collections.abc import Sequence

import numpy as np

from minicnn.backend import Generator
from minicnn.layers import Add, ConditionalInstanceNorm2D, Conv2D, InstanceNorm2D, Pad2D, ReLU, Upsample2D
from minicnn.network import Network


def transform_network(seed: int | None = 0, widths: Sequence[int] = (32, 64, 128), num_blocks: int = 5,
                      styles: Sequence[str] = ()) -> Network:
    """Return a network from an image to the same image in another style, (N, 3, H, W) -> (N, 3, H, W).

    Two convolutions halve the size, residual blocks follow, and two upsamplings restore the size if H and W are
    multiples of 4. It has 1,679,235 parameters. Like PyTorch's example fast_neural_style, whose layer names it has, it
    uses instance normalization (Ulyanov et al. 2016, arXiv:1607.08022), and upsampling before a convolution instead of
    transposed convolutions (Odena et al. 2016).

    Parameters
    ----------
    seed : of the initial weights (He et al. 2015). None gives zeros, for weights to load.
    widths : number of channels at the full size, at half of it and at a quarter.
    num_blocks : number of residual blocks.
    styles : names of several styles. Each style has its own scales and shifts in every normalization, and all share the
        convolutions (Dumoulin et al. 2016, arXiv:1610.07629). The first style is active; see `with_style`.

    >>> transform_network(widths=(4, 6, 8), num_blocks=1).predict(x).shape
    (1, 3, 64, 64)
    """
    rng = None if seed is None else np.random.default_rng(seed)
    full, half, quarter = widths
    net = Network((3, 256, 256))
    add_convolution(net, "conv1", "in1", 3, full, 9, 1, rng, styles)
    net.add("relu1", ReLU())
    add_convolution(net, "conv2", "in2", full, half, 3, 2, rng, styles)
    net.add("relu2", ReLU())
    add_convolution(net, "conv3", "in3", half, quarter, 3, 2, rng, styles)
    net.add("relu3", ReLU())
    for number in range(1, num_blocks + 1):
        add_residual(net, f"res{number}", quarter, rng, styles)
    for number, (channels, filters) in enumerate(((quarter, half), (half, full)), 1):
        net.add(f"up{number}", Upsample2D(2))
        add_convolution(net, f"deconv{number}", f"in{number + 3}", channels, filters, 3, 1, rng, styles)
        net.add(f"relu{number + 3}", ReLU())
    net.add("deconv3_pad", Pad2D(4, "reflect"))
    net.add("deconv3", Conv2D(full, 3, 9, rng=rng))
    return net


def add_convolution(net: Network, name: str, norm: str, channels: int, filters: int, size: int, stride: int,
                    rng: Generator | None, styles: Sequence[str]) -> str:
    """Append a convolution with reflection padding and its normalization. Zero padding would draw a frame."""
    net.add(f"{name}_pad", Pad2D(size // 2, "reflect"))
    net.add(name, Conv2D(channels, filters, size, stride, rng=rng))
    return net.add(norm, ConditionalInstanceNorm2D(filters, len(styles)) if styles else InstanceNorm2D(filters))


def add_residual(net: Network, name: str, channels: int, rng: Generator | None, styles: Sequence[str]) -> str:
    """Append out = x + f(x), where f is two 3x3 convolutions. No ReLU follows the sum."""
    x = net.output
    add_convolution(net, f"{name}/conv1", f"{name}/in1", channels, channels, 3, 1, rng, styles)
    net.add(f"{name}/relu1", ReLU())
    branch = add_convolution(net, f"{name}/conv2", f"{name}/in2", channels, channels, 3, 1, rng, styles)
    return net.add(name, Add(), x, branch)
