"""Attribution methods held against each other: their maps of one class, what they are worth, how alike they are."""

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.layers import DeconvReLU, GuidedReLU
from minicnn.visualize.attribution.grad_cam import grad_cam, upsample_maps
from minicnn.visualize.attribution.gradients import (
    class_gradient,
    gradient_times_input,
    integrated_gradients,
    smooth_grad,
)
from minicnn.visualize.attribution.occlusion import class_probability, occlusion_map, pair, spread_occlusion
from minicnn.visualize.attribution.saliency import saliency_map
from minicnn.visualize.entry import enter

METHODS = ("saliency", "SmoothGrad", "gradient x input", "integrated gradients", "deconvnet", "guided backprop",
           "Grad-CAM", "guided Grad-CAM", "occlusion")
RANDOM = "random order"


def attribution_maps(net, x, label, *, rng, layer=None, samples=25, steps=50, stride=None, window=None):
    """{method: how much each pixel matters to the class, (N, H, W)} on the host, by each of METHODS; larger is more.

    x : (N, C, H, W). label : one class, or one per image. rng : numpy.random.Generator, for SmoothGrad's `samples`.
    layer : Grad-CAM's, see there. steps : of integrated gradients. stride, window : of occlusion; left out, a 14th of
    the picture and four strides, as a network that is sure of a class loses little behind a small window. A gradient's
    map is its largest absolute value over the colours, a product's with the picture the absolute value of its sum over
    them. Only occlusion keeps its sign: where hiding a place makes the class more probable, its map is negative.
    """
    x = enter(net, x)
    H, W = x.shape[2:]
    heat = upsample_maps(grad_cam(net, x, label, layer), H, W)  # first: the layer may have no maps
    stride = (max(1, H // 14), max(1, W // 14)) if stride is None else pair("stride", stride, 1)
    window = tuple(min(4 * step, side) for step, side in zip(stride, (H, W), strict=True)) if window is None else window
    hidden = occlusion_map(net, x, label, window, stride)
    drops = class_probability(net, x, label)[:, None, None] - hidden  # (N, OH, OW)
    guided = largest(to_host(class_gradient(net.with_relu(GuidedReLU()), x, label)))
    maps = (saliency_map(net, x, label),
            largest(smooth_grad(net, x, label, rng=rng, samples=samples)),
            np.abs(gradient_times_input(net, x, label).sum(axis=1)),
            np.abs(integrated_gradients(net, x, label, steps=steps).sum(axis=1)),
            largest(to_host(class_gradient(net.with_relu(DeconvReLU()), x, label))),
            guided,
            heat,
            guided * heat,  # the heat is the same for all colours, and never negative
            spread_occlusion(drops, window, stride, H, W))
    return dict(zip(METHODS, maps, strict=True))


def largest(attribution):
    """(N, C, H, W) -> (N, H, W): the largest absolute value over the channels."""
    return np.abs(attribution).max(axis=1)


# ---- what is taken away, and given back ------------------------------------------------------------------------------


def exchange_curve(net, before, after, label, blocks, order, steps=20, share=1.0):
    """The probability of the class while one image becomes another, block by block, (steps + 1,) on the host.

    before, after : (1, C, H, W). blocks : (H, W), the number of each pixel's block, from 0 on. order : the blocks'
    numbers, the first to go first. share : of the blocks, exchanged in the last step. From a photo to the mean colour
    it is the deletion curve of Petsiuk et al. 2018 (arXiv:1806.07421), section 4.2, which falls fast where the first
    blocks matter; from the blurred photo to the photo it is their insertion curve, which rises fast there.
    """
    if steps < 1 or not 0 < share <= 1:
        raise InputError(f"expected at least 1 step and a share above 0, up to 1, not {steps} and {share}")
    if sorted(order) != list(range(int(blocks.max()) + 1)):
        raise InputError(f"the order does not hold each of the {int(blocks.max()) + 1} blocks once")
    place = np.argsort(order)[blocks]  # (H, W): when its turn is
    counts = np.rint(share * len(order) * np.arange(steps + 1) / steps)
    images = np.where(place < counts[:, None, None, None], to_host(after), to_host(before))
    return class_probability(net, images, label)


def block_grid(height, width, grid=14):
    """The number of each pixel's block, (height, width), where grid x grid blocks cover the picture."""
    if not 1 <= grid <= min(height, width):
        raise InputError(f"{height}x{width} pixels cannot be cut into {grid}x{grid} blocks")
    return np.arange(height)[:, None] * grid // height * grid + np.arange(width) * grid // width


def block_order(values, blocks, rng):
    """The blocks' numbers, that of the largest mean of the map (H, W) first; equal ones in random order."""
    means = np.bincount(blocks.ravel(), values.ravel()) / np.bincount(blocks.ravel())
    return np.lexsort((rng.random(len(means)), -means))


def area(curve):
    """The area under a curve of equal steps on 0 to 1, by trapezoids."""
    return float((curve[1:] + curve[:-1]).mean() / 2)


def blurred(x, sigma=None):
    """Images (N, C, H, W) on the host, blurred by a Gaussian; left out, its sigma is a 20th of the shorter side."""
    sigma = min(x.shape[2:]) / 20 if sigma is None else sigma
    return gaussian_filter(to_host(x), (0, 0, sigma, sigma), mode="nearest")


def deletion_insertion(net, x, label, maps, rng, *, grid=14, steps=20, orders=5):
    """Two dicts {method: (1, steps + 1)}, the deletion and the insertion curves of one image's maps.

    x : (1, C, H, W). maps : {method: (1, H, W)}. Both hold RANDOM as well, (orders, steps + 1): the blocks in as many
    random orders, the control. grid : the picture is exchanged in grid x grid blocks, as single pixels that are blanked
    at random are a noise, which hurts a network however little they say. See `exchange_curve`.
    """
    x = to_host(x)
    blocks = block_grid(*x.shape[2:], grid)
    chosen = {method: [block_order(found[0], blocks, rng)] for method, found in maps.items()}
    chosen[RANDOM] = [rng.permutation(grid * grid) for _ in range(orders)]
    ways = ((x, np.zeros_like(x)), (blurred(x), x))
    return tuple({method: np.stack([exchange_curve(net, *way, label, blocks, order, steps) for order in these])
                  for method, these in chosen.items()} for way in ways)


# ---- whether they say the same ---------------------------------------------------------------------------------------


def rank_correlations(maps):
    """Spearman's rank correlation of each pair of maps (M, ...), float64 (M, M); 0 where either is flat."""
    ranks = np.stack([rankdata(values) for values in np.reshape(maps, (len(maps), -1))])
    ranks -= ranks.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(ranks, axis=1)
    ranks /= np.maximum(norms, 1e-30)[:, None]
    return np.clip(ranks @ ranks.T, -1, 1)
