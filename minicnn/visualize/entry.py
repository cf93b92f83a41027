"""Checks of the arguments of a visualization, before any computation."""

from collections.abc import Sequence
from typing import Any

from minicnn.backend import Array, get_array_module, to_device
from minicnn.errors import InputError
from minicnn.network import Network

Labels = int | Sequence[int] | Array  # one class for all images, or one for each image


def enter(net: Network, x: Array) -> Array:
    """Return the images `x`, of shape (N, C, H, W), on the network's device.

    Raises InputError if the shape does not fit the network, and if a value is NaN or infinite.

    >>> enter(net, x).shape
    (1, 3, 64, 64)
    """
    channels = net.input_shape[0]
    if x.ndim != 4 or x.shape[1] != channels or not x.size:
        raise InputError(f"expected images of shape (N, {channels}, H, W), got {x.shape}")
    x = to_device(x, net.device)
    if not bool(get_array_module(x).isfinite(x).all()):
        raise InputError("the image has values that are not finite")
    return x


def require_maps(layer: str, shape: tuple[int, ...]) -> None:
    """Raise InputError unless a layer's output of this `shape` consists of maps, (N, C, H, W).

    >>> require_maps("conv1", (1, 64, 32, 32))
    """
    if len(shape) != 4:
        raise InputError(f"layer {layer!r} has no maps: its output is {shape}")


def require_channels(layer: str, channels: int | Sequence[int], count: int) -> None:
    """Raise InputError unless all `channels`, one or several, are channels of a layer with `count` channels.

    >>> require_channels("conv1", [0, 63], count=64)
    """
    numbers: Any = channels if hasattr(channels, "__len__") else [channels]
    for channel in numbers:
        if not 0 <= channel < count:
            raise InputError(f"layer {layer!r} has channels 0 to {count - 1}, not {channel}")
