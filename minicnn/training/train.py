"""Training: mini-batches, an update for every parameter, a schedule, and checkpoints to go on from.

Everything random is a function of (seed, step): a batch, its augmentation, what Dropout drops. So a training that is
resumed from a checkpoint ends where the uninterrupted one does.
"""

import copy
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.errors import InputError
from minicnn.files import replacing
from minicnn.losses import cross_entropy
from minicnn.models.weights import named_arrays

ORDER, AUGMENT, DROP, STYLE = 1, 2, 3, 4  # the first number of a seed: each use has random numbers of its own


@dataclass(frozen=True)
class MiniBatches:
    """Batches of (x, labels) from arrays in memory; each epoch goes through all of them in a new order,
    but for a last batch that would not be full.

    x : (N, C, H, W); labels : (N,). augment : a function (x, rng) -> x of one batch, or None.
    """

    x: np.ndarray
    labels: np.ndarray
    batch_size: int
    seed: int = 0
    augment: Any = None

    def __call__(self, step):
        """Batch number `step`, from 0: (x, labels)."""
        per_epoch = len(self.x) // self.batch_size
        if not per_epoch:
            raise InputError(f"a batch of {self.batch_size} from {len(self.x)} images is not possible")
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng([ORDER, self.seed, epoch]).permutation(len(self.x))
        chosen = order[place * self.batch_size:(place + 1) * self.batch_size]
        x = self.x[chosen]
        if self.augment is not None:
            x = self.augment(x, np.random.default_rng([AUGMENT, self.seed, step]))
        return x, self.labels[chosen]


