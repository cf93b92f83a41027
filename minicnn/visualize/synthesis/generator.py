"""The generator prior: what is optimised is a code, and a decoder makes the picture of it.

Pixels can be anything; a decoder that has learnt to paint pictures can paint little else.
"""

from dataclasses import dataclass

from minicnn.backend import to_device, to_host
from minicnn.losses import ClassScore
from minicnn.network import Network
from minicnn.optimize import Clamp, FadingStep, optimize_image

PREFIX = "generator/"  # of the names of a generator's layers within a stacked network

# What generated_class takes: as published, for the 4096 activations of CaffeNet's fc6, and for the shipped decoder,
# whose codes are smaller and fewer.
GENERATOR_PRESETS = {
    "nguyen": {"learning_rate": 8.0, "last_rate": 1e-10, "decay": 0.99},
    "shapes": {"learning_rate": 0.3, "last_rate": 1e-10, "decay": 0.99},
}


def stacked(generator, net):
    """One Network of two: its input is a code, of which `generator` makes the picture that `net` looks at.

    The layers and weights are theirs, not copies. Those of `net` keep their names, those of `generator` have
    "generator/" before theirs; both networks' layers can be seeded and read.
    """
    both = Network(generator.input_shape, net.aliases)
    for name, layer, inputs in generator.nodes:
        both.add(PREFIX + name, layer, *[source if source == "input" else PREFIX + source for source in inputs])
    picture = both.output
    for name, layer, inputs in net.nodes:
        both.add(name, layer, *[picture if source == "input" else source for source in inputs])
    return both


def code_range(codes):
    """(mean, highest) of the codes of pictures, (N, …), each (1, …): what to begin with, and three standard deviations
    of each unit, the bound of `generated_class`."""
    return codes.mean(axis=0, keepdims=True), 3 * codes.std(axis=0, keepdims=True)


@dataclass(frozen=True)
class Decay:
    """Multiplies what is optimised with `rate` after each step."""

    rate: float

    def __call__(self, code, step):
        return code * self.rate


def generated_class(generator, net, label, code, highest, *, num_steps=200, learning_rate=8.0, last_rate=1e-10,
                    decay=0.99, callback=None, checkpoint=None):
    """A code, of the shape of `code`, (1, …), whose picture the class scores highest; the picture (1, C, H, W); the
    history. Both arrays are on the host.

    The mean change of the code's numbers in a step goes from `learning_rate` down to `last_rate`; after each step the
    code shrinks by `decay` and is kept within 0 and `highest`, for each of its units, as activations behind a ReLU are.
    callback : called with (Progress, code). checkpoint : see `optimize_image`.
    Nguyen et al. 2016 (arXiv:1605.09304), section 3, with the settings of their code for Caffe.
    """
    both = stacked(generator, net)
    code, history = optimize_image(
        both, to_device(code, net.device), [(-1.0, ClassScore(both.output, label))],
        update=FadingStep(learning_rate, last_rate, num_steps, "mean_abs"),
        num_steps=num_steps,
        project=(Decay(decay), Clamp(0.0, to_device(highest, net.device))),
        callback=callback,
        checkpoint=checkpoint)
    return to_host(code), to_host(generator.predict(code)), history
