"""Read image files of any kind as uint8 RGB."""

import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from minicnn.arguments import require_whole
from minicnn.backend import Array
from minicnn.errors import InputError, one_line
from minicnn.images import geometry
from minicnn.images.kinds import NOT_DECODED, OTHER_SUFFIXES, RAW, other_kind
from minicnn.images.paths import SHOWN, require_path, require_regular_file
from minicnn.images.pixels import to_rgb
from minicnn.images.tiff import tiff_kind

logging.getLogger("PIL").addHandler(logging.NullHandler())  # otherwise Python prints Pillow's log of damaged files
# The filters of warnings and the error stream belong to the whole process, so one image is decoded at a time.
_decoding = threading.RLock()
if hasattr(os, "register_at_fork"):  # a fork waits, as the child would keep the silent stream and the locked lock
    os.register_at_fork(before=_decoding.acquire, after_in_parent=_decoding.release, after_in_child=_decoding.release)


class TooManyPixelsError(InputError):
    """An image has more pixels than may be read."""


TOO_MANY = (TooManyPixelsError, Image.DecompressionBombWarning, Image.DecompressionBombError)

def load_image(path: str | Path, min_side: int = 2, max_pixels: int = geometry.MAX_PIXELS) -> Array:
    """Read an image file as uint8 RGB of shape (H, W, 3).

    The file's own description of its pixels is followed: the image is turned upright by its EXIF orientation,
    colours are converted from the embedded profile to sRGB, transparent pixels become white, and more than 8 bits are
    scaled to 8 bits. Of several frames the first is read.
    Raises InputError, one line that names the file, if it cannot be read or if its pixels have no known range. Raises
    InputError, before decoding it, if a side has fewer than `min_side` pixels, or if it has more than `max_pixels`
    pixels, which is at most MAX_PIXELS; then it is a TooManyPixelsError.

    >>> minicnn.images.save_image(folder / "photo.png", photo)
    >>> load_image(folder / "photo.png").shape
    (64, 64, 3)
    """
    name, min_side = require_path(path), require_whole("min_side", min_side, 0)
    max_pixels = min(require_whole("max_pixels", max_pixels, 1), geometry.MAX_PIXELS)
    with _decoding, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about metadata; bad pixels raise an exception
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            require_regular_file(name)
            return _decode(name, min_side, max_pixels)
        except Exception as problem:  # a damaged file can raise almost any exception in Pillow's decoders
            kind = TooManyPixelsError if isinstance(problem, TOO_MANY) else InputError
            raise kind(f"{one_line(name, SHOWN)}: {_complaint(name, problem, max_pixels)}") from problem


def _decode(path: str, min_side: int, max_pixels: int) -> Array:
    if OTHER_SUFFIXES.get(os.path.splitext(path)[1].lower()) == RAW:  # Pillow would read its preview as a TIFF
        raise InputError(f"this is {RAW}")
    with Image.open(path) as image:  # reads only the header
        if image.format in NOT_DECODED:
            raise UnidentifiedImageError
        _require_size(image.width, image.height, min_side, max_pixels)
        with _silent(image):
            image.load()
        _turn_upright(image)
        return np.array(to_rgb(image))


@contextmanager
def _silent(image: Image.Image) -> Iterator[None]:
    # libtiff, and no other decoder, writes its complaints to the process's error stream. A damaged file raises anyway.
    if image.format != "TIFF":
        yield
        return
    try:
        if image.fp.fileno() == 2:  # type: ignore[attr-defined]  # the stream was closed, the file has its number
            raise OSError
        kept = os.dup(2)
    except OSError:  # the process has no error stream
        yield
        return
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _require_size(width: int, height: int, min_side: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise TooManyPixelsError(f"{width}x{height} pixels is too large; scale it to at most {max_pixels:,} pixels")
    if min(width, height) < min_side:
        raise InputError(f"{width}x{height} pixels is too small; every side needs at least {min_side}")


def _turn_upright(image: Image.Image) -> None:
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # the pixels are decoded already; only the EXIF is damaged, and is ignored
        pass


def _complaint(path: str, problem: Exception, max_pixels: int) -> str:
    """Return in one line why `path` could not be read, and the way out."""
    if isinstance(problem, InputError):
        return str(problem)
    if isinstance(problem, FileNotFoundError):  # it was there a moment ago
        return "the file has disappeared; check the path"
    if isinstance(problem, MemoryError):
        return "not enough memory is left to decode it; scale the image down"
    if isinstance(problem, PermissionError):
        return "permission denied; allow reading it, or choose another file"
    if isinstance(problem, TOO_MANY):  # of Pillow, before the size is known
        return f"the image is too large; scale it to at most {max_pixels:,} pixels"
    if os.path.exists(path) and os.path.getsize(path) == 0:
        return "the file is empty (0 bytes); get it again, or choose another file"
    if kind := other_kind(path):
        return f"this is {kind}"
    if isinstance(problem, UnidentifiedImageError):
        return (tiff_kind(path) or
                "not an image, or damaged, or in a format that Pillow cannot read; convert it to PNG or JPEG")
    reason = one_line(" ".join(str(problem).split())) or type(problem).__name__
    return f"cannot be decoded ({reason}); get the file again, or convert it to PNG or JPEG"
