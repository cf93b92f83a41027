"""The objective numbers behind nearest neighbours, principal components and maps on a grid."""

import numpy as np

from minicnn.visualize.check import Check, below
from minicnn.visualize.embedding.grid_map import assignment_cost, greedy_assignment
from minicnn.visualize.embedding.neighbours import nearest, nearest_others, precision_at, squared_distances

GREEDY_POINTS = 4000  # beyond, placing them one by one takes longer than the map


def check_distances(x, rng, count=40):
    """Vectors x (N, D): distances by a matrix product are those by differences, and each is its own nearest."""
    x = x[np.sort(rng.permutation(len(x))[:count])]
    exact = ((x[:, None].astype(np.float64) - x) ** 2).sum(axis=2)
    # two that are the same, or nearly, have no digits left to compare
    scale = np.maximum(exact, 1e-6 * exact.max() + 1e-300)
    error = (np.abs(squared_distances(x, x) - exact) / scale).max()
    itself = (nearest(x, x, 1)[1][:, 0] == 0).mean()
    return [below("squared distances by the matrix product against differences, largest relative error", error, 1e-5),
            Check("share of the pictures that are their own nearest, at a distance of exactly 0", float(itself), "1",
                  bool(itself == 1))]


def check_precision(features, pixels, labels, k=5, margin=0.03, count=1000, rng=None):
    """Pictures as features (N, D) and pixels (N, P), with their classes: neighbours in features are more often of the
    picture's own class, by more than `margin`. Of more than `count` pictures as many are asked, drawn by `rng`."""
    labels = np.asarray(labels)
    in_features, in_pixels = (precision_of(x, labels, k, count, np.random.default_rng(0) if rng is None else rng)
                              for x in (features, pixels))
    _, sizes = np.unique(labels, return_counts=True)
    chance = float((sizes * (sizes - 1)).sum() / (len(labels) * max(len(labels) - 1, 1)))
    return [Check(f"precision@{k} in features: share of a picture's {k} nearest that are of its class", in_features,
                  f"more than {in_pixels + margin:.3f}, in pixels {in_pixels:.3f} and a margin of {margin:g}",
                  in_features > in_pixels + margin),
            Check(f"precision@{k} in pixels", in_pixels, f"reported, not judged: by chance {chance:.3g}", True)]


def precision_of(x, labels, k, count, rng):
    """precision@k of the pictures x (N, D) among each other, or of `count` of them that `rng` draws, among all."""
    asked = np.sort(rng.permutation(len(x))[:count])
    return precision_at(nearest_others(x, k, asked)[0], labels[asked], labels)


def check_mirrored(mirrored, features, originals, mirrored_pixels, pixels, least=0.4):
    """Mirrored pictures as features (M, D) find their originals, whose rows in the gallery `features` (N, D) are
    `originals` (M,), first: at least the share `least`, and no fewer than in pixels. A network that has seen a thousand
    classes finds them all; one that knows little else than its twelve takes many for another of the class."""
    found = float((nearest(mirrored, features, 1)[0][:, 0] == originals).mean())
    by_pixels = float((nearest(mirrored_pixels, pixels, 1)[0][:, 0] == originals).mean())
    return [Check(f"mirrored pictures, {len(mirrored)} of them, whose nearest in features is their original", found,
                  f"at least {max(least, by_pixels):.3g}; {by_pixels:.3g} in pixels", found >= max(least, by_pixels))]


def check_pca(x, found):
    """Points x (N, D) and their PrincipalComponents: orthonormal axes, and the variances of an independent SVD."""
    x = np.asarray(x, np.float64)
    centred = x - x.mean(axis=0)
    k = len(found.axes)
    expected = np.linalg.svd(centred, compute_uv=False) ** 2 / (len(x) - 1)
    error = np.abs(found.variances - expected[:k]).max() / expected[0]
    residual = ((centred - found.positions @ found.axes) ** 2).sum() / (len(x) - 1)
    dropped = expected[k:].sum()
    return [below("axes: largest difference of their products from the identity",
                  np.abs(found.axes @ found.axes.T - np.eye(k)).max(), 1e-10),
            below("variances along them against numpy.linalg.svd, as a share of the largest", error, 1e-10),
            below("what the axes leave out against the sum of the dropped variances, as a share of all",
                  abs(residual - dropped) / expected.sum(), 1e-10)]


def check_grid(positions, cells, rows, columns, rng, k=8):
    """Points (N, 2) in their cells (N,): each has its own, it costs less than by other ways, neighbours stay."""
    N = len(positions)
    used = len(np.unique(cells))
    cost = assignment_cost(positions, cells, rows, columns) / N
    random = assignment_cost(positions, rng.permutation(rows * columns)[:N], rows, columns) / N
    checks = [Check("cells with exactly one picture", used, f"{N}, one each", used == N)]
    unit = "mean squared distance from a picture to its cell, in cells"
    if N <= GREEDY_POINTS:
        greedy = assignment_cost(positions, greedy_assignment(positions, rows, columns), rows, columns) / N
        checks.append(Check(unit, cost, f"at most {greedy:.3g}, each to the nearest free cell", cost <= greedy))
    checks.append(Check(unit, cost, f"at most {random:.3g}, at random", cost <= random))
    if N > k:
        agreement = neighbour_agreement(positions, cells, columns, k)
        chance = k / (N - 1)
        checks.append(Check(f"share of a picture's {k} nearest in the map that are among its {k} nearest in the grid",
                            agreement, f"more than {chance:.3g}, by chance", agreement > chance))
    return checks


def neighbour_agreement(positions, cells, columns, k=8):
    """The mean share of a point's k nearest others in the map (N, 2) that are among its k nearest in the grid."""
    places = np.stack(np.divmod(np.asarray(cells), columns), axis=1).astype(np.float64)
    in_map, in_grid = nearest_others(np.asarray(positions, np.float64), k)[0], nearest_others(places, k)[0]
    return float((in_map[:, :, None] == in_grid[:, None]).any(axis=2).mean())


def check_sheet(sheet, thumbnails, cells, rows, columns, size):
    """The sheet has exactly the pixels asked for, and in each cell the thumbnail that belongs there."""
    expected = (rows * size, columns * size, 3)
    N, H, W, _ = thumbnails.shape
    y, x = np.arange(size) * H // size, np.arange(size) * W // size
    right = sheet.shape == expected and all(
        (sheet[row * size:(row + 1) * size, column * size:(column + 1) * size] == thumbnail[y[:, None], x]).all()
        for thumbnail, row, column in zip(thumbnails, *np.divmod(cells, columns), strict=True))
    return [Check("pixels of the sheet", sheet.shape[0] * sheet.shape[1], f"{expected[1]}x{expected[0]}",
                  sheet.shape == expected),
            Check("every thumbnail is in its cell, pixel by pixel", float(right), "1", right)]
