"""Arrays that users give, as numbers of a certain shape, masks or pictures; the rest is refused in one line."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from minicnn.arguments import describe
from minicnn.array_likes import as_numbers
from minicnn.backend import Array, device_of, get_array_module, to_device, to_host
from minicnn.errors import InputError


def as_floats(name: str, value: Any, layout: str, *ndims: int, empty: bool = False) -> Array:
    """Return an array-like as finite float32, or float64 for float64 and for whole numbers of 32 bits and more.

    layout : the expected shape in words, such as "(N, D)". ndims : the numbers of axes that are allowed.
    Raises InputError if the array has another number of axes, is empty, or has a value that is not finite.

    >>> as_floats("points", [[1, 2], [3, 4]], "(N, D)", 2).dtype
    dtype('float64')
    """
    array = as_numbers(name, value)
    if array.ndim not in ndims or (not array.size and not empty):
        raise InputError(f"expected {name} of shape {layout}, got {tuple(array.shape)}")
    # np.longdouble, which is wider than float64, does not exist on every machine
    dtype = np.float64 if array.dtype.itemsize > 8 else np.result_type(array.dtype, np.float32)
    array = array.astype(dtype, copy=False)
    if not bool(get_array_module(array).isfinite(array).all()):
        raise InputError(f"{name} has values that are not finite")
    return array


def in_type_of(name: str, values: Array, x: Array) -> Array:
    """Return values in the type and on the device of x. Raises InputError for a value that is not finite there.

    >>> in_type_of("fill", np.array(2.0), x).dtype
    dtype('float32')
    """
    with np.errstate(over="ignore"):
        values = to_device(values, device_of(x)).astype(x.dtype)
    if not bool(get_array_module(values).isfinite(values).all()):
        raise InputError(f"{name} is not finite, or too large for {x.dtype}")
    return values


def on_host(name: str, value: Any, layout: str, *ndims: int) -> np.ndarray:
    """Return `as_floats` as a NumPy array.

    >>> on_host("map", [[1, 2], [3, 4]], "(H, W)", 2).shape
    (2, 2)
    """
    return to_host(as_floats(name, value, layout, *ndims))


def as_mask(name: str, value: Any, shape: Sequence[int]) -> np.ndarray:
    """Return a mask as bool of this shape, on the host. Raises InputError unless it is bool, or all 0 and 1.

    >>> as_mask("hole", [[0, 1], [1, 0]], (2, 2)).sum()
    np.int64(2)
    """
    mask = to_host(as_numbers(name, value))
    if mask.shape != tuple(shape) or not (mask.dtype == bool or ((mask == 0) | (mask == 1)).all()):
        raise InputError(f"expected {name} of type bool and shape {tuple(shape)}, got {describe(mask)}")
    return mask.astype(bool)


def as_whole_numbers(name: str, value: Any, layout: str, ndim: int = 1) -> np.ndarray:
    """Return an array-like of whole numbers, int64, on the host. Raises InputError for fractions and other things.

    >>> as_whole_numbers("cells", [1.0, 2.0], "(N,)")
    array([1, 2])
    """
    numbers = to_host(as_numbers(name, value))
    if numbers.ndim != ndim or not numbers.size:
        raise InputError(f"expected {name}, whole numbers of shape {layout}, got {describe(value)}")
    if numbers.dtype.kind == "b" or not (np.isfinite(numbers).all() and (numbers == np.rint(numbers)).all()
                                         and abs(numbers.astype(np.float64)).max() < 2**62):
        raise InputError(f"{name}: expected whole numbers, got {describe(value)}")
    return numbers.astype(np.int64)


def as_picture(name: str, value: Any, grey: bool = False) -> Array:
    """Return a picture as uint8 (H, W, 3), or also (H, W) if it may be `grey`, on its device.

    Array-likes of whole numbers from 0 to 255 of any type, and PIL images, are converted.
    Raises InputError for another shape, and for values from 0 to 1 or outside 0 to 255.

    >>> as_picture("photo", photo.tolist()).dtype
    dtype('uint8')
    """
    if isinstance(value, Image.Image):
        value = value if grey and value.mode == "L" else value.convert("RGB")
    picture = as_numbers(name, value)
    shape = tuple(picture.shape)
    if len(shape) == 3 and shape[2] == 4:
        raise InputError(f"{name} has an alpha channel; lay it over a colour first, as images.load_image does")
    if not picture.size or not (len(shape) == 3 and shape[2] == 3 or grey and len(shape) == 2):
        raise InputError(f"{name}: expected a picture of shape (H, W, 3){' or grey (H, W)' * grey}, got {shape}"
                         + ("; move its colours to the last axis" if len(shape) == 3 and shape[0] == 3 else ""))
    if picture.dtype == np.uint8:
        return picture
    xp = get_array_module(picture)
    levels = bool(((picture >= 0) & (picture <= 255) & (picture == xp.rint(picture))).all())
    # A floating-point picture without a value above 1 is most likely from 0 to 1.
    if picture.dtype.kind == "b" or not levels or picture.dtype.kind == "f" and bool(picture.max() <= 1):
        raise InputError(f"{name}: expected a picture of type uint8 from 0 to 255, got {picture.dtype}; convert values "
                         "from 0 to 1 by np.rint(255 * picture).astype(np.uint8)")
    return picture.astype(np.uint8)


def as_pictures(name: str, value: Any) -> list[Array]:
    """Return pictures as a list of uint8 (H, W, 3): from a list, an array (N, H, W, 3), or a single picture.

    >>> len(as_pictures("styles", photo)), len(as_pictures("styles", [photo, photo]))
    (1, 2)
    """
    if isinstance(value, (list, tuple)):
        shape = getattr(value[0], "shape", None) if value else ()
        if not value or shape is not None and len(shape) > 1 or isinstance(value[0], Image.Image):
            return [as_picture(f"{name} {number}", one) for number, one in enumerate(value, 1)]
    if isinstance(value, Image.Image):
        return [as_picture(name, value)]
    array = as_numbers(name, value)
    return [as_picture(f"{name} {number}", one) for number, one in enumerate(array, 1)] if array.ndim == 4 else \
        [as_picture(name, array)]
