"""The first pixels of Efros and Leung's texture, and a small texture of Wei and Levoy, made again pixel by pixel.

Both methods are copied here from the papers as plain loops, without waves, matrix products or shared sums. Squared
differences of whole numbers are exact, so the choices must be the same, even among ties.
"""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import correlate1d

from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.texture.windows import Texture, pixel_coordinates

AGAIN = 60       # pixels of Efros-Leung's texture that are grown again
PIECE, MADE = 20, 12  # sides of the piece of the sample and of the texture that Wei-Levoy makes of it, pixels
WINDOW = 5       # side of Wei-Levoy's square for it


def check_growth(name: str, texture: Texture, sample: np.ndarray, window: int, rng: np.random.Generator,
                 tolerance: float = 0.1, max_error: float = 0.3) -> Check:
    """Return the Check that the first pixels around the seed are copied from the places that the paper's rule chooses.

    Parameters
    ----------
    name : the method, for the Check.
    texture : the result of `efros_leung`; pixels that are not filled yet do not count.
    sample, window, tolerance, max_error : as for `efros_leung`.
    rng : a generator with the seed of the texture.
    """
    pixels = sample.reshape(*sample.shape[:2], -1)
    H, W = texture.source.shape[:2]
    source = np.full((H, W, 2), -1)
    height, width = min(3, H), min(3, W)
    corner = [int(rng.integers(whole - side + 1)) for whole, side in zip(pixels.shape, (height, width), strict=False)]
    top, left = (H - height) // 2, (W - width) // 2
    for row in range(height):
        for column in range(width):
            source[top + row, left + column] = corner[0] + row, corner[1] + column
    h, w = pixels.shape[:2]
    half = window // 2
    centres = np.array([(y, x) for y in range(half, h - half) for x in range(half, w - half)])
    grow_again(source, pixels, centres, window, rng, tolerance, max_error)
    return check_places(name, texture, source)


def check_filling(texture: Texture, image: np.ndarray, hole: np.ndarray, window: int, rng: np.random.Generator,
                  tolerance: float = 0.1, max_error: float = 0.3) -> Check:
    """Return the Check that the first pixels filled into the hole are copied from the places that the rule chooses.

    Parameters
    ----------
    texture : the result of `efros_leung_fill`; pixels that are not filled yet do not count.
    image, hole, window, tolerance, max_error : as for `efros_leung_fill`.
    rng : a generator with the seed of the texture.
    """
    pixels, half = image.reshape(*image.shape[:2], -1), window // 2
    H, W = hole.shape
    centres = np.array([(y, x) for y in range(half, H - half) for x in range(half, W - half)
                        if not hole[y - half:y + half + 1, x - half:x + half + 1].any()])
    places = pixel_coordinates(H, W)
    source = np.where(hole[..., None], -1, places)
    grow_again(source, pixels, centres, window, rng, tolerance, max_error)
    source[~hole] = -1  # they were there before
    return check_places("hole", texture, source)


def check_places(name: str, texture: Texture, source: np.ndarray) -> Check:
    """Return the Check that the texture's sources equal `source`, (H, W, 2), where both are known."""
    both = (source[..., 0] >= 0) & (texture.source[..., 0] >= 0)
    different = int((texture.source != source).any(axis=-1)[both].sum())
    return below(f"{name}: pixels, of the first {int(both.sum())}, that are not copied from the place that the method "
                 "chooses when it is done pixel by pixel", different, 0)


