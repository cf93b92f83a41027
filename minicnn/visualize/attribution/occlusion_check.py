"""The objective numbers of an occlusion map."""

import numpy as np
from scipy.stats import spearmanr

from minicnn.backend import Array, to_host
from minicnn.network import Network
from minicnn.visualize.attribution.gradients import class_gradient
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
from minicnn.visualize.check import Check, above, below
from minicnn.visualize.entry import Labels, enter

MOVED = 0.01  # the agreement is judged if a window changes the probability by this much
RANKED = 9    # and if there are this many windows: the ranks of fewer windows agree or disagree by chance


def check_occlusion(net: Network, x: Array, labels: Labels, maps: Array, window: Pixels, stride: Pixels,
                    fill: Fill = 0.0) -> list[Check]:
    """Return the Checks of the occlusion maps (N, OH, OW) of the images x, (N, C, H, W).

    The maps have the right size. They are equal to maps in float64, computed one image at a time. Hiding nothing
    changes nothing. The maps agree with the gradient.

    The maps are computed again at about 3 x 3 places only, to save time.
    """
    H, W = x.shape[2:]
    (h, w), (down, across) = pixel_pair("window", window, 0), pixel_pair("stride", stride, 1)
    size = (len(x), (H - h) // down + 1, (W - w) // across + 1)
    places = Check("places of the window", maps.size, "{} x {} x {}".format(*size), maps.shape == size)
    if not places.passed:
        return [places]
    p = class_probability(net, x, labels)
    every = -(-max(maps.shape[1:]) // 3)
    coarse = every * down, every * across
    nothing = occlusion_map(net, x, labels, 0, coarse, fill)
    # The batch size decides how a convolution is computed, and so how float32 rounds. float64 shows an error.
    exact, x64 = net.astype("float64"), x.astype("float64")
    singly = occlusion_map(exact, x64, labels, window, coarse, fill, batch_size=1)
    together = occlusion_map(exact, x64, labels, window, coarse, fill)
    flat = np.broadcast_to(to_host(fill_values(fill, to_host(x))), x.shape).astype(x.dtype)
    flat_map = occlusion_map(net, flat, labels, window, coarse, fill)
    flat_p = class_probability(net, flat, labels)

    def difference(a: Array, b: Array) -> float:
        return np.abs(a - b).max()
    return [places,
            below("a window of 0 pixels: largest difference from the probability",
                  difference(nothing, p[:, None, None]), 0.0),
            below("pictures one by one and in batches, in float64: largest difference",
                  difference(singly, together), 1e-6),
            below("the map against pictures one by one in float64: largest difference",
                  difference(singly, maps[:, ::every, ::every]), 1e-5),
            below("a picture of the window's colour: largest difference from its probability",
                  difference(flat_map, flat_p[:, None, None]), 1e-6),
            check_gradient_agreement(net, x, labels, p[:, None, None] - maps, window, stride, fill)]


def check_gradient_agreement(net: Network, x: Array, labels: Labels, drops: Array, window: Pixels, stride: Pixels,
                             fill: Fill = 0.0) -> Check:
    """Return the Check that the drops of the probability have a positive rank correlation with |gradient x input|.

    The value is the mean over the images whose probability changes. It is judged if there are enough windows to rank.
    """
    agreement = gradient_agreement(net, x, labels, drops, window, stride, fill)
    moved = np.abs(drops).max(axis=(1, 2)) >= MOVED
    name = "rank correlation of the change of the probability with |gradient x input| in the same windows"
    if drops[0].size < RANKED:
        return Check(name, float(agreement.mean()), f"reported, not judged: only {drops[0].size} windows; a smaller "
                     "stride has more", True)
    if moved.any():
        return above(name, agreement[moved].mean(), 0.0)
    return Check(name, float(agreement.mean()), "reported, not judged: no window changes the probability by "
                 f"{MOVED:g}; use a larger window", True)


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
    return [Check(f"mean fall of the probability in {len(x)} pictures, {inside:.3f} inside the object's mask to "
                  f"{outside:.3f} outside: the ratio", inside / abs(outside), "more than 1", inside > outside)]
