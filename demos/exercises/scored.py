"""A tiny network in float64 for the exercises that work on networks, and the gradients of its scores."""

from collections.abc import Callable, Sequence

import numpy as np

from minicnn.gradient_check import numerical_gradient
from minicnn.layers import Conv2D, Flatten, Linear, ReLU
from minicnn.network import Network

from ..shared.language import Translate
from .twins import Array

SIDE, CLASSES = 6, 5


def network_text(_: Translate) -> str:
    """Return the paragraph that explains the network's two methods to the learner."""
    return _("net is a network of minicnn, and this is all that you need of it:\n\n"
             "    trace = net.forward(x)                      # x: images, (N, C, H, W)\n"
             "    scores = trace.activations[net.output]      # (N, classes), before the softmax\n"
             "    features = trace.activations[\"conv1\"]       # the output of any layer, by its name\n"
             "    dx = net.backward(trace, {name: seed})[\"input\"]\n\n"
             "seed is the gradient of your loss to the output of the layer `name`, an array of its shape and type. dx "
             "is then the gradient of your loss to the image.")


def tiny_network() -> Network:
    """Return a network of 3x6x6 pixels and five classes."""
    rng = np.random.default_rng(7)
    net = Network((3, SIDE, SIDE))
    net.add("conv1", Conv2D(3, 4, 3, pad=1, rng=rng))
    net.add("relu1", ReLU())
    net.add("flatten", Flatten())
    net.add("scores", Linear(4 * SIDE * SIDE, CLASSES, rng=rng))
    return net.astype(np.float64)


def score_gradient(net: Network, x: Array, labels: Sequence[int]) -> Array:
    """Return the gradient of the sum of scores[n, labels[n]] to x."""
    trace = net.forward(x)
    seed = np.zeros_like(trace.activations[net.output])
    for n, label in enumerate(labels):
        seed[n, label] = 1
    return net.backward(trace, {net.output: seed})["input"]


def seeded_gradient(net: Network, x: Array, seed: Callable[[Array], Array]) -> Array:
    """Return the gradient to x from a seed that is computed from the scores: the gradient of a mistake."""
    trace = net.forward(x)
    scores = trace.activations[net.output]
    return net.backward(trace, {net.output: seed(scores).astype(scores.dtype)})["input"]


def numeric_gradient(net: Network, x: Array, labels: Sequence[int]) -> Array:
    """Return the same gradient by finite differences, with two forward passes per pixel."""
    def value(changed: Array) -> float:
        scores = net.predict(changed)
        return float(sum(scores[n, label] for n, label in enumerate(labels)))
    return numerical_gradient(value, x)


def softmax_seed(scores: Array, labels: Sequence[int]) -> Array:
    """Return the gradient of the sum of the labels' probabilities to the scores."""
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    p = exp / exp.sum(axis=1, keepdims=True)
    one_hot = np.eye(scores.shape[1])[list(labels)]
    return (p * one_hot).sum(axis=1, keepdims=True) * (one_hot - p)
