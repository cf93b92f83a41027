"""The objective numbers of saliency maps."""

import numpy as np

from minicnn.backend import Array, to_device, to_host
from minicnn.gradient_check import directional_error
from minicnn.losses import one_hot
from minicnn.network import Network
from minicnn.visualize.attribution.deletion import block_grid, block_order, exchange_curve
from minicnn.visualize.attribution.gradients import class_gradient
from minicnn.visualize.attribution.saliency import saliency_map
from minicnn.visualize.check import Check, above, below
from minicnn.visualize.entry import Labels


def check_saliency(net: Network, x: Array, labels: Labels, rng: np.random.Generator, grid: int = 7) -> list[Check]:
    """Return the Checks that the gradient is the slope of the score, and that salient parts matter to the class.

    x : images of shape (N, C, H, W). labels : one class for each image. grid : see `deletion_probabilities`.
    """
    exact = net.astype("float64").to_device("cpu")
    # A little noise breaks the ties of flat areas, where a max pool has no derivative.
    x64 = to_host(x) + 1e-2 * rng.standard_normal(x.shape)
    seed = one_hot(exact.predict(x64), labels)

    def score(image: Array) -> float:
        return float((exact.predict(image) * seed).sum())
    slope_error = directional_error(score, x64, class_gradient(exact, x64, labels), rng)

    saliency = saliency_map(net, x, labels)
    recognised = to_host(net.predict(to_device(x, net.device))).argmax(axis=1) == np.asarray(labels)
    chosen = recognised if recognised.any() else ~recognised
    salient, random = deletion_probabilities(net, to_host(x)[chosen], np.asarray(labels)[chosen], saliency[chosen], rng,
                                             grid)
    return [above("largest saliency", saliency.max(), 0.0),
            below("slope of the score along 5 random directions against the gradient, float64", slope_error, 1e-6),
            Check("mean probability of the class while up to half of the picture is blanked, most salient parts first",
                  salient, f"less than {random:.4f}, in random order" if recognised.any() else
                  f"reported, not judged: the network predicts another class; in random order {random:.4f}",
                  bool(salient < random or not recognised.any()))]


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
            return exchange_curve(net, image, np.zeros_like(image), label, blocks, order, steps=7, share=0.5)
        salient.append(curve(block_order(values, blocks, rng)).mean())
        random += [curve(rng.permutation(grid**2)).mean() for _ in range(3)]
    return float(np.mean(salient)), float(np.mean(random))
