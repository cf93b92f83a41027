"""Deletion and insertion: the probability of the class while the most important parts are removed, or put back."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

from minicnn.arguments import Seed, describe, require_generator, require_kind, require_number, require_whole
from minicnn.backend import Array, to_host
from minicnn.errors import InputError
from minicnn.network import Network, warn_if_slow
from minicnn.visualize.arrays import as_whole_numbers, on_host
from minicnn.visualize.attribution.occlusion import BATCH_SIZE, class_probability
from minicnn.visualize.entry import enter

RANDOM = "random order"
MOST_STEPS = 10_000  # all images of a curve are in memory at once


def deletion_insertion(net: Network, x: Array, label: int, maps: Mapping[str, Array], rng: Seed, *,
                       grid: int = 14, steps: int = 20,
                       orders: int = 5) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the deletion curves and the insertion curves of one image, two dicts {method: (1, steps + 1)}.

    Both dicts also have the control RANDOM, (orders, steps + 1): the blocks in random order. See `exchange_curve`.

    Parameters
    ----------
    net : a network with class scores.
    x : one image, (1, C, H, W).
    label : the class.
    maps : {method: (1, H, W)}.
    rng : the generator of the random orders, or a seed.
    grid : blocks along each side. Blocks are exchanged, not pixels: pixels deleted in random order are noise, which
        lowers the probability even if they do not matter.
    steps : points of a curve after the first one.
    orders : number of random orders.

    References
    ----------
    Petsiuk et al. 2018 (arXiv:1806.07421), section 4.2.

    Examples
    --------
    >>> maps = {"saliency": minicnn.visualize.saliency_map(net, x, label)}
    >>> deletion, insertion = deletion_insertion(net, x, label, maps, rng, steps=4, orders=1)
    >>> deletion["saliency"].shape, sorted(insertion)
    ((1, 5), ['random order', 'saliency'])
    """
    x, rng = to_host(enter(net, x)), require_generator(rng)
    H, W = x.shape[2:]
    blocks, maps = block_grid(H, W, require_whole("grid", grid, 1)), maps_by_method(maps, H, W)
    steps, orders = require_whole("steps", steps, 1, MOST_STEPS), require_whole("orders", orders, 1)
    block_orders = {method: [block_order(values[0], blocks, rng)] for method, values in maps.items()}
    block_orders[RANDOM] = [rng.permutation(grid * grid) for _ in range(orders)]
    warn_if_slow(net, 2 * (len(maps) + orders) * -(-(steps + 1) // BATCH_SIZE))

    def curves(before: Array, after: Array) -> dict[str, Array]:
        return {method: np.stack([exchange_curve(net, before, after, label, blocks, order, steps) for order in some])
                for method, some in block_orders.items()}
    return curves(x, np.zeros_like(x)), curves(blurred(x), x)


def exchange_curve(net: Network, before: Array, after: Array, label: int, blocks: Array, order: Sequence[int] | Array,
                   steps: int = 20, share: float = 1.0) -> Array:
    """Return the probability of the class while one image becomes another block by block, (steps + 1,) on the host.

    From the photo to the mean colour it is the deletion curve: it falls fast if the first blocks matter. From the
    blurred photo to the photo it is the insertion curve: it rises fast if the first blocks matter.

    Parameters
    ----------
    net : a network with class scores.
    before, after : the two images, (1, C, H, W).
    label : the class.
    blocks : the number of each pixel's block, (H, W), from 0.
    order : the numbers of the blocks, first the block that is exchanged first.
    steps : points of the curve after the first one.
    share : the share of the blocks that the last step has exchanged.

    Raises
    ------
    InputError if there is less than 1 step, the share is not in 0 to 1, or the order is not a permutation.

    References
    ----------
    Petsiuk et al. 2018 (arXiv:1806.07421), section 4.2.

    Examples
    --------
    >>> exchange_curve(net, x, 0 * x, label, block_grid(64, 64, grid=2), order=[3, 0, 1, 2], steps=4).shape
    (5,)
    """
    before, after = to_host(enter(net, before, "before")), to_host(enter(net, after, "after"))
    steps, share = require_whole("steps", steps, 1, MOST_STEPS), require_number("share", share, above=0, most=1)
    blocks = as_whole_numbers("blocks", blocks, "(H, W)", 2)
    if not before.shape == after.shape == (1, before.shape[1], *blocks.shape):
        raise InputError(f"images of shape {before.shape} and {after.shape} and blocks of shape {blocks.shape}; "
                         "expected one image (1, C, H, W) before, one after, and blocks (H, W)")
    count = int(blocks.max()) + 1
    order = as_whole_numbers("order", order, "(blocks,)")
    if blocks.min() < 0 or len(order) != count or (np.sort(order) != np.arange(count)).any():
        raise InputError(f"the order does not hold each of the {count} blocks once")
    position = np.argsort(order)[blocks]  # (H, W): the position in the order of each pixel's block
    counts = np.rint(share * len(order) * np.arange(steps + 1) / steps)
    images = np.where(position < counts[:, None, None, None], after, before)
    return class_probability(net, images, label)


def maps_by_method(maps: Mapping[str, Array], H: int, W: int) -> dict[str, Array]:
    """Return {method: map (1, H, W)} on the host. Raises InputError if the maps are no such dict."""
    require_kind("maps", maps, Mapping, "expected a dict {method: map (1, H, W)}")
    checked = {name: on_host(f"the map of {describe(name)}", values, "(1, H, W)", 3) for name, values in maps.items()}
    for name, values in checked.items():
        if values.shape != (1, H, W):
            raise InputError(f"the map of {describe(name)} has the shape {values.shape}, not {(1, H, W)}")
    return checked


def block_grid(height: int, width: int, grid: int = 14) -> Array:
    """Return the number of each pixel's block, (height, width), with grid x grid blocks numbered row by row."""
    if not 1 <= grid <= min(height, width):
        raise InputError(f"{height}x{width} pixels cannot be cut into {grid}x{grid} blocks")
    return np.arange(height)[:, None] * grid // height * grid + np.arange(width) * grid // width


def block_order(values: Array, blocks: Array, rng: np.random.Generator) -> Array:
    """Return the numbers of the blocks, the block with the largest mean of `values` first; equal ones in random order.

    values, blocks : (H, W).
    """
    means = np.bincount(blocks.ravel(), values.ravel()) / np.bincount(blocks.ravel())
    return np.lexsort((rng.random(len(means)), -means))


def area(curve: Array) -> float:
    """Return the area under a curve with equal steps from 0 to 1, by the trapezoidal rule."""
    return float((curve[1:] + curve[:-1]).mean() / 2)


def mean_area(curves: Array) -> float:
    """Return the mean of the areas under curves (K, S)."""
    return float(np.mean([area(curve) for curve in curves]))


def blurred(x: Array, sigma: float | None = None) -> Array:
    """Return images (N, C, H, W) on the host, blurred by a Gaussian. By default sigma is 1/20 of the shorter side."""
    sigma = min(x.shape[2:]) / 20 if sigma is None else sigma
    return gaussian_filter(to_host(x), (0, 0, sigma, sigma), mode="nearest")
