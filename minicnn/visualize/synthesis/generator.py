"""The generator prior: optimize a code, from which a decoder makes the picture.

Optimized pixels can take any values. A decoder that was trained to make pictures makes little else.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minicnn.arguments import require_fields, require_kind, require_number
from minicnn.backend import Array, to_host
from minicnn.errors import InputError
from minicnn.losses import ClassScore
from minicnn.network import Network
from minicnn.optimize import Clamp, Decay, Decoded, FadingStep, optimize_image
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.progress import Progress
from minicnn.visualize.entry import enter, require_labels, require_network, require_watchers

PREFIX = "generator/"  # of the names of the generator's layers in a stacked network


@dataclass(frozen=True)
class GeneratorSettings:
    """The settings of `generated_class`. The learning rate changes linearly from the first step to the last."""

    num_steps: int = 200         # number of steps
    learning_rate: float = 8.0   # mean change of the code's numbers in the first step
    last_rate: float = 1e-10     # mean change of the code's numbers in the last step
    decay: float = 0.01          # share of the code that each step removes, from 0 to below 1

    def __post_init__(self) -> None:
        require_fields(self, num_steps=1, learning_rate=0, last_rate=0)
        require_number("decay", self.decay, 0, below=1)


NGUYEN = GeneratorSettings()                   # as published, for the 4096 activations of CaffeNet's fc6
SHAPES = GeneratorSettings(learning_rate=0.3)  # ours, for the shipped decoder, whose codes are smaller and fewer
GENERATOR_PRESETS = {"nguyen": NGUYEN, "shapes": SHAPES}


def stacked(generator: Network, net: Network) -> Network:
    """Return one network: its input is a code, from which `generator` makes the picture that `net` classifies.

    The layers and weights are shared with both networks. The layers of `net` keep their names. The layers of
    `generator` get the prefix "generator/". The layers of both can be seeded and read.

    >>> from minicnn import load_model
    >>> decoder = load_model("shapes_decoder", device="cpu").net
    >>> both = stacked(decoder, net)
    >>> both.input_shape == decoder.input_shape, both.output == net.output
    (True, True)
    """
    require_generator_of(net, generator)
    both = type(net)(generator.input_shape, net.aliases)  # fast if `net` is fast
    for name, layer, inputs in generator.nodes:
        both.add(PREFIX + name, layer, *[source if source == "input" else PREFIX + source for source in inputs])
    picture = both.output
    for name, layer, inputs in net.nodes:
        both.add(name, layer, *[picture if source == "input" else source for source in inputs])
    return both


def require_generator_of(net: Network, generator: Network) -> None:
    """Raise InputError unless the generator makes images for the network."""
    require_network(net)
    out = require_network(generator, "generator").shapes()[generator.output]
    if len(out) != 4 or out[1] != net.input_shape[0]:
        raise InputError(f"the generator's output is {out}, and the network takes images of shape "
                         f"(N, {net.input_shape[0]}, H, W)")


def code_range(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of the codes (N, …), which is a first code, and three standard deviations, each of shape (1, …).

    The second one is the upper bound `highest` of `generated_class`.
    """
    return codes.mean(axis=0, keepdims=True), 3 * codes.std(axis=0, keepdims=True)


def generated_class(generator: Network, net: Network, label: int, code: Array, highest: Array,
                    settings: GeneratorSettings = NGUYEN, *, callback: Callable | None = None,
                    checkpoint: Checkpoint | None = None) -> tuple[np.ndarray, np.ndarray, list[Progress]]:
    """Return a code whose picture maximizes the score of a class, the picture, both on the host, and the history.

    After each step the code decays and is clamped to 0 … `highest`, like activations behind a ReLU.

    Parameters
    ----------
    generator : the network from a code to a picture.
    net : the network that classifies the picture.
    label : the class.
    code : the first code, (1, …).
    highest : the upper bound of each of the code's numbers, (1, …).
    settings : the GeneratorSettings, such as a preset in GENERATOR_PRESETS.
    callback : called with (Progress, code) after each step.
    checkpoint : a Checkpoint for resuming an interrupted run.

    References
    ----------
    Nguyen et al. 2016 (arXiv:1605.09304), section 3, with the settings of their code for Caffe.

    Examples
    --------
    >>> from minicnn import load_model
    >>> decoder = load_model("shapes_decoder", device="cpu").net
    >>> zeros = np.zeros((1, *decoder.input_shape), np.float32)
    >>> quick = GeneratorSettings(num_steps=2, learning_rate=0.1)
    >>> code, picture, history = generated_class(decoder, net, label, zeros, zeros + 1, quick)
    >>> code.shape, picture.shape, len(history)
    ((1, 120, 4, 4), (1, 3, 64, 64), 2)
    """
    require_generator_of(net, generator)
    label, = require_labels(net, label, 1)
    require_kind("settings", settings, GeneratorSettings, "give GeneratorSettings(...)")
    require_watchers(callback, checkpoint)
    code, highest = enter(generator, code, "code"), enter(generator, highest, "highest")
    if highest.shape != code.shape:
        raise InputError(f"a code of shape {code.shape} and an upper bound of shape {highest.shape}; expected the same")
    watch = CodeWatch(callback)
    code, history = optimize_image(
        net, code, [(-1.0, ClassScore(net.output, label))],
        update=FadingStep(settings.learning_rate, settings.last_rate, settings.num_steps, "mean_abs"),
        num_steps=settings.num_steps,
        project=(Decay(settings.decay), Clamp(0.0, highest), watch.keep),
        callback=None if callback is None else watch,
        checkpoint=checkpoint,
        parametrization=Decoded(generator))
    return to_host(code), to_host(generator.predict(code)), history


class CodeWatch:
    """The callback of the loop, which is given pictures, that calls `callback` with (Progress, code).

    code : the code after the last step, which the loop's last projection, `keep`, sets.
    """

    def __init__(self, callback: Callable | None) -> None:
        self.callback = callback
        self.code: Array | None = None

    def keep(self, code: Array, step: int) -> Array:
        """Keep the code, and return it as it is."""
        self.code = code
        return code

    def __call__(self, progress: Progress, picture: Array) -> bool:
        return self.callback is not None and bool(self.callback(progress, self.code))
