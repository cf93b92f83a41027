"""The size of the image for a neuron of a layer, and the neuron's position in the layer's map."""

from minicnn.errors import InputError
from minicnn.network import Network
from minicnn.receptive_field import receptive_field
from minicnn.visualize.entry import require_position


def neuron_view(net: Network, layer: str, size: int | None = None,
                position: tuple[int, int] | None = None) -> tuple[int, tuple[int, int] | None]:
    """Return (size, position): the side of the image for a neuron in pixels, and the neuron's (y, x) in the map.

    By default, the image is the smallest one that holds the neuron's receptive field without padding, but not larger
    than the network's input, and the neuron is the one with this field. If a size is given, the neuron is in the
    centre. The position is None if the layer has no maps.
    Raises InputError if the position does not exist or the image is too small for the layer.
    """
    largest = net.input_shape[1]
    if size is None and position is None:
        field = receptive_field(net, layer)
        if field is not None:
            first = -(field.start // field.stride)  # the first neuron whose receptive field starts inside the image
            smallest = field.start + field.stride * first + field.size
            if smallest < largest:
                return smallest, (first, first)
    size = size or largest
    side = map_side(net, layer, size)
    if side is None:
        if position is not None:
            raise InputError(f"layer {layer!r} has no maps, so its neurons have no position; omit the position")
        return size, None
    if position is None:
        return size, (side // 2, side // 2)
    y, x = require_position(layer, position, (side, side))
    return size, (y, x)


def map_side(net: Network, layer: str, size: int) -> int | None:
    """Return the side of a layer's maps for an image of `size` pixels; None if the layer has no maps.

    Raises InputError if the image is too small for the layer.
    """
    shape = layer_shape(net, layer, size)
    return shape[2] if len(shape) == 4 else None


def layer_shape(net: Network, layer: str, size: int) -> tuple[int, ...]:
    """Return the shape of a layer's activations, (1, C, H, W) or (1, C), for one image of `size` pixels."""
    return net.trunk(layer).shapes((net.input_shape[0], size, size))[layer]
