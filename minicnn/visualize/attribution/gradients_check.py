"""The objective numbers of the attributions by gradients: each is computed again with explicit rules."""

from typing import Any

import numpy as np

from minicnn.backend import Array, get_array_module, to_device, to_host
from minicnn.losses import one_hot
from minicnn.network import Network
from minicnn.visualize.attribution.derivatives_check import TWO_PASSES, class_gradients, relative_distance
from minicnn.visualize.attribution.gradients import label_list
from minicnn.visualize.attribution.saliency_check import proven_gradient
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.entry import Labels, enter

BATCH = 8       # images in a pass
COARSE = 12, 8  # points of the line in the checks of integrated gradients
FEWEST = 16     # steps of integrated gradients that these checks judge
GRID = 7        # blocks along each side, in which its attributions are compared


def check_gradient_times_input(net: Network, x: Array, label: Labels, attribution: Array,
                               rng: np.random.Generator) -> list[Check]:
    """Return the Checks that the gradient is the slope of the score, and that the attribution is its product with x.

    x, attribution : (N, C, H, W). label : one class, or one for each image.
    """
    slope_error, gradient = proven_gradient(net, x, label, rng)
    return [below("slope of the score along a random change of the picture, pushed forward through the network, "
                  "against its gradient: error as a share of the gradient", slope_error, 1e-3),
            below("gradient x input: the attribution against the product of the gradient and the picture, relative",
                  relative_distance(attribution, gradient * to_host(x)), TWO_PASSES)]


def check_smooth_grad(net: Network, x: Array, label: Labels, attribution: Array, rng: np.random.Generator, *,
                      samples: int = 25, noise: float = 0.15) -> list[Check]:
    """Return the Check that the attribution is the mean gradient over the same noisy copies; report its smoothness.

    attribution : of smooth_grad, (N, C, H, W). rng : a generator in the state of the one that smooth_grad was given.
    """
    expected = noisy_gradient(net, x, label, rng, samples, noise)
    return [below("SmoothGrad: the attribution against the mean gradient over the same noisy copies, relative",
                  relative_distance(attribution, expected), TWO_PASSES),
            check_roughness(np.abs(attribution).max(axis=1), net, x, label)]


def noisy_gradient(net: Network, x: Array, label: Labels, rng: np.random.Generator, samples: int,
                   noise: float) -> Array:
    """Return the mean gradient over the noisy copies of each image that `rng` draws, (N, C, H, W) on the host."""
    x = enter(net, x)
    xp, means = get_array_module(x), []
    for image, k in zip(x, label_list(label, len(x)), strict=True):
        sigma = noise * (image.max() - image.min())
        total: Any = 0
        for start in range(0, samples, BATCH):
            drawn = [to_device(rng.standard_normal(image.shape, dtype=x.dtype.name), net.device)
                     for _ in range(min(BATCH, samples - start))]
            total = total + class_gradients(net, image + sigma * xp.stack(drawn), k).sum(axis=0)
        means.append(to_host(total) / samples)
    return np.stack(means)


def check_roughness(maps: Array, net: Network, x: Array, label: Labels) -> Check:
    """Return the total variation of the maps (N, H, W) over their sum, beside that of the plain gradient."""
    plain = np.abs(to_host(class_gradients(net, enter(net, x), label))).max(axis=1)
    return reported("SmoothGrad: total variation of the map over its sum", roughness(maps).mean(),
                    f"the plain gradient's is {roughness(plain).mean():.3f}")


def check_integrated_gradients(net: Network, x: Array, label: Labels, attribution: Array, *,
                               baseline: float | Array = 0.0, steps: int = 50) -> list[Check]:
    """Return the Checks of completeness and of the place of the attributions.

    Completeness: the attributions add up to the difference of the scores. The place: they are as near to attributions
    at a few points of the line as those at two numbers of points are to each other.
    steps : of integrated_gradients. From fewer than FEWEST steps the numbers are reported, not judged.
    """
    blocks = block_sums(attribution)
    gaps = np.abs(blocks.sum(axis=(1, 2)) - score_differences(net, x, label, baseline))
    shares = gaps / np.maximum(np.abs(blocks).sum(axis=(1, 2)), 1e-30)
    distance = coarse_distance(attribution, *(coarse_attribution(net, x, label, baseline, points) for points in COARSE))
    names = (f"integrated gradients: sum against the difference of the scores, as a share of the sizes of the sums in "
             f"{GRID}x{GRID} blocks",
             "integrated gradients: distance from those at {0} points of the line, in units of the distance between "
             "{1} and {0} points".format(*COARSE))
    if steps < FEWEST:
        few = f"{steps} points of the line are few"
        return [reported(names[0], shares.max(), few), reported(names[1], distance, few)]
    return [below(names[0], shares.max(), 4 / steps), below(names[1], distance, 1.5)]


def coarse_distance(found: Array, finer: Array, coarser: Array) -> float:
    """Return |found - finer| / |coarser - finer|. A distance below a hundredth of |finer| counts as that much."""
    between = max(float(np.linalg.norm(coarser - finer)), 1e-2 * float(np.linalg.norm(finer)))
    distance = float(np.linalg.norm(found - finer))
    return distance / between if between else float("inf") if distance else 0.0


def score_differences(net: Network, x: Array, label: Labels, baseline: float | Array) -> Array:
    """Return score(x) - score(baseline) of each image, float64 (N,) on the host."""
    x = enter(net, x)
    xp = get_array_module(x)
    start = xp.ascontiguousarray(xp.broadcast_to(xp.asarray(baseline, x.dtype), x.shape))
    last, first = (to_host(net.predict(images)).astype(np.float64) for images in (x, start))
    return ((last - first) * one_hot(last, label)).sum(axis=1)


def coarse_attribution(net: Network, x: Array, label: Labels, baseline: float | Array, points: int) -> Array:
    """Return integrated gradients at a few points, (N, C, H, W) on the host: the middles of equal parts of a line.

    The share t² of the way runs from 0 to 1 as t does: most ReLUs switch near the baseline. d(t²) = 2 t dt.
    """
    x = enter(net, x)
    xp = get_array_module(x)
    start = xp.broadcast_to(xp.asarray(baseline, x.dtype), x.shape)
    total: Any = 0
    for k in range(points):
        t = (k + 0.5) / points
        total = total + class_gradients(net, start + (x - start) * xp.asarray(t * t, x.dtype), label) * (2 * t / points)
    return to_host((x - start) * total)


def block_sums(attribution: Array) -> Array:
    """Return the sums of an attribution (N, C, H, W) over the channels and the blocks of a grid, (N, GRID, GRID)."""
    H, W = attribution.shape[2:]
    rows, columns = ((np.arange(size) * GRID // size == np.arange(GRID)[:, None]).astype(np.float64)
                     for size in (H, W))
    return rows @ attribution.sum(axis=1, dtype=np.float64) @ columns.T


def roughness(maps: Array) -> Array:
    """Return the total variation of maps (N, H, W) over the sum of their values, (N,).

    It is 0 for a constant map, and 4 if all pixels above 0 are isolated.
    """
    variation = np.abs(np.diff(maps, axis=1)).sum(axis=(1, 2)) + np.abs(np.diff(maps, axis=2)).sum(axis=(1, 2))
    return variation / np.maximum(maps.sum(axis=(1, 2)), 1e-30)
