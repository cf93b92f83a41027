"""The objective numbers of the attributions by gradients: for each method, the property that its paper promises."""

import numpy as np

from minicnn.backend import Array, to_host
from minicnn.gradient_check import directional_error
from minicnn.losses import one_hot
from minicnn.network import Network
from minicnn.visualize.attribution.gradients import completeness_gap, gradient_times_input, smooth_grad
from minicnn.visualize.attribution.saliency import saliency_map
from minicnn.visualize.check import Check, below
from minicnn.visualize.entry import Labels


def check_gradient_times_input(net: Network, x: Array, label: Labels) -> list[Check]:
    """Return the Check that the products add up to the slope of the score along the image, in float64.

    The slope is computed by finite differences. x : (N, C, H, W). label : one class, or one for each image.
    """
    exact = net.astype("float64").to_device("cpu")
    x64 = to_host(x).astype(np.float64)
    seed = one_hot(exact.predict(x64), label)

    def score(scale: Array) -> float:
        return float((exact.predict(scale * x64) * seed).sum())
    total = gradient_times_input(exact, x64, label).sum()
    # The score of a large network has a kink every few millionths of the way, so even the smallest step may meet one.
    error = directional_error(score, np.ones(1), np.array([total]), np.random.default_rng(0), (1e-5, 1e-6, 1e-7), 1)
    return [below("gradient x input: sum against the slope of the score along the picture, relative error, float64",
                  error, 1e-3)]


def check_smooth_grad(net: Network, x: Array, label: Labels, attribution: Array,
                      rng: np.random.Generator) -> list[Check]:
    """Return the Checks that noise of 0 gives the plain gradient, and that noise makes the maps smoother on average.

    The smoothness of a single picture is reported, not judged: a network that was trained on noisy pictures has smooth
    gradients already. attribution : of smooth_grad, (N, C, H, W). rng : the generator that smooth_grad asks for.
    """
    plain = saliency_map(net, x, label)
    still = np.abs(smooth_grad(net, x, label, rng=rng, samples=3, noise=0)).max(axis=1)
    error = np.abs(still - plain).max() / max(float(plain.max()), 1e-30)
    before, after = roughness(plain).mean(), roughness(np.abs(attribution).max(axis=1)).mean()
    return [below("SmoothGrad: largest difference from the plain gradient if the noise is 0, relative", error, 1e-5),
            Check("SmoothGrad: total variation over sum of the map", float(after),
                  f"less than {before:.3f}, the plain gradient's" if len(x) > 1 else
                  f"reported, not judged on one picture: the plain gradient's is {before:.3f}",
                  bool(len(x) == 1 or after < before))]


def check_integrated_gradients(net: Network, x: Array, label: Labels, attribution: Array, *,
                               baseline: float | Array = 0.0, bound: float = 1e-3) -> list[Check]:
    """Return the Check of completeness: the attributions add up to the difference of the scores."""
    gap = np.abs(completeness_gap(net, x, label, attribution, baseline=baseline)).max()
    return [below("integrated gradients: sum against the difference of the scores, relative error", gap, bound)]


def roughness(maps: Array) -> Array:
    """Return the total variation of maps (N, H, W) over the sum of their values, (N,).

    It is 0 for a constant map, and 4 if all pixels above 0 are isolated.
    """
    variation = np.abs(np.diff(maps, axis=1)).sum(axis=(1, 2)) + np.abs(np.diff(maps, axis=2)).sum(axis=(1, 2))
    return variation / np.maximum(maps.sum(axis=(1, 2)), 1e-30)
