"""Geometry, textures and colours for the pictures in shapes.py.

x goes to the right and y downwards, in pixels. The centre of the first pixel is at (0.5, 0.5).
"""

from collections.abc import Sequence
from colorsys import hsv_to_rgb
from functools import lru_cache
from math import atan2, cos, pi, sin, sqrt

import numpy as np

from minicnn.backend import Array, Generator

CONTRAST = 0.35     # least difference in luma between the two colours of a texture, before lighting
DISTINCTNESS = 0.4  # least RGB distance of both from the mean colour behind the object
EDGE = 0.5          # distance in pixels beyond the outline to which a thing is painted


def window(x: float, y: float, reach: float, size: int) -> tuple[slice, slice, Array, Array]:
    """Return (rows, columns, dx, dy) of the pixels within `reach` of (x, y): slices, distances (1, w), (h, 1)."""
    rows = slice(max(int(y - reach), 0), min(int(y + reach) + 1, size))
    columns = slice(max(int(x - reach), 0), min(int(x + reach) + 1, size))
    centres = pixel_centres(size)
    return rows, columns, centres[None, columns] - x, centres[rows, None] - y


def turned(dx: Array, dy: Array, angle: float) -> tuple[Array, Array]:
    """Return the coordinates along the direction `angle` and across it, two arrays (h, w)."""
    return dx * cos(angle) + dy * sin(angle), dy * cos(angle) - dx * sin(angle)


def place(t: float, tips: list[float], size: int) -> float:
    """Return the position of a centre along an axis: the share t, 0 to 1, of the range in which the tips fit."""
    low, high = 1 - min(tips), size - 1 - max(tips)
    return low + t * (high - low)


def signed_distance(dx: Array, dy: Array, radius: float, corners: int, ratio: float, angle: float) -> Array:
    """Return the distance of each pixel from the nearest edge of the outline, (h, w); negative inside."""
    r = np.sqrt(dx * dx + dy * dy)
    if corners == 0:
        return r - radius
    # Fold all half sectors onto one: phi is 0 towards a tip and `half` towards an inner corner.
    half = pi / corners
    phi = np.arctan2(dy, dx) - angle
    phi = np.abs(phi - 2 * half * np.round(phi / (2 * half)))
    # There the outline is one straight edge from tip to inner corner: r cos(phi - normal) = radius cos(normal).
    normal = atan2(1 - ratio * cos(half), ratio * sin(half))
    return r * np.cos(phi - normal) - radius * cos(normal)


def coverage(distance: Array) -> Array:
    """Return the opacity, (h, w): about the share of each pixel that is covered; half at a distance of EDGE."""
    return np.clip(0.5 + EDGE - distance, 0, 1)


def texture_pattern(texture: str, u: Array, v: Array, period: float) -> Array:
    """Return the share of the second colour, (h, w), at coordinates u, v in periods. Its edges are a pixel wide."""
    if texture == "dotted":
        u, v = u - np.round(u), v - np.round(v)  # from the centre of the nearest dot
        return np.clip(0.5 + period * (0.3 - np.sqrt(u * u + v * v)), 0, 1)
    # A sine that rises from -1 to 1 within a pixel, cut off there: a square wave without aliasing.
    steepness = period / pi
    stripes = np.clip(steepness * np.sin(2 * pi * u), -1, 1)
    if texture == "checked":
        stripes = stripes * np.clip(steepness * np.sin(2 * pi * v), -1, 1)
    return 0.5 + 0.5 * stripes


def texture_colours(rng: Generator, behind: Array) -> Array:
    """Return a light and a dark vivid colour in either order, float32 (2, 3, 1, 1), both far from `behind`, (3,)."""
    background = behind.tolist()
    while True:  # three or four rounds on average
        light_hue, light_s, light_v, dark_hue, dark_s, dark_v, order = rng.random(7).tolist()
        light = hsv_to_rgb(light_hue, 0.05 + 0.85 * light_s, 0.92 + 0.08 * light_v)
        dark = hsv_to_rgb(dark_hue, 0.75 + 0.25 * dark_s, 0.35 + 0.6 * dark_v)
        nearest = min(rgb_distance(light, background), rgb_distance(dark, background))
        if luma(light) - luma(dark) >= CONTRAST and nearest >= DISTINCTNESS:
            pair = (light, dark) if order < 0.5 else (dark, light)
            return np.array(pair, np.float32)[:, :, None, None]


def colour(hue: float, saturation: float, value: float) -> Array:
    """Return a colour, float32 (3, 1, 1)."""
    return np.array(hsv_to_rgb(hue, saturation, value), np.float32)[:, None, None]


def luma(rgb: Sequence[float]) -> float:
    """Return the perceived brightness of a colour, 0 to 1."""
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]


def rgb_distance(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the Euclidean distance of two colours."""
    return sqrt((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2)


def paint(image: Array, rows: slice, columns: slice, alpha: Array, colour: Array) -> None:
    """Paint a colour, (3, 1, 1) or (3, h, w), over a window of the image, in place. alpha : the opacity, (h, w)."""
    pixels = image[:, rows, columns]
    pixels += alpha * (colour - pixels)


def smooth_noise(rng: Generator, cells: int, size: int) -> Array:
    """Return noise from 0 to 1 with hills about size / cells pixels wide, float32 (size, size)."""
    weights = interpolation(cells, size)
    return weights @ rng.random((cells, cells), dtype=np.float32) @ weights.T


@lru_cache
def interpolation(cells: int, size: int) -> Array:
    """Return the weights, (size, cells), that interpolate `cells` values over an axis by cosines."""
    at = np.linspace(0, cells - 1, size, dtype=np.float32)[:, None]
    distance = np.minimum(np.abs(at - np.arange(cells, dtype=np.float32)), 1)
    return 0.5 + 0.5 * np.cos(pi * distance)


@lru_cache
def pixel_centres(size: int) -> Array:
    """Return the positions of the pixels' centres along an axis, float32 (size,)."""
    return np.arange(size, dtype=np.float32) + 0.5
