"""SqueezeNet 1.0 and 1.1 as torchvision, Caffe, Keras and the ONNX model zoo have them."""

from minicnn.models.preprocessing import CAFFE_SQUEEZENET, CAFFE_VGG, TORCHVISION
from weights_converter.sources.layouts import HWIO
from weights_converter.sources.source import Source, weights_and_biases

NUM_PARAMETERS = {"squeezenet1_0": 1_248_424, "squeezenet1_1": 1_235_496}


def fires(modules):
    """{"features.3": "fire2"} -> the three convolutions of each Fire module, by torchvision's names."""
    names = {"squeeze": "squeeze1x1", "expand1x1": "expand1x1", "expand3x3": "expand3x3"}
    return {f"{source}.{theirs}": f"{fire}/{ours}"
            for source, fire in modules.items() for theirs, ours in names.items()}


# torchvision's names -> ours
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


def caffe_names(network):
    """Caffe's and Keras's names are ours: {"conv1": "conv1", "fire2/squeeze1x1": "fire2/squeeze1x1", …}."""
    return {layer: layer for layer in LAYERS[network].values()}


def mxnet_names(network):
    """MXNet's, which the ONNX model zoo kept: the convolutions are counted."""
    return {f"squeezenet0_conv{i}": layer for i, layer in enumerate(LAYERS[network].values())}


def squeezenet(network, name, publisher, names, preprocessing, origin, licence, **more):
    """A Source of that network."""
    return Source(name, network, publisher, names, NUM_PARAMETERS[network], "fire9/concat", preprocessing, origin,
                  licence, **more)


def torchvision(network):
    """IMAGENET1K_V1."""
    return squeezenet(network, network, "torchvision", weights_and_biases(LAYERS[network]), TORCHVISION,
                      f"torchvision: {network}, trained on ImageNet", "BSD-3-Clause (torchvision)")


def caffe(network, **options):
    """The original: squeezenet_v1.0.caffemodel, the Deep Compression file of it, and squeezenet_v1.1.caffemodel."""
    return squeezenet(network, f"{network}_caffe", "Caffe", weights_and_biases(caffe_names(network)),
                      CAFFE_SQUEEZENET, f"Iandola et al.: {network}, Caffe (arXiv:1602.07360)",
                      "BSD-2-Clause (github.com/forresti/SqueezeNet)", options={"input_size": 227, **options})


def keras(network):
    """keras-squeezenet, the original's values; its pools round down."""
    return squeezenet(network, f"{network}_keras", "Keras",
                      weights_and_biases(caffe_names(network), "/kernel", "/bias", HWIO),
                      CAFFE_VGG._replace(crop=227), f"keras-squeezenet: {network}, ported from Caffe",
                      "MIT (github.com/rcmalli/keras-squeezenet)",
                      options={"input_size": 227, "pool_ceil": False},
                      note="what it subtracts from its pictures is not written in the file: taken as Keras does "
                           "for Caffe's networks, BGR minus 103.939, 116.779, 123.68")


def onnx_zoo(network):
    """squeezenet1.1-7 of the ONNX model zoo, trained with MXNet."""
    return squeezenet(network, f"{network}_onnx", "the ONNX model zoo",
                      weights_and_biases(mxnet_names(network), "_weight", "_bias"), TORCHVISION,
                      f"ONNX model zoo: {network}, trained on ImageNet with MXNet", "Apache-2.0 (ONNX model zoo)")


SOURCES = (torchvision("squeezenet1_0"), torchvision("squeezenet1_1"),
           caffe("squeezenet1_0", conv10_pad=1),  # 1.1 has none
           caffe("squeezenet1_1"), keras("squeezenet1_1"), onnx_zoo("squeezenet1_1"))
