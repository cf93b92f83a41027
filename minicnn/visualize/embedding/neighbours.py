"""Nearest neighbours of images, in pixels or in features of a network."""

import numpy as np

from minicnn.arguments import count_of, describe, require_whole
from minicnn.backend import Array, device_of, get_array_module, to_device
from minicnn.errors import InputError
from minicnn.visualize.arrays import as_floats, as_whole_numbers
from minicnn.visualize.grid import tile_images

BLOCK = 2**23           # float64 values in a block, 64 MB; three blocks are in memory at a time
LARGEST_BLOCK = 2048    # rows of a block; more rows make the product no faster
RIGHT, WRONG = (0, 150, 60), (215, 40, 30)  # colours of frames: green for the query's class, red for another


def squared_distances(a: Array, b: Array) -> Array:
    """Return |a_i - b_j|² of all pairs of rows of a (M, D) and b (N, D), never negative, (M, N).

    It is computed as |a|² + |b|² - 2 a.b, which is a matrix product. To limit the rounding error of near vectors, the
    product is in float64 and relative to the mean of b. Its working memory is a few blocks.
    The result of float32 vectors is float32.
    Raises InputError if the rows have different lengths or if b is empty.

    >>> squared_distances(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 1.0]]))
    array([[25.,  1.]])
    """
    a, b = require_rows(a, b)
    xp = get_array_module(a)
    dtype = np.result_type(a.dtype, b.dtype, np.float32)
    centre = mean_row(b)
    out = xp.empty((len(a), len(b)), dtype)
    for rows in blocks(a):
        block = centred(a, rows, centre)
        for columns in blocks(b):
            out[rows, columns] = product_formula(block, centred(b, columns, centre))
    return out


def nearest(queries: Array, gallery: Array, k: int) -> tuple[Array, Array]:
    """Return the k rows of the gallery nearest to each query, the nearest first: indices and L2 distances, (M, k).

    The returned distances are computed from the differences, so the distance of an image from itself is exactly 0. Of
    equal distances, the smaller index comes first.

    queries : (M, D). gallery : (N, D), on the same device. k : from 1 to N. Raises InputError for another k, for rows
    of different lengths, an empty gallery, and values that are not finite.

    >>> nearest(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 1.0]]), 2)
    (array([[1, 0]]), array([[1., 5.]]))
    """
    queries, gallery = require_rows(queries, gallery)
    xp, k = get_array_module(queries), require_whole("k", k)
    if not 1 <= k <= len(gallery):
        raise InputError(f"k = {k} nearest of {len(gallery):,} images: give a k from 1 to {len(gallery):,}")
    centre = mean_row(gallery)
    indices, distances = xp.empty((len(queries), k), np.int64), xp.empty((len(queries), k), np.float64)
    for rows in blocks(queries):
        block = centred(queries, rows, centre)
        indices[rows] = nearest_of_block(block, gallery, centre, k)
        for j in range(k):
            differences = centred(queries, rows, centre) - centred(gallery, indices[rows, j], centre)
            distances[rows, j] = xp.sqrt((differences * differences).sum(axis=1))
    if not bool(xp.isfinite(distances).all()):
        raise InputError("the vectors of the images have values that are not finite")
    order = xp.argsort(distances, axis=1, kind="stable")
    return xp.take_along_axis(indices, order, axis=1), xp.take_along_axis(distances, order, axis=1)


def nearest_others(x: Array, k: int, queries: Array | None = None) -> tuple[Array, Array]:
    """Return the k nearest other rows of each row of x (N, D): indices and L2 distances, as `nearest`, (N, k).

    queries : the numbers of some rows, (M,), on the same device; the results are then (M, k). k : from 1 to N - 1.

    >>> nearest_others(np.array([[0.0], [1.0], [5.0]]), 1)[0].tolist()
    [[1], [0], [1]]
    """
    x, k = as_floats("x", x, "(N, D)", 2), require_whole("k", k)
    xp = get_array_module(x)
    if not 1 <= k < len(x):
        raise InputError(f"k = {k} nearest others of {len(x):,} images: give a k from 1 to {len(x) - 1:,}")
    queries = xp.arange(len(x)) if queries is None else row_numbers(x, queries)
    indices, distances = nearest(x[queries], x, k + 1)
    # Move the row itself to the end and drop the last. If more than k rows are equal to it, it may not be among them.
    itself = indices == queries[:, None]
    order = xp.argsort(itself.astype(np.int8), axis=1, kind="stable")[:, :k]
    return xp.take_along_axis(indices, order, axis=1), xp.take_along_axis(distances, order, axis=1)


