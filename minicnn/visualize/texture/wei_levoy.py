"""Texture from noise, line by line and from coarse to fine: each pixel is the sample's whose surroundings fit best."""

import numpy as np
from scipy.ndimage import correlate1d

from minicnn.errors import InputError
from minicnn.visualize.texture.texture_pixels import (
    Texture,
    check_window,
    gather_windows,
    output_size,
    pixel_coordinates,
    sample_pixels,
    window_sums,
)

LEVELS = 4                                  # of the pyramid, where the sample is large enough for them
PLACES = 4                                  # of the window along each side of the coarsest sample, at least
BINOMIAL = np.array([1, 4, 6, 4, 1]) / 16   # the Gaussian of Burt and Adelson's pyramid
BLOCK = 2**22                               # numbers of float64 in a block of distances: 32 MB


def wei_levoy(sample, size, *, window=7, levels=None, passes=2, rng, callback=None):
    """A Texture of `size` pixels made from noise that has the sample's histogram, in reading order at each level.

    sample : uint8, (H, W, 3) or grey (H, W). size : the side, or (height, width). window : side of the square whose
    pixels before the middle, in reading order, are compared, odd; of the next coarser level, all pixels around the
    parent, in a window half as wide. levels : of the Gaussian pyramid; left out, 4 or as many as fit. passes : over
    each level; all but the first compare all of the square. callback : called with (pixels done, pixels of all levels
    and passes, the Texture so far), once a line.
    Beyond its edges the texture begins anew. Only there the first pass sees the noise, which is all that is random, and
    what it makes last does not quite fit what it made first; the second mends that, so that it can be laid like tiles.
    A strict order such as a checkerboard's breaks where parts that began from different noise meet out of step: each
    pixel alone fits best as it is. `efros_leung`, which grows from one place, keeps it.
    Pixel by pixel there is nothing to do for a GPU: a device array is brought to the host, where the result is too.
    Raises InputError for an even window, and a sample or a size that is too small for the window or the levels.
    Wei and Levoy 2000, Fast texture synthesis using tree-structured vector quantization, sections 2 and 3, the
    whole square as in its constrained synthesis; all neighbourhoods are searched, without the tree, which finds nearly
    the best ones.
    """
    pixels = sample_pixels(sample)
    check_window(window, pixels)
    H, W = output_size(size)
    levels = choose_levels(window, levels, pixels.shape[:2], (H, W))
    if passes < 1:
        raise InputError(f"{passes} passes: at least one is needed")
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
    """The pixels of one level of the sample whose whole neighbourhood lies within it, and these neighbourhoods.

    around : whether the neighbourhood is the whole square, and not only what comes before its middle in reading order.
    centres : (P, 2). colours : (P, C). rest : (P, K), of the other lines and, unless coarser is None, of the level
    below. beside : (P, B C), of the pixels in the same line. squares : (P,), the sums of all their squares.
    """

    def __init__(self, level, coarser, window, around=False):
        half = window // 2
        H, W, _ = level.shape
        self.window = window
        self.offsets = offsets(half, around)  # of the other lines, and within the line
        centres = pixel_coordinates(H - half - half * around, W - 2 * half).reshape(-1, 2) + half
        if coarser is not None:
            reach, parents = parent_window(window) // 2, centres // 2
            inside = ((parents >= reach) & (parents < np.array(coarser.shape[:2]) - reach)).all(axis=1)
            centres = centres[inside]
        self.centres, self.colours = centres, level[centres[:, 0], centres[:, 1]]
        self.rest = other_neighbours(level, coarser, centres[:, 0], centres[:, 1], self)
        self.beside = level[centres[:, :1], centres[:, 1:] + self.offsets].reshape(len(centres), -1).astype(np.float64)
        self.squares = (self.rest**2).sum(axis=1) + (self.beside**2).sum(axis=1)


def offsets(half, around):
    """-half … -1, and 1 … half with `around`."""
    before = np.arange(-half, 0)
    return np.concatenate([before, -before[::-1]]) if around else before


def synthesize_row(image, coarser, row, candidates, found):
    """Replace a line of the image (H, W, C) by candidates, from left to right; `found` (H, W, 2) gets their places.

    Of all that is compared, only the pixels in the same line change meanwhile. What the rest adds to
    |p - q|^2 - |q|^2 = |p|^2 - 2 p.q is one product for the line.
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


def other_neighbours(image, coarser, rows, columns, candidates):
    """What surrounds each pixel (N,) in other lines, as far as the candidates look, and in the coarser level around its
    parent, float64 (N, K).

    Beyond an edge the picture begins anew; for candidates, which lie within, this does not matter.
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


def parent_window(window):
    """The side of the window at the next coarser level, which covers the same area: 3 of 5, 5 of 7 and 9."""
    return 2 * ((window // 2 + 1) // 2) + 1


def choose_levels(window, levels, sample_shape, output_shape):
    """The number of levels: as asked for, or LEVELS or as many as leave PLACES x PLACES places for the window.

    Raises InputError where the window does not fit into the coarsest level of the sample or of the result.
    """
    def fits(count, room):
        coarsest = min(-(-side // 2**(count - 1)) for side in sample_shape)
        result = min(-(-side // 2**(count - 1)) for side in output_shape)
        # below the coarsest level, the parents' windows are half as wide and fit wherever the next does
        return coarsest >= window + room and result > window // 2
    if levels is None:
        levels = max([count for count in range(1, LEVELS + 1) if fits(count, PLACES - 1)], default=1)
    if levels < 1 or not fits(levels, 0):
        raise InputError(f"{levels} levels halve a sample of {sample_shape[1]}x{sample_shape[0]} and a texture of "
                         f"{output_shape[1]}x{output_shape[0]} pixels {levels - 1} times, and then a window of "
                         f"{window}x{window} does not fit; give fewer levels (at least 1), a smaller window or larger "
                         "pictures")
    return levels


def pyramid(image, levels, edges):
    """[image, half of it, a quarter, …], uint8 (H, W, C), blurred before every second pixel is taken.

    edges : "reflect" or "wrap", as scipy.ndimage. Rounded to whole numbers, so that distances are exact.
    """
    result = [image]
    for _ in range(levels - 1):
        blurred = result[-1].astype(np.float64)
        for axis in (0, 1):
            blurred = correlate1d(blurred, BINOMIAL, axis=axis, mode=edges)
        result.append(np.rint(blurred[::2, ::2]).astype(np.uint8))
    return result


def histogram_noise(pixels, H, W, rng):
    """Noise whose histogram is that of pixels (h, w, C): all of them in random places, uint8 (H, W, C).

    Each pixel of the sample appears equally often, but for what does not come out even.
    """
    colours = pixels.reshape(-1, pixels.shape[2])
    copies = -(-H * W // len(colours))
    order = np.concatenate([rng.permutation(len(colours)) for _ in range(copies)])[:H * W]
    return colours[rng.permutation(order)].reshape(H, W, -1)
