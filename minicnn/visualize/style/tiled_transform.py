"""The pass of a transform network over a large picture, tile by tile, with the result of a pass over the whole picture.

Instance normalization uses the mean and variance of the whole picture. With its own mean, each tile would get colours
and strokes of its own. So for each normalization, one round over the tiles measures the mean and variance of its input
in the whole picture. A last round computes the output with these values, and the tiles join without seams.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from minicnn.backend import available_memory, device_of, to_device, to_host
from minicnn.layers import BatchNorm2D, Conv2D, InstanceNorm2D, Layer, Upsample2D
from minicnn.layers.norm import is_flat
from minicnn.network import Network, warn_if_slow
from minicnn.visualize.style.many_styles import as_single_style

GRID = 4                      # the network halves twice, so sides are multiples of 4 pixels
SMALLEST = 2 * GRID           # a smaller picture cannot be mirrored at a quarter of its size
TILES = (1024, 512, 256, 128)  # sides of tiles to choose from, pixels


class Interval(NamedTuple):
    """A tile along one axis: it owns the pixels `first` to `last` and is computed from the pixels `start` to `stop`."""

    start: int
    first: int
    last: int
    stop: int


def padded_side(side: int) -> int:
    """Return the least side from `side` on that the network accepts."""
    return max(SMALLEST, -(-side // GRID) * GRID)


def tile_that_fits(net: Network, size: tuple[int, int]) -> int | None:
    """Return the side of the tiles for a picture of `size`, (H, W), or None if a pass over the whole picture fits.

    It fits if the forecast is at most half of the free memory. Without a forecast (`minicnn.fast` is missing), memory
    is not considered.
    """
    try:
        from minicnn.fast.forecast import peak_memory
    except ImportError:
        return None
    free = available_memory(net.device)
    if free is None or peak_memory(net, (1, 3, *map(padded_side, size)), seeds=()) <= free / 2:
        return None
    margin = 2 * reach(net)
    fitting = (tile for tile in TILES if peak_memory(net, (1, 3, tile + margin, tile + margin), seeds=()) <= free / 2)
    return next(fitting, TILES[-1])


def reach(net: Network) -> int:
    """Return the largest distance in pixels from an output pixel to an input pixel it depends on, rounded up to GRID.

    The means and variances of the normalizations are not considered.
    """
    reaches: dict[str, float] = {"input": 0}
    strides: dict[str, float] = {"input": 1}
    for name, layer, inputs in net.nodes:
        distance, stride = max(reaches[source] for source in inputs), strides[inputs[0]]
        if isinstance(layer, Conv2D):
            distance += layer.params["w"].shape[2] // 2 * stride
            stride *= layer.stride
        elif isinstance(layer, Upsample2D):
            distance += stride  # one pixel becomes several
            stride /= layer.factor
        reaches[name], strides[name] = distance, stride
    return -(-int(reaches[net.output]) // GRID) * GRID


def predict_by_tiles(net: Network, x: np.ndarray, tile: int,
                     callback: Callable[[int, int], Any] | None = None) -> np.ndarray:
    """Return the network's output for x, (1, 3, H, W), both on the host. H and W are multiples of GRID.

    tile : side of the tiles in pixels. callback : called with (tiles done, tiles in total).
    """
    net = as_single_style(net)
    norms = [(name, layer, sources) for name, layer, sources in net.nodes if isinstance(layer, InstanceNorm2D)]
    margin, tile = reach(net), max(GRID, tile // GRID * GRID)
    places = list(product(intervals(x.shape[2], tile, margin), intervals(x.shape[3], tile, margin)))
    done, total = 0, len(places) * (len(norms) + 1)
    warn_if_slow(net, total)
    fixed: dict[str, Layer] = {}  # the normalizations with the mean and variance of the whole picture

    def outputs(network: Network) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
        """Yield (place in pixels, output without the margin) of every tile."""
        nonlocal done
        for rows, columns in places:
            pixels = x[:, :, rows.start:rows.stop, columns.start:columns.stop]
            out = to_host(network.predict(to_device(pixels, net.device)))
            stride = pixels.shape[2] // out.shape[2]
            own = tuple(slice((axis.first - axis.start) // stride, (axis.last - axis.start) // stride)
                        for axis in (rows, columns))
            yield (slice(rows.first, rows.last), slice(columns.first, columns.last)), out[:, :, own[0], own[1]]
            done += 1
            if callback is not None:
                callback(done, total)

    for name, layer, (source,) in norms:
        inputs = outputs(net.with_layers(fixed).trunk(source))
        fixed[name] = with_statistics(layer, *mean_and_variance(out for _, out in inputs))
    painted = np.empty_like(x)
    for (rows, columns), out in outputs(net.with_layers(fixed)):
        painted[:, :, rows, columns] = out
    return painted


def intervals(side: int, tile: int, margin: int) -> list[Interval]:
    """Return the Intervals of `tile` pixels that cover an axis of `side` pixels, with `margin` pixels on both sides."""
    return [Interval(max(0, first - margin), first, min(side, first + tile), min(side, first + tile + margin))
            for first in range(0, side, tile)]


def mean_and_variance(parts: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and variance of each channel over all arrays (1, C, h, w), float64 (C,).

    Chan et al. 1979, which adds the parts one by one without loss of precision.
    """
    count = 0
    mean: Any = 0.0
    squares: Any = 0.0
    for part in parts:
        values = part[0].reshape(part.shape[1], -1).astype(np.float64)  # (C, h w)
        part_count, part_mean = values.shape[1], values.mean(axis=1)
        delta = part_mean - mean
        squares = (squares + values.var(axis=1) * part_count
                   + delta * delta * (count * part_count / (count + part_count)))
        mean = mean + delta * (part_count / (count + part_count))
        count += part_count
    return mean, squares / count


def with_statistics(layer: InstanceNorm2D, mean: np.ndarray, variance: np.ndarray) -> BatchNorm2D:
    """Return `layer` with a fixed mean and variance, (C,): a batch normalization after training."""
    fixed, gamma = BatchNorm2D(mean.size, layer.eps), layer.params["gamma"]
    flat = is_flat(mean[None].astype(str(gamma.dtype)), variance[None])[0]
    variance = np.where(flat, np.inf, variance)  # 1 / sqrt(inf) = 0, so a flat channel becomes 0 as in the layer
    fixed.params = layer.params
    fixed.buffers = {key: to_device(values.astype(str(gamma.dtype)), device_of(gamma))
                     for key, values in (("mean", mean), ("var", variance))}
    return fixed
