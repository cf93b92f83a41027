"""The layers that a demo shows by default."""

from minicnn.layers import Concat, GlobalAvgPool2D
from minicnn.layers.pool import Pool2D
from minicnn.network import Network


def feature_layers(net: Network) -> list[str]:
    """Return the names of the layers that end a stage, from shallow to deep.

    A stage ends where a pool follows, and at the deepest concatenation. Layers with one map per class, such as
    SqueezeNet's last one, are not in the list.
    """
    shapes = net.shapes()
    ends = [node.inputs[0] for node in net.nodes if isinstance(node.layer, Pool2D | GlobalAvgPool2D)]
    ends += [node.name for node in net.nodes if isinstance(node.layer, Concat)][-1:]
    classes = shapes[net.output][1]
    chosen = {name for name in ends if name != "input" and shapes[name][1] != classes}
    return [name for name in net.layer_names() if name in chosen]
