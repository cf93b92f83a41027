"""The objective numbers of the attribution maps of one image and of their rank correlations."""

import copy
from collections.abc import Mapping

import numpy as np
from scipy.stats import spearmanr

from minicnn.backend import Array, to_host
from minicnn.losses import one_hot
from minicnn.network import Network
from minicnn.visualize.attribution.cams import grad_cam_plus_plus, layer_cam, score_cam
from minicnn.visualize.attribution.cams_check import check_grad_cam_plus_plus, check_layer_cam, check_score_cam
from minicnn.visualize.attribution.deeplift import deeplift
from minicnn.visualize.attribution.deeplift_check import check_deeplift
from minicnn.visualize.attribution.derivatives_check import TWO_PASSES, relative_distance, rule_gradient
from minicnn.visualize.attribution.grad_cam import grad_cam, last_maps
from minicnn.visualize.attribution.grad_cam_check import enlarged, heat_error
from minicnn.visualize.attribution.gradients_check import (
    COARSE,
    FEWEST,
    coarse_attribution,
    coarse_distance,
    noisy_gradient,
)
from minicnn.visualize.attribution.occlusion import Pixels, class_probability, pixel_pair
from minicnn.visualize.attribution.occlusion_check import TOLERANCE, probability_scale
from minicnn.visualize.attribution.relevance import relevance_map
from minicnn.visualize.attribution.relevance_check import check_relevance
from minicnn.visualize.attribution.rise import RiseSettings, rise
from minicnn.visualize.attribution.rise_check import check_rise
from minicnn.visualize.check import Check, below
from minicnn.visualize.entry import enter

PAIRS = 5  # rank correlations that are computed again


def check_maps(net: Network, x: Array, label: int, maps: Mapping[str, Array], rng: np.random.Generator,
               layer: str | None = None, samples: int = 25, steps: int = 50, stride: Pixels | None = None,
               window: Pixels | None = None, masks: int = 300) -> list[Check]:
    """Return the Checks that each map of one image belongs to its method, which is computed again in another way.

    x : (1, C, H, W). maps : of attribution_maps, {method: (1, H, W)}. The other parameters are the same as there, and
    rng is a generator in the state of the one that attribution_maps was given.
    """
    x = enter(net, x)
    trace = net.forward(x)
    seeds = {net.output: one_hot(trace.activations[net.output], label)}
    plain, guided, deconv = (to_host(rule_gradient(net, trace, seeds, rule))
                             for rule in ("gradient", "guided backprop", "deconvnet"))
    layer = last_maps(net) if layer is None else net.find(layer)
    heat = grad_cam(net, x, label, layer)
    later, expected = check_later_methods(net, x, label, rng, layer, masks)
    expected |= {
        "saliency": np.abs(plain).max(axis=1),
        "SmoothGrad": np.abs(noisy_gradient(net, x, label, rng, samples, 0.15)).max(axis=1),
        "gradient x input": np.abs((plain * to_host(x)).sum(axis=1)),
        "deconvnet": np.abs(deconv).max(axis=1),
        "guided backprop": np.abs(guided).max(axis=1),
        "Grad-CAM": enlarged(heat, *x.shape[2:]),
        "guided Grad-CAM": np.abs(guided).max(axis=1) * enlarged(heat, *x.shape[2:])}
    errors = {method: relative_distance(maps[method], values) for method, values in expected.items()}
    errors["Grad-CAM"] = max(errors["Grad-CAM"], heat_error(net, x, label, heat, layer))
    worst = max(errors, key=errors.__getitem__)
    checks = [below(f"maps against their methods computed again with explicit rules, relative; the worst is {worst}",
                    errors[worst], TWO_PASSES),
              below("occlusion: the map against windows that cover three pixels, hidden one by one, as a share of its "
                    "range", occlusion_error(net, to_host(x), label, maps["occlusion"], stride, window), TOLERANCE)]
    checks += later
    if steps >= FEWEST:
        coarse = [np.abs(coarse_attribution(net, x, label, 0.0, points).sum(axis=1)) for points in COARSE]
        checks.append(below("integrated gradients: distance of the map from that of {0} points of the line, in units "
                            "of the distance between {1} and {0} points".format(*COARSE),
                            coarse_distance(maps["integrated gradients"], *coarse), 1.5))
    return checks


