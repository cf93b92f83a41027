"""Resize, crop and compare images, uint8 RGB (H, W, 3)."""

import operator
from typing import Any

import numpy as np
from PIL import Image

from minicnn.backend import Array
from minicnn.errors import InputError

MAX_PIXELS = 89_000_000  # slightly below the 89.5 million from which Pillow warns about a decompression bomb


def resize(image: Array, height: int, width: int) -> Array:
    """Return the image resized to (height, width, 3), bilinear and antialiased.

    Raises InputError if a side is below 1 pixel or if the result has more than MAX_PIXELS pixels.

    >>> resize(photo, 32, 48).shape
    (32, 48, 3)
    """
    _require_rgb(image)
    height, width = whole_number("the height", height), whole_number("the width", width)
    if min(height, width) < 1:
        raise InputError(f"cannot resize an image to {width}x{height} pixels; every side needs at least 1")
    if height * width > MAX_PIXELS:  # a long thin image, scaled up, could need any amount of memory
        raise InputError(f"cannot resize an image to {width}x{height} pixels; the limit is {MAX_PIXELS:,}")
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return np.array(resized)


def resize_short_side(image: Array, size: int) -> Array:
    """Return the image scaled so that its shorter side has `size` pixels. The other side is rounded down.

    >>> resize_short_side(photo[:32], 16).shape
    (16, 32, 3)
    """
    _require_rgb(image)
    return _resize_side(image, min(image.shape[:2]), size)


def resize_long_side(image: Array, size: int) -> Array:
    """Return the image scaled so that its longer side has `size` pixels. The other side is rounded down, but not to 0.

    >>> resize_long_side(photo[:32], 32).shape
    (16, 32, 3)
    """
    _require_rgb(image)
    return _resize_side(image, max(image.shape[:2]), size)


def center_crop(image: Array, size: int) -> Array:
    """Return the middle of the image, (size, size, 3). Raises InputError if the image is smaller.

    >>> center_crop(photo, 48).shape
    (48, 48, 3)
    """
    _require_rgb(image)
    size = whole_number("the size of the crop", size)
    H, W, _ = image.shape
    if not 1 <= size <= min(H, W):
        raise InputError(f"cannot crop {size}x{size} pixels from an image of {W}x{H}; resize it first")
    top, left = (H - size) // 2, (W - size) // 2
    return image[top:top + size, left:left + size]


def fit(image: Array, resize: int, crop: int) -> Array:
    """Return the input of a classifier, (crop, crop, 3): the shorter side is scaled to `resize`, the middle cropped.

    >>> fit(photo, 56, 48).shape
    (48, 48, 3)
    """
    return center_crop(resize_short_side(image, resize), crop)


def psnr(image: Array, original: Array) -> float:
    """Return the peak signal-to-noise ratio of two uint8 images of one shape, in dB; infinity if they are equal.

    >>> psnr(photo, photo)
    inf
    """
    for one in (image, original):
        if not (isinstance(one, np.ndarray) and one.dtype == np.uint8 and one.size):
            raise InputError(f"expected two images of uint8, got {describe(image)} and {describe(original)}")
    if image.shape != original.shape:
        raise InputError(f"expected two images of one shape, got {image.shape} and {original.shape}")
    mean_square = float(((image.astype(np.float64) - original) ** 2).mean())
    return float(10 * np.log10(255**2 / mean_square)) if mean_square else float("inf")


def _resize_side(image: Array, side: int, size: int) -> Array:
    # `side` becomes `size`, the other side int(size * ratio), as in CS231n, but in integers: with floats,
    # int(47 * (192 / 47)) is 191.
    size = whole_number("the size", size)
    if size < 1:
        raise InputError(f"cannot resize an image to a side of {size} pixels; it needs at least 1")
    H, W, _ = image.shape
    return resize(image, max(1, H * size // side), max(1, W * size // side))


def whole_number(name: str, value: Any) -> int:
    """Return `value` as an int. Raises InputError with the `name` if it is not a whole number."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return int(operator.index(value))
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a whole number, not {type(value).__name__}") from None


def is_rgb(image: Any) -> bool:
    """Return True if `image` is a uint8 array (H, W, 3) with pixels."""
    return (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3
            and image.shape[2] == 3 and image.size > 0)


def _require_rgb(image: Any) -> None:
    if not is_rgb(image):
        raise InputError(f"expected an image as a uint8 array of shape (H, W, 3), got {describe(image)}")


def describe(image: Any) -> str:
    """Return the dtype and the shape of an array, or the type of another object, for an error message."""
    return f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
