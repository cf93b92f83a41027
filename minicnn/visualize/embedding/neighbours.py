"""Which pictures are alike: nearest neighbours, in pixels or in a network's features."""

import numpy as np

from minicnn.backend import get_array_module
from minicnn.errors import InputError
from minicnn.visualize.grid import tile_images

BLOCK = 2**23           # numbers in a block of float64, 64 MB: three of them are in memory at a time
LARGEST_BLOCK = 2048    # rows; more make the product no faster
RIGHT, WRONG = (0, 150, 60), (215, 40, 30)  # frames: green for the query's own class, red for another


def squared_distances(a, b):
    """|a_i - b_j|^2 of all pairs of rows, a (M, D) and b (N, D) -> (M, N), never negative.

    By |a|^2 + |b|^2 - 2 a.b, which is a matrix product; in float64 and about the mean of b, as the difference of large
    numbers would lose what tells near ones apart. Beside the result it takes a few blocks of BLOCK numbers.
    float32 stays float32. Raises InputError for rows of different lengths and for none in b.
    """
    xp = get_array_module(a)
    check_rows(a, b)
    dtype = np.result_type(a.dtype, b.dtype, np.float32)
    centre = mean_row(b)
    out = xp.empty((len(a), len(b)), dtype)
    for rows in blocks(a):
        block = centred(a, rows, centre)
        for columns in blocks(b):
            out[rows, columns] = product_formula(block, centred(b, columns, centre))
    return out


def nearest(queries, gallery, k):
    """For each query the k nearest rows of the gallery, the nearest first: indices (M, k) and distances (M, k), L2.

    queries : (M, D). gallery : (N, D), on the same device. The distances, of those that are returned, are computed
    anew from the differences: a picture is at exactly 0 from itself. Of equally near ones the first comes first.
    Raises InputError for k above N or below 1, rows of different lengths, an empty gallery, and NaNs.
    """
    xp = get_array_module(queries)
    check_rows(queries, gallery)
    if not 1 <= k <= len(gallery):
        raise InputError(f"k = {k} nearest of {len(gallery):,} pictures: give a k from 1 to {len(gallery):,}")
    centre = mean_row(gallery)
    indices, distances = xp.empty((len(queries), k), np.int64), xp.empty((len(queries), k), np.float64)
    for rows in blocks(queries):
        block = centred(queries, rows, centre)
        indices[rows] = nearest_of_block(block, gallery, centre, k)
        for j in range(k):
            differences = centred(queries, rows, centre) - centred(gallery, indices[rows, j], centre)
            distances[rows, j] = xp.sqrt((differences * differences).sum(axis=1))
    if not bool(xp.isfinite(distances).all()):
        raise InputError("the pictures' vectors have values that are not finite")
    order = xp.argsort(distances, axis=1, kind="stable")
    return xp.take_along_axis(indices, order, axis=1), xp.take_along_axis(distances, order, axis=1)


def nearest_others(x, k, asked=None):
    """For each row of x, (N, D), the k nearest of the other rows: indices (N, k) and distances (N, k), as `nearest`.

    asked : the numbers of the rows, (M,), on the same device, where only these are wanted: then the results are (M, k).
    """
    xp = get_array_module(x)
    if not 1 <= k < len(x):
        raise InputError(f"k = {k} nearest others of {len(x):,} pictures: give a k from 1 to {len(x) - 1:,}")
    asked = xp.arange(len(x)) if asked is None else asked
    indices, distances = nearest(x[asked], x, k + 1)
    # Itself goes to the end; where more than k are exactly the same it may not be among them, and the last one goes.
    itself = indices == asked[:, None]
    order = xp.argsort(itself.astype(np.int8), axis=1, kind="stable")[:, :k]
    return xp.take_along_axis(indices, order, axis=1), xp.take_along_axis(distances, order, axis=1)


