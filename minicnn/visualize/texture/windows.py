"""The parts shared by Efros-Leung and Wei-Levoy: the Texture, windows of pixels, and their products.

Both methods copy each pixel of a texture from the place of the sample whose surroundings match best.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn.backend import Array, get_array_module, to_host
from minicnn.errors import InputError


class Texture(NamedTuple):
    """A texture and the source of each of its pixels: image == sample[source[..., 0], source[..., 1]].

    image : uint8, (H, W, 3) or grey (H, W). source : (H, W, 2), row and column in the sample; -1 for a pixel that is
    not filled yet.
    """

    image: np.ndarray
    source: np.ndarray


def sample_pixels(sample: Array) -> np.ndarray:
    """Return the sample, uint8 (H, W, 3) or grey (H, W), on the host and with an axis for its channels: (H, W, C).

    The pixels are whole numbers, so sums of squared differences are exact in any order of adding.
    Raises InputError if the sample has another type or shape.
    """
    if sample.dtype != np.uint8:
        raise InputError(f"expected a picture of type uint8 from 0 to 255, got {sample.dtype}; convert values from 0 "
                         "to 1 by np.rint(255 * picture).astype(np.uint8)")
    if sample.ndim == 3 and sample.shape[2] == 4:
        raise InputError("the picture has an alpha channel; lay it over a colour first, as images.load_image does")
    if sample.ndim not in (2, 3) or (sample.ndim == 3 and sample.shape[2] != 3) or not sample.size:
        raise InputError(f"expected a picture of shape (H, W, 3) or grey (H, W), got {sample.shape}")
    return to_host(sample).reshape(*sample.shape[:2], -1)


def output_size(size: int | Sequence[int]) -> tuple[int, int]:
    """Return (height, width) of a size given as one whole number or two. Raises InputError if one is below 1."""
    sides: list[Any] = list(size) if isinstance(size, (tuple, list)) else [size, size]
    if len(sides) != 2 or not all(isinstance(side, (int, np.integer)) and side >= 1 for side in sides):
        raise InputError(f"size is {size!r}; expected a whole number of pixels from 1 on, or two (height, width)")
    return sides[0], sides[1]


def require_window(window: int, pixels: np.ndarray) -> None:
    """Raise InputError unless the side of the window is odd, at least 3, and at most the sides of the picture."""
    if not isinstance(window, (int, np.integer)) or window < 3 or window % 2 == 0:
        raise InputError(f"window is {window!r}; expected an odd number of pixels from 3 on, so that the window has a "
                         "middle pixel")
    H, W = pixels.shape[:2]
    if window > min(H, W):
        raise InputError(f"a sample of {W}x{H} pixels is smaller than the window of {window}x{window}; give a larger "
                         "sample or a smaller window")


def window_sums(queries: np.ndarray, patches: Array) -> Array:
    """Return the dot products of all queries (B, K) with all patches (P, K), (B, P), on the device of the patches.

    On the CPU, threads of `minicnn.fast` share the product. Its values are the same without them.
    """
    xp = get_array_module(patches)
    if xp is not np:
        return xp.matmul(xp.asarray(queries), patches.T)
    try:
        from minicnn.fast.threads import pieces, share_out
    except ImportError:
        return np.matmul(queries, patches.T)
    out = np.empty((len(queries), len(patches)))

    def multiply(rows: slice) -> None:
        np.matmul(queries, patches[rows].T, out=out[:, rows])
    share_out(multiply, pieces(len(patches), out.size * patches.shape[1]))
    return out


def gather_windows(pixels: np.ndarray, rows: np.ndarray, columns: np.ndarray, window: int) -> np.ndarray:
    """Return the windows around (rows, columns), both (N,), of pixels (H, W, C) -> (N, window, window, C).

    Every window must lie inside the picture.
    """
    reach = np.arange(window) - window // 2
    return pixels[rows[:, None, None] + reach[:, None], columns[:, None, None] + reach]


def pixel_coordinates(H: int, W: int) -> np.ndarray:
    """Return the row and the column of every pixel, (H, W, 2)."""
    return np.stack(list(np.mgrid[:H, :W]), axis=-1)


def source_colours(source: np.ndarray, sample_shape: Sequence[int]) -> np.ndarray:
    """Return the sources, (H, W, 2), as colours, uint8 (H, W, 3).

    Red grows downwards in the sample, green to the right. A region copied as a whole is one smooth patch. Pixels
    without a source are black.
    """
    H, W = sample_shape[:2]
    share = source / (max(H - 1, 1), max(W - 1, 1))
    colours = np.concatenate([share, 1 - share[..., :1]], axis=-1)
    return np.rint(255 * np.where(source[..., :1] < 0, 0, colours)).astype(np.uint8)


def coherence(source: np.ndarray) -> float:
    """Return the share of horizontal and vertical neighbours whose sources are neighbours in the same direction."""
    known = source[..., 0] >= 0
    down = (source[1:] - source[:-1] == (1, 0)).all(axis=-1)[known[1:] & known[:-1]]
    across = (source[:, 1:] - source[:, :-1] == (0, 1)).all(axis=-1)[known[:, 1:] & known[:, :-1]]
    pairs = np.concatenate([down, across])
    return float(pairs.mean()) if len(pairs) else 1.0
