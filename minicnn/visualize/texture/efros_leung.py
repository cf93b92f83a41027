"""Efros and Leung's texture synthesis: copy each pixel from the place of the sample with the most similar surroundings.

The texture grows outwards from a small seed. Efros and Leung 1999, Texture synthesis by non-parametric sampling.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from scipy.ndimage import binary_dilation, correlate

from minicnn.arguments import Seed, require_generator, require_number
from minicnn.backend import Array, available_memory, device_of, get_array_module, to_device, to_host
from minicnn.errors import InputError
from minicnn.visualize.arrays import as_mask, as_picture
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

Callback = Callable[[int, int, Texture], Any]

SEED_SIZE = 3          # side in pixels of the seed, which is copied from a random place of the sample
EIGHT = np.ones((3, 3), bool)  # the eight neighbours of a pixel
GROWTH = 1.1           # factor of max_error after a round in which no pixel matched
WEIGHT_UNIT = 2.0**-24  # the Gaussian's values are multiples of it, see gaussian_weights


def efros_leung(sample: Array, size: int | Sequence[int], *, window: int = 11, rng: Seed,
                tolerance: float = 0.1, max_error: float = 0.3, callback: Callback | None = None) -> Texture:
    """Return a Texture that grows from a seed of 3x3 pixels of the sample, placed in its middle.

    The products run on the device of the sample. The result is on the host. Source: Efros and Leung 1999, Texture
    synthesis by non-parametric sampling; the defaults are from the authors' "Algorithm details".

    Parameters
    ----------
    sample : uint8, (H, W, 3) or grey (H, W).
    size : the side of the texture in pixels, or (height, width).
    window : side in pixels of the square around a pixel that is compared; odd.
    tolerance : the pixel is drawn from all candidates whose error is at most 1 + tolerance times the least error.
    max_error : mean squared difference, of values from 0 to 1. A pixel with a larger error waits until more of its
        neighbours are filled.
    callback : called with (pixels filled, pixels in total, the Texture) after each step.

    Raises
    ------
    InputError if the sample is smaller than the window, the window is even, or the sample's windows do not fit into
    memory.

    >>> texture = efros_leung(photo, 8, window=5, rng=rng)
    >>> texture.image.shape, bool((texture.image == photo[texture.source[..., 0], texture.source[..., 1]]).all())
    ((8, 8, 3), True)
    """
    sample, rng = as_picture("sample", sample, grey=True), require_generator(rng)
    pixels = sample_pixels(sample)
    window = require_window(window, pixels)
    require_watchers(callback)
    H, W = output_size(size)
    texture = Texture(np.zeros((H, W, *sample.shape[2:]), np.uint8), np.full((H, W, 2), -1))
    height, width = min(SEED_SIZE, H), min(SEED_SIZE, W)
    top, left = int(rng.integers(pixels.shape[0] - height + 1)), int(rng.integers(pixels.shape[1] - width + 1))
    middle = np.s_[(H - height) // 2:(H - height) // 2 + height, (W - width) // 2:(W - width) // 2 + width]
    texture.source[middle] = pixel_coordinates(height, width) + (top, left)
    texture.image[middle] = to_host(sample[top:top + height, left:left + width])
    h, w = pixels.shape[:2]
    centres = pixel_coordinates(h - window + 1, w - window + 1).reshape(-1, 2) + window // 2
    candidates = Candidates(pixels, centres, device_of(sample), window)
    grow(texture, candidates, rng, tolerance, max_error, callback)
    return texture


def efros_leung_fill(image: Array, hole: Array, *, window: int = 11, rng: Seed, tolerance: float = 0.1,
                     max_error: float = 0.3, callback: Callback | None = None) -> Texture:
    """Return a Texture: the image, with the pixels where `hole` is True grown from their surroundings.

    The sample is the rest of the image: windows that touch the hole are no candidates. To extend a picture, add a
    frame around it and mark the frame as the hole. Efros and Leung 1999, section 4.

    Parameters
    ----------
    image : uint8, (H, W, 3) or grey (H, W).
    hole : bool, (H, W), or 0 and 1.
    window, rng, tolerance, max_error, callback : as for `efros_leung`.

    Raises
    ------
    InputError as for `efros_leung`, and if the hole has another type or shape, or if no window lies outside it.

    >>> hole = np.zeros(photo.shape[:2], bool)
    >>> hole[4:8, 4:8] = True
    >>> filled = efros_leung_fill(photo, hole, window=5, rng=rng)
    >>> bool((filled.image == photo)[~hole].all()), bool((filled.source[hole] >= 0).all())
    (True, True)
    """
    image, rng = as_picture("image", image, grey=True), require_generator(rng)
    pixels = sample_pixels(image)
    window = require_window(window, pixels)
    require_watchers(callback)
    H, W = pixels.shape[:2]
    hole = as_mask("a hole", hole, (H, W))
    touched = np.lib.stride_tricks.sliding_window_view(hole, (window, window)).any(axis=(2, 3))
    centres = np.argwhere(~touched) + window // 2
    if not len(centres):
        raise InputError(f"no window of {window}x{window} pixels lies outside the hole, so no pixel can be "
                         "copied; make the hole or the window smaller")
    result = np.where(hole[..., None], np.uint8(0), pixels).reshape(image.shape)
    texture = Texture(result, np.where(hole[..., None], -1, pixel_coordinates(H, W)))
    grow(texture, Candidates(pixels, centres, device_of(image), window), rng, tolerance, max_error, callback)
    return texture


class Candidates:
    """The windows of the sample from which pixels can be copied.

    pixels : the sample, (h, w, C). centres : (P, 2), the middles of the windows. patches : (P, K), see `patch_matrix`.
    weights : (window, window), the Gaussian.
    """

    def __init__(self, pixels: np.ndarray, centres: np.ndarray, device: str, window: int) -> None:
        self.pixels, self.centres, self.window = pixels, centres, window
        self.weights = gaussian_weights(window)
        self.patches = patch_matrix(pixels, centres, window, device)


def grow(texture: Texture, candidates: Candidates, rng: np.random.Generator, tolerance: float, max_error: float,
         callback: Callback | None) -> None:
    """Fill the pixels of the texture whose source is negative, in place, one layer after another."""
    tolerance, max_error = require_number("tolerance", tolerance, 0), require_number("max_error", max_error, above=0)
    window, pixels = candidates.window, candidates.pixels
    half, scale = window // 2, pixels.shape[2] * 255.0**2
    source, image = texture.source, texture.image.reshape(*texture.source.shape[:2], -1)  # (H, W, C), the same memory
    H, W, _ = image.shape
    # a margin of unknown pixels, so that every window lies inside
    known = np.pad(source[..., 0] >= 0, half)
    values = np.pad(image.astype(np.float64), ((half, half), (half, half), (0, 0)))
    done, total = int(known.sum()), H * W
    while done < total:
        before = done
        rows, columns = frontier(known[half:half + H, half:half + W], rng)
        draws = rng.random(len(rows))
        for wave in independent_waves(rows, columns, half):
            y, x = rows[wave] + half, columns[wave] + half
            mask = gather_windows(known, y, x, window) * candidates.weights
            choice, least_error = pick(gather_windows(values, y, x, window), mask, candidates.patches, draws[wave],
                                       tolerance)
            near = least_error / (mask.sum(axis=(1, 2)) * scale) < max_error
            y, x, chosen = y[near], x[near], candidates.centres[choice[near]]
            known[y, x] = True
            values[y, x] = image[y - half, x - half] = pixels[chosen[:, 0], chosen[:, 1]]
            source[y - half, x - half] = chosen
            done += len(y)
            if callback:
                callback(done, total, texture)
        if done == before:
            max_error *= GROWTH


def gaussian_weights(window: int) -> np.ndarray:
    """Return the Gaussian with a standard deviation of window / 6.4 pixels, 1 in the middle, (window, window).

    Its values are rounded to multiples of 2^-24, the precision of float32. Then every weighted sum of squared whole
    numbers over a window is a multiple of 2^-24 below 2^29, which is exact in float64. So the order of adding does not
    change a choice, and a perfect match has an error of exactly 0.
    """
    axis = np.exp(-0.5 * ((np.arange(window) - window // 2) / (window / 6.4)) ** 2)
    return np.rint(np.outer(axis, axis) / WEIGHT_UNIT) * WEIGHT_UNIT


def patch_matrix(pixels: np.ndarray, centres: np.ndarray, window: int, device: str) -> Array:
    """Return a row for each window of the sample: its values, and their squares summed over channels, (P, w w (C + 1)).

    With these rows, sum m (p - q)^2 = sum m p^2 - 2 (m q).p + sum m q^2 is one matrix product for all p.
    Raises InputError if the rows need more than half of the free memory.
    """
    C = pixels.shape[2]
    needed, free = 8 * len(centres) * window**2 * (C + 1), available_memory(device)
    if free is not None and needed > free / 2:
        raise InputError(f"the {len(centres):,} windows of the sample take {needed / 1e9:.1f} GB of memory, and "
                         f"{free / 1e9:.1f} GB are free; give a smaller sample or window")
    windows = gather_windows(pixels, centres[:, 0], centres[:, 1], window).astype(np.float64)
    squares = (windows * windows).sum(axis=-1)
    return to_device(np.concatenate([windows.reshape(len(centres), -1), squares.reshape(len(centres), -1)], axis=1),
                     device)


def frontier(known: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and columns of the unknown pixels next to a known one, in the order of filling.

    Pixels with more known neighbours among the eight come first. Pixels with the same number are shuffled.
    """
    rows, columns = np.nonzero(binary_dilation(known, EIGHT) & ~known)
    count = correlate(known.astype(np.int8), EIGHT.astype(np.int8), mode="constant")[rows, columns]
    order = rng.permutation(len(rows))
    order = order[np.argsort(-count[order], kind="stable")]
    return rows[order], columns[order]


