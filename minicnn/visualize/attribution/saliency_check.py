"""The objective numbers of saliency maps."""

import numpy as np

from minicnn.backend import Array, to_device, to_host
from minicnn.losses import one_hot
from minicnn.network import Network
from minicnn.visualize.attribution.deletion import block_grid, block_order, exchange_curve
from minicnn.visualize.attribution.derivatives_check import (
    TWO_PASSES,
    LinearPiece,
    class_gradients,
    relative_distance,
    rule_gradient,
)
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.entry import Labels, enter


def check_saliency(net: Network, x: Array, labels: Labels, maps: Array, rng: np.random.Generator,
                   grid: int = 7) -> list[Check]:
    """Return the Checks that the gradient is the slope of the score, and that the maps show this gradient.

    The effect of hiding the salient parts is reported, not judged: on some photos the class depends on other parts than
    its gradient says.

    x : images of shape (N, C, H, W). labels : one class for each image. maps : of saliency_map, (N, H, W). grid : see
    `deletion_probabilities`.
    """
    slope_error, gradient = proven_gradient(net, x, labels, rng)
    salient, random = deletion_probabilities(net, to_host(x), np.asarray(labels), maps, rng, grid)
    return [below("slope of the score along a random change of the picture, pushed forward through the network, "
                  "against its gradient: error as a share of the gradient", slope_error, 1e-3),
            compare_map(maps, gradient),
            reported("mean probability of the class while up to half of the picture is blanked, most salient parts "
                     "first", salient, f"in random order {random:.4f}")]


def check_saliency_map(net: Network, x: Array, labels: Labels, maps: Array) -> Check:
    """Return the Check that the maps (N, H, W) show the gradient of the class scores to x, (N, C, H, W)."""
    return compare_map(maps, to_host(class_gradients(net, enter(net, x), labels)))


def compare_map(maps: Array, gradient: Array) -> Check:
    """Return the Check that the maps (N, H, W) are the largest absolute value over the colours of the gradient."""
    return below("saliency: the map against the gradient's largest absolute value over the colours, relative",
                 relative_distance(maps, np.abs(gradient).max(axis=1)), TWO_PASSES)


def proven_gradient(net: Network, x: Array, labels: Labels, rng: np.random.Generator) -> tuple[float, Array]:
    """Return (error, the gradient of the class scores to x, (N, C, H, W) on the host).

    error : the largest difference of the gradient along a random change of an image from the change of the score, as a
    share of the gradient's norm. A wrong gradient has an error of about its distance from the right one.
    """
    x = enter(net, x)
    piece = LinearPiece(net, x)
    seed = one_hot(piece.trace.activations[net.output], labels)
    gradient = rule_gradient(net, piece.trace, {net.output: seed}, "gradient")
    norms = np.maximum(to_host((gradient * gradient).sum(axis=(1, 2, 3))) ** 0.5, 1e-30)
    change = to_device(rng.standard_normal(x.shape).astype(x.dtype.name), net.device)
    differences = (piece.slopes(change) * seed).sum(axis=1) - (gradient * change).sum(axis=(1, 2, 3))
    return float((np.abs(to_host(differences)) / norms).max()), to_host(gradient)


def deletion_probabilities(net: Network, x: Array, labels: Array, saliency: Array, rng: np.random.Generator,
                           grid: int) -> tuple[float, float]:
    """Return the mean probability of the classes while half of each image is deleted: (by saliency, in random order).

    Blocks of a grid x grid are set to the mean colour (0), one after another: the most salient blocks first, or in
    random order. Single pixels would not do: deleted in random order they are noise, which lowers the probability
    even if they do not matter.

    x : (N, C, H, W) on the host. labels : (N,). saliency : (N, H, W).
    """
    N, H, W = saliency.shape
    blocks = block_grid(H, W, grid)
    salient, random = [], []
    for image, label, values in zip(x[:, None], labels, saliency, strict=True):
        def curve(order: Array, image: Array = image, label: int = label) -> Array:
            return exchange_curve(net, image, np.zeros_like(image), label, blocks, order, steps=4, share=0.5)
        salient.append(curve(block_order(values, blocks, rng)).mean())
        random.append(curve(rng.permutation(grid**2)).mean())
    return float(np.mean(salient)), float(np.mean(random))
