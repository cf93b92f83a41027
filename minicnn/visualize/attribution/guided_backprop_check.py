"""The objective numbers of the gradient of a single neuron by guided backprop."""

import numpy as np

from minicnn.backend import Array, to_device, to_host
from minicnn.layers import ReLU
from minicnn.network import Network
from minicnn.receptive_field import receptive_field
from minicnn.visualize.attribution.guided_backprop import guided_backprop
from minicnn.visualize.check import Check, above, below


def check_neuron_gradient(net: Network, x: Array, layer: str, channel: int, position: tuple[int, int] | None,
                          rng: np.random.Generator) -> list[Check]:
    """Return the Checks of guided backprop of one neuron.

    The gradient is exactly zero outside the receptive field, and not everywhere zero inside. All ReLUs on the path have
    the rule. The last number is reported, not judged: the parameter-randomisation test of Adebayo et al. 2018
    (arXiv:1810.03292), which is the correlation with the picture of a network with shuffled weights.

    x : one image, (1, C, H, W). position : (y, x), or None for a layer without maps.
    """
    guided = guided_backprop(net, x, layer, channel, position)[0]
    H, W = guided.shape[1:]
    field = receptive_field(net, layer)
    top, bottom, left, right = (0, H, 0, W) if field is None or position is None else field.box(*position, H, W)
    outside = np.abs(guided).copy()
    outside[:, top:bottom, left:right] = 0
    replaced, on_path = count_relus(net, layer)
    similarity = randomised_similarity(net, x, layer, channel, position, guided, rng)
    return [below("largest gradient outside the receptive field", outside.max(), 0.0),
            above("largest gradient inside", np.abs(guided).max(), 0.0),
            Check("ReLUs with the rule, of the ReLUs on the path", replaced, str(on_path), replaced == on_path),
            Check("correlation with the same picture of a network whose weights are shuffled", similarity,
                  "reported, not judged: above 0.5 the picture shows edges more than learned features", True)]


def count_relus(net: Network, layer: str) -> tuple[int, int]:
    """Return (ReLUs that with_relu replaces, all ReLUs) on the path from the input to `layer`."""
    class Marked(ReLU):
        pass
    layer = net.find(layer)
    path = {layer}
    for node in reversed(net.nodes):
        if node.name in path:
            path.update(node.inputs)
    marked = net.with_relu(Marked())
    on_path = [name for name, step, _ in net.nodes if name in path and isinstance(step, ReLU)]
    return sum(type(marked.layer(name)) is Marked for name in on_path), len(on_path)


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
