"""VGG-16 and VGG-19 of torchvision, timm, Caffe, Keras, the ONNX model zoo, MatConvNet, Frossard and Gatys."""

from typing import Any

import numpy as np

from minicnn.models.preprocessing import CAFFE_VGG, TORCHVISION, Preprocessing

from .layouts import HWIO, TRANSPOSED, linear_as_hwio, linear_as_oihw, linear_over_hwc
from .source import Source, Target, weights_and_biases

NUM_PARAMETERS = {"vgg16": 138_357_544, "vgg19": 143_667_240}
TERMS = "see http://www.robots.ox.ac.uk/~vgg/research/very_deep/"
OXFORD = "Visual Geometry Group, Oxford: {} (arXiv:1409.1556)"

RGB_0_255 = Preprocessing("RGB", 1.0, CAFFE_VGG.mean[::-1], (1.0, 1.0, 1.0), 256, 224)
AMDEGROOT = Preprocessing("RGB", 1 / 255, (0.48235, 0.45882, 0.40784), (1 / 255, 1 / 255, 1 / 255), 256, 224)

# torchvision's names -> minicnn's
FEATURES16 = {
    "features.0": "conv1_1", "features.2": "conv1_2",
    "features.5": "conv2_1", "features.7": "conv2_2",
    "features.10": "conv3_1", "features.12": "conv3_2", "features.14": "conv3_3",
    "features.17": "conv4_1", "features.19": "conv4_2", "features.21": "conv4_3",
    "features.24": "conv5_1", "features.26": "conv5_2", "features.28": "conv5_3",
}
FEATURES19 = {
    "features.0": "conv1_1", "features.2": "conv1_2",
    "features.5": "conv2_1", "features.7": "conv2_2",
    "features.10": "conv3_1", "features.12": "conv3_2", "features.14": "conv3_3", "features.16": "conv3_4",
    "features.19": "conv4_1", "features.21": "conv4_2", "features.23": "conv4_3", "features.25": "conv4_4",
    "features.28": "conv5_1", "features.30": "conv5_2", "features.32": "conv5_3", "features.34": "conv5_4",
}
TORCHVISION_CLASSIFIER = {"classifier.0": "fc6", "classifier.3": "fc7", "classifier.6": "fc8"}
# of the PyTorch ports of Caffe's VGG that neural-style downloads
PORTED_CLASSIFIER = {"classifier.1": "fc6", "classifier.4": "fc7", "classifier.6": "fc8"}
TIMM_CLASSIFIER = {"pre_logits.fc1": "fc6", "pre_logits.fc2": "fc7", "head.fc": "fc8"}
KERAS_CLASSIFIER = {"fc1": "fc6", "fc2": "fc7", "predictions": "fc8"}
MXNET_CLASSIFIER = {"vgg0_dense0": "fc6", "vgg0_dense1": "fc7", "vgg0_dense2": "fc8"}
FEATURES = {"vgg16": FEATURES16, "vgg19": FEATURES19}

# The file of Gatys' normalised VGG-19 contains its preprocessing as a first layer. It must have these values: from
# RGB in 0..1 to BGR in 0..255 minus the mean. The file also contains decoders, which are other networks.
TO_BGR = {
    "preproc.weight": 255 * np.eye(3, dtype=np.float32)[::-1].reshape(3, 3, 1, 1),
    "preproc.bias": -np.array(CAFFE_VGG.mean, np.float32),
}
DECODERS = tuple(f"{convolution}.{parameter}" for parameter in ("weight", "bias") for convolution in (
    "decoder1.1",
    "decoder2.1", "decoder2.5", "decoder2.8",
    "decoder3.1", "decoder3.5", "decoder3.8", "decoder3.12", "decoder3.15"))


def caffe_names(network: str) -> dict[str, str]:
    """Return Caffe's names, which minicnn uses too: {"conv1_1": "conv1_1", …, "fc8": "fc8"}."""
    return {layer: layer for layer in [*FEATURES[network].values(), "fc6", "fc7", "fc8"]}


def keras_names(network: str) -> dict[str, str]:
    """Return Keras's names: conv2_1 is block2_conv1."""
    return {f"block{layer[4]}_conv{layer[6]}": layer for layer in FEATURES[network].values()} | KERAS_CLASSIFIER


def mxnet_names(network: str) -> dict[str, str]:
    """Return MXNet's names, which the ONNX model zoo kept: the convolutions are numbered."""
    return {f"vgg0_conv{i}": layer for i, layer in enumerate(FEATURES[network].values())} | MXNET_CLASSIFIER


def vgg(network: str, name: str, publisher: str, names: dict[str, Target], preprocessing: Preprocessing, origin: str,
        licence: str = TERMS, **fields: Any) -> Source:
    """Return a Source of the network, "vgg16" or "vgg19"; `fields` are further fields of it."""
    return Source(name, network, publisher, names, NUM_PARAMETERS[network], "pool5", preprocessing, origin, licence,
                  **fields)


