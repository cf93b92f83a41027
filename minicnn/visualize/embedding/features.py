"""Features of images: the activations of a deep layer, one vector for each image."""

import numpy as np

from minicnn.arguments import require_whole
from minicnn.backend import Array, to_host
from minicnn.errors import InputError
from minicnn.layers import Dropout, Linear, ReLU, Softmax
from minicnn.network import Network
from minicnn.visualize.entry import enter, images_for, require_layer


def image_features(net: Network, x: Array, layer: str | None = None, batch_size: int = 16) -> Array:
    """Return the activations of a layer for images x (N, C, H, W), as vectors (N, D) on the host.

    Maps (C', H', W') are averaged over all positions, so D = C'. The average describes the content of the image, not
    its place. Krizhevsky et al. 2012, figure 4 (right), use the 4096 activations of AlexNet's last hidden layer.

    layer : the name of any layer. By default, `feature_layer(net)`. batch_size : number of images in one pass.
    Raises InputError if x is not a finite array of that shape or if batch_size is below 1, and UnknownNameError for an
    unknown layer.

    >>> image_features(net, x, "relu5").shape
    (1, 96)
    """
    x, batch_size = images_for(net, x), require_whole("batch_size", batch_size, 1)
    layer = feature_layer(net) if layer is None else require_layer(net, layer)
    parts = []
    for start in range(0, len(x), batch_size):
        out = net.predict(enter(net, x[start:start + batch_size]), layer)
        out = out.mean(axis=(2, 3)) if out.ndim == 4 else out.reshape(len(out), -1)
        parts.append(to_host(out))
    return np.concatenate(parts)


def feature_layer(net: Network) -> str:
    """Return the name of the deepest layer that describes images without naming classes.

    This is the ReLU of the last hidden fully connected layer if there is one: relu7 of VGG and AlexNet. Otherwise it is
    the last layer with maps that are not the maps of the classes: fire9/concat of SqueezeNet.
    Raises InputError if there is no such layer.
    """
    layers = {node.name: node.layer for node in net.nodes}
    hidden = [name for name, layer, inputs in net.nodes
              if isinstance(layer, ReLU) and isinstance(layers.get(inputs[0]), Linear)]
    if hidden:
        return hidden[-1]
    shapes = net.shapes()
    classes = shapes[net.output][1] if len(shapes[net.output]) == 2 else None  # None for a trunk
    maps = [name for name, layer, _ in net.nodes
            if len(shapes[name]) == 4 and shapes[name][1] != classes and not isinstance(layer, Dropout | Softmax)]
    if not maps:
        raise InputError("the network has no layer of maps that describes images; name a layer")
    return maps[-1]
