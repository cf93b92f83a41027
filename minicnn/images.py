"""Image files to arrays and back, resizing, cropping; no other module reads or writes image files.

An image is a uint8 array of shape (H, W, 3), RGB, 0..255.
"""

import os
import warnings
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from minicnn.errors import InputError
from minicnn.files import replacing

__all__ = ["MAX_PIXELS", "SUFFIXES", "center_crop", "fit", "load_image", "psnr", "resize", "resize_long_side",
           "resize_short_side", "save_animation", "save_image"]

MAX_PIXELS = 89_000_000  # a little under the 89.5 million above which Pillow warns of a decompression bomb
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")  # that save_image writes
ANIMATED = (".gif", ".webp")  # that save_animation writes


def load_image(path, min_side=2):
    """Read an image file as uint8 (H, W, 3) RGB: turned upright by its EXIF, over white, the first frame.

    16-bit grey is scaled to 8 bits. Raises InputError, one line naming the file, for whatever cannot be read,
    for more than MAX_PIXELS pixels and for a side of less than `min_side` pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # remarks on metadata; bad pixels are an exception
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:  # reads the header alone
                _check_size(image.width, image.height, min_side)
                image.load()
                _turn_upright(image)
                return np.array(_to_rgb(image))
    except Exception as problem:  # a damaged file can raise nearly anything in Pillow's decoders
        raise InputError(f"{path}: {_complaint(Path(path), problem)}") from problem


def save_image(path, image, overwrite=False):
    """Write `image`, uint8 (H, W, 3) or grey (H, W), to `path` in the format that its suffix names.

    The file appears when it is complete. Raises InputError, naming the file, where it exists and `overwrite`
    is False, for a missing folder, an unknown suffix, another dtype or shape, and a full disk.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: unknown image format {path.suffix!r}; use one of {', '.join(SUFFIXES)}")
    image = _to_pillow(path, image)
    with replacing(path, overwrite) as temporary:
        try:
            image.save(temporary, **_save_options(path))
        except (OSError, ValueError) as problem:
            raise InputError(f"{path}: cannot be written ({_reason(problem)})") from problem


def save_animation(path, frames, milliseconds=80, overwrite=False):
    """Write `frames`, an iterable of uint8 (H, W, 3) of one size, as an endless .gif or .webp, each shown that long.

    Raises InputError as `save_image` does, and where there is no frame. One frame at a time is in memory.
    """
    path, frames = Path(path), iter(frames)
    if path.suffix.lower() not in ANIMATED:
        raise InputError(f"{path}: unknown format {path.suffix!r} of an animation; use one of {', '.join(ANIMATED)}")
    first = next(frames, None)
    if first is None:
        raise InputError(f"{path}: an animation needs at least one frame")
    first, others = _to_pillow(path, first), (_to_pillow(path, frame) for frame in frames)
    with replacing(path, overwrite) as temporary:
        try:
            first.save(temporary, save_all=True, append_images=others, duration=milliseconds, loop=0,
                       **_save_options(path))
        except InputError:
            raise
        except (KeyError, OSError, ValueError) as problem:  # KeyError: a Pillow that was built without the format
            raise InputError(f"{path}: cannot be written ({_reason(problem)})") from problem


def resize(image, height, width):
    """(H, W, 3) -> (height, width, 3), bilinear and antialiased.

    Raises InputError for sides below 1 and for more than MAX_PIXELS pixels.
    """
    _check_rgb(image)
    if min(height, width) < 1:
        raise InputError(f"cannot resize an image to {width}x{height} pixels; every side needs at least 1")
    if height * width > MAX_PIXELS:  # a long thin image, scaled up, asks for any amount of memory
        raise InputError(f"cannot resize an image to {width}x{height} pixels; the limit is {MAX_PIXELS:,}")
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return np.array(resized)


def resize_short_side(image, size):
    """(H, W, 3) -> the same in proportion, its shorter side `size` pixels, the other rounded down."""
    _check_rgb(image)
    return _resize_side(image, min(image.shape[:2]), size)


