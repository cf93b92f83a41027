"""Losses of class scores: objectives of class visualization, and the loss of training a classifier."""

from dataclasses import dataclass
from typing import Any

from minicnn.arguments import count_of, describe, listed, whole
from minicnn.backend import Array, get_array_module
from minicnn.errors import InputError
from minicnn.losses.terms import Activations, LossAndSeeds


@dataclass(frozen=True)
class ClassScore:
    """Sum over images of the unnormalised score (logit) of class `label` at `layer`, the network's output.

    label : one class for all images, or a sequence with one for each image.
    """

    layer: str
    label: Any

    def __call__(self, activations: Activations) -> LossAndSeeds:
        scores = activations[self.layer]  # (N, classes)
        seed = one_hot(scores, self.label)
        return float((scores * seed).sum()), {self.layer: seed}


@dataclass(frozen=True)
class ClassMargin:
    """Sum over images of the score of class `label` minus the best score of another class; positive if `label` wins.

    label : one class for all images, or a sequence with one for each image.
    """

    layer: str
    label: Any

    def __call__(self, activations: Activations) -> LossAndSeeds:
        scores = activations[self.layer]  # (N, classes)
        seed = one_hot(scores, self.label)
        others = scores - 1e30 * seed
        rivals = get_array_module(scores).arange(scores.shape[1]) == others.argmax(axis=1)[:, None]  # (N, classes)
        seed = seed - rivals
        return float((scores * seed).sum()), {self.layer: seed}


@dataclass(frozen=True)
class CrossEntropy:
    """Sum over images of -log softmax(scores)[label] at `layer`, the network's output.

    label : one class for all images, or a sequence with one for each image.
    """

    layer: str
    label: Any

    def __call__(self, activations: Activations) -> LossAndSeeds:
        scores = activations[self.layer]  # (N, classes)
        mean, seed = cross_entropy(scores, self.label)
        return len(scores) * mean, {self.layer: len(scores) * seed}


def cross_entropy(scores: Array, labels: Any) -> tuple[float, Array]:
    """Return the mean over images of -log softmax(scores)[label], and its gradient to scores, (N, classes).

    >>> cross_entropy(np.zeros((1, 4)), [2])[1]
    array([[ 0.25,  0.25, -0.75,  0.25]])
    """
    xp = get_array_module(scores)
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_probabilities = shifted - xp.log(xp.exp(shifted).sum(axis=1, keepdims=True))
    target = one_hot(scores, labels)
    # d value / d scores = (softmax - one hot) / N
    N = scores.shape[0]
    return -float((log_probabilities * target).sum()) / N, (xp.exp(log_probabilities) - target) / N


def one_hot(scores: Array, labels: Any) -> Array:
    """Return zeros like `scores`, (N, classes), with a 1 at each image's label.

    labels : one class for all images, or a sequence with one for each image.
    Raises InputError if the output is not class scores, if a label is not a class, or if there are not as many labels
    as images.

    >>> one_hot(np.zeros((2, 3)), [0, 2])
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    if scores.ndim != 2:
        raise InputError(f"the network's output of shape {scores.shape} is not class scores, (N, classes)")
    encoded = get_array_module(scores).zeros_like(scores)
    for n, label in enumerate(class_numbers(labels, *scores.shape)):
        encoded[n, label] = 1
    return encoded


def class_numbers(labels: Any, count: int, num_classes: int) -> list[int]:
    """Return the class of each of `count` images as Python numbers.

    labels : one class for all images, or a sequence with one for each image. Arrays and scalars of NumPy, CuPy and
    PyTorch are labels too, and so is 2.0; 1.5, True, NaN and names are not.
    Raises InputError if a label is not a class, or if there are not as many labels as images.
    """
    if type(labels) is int:
        return [class_number(labels, num_classes)] * count
    number = count_of(labels)
    if number is None:
        return [class_number(labels, num_classes)] * count
    if number != count:
        raise InputError(f"{number} labels for {count} images")
    return list(map(class_number, listed(labels), (num_classes,) * count))


def class_number(label: Any, num_classes: int) -> int:
    """Return one class as a Python number. Raises InputError if it is none of the classes."""
    number = label if type(label) is int else whole(label)
    if isinstance(label, str):
        raise InputError(f"label is {describe(label)}, and a network knows its classes only by number; "
                         "model.find_class(name) returns the number")
    if number is None:
        raise InputError(f"label is {describe(label)}; expected a class number from 0 to {num_classes - 1}")
    if not 0 <= number < num_classes:
        raise InputError(f"no class {describe(number)}: the network has {num_classes}, numbered from 0")
    return number
