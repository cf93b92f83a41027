"""The layers that a demo shows by default."""

from minicnn.errors import InputError
from minicnn.layers import Add, Concat, GlobalAvgPool2D, ReLU
from minicnn.layers.pool import Pool2D
from minicnn.network import Network

VGG_STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


def has_scores(net: Network) -> bool:
    """Return True if the network ends in class scores, False if it is a trunk that ends in maps."""
    return len(net.shapes()[net.output]) == 2


def feature_layers(net: Network) -> list[str]:
    """Return the names of the layers that end a stage, from shallow to deep.

    A stage ends where a pool follows, at the deepest concatenation, at the last residual block of one size, and at the
    end of a trunk. Layers with one map per class, such as SqueezeNet's last one, are not in the list.
    """
    shapes = net.shapes()
    ends = [node.inputs[0] for node in net.nodes if isinstance(node.layer, Pool2D | GlobalAvgPool2D)]
    ends += [node.name for node in net.nodes if isinstance(node.layer, Concat)][-1:]
    ends += residual_ends(net)
    classes = shapes[net.output][1] if has_scores(net) else None
    if classes is None:
        ends.append(net.output)
    chosen = {name for name in ends if name != "input" and shapes[name][1] != classes and len(shapes[name]) == 4}
    return [name for name in net.layer_names() if name in chosen]


def residual_ends(net: Network) -> list[str]:
    """Return the last residual sum of each size, or the ReLU behind it."""
    shapes = net.shapes()
    sums = {node.name for node in net.nodes if isinstance(node.layer, Add)}
    behind = {node.inputs[0]: node.name for node in net.nodes
              if isinstance(node.layer, ReLU) and node.inputs[0] in sums}
    last = {shapes[node.name][2:]: behind.get(node.name, node.name) for node in net.nodes if node.name in sums}
    return list(last.values())


def usual_layer(net: Network) -> str:
    """Return the last but one of the feature layers, or the only one. Raises InputError if there is none."""
    layers = feature_layers(net)
    if not layers:
        raise InputError("the network has no layer with maps at the end of a stage; name one with --layer")
    return layers[max(0, len(layers) - 2)]


def style_layers(net: Network) -> tuple[str, list[str]]:
    """Return (content layer, style layers) for any network: VGG's by their names, otherwise ends of stages.

    Raises InputError if the network has no such layers.
    """
    names = net.positions
    vgg = [layer for layer in VGG_STYLE if layer in names]
    if len(vgg) > 1:
        return next((layer for layer in ("relu4_2", "relu3_2", "relu2_2") if layer in names), vgg[-1]), vgg
    layers = feature_layers(net)
    if "relu_conv1" in names:  # SqueezeNet's first layer is in the list, its second stage is not
        layers = [layer for layer in ("relu_conv1", "fire2/concat", "fire3/concat") if layer in names] + \
            [layer for layer in layers if layer not in ("relu_conv1", "fire3/concat")]
    if not layers:
        raise InputError("the network has no layer with maps at the end of a stage; name layers for style and content")
    return layers[len(layers) // 2], layers[:5]
