"""The checks of the attribution methods: the property that each one's paper promises, as a number."""

import numpy as np

from minicnn.backend import to_host
from minicnn.gradient_check import directional_error
from minicnn.layers import GlobalAvgPool2D, Linear
from minicnn.losses import one_hot
from minicnn.visualize.attribution.grad_cam import last_maps, upsample_maps
from minicnn.visualize.attribution.gradients import completeness_gap, gradient_times_input, labels_of, smooth_grad
from minicnn.visualize.attribution.saliency import pointing_game, saliency_map, widened
from minicnn.visualize.attribution.segment import intersection_over_union, saliency_segment
from minicnn.visualize.check import Check, below
from minicnn.visualize.entry import enter

LEAST = {"deconvnet": 0.65}  # of the pointing game; it sends back what any class would, and often looks elsewhere


def check_gradient_times_input(net, x, label):
    """Their sum is the score's slope along the image itself, by finite differences in float64."""
    exact = net.astype("float64").to_device("cpu")
    x64 = to_host(x).astype(np.float64)
    seed = one_hot(exact.predict(x64), label)

    def score(scale):
        return float((exact.predict(scale * x64) * seed).sum())
    total = gradient_times_input(exact, x64, label).sum()
    # a large network has a kink every few millionths of the way: even the smallest step may meet one
    error = directional_error(score, np.ones(1), np.array([total]), np.random.default_rng(0), (1e-5, 1e-6, 1e-7), 1)
    return [below("gradient x input: sum against the slope of the score along the picture, relative error, float64",
                  error, 1e-3)]


def check_smooth_grad(net, x, label, attribution, rng):
    """Noise of 0 gives the plain gradient, and noise smoother maps, on the mean over several pictures.

    Of a single one it is reported, not judged: a network trained on noisy pictures has smooth gradients already.
    """
    plain = saliency_map(net, x, label)
    still = np.abs(smooth_grad(net, x, label, rng=rng, samples=3, noise=0)).max(axis=1)
    error = np.abs(still - plain).max() / max(float(plain.max()), 1e-30)
    before, after = roughness(plain).mean(), roughness(np.abs(attribution).max(axis=1)).mean()
    return [below("SmoothGrad: largest difference to the plain gradient where the noise is 0, relative", error, 1e-5),
            Check("SmoothGrad: total variation over sum of the map", float(after),
                  f"less than {before:.3f}, the plain gradient's" if len(x) > 1 else
                  f"reported, not judged of one picture: the plain gradient's is {before:.3f}",
                  bool(len(x) == 1 or after < before))]


def check_integrated_gradients(net, x, label, attribution, *, baseline=0.0, bound=1e-3):
    """Completeness: the attributions add up to the difference of the scores."""
    gap = np.abs(completeness_gap(net, x, label, attribution, baseline=baseline)).max()
    return [below("integrated gradients: sum against the difference of the scores, relative error", gap, bound)]


def check_grad_cam(net, x, label, heat, layer=None):
    """Maps (N, H', W'): never negative, within their bounds when upsampled, and those of CAM where that is defined."""
    large = upsample_maps(heat, *x.shape[2:])
    largest = max(float(heat.max()), 1e-30)
    beyond = max(0.0, large.max() - heat.max(), heat.min() - large.min(), -heat.min()) / largest
    checks = [below("Grad-CAM: how far the upsampled map leaves the map's range, or 0, relative", beyond, 1e-6)]
    expected = class_activation_map(net, x, label) if layer in (None, last_maps(net)) else None
    if expected is not None:
        error = np.abs(scaled(heat) - scaled(expected)).max()
        checks.append(below("Grad-CAM: difference to the class activation map of Zhou et al., both scaled to 1", error,
                            1e-4))
    return checks


def check_guided_grad_cam(heat, attribution):
    """Guided Grad-CAM (N, C, H, W) is zero where the map (N, H', W'), upsampled, is."""
    cold = upsample_maps(heat, *attribution.shape[2:]) == 0
    outside = np.abs(attribution).max(axis=1)[cold].max(initial=0.0)
    return [below("guided Grad-CAM: largest value where Grad-CAM is zero", outside, 0.0)]


def check_pointing_games(maps, masks, rng, margin=0):
    """{method: maps (N, H, W)} and the objects' masks: how often the largest value is in the object, each method's.

    margin : pixels around the object that count as a part of it.
    """
    where = f"in the object's mask{f' or {margin} pixels around it' * bool(margin)}, share of {len(masks)} pictures"
    shares = {method: pointing_game(found, masks, margin) for method, found in maps.items()}
    chance = pointing_game(rng.random(masks.shape), masks, margin)
    share = float(widened(masks, margin).mean())
    checks = []
    for method, found in shares.items():
        least = LEAST.get(method, 0.8)
        checks.append(Check(f"{method}: largest value {where}", found, f"at least {least:g}", found >= least))
    return [*checks, Check(f"a random pixel {where}", chance, f"about {share:.2f}, the masks' share of the pixels",
                           abs(chance - share) < 0.1)]


def check_segmentation(images, saliency, masks):
    """Pictures uint8 (N, H, W, 3) with saliency and true masks (N, H, W): better than a threshold on the saliency,
    even on the one that suits these pictures best.
    """
    found = np.stack([saliency_segment(image, values) for image, values in zip(images, saliency, strict=True)])
    overlap = float(intersection_over_union(found, masks).mean())
    thresholds = np.quantile(saliency, np.linspace(0.5, 0.99, 50), axis=(1, 2))[..., None, None]
    alone = max(float(intersection_over_union(saliency > values, masks).mean()) for values in thresholds)
    return [Check(f"segmentation: mean intersection over union with the true masks of {len(masks)} pictures", overlap,
                  f"more than {alone:.3f} + 0.1: the saliency alone, cut at its best quantile", overlap > alone + 0.1)]


def roughness(maps):
    """Total variation of maps (N, H, W) over the sum of their values, (N,): 0 is flat, 4 lonely pixels."""
    variation = np.abs(np.diff(maps, axis=1)).sum(axis=(1, 2)) + np.abs(np.diff(maps, axis=2)).sum(axis=(1, 2))
    return variation / np.maximum(maps.sum(axis=(1, 2)), 1e-30)


def class_activation_map(net, x, label):
    """The class's weighted sum of the last maps, its positive part, (N, H', W') on the host; None where a network does
    not end in maps, their mean over all positions and at most one linear layer.

    Zhou et al. 2015 (arXiv:1512.04150), equation 2.
    """
    *_, before, last = net.nodes
    pool, linear = (before, last.layer) if isinstance(last.layer, Linear) else (last, None)
    if not isinstance(pool.layer, GlobalAvgPool2D):
        return None
    maps = to_host(net.predict(enter(net, x), pool.inputs[0]))
    labels = labels_of(label, len(maps))
    if linear is None:  # the maps are the classes' own
        return np.stack([np.maximum(found[k], 0) for found, k in zip(maps, labels, strict=True)])
    weights = to_host(linear.params["w"])[labels]  # (N, channels)
    return np.maximum(np.einsum("nk,nkyx->nyx", weights, maps), 0)


def scaled(maps):
    """Maps (N, H, W), each divided by its largest value."""
    return maps / np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-30)
