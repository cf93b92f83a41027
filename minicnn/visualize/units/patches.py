"""Which parts of many pictures excite a channel most."""

import hashlib
from contextlib import closing
from functools import partial
from typing import NamedTuple

import numpy as np

from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.sweep import network_function, sweep
from minicnn.visualize.attribution.saliency import guided_backprop
from minicnn.visualize.entry import enter

GREY = {"u": 128, "f": 0.5}  # by the kind of a picture's numbers


class TopPatches(NamedTuple):
    """The strongest places of each channel, best first: arrays (channels, top) on the host.

    values : the activation. images : which picture, counted from 0. ys, xs : the unit in the layer's map. Where there
    were fewer pictures than `top`, the rest has the value -inf and the picture and place -1.
    """

    values: np.ndarray
    images: np.ndarray
    ys: np.ndarray
    xs: np.ndarray


def top_patches(net, batches, layer, top=9, channels=None, executor=None, store=None, callback=None, report=None):
    """For each channel the `top` pictures with the largest spatial maximum, one place a picture: a TopPatches.

    batches : iterable of x (N, C, H, W), read once, one after the other; no more is kept than the result and what is
    being computed. channels : which ones, in the order of the rows; all, unless given. executor, store : as in
    `sweep`. Of equal values the earlier picture comes first, so that neither the batches nor the executor decide,
    beyond the rounding of the network itself. callback : called with the TopPatches so far and the number of pictures
    seen, after each batch. report : called with (the first picture's number, the error) for a batch that failed, and
    the sweep goes on; without it the error is raised. Yosinski et al. 2015 (arXiv:1506.06579), after Zeiler and
    Fergus 2014 (arXiv:1311.2901).

    Raises InputError for a layer without maps, a channel that it does not have, and where there are no pictures.
    """
    layer = net.find(layer)
    channels = checked_channels(net, layer, channels)
    if top < 1:
        raise InputError(f"expected a number of patches from 1 on, not {top}")
    best, seen = None, 0
    function = network_function(partial(channel_maxima, layer=layer), net.trunk(layer), executor)
    found = sweep(function, numbered(batches, store), executor, store=store)
    with closing(found):  # at an error too: what is not begun yet is called off
        for (first, count, *_), result, problem in found:
            seen = first + count
            if problem is not None:
                if report is None:
                    raise problem
                report(first, problem)
                continue
            images = np.broadcast_to(np.arange(first, seen), (len(channels), count))
            new = TopPatches(result["values"].T[channels], images, result["ys"].T[channels], result["xs"].T[channels])
            best = merge(best or no_patches(len(channels), top, new.values.dtype), new)
            if callback is not None:
                callback(best, seen)
    if best is None:
        raise InputError("none of the pictures could be used" if seen else "there are no pictures to take patches from")
    return best


def checked_channels(net, layer, channels=None):
    """The channels as a list, all of the layer's for None; InputError for a layer without maps and for others."""
    shape = net.shapes()[layer]
    if len(shape) != 4:
        raise InputError(f"layer {layer!r} has no maps: its output is {shape}")
    channels = list(range(shape[1])) if channels is None else [int(channel) for channel in channels]
    for channel in channels:
        if not 0 <= channel < shape[1]:
            raise InputError(f"layer {layer!r} has channels 0 to {shape[1] - 1}, not {channel}")
    if not channels:
        raise InputError(f"no channels asked for; layer {layer!r} has 0 to {shape[1] - 1}")
    return channels


def numbered(batches, store):
    """((number of the first picture, how many), batch); for a store with a digest, so that a changed batch is new."""
    first = 0
    for x in batches:
        digest = () if store is None else (hashlib.sha256(np.ascontiguousarray(to_host(x))).hexdigest()[:16],)
        yield (first, len(x), *digest), x
        first += len(x)


