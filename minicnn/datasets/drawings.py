"""Pictures drawn in code for style transfer: a landscape, and four painting styles."""

from itertools import product
from typing import Any

import numpy as np

from minicnn.backend import Array, Generator
from minicnn.errors import unknown_name

__all__ = ["STYLES", "draw_scene", "draw_style"]


def draw_scene(size: int = 96) -> Array:
    """Return a house in front of hills under a sun, uint8 (size, size, 3).

    Noise like rough paper covers it: flat colours would leave dead ReLUs, which pass no gradient to the image.

    >>> draw_scene().shape
    (96, 96, 3)
    """
    y, x = np.mgrid[:size, :size] / size
    image = _mix(y[..., None] * 1.6, (0.35, 0.55, 0.85), (0.85, 0.88, 0.9))
    _paint(image, 0.12 - np.hypot(y - 0.2, x - 0.76), (0.99, 0.86, 0.35))
    _paint(image, y - 0.55 - 0.1 * np.sin(5 * x + 0.6), (0.32, 0.45, 0.42))
    _paint(image, y - 0.66 + 0.05 * np.sin(4 * x + 2), (0.36, 0.52, 0.24))
    _paint(image, np.minimum(0.028 - abs(x - 0.2), np.minimum(y - 0.45, 0.8 - y)), (0.33, 0.22, 0.14))
    _paint(image, 0.14 - np.hypot((y - 0.4) * 0.8, x - 0.2), (0.16, 0.36, 0.17))
    _paint(image, np.minimum(0.16 - abs(x - 0.6), 0.13 - abs(y - 0.67)), (0.88, 0.8, 0.68))
    _paint(image, np.minimum(y - 0.38 - 0.8 * abs(x - 0.6), 0.56 - y), (0.66, 0.24, 0.18))
    _paint(image, np.minimum(0.035 - abs(x - 0.6), np.minimum(y - 0.65, 0.8 - y)), (0.4, 0.25, 0.17))
    for centre in (0.51, 0.69):
        _paint(image, np.minimum(0.03 - abs(x - centre), 0.03 - abs(y - 0.63)), (0.3, 0.4, 0.55))
    image += 0.047 * np.random.default_rng(5).standard_normal((size, size, 1))
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)


def draw_style(name: str, rng: Generator, size: int = 96) -> Array:
    """Return a sample of the style `name`, one of STYLES, as uint8 (size, size, 3).

    Raises UnknownNameError for another name.

    >>> draw_style("dots", rng).shape
    (96, 96, 3)
    """
    if name not in STYLES:
        raise unknown_name("drawn style", name, STYLES)
    y, x = np.mgrid[:size, :size].astype(float)
    return np.rint(255 * np.clip(STYLES[name](y, x, rng), 0, 1)).astype(np.uint8)


# Each function takes the pixels' coordinates y and x, (H, W), and returns colours from 0 to 1, (H, W, 3).

def _strokes(y: Array, x: Array, rng: Generator) -> Array:
    """Short thick strokes in blue and yellow that whirl around two centres."""
    H, W = y.shape
    image = np.full((H, W, 3), (0.12, 0.2, 0.45))
    palette = np.array([(0.1, 0.18, 0.5), (0.2, 0.4, 0.75), (0.5, 0.7, 0.85), (0.95, 0.85, 0.4), (0.9, 0.93, 0.85)])
    for _ in range(H * W // 14):
        cy, cx = rng.uniform(0, H), rng.uniform(0, W)
        angle = np.arctan2(cy - 0.4 * H, cx - 0.35 * W) + np.pi / 2 + rng.normal(0, 0.15)
        colour = palette[rng.choice(5, p=(0.27, 0.3, 0.23, 0.12, 0.08))] + rng.normal(0, 0.03, 3)
        rows, columns = (slice(max(0, int(c) - 9), int(c) + 10) for c in (cy, cx))
        dy, dx = y[rows, columns] - cy, x[rows, columns] - cx
        along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        _paint(image[rows, columns], 1 - np.hypot(along / 7, across / 1.5), colour, softness=0.5)
    return image


def _dots(y: Array, x: Array, rng: Generator) -> Array:
    """Points of pure colour close to each other."""
    H, W = y.shape
    image = np.full((H, W, 3), (0.95, 0.92, 0.8))
    palette = np.array([(0.85, 0.3, 0.2), (0.95, 0.7, 0.2), (0.2, 0.5, 0.65), (0.25, 0.55, 0.3)])
    for _ in range(H * W // 16):
        cy, cx = rng.uniform(0, H), rng.uniform(0, W)
        rows, columns = (slice(max(0, int(c) - 4), int(c) + 5) for c in (cy, cx))
        distance = np.hypot(y[rows, columns] - cy, x[rows, columns] - cx)
        _paint(image[rows, columns], 2.3 - distance, palette[rng.integers(4)] + rng.normal(0, 0.04, 3), softness=1)
    return image


def _stripes(y: Array, x: Array, rng: Generator) -> Array:
    """Slanting wavy stripes of two colours, as on a woven cloth."""
    across = x * 0.8 + y * 0.6 + 1.5 * np.sin(y / 9 + rng.uniform(0, 6.3)) + 1.5 * np.sin(x / 13 + rng.uniform(0, 6.3))
    thread = 0.06 * np.sin(np.pi * x / 2)[..., None] * np.sin(np.pi * y / 2)[..., None]
    return _mix((0.5 + 1.2 * np.sin(across * 2 * np.pi / 9))[..., None], (0.7, 0.13, 0.2), (0.97, 0.83, 0.5)) + thread


def _glass(y: Array, x: Array, rng: Generator) -> Array:
    """Panes of green and violet glass with leading between them."""
    H, W = y.shape
    nearest, second = np.full((2, H, W), np.inf)
    image = np.zeros((H, W, 3))
    palette = np.array([(0.05, 0.45, 0.3), (0.2, 0.65, 0.4), (0.6, 0.85, 0.6), (0.4, 0.15, 0.55), (0.65, 0.4, 0.75)])
    for cy, cx in product(range(-8, H + 16, 15), range(-8, W + 16, 15)):
        cy, cx = rng.normal((cy, cx), 5)
        distance = np.hypot(y - cy, x - cx)
        colour = palette[rng.integers(5)] + rng.normal(0, 0.04, 3)
        image[distance < nearest] = colour
        second = np.minimum(second, np.maximum(distance, nearest))
        nearest = np.minimum(distance, nearest)
    image += 0.12 * (1 - nearest / nearest.max())[..., None]  # the middle of a pane is brighter
    _paint(image, 1.6 - (second - nearest), (0.05, 0.04, 0.07), softness=1.5)
    return image


STYLES = {"strokes": _strokes, "dots": _dots, "stripes": _stripes, "glass": _glass}


def _mix(share: Array, first: tuple[float, ...], second: tuple[float, ...]) -> Array:
    """Return a mixture of two colours. share : of the second colour, (H, W, 1)."""
    return np.array(first) + np.clip(share, 0, 1) * (np.array(second) - np.array(first))


def _paint(image: Array, inside: Array, colour: Any, softness: float = 0.015) -> None:
    """Paint a colour over the image, in place, where `inside`, (H, W), is above 0. softness : width of the edge."""
    share = np.clip(inside / softness + 0.5, 0, 1)[..., None]
    image += share * (np.array(colour) - image)
