"""DeepLIFT: the difference of the class score from that of a baseline, shared out among the pixels."""

from minicnn.backend import Array, get_array_module, to_host
from minicnn.layers.rescale import LINEAR, rescale_layer
from minicnn.network import Network
from minicnn.visualize.attribution.gradients import broadcast_baseline, score_seeds
from minicnn.visualize.entry import Labels, enter, require_scores


def deeplift(net: Network, x: Array, label: Labels, *, baseline: float | Array = 0.0) -> Array:
    """Return DeepLIFT attributions by the rule "rescale", (N, C, H, W) on the host.

    The attributions of an image add up to score(x) - score(baseline).

    Parameters
    ----------
    net : a network with class scores. A fast network gives the same numbers: its definition is computed.
    x : images of shape (N, C, H, W).
    label : one class, or one for each image. The score is taken before the softmax.
    baseline : a number, or an array that broadcasts to the shape of x. 0 is the mean colour.

    Raises
    ------
    InputError if the network has no class scores or a layer without a rule, or the baseline has another shape.

    References
    ----------
    Shrikumar et al. 2017 (arXiv:1704.02685), sections 3.1, 3.2 and 3.5.1.

    Examples
    --------
    >>> attribution = deeplift(net, x, label)
    >>> bool(abs(attribution.sum() - (net.predict(x) - net.predict(0 * x))[0, label]) < 1e-3)
    True
    """
    x = enter(net, x)
    require_scores(net)
    x0 = get_array_module(x).ascontiguousarray(broadcast_baseline(x, baseline))
    sibling = rescale_network(net, x0)
    trace, seeds = score_seeds(sibling, x, label)
    multipliers = sibling.backward(trace, seeds, release=True)["input"]
    return to_host(multipliers * (x - x0))


def rescale_network(net: Network, x0: Array) -> Network:
    """Return the plain sibling of `net` whose backward pass passes DeepLIFT's multipliers for the baseline x0.

    x0 : like the images, (N, C, H, W) on the network's device. Raises InputError for a layer without a rule.
    """
    net = net.plain()
    nodes = [node for node in net.nodes if not isinstance(node.layer, LINEAR)]
    at_baseline = net.forward(x0, keep={node.inputs[0] for node in nodes}).activations
    return net.with_layers({node.name: rescale_layer(node.layer, at_baseline[node.inputs[0]]) for node in nodes})
