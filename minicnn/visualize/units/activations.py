"""What every channel of a layer answers to a picture."""

import numpy as np

from minicnn.backend import to_host
from minicnn.errors import InputError, unknown_name
from minicnn.visualize.entry import enter


def feature_maps(net, x, layer):
    """The activations of a layer, on the host, (N, C, H, W); raises InputError for layers without maps."""
    maps = to_host(net.predict(enter(net, x), layer))
    if maps.ndim != 4:
        raise InputError(f"layer {layer!r} has no maps: its output is {maps.shape}")
    return maps


def scale_maps(maps, per="layer"):
    """Maps (C, H, W) to 0..1: divided by the largest of the layer (black stays black), or of each channel."""
    if per not in ("layer", "channel"):
        raise unknown_name("scaling", per, ["layer", "channel"])
    low = np.minimum(maps.min(axis=None if per == "layer" else (1, 2), keepdims=True), 0)
    high = maps.max(axis=None if per == "layer" else (1, 2), keepdims=True)
    return (maps - low) / np.maximum(high - low, np.finfo(maps.dtype).tiny)


def strongest_neurons(maps, count, field, height, width):
    """[(channel, y, x)] of `count` strongly active neurons: one a channel, all in different places.

    maps : (C, H, W). field : the layer's ReceptiveField in a picture of height x width; neurons that see only part
    of a field, at the border, are passed over where there are others.
    """
    C, H, W = maps.shape
    inside = np.array([[field.fits(y, x, height, width) for x in range(W)] for y in range(H)])
    strength = np.where(inside, maps, -np.inf) if inside.any() else maps
    chosen, places = [], set()
    for channel in np.argsort(-strength.max(axis=(1, 2)), kind="stable").tolist():
        y, x = divmod(int(strength[channel].argmax()), W)
        if (y, x) not in places:
            chosen.append((channel, y, x))
            places.add((y, x))
    return chosen[:count]
