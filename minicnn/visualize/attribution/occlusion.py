"""Occlusion: the probability of a class while a window hides one place of the image after another."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minicnn.arguments import count_of, describe, listed, require_callable, require_whole, whole
from minicnn.array_likes import as_numbers
from minicnn.backend import Array, device_of, get_array_module, to_device, to_host
from minicnn.errors import InputError
from minicnn.images import MAX_PIXELS
from minicnn.layers import Softmax
from minicnn.losses.classes import class_numbers
from minicnn.network import Network, warn_if_slow
from minicnn.visualize.arrays import in_type_of, on_host
from minicnn.visualize.entry import Labels, enter, require_sides

BATCH_SIZE = 16

Pixels = int | tuple[int, int]         # one number, or (down, across)
Fill = float | Sequence | Array        # one value, or (C, 1, 1)


def occlusion_map(net: Network, x: Array, label: Labels, window: Pixels = 32, stride: Pixels = 8, fill: Fill = 0.0,
                  batch_size: int = BATCH_SIZE, callback: Callable[[int, int], Any] | None = None) -> Array:
    """Return the probability of the class for each place of the window, (N, OH, OW) on the host, from 0 to 1.

    OH is (H - window) // stride + 1; OW likewise. With a window of 0 pixels, each value equals `class_probability`.

    Parameters
    ----------
    net : a network with class scores.
    x : images of shape (N, C, H, W).
    label : one class, or one for each image.
    window : height and width of the window in pixels, one number or (down, across).
    stride : pixels from one place of the window to the next, one number or (down, across).
    fill : value of the hidden pixels in the network's input, a number or (C, 1, 1). 0 is the mean colour.
    batch_size : images in one forward pass.
    callback : called with (finished places, all places) after each batch.

    Raises
    ------
    InputError if the class does not exist, the window is larger than the image, the stride is less than 1, or the fill
    has another shape.

    References
    ----------
    Zeiler and Fergus 2014 (arXiv:1311.2901), section 4.2.

    Examples
    --------
    >>> occlusion_map(net, x, label, window=32, stride=16).shape
    (1, 3, 3)
    """
    x = enter(net, x)
    N, C, H, W = x.shape
    labels = class_labels(net, x, label)
    fill_array = fill_values(fill, x)
    rows, columns = window_cover(window, stride, H, W)
    OH, OW = len(rows), len(columns)
    batch_size = require_whole("batch_size", batch_size, 1)
    require_callable("callback", callback)
    if not (rows.any() and columns.any()):
        return np.tile(class_probability(net, x, label)[:, None, None], (1, OH, OW))
    total, finished, parts = N * OH * OW, 0, []
    warn_if_slow(net, -(-total // batch_size))
    for n, copies in hidden_batches(x, rows, columns, fill_array, batch_size):
        parts.append(probabilities(net, copies, labels[n]))
        finished += len(copies)
        if callback:
            callback(finished, total)
    return to_host(get_array_module(x).concatenate(parts)).reshape(N, OH, OW)


def occlusion_rows(net: Network, x: Array, label: Labels, window: Pixels = 32, stride: Pixels = 8, fill: Fill = 0.0,
                   batch_size: int = BATCH_SIZE) -> Iterator[Array]:
    """Yield the `occlusion_map` of one image, (1, OH, OW) on the host, after each batch; places to come are NaN.

    x : one image, (1, C, H, W). The other parameters are the same as in `occlusion_map`.
    Raises InputError as `occlusion_map`, and if there are several images.

    >>> parts = list(occlusion_rows(net, x, label, window=32, stride=16, batch_size=4))
    >>> [int(np.isfinite(part).sum()) for part in parts]
    [4, 8, 9]
    """
    x = enter(net, x)
    if len(x) != 1:
        raise InputError(f"occlusion_rows takes one image at a time, not {len(x)}")
    labels, values = class_labels(net, x, label), fill_values(fill, x)
    rows, columns = window_cover(window, stride, *x.shape[2:])
    batch_size = require_whole("batch_size", batch_size, 1)
    found = np.full((1, len(rows), len(columns)), np.nan, str(x.dtype))
    finished = 0
    for n, copies in hidden_batches(x, rows, columns, values, batch_size):
        part = to_host(probabilities(net, copies, labels[n]))
        found.reshape(-1)[finished:finished + len(part)] = part
        finished += len(part)
        yield found.copy()


def hidden_batches(x: Array, rows: Array, columns: Array, fill: Array,
                   batch_size: int) -> Iterator[tuple[Array, Array]]:
    """Yield (numbers of the images, copies of them with the window at one place, (batch, C, H, W)), batch by batch.

    rows, columns : of `window_cover`. The places change fastest across, then down, then the image.
    """
    xp, device = get_array_module(x), device_of(x)
    OH, OW = len(rows), len(columns)
    rows, columns = to_device(rows, device), to_device(columns, device)
    total = len(x) * OH * OW
    for start in range(0, total, batch_size):
        k = xp.arange(start, min(start + batch_size, total))
        n, down, across = k // (OH * OW), k // OW % OH, k % OW
        hidden = rows[down][:, None, :, None] & columns[across][:, None, None, :]  # (batch, 1, H, W)
        yield n, xp.where(hidden, fill, x[n])                                      # (batch, C, H, W)


def class_probability(net: Network, x: Array, label: Labels) -> Array:
    """Return the probability of the class, the softmax of the scores, of each image, (N,) on the host.

    x : images of shape (N, C, H, W). label : one class, or one for each image.
    Raises InputError if the class does not exist.

    >>> p = [class_probability(net, x, k)[0] for k in range(len(model.labels))]
    >>> bool(abs(sum(p) - 1) < 1e-5)
    True
    """
    x = enter(net, x)
    labels = class_labels(net, x, label)
    parts = [probabilities(net, x[start:start + BATCH_SIZE], labels[start:start + BATCH_SIZE])
             for start in range(0, len(x), BATCH_SIZE)]
    return to_host(get_array_module(x).concatenate(parts))


def spread_occlusion(drops: Array, window: Pixels, stride: Pixels, height: int, width: int) -> Array:
    """Return for each pixel the mean drop of all windows that covered it, (..., height, width) on the host.

    Each hidden pixel gets the drop of its window, so the map lies exactly over the image. Pixels that no window covered
    are 0.

    drops : (..., OH, OW), class_probability minus occlusion_map. window, stride : as in `occlusion_map`.
    Raises InputError if a map of this window and stride has another size than `drops`.

    >>> spread_occlusion(np.array([[1.0, 0.0]]), window=(1, 2), stride=1, height=1, width=3)
    array([[1. , 0.5, 0. ]])
    """
    drops = on_host("drops", drops, "(..., OH, OW)", *range(2, 9))
    height, width = require_sides("the size", (height, width))
    rows, columns = window_cover(window, stride, height, width)
    if drops.shape[-2:] != (len(rows), len(columns)):
        raise InputError(f"drops of shape {drops.shape}: a window of {window} in steps of {stride} has "
                         f"{len(rows)}x{len(columns)} places in {height}x{width} pixels")
    # The windows form a grid, so the mean over the windows is the mean over rows of the means over columns.
    rows, columns = (cover / np.maximum(cover.sum(axis=0), 1) for cover in (rows, columns))
    return (rows.T @ drops @ columns).astype(drops.dtype)  # (..., height, OH) (..., OH, OW) (..., OW, width)


def window_cover(window: Pixels, stride: Pixels, height: int, width: int) -> tuple[Array, Array]:
    """Return the rows and the columns that each place of the window covers, bool (OH, height) and (OW, width).

    Raises InputError if the window is negative or larger than the image, and if the stride is less than 1.
    """
    windows, strides, sizes = pixel_pair("window", window, 0), pixel_pair("stride", stride, 1), (height, width)
    if windows[0] > height or windows[1] > width:
        raise InputError(f"the window, {windows[0]} pixels high and {windows[1]} wide, is larger than the picture, "
                         f"{height} high and {width} wide")
    rows, columns = (covered_pixels(*sides) for sides in zip(windows, strides, sizes, strict=True))
    return rows, columns


def covered_pixels(window: int, stride: int, size: int) -> Array:
    """Return the pixels that each place of a window covers along one side of an image, bool (places, size)."""
    start = stride * np.arange((size - window) // stride + 1)[:, None]
    pixel = np.arange(size)
    return (start <= pixel) & (pixel < start + window)


def pixel_pair(name: str, value: Pixels, least: int) -> tuple[int, int]:
    """Return (down, across) from one number of pixels, or from two.

    name : of the setting, for the message. Raises InputError unless they are whole numbers from `least` on.
    """
    numbers = [whole(number) for number in ([value, value] if count_of(value) is None else listed(value))]
    if len(numbers) != 2 or not all(number is not None and least <= number <= MAX_PIXELS for number in numbers):
        raise InputError(f"{name} is {describe(value)}; expected a whole number of pixels from {least} on, or two "
                         "(down, across)")
    down, across = map(int, numbers)  # type: ignore[arg-type]  # none of them is None
    return down, across


def class_labels(net: Network, x: Array, label: Labels) -> Array:
    """Return the class of each image, (N,) on the network's device. Raises InputError if the class does not exist."""
    shape = net.shapes(x.shape[1:])[net.output]
    if len(shape) != 2:
        raise InputError(f"the network has no class scores: the output of {net.output!r} is "
                         f"{'x'.join(map(str, shape[1:]))}")
    return to_device(np.array(class_numbers(label, len(x), shape[1])), net.device)


def fill_values(fill: Fill, x: Array) -> Array:
    """Return `fill` as an array of the type and on the device of x, (N, C, H, W), of shape () or (C, 1, 1).

    Raises InputError if it has another shape, or is not finite.
    """
    C, values = x.shape[1], to_host(as_numbers("fill", fill))
    if values.shape not in ((), (C, 1, 1)):
        raise InputError(f"fill has shape {values.shape}; expected a number or an array of shape ({C}, 1, 1)")
    return in_type_of("fill", values, x)


def probabilities(net: Network, x: Array, labels: Array) -> Array:
    """Return the probability of each image's class, (N,), on the device."""
    scores = net.predict(x)
    shares, _ = Softmax().forward(scores)  # the network's own output is the scores before the softmax
    return get_array_module(shares).take_along_axis(shares, labels[:, None], axis=1)[:, 0]
