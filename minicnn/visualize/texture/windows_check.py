"""The objective numbers of textures that are copied pixel by pixel from a sample."""

import numpy as np

from minicnn.datasets.textures import draw_checks
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.embedding.neighbours import squared_distances
from minicnn.visualize.texture.efros_leung import efros_leung, gaussian_weights, patch_matrix, window_errors
from minicnn.visualize.texture.wei_levoy import wei_levoy
from minicnn.visualize.texture.windows import Texture, coherence, gather_windows, pixel_coordinates

CHECKS_SIDE = 3      # side of a square of the checkerboard, pixels
COMPARED = 300       # windows of a texture that are compared with the sample
COMPARED_SIDE = 5    # side of these windows, pixels


def check_texture(name: str, texture: Texture, sample: np.ndarray, rng: np.random.Generator) -> list[Check]:
    """Return the Checks of a Texture: its pixels are the sample's. Its windows and its colours are reported.

    sample : uint8 (H, W, 3). Unfilled pixels do not count in the first number. An unfinished texture has only the first
    two Checks. The windows are compared with those of noise of the same colours: the sample's pixels in random places.
    A sample that is noise itself, such as gravel, is hardly nearer. `check_growth` and `check_wei_levoy` judge how the
    pixels were chosen.
    """
    known = texture.source[..., 0] >= 0
    rows, columns = texture.source[known].T
    different = int((texture.image[known] != sample[rows, columns]).any(axis=-1).sum())
    checks = [below(f"{name}: pixels that differ from the pixel of the sample that they name as their source",
                    different, 0),
              reported(f"{name}: share of neighbours that are neighbours in the sample (pixels copied as one piece)",
                       coherence(texture.source))]
    if not known.all():
        return checks
    noise = nearest_window_error(rng.permutation(sample.reshape(-1, 3)).reshape(sample.shape), sample, rng)
    error, colours = nearest_window_error(texture.image, sample, rng), histogram_distance(texture.image, sample)
    return [*checks,
            reported(f"{name}: distance of a 5x5 window to the nearest in the sample, root mean square, 0 to 255",
                     error, f"{noise:.1f} is the distance of noise of the same colours"),
            reported(f"{name}: chi-squared distance of the colours' histogram to the sample's, 0 (equal) to 1",
                     colours)]


def check_tiles(name: str, texture: Texture, sample: np.ndarray, rng: np.random.Generator) -> Check:
    """Return how well a Texture can be laid like tiles, reported: the distance of the windows across its edges."""
    inside, across = nearest_window_error(texture.image, sample, rng), seam_error(texture.image, sample, rng)
    return reported(f"{name}: the same distance for windows across its edges, when the texture is laid like tiles",
                    across, f"{inside:.1f} is the distance of all windows")


def check_fill(texture: Texture, image: np.ndarray, hole: np.ndarray) -> list[Check]:
    """Return the Checks of a Texture that fills the image's hole, bool (H, W).

    No pixel outside the hole changed. Every pixel inside is a copy of a pixel outside.
    """
    known = texture.source[..., 0] >= 0
    rows, columns = texture.source[known].T
    wrong = (texture.image[known] != image[rows, columns]).any(axis=-1) | hole[rows, columns]
    changed = int((texture.image != image).any(axis=-1)[~hole].sum())
    return [below("pixels that differ from the pixel that they name as their source, or whose source is in the hole",
                  int(wrong.sum()), 0),
            below("pixels outside the hole that changed", changed, 0)]


