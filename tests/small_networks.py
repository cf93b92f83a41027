"""Small networks and published receptive fields that several tests share."""

import numpy as np

from minicnn.layers import Concat, Conv2D, GlobalAvgPool2D, MaxPool2D, ReLU
from minicnn.models import caffenet, squeezenet1_0, squeezenet1_1, vgg16, vgg19
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network

PLAIN = Preprocessing("RGB", 1 / 255, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), 16, 16)


def small_network(rng, positive=False):
    """Two stages and a branch; `positive`: all weights and biases above zero."""
    net = Network((3, 16, 16))
    net.add("conv1", Conv2D(3, 6, 3, pad=1, rng=rng))
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(2))
    net.add("conv2a", Conv2D(6, 4, 1, rng=rng), "pool1")
    left = net.add("relu2a", ReLU())
    net.add("conv2b", Conv2D(6, 4, 3, pad=1, rng=rng), "pool1")
    right = net.add("relu2b", ReLU())
    net.add("concat", Concat(), left, right)
    net.add("conv3", Conv2D(8, 5, 3, rng=rng))
    net.add("relu3", ReLU())
    if positive:
        for layer in net.parameter_layers().values():
            layer.params = {key: abs(values) + np.float32(0.01) for key, values in layer.params.items()}
    return net


def scored_network(rng):
    """small_network with five class scores."""
    net = small_network(rng)
    net.add("scores", GlobalAvgPool2D())
    return net


def on(xp, net):
    return net.to_device("cpu" if xp is np else "gpu")


PUBLISHED_FIELDS = [
    (vgg16, "conv1_2", 5, 1), (vgg16, "conv2_2", 14, 2), (vgg16, "conv3_3", 40, 4), (vgg16, "conv4_3", 92, 8),
    (vgg16, "conv5_3", 196, 16), (vgg16, "pool5", 212, 32), (vgg19, "conv4_2", 84, 8), (vgg19, "conv5_4", 252, 16),
    (vgg19, "pool5", 268, 32), (squeezenet1_1, "conv1", 3, 2), (squeezenet1_1, "fire2", 15, 4),
    (squeezenet1_1, "fire3", 23, 4), (squeezenet1_1, "fire4", 47, 8), (squeezenet1_1, "fire5", 63, 8),
    (squeezenet1_1, "fire6", 111, 16), (squeezenet1_1, "fire7", 143, 16), (squeezenet1_1, "fire8", 175, 16),
    (squeezenet1_1, "fire9", 207, 16), (squeezenet1_0, "fire2", 19, 4), (squeezenet1_0, "fire4", 35, 4),
    (squeezenet1_0, "fire8", 107, 8), (squeezenet1_0, "fire9", 155, 16), (caffenet, "conv1", 11, 4),
    (caffenet, "conv2", 51, 8), (caffenet, "conv5", 163, 16), (caffenet, "pool5", 195, 32)]