def channel_maxima(net, x, layer):
    """The largest activation of every channel in every picture: {"values", "ys", "xs"}, each (N, channels), host.

    Of equal places the first one, row by row.
    """
    out = net.predict(enter(net, x), layer)
    N, C, H, W = out.shape
    maps = out.reshape(N, C, H * W)
    values, places = to_host(maps.max(axis=2)), to_host(maps.argmax(axis=2))
    if not np.isfinite(values).all():
        raise InputError(f"layer {layer!r} has activations that are not finite")
    return {"values": values, "ys": places // W, "xs": places % W}


def no_patches(channels, top, dtype):
    """A TopPatches of nothing."""
    nowhere = np.full((channels, top), -1)
    return TopPatches(np.full((channels, top), -np.inf, dtype), nowhere, nowhere, nowhere)


def merge(best, new):
    """The best of two TopPatches, as many as `best` has; whichever comes first, as pictures break the ties."""
    both = TopPatches(*(np.concatenate(pair, axis=1) for pair in zip(best, new, strict=True)))
    order = np.lexsort((both.images, -both.values), axis=1)[:, :best.values.shape[1]]
    return TopPatches(*(np.take_along_axis(part, order, axis=1) for part in both))


def strongest_channels(patches, count, field, height, width):
    """The rows of the `count` channels whose patches are strongest on the average, strongest first.

    A patch that reaches beyond its picture of height x width counts as nothing: some channels only answer to the
    network's own padding, and those are often the strongest of all. field : the layer's ReceptiveField.
    """
    inside = np.array([field.fits(y, x, height, width)
                       for y, x in zip(patches.ys.flat, patches.xs.flat, strict=True)]).reshape(patches.ys.shape)
    values = np.where(patches.images >= 0, patches.values, 0)
    # Where all fields are larger than the picture, the second number decides.
    order = np.lexsort((-values.mean(axis=1), -np.where(inside, values, 0).mean(axis=1)))
    return order[:count].tolist()


# ---- patches as pictures ---------------------------------------------------------------------------------------------


def crop_patch(image, field, y, x, fill=None, channels_last=None):
    """The field.size x field.size pixels that unit (y, x) sees, of an image (H, W, 3) or (C, H, W), in its layout.

    field : the layer's ReceptiveField. fill : for what lies outside; unless given, mid-grey for a picture (H, W, 3)
    and 0, the mean colour and the networks' own padding, for (C, H, W). channels_last : which of the two it is; unless
    given, an array whose last side is 3 is a picture. Raises InputError where the units see all of a picture (None).
    """
    if field is None:
        raise InputError("the units of this layer see the whole picture; choose a layer with maps")
    picture = image.shape[-1] == 3 if channels_last is None else channels_last
    height, width = image.shape[:2] if picture else image.shape[1:]
    if fill is None:
        fill = GREY.get(image.dtype.kind, 0) if picture else 0
    size = field.size
    patch = np.full((size, size, 3) if picture else (len(image), size, size), fill, image.dtype)
    inside, within = places(field, y, x, height, width)
    channels = () if picture else (slice(None),)
    patch[channels + within] = image[channels + inside]
    return patch


def place_patch(patch, field, y, x, height, width):
    """An input (C, height, width), 0 everywhere but where unit (y, x) sees: there `patch` (C, size, size).

    What `crop_patch` cut out, at the same phase of the strides as any other unit sees.
    """
    canvas = np.zeros((len(patch), height, width), patch.dtype)
    inside, within = places(field, y, x, height, width)
    canvas[(slice(None), *inside)] = patch[(slice(None), *within)]
    return canvas


def places(field, y, x, height, width):
    """The part of a picture that unit (y, x) sees, and where it lies within the field: two pairs of slices."""
    top, bottom, left, right = field.box(y, x, height, width)
    first_row, first_column = field.start + field.stride * y, field.start + field.stride * x
    return ((slice(top, bottom), slice(left, right)),
            (slice(top - first_row, bottom - first_row), slice(left - first_column, right - first_column)))


def guided_patch(net, x, layer, channel, position, field):
    """The guided gradient of one neuron of image x (1, C, H, W), cut to what it sees: (C, size, size), host.

    position : (y, x) in the layer's map. field : the layer's ReceptiveField. Only a window of the image around the
    field is computed: the neuron sees no more. Springenberg et al. 2014 (arXiv:1412.6806).
    """
    top, bottom, left, right = field.box(*position, *x.shape[2:])
    y, column = top // field.stride, left // field.stride  # whole strides, so that they meet the same pixels
    window = x[:, :, y * field.stride:bottom, column * field.stride:right]
    unit = position[0] - y, position[1] - column
    return crop_patch(guided_backprop(net, window, layer, channel, unit)[0], field, *unit, channels_last=False)


def shrink_patch(patch, factor):
    """(C, S, S) -> (C, S // factor, S // factor): the mean of every factor x factor pixels; what is left over goes."""
    C, side = len(patch), patch.shape[1] // factor
    blocks = patch[:, :side * factor, :side * factor].reshape(C, side, factor, side, factor)
    return blocks.mean(axis=(2, 4), dtype=np.float32)
