"""Samples and methods that the tests of pixel-by-pixel textures share."""

from importlib import import_module

import numpy as np

from minicnn.backend import to_device
from minicnn.visualize.texture.efros_leung import efros_leung
from minicnn.visualize.texture.wei_levoy import wei_levoy

METHODS = [efros_leung, wei_levoy]
EFROS_LEUNG, WEI_LEVOY = (import_module(method.__module__) for method in METHODS)  # the functions hide their modules


def on_device_of(xp, picture):
    return to_device(picture, "cpu" if xp is np else "gpu")


def random_sample(rng, H=11, W=9, channels=(3,), values=4):
    """Return a picture of few colours, in which many windows have equal errors."""
    return (rng.integers(0, values, (H, W, *channels)) * (255 // (values - 1))).astype(np.uint8)
