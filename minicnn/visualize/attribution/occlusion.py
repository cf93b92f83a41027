"""What a class needs to see: its probability while a window hides one place of the picture after another."""

from numbers import Integral, Real

import numpy as np

from minicnn.backend import get_array_module, to_device, to_host
from minicnn.errors import InputError
from minicnn.layers import Softmax
from minicnn.losses import one_hot
from minicnn.visualize.entry import enter

BATCH_SIZE = 16


def occlusion_map(net, x, label, window=32, stride=8, fill=0.0, batch_size=BATCH_SIZE, callback=None):
    """The probability of the class with the window at each of its places, (N, OH, OW) on the host, in 0..1.

    x : (N, C, H, W). label : one class, or one per image. window, stride : pixels, one number or (down, across);
    OH = (H - window) // stride + 1, and OW alike. fill : what the window shows, in the network's input units, a number
    (0 is the mean colour) or an array (C, 1, 1). callback : called with (places done, places in all) after each batch.
    A window of 0 hides nothing, and leaves `class_probability` exactly.
    Raises InputError for a class that does not exist, a window that is larger than the picture, a stride below 1, and
    a fill of another shape. Zeiler and Fergus 2014 (arXiv:1311.2901), section 4.2.
    """
    x = enter(net, x)
    xp = get_array_module(x)
    N, C, H, W = x.shape
    labels = class_labels(net, x, label)
    fill = fill_values(fill, x)
    down, across = window_cover(window, stride, H, W)
    OH, OW = len(down), len(across)
    if not isinstance(batch_size, Integral) or batch_size < 1:
        raise InputError(f"batch_size is {batch_size!r}: a whole number from 1 on is expected")
    if not (down.any() and across.any()):
        return np.tile(class_probability(net, x, label)[:, None, None], (1, OH, OW))
    down, across = to_device(down, net.device), to_device(across, net.device)
    total, parts = N * OH * OW, []
    for start in range(0, total, batch_size):
        k = xp.arange(start, min(start + batch_size, total))
        n, row, column = k // (OH * OW), k // OW % OH, k % OW
        hidden = down[row][:, None, :, None] & across[column][:, None, None, :]  # (batch, 1, H, W)
        copies = xp.where(hidden, fill, x[n])                                     # (batch, C, H, W)
        parts.append(probabilities(net, copies, labels[n]))
        if callback:
            callback(start + len(k), total)
    return to_host(xp.concatenate(parts)).reshape(N, OH, OW)


def class_probability(net, x, label):
    """The probability of the class, the softmax of the scores, of whole pictures: (N,) on the host, in 0..1.

    x : (N, C, H, W). label : one class, or one per image. Raises InputError for a class that does not exist.
    """
    x = enter(net, x)
    labels = class_labels(net, x, label)
    parts = [probabilities(net, x[start:start + BATCH_SIZE], labels[start:start + BATCH_SIZE])
             for start in range(0, len(x), BATCH_SIZE)]
    return to_host(get_array_module(x).concatenate(parts))


def spread_occlusion(drops, window, stride, height, width):
    """The mean over all windows that covered a pixel of what they took away, (..., height, width) on the host.

    drops : (..., OH, OW), p - occlusion_map. Pixels that no window covered are 0. To credit every hidden pixel, and not
    the window's corner or centre alone, puts the map exactly over the picture.
    Raises InputError where a map of this window and stride has another size.
    """
    drops = to_host(drops)
    down, across = window_cover(window, stride, height, width)
    if drops.shape[-2:] != (len(down), len(across)):
        raise InputError(f"drops of shape {drops.shape}: a window of {window} in steps of {stride} has "
                         f"{len(down)}x{len(across)} places in {height}x{width} pixels")
    # The windows are a grid, so the mean over them is the mean over rows of the means over columns.
    down, across = (cover / np.maximum(cover.sum(axis=0), 1) for cover in (down, across))
    return (down.T @ drops @ across).astype(drops.dtype)  # (..., H, OH) (..., OH, OW) (..., OW, W)


def window_cover(window, stride, height, width):
    """Which rows, and which columns, each place of the window covers: bool (OH, height) and (OW, width).

    Raises InputError for a window that is negative or larger than the picture, and for a stride below 1.
    """
    windows, strides, sizes = pair("window", window, 0), pair("stride", stride, 1), (height, width)
    if windows[0] > height or windows[1] > width:
        raise InputError(f"the window, {windows[0]} pixels high and {windows[1]} wide, is larger than the picture, "
                         f"{height} high and {width} wide")
    covers = []
    for side, step, size in zip(windows, strides, sizes, strict=True):
        start = step * np.arange((size - side) // step + 1)[:, None]
        pixel = np.arange(size)
        covers.append((start <= pixel) & (pixel < start + side))
    return covers


def pair(name, value, least):
    """(down, across) of a whole number, or of two. Raises InputError for anything else, and below `least`."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2 or not all(isinstance(number, Integral) and number >= least for number in values):
        raise InputError(f"{name} is {value!r}: a whole number of pixels from {least} on is expected, or two "
                         "(down, across)")
    return values


def class_labels(net, x, label):
    """The class of each image, (N,) on the network's device. Raises InputError where the network has no such class."""
    shape = net.shapes(x.shape[1:])[net.output]
    if len(shape) != 2:
        raise InputError(f"the network ends at {net.output!r}, whose output is {'x'.join(map(str, shape[1:]))}: it "
                         "gives no class scores")
    return to_device(one_hot(np.zeros((len(x), shape[1])), label).argmax(axis=1), net.device)


def fill_values(fill, x):
    """`fill` as an array of the type and on the device of x, (N, C, H, W). Raises InputError for another shape."""
    C = x.shape[1]
    values = np.asarray(fill if isinstance(fill, (Real, list, tuple)) else to_host(fill), x.dtype)
    if values.shape not in ((), (C, 1, 1)):
        raise InputError(f"fill has shape {values.shape}: a number or an array of shape ({C}, 1, 1) is expected")
    if not np.isfinite(values).all():
        raise InputError("fill is not finite")
    return values if get_array_module(x) is np else to_device(values, "gpu")


def probabilities(net, x, labels):
    """The probability of each image's class, (N,), on the device."""
    scores = net.predict(x)
    shares, _ = Softmax().forward(scores)  # outside the network, whose output is unnormalised
    return get_array_module(shares).take_along_axis(shares, labels[:, None], axis=1)[:, 0]
