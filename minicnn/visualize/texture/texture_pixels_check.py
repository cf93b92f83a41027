"""The objective numbers behind textures that are copied from a sample pixel by pixel."""

import numpy as np

from minicnn.datasets.textures import draw_checks
from minicnn.visualize.check import Check, below
from minicnn.visualize.embedding.neighbours import squared_distances
from minicnn.visualize.texture.efros_leung import efros_leung, gaussian_weights, patch_matrix, window_errors
from minicnn.visualize.texture.texture_pixels import coherence, gather_windows, pixel_coordinates
from minicnn.visualize.texture.wei_levoy import wei_levoy

CHECKS_SIDE = 3      # pixels a square of the checkerboard
COMPARED = 300       # windows of a texture, that are looked for in the sample
COMPARED_SIDE = 5    # pixels


def check_texture(name, texture, sample, rng):
    """A Texture: every pixel is the sample's; its windows are like windows of the sample; its colours are as frequent.

    sample : uint8 (H, W, 3). Pixels that are not there yet are left out of the first number; the last two are of whole
    textures only. The control is the sample's pixels in random places: noise of the same colours.
    """
    known = texture.source[..., 0] >= 0
    rows, columns = texture.source[known].T
    strange = int((texture.image[known] != sample[rows, columns]).any(axis=-1).sum())
    checks = [below(f"{name}: pixels that are not the sample's pixel which they name as their source", strange, 0),
              Check(f"{name}: share of neighbours that are neighbours in the sample: how much is copied in one piece",
                    coherence(texture.source), "reported, not judged", True)]
    if not known.all():
        return checks
    noise = nearest_window_error(rng.permutation(sample.reshape(-1, 3)).reshape(sample.shape), sample, rng)
    error, colours = nearest_window_error(texture.image, sample, rng), histogram_distance(texture.image, sample)
    return [*checks,
            Check(f"{name}: distance of a 5x5 window to the nearest in the sample, root mean square, 0 to 255", error,
                  f"less than half of {noise:.1f}, of noise of the same colours", error < noise / 2),
            Check(f"{name}: chi-squared distance of the colours' histogram to the sample's, 0 (equal) to 1", colours,
                  "less than 0.25", colours < 0.25)]


def check_tiles(name, texture, sample, rng):
    """The Check that a Texture can be laid like tiles: windows across its edges are about as like the sample's."""
    inside, across = nearest_window_error(texture.image, sample, rng), seam_error(texture.image, sample, rng)
    return Check(f"{name}: the same distance of windows across its edges, when it is laid beside itself like tiles",
                 across, f"less than twice the {inside:.1f} of all", across < 2 * inside)


def check_fill(texture, image, hole):
    """A Texture that fills the image's hole, bool (H, W): outside it nothing changed, inside all comes from outside."""
    known = texture.source[..., 0] >= 0
    rows, columns = texture.source[known].T
    strange = (texture.image[known] != image[rows, columns]).any(axis=-1) | hole[rows, columns]
    changed = int((texture.image != image).any(axis=-1)[~hole].sum())
    return [below("pixels that are not the pixel which they name as their source, or whose source is missing itself",
                  int(strange.sum()), 0),
            below("pixels outside the hole that changed", changed, 0)]


def check_texture_methods(sample, window, rng):
    """The methods themselves, on small pictures: a checkerboard is continued without a fault, the same seed gives the
    same texture, and the sums of squared differences of the matrix product are those of their definition.
    """
    checkerboard = draw_checks(8 * CHECKS_SIDE, 8 * CHECKS_SIDE, CHECKS_SIDE)
    grown = efros_leung(checkerboard, 12 * CHECKS_SIDE, window=2 * CHECKS_SIDE + 3, rng=rng).image
    small = sample[:2 * window, :2 * window]
    again = sum(int((first.image != second.image).sum()) for first, second in (
        [method(small, 2 * window, window=window, rng=np.random.default_rng(seed)) for seed in (5, 5)]
        for method in (efros_leung, wei_levoy)))
    return [below("Efros-Leung: pixels of a grown checkerboard that break it", checkerboard_faults(grown), 0),
            below("numbers that differ when both methods run twice with one seed", again, 0),
            below("sums of squared differences by a matrix product against their definition, relative error",
                  product_error(sample, window, rng), 1e-6)]


def checkerboard_faults(image, side=CHECKS_SIDE):
    """How many pixels of the image (H, W, 3) differ from the nearest checkerboard, wherever its squares begin."""
    H, W = image.shape[:2]
    board = draw_checks(H + 2 * side, W + 2 * side, side)
    return min(int((image != board[top:top + H, left:left + W]).any(axis=-1).sum())
               for top in range(2 * side) for left in range(2 * side))


def product_error(sample, window, rng, count=4):
    """The largest relative error of `window_errors` for a few random windows, of which random pixels are known."""
    pixels = sample.astype(np.float64)
    H, W, _ = sample.shape
    centres = pixel_coordinates(H - window + 1, W - window + 1).reshape(-1, 2) + window // 2
    values = rng.integers(0, 256, (count, window, window, 3)).astype(np.float64)
    mask = gaussian_weights(window) * (rng.random((count, window, window)) < 0.5)
    found = window_errors(values, mask, patch_matrix(sample, centres, window, "cpu"))
    windows = gather_windows(pixels, centres[:, 0], centres[:, 1], window)
    expected = np.stack([(mask[n, ..., None] * (windows - values[n])**2).sum(axis=(1, 2, 3)) for n in range(count)])
    return (np.abs(found - expected) / expected).max()


def nearest_window_error(image, sample, rng, side=COMPARED_SIDE, count=COMPARED):
    """The root mean square, over random windows of the image, of the difference to the nearest window of the sample."""
    windows = [np.lib.stride_tricks.sliding_window_view(picture, (side, side), axis=(0, 1)).reshape(-1, 3 * side**2)
               for picture in (image, sample)]
    chosen = rng.choice(len(windows[0]), min(count, len(windows[0])), replace=False)
    nearest = squared_distances(windows[0][chosen].astype(np.float64), windows[1].astype(np.float64)).min(axis=1)
    return float(np.sqrt(nearest.mean() / (3 * side**2)))


def seam_error(image, sample, rng, side=COMPARED_SIDE):
    """`nearest_window_error` of the windows across top and bottom, and across left and right, of an image that is laid
    beside itself."""
    strips = [np.concatenate([np.take(image, range(1 - side, 0), axis), np.take(image, range(side - 1), axis)], axis)
              for axis in (0, 1)]
    return float(np.hypot(*[nearest_window_error(strip, sample, rng, side) for strip in strips]) / 2**0.5)


def histogram_distance(a, b, bins=16):
    """sum (p - q)^2 / (p + q) / 2 of the histograms of a channel, the mean of the channels: 0 equal, 1 disjoint."""
    distances = []
    for channel in range(3):
        p, q = (np.histogram(values, bins, (0, 256))[0] / values.size for values in (a[..., channel], b[..., channel]))
        distances.append(((p - q)**2 / np.maximum(p + q, 1e-30)).sum() / 2)
    return float(np.mean(distances))
