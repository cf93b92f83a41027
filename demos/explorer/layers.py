"""The description of a network for the page: its layers with their sizes and receptive fields, and its classes."""

from typing import Any

from minicnn.errors import InputError
from minicnn.layers import Dropout, Flatten, Softmax
from minicnn.models import Model
from minicnn.network import Network
from minicnn.receptive_field import ReceptiveField, receptive_field

from ..shared.inputs import short_label
from ..shared.layers import feature_layers

SKIPPED = (Dropout, Flatten, Softmax)  # the same numbers as the layer before, or the classes' probabilities


def description(name: str, model: Model) -> dict[str, Any]:
    """Return the answer about a network."""
    net = model.net
    shapes = net.shapes()
    layers = []
    for layer in shown_layers(net):
        C, H, W = (*shapes[layer][1:], 1, 1)[:3]
        field = field_of(net, layer)
        layers.append({"name": layer, "kind": type(net.layer(layer)).__name__, "channels": C, "height": H, "width": W,
                       "flat": len(shapes[layer]) == 2} | (
                           {"field": None, "stride": None, "start": None} if field is None else
                           {"field": field.size, "stride": field.stride, "start": field.start}))
    return {"name": name, "title": model.name, "input": list(net.input_shape[1:]), "layers": layers,
            "labels": [short_label(model, index) for index in range(model.num_classes())],
            "parameters": net.num_parameters(), "start": {"layer": first_layer(net)}}


def shown_layers(net: Network) -> list[str]:
    """Return the names of the layers in the list, from the photo to the classes."""
    return [node.name for node in net.nodes if not isinstance(node.layer, SKIPPED)]


def field_of(net: Network, layer: str) -> ReceptiveField | None:
    """Return the receptive field of a layer's units; None if a unit depends on the whole photo, or on unknown parts."""
    try:
        return receptive_field(net, layer)
    except InputError:
        return None


def first_layer(net: Network) -> str:
    """Return the layer that the page opens first: the end of a stage in the middle of the network."""
    layers = feature_layers(net) or shown_layers(net)
    return layers[len(layers) // 2]
