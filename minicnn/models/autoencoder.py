"""VGG-19's first layers as an encoder, with three decoders that compute an image from its activations.

Li et al. 2017 (arXiv:1705.08086), section 3.1. The decoder of a layer was trained to reconstruct photos.
"""

import numpy as np

from minicnn.backend import Generator
from minicnn.errors import InputError
from minicnn.layers import Conv2D, MaxPool2D, Pad2D, ReLU, Upsample2D
from minicnn.network import Network

# (name, input channels, filters) of the convolutions of each block of VGG-19, up to conv3_1
BLOCKS = ((("conv1_1", 3, 64), ("conv1_2", 64, 64)),
          (("conv2_1", 64, 128), ("conv2_2", 128, 128)),
          (("conv3_1", 128, 256),))
DECODED = ("relu1_1", "relu2_1", "relu3_1")  # the layers that have a decoder


def vgg19_autoencoder(seed: int | None = 0) -> Network:
    """Return VGG-19 up to relu3_1, and behind relu1_1, relu2_1 and relu3_1 a decoder to an image (N, 3, H, W).

    The output of the decoder of relu3_1 is `decoder3/conv1_1`: a reconstruction of the network's own input. All
    convolutions have reflection padding. Heights and widths that are multiples of 4 stay the same.
    seed : of the initial weights (He et al. 2015). None gives zeros, for weights to load.

    >>> vgg19_autoencoder(seed=None).features(x, ["decoder1/conv1_1"])["decoder1/conv1_1"].shape
    (1, 3, 64, 64)
    """
    rng = None if seed is None else np.random.default_rng(seed)
    net = Network((3, 224, 224))
    for number, block in enumerate(BLOCKS, 1):
        for name, channels, filters in block:
            add_convolution(net, name, channels, filters, rng)
            net.add(name.replace("conv", "relu"), ReLU())
        if number < len(BLOCKS):
            net.add(f"pool{number}", MaxPool2D(2))
    for number in range(1, len(BLOCKS) + 1):
        add_decoder(net, number, rng)
    return net


def add_convolution(net: Network, name: str, channels: int, filters: int, rng: Generator | None, *inputs: str) -> None:
    """Append a 3x3 convolution with reflection padding."""
    net.add(name.replace("conv", "pad"), Pad2D(1, "reflect"), *inputs)
    net.add(name, Conv2D(channels, filters, 3, rng=rng))


def add_decoder(net: Network, number: int, rng: Generator | None) -> None:
    """Append the decoder of the layer relu<number>_1: the encoder's convolutions in reverse order, each reversed.

    The convolution `decoder3/conv3_1` goes back from the 256 channels of conv3_1 to its 128 inputs. An upsampling
    stands for each pool. No ReLU follows the last convolution.
    """
    inputs = [f"relu{number}_1"]  # of the first layer; each other layer follows the one before
    for block in range(number, 0, -1):
        convolutions = BLOCKS[block - 1] if block < number else BLOCKS[block - 1][:1]
        if block < number:
            net.add(f"decoder{number}/upsample{block}", Upsample2D(2))
        for name, channels, filters in reversed(convolutions):
            add_convolution(net, f"decoder{number}/{name}", filters, channels, rng, *inputs)
            inputs = []
            if name != "conv1_1":
                net.add(f"decoder{number}/{name.replace('conv', 'relu')}", ReLU())


def decoder_output(layer: str) -> str:
    """Return the name of the output of a layer's decoder.

    >>> decoder_output("relu3_1")
    'decoder3/conv1_1'
    """
    return f"decoder{layer[4]}/conv1_1"


def decoder_of(net: Network, layer: str) -> Network:
    """Return the decoder of a layer as a network of its own, from activations of this layer to an image.

    It shares the weights. The decoder of a fast network is fast.
    net : a vgg19_autoencoder. Raises InputError if it has no decoder of this layer.

    >>> decoder_of(vgg19_autoencoder(seed=None), "relu2_1").input_shape
    (128, 112, 112)
    """
    prefix = decoder_output(layer).partition("/")[0] + "/" if layer in DECODED else ""
    nodes = [node for node in net.nodes if prefix and node.name.startswith(prefix)]
    if not nodes:
        raise InputError(f"the network has no decoder of {layer!r}; give one made from "
                         f"vgg19_normalised_conv1_1-conv3_1.npz, with a layer of {', '.join(DECODED)}")
    decoder = Network(net.shapes()[layer][1:])
    for name, operation, inputs in nodes:
        decoder.add(name, operation, *(["input"] if inputs == (layer,) else inputs))
    return decoder if type(net) is Network else decoder.fast()
