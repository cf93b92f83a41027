"""The published weights: what their arrays are called, how they lie in memory, and what belongs to them."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minicnn.preprocessing import CAFFE_SQUEEZENET, CAFFE_VGG, TORCHVISION, Preprocessing


class Layout(NamedTuple):
    """How a source arranges an array: its shape there from the shape here, and its values here."""

    source_shape: Callable
    to_ours: Callable


class Target(NamedTuple):
    """Where an array of the source goes ("conv1_1/w"), and how it lies there."""

    key: str
    layout: Layout


class Source(NamedTuple):
    """One training of one network, as somebody publishes it.

    name : of the converted model and its file. publisher : whose names these are, for messages.
    names : {source name: Target} of all arrays of the network. options : for the network's builder.
    features : the last layer before the classifier. constants : arrays that must have exactly these values,
    for `preprocessing` says the same. left_out : known arrays that are no part of the network.
    """

    name: str
    architecture: str
    publisher: str
    names: dict[str, Target]
    num_parameters: int
    features: str
    preprocessing: Preprocessing
    origin: str
    licence: str
    options: dict = {}
    constants: dict[str, np.ndarray] = {}
    left_out: tuple[str, ...] = ()


def same(value):
    """`value` itself."""
    return value


AS_OURS = Layout(same, same)  # convolutions OIHW, Linear (out, in) with the input flattened C, H, W


def weights_and_biases(layers):
    """{"features.0": "conv1_1"} -> {"features.0.weight": conv1_1/w, "features.0.bias": conv1_1/b}."""
    names = {}
    for source, layer in layers.items():
        names[f"{source}.weight"] = Target(f"{layer}/w", AS_OURS)
        names[f"{source}.bias"] = Target(f"{layer}/b", AS_OURS)
    return names


def fires(modules):
    """{"features.3": "fire2"} -> the three convolutions of each Fire module, by torchvision's names."""
    names = {"squeeze": "squeeze1x1", "expand1x1": "expand1x1", "expand3x3": "expand3x3"}
    return {f"{source}.{theirs}": f"{fire}/{ours}"
            for source, fire in modules.items() for theirs, ours in names.items()}


# ---- torchvision's names -> ours ---------------------------------------------------------------------------

VGG16 = {
    "features.0": "conv1_1", "features.2": "conv1_2",
    "features.5": "conv2_1", "features.7": "conv2_2",
    "features.10": "conv3_1", "features.12": "conv3_2", "features.14": "conv3_3",
    "features.17": "conv4_1", "features.19": "conv4_2", "features.21": "conv4_3",
    "features.24": "conv5_1", "features.26": "conv5_2", "features.28": "conv5_3",
    "classifier.0": "fc6", "classifier.3": "fc7", "classifier.6": "fc8",
}
VGG19 = {
    "features.0": "conv1_1", "features.2": "conv1_2",
    "features.5": "conv2_1", "features.7": "conv2_2",
    "features.10": "conv3_1", "features.12": "conv3_2", "features.14": "conv3_3", "features.16": "conv3_4",
    "features.19": "conv4_1", "features.21": "conv4_2", "features.23": "conv4_3", "features.25": "conv4_4",
    "features.28": "conv5_1", "features.30": "conv5_2", "features.32": "conv5_3", "features.34": "conv5_4",
    "classifier.0": "fc6", "classifier.3": "fc7", "classifier.6": "fc8",
}
SQUEEZENET1_0 = {
    "features.0": "conv1",
    **fires({"features.3": "fire2", "features.4": "fire3", "features.5": "fire4",
             "features.7": "fire5", "features.8": "fire6", "features.9": "fire7", "features.10": "fire8",
             "features.12": "fire9"}),
    "classifier.1": "conv10",
}
SQUEEZENET1_1 = {
    "features.0": "conv1",
    **fires({"features.3": "fire2", "features.4": "fire3",
             "features.6": "fire4", "features.7": "fire5",
             "features.9": "fire6", "features.10": "fire7", "features.11": "fire8", "features.12": "fire9"}),
    "classifier.1": "conv10",
}


def caffe_names(layers):
    """Caffe's names are ours: {"conv1_1": "conv1_1", …} for the layers of a table above."""
    return {layer: layer for layer in layers.values()}


# ---- the sources -------------------------------------------------------------------------------------------

VGG_TERMS = "see http://www.robots.ox.ac.uk/~vgg/research/very_deep/"

# Gatys' normalised VGG-19 comes with its preprocessing as a first layer, which must be this one: from RGB in
# 0..1 to BGR in 0..255 minus the mean. The decoders beside it, which invert it, are another network.
TO_BGR = {
    "preproc.weight": 255 * np.eye(3, dtype=np.float32)[::-1].reshape(3, 3, 1, 1),
    "preproc.bias": -np.array(CAFFE_VGG.mean, np.float32),
}
DECODERS = tuple(f"{convolution}.{parameter}" for parameter in ("weight", "bias") for convolution in (
    "decoder1.1",
    "decoder2.1", "decoder2.5", "decoder2.8",
    "decoder3.1", "decoder3.5", "decoder3.8", "decoder3.12", "decoder3.15"))


def torchvision(name, layers, num_parameters, features):
    """A network of torchvision (its IMAGENET1K_V1 weights)."""
    return Source(name, name, "torchvision", weights_and_biases(layers), num_parameters, features,
                  preprocessing=TORCHVISION,
                  origin=f"torchvision: {name}, trained on ImageNet",
                  licence="BSD-3-Clause (torchvision)")


def caffe_vgg(name, layers, num_parameters):
    """One of the original VGG networks."""
    return Source(name, name, "Caffe", weights_and_biases(caffe_names(layers)), num_parameters,
                  features="pool5",
                  preprocessing=CAFFE_VGG,
                  origin=f"Visual Geometry Group, Oxford: {name}, Caffe (arXiv:1409.1556)",
                  licence=VGG_TERMS)


def caffe_squeezenet(name, layers, num_parameters, **options):
    """One of the original SqueezeNets."""
    return Source(name, name, "Caffe", weights_and_biases(caffe_names(layers)), num_parameters,
                  features="fire9/concat",
                  preprocessing=CAFFE_SQUEEZENET,
                  origin=f"Iandola et al.: {name}, Caffe (arXiv:1602.07360)",
                  licence="BSD-2-Clause (github.com/forresti/SqueezeNet)",
                  options={"input_size": 227, **options})


SOURCES = (
    torchvision("vgg16", VGG16, 138_357_544, "pool5"),
    torchvision("vgg19", VGG19, 143_667_240, "pool5"),
    torchvision("squeezenet1_0", SQUEEZENET1_0, 1_248_424, "fire9/concat"),
    torchvision("squeezenet1_1", SQUEEZENET1_1, 1_235_496, "fire9/concat"),
    caffe_vgg("vgg16", VGG16, 138_357_544),
    caffe_vgg("vgg19", VGG19, 143_667_240),
    caffe_squeezenet("squeezenet1_0", SQUEEZENET1_0, 1_248_424, conv10_pad=1),  # 1.1 has none
    caffe_squeezenet("squeezenet1_1", SQUEEZENET1_1, 1_235_496),
    caffe_vgg("vgg19", VGG19, 143_667_240)._replace(
        name="vgg19_normalised", constants=TO_BGR, left_out=DECODERS, options={"padding": "reflect"},
        origin="VGG-19, its filters scaled to a mean activation of about 1 (Gatys et al., arXiv:1508.06576)",
        licence=f"of the scaling: unknown; of VGG-19: {VGG_TERMS}"),
)
