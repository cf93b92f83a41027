"""Training: mini-batches, an update for each parameter, and a learning rate schedule.

All random numbers depend on (seed, step) alone: a batch, its augmentation, the values that Dropout drops. So a training
that continues from a checkpoint ends as an uninterrupted one.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minicnn.backend import Array, Generator, to_device, to_host
from minicnn.errors import InputError
from minicnn.losses import cross_entropy
from minicnn.losses.classes import one_hot
from minicnn.network import Network
from minicnn.training.average import WeightAverage
from minicnn.training.checkpoint import TrainingCheckpoint

ORDER, AUGMENT, DROP, STYLE = 1, 2, 3, 4  # the first number of a seed: each use has its own random numbers

Batches = Callable[[int], tuple[Array, Any]]  # step, from 0 -> (x on the host, labels)


@dataclass(frozen=True)
class MiniBatches:
    """Batches of (x, labels) from arrays in memory. Each epoch uses all images once, in a new order.

    Images that do not fill the last batch of an epoch are left for other epochs.
    x : (N, C, H, W). labels : (N,). augment : a function (x, rng) -> x of one batch, or None.
    """

    x: Array
    labels: Array
    batch_size: int
    seed: int = 0
    augment: Callable[[Array, Generator], Array] | None = None

    def __call__(self, step: int) -> tuple[Array, Array]:
        """Return (x, labels) of batch number `step`, from 0."""
        per_epoch = len(self.x) // self.batch_size
        if not per_epoch:
            raise InputError(f"a batch of {self.batch_size} needs at least as many images, not {len(self.x)}")
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng([ORDER, self.seed, epoch]).permutation(len(self.x))
        chosen = order[place * self.batch_size:(place + 1) * self.batch_size]
        x = self.x[chosen]
        if self.augment is not None:
            x = self.augment(x, np.random.default_rng([AUGMENT, self.seed, step]))
        return x, self.labels[chosen]


@dataclass(frozen=True)
class CosineSchedule:
    """A learning rate that falls from `learning_rate` to 0 along half a cosine, after a linear warm-up.

    Loshchilov and Hutter 2016 (arXiv:1608.03983). warm_up : number of steps of the warm-up.
    """

    learning_rate: float
    num_steps: int
    warm_up: int = 0

    def __call__(self, step: int) -> float:
        """Return the learning rate at `step`, from 0."""
        if step < self.warm_up:
            return self.learning_rate * (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(1, self.num_steps - self.warm_up)
        return self.learning_rate * (1 + math.cos(math.pi * min(1.0, done))) / 2


def train(net: Network, batches: Batches, *, update: Any, num_steps: int,
          schedule: Callable[[int], float] | None = None, weight_decay: float = 0.0,
          loss: Callable[[Array, Any], tuple[float, Array]] = cross_entropy, seed: int = 0,
          checkpoint: TrainingCheckpoint | str | Path | None = None,
          callback: Callable[[int, float], Any] | None = None, only: Sequence[str] | None = None,
          variant: Callable[[Network, Any], Network] | None = None,
          adversary: Callable[[Network, Array, Any, int], Array] | None = None,
          average: WeightAverage | None = None) -> list[float]:
    """Minimise `loss` over the network's parameters, in place. Return the history: the loss of each step.

    Parameters
    ----------
    batches : a function step, from 0 -> (x, labels).
    update : an update object such as Momentum or Adam. Each parameter gets a copy of it.
    schedule : a function step -> learning rate. By default the update's rate stays.
    weight_decay : shrinks the weights `w`, not biases, by learning_rate * weight_decay in each step (Loshchilov and
        Hutter 2017, arXiv:1711.05101).
    checkpoint : a TrainingCheckpoint or its path. The training continues from it if the file exists.
    callback : called with (step, loss) after each step. If it returns a true value, the training ends.
    only : keys of the parameters to train, such as ("gamma", "beta"). By default all.
    variant : a function (net, labels) -> the network of one batch, which shares the parameters. By default `net`.
    adversary : a function (net, x, labels, step) -> x of the batch that is trained on, such as an Adversary.
    average : a WeightAverage of `net`, which follows each step.

    Raises
    ------
    InputError if the loss is not finite, or if the checkpoint does not fit.

    >>> batches = MiniBatches(np.repeat(x, 8, axis=0), np.zeros(8, int), batch_size=4)
    >>> len(train(minicnn.models.shapes(), batches, update=minicnn.optimize.Adam(0.001), num_steps=2))
    2
    """
    if isinstance(checkpoint, str | Path):
        checkpoint = TrainingCheckpoint(checkpoint)
    owners = net.parameter_layers()
    updates = {f"{name}/{key}": copy.deepcopy(update) for name, layer in owners.items() for key in layer.params
               if only is None or key in only}
    stored = updates | (average.parts if average is not None else {})
    first, history = (0, []) if checkpoint is None else checkpoint.restore(net, stored)
    for step in range(first, num_steps):
        x, labels = batches(step)
        x = to_device(x, net.device)
        network = net if variant is None else variant(net, labels)
        if adversary is not None:
            x = adversary(network, x, labels, step)
        trace = network.forward_train(x, np.random.default_rng([DROP, seed, step]), keep=(net.output,))
        value, dscores = loss(trace.activations[net.output], labels)
        for name, gradients in network.backward_train(trace, {net.output: dscores}, only).items():
            for key, gradient in gradients.items():
                rule = updates[f"{name}/{key}"]
                if schedule is not None:
                    rule.learning_rate = schedule(step)
                apply_update(owners[name].params, key, gradient, rule, weight_decay)
        if average is not None:
            average.follow(step)
        history.append(value)
        if not np.isfinite(value):
            raise InputError(f"the loss is {value} at step {step}: the training diverged; lower the learning rate")
        stop = callback is not None and callback(step, value)
        if checkpoint is not None and ((step + 1) % checkpoint.every == 0 or step + 1 == num_steps or stop):
            checkpoint.save(net, stored, history)
        if stop:
            break
    return history


def apply_update(params: dict[str, Array], key: str, gradient: Array, rule: Any, weight_decay: float) -> None:
    """Replace the parameter `key` by its value after one step of the update `rule`."""
    decay = rule.learning_rate * weight_decay if key == "w" else 0.0
    changed = params[key] - rule.delta(gradient) - decay * params[key]
    params[key] = changed.astype(params[key].dtype, copy=False)  # also if the rate is a NumPy float64


def smoothed_cross_entropy(scores: Array, labels: Any, smoothing: float = 0.1) -> tuple[float, Array]:
    """Return the cross-entropy to targets that give a share `smoothing` to all classes alike, and its gradient.

    Szegedy et al. 2016 (arXiv:1512.00567), section 7. scores : (N, classes).

    >>> smoothed_cross_entropy(np.zeros((1, 4)), [2], smoothing=0.4)[1].round(2)
    array([[ 0.15,  0.15, -0.45,  0.15]])
    """
    value, dscores = cross_entropy(scores, labels)
    N, K = scores.shape
    # -log softmax(scores)[k] falls by scores[k], so a share of all targets changes the value by a linear term
    shift = smoothing * (one_hot(scores, labels) - 1 / K) / N
    return value + float((scores * shift).sum()), dscores + shift.astype(scores.dtype)


def accuracy(net: Network, x: Array, labels: Array, batch_size: int = 250) -> float:
    """Return the share of images whose highest score is their label. x : (N, C, H, W). labels : (N,).

    >>> accuracy(net, x, np.array([label]))
    1.0
    """
    right = 0
    for start in range(0, len(x), batch_size):
        scores = to_host(net.predict(to_device(x[start:start + batch_size], net.device)))
        right += int((scores.argmax(axis=1) == labels[start:start + batch_size]).sum())
    return right / len(x)
