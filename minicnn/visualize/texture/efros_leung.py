"""Texture grown pixel by pixel: each is copied from where the sample looks most like what is around it already."""

from itertools import groupby

import numpy as np
from scipy.ndimage import binary_dilation, correlate

from minicnn.backend import available_memory, device_of, get_array_module, to_device, to_host
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

SEED_SIZE = 3          # pixels a side, copied from a random place of the sample: where growing begins
EIGHT = np.ones((3, 3), bool)
GROWTH = 1.1           # of max_error, whenever no pixel at all was near enough
WEIGHT_UNIT = 2.0**-24  # the Gaussian's values are whole multiples of it, see gaussian_weights


def efros_leung(sample, size, *, window=11, rng, tolerance=0.1, max_error=0.3, callback=None):
    """A Texture of `size` pixels grown from a seed of 3x3 pixels of the sample, which is in its middle.

    sample : uint8, (H, W, 3) or grey (H, W). size : the side, or (height, width). window : side of the square that is
    compared, odd. tolerance : a pixel is drawn from all whose error is at most 1 + tolerance times the least.
    max_error : mean squared difference, of values from 0 to 1, from which on a pixel waits until more is known around
    it. callback : called with (pixels done, pixels in all, the Texture so far) again and again.
    The products are done where the sample lives, on the CPU or a GPU; the result is on the host. Raises InputError for
    a sample smaller than the window, an even window, and a sample whose windows do not fit into memory.
    Efros and Leung 1999, Texture synthesis by non-parametric sampling; constants of the authors' "Algorithm details".
    """
    pixels = sample_pixels(sample)
    check_window(window, pixels)
    H, W = output_size(size)
    texture = Texture(np.zeros((H, W, *sample.shape[2:]), np.uint8), np.full((H, W, 2), -1))
    height, width = min(SEED_SIZE, H), min(SEED_SIZE, W)
    top, left = int(rng.integers(pixels.shape[0] - height + 1)), int(rng.integers(pixels.shape[1] - width + 1))
    middle = np.s_[(H - height) // 2:(H - height) // 2 + height, (W - width) // 2:(W - width) // 2 + width]
    texture.source[middle] = pixel_coordinates(height, width) + (top, left)
    texture.image[middle] = to_host(sample[top:top + height, left:left + width])
    centres = pixel_coordinates(*(side - window + 1 for side in pixels.shape[:2])).reshape(-1, 2) + window // 2
    grow(texture, pixels, centres, device_of(sample), window, rng, tolerance, max_error, callback)
    return texture


def efros_leung_fill(image, hole, *, window=11, rng, tolerance=0.1, max_error=0.3, callback=None):
    """A Texture, the image with the pixels where `hole` is True grown from what is around them.

    hole : bool (H, W). The sample is the image's own part: windows that touch the hole are no candidates. A frame
    around a smaller picture is a hole too, and extends it. Otherwise as `efros_leung`. Raises InputError too for a
    hole of another shape, and where no window lies outside it. Efros and Leung 1999, section 4.
    """
    pixels = sample_pixels(image)
    check_window(window, pixels)
    hole = to_host(hole)
    H, W = pixels.shape[:2]
    if hole.shape != (H, W) or hole.dtype != bool:
        raise InputError(f"expected a hole of type bool and shape ({H}, {W}), got {hole.dtype} {hole.shape}")
    touched = np.lib.stride_tricks.sliding_window_view(hole, (window, window)).any(axis=(2, 3))
    centres = np.argwhere(~touched) + window // 2
    if not len(centres):
        raise InputError(f"no window of {window}x{window} pixels lies outside the hole: there is nothing to copy from; "
                         "make the hole or the window smaller")
    result = np.where(hole[..., None], np.uint8(0), pixels).reshape(image.shape)
    texture = Texture(result, np.where(hole[..., None], -1, pixel_coordinates(H, W)))
    grow(texture, pixels, centres, device_of(image), window, rng, tolerance, max_error, callback)
    return texture


def grow(texture, pixels, centres, device, window, rng, tolerance, max_error, callback):
    """Fill the texture in place, where its source is negative, layer by layer.

    pixels : the sample (h, w, C). centres : (P, 2), the middles of its windows that are candidates.
    """
    if not (tolerance >= 0 and max_error > 0):
        raise InputError(f"tolerance is {tolerance} and max_error {max_error}: the first cannot be below 0, and the "
                         "second has to be above")
    weights = gaussian_weights(window)
    patches = patch_matrix(pixels, centres, window, device)
    half, scale = window // 2, pixels.shape[2] * 255.0**2
    source, image = texture.source, texture.image.reshape(*texture.source.shape[:2], -1)  # (H, W, C), the same memory
    H, W, _ = image.shape
    # with a margin of unknown pixels, so that every window lies within
    known = np.pad(source[..., 0] >= 0, half)
    values = np.pad(image.astype(np.float64), ((half, half), (half, half), (0, 0)))
    done, total = int(known.sum()), H * W
    while done < total:
        before = done
        rows, columns = frontier(known[half:half + H, half:half + W], rng)
        draws = rng.random(len(rows))
        for wave in independent_waves(rows, columns, half):
            y, x = rows[wave] + half, columns[wave] + half
            mask = gather_windows(known, y, x, window) * weights
            choice, least_error = pick(gather_windows(values, y, x, window), mask, patches, draws[wave], tolerance)
            near = least_error / (mask.sum(axis=(1, 2)) * scale) < max_error
            y, x, chosen = y[near], x[near], centres[choice[near]]
            known[y, x] = True
            values[y, x] = image[y - half, x - half] = pixels[chosen[:, 0], chosen[:, 1]]
            source[y - half, x - half] = chosen
            done += len(y)
            if callback:
                callback(done, total, texture)
        if done == before:
            max_error *= GROWTH


def gaussian_weights(window):
    """The Gaussian with a standard deviation of window / 6.4 pixels, 1 in the middle, (window, window).

    Rounded to whole multiples of 2^-24, as float32 would: all sums over a window of squared whole numbers, times these,
    are then multiples of 2^-24 below 2^29, exact in float64. So no order of adding, and no product, changes a choice,
    and a perfect match has an error of exactly 0.
    """
    axis = np.exp(-0.5 * ((np.arange(window) - window // 2) / (window / 6.4)) ** 2)
    return np.rint(np.outer(axis, axis) / WEIGHT_UNIT) * WEIGHT_UNIT


def patch_matrix(pixels, centres, window, device):
    """A row for each window of the sample: its values, and their squares' sums over the channels, (P, w w (C + 1)).

    With them, sum m (p - q)^2 = sum m p^2 - 2 (m q).p + sum m q^2, for all p at once, is a matrix product.
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


def frontier(known, rng):
    """The rows and the columns of the unknown pixels that touch a known one, in the order in which they are filled:
    shuffled, then those with more known ones among their eight neighbours first."""
    rows, columns = np.nonzero(binary_dilation(known, EIGHT) & ~known)
    count = correlate(known.astype(np.int8), EIGHT.astype(np.int8), mode="constant")[rows, columns]
    order = rng.permutation(len(rows))
    order = order[np.argsort(-count[order], kind="stable")]
    return rows[order], columns[order]


def independent_waves(rows, columns, half):
    """Indices of the pixels in waves that may each be filled at once, as none lies in another's window.

    A pixel comes after all earlier ones of the list that lie in its window, and before all later ones: it sees what
    it would see if they were filled one after another.
    """
    last = np.zeros((rows.max() + 2 * half + 1, columns.max() + 2 * half + 1), np.int64)
    wave = np.empty(len(rows), np.int64)
    for n, (y, x) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        wave[n] = last[y + half, x + half] = last[y:y + 2 * half + 1, x:x + 2 * half + 1].max() + 1
    order = np.argsort(wave, kind="stable")
    return [list(group) for _, group in groupby(order.tolist(), key=wave.tolist().__getitem__)]


def pick(values, mask, patches, draws, tolerance):
    """For each of B windows, one of the candidates that look nearly as like it as the best: indices (B,), errors (B,).

    values : (B, w, w, C). mask : (B, w, w), the weights, 0 where nothing is known. draws : (B,), from 0 to 1.
    """
    errors = window_errors(values, mask, patches)
    xp = get_array_module(errors)
    matches = errors <= errors.min(axis=1, keepdims=True) * (1 + tolerance)
    ranks = xp.cumsum(matches, axis=1)  # (B, P)
    count = ranks[:, -1]
    wanted = xp.minimum((to_device(draws, device_of(errors)) * count).astype(np.int64), count - 1)
    choice = (ranks > wanted[:, None]).argmax(axis=1)
    return to_host(choice), to_host(xp.take_along_axis(errors, choice[:, None], axis=1)[:, 0])


def window_errors(values, mask, patches):
    """The weighted sums of squared differences of B windows (B, w, w, C) to all patches, (B, P), where those live."""
    weighted = mask[..., None] * values
    B = len(values)
    queries = np.concatenate([-2 * weighted.reshape(B, -1), mask.reshape(B, -1)], axis=1)
    own = to_device((weighted * values).sum(axis=(1, 2, 3))[:, None], device_of(patches))
    return window_sums(queries, patches) + own