def check_later_methods(net: Network, x: Array, label: int, rng: np.random.Generator, layer: str,
                        masks: int) -> tuple[list[Check], dict[str, Array]]:
    """Return (the Checks of LRP, DeepLIFT, the later class activation maps and RISE, {method: its map again}).

    Each method's result is proven before its map is compared with it.
    """
    relevance, attribution = relevance_map(net, x, label), deeplift(net, x, label)
    cams = {"Grad-CAM++": grad_cam_plus_plus(net, x, label, layer), "Layer-CAM": layer_cam(net, x, label, layer),
            "Score-CAM": score_cam(net, x, label, layer, channels=masks)}
    masked = rise(net, x, label, RiseSettings(masks), rng=copy.deepcopy(rng))
    checks = [check_rise(net, x, label, masked, rng, RiseSettings(masks)),
              *check_relevance(net, x, label, relevance, np.random.default_rng(0), name="LRP"),
              *check_deeplift(net, x, label, attribution, np.random.default_rng(0)),
              check_grad_cam_plus_plus(net, x, label, cams["Grad-CAM++"], layer),
              check_layer_cam(net, x, label, cams["Layer-CAM"], layer),
              check_score_cam(net, x, label, cams["Score-CAM"], layer, channels=masks)]
    expected = {method: enlarged(values, *x.shape[2:]) for method, values in cams.items()}
    return checks, expected | {"LRP": np.abs(relevance.sum(axis=1)), "DeepLIFT": np.abs(attribution.sum(axis=1)),
                               "RISE": masked - masked.min()}


def occlusion_error(net: Network, x: Array, label: int, shown: Array, stride: Pixels | None,
                    window: Pixels | None) -> float:
    """Return the largest difference of the map (1, H, W) from the mean fall over the windows that cover a pixel.

    The pixels are the ones with the largest and the smallest value, and the first. It is a share of the map's range.
    """
    H, W = x.shape[2:]
    down, across = (max(1, H // 14), max(1, W // 14)) if stride is None else pixel_pair("stride", stride, 1)
    h, w = (min(4 * down, H), min(4 * across, W)) if window is None else pixel_pair("window", window, 0)
    p, error = class_probability(net, x, label)[0], 0.0
    for pixel in {int(shown.argmin()), int(shown.argmax()), 0}:
        row, column = divmod(pixel, W)
        copies = []
        for top in range(0, H - h + 1, down):
            for left in range(0, W - w + 1, across):
                if top <= row < top + h and left <= column < left + w:
                    hidden = x[0].copy()
                    hidden[:, top:top + h, left:left + w] = 0
                    copies.append(hidden)
        fall = float(p - class_probability(net, np.stack(copies), label).mean()) if copies else 0.0
        error = max(error, abs(fall - float(shown[0, row, column])))
    return error / probability_scale(shown, p)


def check_correlations(maps: Array, matrix: Array) -> list[Check]:
    """Return the Checks that the matrix is symmetric, and that some of its values are the rank correlations by SciPy.

    maps : (M, H, W). matrix : their rank correlations, (M, M). The diagonal is 1, or 0 for a constant map.
    """
    varied = np.array([np.ptp(values) > 0 for values in maps])
    symmetry = max(np.abs(matrix - matrix.T).max(), np.abs(np.diag(matrix) - varied).max())
    pairs = [(a, (a + 1 + a // 2) % len(maps)) for a in range(0, len(maps), -(-len(maps) // PAIRS))]
    errors = [abs(matrix[a, b] - (spearmanr(maps[a].ravel(), maps[b].ravel()).statistic if varied[a] and varied[b]
                                  else float(a == b and varied[a]))) for a, b in pairs]
    return [below("rank correlations: distance of the matrix from symmetric, and of its diagonal from 1", symmetry,
                  1e-9),
            below(f"rank correlations: difference of {len(pairs)} of them from SciPy's", max(errors), 1e-9)]