def grow_again(source: np.ndarray, pixels: np.ndarray, centres: np.ndarray, window: int, rng: np.random.Generator,
               tolerance: float, max_error: float) -> None:
    """Fill about AGAIN unknown pixels of `source`, (H, W, 2), in place: layer by layer, one pixel after another.

    pixels : the sample, (h, w, C). centres : (P, 2), the middles of the windows from which a pixel can be copied.
    """
    half, filled = window // 2, 0
    distance = (np.arange(window) - half) / (window / 6.4)
    gauss = np.exp(-0.5 * distance**2)
    gauss = np.rint(np.outer(gauss, gauss) * 2.0**24) / 2.0**24  # as coarse as float32
    values = pixels.astype(np.float64)
    while filled < AGAIN and (source[..., 0] < 0).any():
        known = source[..., 0] >= 0
        shifts = [np.roll(np.pad(known, 1), (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)]
        around = np.sum(shifts, axis=0)[1:-1, 1:-1]
        places = np.argwhere((around > 0) & ~known)
        order = rng.permutation(len(places))
        order = order[np.argsort(-around[tuple(places[order].T)], kind="stable")]
        draws, before = rng.random(len(places)), filled
        for (y, x), draw in zip(places[order].tolist(), draws, strict=True):
            rows, columns = (range(max(0, at - half), min(side, at + half + 1))
                             for at, side in zip((y, x), source.shape, strict=False))
            near = np.array([(row, column) for row in rows for column in columns if source[row, column, 0] >= 0])
            steps = near - (y, x)
            weights = gauss[steps[:, 0] + half, steps[:, 1] + half]
            there = values[tuple(source[near[:, 0], near[:, 1]].T)]  # (K, C)
            rows, columns = (centres[:, axis, None] + steps[:, axis] for axis in (0, 1))
            errors = (np.square(values[rows, columns] - there).sum(axis=2) * weights).sum(axis=1)  # (P,)
            matches = np.flatnonzero(errors <= errors.min() * (1 + tolerance))
            chosen = matches[min(int(draw * len(matches)), len(matches) - 1)]
            if errors[chosen] / (weights.sum() * values.shape[2] * 255.0**2) < max_error:
                source[y, x] = centres[chosen]
                filled += 1
        if filled == before:
            max_error *= 1.1


# ---- Wei and Levoy ---------------------------------------------------------------------------------------------------


def check_wei_levoy(method: Callable[..., Texture], sample: np.ndarray, seed: int = 5) -> Check:
    """Return the Check that the method makes the same small texture of a piece of the sample as plain loops do.

    method : `wei_levoy`. The piece has PIECE, the texture MADE pixels a side, with two levels and two passes.
    """
    top, left = ((side - min(side, PIECE)) // 2 for side in sample.shape[:2])
    piece = np.ascontiguousarray(sample[top:top + PIECE, left:left + PIECE])
    what = f"Wei-Levoy: pixels of a small texture, of {MADE**2}, that differ when it is made pixel by pixel"
    if min(piece.shape[:2]) < 2 * WINDOW:
        return reported(what, 0, "the sample is too small")
    found = method(piece, MADE, window=WINDOW, levels=2, passes=2, rng=np.random.default_rng(seed))
    source = made_again(piece.reshape(*piece.shape[:2], -1), 2, 2, np.random.default_rng(seed))
    same = found.image == piece[source[..., 0], source[..., 1]]
    return below(what, int(((found.source != source).any(axis=-1) | ~same.reshape(MADE, MADE, -1).all(axis=-1)).sum()),
                 0)


def made_again(pixels: np.ndarray, levels: int, passes: int, rng: np.random.Generator) -> np.ndarray:
    """Return the sources, (MADE, MADE, 2), of a texture of the sample `pixels`, (H, W, C), by the paper's loops."""
    colours, count = pixels.reshape(-1, pixels.shape[2]), MADE * MADE
    order = np.concatenate([rng.permutation(len(colours)) for _ in range(-(-count // len(colours)))])[:count]
    noise = colours[rng.permutation(order)].reshape(MADE, MADE, -1)
    samples, results = coarser(pixels, levels, "reflect"), coarser(noise, levels, "wrap")
    source = np.empty((0, 0, 2), int)
    for level in reversed(range(levels)):
        image, sample, last = results[level], samples[level], level == levels - 1
        parents = (None, None) if last else (results[level + 1], samples[level + 1])
        H, W = image.shape[:2]
        source = np.zeros((H, W, 2), int)
        for number in range(passes):
            around = number > 0  # the first pass compares the pixels before, the later ones those after, too
            centres, own = neighbourhoods(sample, parents[1], around)
            for y in range(H):
                for x in range(W):
                    here = values_around(image, parents[0], y, x, around, "wrap")
                    best = int(np.square(own - here).sum(axis=1).argmin())
                    source[y, x] = centres[best]
                    image[y, x] = sample[tuple(centres[best])]
    return source


def neighbourhoods(sample: np.ndarray, parent: np.ndarray | None,
                   around: bool) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Return the places of the sample whose neighbourhood lies inside it, in reading order, and these, (P, K)."""
    half, reach = WINDOW // 2, (WINDOW // 2 + 1) // 2
    H, W = sample.shape[:2]
    centres = [(y, x) for y in range(half, H - half * around) for x in range(half, W - half)
               if parent is None or all(reach <= at // 2 < side - reach
                                        for at, side in zip((y, x), parent.shape, strict=False))]
    return centres, np.stack([values_around(sample, parent, y, x, around, "inside") for y, x in centres])


def values_around(image: np.ndarray, parent: np.ndarray | None, y: int, x: int, around: bool, edges: str) -> np.ndarray:
    """Return the values around a pixel that are compared, and those of the coarser level around its parent, (K,).

    edges : "wrap" if the picture wraps around.
    """
    half, reach = WINDOW // 2, (WINDOW // 2 + 1) // 2
    places = [(image, y + dy, x + dx) for dy in range(-half, half + 1) for dx in range(-half, half + 1)
              if (dy, dx) < (0, 0) or around and (dy, dx) > (0, 0)]
    if parent is not None:
        places += [(parent, y // 2 + dy, x // 2 + dx) for dy in range(-reach, reach + 1)
                   for dx in range(-reach, reach + 1)]
    wraps = edges == "wrap"
    return np.concatenate([level[row % len(level) if wraps else row, column % level.shape[1] if wraps else column]
                           for level, row, column in places]).astype(np.float64)


def coarser(image: np.ndarray, levels: int, edges: str) -> list[np.ndarray]:
    """Return the image, half of it, …, each blurred by 1 4 6 4 1 and rounded; copies that can be changed."""
    result = [image.copy()]
    for _ in range(levels - 1):
        blurred = result[-1].astype(np.float64)
        for axis in (0, 1):
            blurred = correlate1d(blurred, np.array([1, 4, 6, 4, 1]) / 16, axis=axis, mode=edges)
        result.append(np.rint(blurred[::2, ::2]).astype(np.uint8))
    return result
