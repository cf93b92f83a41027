"""Which layers are worth looking at, when the user names none."""

from minicnn.layers import Concat, GlobalAvgPool2D
from minicnn.layers.pool import Pool2D


def feature_layers(net):
    """The layers whose outputs end a stage: what is pooled, and the deepest concatenation; shallow to deep.

    Maps of the classes themselves (SqueezeNet's last) are left out.
    """
    shapes = net.shapes()
    ends = [node.inputs[0] for node in net.nodes if isinstance(node.layer, Pool2D | GlobalAvgPool2D)]
    ends += [node.name for node in net.nodes if isinstance(node.layer, Concat)][-1:]
    classes = shapes[net.output][1]
    chosen = {name for name in ends if name != "input" and shapes[name][1] != classes}
    return [name for name in net.layer_names() if name in chosen]