def precision_at(indices: Array, query_labels: Array, gallery_labels: Array) -> float:
    """Return precision@k: the mean share of the k neighbours, indices (M, k), that have the label of their query.

    query_labels : (M,). gallery_labels : (N,). All arrays are on the host.

    >>> precision_at(np.array([[0, 1]]), np.array([7]), np.array([7, 8]))
    0.5
    """
    indices = as_whole_numbers("indices", indices, "(M, k)", 2)
    queries, gallery = label_array("query_labels", query_labels), label_array("gallery_labels", gallery_labels)
    if len(indices) != len(queries) or indices.min() < 0 or indices.max() >= len(gallery):
        raise InputError(f"neighbours of shape {indices.shape} from {indices.min()} to {indices.max()} for "
                         f"{len(queries)} query labels and {len(gallery)} gallery labels; expected one row for each "
                         "query, of numbers in the gallery")
    return float((gallery[indices] == queries[:, None]).mean())


def neighbour_sheet(queries: Array, gallery: Array, indices: Array, agreement: Array | None = None,
                    gap: int = 3) -> Array:
    """Return a picture with one row for each query: the query, a space, and its k neighbours, uint8 (height, width, 3).

    queries : uint8 (M, H, W, 3). gallery : uint8 (N, H, W, 3). indices : (M, k). agreement : whether each neighbour has
    the label of its query, bool (M, k); it gets a green frame if so, otherwise a red one. By default, no frames.
    gap : distance between pictures, pixels.
    """
    k = indices.shape[1]
    frame = 0 if agreement is None else max(2, queries.shape[1] // 24)  # width in pixels
    margins = ((0, 0), (frame, frame), (frame, frame), (0, 0))
    left = tile_images(np.pad(queries, margins, constant_values=255), 1, gap, fill=255)
    found = np.pad(gallery[indices.ravel()], margins)  # (M k, H + 2 frame, W + 2 frame, 3)
    if agreement is not None:
        colours = np.where(agreement.reshape(-1, 1, 1, 1), np.array(RIGHT, np.uint8), np.array(WRONG, np.uint8))
        inside = np.zeros(found.shape[1:3], bool)
        inside[frame:-frame, frame:-frame] = True
        found = np.where(inside[:, :, None], found, colours)
    right = tile_images(found, k, gap, fill=255)
    space = np.full((len(left), max(8, queries.shape[2] // 4), 3), 255, np.uint8)
    return np.concatenate([left, space, right], axis=1)


# ---- blocks ----------------------------------------------------------------------------------------------------------


def require_rows(a: Array, b: Array) -> tuple[Array, Array]:
    """Return a and b as floats. Raises InputError unless they are sets of vectors of one length and b is not empty."""
    a, b = (as_floats("vectors", rows, "(M, D) and (N, D)", *range(5), empty=True) for rows in (a, b))
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not a.shape[1]:
        raise InputError(f"expected two sets of vectors of one length, (M, D) and (N, D), got {a.shape} and {b.shape}")
    if not len(b):
        raise InputError("the gallery is empty; give at least one image")
    if device_of(a) != device_of(b):
        raise InputError("one set of vectors is on the GPU, and the other one is not; move them to one device")
    return a, b


def row_numbers(x: Array, queries: Array) -> Array:
    """Return the numbers of some rows of x, on its device. Raises InputError if one of them does not exist."""
    numbers = as_whole_numbers("queries", queries, "(M,)")
    if numbers.min() < 0 or numbers.max() >= len(x):
        raise InputError(f"queries from {numbers.min()} to {numbers.max()} of {len(x)} rows")
    return to_device(numbers, device_of(x))


def label_array(name: str, labels: Array) -> Array:
    """Return labels, numbers or names, as an array (N,). Raises InputError for another shape."""
    try:
        array = np.asarray(labels if count_of(labels) else [])
    except Exception:  # a list of unequal lists, or an object without a shape
        array = np.empty(0)
    if array.ndim != 1 or not array.size or array.dtype.kind not in "biufSU":
        raise InputError(f"{name} is {describe(labels)}; expected a label for each image, (N,)")
    return array


def blocks(x: Array) -> list[slice]:
    """Return slices of the rows of x (N, D), of up to BLOCK values and LARGEST_BLOCK rows, but at least one row."""
    size = min(max(1, BLOCK // x.shape[1]), LARGEST_BLOCK)
    return [slice(start, min(start + size, len(x))) for start in range(0, len(x), size)]


def mean_row(x: Array) -> Array:
    """Return the mean of the rows of x (N, D), float64 (D,), without a float64 copy of x."""
    return x.mean(axis=0, dtype=np.float64)


def centred(x: Array, rows: slice | Array, centre: Array) -> Array:
    """Return some rows of x minus the centre (D,), in float64."""
    return x[rows].astype(np.float64) - centre


def product_formula(a: Array, b: Array) -> Array:
    """Return |a|² + |b|² - 2 a.b of all pairs of rows of float64 a (m, D) and b (n, D), never negative, (m, n)."""
    xp = get_array_module(a)
    d = a @ b.T
    d *= -2
    d += (a * a).sum(axis=1)[:, None]
    d += (b * b).sum(axis=1)
    return xp.maximum(d, 0, out=d)


def nearest_of_block(block: Array, gallery: Array, centre: Array, k: int) -> Array:
    """Return the indices of the k rows of the gallery nearest to each row of the block (m, D), ascending, (m, k)."""
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
