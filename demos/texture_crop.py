"""The sample of a texture: a part of a photo that has contrast everywhere, and the same everywhere."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minicnn import images
from minicnn.errors import InputError, one_line

PARTS = 4  # the part of the photo is compared in 4x4 squares
STEPS = 8  # candidates lie an eighth of the side apart


class Sample(NamedTuple):
    """A sample, uint8 (H, W, 3), the photo that it comes from, (H', W', 3), and its (top, left) there, or None."""

    image: np.ndarray
    photo: np.ndarray | None = None
    place: tuple[int, int] | None = None


def read_sample(path: str, crop: Sequence[int] | None, side: int, whole: bool = False,
                reduce: int | None = None) -> Sample:
    """Return the Sample of a picture file.

    crop : (top, left, size) of the square that is used; by default, the most textured part of `side` pixels.
    whole : True to use the whole picture, its shorter side reduced to at most `side` pixels, to fill a hole in it.
    reduce : long side to which the picture is reduced first, pixels; None: its own size.
    """
    photo = images.load_image(path)
    if reduce is not None and reduce < max(photo.shape[:2]):
        photo = images.resize_long_side(photo, reduce)
    H, W, _ = photo.shape
    if crop:
        top, left, size = crop
        if size < 1 or top + size > H or left + size > W:
            raise InputError(f"{one_line(path)} has {W}x{H} pixels: there is no square of {size} from row {top}, "
                             f"column {left}")
        image = np.ascontiguousarray(photo[top:top + size, left:left + size])
        return Sample(images.resize_short_side(image, side) if size > side else image)
    if whole:
        return Sample(images.resize_short_side(photo, side) if min(H, W) > side else photo)
    if max(H, W) <= side:
        return Sample(photo)
    top, left = textured_part(photo, side)
    return Sample(np.ascontiguousarray(photo[top:top + side, left:left + side]), photo, (top, left))


def cropped_line(sample: Sample) -> str:
    """Return the line that says which part of its photo the sample is."""
    assert sample.photo is not None and sample.place is not None
    (top, left), side = sample.place, min(sample.image.shape[:2])
    return (f"the sample is {sample.image.shape[1]}x{sample.image.shape[0]} of the photo's {sample.photo.shape[1]}x"
            f"{sample.photo.shape[0]} pixels, from row {top}, column {left}: the part with the most even contrast. "
            f"--sample changes its size, --crop TOP LEFT {side} its place")


def with_hole(image: np.ndarray, box: Sequence[int] | None, margin: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the image with a frame of `margin` pixels, and the mask of the frame and the box, bool (H, W).

    box : (top, left, height, width) in the image, or None. Raises InputError if it does not lie inside the image.
    """
    hole = np.zeros(image.shape[:2], bool)
    if box:
        top, left, height, width = box
        hole[top:top + height, left:left + width] = True
        if hole.sum() != height * width or not hole.any():
            raise InputError(f"a hole of {width}x{height} pixels at row {top}, column {left} does not lie within the "
                             f"picture of {image.shape[1]}x{image.shape[0]} (see --sample)")
    return (np.pad(image, ((margin, margin), (margin, margin), (0, 0))),
            np.pad(hole, margin, constant_values=True))


def textured_part(image: np.ndarray, side: int) -> tuple[int, int]:
    """Return (top, left) of the most textured part of an image, uint8 (H, W, 3).

    The part has min(H, side) rows and min(W, side) columns. It is the one in which the weakest of its squares has the
    most contrast, less the differences of contrast and brightness between the squares.
    """
    grey = image.astype(np.float64).mean(axis=2)
    H, W = grey.shape
    height, width = min(H, side), min(W, side)
    rows, columns = (np.unique(np.append(np.arange(0, length - part + 1, max(1, part // STEPS)), length - part))
                     for length, part in ((H, height), (W, width)))
    h, w = max(1, height // PARTS), max(1, width // PARTS)
    sums, squares = (np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0))) for values in (grey, grey * grey))
    best, place = -np.inf, (0, 0)
    corners_y, corners_x = np.arange(PARTS) * h, np.arange(PARTS) * w
    corners_y, corners_x = corners_y[corners_y + h <= height], corners_x[corners_x + w <= width]
    for top in rows:
        y = top + corners_y[:, None]
        for left in columns:
            x = left + corners_x
            mean, square = ((s[y + h, x + w] - s[y, x + w] - s[y + h, x] + s[y, x]) / (h * w) for s in (sums, squares))
            contrast = np.sqrt(np.maximum(square - mean**2, 0))  # standard deviation in each square
            score = contrast.min() - contrast.std() - mean.std()
            if score > best:
                best, place = score, (int(top), int(left))
    return place


def framed(image: np.ndarray, top: int, left: int, height: int, width: int,
           colour: tuple[int, int, int] = (255, 0, 0)) -> np.ndarray:
    """Return a copy of the image with a frame around a part of it."""
    shown, line = image.copy(), max(1, max(image.shape[:2]) // 150)
    bottom, right = top + height, left + width
    for part in (np.s_[max(0, top - line):top, max(0, left - line):right + line],
                 np.s_[bottom:bottom + line, max(0, left - line):right + line],
                 np.s_[top:bottom, max(0, left - line):left], np.s_[top:bottom, right:right + line]):
        shown[part] = colour
    return shown
