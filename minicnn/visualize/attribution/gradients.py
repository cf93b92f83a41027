"""How much each pixel has contributed to a class score: gradients, weighed or averaged, with their sign."""

import numpy as np

from minicnn.backend import get_array_module, to_device, to_host
from minicnn.errors import InputError
from minicnn.losses import one_hot
from minicnn.visualize.entry import enter

BATCH = 8  # copies of an image that go through the network together, so that memory does not grow with their number


def gradient_times_input(net, x, label):
    """The gradient of the class score times the pixels, (N, C, H, W) on the host.

    x : (N, C, H, W). label : one class, or one per image; the score is unnormalised. Where the score is a linear
    function of the pixels, these products add up to it. Shrikumar et al. 2016 (arXiv:1605.01713).
    """
    x = enter(net, x)
    return to_host(x * class_gradient(net, x, label))


def smooth_grad(net, x, label, *, rng, samples=25, noise=0.15):
    """The mean gradient of the class score over noisy copies of each image, (N, C, H, W) on the host.

    x, label : as for gradient_times_input. rng : numpy.random.Generator. noise : the standard deviation, as a share of
    the image's highest value minus its lowest. Smilkov et al. 2017 (arXiv:1706.03825). Raises InputError for less than
    one sample and for negative noise.
    """
    if samples < 1 or not 0 <= noise < float("inf"):
        raise InputError(f"expected at least 1 sample and noise from 0 on, not {samples} and {noise}")
    x = enter(net, x)
    xp, labels = get_array_module(x), labels_of(label, len(x))
    if noise == 0:
        samples = 1  # all copies are the same
    mean = xp.empty_like(x)
    for n, image in enumerate(x):
        sigma = noise * (image.max() - image.min())
        total = 0
        for size in batch_sizes(samples):
            copies = xp.broadcast_to(image, (size, *image.shape))
            if noise:
                drawn = rng.standard_normal(copies.shape, dtype=x.dtype.name)
                copies = copies + sigma * to_device(drawn, net.device)
            total = total + class_gradient(net, copies, labels[n]).sum(axis=0)
        mean[n] = total / samples
    return to_host(mean)


def integrated_gradients(net, x, label, *, baseline=0.0, steps=50):
    """(x - baseline) times the mean gradient on the straight way from the baseline to x, (N, C, H, W) on the host.

    x, label : as for gradient_times_input. baseline : a number, or an array that broadcasts to x; 0 is the mean
    colour of the training pictures. The attributions of an image add up to score(x) - score(baseline), but for the
    quadrature's error, see `completeness_gap`: on photos and SqueezeNet 1.1 up to 1 % of it with 50 steps, 0.4 % with
    100, 0.1 % with 400. Sundararajan, Taly and Yan 2017 (arXiv:1703.01365). Raises InputError for less than one step
    and for a baseline of another shape.
    """
    if steps < 1:
        raise InputError(f"expected at least 1 step, not {steps}")
    x = enter(net, x)
    labels = labels_of(label, len(x))
    away = x - enter_baseline(x, baseline)
    places, weights = (get_array_module(x).asarray(values, x.dtype) for values in quadrature(steps))
    mean = get_array_module(x).empty_like(x)
    for n, image in enumerate(x):
        total = 0
        for start in range(0, steps, BATCH):
            part = slice(start, start + BATCH)
            # x - (1 - place) away: at its end the way meets x exactly
            points = image - (1 - places[part, None, None, None]) * away[n]
            gradients = class_gradient(net, points, labels[n])
            total = total + (weights[part, None, None, None] * gradients).sum(axis=0)
        mean[n] = total
    return to_host(away * mean)


def completeness_gap(net, x, label, attribution, *, baseline=0.0):
    """What the attributions (N, C, H, W) miss of score(x) - score(baseline), as a share of it, float64 (N,).

    Zero for exact integrated gradients: the axiom of completeness in section 3 of arXiv:1703.01365. Where the scores
    are equal, what they miss itself.
    """
    x = enter(net, x)
    start = get_array_module(x).ascontiguousarray(enter_baseline(x, baseline))
    last, first = (to_host(net.predict(end)).astype(np.float64) for end in (x, start))
    difference = ((last - first) * one_hot(last, label)).sum(axis=1)
    total = attribution.sum(axis=(1, 2, 3), dtype=np.float64)
    return (total - difference) / np.where(difference == 0, 1, difference)


def quadrature(steps):
    """The midpoint rule on 0 to 1, cells growing from 0: (places, weights), two float64 arrays of length `steps`.

    Near the baseline nearly every ReLU and pool changes its mind, far from it few: cell k of n ends at (k / n)².
    The gradient jumps there, so that rules of a higher order, such as Gauss and Legendre's, gain nothing.
    """
    edges = (np.arange(steps + 1) / steps) ** 2
    return (edges[1:] + edges[:-1]) / 2, edges[1:] - edges[:-1]


def class_gradient(net, x, label):
    """The gradient of the class score to x, (N, C, H, W), on the network's device."""
    trace, seeds = score_seeds(net, x, label)
    return net.backward(trace, seeds, release=True)["input"]


def score_seeds(net, x, label, keep=()):
    """A pass forward -> (its Trace, the seeds of the class scores); `keep`: more layers whose activations are wanted.

    Raises InputError for a network without a classifier.
    """
    trace = net.forward(x, keep=(net.output, *keep))
    scores = trace.activations[net.output]
    if scores.ndim != 2:
        raise InputError(f"{net.output!r} has no class scores but an output of {scores.shape}; "
                         "take a network with its classifier")
    return trace, {net.output: one_hot(scores, label)}


def labels_of(label, count):
    """`count` labels, from one for all images or one per image; InputError for another number of them."""
    labels = [label] * count if np.ndim(label) == 0 else list(label)
    if len(labels) != count:
        raise InputError(f"{len(labels)} labels for {count} images")
    return labels


def enter_baseline(x, baseline):
    """The baseline as an array like x; InputError for a shape that does not broadcast to it."""
    xp = get_array_module(x)
    baseline = xp.asarray(baseline, x.dtype)
    try:
        return xp.broadcast_to(baseline, x.shape)
    except ValueError:
        raise InputError(f"a baseline of shape {baseline.shape} does not fit images of shape {x.shape}") from None


def batch_sizes(count):
    """`count` cut into batches: [BATCH, BATCH, …, the rest]."""
    return [min(BATCH, count - start) for start in range(0, count, BATCH)]
