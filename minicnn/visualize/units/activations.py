"""The activations of a layer on one image, as maps."""

import numpy as np

from minicnn.backend import Array, to_host
from minicnn.errors import unknown_name
from minicnn.network import Network
from minicnn.receptive_field import ReceptiveField
from minicnn.visualize.entry import enter, require_layer, require_maps


def feature_maps(net: Network, x: Array, layer: str) -> Array:
    """Return the activations of a layer, (N, channels, h, w) on the host.

    x : images of shape (N, C, H, W). Raises InputError if the layer has no maps.

    >>> feature_maps(net, x, "pool1").shape
    (1, 24, 32, 32)
    """
    x, layer = enter(net, x), require_layer(net, layer)
    maps = to_host(net.predict(x, layer))
    require_maps(layer, maps.shape)
    return maps


def scale_maps(maps: Array, per: str = "layer") -> Array:
    """Return maps (C, H, W) scaled to 0..1; an activation of 0 stays 0 if no activation is negative.

    per : "layer" divides by the largest activation of the layer, "channel" by the largest of each channel.
    """
    if per not in ("layer", "channel"):
        raise unknown_name("scaling", per, ["layer", "channel"])
    axes = None if per == "layer" else (1, 2)
    low = np.minimum(maps.min(axis=axes, keepdims=True), 0)
    high = maps.max(axis=axes, keepdims=True)
    return (maps - low) / np.maximum(high - low, np.finfo(maps.dtype).tiny)


def strongest_neurons(maps: Array, count: int, field: ReceptiveField, height: int,
                      width: int) -> list[tuple[int, int, int]]:
    """Return (channel, y, x) of up to `count` neurons with large activations: one per channel, at different positions.

    Neurons whose receptive field reaches into the padding are only chosen if all of the layer's do.
    maps : (C, H, W). field : the layer's ReceptiveField. height, width : of the image.
    """
    C, H, W = maps.shape
    inside = np.array([[field.fits(y, x, height, width) for x in range(W)] for y in range(H)])
    strength = np.where(inside, maps, -np.inf) if inside.any() else maps
    chosen, positions = [], set()
    for channel in np.argsort(-strength.max(axis=(1, 2)), kind="stable").tolist():
        y, x = divmod(int(strength[channel].argmax()), W)
        if (y, x) not in positions:
            chosen.append((channel, y, x))
            positions.add((y, x))
    return chosen[:count]
