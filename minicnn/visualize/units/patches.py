"""The places in many pictures with the largest activations of each channel."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Executor
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minicnn.arguments import count_of, require_callable, require_iterable, require_kind, require_whole, whole
from minicnn.array_likes import as_numbers
from minicnn.backend import Array, to_host
from minicnn.errors import InputError
from minicnn.network import Network, warn_if_slow
from minicnn.receptive_field import ReceptiveField
from minicnn.shown import html_fields, short_fields
from minicnn.sweep import Store, network_function, sweep
from minicnn.visualize.entry import (
    enter,
    require_channels,
    require_layer,
    require_maps,
    require_network,
    require_sides,
)
from minicnn.visualize.units.patch_pictures import require_field

MOST = 1_000_000  # patches of a channel


class TopPatches(NamedTuple):
    """The places with the largest activations of each channel, largest first: arrays (channels, top) on the host.

    values : the activations. images : the numbers of the pictures, from 0. ys, xs : the positions in the layer's map.
    If there are fewer pictures than `top`, the remaining values are -inf, and their pictures and positions -1.
    """

    values: Array
    images: Array
    ys: Array
    xs: Array

    def __repr__(self) -> str:
        return short_fields(self)

    def _repr_html_(self) -> str:
        return html_fields(self)


def top_patches(net: Network, batches: Iterable[Array], layer: str, top: int = 9,
                channels: Iterable[int] | None = None, executor: Executor | None = None, store: Store | None = None,
                callback: Callable[[TopPatches, int], Any] | None = None,
                report: Callable[[int, Exception], Any] | None = None) -> TopPatches:
    """Return the TopPatches: for each channel the `top` pictures with the largest maxima, one position per picture.

    If values are equal, the earlier picture comes first. So the result depends neither on the batches nor on the
    executor, except for the rounding of the network itself.

    Parameters
    ----------
    net : the network.
    batches : an iterable of x (N, C, H, W), which is read once. No more batches are in memory than are being computed.
    layer : a layer with maps.
    top : pictures for each channel.
    channels : the channels, in the order of the result's rows. By default all.
    executor, store : see `sweep`.
    callback : called with (TopPatches, number of pictures) after each batch.
    report : called with (number of the first picture, error) after a batch that failed; the search continues. By
        default the error is raised.

    Raises
    ------
    InputError if the layer has no maps or no such channel, and if there are no pictures.

    References
    ----------
    Zeiler and Fergus 2014 (arXiv:1311.2901), figure 2. Yosinski et al. 2015 (arXiv:1506.06579).

    Examples
    --------
    >>> best = top_patches(net, [x, -x], "relu1", top=1, channels=[3, 5])
    >>> best.values.shape, best.images.tolist()  # both channels respond most to picture 1
    ((2, 1), [[1], [1]])
    """
    layer = require_layer(net, layer)
    rows, top = requested_channels(net, layer, channels), require_whole("top", top, 1, MOST)
    batches = require_batches(batches)
    require_callable("callback", callback)
    require_callable("report", report)
    if isinstance(batches, Sized):
        warn_if_slow(net, len(batches))
    best: TopPatches | None = None
    seen = 0
    function = network_function(partial(channel_maxima, layer=layer), net.trunk(layer), executor)
    outcomes = sweep(function, numbered(batches, store), executor, store=store)
    with closing(outcomes):  # after an error, cancel the batches that have not begun
        for (first, count, *_), maxima, problem in outcomes:
            seen = first + count
            if problem is None:
                new = batch_patches(maxima, rows, first)
                best = merge(best or no_patches(len(rows), top, new.values.dtype), new)
                if callback is not None:
                    callback(best, seen)
            elif report is None:
                raise problem
            else:
                report(first, problem)
    if best is None:
        raise InputError("none of the pictures could be used" if seen else "there are no pictures to take patches from")
    return best


def requested_channels(net: Network, layer: str, channels: Iterable[int] | None = None) -> list[int]:
    """Return the channels as a list; all of the layer's channels for None.

    Raises InputError if the layer has no maps, or no such channel, and if the list is empty.
    """
    shape = net.shapes()[layer]
    require_maps(layer, shape)
    if channels is None:
        return list(range(shape[1]))
    if isinstance(channels, Iterable) and count_of(channels) is None and whole(channels) is None:
        channels = list(require_iterable("channels", channels, "channels"))
    numbers = require_channels(layer, channels, shape[1])
    return numbers if isinstance(numbers, list) else [numbers]


def require_batches(batches: Iterable[Array]) -> Iterable[Array]:
    """Return the batches, an iterable of images; a single array of images is one batch.

    Raises InputError for things that are not iterable.
    """
    if getattr(batches, "shape", ()):
        return [batches]  # type: ignore[list-item]  # an array
    if count_of(batches) is not None:
        return batches  # its length is known, for `warn_if_slow`
    return require_iterable("batches", batches, "arrays (N, C, H, W)")


def numbered(batches: Iterable[Array], store: Store | None) -> Iterator[tuple[tuple, Array]]:
    """Yield ((number of the first picture, pictures in the batch), batch).

    With a store, the key also has a digest of the batch, so that a changed batch is computed again.
    """
    first = 0
    for x in map(partial(as_numbers, "a batch"), batches):
        x = x[None] if x.ndim == 3 else x
        if x.ndim != 4:
            raise InputError(f"expected batches of shape (N, C, H, W), got {x.shape}")
        digest = () if store is None else (hashlib.sha256(np.ascontiguousarray(to_host(x)).data).hexdigest()[:16],)
        yield (first, len(x), *digest), x
        first += len(x)


def channel_maxima(net: Network, x: Array, layer: str) -> dict[str, Array]:
    """Return the largest activation of each channel in each picture, {"values", "ys", "xs"}, each (N, channels), host.

    Of equal activations, the first one is taken, row by row.
    """
    return maxima_of(net.predict(enter(net, x), layer), layer)


def maxima_of(out: Array, layer: str) -> dict[str, Array]:
    """Return the `channel_maxima` of the activations `out` of a layer, (N, C, H, W)."""
    N, C, H, W = out.shape
    maps = out.reshape(N, C, H * W)
    values, positions = to_host(maps.max(axis=2)), to_host(maps.argmax(axis=2))
    if not np.isfinite(values).all():
        raise InputError(f"layer {layer!r} has activations that are not finite")
    return {"values": values, "ys": positions // W, "xs": positions % W}


def top_patches_by_layer(net: Network, batches: Iterable[Array], layers: Iterable[str] | None = None, top: int = 9,
                         callback: Callable[[dict[str, TopPatches], int], Any] | None = None) -> dict[str, TopPatches]:
    """Return {layer: TopPatches} of several layers from one walk over the pictures; see `top_patches`.

    batches : an iterable of x (N, C, H, W). layers : layers with maps; by default, all. callback : called with
    ({layer: TopPatches}, number of pictures) after each batch; if it returns a true value, the walk ends.
    Raises InputError if a layer has no maps, and if there are no pictures.

    >>> best = top_patches_by_layer(net, [x, -x], ["relu1", "relu2"], top=1)
    >>> best["relu1"].images[3].tolist()  # channel 3 responds most to picture 1
    [1]
    """
    shapes = require_network(net).shapes()
    named = [name for name, shape in shapes.items() if len(shape) == 4 and name != "input"] if layers is None else \
        [require_layer(net, layer) for layer in require_iterable("layers", layers, "names of layers")]
    rows = {layer: requested_channels(net, layer) for layer in named}
    top = require_whole("top", top, 1, MOST)
    require_callable("callback", callback)
    best: dict[str, TopPatches] = {}
    seen = 0
    for x in require_batches(batches):
        x = enter(net, x)
        for layer, out in net.features(x, named).items():
            new = batch_patches(maxima_of(out, layer), rows[layer], seen)
            best[layer] = merge(best.get(layer) or no_patches(len(rows[layer]), top, new.values.dtype), new)
        seen += len(x)
        if callback is not None and callback(dict(best), seen):
            break
    if not best:
        raise InputError("there are no layers or no pictures to take patches from")
    return best


def batch_patches(maxima: dict[str, Array], rows: list[int], first: int) -> TopPatches:
    """Return the TopPatches of one batch, not sorted, from its `channel_maxima`.

    rows : the channels. first : the number of the batch's first picture.
    """
    values = maxima["values"].T[rows]
    images = np.broadcast_to(np.arange(first, first + values.shape[1]), values.shape)
    return TopPatches(values, images, maxima["ys"].T[rows], maxima["xs"].T[rows])


def no_patches(channels: int, top: int, dtype: Any) -> TopPatches:
    """Return TopPatches without any place."""
    nowhere = np.full((channels, top), -1)
    return TopPatches(np.full((channels, top), -np.inf, dtype), nowhere, nowhere, nowhere)


def merge(best: TopPatches, new: TopPatches) -> TopPatches:
    """Return the largest places of two TopPatches, as many as `best` has. The order of the two does not matter."""
    both = TopPatches(*(np.concatenate(pair, axis=1) for pair in zip(best, new, strict=True)))
    order = np.lexsort((both.images, -both.values), axis=1)[:, :best.values.shape[1]]
    return TopPatches(*(np.take_along_axis(part, order, axis=1) for part in both))


def strongest_channels(patches: TopPatches, count: int, field: ReceptiveField, height: int, width: int) -> list[int]:
    """Return the rows of the `count` channels with the largest mean activation, largest first.

    A patch that reaches over the border of its picture counts as 0: some channels respond to the network's own padding
    only, and these are often the strongest of all.

    field : the layer's ReceptiveField. height, width : of the pictures.

    >>> best = top_patches(net, [x], "relu1", top=1)
    >>> len(strongest_channels(best, 4, minicnn.visualize.receptive_field(net, "relu1"), 64, 64))
    4
    """
    require_kind("patches", patches, TopPatches, "give the result of top_patches")
    require_field(field)
    count, (height, width) = require_whole("count", count), require_sides("the size", (height, width))
    inside = np.array([field.fits(y, x, height, width)
                       for y, x in zip(patches.ys.flat, patches.xs.flat, strict=True)]).reshape(patches.ys.shape)
    values = np.where(patches.images >= 0, patches.values, 0)
    # If all receptive fields are larger than the picture, the first mean is 0 and the second one decides.
    order = np.lexsort((-values.mean(axis=1), -np.where(inside, values, 0).mean(axis=1)))
    return order[:count].tolist()
