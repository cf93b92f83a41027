"""Write images and animations."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from minicnn.backend import Array
from minicnn.errors import InputError, one_line
from minicnn.files import replacing
from minicnn.images.geometry import describe, is_rgb, whole_number
from minicnn.images.paths import SHOWN, require_path

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")  # the formats of save_image
ANIMATED = (".gif", ".webp")  # the formats of save_animation


def save_image(path: str | Path, image: Array, overwrite: bool = False) -> None:
    """Write `image`, uint8 RGB (H, W, 3) or grey (H, W), to `path` in the format of its suffix.

    The file appears when it is complete. Raises InputError that names the file if it exists and `overwrite` is False,
    if the folder is missing, the suffix unknown, the dtype or shape wrong, or the disk full.

    >>> save_image(folder / "grey.png", photo[..., 0])
    """
    path = Path(require_path(path))
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{one_line(path, SHOWN)}: unknown image format {path.suffix!r}; use one of "
                         f"{', '.join(SUFFIXES)}")
    picture = _to_pillow(path, image)
    with _printable_errors(), replacing(path, _flag(overwrite)) as temporary:
        try:
            picture.save(temporary, **_save_options(path))
        except (OSError, ValueError) as problem:
            raise InputError(f"{one_line(path, SHOWN)}: cannot be written ({_reason(problem)})") from problem


def save_animation(path: str | Path, frames: Iterable[Array], milliseconds: int = 80, overwrite: bool = False) -> None:
    """Write `frames`, images uint8 (H, W, 3) of one size, as an endless .gif or .webp.

    milliseconds : how long each frame is shown. One frame at a time is in memory.
    Raises InputError as `save_image` does, and if there are no frames.

    >>> save_animation(folder / "turn.gif", [photo, photo[::-1]])
    """
    path = Path(require_path(path))
    milliseconds = whole_number("milliseconds", milliseconds)
    if not 1 <= milliseconds <= 600_000:
        raise InputError(f"each frame is shown for {milliseconds} milliseconds; expected 1 to 600,000")
    try:
        frames = iter(frames)
    except TypeError:
        raise InputError(f"expected the frames of an animation, got {type(frames).__name__}") from None
    if path.suffix.lower() not in ANIMATED:
        raise InputError(f"{one_line(path, SHOWN)}: unknown format {path.suffix!r} of an animation; use one of "
                         f"{', '.join(ANIMATED)}")
    first = next(frames, None)
    if first is None:
        raise InputError(f"{one_line(path, SHOWN)}: an animation needs at least one frame")
    picture, others = _to_pillow(path, first), (_to_pillow(path, frame) for frame in frames)
    with _printable_errors(), replacing(path, _flag(overwrite)) as temporary:
        try:
            picture.save(temporary, save_all=True, append_images=others, duration=milliseconds, loop=0,
                         **_save_options(path))
        except InputError:
            raise
        except (KeyError, OSError, ValueError) as problem:  # KeyError: this Pillow was built without the format
            raise InputError(f"{one_line(path, SHOWN)}: cannot be written ({_reason(problem)})") from problem


def _flag(overwrite: Any) -> bool:
    if not isinstance(overwrite, bool | np.bool_ | int):
        raise InputError(f"overwrite must be True or False, not {type(overwrite).__name__}")
    return bool(overwrite)


@contextmanager
def _printable_errors() -> Iterator[None]:
    try:
        yield
    except InputError as problem:  # it names the path, which may hold control characters
        raise InputError(one_line(problem, 800)) from problem.__cause__


def _to_pillow(path: Path, image: Array) -> Image.Image:
    if not (is_rgb(image) or _is_grey(image)):
        raise InputError(f"{one_line(path, SHOWN)}: expected uint8 of shape (H, W, 3) or (H, W), got {describe(image)}")
    return Image.fromarray(image)


def _save_options(path: Path) -> dict[str, Any]:
    # At Pillow's default qualities of 75 and 80, JPEG and WebP show blocks around the fine lines of a saliency map.
    return {"quality": 95} if path.suffix.lower() in (".jpg", ".jpeg", ".webp") else {}


def _is_grey(image: Any) -> bool:
    return isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 2 and image.size > 0


def _reason(problem: Exception) -> str:
    return one_line(" ".join(str(problem).split())) or type(problem).__name__
