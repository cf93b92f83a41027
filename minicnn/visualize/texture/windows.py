"""The parts shared by Efros-Leung and Wei-Levoy: the Texture, windows of pixels, and their products.

Both methods copy each pixel of a texture from the place of the sample whose surroundings match best.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minicnn.arguments import count_of, describe, whole
from minicnn.backend import Array, get_array_module, to_host
from minicnn.errors import InputError
from minicnn.visualize.entry import require_sides


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
    sample : of `as_picture`, which raises the InputErrors.
    """
    return to_host(sample).reshape(*sample.shape[:2], -1)


def output_size(size: int | Sequence[int]) -> tuple[int, int]:
    """Return (height, width) of a size given as one whole number or two. Raises InputError if one is below 1."""
    sides = [whole(side) for side in ((size, size) if count_of(size) is None else size)]  # type: ignore[union-attr]
    if len(sides) != 2 or not all(side is not None and side >= 1 for side in sides):
        raise InputError(f"size is {describe(size)}; expected a whole number of pixels from 1 on, or two (height, "
                         "width)")
    return require_sides("size", sides)


def require_window(window: int, pixels: np.ndarray) -> int:
    """Return the side of the window. Raises InputError unless it is odd, at least 3, and fits into the picture."""
    side = whole(window)
    if side is None or side < 3 or side % 2 == 0:
        raise InputError(f"window is {describe(window)}; expected an odd number of pixels from 3 on, so that the "
                         "window has a middle pixel")
    window = side
    H, W = pixels.shape[:2]
    if window > min(H, W):
        raise InputError(f"a sample of {W}x{H} pixels is smaller than the window of {window}x{window}; give a larger "
                         "sample or a smaller window")
    return window


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
