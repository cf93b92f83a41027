"""The objective numbers of the gradient of a single neuron, by each rule for the ReLU."""

import numpy as np

from minicnn.backend import Array, get_array_module, to_device, to_host
from minicnn.network import Network
from minicnn.receptive_field import receptive_field
from minicnn.visualize.attribution.derivatives_check import TWO_PASSES, relative_distance, rule_gradient
from minicnn.visualize.attribution.guided_backprop import guided_backprop
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.entry import enter

FORMULAS = {"gradient": "dout (x > 0)", "deconvnet": "dout (dout > 0)", "guided backprop": "dout (x > 0) (dout > 0)"}


def check_neuron_gradient(net: Network, x: Array, layer: str, channel: int, position: tuple[int, int] | None,
                          gradient: Array, rule: str = "guided backprop") -> list[Check]:
    """Return the Checks that a neuron's gradient has the rule at each ReLU, and is zero outside the receptive field.

    x : one image, (1, C, H, W). position : (y, x), or None for a layer without maps. gradient : as it is shown, of
    neuron_gradient, (1, C, H, W). rule : "gradient", "deconvnet" or "guided backprop".
    """
    layer = net.find(layer)
    expected = ruled_gradient(net, x, layer, channel, position, rule)
    H, W = gradient.shape[2:]
    field = receptive_field(net, layer)
    top, bottom, left, right = (0, H, 0, W) if field is None or position is None else field.box(*position, H, W)
    outside = np.abs(gradient).copy()
    outside[..., top:bottom, left:right] = 0
    return [below(f"{rule}: the gradient against one with {FORMULAS[rule]} written out at each ReLU, relative",
                  relative_distance(gradient, expected), TWO_PASSES),
            below(f"{rule}: largest gradient outside the receptive field", outside.max(), 0.0)]


def ruled_gradient(net: Network, x: Array, layer: str, channel: int, position: tuple[int, int] | None,
                   rule: str) -> Array:
    """Return the gradient of one neuron by the rule, written out at each ReLU, (1, C, H, W) on the host."""
    x = enter(net, x)
    trace = net.forward(x, upto=layer)
    seed = get_array_module(x).zeros_like(trace.activations[layer])
    index = (0, channel, *(position or ()))
    seed[index] = 1
    return to_host(rule_gradient(net, trace, {layer: seed}, rule))


def check_randomised(net: Network, x: Array, layer: str, channel: int, position: tuple[int, int] | None,
                     rng: np.random.Generator) -> Check:
    """Return the correlation of the neuron's guided backprop with that of random weights; it is not judged.

    This is the parameter-randomisation test of Adebayo et al. 2018 (arXiv:1810.03292). The parameters are those of
    `check_neuron_gradient`.
    """
    guided = guided_backprop(net, x, layer, channel, position)[0]
    return reported("guided backprop: correlation with the picture of shuffled weights",
                    randomised_similarity(net, x, layer, channel, position, guided, rng),
                    "above 0.5 the picture shows edges more than learned features")


def randomised_similarity(net: Network, x: Array, layer: str, channel: int, position: tuple[int, int] | None,
                          guided: Array, rng: np.random.Generator) -> float:
    """Return the correlation of |guided| with the same picture of a network whose weights are shuffled in each layer.

    In a layer with maps, the other network's neuron is the strongest one at the same position: the same channel is
    often 0 there. guided : (C, H, W).
    """
    shuffled = net.trunk(layer).astype(x.dtype)
    for step in shuffled.parameter_layers().values():
        for key, values in step.params.items():
            step.params[key] = to_device(rng.permutation(to_host(values).ravel()).reshape(values.shape), net.device)
    other = guided_backprop(shuffled, x, layer, None if position else channel, position)[0]
    a, b = np.abs(guided).ravel(), np.abs(other).ravel()
    return float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else 0.0
