"""The network of fast style transfer: Johnson et al. 2016 (arXiv:1603.08155), a picture in, the painted picture out."""

import numpy as np

from minicnn.layers import Add, ConditionalInstanceNorm2D, Conv2D, InstanceNorm2D, Pad2D, ReLU, Upsample2D
from minicnn.network import Network


def transform_network(seed=0, widths=(32, 64, 128), num_blocks=5, styles=()):
    """Two halvings, residual blocks, two doublings, (N, 3, H, W) -> (N, 3, H, W) for multiples of 4; 1,679,235
    parameters, He-initialised from `seed` (None: zeros, for weights to be loaded).

    With instance norm (Ulyanov et al. 2016, arXiv:1607.08022), and upsampling before a convolution instead of strides
    of a half (Odena et al. 2016): as PyTorch's example fast_neural_style has it, whose names these are.
    widths : channels at the full size, at a half and at a quarter. num_blocks : residual blocks. styles : the names of
    several: each has a row of scales and shifts in every normalization, and the convolutions are common to all
    (Dumoulin et al. 2016, arXiv:1610.07629); it paints in the first unless told otherwise, see `with_style`.
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


def add_convolution(net, name, norm, channels, filters, size, stride, rng, styles):
    """Append a convolution over mirrored borders, as zeros would make a frame, and its normalization."""
    net.add(f"{name}_pad", Pad2D(size // 2, "reflect"))
    net.add(name, Conv2D(channels, filters, size, stride, rng=rng))
    return net.add(norm, ConditionalInstanceNorm2D(filters, len(styles)) if styles else InstanceNorm2D(filters))


def add_residual(net, name, channels, rng, styles):
    """Append out = x + f(x), f being two 3x3 convolutions; no ReLU after the sum."""
    x = net.output
    add_convolution(net, f"{name}/conv1", f"{name}/in1", channels, channels, 3, 1, rng, styles)
    net.add(f"{name}/relu1", ReLU())
    branch = add_convolution(net, f"{name}/conv2", f"{name}/in2", channels, channels, 3, 1, rng, styles)
    return net.add(name, Add(), x, branch)
