"""A small Model for the tests of any style: VGG-19's first layers and decoders with random weights."""

from functools import cache

import numpy as np

from minicnn.models import Model, vgg19_autoencoder
from minicnn.models.preprocessing import CAFFE_VGG


@cache
def random_painter(dtype="float32"):
    """Return the network; its biases are not 0, so that no decoder is linear."""
    net = vgg19_autoencoder(3)
    for layer in net.parameter_layers().values():
        layer.params["b"] = np.random.default_rng(0).standard_normal(layer.params["b"].shape).astype("float32")
    return net.astype(dtype)


def painter_model():
    """Return the Model of it, fast."""
    return Model(random_painter().fast(), CAFFE_VGG, [], "vgg19_autoencoder")