def check_texture_methods(sample: np.ndarray, window: int, rng: np.random.Generator) -> list[Check]:
    """Return the Checks of the methods themselves, on small pictures.

    Efros-Leung continues a checkerboard without a fault. The same seed gives the same texture. The sums of squared
    differences by a matrix product equal their definition.
    """
    checkerboard = draw_checks(8 * CHECKS_SIDE, 8 * CHECKS_SIDE, CHECKS_SIDE)
    grown = efros_leung(checkerboard, 12 * CHECKS_SIDE, window=2 * CHECKS_SIDE + 3, rng=rng).image
    small = sample[:2 * window, :2 * window]
    unequal = 0
    for method in (efros_leung, wei_levoy):
        first, second = (method(small, 2 * window, window=window, rng=np.random.default_rng(5)) for _ in range(2))
        unequal += int((first.image != second.image).sum())
    return [below("Efros-Leung: pixels of a grown checkerboard that break its pattern", checkerboard_faults(grown), 0),
            below("values that differ between two runs of both methods with one seed", unequal, 0),
            below("sums of squared differences by a matrix product against their definition, relative error",
                  product_error(sample, window, rng), 1e-6)]


def checkerboard_faults(image: np.ndarray, side: int = CHECKS_SIDE) -> int:
    """Return the number of pixels of the image (H, W, 3) that differ from the best-aligned checkerboard."""
    H, W = image.shape[:2]
    board = draw_checks(H + 2 * side, W + 2 * side, side)
    return min(int((image != board[top:top + H, left:left + W]).any(axis=-1).sum())
               for top in range(2 * side) for left in range(2 * side))


def product_error(sample: np.ndarray, window: int, rng: np.random.Generator, count: int = 4) -> float:
    """Return the largest relative error of `window_errors` for `count` random windows with random known pixels."""
    pixels = sample.astype(np.float64)
    H, W, _ = sample.shape
    centres = pixel_coordinates(H - window + 1, W - window + 1).reshape(-1, 2) + window // 2
    values = rng.integers(0, 256, (count, window, window, 3)).astype(np.float64)
    mask = gaussian_weights(window) * (rng.random((count, window, window)) < 0.5)
    found = window_errors(values, mask, patch_matrix(sample, centres, window, "cpu"))
    windows = gather_windows(pixels, centres[:, 0], centres[:, 1], window)
    expected = np.stack([(mask[n, ..., None] * (windows - values[n])**2).sum(axis=(1, 2, 3)) for n in range(count)])
    return float((np.abs(found - expected) / np.maximum(expected, 1.0)).max())


def nearest_window_error(image: np.ndarray, sample: np.ndarray, rng: np.random.Generator, side: int = COMPARED_SIDE,
                         count: int = COMPARED) -> float:
    """Return the root mean square difference between random windows of the image and their nearest in the sample."""
    side = min(side, *image.shape[:2], *sample.shape[:2])
    windows = [np.lib.stride_tricks.sliding_window_view(picture, (side, side), axis=(0, 1)).reshape(-1, 3 * side**2)
               for picture in (image, sample)]
    chosen = rng.choice(len(windows[0]), min(count, len(windows[0])), replace=False)
    nearest = squared_distances(windows[0][chosen].astype(np.float64), windows[1].astype(np.float64)).min(axis=1)
    return float(np.sqrt(nearest.mean() / (3 * side**2)))


def seam_error(image: np.ndarray, sample: np.ndarray, rng: np.random.Generator, side: int = COMPARED_SIDE) -> float:
    """Return `nearest_window_error` of the windows across the edges of an image that is laid like tiles.

    It is the root mean square of the errors across top and bottom, and across left and right.
    """
    strips = [np.concatenate([np.take(image, range(1 - side, 0), axis), np.take(image, range(side - 1), axis)], axis)
              for axis in (0, 1)]
    first, second = (nearest_window_error(strip, sample, rng, side) for strip in strips)
    return float(np.hypot(first, second) / 2**0.5)


def histogram_distance(a: np.ndarray, b: np.ndarray, bins: int = 16) -> float:
    """Return sum (p - q)^2 / (p + q) / 2 of the channels' histograms, mean over channels: 0 equal, 1 disjoint."""
    distances = []
    for channel in range(3):
        p, q = (np.histogram(values, bins, (0, 256))[0] / values.size for values in (a[..., channel], b[..., channel]))
        distances.append(((p - q)**2 / np.maximum(p + q, 1e-30)).sum() / 2)
    return float(np.mean(distances))
