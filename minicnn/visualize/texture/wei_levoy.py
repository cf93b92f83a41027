"""Wei and Levoy's texture synthesis: turn noise into texture, row by row and from the coarse level to the fine.

Each pixel is copied from the place of the sample with the most similar surroundings. Wei and Levoy 2000, Fast texture
synthesis using tree-structured vector quantization.

The order of a regular pattern such as a checkerboard breaks where regions that started from different noise meet: each
pixel alone already has its best match. Efros-Leung's method grows from one place and keeps the order.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.ndimage import correlate1d

from minicnn.arguments import Seed, require_generator, require_whole
from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.visualize.arrays import as_picture
from minicnn.visualize.entry import require_watchers
from minicnn.visualize.texture.windows import (
    Texture,
    gather_windows,
    output_size,
    pixel_coordinates,
    require_window,
    sample_pixels,
    window_sums,
)

LEVELS = 4                                  # largest default number of pyramid levels
MOST_LEVELS = 32                            # more levels halve every picture to a pixel
PLACES = 4                                  # positions of the window along the coarsest sample, for the default
BINOMIAL = np.array([1, 4, 6, 4, 1]) / 16   # the filter of Burt and Adelson's Gaussian pyramid
BLOCK = 2**22                               # float64 values in a block of distances: 32 MB


def wei_levoy(sample: Array, size: int | Sequence[int], *, window: int = 7, levels: int | None = None, passes: int = 2,
              rng: Seed, callback: Callable[[int, int, Texture], Any] | None = None) -> Texture:
    """Return a Texture made from noise with the sample's histogram, in reading order at each level of a pyramid.

    The texture wraps around at its edges, so it can be laid like tiles. In the first pass only the pixels next to the
    edges see noise, and the last rows do not fit the first ones well. The second pass corrects this.

    The method runs on the CPU, as it fills one pixel after another. An array on the GPU is copied to the host. Source:
    Wei and Levoy 2000, sections 2 and 3. The later passes compare the whole square, as in the paper's constrained
    synthesis. The search is exhaustive. The paper's tree only approximates it.

    Parameters
    ----------
    sample : uint8, (H, W, 3) or grey (H, W).
    size : the side of the texture in pixels, or (height, width).
    window : side in pixels of the compared square; odd. The first pass compares the pixels before the middle in reading
        order. At the next coarser level, all pixels of a window of half this side around the parent are compared.
    levels : levels of the Gaussian pyramid; by default 4, or as many as fit.
    passes : passes over each level. All passes but the first compare the whole square.
    callback : called with (pixels done, pixels of all levels and passes, the Texture) after each row.

    Raises
    ------
    InputError if the window is even, or if the sample or the size is too small for the window or the levels.

    >>> texture = wei_levoy(photo, 8, window=5, levels=1, passes=1, rng=rng)
    >>> texture.image.shape, bool((texture.image == photo[texture.source[..., 0], texture.source[..., 1]]).all())
    ((8, 8, 3), True)
    """
    sample, rng = as_picture("sample", sample, grey=True), require_generator(rng)
    pixels = sample_pixels(sample)
    window, passes = require_window(window, pixels), require_whole("passes", passes, 1)
    require_watchers(callback)
    H, W = output_size(size)
    levels = choose_levels(window, levels, pixels.shape[:2], (H, W))
    image = histogram_noise(pixels, H, W, rng)
    samples, results = pyramid(pixels, levels, "reflect"), pyramid(image, levels, "wrap")
    done, total = 0, passes * sum(level.shape[0] * level.shape[1] for level in results)
    texture = Texture(image.reshape(H, W, *sample.shape[2:]), np.full((H, W, 2), -1))
    for level in reversed(range(levels)):
        coarser = None if level == levels - 1 else results[level + 1]
        found = texture.source if level == 0 else np.empty((*results[level].shape[:2], 2), np.int64)
        for around in (False, *[True] * (passes - 1)):
            candidates = Candidates(samples[level], None if coarser is None else samples[level + 1], window, around)
            for row in range(len(results[level])):
                synthesize_row(results[level], coarser, row, candidates, found)
                done += results[level].shape[1]
                if callback:
                    callback(done, total, texture)
    return texture


class Candidates:
    """The pixels of one level of the sample whose neighbourhood lies inside it, and these neighbourhoods.

    around : True to compare the whole square, False for the pixels before its middle in reading order.
    centres : (P, 2). colours : (P, C). rest : (P, K), the values of the other rows and, unless coarser is None, of the
    coarser level. beside : (P, B C), the values of the same row. squares : (P,), the sums of all squared values.
    """

    def __init__(self, level: np.ndarray, coarser: np.ndarray | None, window: int, around: bool = False) -> None:
        half = window // 2
        H, W, _ = level.shape
        self.window = window
        self.offsets = offsets(half, around)  # of the other rows, and within the row
        centres = pixel_coordinates(H - half - half * around, W - 2 * half).reshape(-1, 2) + half
        if coarser is not None:
            reach, parents = parent_window(window) // 2, centres // 2
            inside = ((parents >= reach) & (parents < np.array(coarser.shape[:2]) - reach)).all(axis=1)
            centres = centres[inside]
        self.centres, self.colours = centres, level[centres[:, 0], centres[:, 1]]
        self.rest = other_neighbours(level, coarser, centres[:, 0], centres[:, 1], self)
        self.beside = level[centres[:, :1], centres[:, 1:] + self.offsets].reshape(len(centres), -1).astype(np.float64)
        self.squares = (self.rest**2).sum(axis=1) + (self.beside**2).sum(axis=1)


def offsets(half: int, around: bool) -> np.ndarray:
    """Return -half … -1, followed by 1 … half if `around`."""
    before = np.arange(-half, 0)
    return np.concatenate([before, -before[::-1]]) if around else before


def synthesize_row(image: np.ndarray, coarser: np.ndarray | None, row: int, candidates: Candidates,
                   found: np.ndarray) -> None:
    """Replace a row of the image (H, W, C) by candidates, from left to right, and write their places to `found`.

    found : (H, W, 2). While a row is filled, only the pixels of this row change. So the other values' share of
    |p - q|^2 - |q|^2 = |p|^2 - 2 p.q is one product for the whole row.
    """
    W = image.shape[1]
    line = image[row].astype(np.float64)
    minus_two_beside = -2 * candidates.beside
    step = max(1, BLOCK // len(candidates.centres))
    for start in range(0, W, step):
        columns = np.arange(start, min(start + step, W))
        queries = other_neighbours(image, coarser, np.full(len(columns), row), columns, candidates)
        fixed = window_sums(-2 * queries, candidates.rest) + candidates.squares
        for column, errors in zip(columns.tolist(), fixed, strict=True):
            beside = np.take(line, column + candidates.offsets, axis=0, mode="wrap").ravel()
            best = (errors + minus_two_beside @ beside).argmin()
            line[column] = candidates.colours[best]
            found[row, column] = candidates.centres[best]
    image[row] = line


def other_neighbours(image: np.ndarray, coarser: np.ndarray | None, rows: np.ndarray, columns: np.ndarray,
                     candidates: Candidates) -> np.ndarray:
    """Return the compared values around each pixel (N,) that lie in other rows or in the coarser level, (N, K).

    The picture wraps around at its edges. The candidates lie inside, so this does not change their values.
    """
    half = candidates.window // 2
    H, W, _ = image.shape
    y = (rows[:, None, None] + candidates.offsets[:, None]) % H
    x = (columns[:, None, None] + np.arange(-half, half + 1)) % W
    parts = [image[y, x].reshape(len(rows), -1)]
    if coarser is not None:
        reach = parent_window(candidates.window) // 2
        wrapped = np.pad(coarser, ((reach, reach), (reach, reach), (0, 0)), mode="wrap")
        parts.append(gather_windows(wrapped, rows // 2 + reach, columns // 2 + reach, 2 * reach + 1)
                     .reshape(len(rows), -1))
    return np.concatenate(parts, axis=1).astype(np.float64)


def parent_window(window: int) -> int:
    """Return the side of the window at the next coarser level, which covers the same area: 3 for 5, 5 for 7 and 9."""
    return 2 * ((window // 2 + 1) // 2) + 1


def choose_levels(window: int, levels: int | None, sample_shape: Sequence[int], output_shape: Sequence[int]) -> int:
    """Return `levels`; by default, LEVELS or as many as leave PLACES x PLACES positions for the window.

    Raises InputError if the window does not fit into the coarsest level of the sample or of the result.
    """
    def fits(count: int, room: int) -> bool:
        coarsest = min(-(-side // 2**(count - 1)) for side in sample_shape)
        result = min(-(-side // 2**(count - 1)) for side in output_shape)
        # the parents' windows are half as wide, so they fit into the finer levels too
        return coarsest >= window + room and result > window // 2
    levels = None if levels is None else require_whole("levels", levels, 0, MOST_LEVELS)
    if levels is None:
        levels = max([count for count in range(1, LEVELS + 1) if fits(count, PLACES - 1)], default=1)
    if levels < 1 or not fits(levels, 0):
        raise InputError(f"{levels} levels halve a sample of {sample_shape[1]}x{sample_shape[0]} and a texture of "
                         f"{output_shape[1]}x{output_shape[0]} pixels {levels - 1} times, and then a window of "
                         f"{window}x{window} does not fit; give fewer levels (at least 1), a smaller window or larger "
                         "pictures")
    return levels


def pyramid(image: np.ndarray, levels: int, edges: str) -> list[np.ndarray]:
    """Return [image, half of it, a quarter, …], uint8 (H, W, C), each level blurred before it is halved.

    edges : "reflect" or "wrap", as in scipy.ndimage. The values are rounded to whole numbers, so distances are exact.
    """
    result = [image]
    for _ in range(levels - 1):
        blurred = result[-1].astype(np.float64)
        for axis in (0, 1):
            blurred = correlate1d(blurred, BINOMIAL, axis=axis, mode=edges)
        result.append(np.rint(blurred[::2, ::2]).astype(np.uint8))
    return result


def histogram_noise(pixels: np.ndarray, H: int, W: int, rng: np.random.Generator) -> np.ndarray:
    """Return noise with the histogram of pixels (h, w, C): its pixels in random places, uint8 (H, W, C).

    Each pixel of the sample appears equally often, up to the remainder of H W / (h w).
    """
    colours = pixels.reshape(-1, pixels.shape[2])
    copies = -(-H * W // len(colours))
    order = np.concatenate([rng.permutation(len(colours)) for _ in range(copies)])[:H * W]
    return colours[rng.permutation(order)].reshape(H, W, -1)
