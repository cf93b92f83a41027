"""Objective numbers of nearest neighbours."""

import numpy as np

from minicnn.backend import Array, Generator
from minicnn.visualize.check import Check, below
from minicnn.visualize.embedding.neighbours import nearest, nearest_others, precision_at, squared_distances


def check_distances(x: Array, rng: Generator, count: int = 40) -> list[Check]:
    """Return Checks of vectors x (N, D): the matrix product gives the distances, and each is its own nearest.

    count : number of vectors that `rng` draws and the checks compare.
    """
    x = x[np.sort(rng.permutation(len(x))[:count])]
    exact = ((x[:, None].astype(np.float64) - x) ** 2).sum(axis=2)
    # A relative error of nearly equal vectors would measure rounding only.
    scale = np.maximum(exact, 1e-6 * exact.max() + 1e-300)
    error = (np.abs(squared_distances(x, x) - exact) / scale).max()
    itself = (nearest(x, x, 1)[1][:, 0] == 0).mean()
    return [below("squared distances by the matrix product against differences, largest relative error", error, 1e-5),
            Check("share of the images that are their own nearest, at a distance of exactly 0", float(itself), "1",
                  bool(itself == 1))]


def check_precision(features: Array, pixels: Array, labels: Array | list, k: int = 5, margin: float = 0.03,
                    count: int = 1000, rng: Generator | None = None) -> list[Check]:
    """Return Checks that neighbours in features share the image's class more often than neighbours in pixels.

    features : (N, D). pixels : (N, P). labels : (N,). margin : the least difference of the two shares. count : number
    of queries, drawn by `rng` if there are more images; by default, with the seed 0.
    """
    labels = np.asarray(labels)
    in_features, in_pixels = (precision_of(x, labels, k, count, np.random.default_rng(0) if rng is None else rng)
                              for x in (features, pixels))
    _, sizes = np.unique(labels, return_counts=True)
    chance = float((sizes * (sizes - 1)).sum() / (len(labels) * max(len(labels) - 1, 1)))
    return [Check(f"precision@{k} in features: share of an image's {k} nearest that are of its class", in_features,
                  f"more than {in_pixels + margin:.3f}, which is {in_pixels:.3f} in pixels and a margin of {margin:g}",
                  in_features > in_pixels + margin),
            Check(f"precision@{k} in pixels", in_pixels, f"reported, not judged: by chance {chance:.3g}", True)]


def precision_of(x: Array, labels: Array, k: int, count: int, rng: Generator) -> float:
    """Return precision@k of up to `count` images that `rng` draws from x (N, D), among all images of x."""
    queries = np.sort(rng.permutation(len(x))[:count])
    return precision_at(nearest_others(x, k, queries)[0], labels[queries], labels)


def check_mirrored(mirrored: Array, features: Array, originals: Array, mirrored_pixels: Array, pixels: Array,
                   least: float = 0.4) -> list[Check]:
    """Return a Check that the nearest neighbour of a mirrored image, in features, is its original.

    The share must reach `least` and the share in pixels. A network of the thousand ImageNet classes finds every
    original; a network of a dozen classes confuses many with other images of their class.

    mirrored : features of the mirrored images, (M, D). features : (N, D). originals : their rows in `features`, (M,).
    mirrored_pixels : (M, P). pixels : (N, P).
    """
    found = float((nearest(mirrored, features, 1)[0][:, 0] == originals).mean())
    by_pixels = float((nearest(mirrored_pixels, pixels, 1)[0][:, 0] == originals).mean())
    bound = max(least, by_pixels)
    return [Check(f"share of {len(mirrored)} mirrored images whose nearest in features is their original", found,
                  f"at least {bound:.3g}; {by_pixels:.3g} in pixels", found >= bound)]
