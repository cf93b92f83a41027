"""Textures copied pixel by pixel from a sample: what the methods of Efros and Leung and of Wei and Levoy share."""

from numbers import Integral
from typing import NamedTuple

import numpy as np

from minicnn.backend import get_array_module, to_host
from minicnn.errors import InputError
from minicnn.fast.threads import pieces, share_out


class Texture(NamedTuple):
    """A picture and where each of its pixels comes from: image == sample[source[..., 0], source[..., 1]].

    image : uint8, (H, W, 3) or grey (H, W). source : (H, W, 2), row and column in the sample, -1 where no pixel is yet.
    """

    image: np.ndarray
    source: np.ndarray


def sample_pixels(sample):
    """The sample, uint8 (H, W, 3) or grey (H, W), on the host and with an axis for its channels, (H, W, C).

    Whole numbers, so that sums of squared differences are exact whatever the order in which they are added.
    Raises InputError for another type or shape.
    """
    if sample.dtype != np.uint8:
        raise InputError(f"the picture is {sample.dtype}: uint8 from 0 to 255 is expected; of values from 0 to 1, give "
                         "np.rint(255 * picture).astype(np.uint8)")
    if sample.ndim == 3 and sample.shape[2] == 4:
        raise InputError("the picture has an alpha channel; lay it over a colour first, as images.load_image does")
    if sample.ndim not in (2, 3) or (sample.ndim == 3 and sample.shape[2] != 3) or not sample.size:
        raise InputError(f"expected a picture of shape (H, W, 3) or grey (H, W), got {sample.shape}")
    return to_host(sample).reshape(*sample.shape[:2], -1)


def output_size(size):
    """(height, width) of a whole number, or of two. Raises InputError for anything else, and below 1."""
    sides = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(sides) != 2 or not all(isinstance(side, Integral) and side >= 1 for side in sides):
        raise InputError(f"size is {size!r}: a whole number of pixels from 1 on is expected, or two (height, width)")
    return sides


def check_window(window, pixels):
    """Raise InputError unless the window, a side in pixels, is odd, from 3 on, and not larger than the picture."""
    if not isinstance(window, Integral) or window < 3 or window % 2 == 0:
        raise InputError(f"window is {window!r}: an odd number of pixels from 3 on is expected: it has a middle")
    H, W = pixels.shape[:2]
    if window > min(H, W):
        raise InputError(f"a sample of {W}x{H} pixels is smaller than the window of {window}x{window}; give a larger "
                         "sample or a smaller window")


def window_sums(queries, patches):
    """queries (B, K) . patches (P, K), all of them with all, (B, P): one product on the device of the patches."""
    xp = get_array_module(patches)
    if xp is not np:
        return xp.matmul(xp.asarray(queries), patches.T)
    out = np.empty((len(queries), len(patches)))

    def multiply(rows):
        np.matmul(queries, patches[rows].T, out=out[:, rows])
    share_out(multiply, pieces(len(patches), out.size * patches.shape[1]))
    return out


def gather_windows(pixels, rows, columns, window):
    """The windows around (rows, columns), both (N,), of pixels (H, W, C) -> (N, window, window, C).

    Every window lies within the picture.
    """
    reach = np.arange(window) - window // 2
    return pixels[rows[:, None, None] + reach[:, None], columns[:, None, None] + reach]


def pixel_coordinates(H, W):
    """The row and the column of every pixel, (H, W, 2)."""
    return np.stack(np.mgrid[:H, :W], axis=-1)


def source_colours(source, sample_shape):
    """Where pixels come from as colours, (H, W, 2) -> uint8 (H, W, 3): red grows downwards in the sample, green to the
    right, so that a region that was copied whole is one smooth patch; black where no pixel is yet."""
    H, W = sample_shape[:2]
    share = source / (max(H - 1, 1), max(W - 1, 1))
    colours = np.concatenate([share, 1 - share[..., :1]], axis=-1)
    return np.rint(255 * np.where(source[..., :1] < 0, 0, colours)).astype(np.uint8)


def coherence(source):
    """The share of horizontal and vertical neighbours that were neighbours in the sample too, in the same way."""
    known = source[..., 0] >= 0
    down = (source[1:] - source[:-1] == (1, 0)).all(axis=-1)[known[1:] & known[:-1]]
    across = (source[:, 1:] - source[:, :-1] == (0, 1)).all(axis=-1)[known[:, 1:] & known[:, :-1]]
    pairs = np.concatenate([down, across])
    return float(pairs.mean()) if len(pairs) else 1.0
