"""Adversarial training: each batch is first changed, a little, so that its loss rises."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn.backend import Array, Generator, get_array_module, to_device, to_host
from minicnn.errors import InputError
from minicnn.losses import cross_entropy
from minicnn.models.fold import fold_norms
from minicnn.network import Network

ADVERSARY = 5  # the first number of a seed, see minicnn/training/train.py
TINY = 1e-12  # lower bound of every divisor
REACH = 1.4  # length of all steps together, relative to the radius: past the surface from most places in the ball


@dataclass(frozen=True)
class Adversary:
    """A function that changes each batch of a training within an L2 ball (Madry et al. 2018, arXiv:1706.06083).

    Networks that are trained so have smooth first filters, and gradients and class pictures that show the objects
    (Engstrom et al. 2019, arXiv:1906.00945).

    radius : of the ball around each image, in pixel values of 0..1: the root of the sum of all squared changes.
    std : of the preprocessing, in pixel values of 0..1, one for each channel or one for all.
    num_steps : number of steps up the gradient.
    start, warm_up : the radius is 0 in the first `start` steps of the training, and grows in the next `warm_up` ones.
    """

    radius: float
    std: tuple[float, ...] = (1.0,)
    num_steps: int = 2
    start: int = 0
    warm_up: int = 0
    seed: int = 0

    def __call__(self, net: Network, x: Array, labels: Any, step: int) -> Array:
        """Return the changed images of training step `step`, from 0. The network sees them as outside training."""
        grown = 1.0 if step >= self.start + self.warm_up else max(0.0, (step - self.start) / self.warm_up)
        radius = self.radius * grown
        if not radius:
            return x
        rng = np.random.default_rng([ADVERSARY, self.seed, step])
        return adversarial(fold_norms(net), x, labels, radius, rng, std=self.std, num_steps=self.num_steps)


@dataclass(frozen=True)
class AdversarialBatches:
    """The batches of a training of `net`, each changed by the adversary: step, from 0 -> (x on the host, labels).

    net : the trained network; a fast one saves time. batches : a function step -> (x, labels), such as MiniBatches.
    """

    net: Network
    batches: Callable[[int], tuple[Array, Any]]
    adversary: Adversary

    def __call__(self, step: int) -> tuple[Array, Any]:
        """Return (x, labels) of batch number `step`."""
        x, labels = self.batches(step)
        return to_host(self.adversary(self.net, to_device(x, self.net.device), labels, step)), labels


def adversarial(net: Network, x: Array, labels: Any, radius: float, rng: Generator, *, std: tuple[float, ...] = (1.0,),
                num_steps: int = 2, loss: Callable[[Array, Any], tuple[float, Array]] = cross_entropy) -> Array:
    """Return images near x, (N, C, H, W), with a higher loss: projected gradient ascent in an L2 ball.

    The ascent begins at a random place of the ball. Each step goes up the gradient of each image, all together 1.4
    times the radius; a change that leaves the ball is shortened to its surface.
    radius, std, num_steps : see Adversary. Raises InputError if the radius is not a number of at least 0.

    >>> adversarial(net, x, [label], 0.5, rng).shape
    (1, 3, 64, 64)
    """
    if not (np.isfinite(radius) and radius >= 0):
        raise InputError(f"the radius of the adversary is a number of at least 0, not {radius}")
    xp = get_array_module(x)
    std = xp.asarray(std, x.dtype).reshape(1, -1, 1, 1)  # x changes by change / std
    change = to_device(rng.standard_normal(x.shape, np.float32), net.device).astype(x.dtype, copy=False)
    reach = to_device(rng.random((len(x), 1, 1, 1), np.float32), net.device).astype(x.dtype, copy=False)
    change = change * (radius * reach / (norms(change) + TINY)).astype(x.dtype, copy=False)
    for _ in range(num_steps):
        trace = net.forward(x + change / std)
        dscores = loss(trace.activations[net.output], labels)[1]
        gradient = net.backward(trace, {net.output: dscores}, release=True)["input"] / std
        change = change + gradient * (REACH / num_steps * radius / xp.maximum(norms(gradient), TINY))
        change = change * xp.minimum(1, radius / xp.maximum(norms(change), TINY))  # back into the ball
    return x + change / std


def norms(x: Array) -> Array:
    """Return the L2 norm of each image, (N, C, H, W) -> (N, 1, 1, 1)."""
    return get_array_module(x).sqrt((x * x).sum(axis=(1, 2, 3), keepdims=True))