def resize_long_side(image, size):
    """(H, W, 3) -> the same in proportion, its longer side `size` pixels, the other rounded down (to 1)."""
    _check_rgb(image)
    return _resize_side(image, max(image.shape[:2]), size)


def center_crop(image, size):
    """(H, W, 3) -> (size, size, 3), the middle of the image.

    Raises InputError where the image is smaller than that.
    """
    _check_rgb(image)
    H, W, _ = image.shape
    if not 1 <= size <= min(H, W):
        raise InputError(f"cannot crop {size}x{size} pixels from an image of {W}x{H}; resize it first")
    top, left = (H - size) // 2, (W - size) // 2
    return image[top:top + size, left:left + size]


def fit(image, resize, crop):
    """(H, W, 3) -> (crop, crop, 3), what a classifier sees: shorter side to `resize`, then the middle."""
    return center_crop(resize_short_side(image, resize), crop)


def _check_size(width, height, min_side):
    if width * height > MAX_PIXELS:
        raise InputError(f"{width}x{height} pixels is too large; scale it to at most {MAX_PIXELS:,} pixels")
    if min(width, height) < min_side:
        raise InputError(f"{width}x{height} pixels is too small; every side needs at least {min_side}")


def _turn_upright(image):
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # the pixels are decoded already: only the EXIF is damaged, and then says nothing
        pass


def _to_pillow(path, image):
    if not (_is_rgb(image) or _is_grey(image)):
        raise InputError(f"{path}: expected uint8 of shape (H, W, 3) or (H, W), got {_describe(image)}")
    return Image.fromarray(image)


def _to_rgb(image):
    if image.mode == "F":
        raise InputError("its float pixels have no fixed range; convert it to an 8-bit PNG")
    if image.mode.startswith("I"):  # I;16, I;16B, ... or I, where Pillow knows no better
        image = _from_16_bits(image)
    if image.mode in ("P", "PA", "LA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _from_16_bits(image):
    # Pillow's own conversion clips everything above 255 to white.
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise InputError("its 32-bit pixels have no fixed range; convert it to an 8-bit PNG")
    grey = (values.astype(np.uint32) + 128) // 257  # 65535 = 255 * 257, so this rounds value * 255 / 65535
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 255
    return Image.fromarray(grey.astype(np.uint8))


def _complaint(path, problem):
    # Why `path` could not be read, and the way out, in one line.
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


def _no_such_file(path):
    if not os.path.isdir(path.parent):
        return f"there is no folder {path.parent}; check the path"
    try:
        names = {name.lower(): name for name in os.listdir(path.parent)}
    except OSError:  # a folder may let its files be opened and not be listed
        names = {}
    near = [names[match] for match in get_close_matches(path.name.lower(), names)]
    return f"no such file; did you mean {' or '.join(near)}?" if near else "no such file; check the path"


def _reason(problem):
    return " ".join(str(problem).split()) or type(problem).__name__


def _save_options(path):
    # JPEG and WebP at Pillow's default of 75 and 80 leave blocks around the fine lines of a saliency map.
    return {"quality": 95} if path.suffix.lower() in (".jpg", ".jpeg", ".webp") else {}


def _resize_side(image, side, size):
    # `side` becomes `size` and the other side int(size * ratio), as in CS231n, but computed in whole numbers:
    # with floats int(47 * (192 / 47)) is 191.
    if size < 1:
        raise InputError(f"cannot resize an image to a side of {size} pixels; it needs at least 1")
    H, W, _ = image.shape
    return resize(image, max(1, H * size // side), max(1, W * size // side))


def _is_grey(image):
    return isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 2 and image.size > 0


def _is_rgb(image):
    return (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3
            and image.shape[2] == 3 and image.size > 0)


def psnr(image, original):
    """The peak signal-to-noise ratio of two uint8 images of one shape, in dB; infinite where they are the same."""
    mean_square = float(((image.astype(np.float64) - original) ** 2).mean())
    return float(10 * np.log10(255**2 / mean_square)) if mean_square else float("inf")


def _check_rgb(image):
    if not _is_rgb(image):
        raise InputError(f"expected an image as a uint8 array of shape (H, W, 3), got {_describe(image)}")


def _describe(image):
    return f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
