"""The objective numbers of an occlusion map."""

import numpy as np
from scipy.stats import spearmanr

from minicnn.backend import Array, to_device, to_host
from minicnn.network import Network
from minicnn.visualize.attribution.gradients import class_gradient, label_list
from minicnn.visualize.attribution.occlusion import (
    Fill,
    Pixels,
    class_probability,
    fill_values,
    occlusion_map,
    pixel_pair,
    spread_occlusion,
    window_cover,
)
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.entry import Labels, enter

PLACES = 6        # windows of an image that are hidden again, one by one
ROUNDING = 3e-7   # of a probability in float32
TOLERANCE = 1e-2  # largest difference, as a share of `probability_scale`


def check_occlusion(net: Network, x: Array, labels: Labels, maps: Array, window: Pixels, stride: Pixels,
                    fill: Fill = 0.0, spread: Array | None = None) -> list[Check]:
    """Return the Checks of the occlusion maps (N, OH, OW) of the images x, (N, C, H, W).

    The maps have the right size. Some windows, hidden again one by one in copies of the image, give the same
    probability. The map over the photo has each window's fall at the window's pixels. The agreement with the gradient
    is reported: on some photos it says other parts than the occlusion.

    spread : of spread_occlusion, as it is shown over the images, (N, H, W).
    """
    H, W = x.shape[2:]
    (h, w), (down, across) = pixel_pair("window", window, 0), pixel_pair("stride", stride, 1)
    size = (len(x), (H - h) // down + 1, (W - w) // across + 1)
    places = Check("places of the window", maps.size, "{} x {} x {}".format(*size), maps.shape == size)
    if not places.passed:
        return [places]
    p = class_probability(net, x, labels)
    drops = p[:, None, None] - maps
    checks = [places, below(f"the map against {PLACES} windows of each picture, hidden again one by one: difference of "
                            "the probabilities, as a share of the map's range",
                            hidden_again(net, x, labels, maps, window, stride, fill), TOLERANCE)]
    if spread is not None:
        largest = max(float(np.abs(drops).max()), 1e3 * ROUNDING)
        error = np.abs(spread - painted_drops(drops, (h, w), (down, across), H, W)).max() / largest
        checks.append(below("the map over the photo against the falls painted window by window: largest difference, as "
                            "a share of the largest fall", error, 1e-3))
    agreement = gradient_agreement(net, x, labels, drops, window, stride, fill)
    return [*checks, reported("rank correlation of the change of the probability with |gradient x input| in the same "
                              "windows", float(agreement.mean()), f"over {drops[0].size} windows")]


def hidden_again(net: Network, x: Array, labels: Labels, maps: Array, window: Pixels, stride: Pixels,
                 fill: Fill) -> float:
    """Return the largest difference of the maps from the probability with one window hidden, at PLACES of each image.

    It is a share of the `probability_scale` of the image.
    """
    (h, w), (down, across) = pixel_pair("window", window, 0), pixel_pair("stride", stride, 1)
    colour, worst = to_host(fill_values(fill, to_host(x))), 0.0
    for image, label, values in zip(to_host(x), label_list(labels, len(x)), maps, strict=True):
        scale = probability_scale(values, values)
        for i, j in telling_places(values):
            hidden = image.copy()
            hidden[:, i * down:i * down + h, j * across:j * across + w] = colour
            scores = to_host(net.predict(to_device(hidden[None], net.device)))[0].astype(np.float64)
            powers = np.exp(scores - scores.max())
            worst = max(worst, abs(powers[label] / powers.sum() - float(values[i, j])) / scale)
    return worst


def probability_scale(values: Array, p: Array | float) -> float:
    """Return the range of `values`, or more if the rounding of float32 could exceed TOLERANCE of it.

    An error d of a score changes a probability p by p (1 - p) d; scores have errors of up to 0.005.
    """
    return max(float(np.ptp(values)), 0.005 / TOLERANCE * float(np.max(p * (1 - p))), ROUNDING / TOLERANCE)


def telling_places(values: Array) -> list[tuple[int, ...]]:
    """Return up to PLACES places (i, j) of one map: those that a moved, mirrored or turned map gets wrong.

    They are the lowest and the highest value, the largest steps down and across, and two others.
    """
    chosen = {int(values.argmin()), int(values.argmax()), 0, values.size - 1}
    for axis in (0, 1):
        steps = np.abs(np.diff(values, axis=axis))
        if steps.size:
            i, j = np.unravel_index(int(steps.argmax()), steps.shape)
            chosen.add(int(np.ravel_multi_index((i, j), values.shape)))
    return [tuple(map(int, np.unravel_index(k, values.shape))) for k in sorted(chosen)]


def painted_drops(drops: Array, window: tuple[int, int], stride: tuple[int, int], height: int, width: int) -> Array:
    """Return for each pixel the mean of the drops (N, OH, OW) of the windows over it, 0 without any, (N, H, W)."""
    total, count = np.zeros((len(drops), height, width)), np.zeros((height, width))
    for i, j in np.ndindex(*drops.shape[1:]):
        top, left = i * stride[0], j * stride[1]
        total[:, top:top + window[0], left:left + window[1]] += drops[:, i, j, None, None]
        count[top:top + window[0], left:left + window[1]] += 1
    return total / np.maximum(count, 1)


def gradient_agreement(net: Network, x: Array, labels: Labels, drops: Array, window: Pixels, stride: Pixels,
                       fill: Fill = 0.0) -> Array:
    """Return Spearman's correlation of |drops| with |gradient x (input - fill)| for each image, (N,).

    The gradient times the change of the pixels is the change of the score to first order. Its absolute values are
    summed over the pixels and colours of each window. The correlation is 0 if one of the two is constant.
    drops : (N, OH, OW).
    """
    x = enter(net, x)
    dx = class_gradient(net, x, labels)
    predicted = to_host(abs(dx * (x - fill_values(fill, x))).sum(axis=1))  # (N, H, W)
    down, across = (cover.astype(predicted.dtype) for cover in window_cover(window, stride, *x.shape[2:]))
    pooled = down @ predicted @ across.T  # (N, OH, OW)
    return np.array([spearmanr(a.ravel(), np.abs(b).ravel()).statistic if np.ptp(a) and np.ptp(np.abs(b)) else 0.0
                     for a, b in zip(pooled, drops, strict=True)])


def check_occlusion_masks(net: Network, x: Array, labels: Labels, masks: Array, window: Pixels, stride: Pixels,
                          fill: Fill = 0.0) -> list[Check]:
    """Return the Check that hiding the object lowers the probability more than hiding the rest.

    x : pictures (N, C, H, W). masks : of their objects, bool (N, H, W).
    """
    drops = class_probability(net, x, labels)[:, None, None] - occlusion_map(net, x, labels, window, stride, fill)
    spread = spread_occlusion(drops, window, stride, *x.shape[2:])
    inside, outside = float(spread[masks].mean()), float(spread[~masks].mean())
    ratio = inside / max(abs(outside), 1e-30)
    return [Check(f"mean fall of the probability in {len(x)} pictures, {inside:.3f} inside the object's mask to "
                  f"{outside:.3f} outside: the ratio", ratio, "more than 1", inside > outside)]