def precision_at(indices, query_labels, gallery_labels):
    """The mean share of the k neighbours, indices (M, k), that are of their query's class; arrays on the host.

    query_labels : (M,). gallery_labels : (N,). For k = 5 it is precision@5.
    """
    agreement = np.asarray(gallery_labels)[indices] == np.asarray(query_labels)[:, None]
    return float(agreement.mean())


def neighbour_sheet(queries, gallery, indices, agreement=None, gap=3):
    """A row for each query, first itself and apart from it its k neighbours -> uint8 (height, width, 3).

    queries : uint8 (M, H, W, 3). gallery : uint8 (N, H, W, 3). indices : (M, k). agreement : bool (M, k), where the
    labels are known: a green frame around those of the query's class, a red one around the others.
    """
    k = indices.shape[1]
    frame = 0 if agreement is None else max(2, queries.shape[1] // 24)
    margins = ((0, 0), (frame, frame), (frame, frame), (0, 0))
    left = tile_images(np.pad(queries, margins, constant_values=255), 1, gap, fill=255)
    found = np.pad(gallery[indices.ravel()], margins)  # (M k, H + 2 frame, W + 2 frame, 3)
    if frame:
        colours = np.where(agreement.reshape(-1, 1, 1, 1), np.uint8(RIGHT), np.uint8(WRONG))
        inside = np.zeros(found.shape[1:3], bool)
        inside[frame:-frame, frame:-frame] = True
        found = np.where(inside[:, :, None], found, colours)
    right = tile_images(found, k, gap, fill=255)
    space = np.full((len(left), max(8, queries.shape[2] // 4), 3), 255, np.uint8)
    return np.concatenate([left, space, right], axis=1)


# ---- blocks ----------------------------------------------------------------------------------------------------------


def check_rows(a, b):
    """Raise InputError unless a and b are sets of vectors of one length, and b is not empty."""
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not a.shape[1]:
        raise InputError(f"expected two sets of vectors of one length, (M, D) and (N, D), got {a.shape} and {b.shape}")
    if not len(b):
        raise InputError("there is no picture to compare with: the gallery is empty")


def blocks(x):
    """Slices of the rows of x, (N, D), each of no more than BLOCK numbers and LARGEST_BLOCK rows, or of one row."""
    size = min(max(1, BLOCK // x.shape[1]), LARGEST_BLOCK)
    return [slice(start, min(start + size, len(x))) for start in range(0, len(x), size)]


def mean_row(x):
    """The mean of the rows of x, (N, D) -> float64 (D,), without a float64 copy of all of them."""
    return x.mean(axis=0, dtype=np.float64)


def centred(x, rows, centre):
    """Some rows of x, about the centre, in float64."""
    return x[rows].astype(np.float64) - centre


def product_formula(a, b):
    """|a_i - b_j|^2 in float64, never negative; a (m, D), b (n, D) -> (m, n)."""
    xp = get_array_module(a)
    d = a @ b.T
    d *= -2
    d += (a * a).sum(axis=1)[:, None]
    d += (b * b).sum(axis=1)
    return xp.maximum(d, 0, out=d)


def nearest_of_block(block, gallery, centre, k):
    """The indices, (m, k), of the k rows of the gallery nearest to those of the block, (m, D), in rising order."""
    xp = get_array_module(block)
    best = best_distances = None
    for columns in blocks(gallery):
        distances = product_formula(block, centred(gallery, columns, centre))
        found = xp.broadcast_to(xp.arange(columns.start, columns.stop), distances.shape)
        if best is not None:
            distances = xp.concatenate([best_distances, distances], axis=1)
            found = xp.concatenate([best, found], axis=1)
        if found.shape[1] > k:
            chosen = xp.argpartition(distances, k - 1, axis=1)[:, :k]
            distances = xp.take_along_axis(distances, chosen, axis=1)
            found = xp.take_along_axis(found, chosen, axis=1)
        best, best_distances = found, distances
    return xp.sort(best, axis=1)