@dataclass(frozen=True)
class CosineSchedule:
    """From `learning_rate` to 0 along half a cosine (Loshchilov and Hutter 2016), after a linear warm-up."""

    learning_rate: float
    num_steps: int
    warm_up: int = 0

    def __call__(self, step):
        """The learning rate at `step`, from 0."""
        if step < self.warm_up:
            return self.learning_rate * (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(1, self.num_steps - self.warm_up)
        return self.learning_rate * (1 + math.cos(math.pi * min(1.0, done))) / 2


def train(net, batches, *, update, num_steps, schedule=None, weight_decay=0.0, loss=cross_entropy, seed=0,
          checkpoint=None, checkpoint_every=500, callback=None, only=None, variant=None,
          settings=None):
    """Minimise `loss` over the network's parameters, in place. Returns the history: the loss of every step.

    batches : a function step -> (x, labels), from 0. update : an update object (Momentum, Adam, …), of which every
    parameter gets a copy. schedule : a function step -> learning rate. weight_decay : shrinks `w` (not biases) by
    learning_rate * weight_decay a step (Loshchilov and Hutter 2017).
    checkpoint : a path; written every `checkpoint_every` steps, and resumed from where it exists. settings : what the
    training depends on, as JSON has it, {name: value}; a checkpoint of other ones is refused.
    callback : called with (step, loss) after each step; a true answer ends the training.
    only : the keys of the parameters that are trained, as ("gamma", "beta"); all, unless given. variant : a function
    (net, labels) -> the network that a batch goes through, which shares the parameters; `net` itself, unless given.
    """
    owners = net.parameter_layers()
    updates = {f"{name}/{key}": copy.deepcopy(update) for name, layer in owners.items() for key in layer.params
               if only is None or key in only}
    first, history = (0, []) if checkpoint is None else resume(checkpoint, net, updates, settings)
    for step in range(first, num_steps):
        x, labels = batches(step)
        x = to_device(x, net.device)
        network = net if variant is None else variant(net, labels)
        trace = network.forward_train(x, np.random.default_rng([DROP, seed, step]), keep=(net.output,))
        value, dscores = loss(trace.activations[net.output], labels)
        for name, gradients in network.backward_train(trace, {net.output: dscores}, only).items():
            params = owners[name].params
            for key, gradient in gradients.items():
                rule = updates[f"{name}/{key}"]
                if schedule is not None:
                    rule.learning_rate = schedule(step)
                decay = rule.learning_rate * weight_decay if key == "w" else 0.0
                changed = params[key] - rule.delta(gradient) - decay * params[key]
                params[key] = changed.astype(params[key].dtype, copy=False)  # where the rate is NumPy's float64
        history.append(value)
        if not np.isfinite(value):
            raise InputError(f"the loss is {value} at step {step}: the training diverged; lower the learning rate")
        stop = callback is not None and callback(step, value)
        if checkpoint is not None and ((step + 1) % checkpoint_every == 0 or step + 1 == num_steps or stop):
            save_checkpoint(checkpoint, net, updates, history, settings)
        if stop:
            break
    return history


def accuracy(net, x, labels, batch_size=250):
    """The share of images whose highest score is their label; x (N, C, H, W), labels (N,)."""
    right = 0
    for start in range(0, len(x), batch_size):
        scores = to_host(net.predict(to_device(x[start:start + batch_size], net.device)))
        right += int((scores.argmax(axis=1) == labels[start:start + batch_size]).sum())
    return right / len(x)


def save_checkpoint(path, net, updates, history, settings=None):
    """Write the arrays of the network and of its updates, the history and the settings as .npz, through a temporary
    file."""
    arrays = {f"net:{name}": to_host(array) for name, array in named_arrays(net).items()}
    for name, rule in updates.items():
        for key, value in vars(rule).items():
            if hasattr(value, "shape"):
                arrays[f"update:{name}:{key}"] = to_host(value)
            elif isinstance(value, int | float):
                arrays[f"update:{name}:{key}"] = np.asarray(value)
    with replacing(path, overwrite=True) as temporary, open(temporary, "wb") as file:
        np.savez(file, history=np.asarray(history), settings=np.asarray(json.dumps(settings or {})), **arrays)


def resume(path, net, updates, settings=None):
    """Put what `save_checkpoint` wrote back into the network and its updates; returns (next step, history).

    (0, []) where the file does not exist. Raises InputError, before anything is changed, where it is damaged or
    belongs to another network, another kind of update, or a training of other settings.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            history = file["history"].tolist()
            theirs = dict(json.loads(str(file["settings"]))) if "settings" in file else {}
            arrays = {name: file[name] for name in file.files if name not in ("history", "settings")}
    except FileNotFoundError:
        return 0, []
    except Exception as problem:  # zip, zlib and NumPy each have errors of their own
        reason = " ".join(str(problem).split())  # NumPy's fill several lines
        raise InputError(f"{path} is no checkpoint or is damaged: {reason}") from None
    expected = {f"net:{name}": array.shape for name, array in named_arrays(net).items()}
    found = {name: array.shape for name, array in arrays.items() if not name.startswith("update:")}
    if expected != found:
        wrong = sorted(name.removeprefix("net:") for name in expected.keys() ^ found.keys()
                       | {name for name in expected.keys() & found.keys() if expected[name] != found[name]})
        raise InputError(f"{path} is a checkpoint of another network; it differs in {', '.join(wrong)}")
    rules = {f"update:{name}:{key}": value for name, rule in updates.items() for key, value in vars(rule).items()}
    numbers = {name for name, value in rules.items() if isinstance(value, int | float)}  # always stored
    stored = arrays.keys() - found.keys()
    wrong = {name.rsplit(":", 1)[1] for name in (numbers - stored) | (stored - rules.keys())}
    if wrong:
        raise InputError(f"{path} is a checkpoint of another kind of update; it differs in {', '.join(sorted(wrong))}")
    mine = json.loads(json.dumps(settings or {}))
    other = [f"{key} {theirs.get(key)}, not {mine.get(key)}" for key in sorted(mine.keys() | theirs.keys())
             if mine.get(key) != theirs.get(key)]
    if other:
        raise InputError(f"{path} is a checkpoint of another training: it has {'; '.join(other)}")
    for name, array in arrays.items():
        kind, rest = name.split(":", 1)
        if kind == "net":
            layer, key = rest.rsplit("/", 1)
            layer = net.layer(layer)
            (layer.params if key in layer.params else layer.buffers)[key] = to_device(array, net.device)
        else:
            parameter, key = rest.rsplit(":", 1)
            value = to_device(array, net.device) if array.ndim else array.item()
            setattr(updates[parameter], key, value)
    return len(history), history
