"""The objective numbers behind an occlusion map."""

import numpy as np
from scipy.stats import spearmanr

from minicnn.backend import to_host
from minicnn.losses import one_hot
from minicnn.visualize.attribution.occlusion import (
    class_probability,
    fill_values,
    occlusion_map,
    pair,
    spread_occlusion,
    window_cover,
)
from minicnn.visualize.check import Check, above, below
from minicnn.visualize.entry import enter

MOVED = 0.01  # where no window changes the probability by that much, there is nothing to rank
RANKED = 9    # windows, at least: the ranks of fewer agree or disagree by chance


def check_occlusion(net, x, labels, maps, window, stride, fill=0.0):
    """Maps (N, OH, OW) of the images x (N, C, H, W): they have the right size, picture by picture and in float64 they
    come out the same, hiding nothing changes nothing, and they agree with the gradient.

    What is computed again is at about three places down and three across, or the proof would take longer than the map.
    """
    H, W = x.shape[2:]
    (h, w), (down, across) = pair("window", window, 0), pair("stride", stride, 1)
    size = (len(x), (H - h) // down + 1, (W - w) // across + 1)
    places = Check("places of the window", maps.size, "{} x {} x {}".format(*size), maps.shape == size)
    if not places.passed:
        return [places]
    p = class_probability(net, x, labels)
    every = -(-max(maps.shape[1:]) // 3)
    coarse = every * down, every * across
    nothing = occlusion_map(net, x, labels, 0, coarse, fill)
    # How large a batch is decides how a convolution is computed, and so how float32 rounds; float64 shows what is wrong
    exact, x64 = net.astype("float64"), x.astype("float64")
    singly = occlusion_map(exact, x64, labels, window, coarse, fill, batch_size=1)
    together = occlusion_map(exact, x64, labels, window, coarse, fill)
    flat = np.broadcast_to(to_host(fill_values(fill, to_host(x))), x.shape).astype(x.dtype)
    of_flat = occlusion_map(net, flat, labels, window, coarse, fill)
    flat_p = class_probability(net, flat, labels)

    def difference(a, b):
        return np.abs(a - b).max()
    return [places,
            below("a window of 0 pixels: largest difference to the probability",
                  difference(nothing, p[:, None, None]), 0.0),
            below("pictures one by one and in batches, in float64: largest difference",
                  difference(singly, together), 1e-6),
            below("the map against pictures one by one in float64: largest difference",
                  difference(singly, maps[:, ::every, ::every]), 1e-5),
            below("a picture that has the window's colour already: largest difference to its probability",
                  difference(of_flat, flat_p[:, None, None]), 1e-6),
            check_gradient_agreement(net, x, labels, p[:, None, None] - maps, window, stride, fill)]


def check_gradient_agreement(net, x, labels, drops, window, stride, fill=0.0):
    """The mean rank correlation with |gradient x input| over the images whose probability moves at all; judged where
    there are enough windows to be ranked.
    """
    agreement = gradient_agreement(net, x, labels, drops, window, stride, fill)
    moved = np.abs(drops).max(axis=(1, 2)) >= MOVED
    what = "rank correlation of how much the probability changes with |gradient x input| in the same windows"
    if drops[0].size < RANKED:
        return Check(what, float(agreement.mean()), f"reported, not judged: of {drops[0].size} windows; a smaller "
                     "stride has more", True)
    if moved.any():
        return above(what, agreement[moved].mean(), 0.0)
    return Check(what, float(agreement.mean()), f"reported, not judged: no window moves the probability by {MOVED:g}; "
                 "a larger one would", True)


def gradient_agreement(net, x, labels, drops, window, stride, fill=0.0):
    """Spearman's correlation of |drops|, (N, OH, OW), with |gradient x (input - fill)|, (N,); 0 where either is flat.

    To first order, the gradient times what the window takes away is by how much the score changes; the sum is over the
    window's pixels and colours, and neither has a sign.
    """
    x = enter(net, x)
    trace = net.forward(x, keep=(net.output,))
    seed = one_hot(trace.activations[net.output], labels)
    dx = net.backward(trace, {net.output: seed}, release=True)["input"]
    predicted = to_host(abs(dx * (x - fill_values(fill, x))).sum(axis=1))  # (N, H, W)
    down, across = (cover.astype(predicted.dtype) for cover in window_cover(window, stride, *x.shape[2:]))
    pooled = down @ predicted @ across.T  # (N, OH, OW)
    return np.array([spearmanr(a.ravel(), np.abs(b).ravel()).statistic if np.ptp(a) and np.ptp(np.abs(b)) else 0.0
                     for a, b in zip(pooled, drops, strict=True)])


def check_occlusion_masks(net, x, labels, masks, window, stride, fill=0.0):
    """Pictures x (N, C, H, W) with their objects' masks (N, H, W): to hide the object costs more than the rest."""
    drops = class_probability(net, x, labels)[:, None, None] - occlusion_map(net, x, labels, window, stride, fill)
    spread = spread_occlusion(drops, window, stride, *x.shape[2:])
    inside, outside = float(spread[masks].mean()), float(spread[~masks].mean())
    return [Check(f"mean fall of the probability in {len(x)} pictures, {inside:.3f} inside the object's mask to "
                  f"{outside:.3f} outside: the ratio", inside / abs(outside), "more than 1", inside > outside)]
