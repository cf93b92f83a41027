"""Objective numbers of nearest neighbours."""

import numpy as np

from minicnn.backend import Array, Generator
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.embedding.neighbours import nearest, nearest_others, precision_at, squared_distances

ROWS = 64  # of the gallery, whose differences from a query are in memory at a time


def check_neighbours(queries: Array, gallery: Array, indices: Array, itself: Array | None = None,
                     name: str = "features") -> list[Check]:
    """Return the Check that no row of the gallery is nearer to a query than its neighbours, and that these ascend.

    All distances are computed again from the differences, in float64.

    queries : (M, D). gallery : (N, D). indices : of the neighbours as they are shown, (M, k). itself : the number of
    each query's own row in the gallery, which must not be a neighbour, (M,). name : of the vectors.
    """
    worst = 0.0
    for m, (query, found) in enumerate(zip(queries, indices, strict=True)):
        distances = np.concatenate([((gallery[start:start + ROWS].astype(np.float64) - query) ** 2).sum(axis=1)
                                    for start in range(0, len(gallery), ROWS)])
        if itself is not None:
            distances[itself[m]] = np.inf
        expected = np.sort(distances)[:len(found)]
        repeated = len(np.unique(found)) < len(found)
        error = np.inf if repeated else np.abs(distances[found] - expected).max() / max(float(expected[-1]), 1e-30)
        worst = max(worst, float(error))
    return [below(f"squared distances of the neighbours in {name} against the smallest of all, by differences, "
                  "relative", worst, 1e-6)]


def check_neighbour_sheet(sheet: Array, queries: Array, gallery: Array, indices: Array, gap: int = 3) -> list[Check]:
    """Return the Check that the sheet shows each query and then its neighbours, nearest first, pixel by pixel.

    sheet : of neighbour_sheet, uint8. queries, gallery : thumbnails, uint8 (M, H, W, 3) and (N, H, W, 3).
    """
    M, H, W, _ = queries.shape
    k = indices.shape[1]
    frame = ((sheet.shape[0] + gap) // M - gap - H) // 2  # width of the coloured frames
    height, width = H + 2 * frame + gap, W + 2 * frame + gap
    first = sheet.shape[1] - (k * width - gap)            # the column at which the neighbours begin
    wrong = 0
    for m in range(M):
        for j in range(-1, k):
            top, left = m * height + frame, frame + (first + j * width if j >= 0 else 0)
            shown = sheet[top:top + H, left:left + W]
            wrong += not np.array_equal(shown, queries[m] if j < 0 else gallery[indices[m, j]])
    return [below(f"thumbnails in the wrong place, of {M} rows of {k + 1}", wrong, 0)]


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


def report_precision(features: Array, pixels: Array, labels: Array | list, k: int = 5, count: int = 1000,
                     rng: Generator | None = None) -> list[Check]:
    """Return how often neighbours share the image's class, in features and in pixels; it depends on the photos.

    features : (N, D). pixels : (N, P). labels : (N,). count : number of queries, drawn by `rng` if there are more
    images; by default, with the seed 0.
    """
    labels = np.asarray(labels)
    in_features, in_pixels = (precision_of(x, labels, k, count, np.random.default_rng(0) if rng is None else rng)
                              for x in (features, pixels))
    _, sizes = np.unique(labels, return_counts=True)
    chance = float((sizes * (sizes - 1)).sum() / (len(labels) * max(len(labels) - 1, 1)))
    return [reported(f"precision@{k} in features: share of an image's {k} nearest that are of its class", in_features,
                     f"in pixels {in_pixels:.3f}"),
            reported(f"precision@{k} in pixels", in_pixels, f"by chance {chance:.3g}")]


def precision_of(x: Array, labels: Array, k: int, count: int, rng: Generator) -> float:
    """Return precision@k of up to `count` images that `rng` draws from x (N, D), among all images of x."""
    queries = np.sort(rng.permutation(len(x))[:count])
    return precision_at(nearest_others(x, k, queries)[0], labels[queries], labels)


def report_mirrored(mirrored: Array, features: Array, originals: Array, mirrored_pixels: Array,
                    pixels: Array) -> list[Check]:
    """Return how often the nearest neighbour of a mirrored image, in features, is its original.

    A network of the thousand ImageNet classes finds every original; a network of a dozen classes confuses many with
    other images of their class.

    mirrored : features of the mirrored images, (M, D). features : (N, D). originals : their rows in `features`, (M,).
    mirrored_pixels : (M, P). pixels : (N, P).
    """
    found = float((nearest(mirrored, features, 1)[0][:, 0] == originals).mean())
    by_pixels = float((nearest(mirrored_pixels, pixels, 1)[0][:, 0] == originals).mean())
    return [reported(f"share of {len(mirrored)} mirrored images whose nearest in features is their original", found,
                     f"in pixels {by_pixels:.3g}")]
