"""SqueezeNet 1.0 and 1.1 of torchvision, Caffe, Keras and the ONNX model zoo."""

from typing import Any

from minicnn.models.preprocessing import CAFFE_SQUEEZENET, CAFFE_VGG, TORCHVISION, Preprocessing

from .layouts import HWIO
from .source import Source, Target, weights_and_biases

NUM_PARAMETERS = {"squeezenet1_0": 1_248_424, "squeezenet1_1": 1_235_496}


def fires(modules: dict[str, str]) -> dict[str, str]:
    """Convert {"features.3": "fire2"} to {torchvision's name: minicnn's} of each module's three convolutions."""
    names = {"squeeze": "squeeze1x1", "expand1x1": "expand1x1", "expand3x3": "expand3x3"}
    return {f"{source}.{name}": f"{fire}/{layer}"
            for source, fire in modules.items() for name, layer in names.items()}


# torchvision's names -> minicnn's
LAYERS = {
    "squeezenet1_0": {
        "features.0": "conv1",
        **fires({"features.3": "fire2", "features.4": "fire3", "features.5": "fire4",
                 "features.7": "fire5", "features.8": "fire6", "features.9": "fire7", "features.10": "fire8",
                 "features.12": "fire9"}),
        "classifier.1": "conv10",
    },
    "squeezenet1_1": {
        "features.0": "conv1",
        **fires({"features.3": "fire2", "features.4": "fire3",
                 "features.6": "fire4", "features.7": "fire5",
                 "features.9": "fire6", "features.10": "fire7", "features.11": "fire8", "features.12": "fire9"}),
        "classifier.1": "conv10",
    },
}


def caffe_names(network: str) -> dict[str, str]:
    """Return the names of Caffe and Keras, which minicnn uses too: {"fire2/squeeze1x1": "fire2/squeeze1x1", …}."""
    return {layer: layer for layer in LAYERS[network].values()}


def mxnet_names(network: str) -> dict[str, str]:
    """Return MXNet's names, which the ONNX model zoo kept: the convolutions are numbered."""
    return {f"squeezenet0_conv{i}": layer for i, layer in enumerate(LAYERS[network].values())}


def squeezenet(network: str, name: str, publisher: str, names: dict[str, Target], preprocessing: Preprocessing,
               origin: str, licence: str, **fields: Any) -> Source:
    """Return a Source of the network, "squeezenet1_0" or "squeezenet1_1"; `fields` are further fields of it."""
    return Source(name, network, publisher, names, NUM_PARAMETERS[network], "fire9/concat", preprocessing, origin,
                  licence, **fields)


def torchvision(network: str) -> Source:
    """Return the weights IMAGENET1K_V1."""
    return squeezenet(network, network, "torchvision", weights_and_biases(LAYERS[network]), TORCHVISION,
                      f"torchvision: {network}, trained on ImageNet", "BSD-3-Clause (torchvision)")


def caffe(network: str, **options: Any) -> Source:
    """Return the original: squeezenet_v1.0.caffemodel, its Deep Compression file, or squeezenet_v1.1.caffemodel."""
    return squeezenet(network, f"{network}_caffe", "Caffe", weights_and_biases(caffe_names(network)),
                      CAFFE_SQUEEZENET, f"Iandola et al.: {network}, Caffe (arXiv:1602.07360)",
                      "BSD-2-Clause (github.com/forresti/SqueezeNet)", options={"input_size": 227, **options})


def keras(network: str) -> Source:
    """Return keras-squeezenet: the original's values, but its pooling rounds output sizes down."""
    return squeezenet(network, f"{network}_keras", "Keras",
                      weights_and_biases(caffe_names(network), "/kernel", "/bias", HWIO),
                      CAFFE_VGG._replace(crop=227), f"keras-squeezenet: {network}, ported from Caffe",
                      "MIT (github.com/rcmalli/keras-squeezenet)",
                      options={"input_size": 227, "pool_ceil": False},
                      note="the file does not state the mean to subtract from images; Keras's mean for Caffe's "
                           "networks is used, BGR 103.939, 116.779, 123.68")


def onnx_zoo(network: str) -> Source:
    """Return squeezenet1.1-7 of the ONNX model zoo, trained with MXNet."""
    return squeezenet(network, f"{network}_onnx", "the ONNX model zoo",
                      weights_and_biases(mxnet_names(network), "_weight", "_bias"), TORCHVISION,
                      f"ONNX model zoo: {network}, trained on ImageNet with MXNet", "Apache-2.0 (ONNX model zoo)")


SOURCES = (torchvision("squeezenet1_0"), torchvision("squeezenet1_1"),
           caffe("squeezenet1_0", conv10_pad=1),  # conv10 of 1.1 has no padding
           caffe("squeezenet1_1"), keras("squeezenet1_1"), onnx_zoo("squeezenet1_1"))
