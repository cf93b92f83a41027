"""The file of VGG-19, scaled by Gatys et al., with three decoders: conv1_1 to conv3_1 and back to the image."""

import numpy as np

from minicnn.backend import Array
from minicnn.models.preprocessing import CAFFE_VGG

from .layouts import Layout, same_shape
from .source import Source, Target, weights_and_biases
from .vgg import TERMS, TO_BGR

ENCODER = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1")
# Names in the file -> minicnn's. The file numbers the steps of each decoder: 0 is a padding, 2 a ReLU, 3 an upsampling.
DECODER_LAYERS = {
    "decoder1.1": "decoder1/conv1_1",
    "decoder2.1": "decoder2/conv2_1", "decoder2.5": "decoder2/conv1_2", "decoder2.8": "decoder2/conv1_1",
    "decoder3.1": "decoder3/conv3_1", "decoder3.5": "decoder3/conv2_2", "decoder3.8": "decoder3/conv2_1",
    "decoder3.12": "decoder3/conv1_2", "decoder3.15": "decoder3/conv1_1"}


def weights_to_bgr(w: Array) -> Array:
    """Return the weights of a last convolution with outputs BGR in 0..255 instead of RGB in 0..1."""
    return 255 * w[::-1]


def bias_to_bgr(b: Array) -> Array:
    """Return the bias of a last convolution whose outputs are BGR in 0..255 minus the mean, instead of RGB in 0..1."""
    return 255 * b[::-1] - np.array(CAFFE_VGG.mean, np.float32)


def names() -> dict[str, Target]:
    """Return {"conv1_1.weight": conv1_1/w, …, "decoder3.15.bias": decoder3/conv1_1/b}.

    The file's decoders end in RGB from 0 to 1. Converted, they end in the encoder's input, so that an image that comes
    out can go in again.
    """
    targets = weights_and_biases({layer: layer for layer in ENCODER} | DECODER_LAYERS)
    for source, layer in DECODER_LAYERS.items():
        if layer.endswith("conv1_1"):
            targets[f"{source}.weight"] = Target(f"{layer}/w", Layout(same_shape, weights_to_bgr))
            targets[f"{source}.bias"] = Target(f"{layer}/b", Layout(same_shape, bias_to_bgr))
    return targets


SOURCES = (
    Source("vgg19_autoencoder", "vgg19_autoencoder", "Gatys et al.", names(), 1_224_585, "relu3_1", CAFFE_VGG,
           "VGG-19 up to conv3_1, scaled to a mean activation of about 1 (Gatys et al., arXiv:1508.06576), with "
           "decoders of relu1_1, relu2_1 and relu3_1 (as in Li et al. 2017, arXiv:1705.08086)",
           f"of the scaling and the decoders: unknown; of VGG-19: {TERMS}", constants=TO_BGR, classes=False,
           note="it is an encoder with three decoders, for demos.any_style; --features-only writes only the encoder, "
                "vgg19_normalised-relu3_1"),
)