def independent_waves(rows: np.ndarray, columns: np.ndarray, half: int) -> list[list[int]]:
    """Return the indices of the pixels in waves. No pixel of a wave lies in the window of another pixel of the wave.

    So a wave can be filled at once. A pixel comes after all earlier pixels of the list in its window, and before all
    later ones. The result is the same as filling one pixel after another.
    """
    last = np.zeros((rows.max() + 2 * half + 1, columns.max() + 2 * half + 1), np.int64)
    wave = np.empty(len(rows), np.int64)
    for n, (y, x) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        wave[n] = last[y + half, x + half] = last[y:y + 2 * half + 1, x:x + 2 * half + 1].max() + 1
    order = np.argsort(wave, kind="stable")
    return [list(group) for _, group in groupby(order.tolist(), key=wave.tolist().__getitem__)]


def pick(values: np.ndarray, mask: np.ndarray, patches: Array, draws: np.ndarray,
         tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each of B windows, the index of a random candidate among the best, (B,), and its error, (B,).

    values : (B, w, w, C). mask : (B, w, w), the weights, 0 for unknown pixels. draws : (B,), random numbers from 0 to
    1. tolerance : the best are all candidates with an error of at most 1 + tolerance times the least.
    """
    errors = window_errors(values, mask, patches)
    xp = get_array_module(errors)
    matches = errors <= errors.min(axis=1, keepdims=True) * (1 + tolerance)
    ranks = xp.cumsum(matches, axis=1)  # (B, P)
    count = ranks[:, -1]
    rank = xp.minimum((to_device(draws, device_of(errors)) * count).astype(np.int64), count - 1)
    choice = (ranks > rank[:, None]).argmax(axis=1)
    return to_host(choice), to_host(xp.take_along_axis(errors, choice[:, None], axis=1)[:, 0])


def window_errors(values: np.ndarray, mask: np.ndarray, patches: Array) -> Array:
    """Return the weighted sums of squared differences of B windows (B, w, w, C) to all patches, (B, P)."""
    weighted = mask[..., None] * values
    B = len(values)
    queries = np.concatenate([-2 * weighted.reshape(B, -1), mask.reshape(B, -1)], axis=1)
    own = to_device((weighted * values).sum(axis=(1, 2, 3))[:, None], device_of(patches))
    return window_sums(queries, patches) + own
