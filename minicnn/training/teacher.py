"""Distillation: a network also learns the answers of a teacher that has seen many more photos."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import zoom

from minicnn.backend import Array, get_array_module, to_device, to_host
from minicnn.losses.classes import one_hot
from minicnn.network import Network

TINY = 1e-12  # lower bound of every divisor


@dataclass(frozen=True)
class Teacher:
    """A function x -> probabilities of the classes, (N, classes), from the features of another network.

    Hinton, Vinyals and Dean 2015 (arXiv:1503.02531): the probabilities of all classes tell more than one label, and
    a teacher gives them for pictures without a label, too. `fit_teacher` makes one.

    net : a network with pretrained weights. layer : the features are the means of its channels, scaled to length 1.
    size : smaller images are enlarged to this side, in pixels.
    weights, bias : (channels, classes) and (classes,), of the linear function from features to scores.
    sharpness : factor of the scores before the softmax.
    """

    net: Network
    layer: str
    size: int
    weights: Array
    bias: Array
    sharpness: float = 8.0

    def __call__(self, x: Array) -> Array:
        """Return the probabilities, (N, classes), on the host. x : (N, C, H, W), on the host."""
        scores = self.sharpness * (features(self.net, self.layer, self.size, x) @ self.weights + self.bias)
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        return (odds / odds.sum(axis=1, keepdims=True)).astype(x.dtype)


def fit_teacher(net: Network, layer: str, size: int, batches: Callable[[int], tuple[Array, Any]], num_batches: int,
                num_classes: int, ridge: float = 0.3) -> Teacher:
    """Return a Teacher of the classes, fitted by ridge regression to labelled batches: step -> (x, labels).

    ridge : strength of the penalty on the weights, relative to the mean variance of a feature and the class sizes.
    """
    found, wanted = [], []
    for step in range(num_batches):
        x, labels = batches(step)
        found.append(features(net, layer, size, x))
        wanted.append(one_hot(np.zeros((len(x), num_classes), found[0].dtype), labels))
    inputs, targets = np.concatenate(found), np.concatenate(wanted)
    middle, frequency = inputs.mean(axis=0), targets.mean(axis=0)
    centred = inputs - middle
    penalty = ridge * len(inputs) / (num_classes * len(middle))
    weights = np.linalg.solve(centred.T @ centred + penalty * np.eye(len(middle), dtype=centred.dtype),
                              centred.T @ (targets - frequency))
    return Teacher(net, layer, size, weights, frequency - middle @ weights)


def features(net: Network, layer: str, size: int, x: Array) -> Array:
    """Return the mean of each channel of a layer, scaled to length 1, (N, channels), on the host."""
    if x.shape[2] < size:
        x = zoom(x, (1, 1, size / x.shape[2], size / x.shape[3]), order=1)
    means = to_host(net.predict(to_device(x, net.device), layer).mean(axis=(2, 3)))
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), TINY)


@dataclass(frozen=True)
class TaughtBatches:
    """Batches of images with the probabilities that a network should give: step, from 0 -> (x, targets).

    batches : step -> (x, labels). teacher : x -> probabilities, (N, classes).
    share : of the teacher in the targets of labelled images. The label has the rest.
    unlabelled : step -> (x, anything), more images, whose targets are the teacher's alone; or None.
    """

    batches: Callable[[int], tuple[Array, Any]]
    teacher: Callable[[Array], Array]
    share: float = 0.5
    unlabelled: Callable[[int], tuple[Array, Any]] | None = None

    def __call__(self, step: int) -> tuple[Array, Array]:
        """Return (x, targets) of batch number `step`. Each row of the targets has the sum 1."""
        x, labels = self.batches(step)
        N = len(x)
        if self.unlabelled is not None:
            x = np.concatenate([x, self.unlabelled(step)[0]])
        targets = self.teacher(x)
        targets[:N] = self.share * targets[:N] + (1 - self.share) * one_hot(targets[:N], labels)
        return x, targets


def cross_entropy_to(scores: Array, targets: Array) -> tuple[float, Array]:
    """Return the mean over images of -sum targets log softmax(scores), and its gradient to scores, (N, classes).

    >>> cross_entropy_to(np.zeros((1, 2)), np.array([[0.75, 0.25]]))[1]
    array([[-0.25,  0.25]])
    """
    xp = get_array_module(scores)
    targets = to_device(targets, "cpu" if xp is np else "gpu").astype(scores.dtype, copy=False)
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_probabilities = shifted - xp.log(xp.exp(shifted).sum(axis=1, keepdims=True))
    N = scores.shape[0]
    return -float((log_probabilities * targets).sum()) / N, (xp.exp(log_probabilities) - targets) / N
