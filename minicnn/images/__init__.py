"""Read, write, resize and crop images. No other module reads or writes image files.

An image is a uint8 array of shape (H, W, 3), RGB, 0..255.
"""

from minicnn.images.geometry import (
    MAX_PIXELS,
    center_crop,
    fit,
    psnr,
    resize,
    resize_long_side,
    resize_short_side,
)
from minicnn.images.kinds import readable_suffixes
from minicnn.images.reading import load_image
from minicnn.images.writing import ANIMATED, SUFFIXES, save_animation, save_image

__all__ = ["ANIMATED", "MAX_PIXELS", "SUFFIXES", "center_crop", "fit", "load_image", "psnr", "readable_suffixes",
           "resize", "resize_long_side", "resize_short_side", "save_animation", "save_image"]
