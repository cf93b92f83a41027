"""The tags by which a TIFF file describes its pixels."""

from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin

from minicnn.backend import Array
from minicnn.errors import InputError

BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339          # tags
LEAST, GREATEST, S_LEAST, S_GREATEST = 280, 281, 340, 341  # tags: the range of the values
MIN_IS_WHITE = 0     # a value of PHOTOMETRIC
SIGNED = 2           # a value of SAMPLE_FORMAT
FORMATS = {1: "integers", 2: "signed integers", 3: "floats", 4: "values of unknown meaning", 5: "complex integers",
           6: "complex floats"}  # values of SAMPLE_FORMAT
EIGHT_BIT = "convert it to an 8-bit PNG"


def tag(image: Image.Image, number: int) -> Any:
    """Return the first value of a tag; None if the image is no TIFF or has no such tag."""
    value = image.tag_v2.get(number) if isinstance(image, TiffImagePlugin.TiffImageFile) else None
    return (value[0] if value else None) if isinstance(value, tuple) else value


def is_min_white(image: Image.Image) -> bool:
    """Return True if 0 is white. Pillow inverts such values itself up to 8 bits."""
    return tag(image, PHOTOMETRIC) == MIN_IS_WHITE


def require_unsigned(image: Image.Image) -> None:
    """Raise InputError if the image has signed 8-bit values, some of them negative. Pillow reads them as 128 to 255."""
    if tag(image, SAMPLE_FORMAT) == SIGNED and image.mode == "L" and np.asarray(image).max() > 127:
        raise InputError(f"some of its signed 8-bit pixels are negative, so they have no fixed range; {EIGHT_BIT}")


def stated_range(image: Image.Image, values: Array) -> tuple[float, float] | None:
    """Return (least, greatest) as the file states them; None if it does not, or if a value lies outside of them."""
    for least, greatest in ((S_LEAST, S_GREATEST), (LEAST, GREATEST)):
        low, high = tag(image, least), tag(image, greatest)
        if high is None:
            continue
        try:
            low, high = float(low or 0), float(high)
        except (TypeError, ValueError, ZeroDivisionError):
            continue
        if low < high and low <= values.min() and values.max() <= high:
            return low, high
    return None


def tiff_kind(path: str) -> str | None:
    """Return the reason why Pillow cannot read a TIFF file, if the file says it; None for other files."""
    try:
        with open(path, "rb") as file:
            head = file.read(8)
            directory = TiffImagePlugin.ImageFileDirectory_v2(head)
            file.seek(directory.next)
            directory.load(file)
        bits = directory.get(BITS, (1,))
        values = FORMATS.get(directory.get(SAMPLE_FORMAT, (1,))[0], "values of unknown meaning")
        order = "big-endian " if head.startswith(b"MM") else ""
        white = ", 0 as white" if directory.get(PHOTOMETRIC) == MIN_IS_WHITE else ""
        return (f"a {order}TIFF with {len(bits)} {'channels' if len(bits) > 1 else 'channel'} of {int(bits[0])}-bit "
                f"{values}{white}, which Pillow cannot read; {EIGHT_BIT}")
    except Exception:  # no TIFF, or a damaged one
        return None
