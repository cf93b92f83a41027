"""Fifteen attribution methods on one class, as maps that can be compared, and their rank correlations."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from minicnn.arguments import Seed, require_generator, require_whole
from minicnn.backend import Array, to_host
from minicnn.layers import DeconvReLU, GuidedReLU
from minicnn.network import Network
from minicnn.visualize.arrays import on_host
from minicnn.visualize.attribution.cams import grad_cam_plus_plus, layer_cam, score_cam
from minicnn.visualize.attribution.deeplift import deeplift
from minicnn.visualize.attribution.grad_cam import grad_cam, upsample_maps
from minicnn.visualize.attribution.gradients import (
    class_gradient,
    gradient_times_input,
    integrated_gradients,
    smooth_grad,
)
from minicnn.visualize.attribution.occlusion import (
    Pixels,
    class_probability,
    occlusion_map,
    pixel_pair,
    spread_occlusion,
)
from minicnn.visualize.attribution.relevance import relevance_map
from minicnn.visualize.attribution.rise import RiseSettings, rise
from minicnn.visualize.attribution.saliency import saliency_map
from minicnn.visualize.entry import Labels, enter

METHODS = ("saliency", "SmoothGrad", "gradient x input", "integrated gradients", "DeepLIFT", "LRP", "deconvnet",
           "guided backprop", "Grad-CAM", "Grad-CAM++", "Layer-CAM", "guided Grad-CAM", "Score-CAM", "RISE",
           "occlusion")


def attribution_maps(net: Network, x: Array, label: Labels, *, rng: Seed, layer: str | None = None,
                     samples: int = 25, steps: int = 50, stride: Pixels | None = None, window: Pixels | None = None,
                     masks: int = 300) -> dict[str, Array]:
    """Return {method: map of the importance of each pixel for the class, (N, H, W)} on the host, for all METHODS.

    A larger value is more important. A gradient's map is its largest absolute value over the colours. The map of a
    product with the image, of DeepLIFT and of LRP, by the rules LRP_COMPOSITE, is the absolute value of its sum over
    the colours. The smallest value of RISE's map is subtracted. Only occlusion keeps its sign: its map is negative at
    a pixel if hiding it raises the probability of the class.

    Parameters
    ----------
    net : a network with class scores.
    x : images of shape (N, C, H, W).
    label : one class, or one for each image.
    rng : the generator of RISE's masks and of SmoothGrad's noise, or a seed.
    layer : the layer of Grad-CAM and the other class activation maps. By default, the last one with maps.
    samples : of SmoothGrad.
    steps : of integrated gradients.
    stride : of occlusion, in pixels. By default, 1/14 of the image's height and width.
    window : of occlusion, in pixels. By default four strides: if the network is confident, a smaller window changes
        the probability little.
    masks : random masks of RISE, and channels of Score-CAM, the strongest of its layer.

    Examples
    --------
    >>> maps = attribution_maps(net, x, label, rng=rng, samples=2, steps=4, stride=32, window=32, masks=8)
    >>> len(maps), maps["SmoothGrad"].shape
    (15, (1, 64, 64))
    """
    x, rng = enter(net, x), require_generator(rng)
    samples, steps = require_whole("samples", samples, 1), require_whole("steps", steps, 1)
    masks = require_whole("masks", masks, 1)
    H, W = x.shape[2:]
    heat = upsample_maps(grad_cam(net, x, label, layer), H, W)  # first, as it raises an error if the layer has no maps
    by_masks = rise(net, x, label, RiseSettings(masks), rng=rng)
    strides = (max(1, H // 14), max(1, W // 14)) if stride is None else pixel_pair("stride", stride, 1)
    if window is None:
        window = min(4 * strides[0], H), min(4 * strides[1], W)
    hidden = occlusion_map(net, x, label, window, strides)
    drops = class_probability(net, x, label)[:, None, None] - hidden  # (N, OH, OW)
    guided = largest_channel(to_host(class_gradient(net.with_relu(GuidedReLU()), x, label)))
    maps = (saliency_map(net, x, label),
            largest_channel(smooth_grad(net, x, label, rng=rng, samples=samples)),
            np.abs(gradient_times_input(net, x, label).sum(axis=1)),
            np.abs(integrated_gradients(net, x, label, steps=steps).sum(axis=1)),
            np.abs(deeplift(net, x, label).sum(axis=1)),
            np.abs(relevance_map(net, x, label).sum(axis=1)),
            largest_channel(to_host(class_gradient(net.with_relu(DeconvReLU()), x, label))),
            guided,
            heat,
            upsample_maps(grad_cam_plus_plus(net, x, label, layer), H, W),
            upsample_maps(layer_cam(net, x, label, layer), H, W),
            guided * heat,  # the heat is the same for all colours, and not negative
            upsample_maps(score_cam(net, x, label, layer, channels=masks), H, W),
            by_masks - by_masks.min(axis=(1, 2), keepdims=True),
            spread_occlusion(drops, window, strides, H, W))
    return dict(zip(METHODS, maps, strict=True))


def largest_channel(attribution: Array) -> Array:
    """Return the largest absolute value over the channels, (N, C, H, W) -> (N, H, W)."""
    return np.abs(attribution).max(axis=1)


def rank_correlations(maps: Array | Sequence[Array]) -> Array:
    """Return Spearman's rank correlation of each pair of M maps, float64 (M, M).

    maps : (M, ...). The correlation of a constant map with any map is 0.

    >>> rank_correlations(np.array([[1, 2, 3], [10, 20, 90], [3, 2, 1]])).round(3)
    array([[ 1.,  1., -1.],
           [ 1.,  1., -1.],
           [-1., -1.,  1.]])
    """
    maps = on_host("maps", maps, "(M, ...)", *range(1, 9))
    ranks = np.stack([rankdata(values) for values in maps.reshape(len(maps), -1)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(ranks, axis=1)
    ranks /= np.maximum(norms, 1e-30)[:, None]
    return np.clip(ranks @ ranks.T, -1, 1)
