"""Pictures as points: what a deep layer says of each, one vector a picture."""

import numpy as np

from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.layers import Dropout, Linear, ReLU, Softmax
from minicnn.visualize.entry import enter


def image_features(net, x, layer=None, batch_size=16):
    """The activations of a layer for many images, x (N, C, H, W) -> (N, D) on the host, `batch_size` at a time.

    Maps (C', H', W') are averaged over all their positions, so that D = C' and it counts what is in the picture, not
    where. layer : any name; left out, `feature_layer(net)`. Raises InputError as `enter` does, and for a batch_size
    below 1. Krizhevsky et al. 2012, figure 4 (right), with the 4096 activations of AlexNet's last hidden layer.
    """
    layer = feature_layer(net) if layer is None else net.find(layer)
    if batch_size < 1:
        raise InputError(f"images cannot be taken {batch_size} at a time; batch_size must be at least 1")
    parts = []
    for start in range(0, max(len(x), 1), batch_size):  # once where there are none, for enter to say so
        out = net.predict(enter(net, x[start:start + batch_size]), layer)
        out = out.mean(axis=(2, 3)) if out.ndim == 4 else out.reshape(len(out), -1)
        parts.append(to_host(out))
    return np.concatenate(parts)


def feature_layer(net):
    """The name of the deepest layer that describes pictures without naming classes.

    The ReLU of the last hidden fully connected layer where there is one: relu7 of VGG and AlexNet. Else the last
    layer with maps that are not the classes' own: fire9/concat of SqueezeNet. Raises InputError where there is none.
    """
    layers = {node.name: node.layer for node in net.nodes}
    hidden = [name for name, layer, inputs in net.nodes
              if isinstance(layer, ReLU) and isinstance(layers.get(inputs[0]), Linear)]
    if hidden:
        return hidden[-1]
    shapes = net.shapes()
    classes = shapes[net.output][1] if len(shapes[net.output]) == 2 else None  # a trunk has none
    maps = [name for name, layer, _ in net.nodes
            if len(shapes[name]) == 4 and shapes[name][1] != classes and not isinstance(layer, Dropout | Softmax)]
    if not maps:
        raise InputError("the network has no layer with maps to describe pictures by; name a layer")
    return maps[-1]
