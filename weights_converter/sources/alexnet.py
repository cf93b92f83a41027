"""AlexNet of torchvision, and CaffeNet, Caffe's reference AlexNet."""

from minicnn.models.preprocessing import TORCHVISION, Preprocessing

from .source import Source, weights_and_biases

LAYERS = {
    "features.0": "conv1", "features.3": "conv2", "features.6": "conv3", "features.8": "conv4", "features.10": "conv5",
    "classifier.1": "fc6", "classifier.4": "fc7", "classifier.6": "fc8",
}
CAFFENET_INPUT = Preprocessing("BGR", 1.0, (104.007, 116.669, 122.679), (1.0, 1.0, 1.0), 256, 227)

SOURCES = (
    Source("alexnet", "alexnet", "torchvision", weights_and_biases(LAYERS), 61_100_840, "pool5", TORCHVISION,
           "torchvision: alexnet, trained on ImageNet (arXiv:1404.5997)", "BSD-3-Clause (torchvision)"),
    Source("caffenet", "caffenet", "Caffe", weights_and_biases({layer: layer for layer in LAYERS.values()}),
           60_965_224, "pool5", CAFFENET_INPUT,
           "BVLC: bvlc_reference_caffenet, trained on ImageNet", "unrestricted (BVLC)",
           note="bvlc_alexnet has the same array names and shapes, but normalises before pooling: if this is that "
                "file, its scores will be wrong"),
)