def torchvision(network: str) -> Source:
    """Return the weights IMAGENET1K_V1."""
    return vgg(network, network, "torchvision", weights_and_biases(FEATURES[network] | TORCHVISION_CLASSIFIER),
               TORCHVISION, f"torchvision: {network}, trained on ImageNet", "BSD-3-Clause (torchvision)")


def ported(network: str) -> Source:
    """Return torchvision's names with another numbering of the classifier; its values decide the preprocessing."""
    return torchvision(network)._replace(
        names=weights_and_biases(FEATURES[network] | PORTED_CLASSIFIER), names_tell_nothing=True,
        publisher="neural-style")


def timm(network: str) -> Source:
    """Return torchvision's values (tv_in1k) in timm's layout: fc6 and fc7 are convolutions."""
    names = weights_and_biases(FEATURES[network] | TIMM_CLASSIFIER,
                               layouts={"fc6": linear_as_oihw(7), "fc7": linear_as_oihw(1)})
    return torchvision(network)._replace(publisher="timm", names=names)


def caffe(network: str) -> Source:
    """Return the original: VGG_ILSVRC_16_layers.caffemodel or VGG_ILSVRC_19_layers.caffemodel."""
    return vgg(network, f"{network}_caffe", "Caffe", weights_and_biases(caffe_names(network)), CAFFE_VGG,
               OXFORD.format(f"{network}, Caffe"))


def keras(network: str) -> Source:
    """Return the original's values, ported by Keras; kernels are HWIO, Dense layers (in, out)."""
    layouts = {"fc6": linear_over_hwc(7), "fc7": TRANSPOSED, "fc8": TRANSPOSED}
    return vgg(network, f"{network}_keras", "Keras",
               weights_and_biases(keras_names(network), "/kernel", "/bias", HWIO, layouts), CAFFE_VGG,
               OXFORD.format(f"{network}, ported by Keras"),
               note="files called …_th_kernels.h5 have the same names and shapes, but their filters are rotated by 180 "
                    "degrees; convert …_tf_kernels.h5")


def matconvnet(network: str) -> Source:
    """Return the original's values for RGB, in imagenet-vgg-verydeep-16.mat or -19.mat."""
    layouts = {"fc6": linear_as_hwio(7), "fc7": linear_as_hwio(1), "fc8": linear_as_hwio(1)}
    return vgg(network, f"{network}_matconvnet", "MatConvNet",
               weights_and_biases(caffe_names(network), ".filters", ".biases", HWIO, layouts), RGB_0_255,
               OXFORD.format(f"{network}, ported by MatConvNet"),
               note="some copies of these files are said to have height and width of their filters swapped; "
                    "this one is read as height, width, in, out")


def onnx_zoo(network: str) -> Source:
    """Return vgg16-7, vgg16-12 or vgg19-7 of the ONNX model zoo, trained with MXNet."""
    return vgg(network, f"{network}_onnx", "the ONNX model zoo",
               weights_and_biases(mxnet_names(network), "_weight", "_bias"), TORCHVISION,
               f"ONNX model zoo: {network}, trained on ImageNet with MXNet", "Apache-2.0 (ONNX model zoo)")


def frossard() -> Source:
    """Return vgg16_weights.npz, the original's values for TensorFlow and RGB."""
    layouts = {"fc6": linear_over_hwc(7), "fc7": TRANSPOSED, "fc8": TRANSPOSED}
    return vgg("vgg16", "vgg16_frossard", "Frossard",
               weights_and_biases(caffe_names("vgg16"), "_W", "_b", HWIO, layouts), RGB_0_255,
               OXFORD.format("vgg16, ported by D. Frossard"))


def amdegroot() -> Source:
    """Return vgg16_features-amdegroot-88682ab5.pth: torchvision's names; the values of its classifier are NaN."""
    return torchvision("vgg16")._replace(
        name="vgg16_features", publisher="torchvision", preprocessing=AMDEGROOT, classifier=False,
        file_digest="88682ab5", origin="torchvision: vgg16, the features ported from amdegroot/ssd.pytorch")


def normalised() -> Source:
    """Return VGG-19 with reflection padding and filters scaled by Gatys et al."""
    return caffe("vgg19")._replace(
        name="vgg19_normalised", constants=TO_BGR, left_out=DECODERS, options={"padding": "reflect"},
        origin="VGG-19, its filters scaled to a mean activation of about 1 (Gatys et al., arXiv:1508.06576)",
        licence=f"of the scaling: unknown; of VGG-19: {TERMS}")


SOURCES = (*(publisher(network) for publisher in (torchvision, ported, timm, caffe, keras, matconvnet, onnx_zoo)
             for network in ("vgg16", "vgg19")),
           frossard(), amdegroot(), normalised())
