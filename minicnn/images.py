"""Read, write, resize and crop images. No other module reads or writes image files.

An image is a uint8 array of shape (H, W, 3), RGB, 0..255.
"""

import os
import warnings
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from minicnn.arguments import require_flag, require_iterable, require_path, require_whole
from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.files import replacing

__all__ = ["MAX_PIXELS", "SUFFIXES", "center_crop", "fit", "load_image", "psnr", "resize", "resize_long_side",
           "resize_short_side", "save_animation", "save_image"]

MAX_PIXELS = 89_000_000  # slightly below the 89.5 million from which Pillow warns about a decompression bomb
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")  # the formats of save_image
ANIMATED = (".gif", ".webp")  # the formats of save_animation


def load_image(path: str | Path, min_side: int = 2) -> Array:
    """Read an image file as uint8 RGB of shape (H, W, 3).

    The image is turned upright by its EXIF orientation, transparent pixels become white, 16-bit grey is scaled to 8
    bits, and of several frames the first is read.
    Raises InputError, one line that names the file, if it cannot be read, if it has more than MAX_PIXELS pixels, or if
    a side has fewer than `min_side` pixels.

    >>> save_image(folder / "photo.png", photo)
    >>> load_image(folder / "photo.png").shape
    (64, 64, 3)
    """
    path, min_side = require_path("path", path), require_whole("min_side", min_side, 0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about metadata; bad pixels raise an exception
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:  # reads only the header
                _require_size(image.width, image.height, min_side)
                image.load()
                _turn_upright(image)
                return np.array(_to_rgb(image))
    except Exception as problem:  # a damaged file can raise almost any exception in Pillow's decoders
        raise InputError(f"{path}: {_complaint(Path(path), problem)}") from problem


def save_image(path: str | Path, image: Array, overwrite: bool = False) -> None:
    """Write `image`, uint8 RGB (H, W, 3) or grey (H, W), to `path` in the format of its suffix.

    The file appears when it is complete. Raises InputError that names the file if it exists and `overwrite` is False,
    if the folder is missing, the suffix unknown, the dtype or shape wrong, or the disk full.

    >>> save_image(folder / "grey.png", photo[..., 0])
    """
    path, overwrite = require_path("path", path), require_flag("overwrite", overwrite)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: unknown image format {path.suffix!r}; use one of {', '.join(SUFFIXES)}")
    picture = _to_pillow(path, image)
    with replacing(path, overwrite) as temporary:
        try:
            picture.save(temporary, **_save_options(path))
        except (OSError, ValueError) as problem:
            raise InputError(f"{path}: cannot be written ({_reason(problem)})") from problem


def save_animation(path: str | Path, frames: Iterable[Array], milliseconds: int = 80, overwrite: bool = False) -> None:
    """Write `frames`, images uint8 (H, W, 3) of one size, as an endless .gif or .webp.

    milliseconds : how long each frame is shown. One frame at a time is in memory.
    Raises InputError as `save_image` does, and if there are no frames.

    >>> save_animation(folder / "turn.gif", [photo, photo[::-1]])
    """
    path, milliseconds = require_path("path", path), require_whole("milliseconds", milliseconds, 1, 655_350)
    frames, overwrite = require_iterable("frames", frames, "images"), require_flag("overwrite", overwrite)
    if path.suffix.lower() not in ANIMATED:
        raise InputError(f"{path}: unknown format {path.suffix!r} of an animation; use one of {', '.join(ANIMATED)}")
    first = next(frames, None)
    if first is None:
        raise InputError(f"{path}: an animation needs at least one frame")
    picture, others = _to_pillow(path, first), (_to_pillow(path, frame) for frame in frames)
    with replacing(path, overwrite) as temporary:
        try:
            picture.save(temporary, save_all=True, append_images=others, duration=milliseconds, loop=0,
                         **_save_options(path))
        except InputError:
            raise
        except (KeyError, OSError, ValueError) as problem:  # KeyError: this Pillow was built without the format
            raise InputError(f"{path}: cannot be written ({_reason(problem)})") from problem


def resize(image: Array, height: int, width: int) -> Array:
    """Return the image resized to (height, width, 3), bilinear and antialiased.

    Raises InputError if a side is below 1 pixel or if the result has more than MAX_PIXELS pixels.

    >>> resize(photo, 32, 48).shape
    (32, 48, 3)
    """
    _require_rgb(image)
    height, width = require_whole("height", height), require_whole("width", width)
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
    size = require_whole("size", size)
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


def _require_size(width: int, height: int, min_side: int) -> None:
    if width * height > MAX_PIXELS:
        raise InputError(f"{width}x{height} pixels is too large; scale it to at most {MAX_PIXELS:,} pixels")
    if min(width, height) < min_side:
        raise InputError(f"{width}x{height} pixels is too small; every side needs at least {min_side}")


def _turn_upright(image: Image.Image) -> None:
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # the pixels are decoded already; only the EXIF is damaged, and is ignored
        pass


def _to_pillow(path: Path, image: Array) -> Image.Image:
    if not (_is_rgb(image) or _is_grey(image)):
        raise InputError(f"{path}: expected uint8 of shape (H, W, 3) or (H, W), got {_describe(image)}")
    return Image.fromarray(image)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise InputError("its float pixels have no fixed range; convert it to an 8-bit PNG")
    if image.mode.startswith("I"):  # I;16, I;16B, …, or I if Pillow does not know the depth
        image = _from_16_bits(image)
    if image.mode in ("P", "PA", "LA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    # Pillow's own conversion would clip all values above 255 to white.
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise InputError("its 32-bit pixels have no fixed range; convert it to an 8-bit PNG")
    grey = (values.astype(np.uint32) + 128) // 257  # 65535 = 255 * 257, so this rounds value * 255 / 65535
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 255
    return Image.fromarray(grey.astype(np.uint8))


def _complaint(path: Path, problem: Exception) -> str:
    """Return in one line why `path` could not be read, and the way out."""
    if isinstance(problem, InputError):
        return str(problem)
    if os.path.isdir(path):
        return "this is a folder; name an image file in it"
    if isinstance(problem, FileNotFoundError):
        return _no_such_file(path)
    if isinstance(problem, PermissionError):
        return "permission denied; allow reading it, or choose another file"
    if isinstance(problem, (Image.DecompressionBombWarning, Image.DecompressionBombError)):
        return f"the image is too large; scale it to at most {MAX_PIXELS:,} pixels"
    if isinstance(problem, UnidentifiedImageError):
        if os.path.getsize(path) == 0:
            return "the file is empty (0 bytes); get it again, or choose another file"
        return "not an image, or damaged, or in a format that Pillow cannot read; convert it to PNG or JPEG"
    return f"cannot be decoded ({_reason(problem)}); get the file again, or convert it to PNG or JPEG"


def _no_such_file(path: Path) -> str:
    if not os.path.isdir(path.parent):
        return f"there is no folder {path.parent}; check the path"
    try:
        names = {name.lower(): name for name in os.listdir(path.parent)}
    except OSError:  # some folders cannot be listed, but their files can be opened
        names = {}
    near = [names[match] for match in get_close_matches(path.name.lower(), names)]
    return f"no such file; did you mean {' or '.join(near)}?" if near else "no such file; check the path"


def _reason(problem: Exception) -> str:
    return " ".join(str(problem).split()) or type(problem).__name__


def _save_options(path: Path) -> dict[str, Any]:
    # At Pillow's default qualities of 75 and 80, JPEG and WebP show blocks around the fine lines of a saliency map.
    return {"quality": 95} if path.suffix.lower() in (".jpg", ".jpeg", ".webp") else {}


def _resize_side(image: Array, side: int, size: int) -> Array:
    # `side` becomes `size`, the other side int(size * ratio), as in CS231n, but in integers: with floats,
    # int(47 * (192 / 47)) is 191.
    size = require_whole("size", size)
    if size < 1:
        raise InputError(f"cannot resize an image to a side of {size} pixels; it needs at least 1")
    H, W, _ = image.shape
    return resize(image, max(1, H * size // side), max(1, W * size // side))


def _is_grey(image: Any) -> bool:
    return isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 2 and image.size > 0


def _is_rgb(image: Any) -> bool:
    return (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3
            and image.shape[2] == 3 and image.size > 0)


def psnr(image: Array, original: Array) -> float:
    """Return the peak signal-to-noise ratio of two uint8 images of one shape, in dB; infinity if they are equal.

    >>> psnr(photo, photo)
    inf
    """
    if not (_is_rgb(image) or _is_grey(image)) or _describe(image) != _describe(original):
        raise InputError(f"expected two uint8 images of one shape, got {_describe(image)} and {_describe(original)}")
    mean_square = float(((image.astype(np.float64) - original) ** 2).mean())
    return float(10 * np.log10(255**2 / mean_square)) if mean_square else float("inf")


def _require_rgb(image: Any) -> None:
    if not _is_rgb(image):
        raise InputError(f"expected an image as a uint8 array of shape (H, W, 3), got {_describe(image)}")


def _describe(image: Any) -> str:
    return f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
