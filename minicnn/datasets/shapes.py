"""The project's own labelled pictures: a textured shape on a cluttered background, with its exact mask.

Each picture is painted from back to front, like a poster: a smooth background, plain clutter, the object, and
at last the light on it all. Only the object carries stripes, checks or dots, so only the object decides.
"""

from colorsys import hsv_to_rgb
from dataclasses import dataclass
from functools import lru_cache
from math import atan2, cos, pi, sin, sqrt

import numpy as np

from minicnn.errors import InputError
from minicnn.models.preprocessing import Preprocessing

__all__ = ["CLASSES", "PREPROCESSING", "ShapeBatches", "draw_shape", "draw_shapes"]

PREPROCESSING = Preprocessing("RGB", 1 / 255, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), 64, 64)

SHAPES = ("disc", "square", "triangle", "star")
TEXTURES = ("striped", "checked", "dotted")
CLASSES = tuple(f"{texture} {shape}" for shape in SHAPES for texture in TEXTURES)

# Tips, and the radius of the inner corners between them as a part of the tips'; a disc has no tips.
OUTLINES = {"disc": (0, 1.0), "square": (4, cos(pi / 4)), "triangle": (3, cos(pi / 3)), "star": (5, 0.45)}
# Shortest and longest period, in pixels of a 64x64 picture. A check is half a period, and needs its 3 pixels.
PERIODS = {"striped": (4.5, 8.0), "checked": (6.5, 8.5), "dotted": (5.5, 8.0)}
AREA = (0.1, 0.28)        # of the object's outline, as a part of the picture
CONTRAST = 0.35           # least difference in luma between the two colours of a texture, before lighting
DISTINCTNESS = 0.4        # least RGB distance of both from the mean colour of what is behind the object
EDGE = 0.5                # how far, in pixels, a thing is painted beyond its outline
NOISE = 0.012             # standard deviation of the sensor noise; colours go from 0 to 1


def draw_shape(label, rng, size=64):
    """One picture of class CLASSES[label] -> image uint8 (size, size, 3), mask bool (size, size)."""
    if not 0 <= label < len(CLASSES):
        raise InputError(f"no class {label}; labels go from 0 to {len(CLASSES) - 1}")
    image = _background(rng, size)  # (3, size, size)
    noise = _smooth_noise(rng, 14, size)
    for _ in range(rng.integers(4, 9)):
        _add_clutter(image, noise, rng)
    mask = _add_object(image, SHAPES[label // len(TEXTURES)], TEXTURES[label % len(TEXTURES)], rng)
    _add_light(image, rng)
    image = np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(image.transpose(1, 2, 0)), mask  # (size, size, 3), (size, size)


def draw_shapes(labels, rng, size=64):
    """A picture for each of N labels -> images uint8 (N, size, size, 3), masks bool (N, size, size)."""
    images = np.empty((len(labels), size, size, 3), np.uint8)
    masks = np.empty((len(labels), size, size), bool)
    for i, label in enumerate(labels):
        images[i], masks[i] = draw_shape(label, rng, size)
    return images, masks


@dataclass(frozen=True)
class ShapeBatches:
    """An endless training set, drawn as it is asked for: `batches(step)` depends on (seed, step) alone.

    noise : the most normal noise that is added to x, its standard deviation drawn anew for every picture.
    """
    batch_size: int
    seed: int
    size: int = 64
    noise: float = 0.0

    def __call__(self, step):
        """Batch number `step` -> x float32 (N, 3, size, size), -2 to 2 but for the noise, and labels int64 (N,)."""
        rng = np.random.default_rng([self.seed, step])
        labels = rng.integers(len(CLASSES), size=self.batch_size)
        images, _ = draw_shapes(labels, rng, self.size)
        x = PREPROCESSING.to_input(images)
        if self.noise:
            strength = rng.uniform(0, self.noise, (self.batch_size, 1, 1, 1)).astype(np.float32)
            x += strength * rng.standard_normal(x.shape, np.float32)
        return x, labels


# The layers of the picture, back to front. Images here are float32 (3, H, W), from 0 to 1, painted in place.

def _background(rng, size):
    """Two muted colours of neighbouring hues that melt into each other, float32 (3, size, size)."""
    tone, hue, turn, *rest = rng.random(7).tolist()
    # Pastel or deep: what lies between looks like mud.
    saturation, value = (0.15, 0.78) if tone < 0.6 else (0.35, 0.28)
    first = _colour(hue, saturation + 0.3 * rest[0], value + 0.2 * rest[1])
    second = _colour(hue + 0.3 * (turn - 0.5), saturation + 0.3 * rest[2], value + 0.2 * rest[3])
    return first + (second - first) * _smooth_noise(rng, 4, size)


def _add_clutter(image, noise, rng):
    """Paints one plain thing anywhere: a patch of soft noise, a soft blob, a line or a small polygon."""
    size = image.shape[-1]
    kind, x, y, angle, long, thin, *hsv = rng.random(9).tolist()
    x, y, angle = x * size, y * size, angle * 2 * pi
    colour = _colour(hsv[0], 0.25 + 0.65 * hsv[1], 0.35 + 0.6 * hsv[2])
    if kind < 0.5:
        length, width = size * (0.08 + 0.1 * long), size * (0.06 + 0.06 * thin)
        rows, columns, dx, dy = _window(x, y, 1.16 * length, size)
        u, v = _turned(dx, dy, angle)
        alpha = np.clip(1.6 - 1.2 * ((u / length) ** 2 + (v / width) ** 2), 0, 1)
        if kind < 0.2:
            colour = colour + 0.5 * (noise[rows, columns] - 0.5)
    elif kind < 0.75:
        length, width = size * (0.07 + 0.15 * long), size * (0.01 + 0.015 * thin)
        rows, columns, dx, dy = _window(x, y, length + 2, size)
        u, v = _turned(dx, dy, angle)
        alpha = _coverage(np.maximum(np.abs(u) - length, np.abs(v) - width))
    else:
        radius, corners = size * (0.05 + 0.05 * long), 3 + int(4 * thin)
        rows, columns, dx, dy = _window(x, y, radius + 3, size)
        alpha = _coverage(_signed_distance(dx, dy, radius, corners, cos(pi / corners), angle))
    _paint(image, rows, columns, alpha, colour)


def _add_object(image, shape, texture, rng):
    """Paints the object -> its mask, bool (H, W): the pixels that it covers at least by half."""
    size = image.shape[-1]
    corners, ratio = OUTLINES[shape]
    area, x, y, angle, stretch, slant, phase_u, phase_v = rng.random(8).tolist()
    angle, slant = angle * 2 * pi, slant * 2 * pi

    # n tips at radius R and n inner corners at ratio R make 2n triangles of area ratio R^2 sin(pi/n) / 2.
    area = size * size * (AREA[0] + (AREA[1] - AREA[0]) * area)
    radius = sqrt(area / (corners * ratio * sin(pi / corners) if corners else pi))

    # Anywhere, as long as every tip stays a pixel away from the border.
    tips = [angle + 2 * pi * k / corners for k in range(corners)] or [0, pi / 2, pi, 3 * pi / 2]
    x = _place(x, [radius * cos(tip) for tip in tips], size)
    y = _place(y, [radius * sin(tip) for tip in tips], size)
    rows, columns, dx, dy = _window(x, y, radius + 3, size)
    distance = _signed_distance(dx, dy, radius, corners, ratio, angle)

    # However small the object is, three periods fit in.
    shortest, longest = (period * size / 64 for period in PERIODS[texture])
    period = shortest + stretch * (min(longest, sqrt(area) / 3) - shortest)
    u, v = _turned(dx, dy, slant)
    pattern = _pattern(texture, u / period + phase_u, v / period + phase_v, period)

    first, second = _texture_colours(rng, image.mean(axis=(1, 2)))
    _paint(image, rows, columns, _coverage(distance), first + (second - first) * pattern)
    mask = np.zeros((size, size), bool)
    mask[rows, columns] = distance <= EDGE
    return mask


def _add_light(image, rng):
    """Lights the picture from one side, and adds the noise of a sensor."""
    size = image.shape[-1]
    strength, angle = rng.random(2).tolist()
    axis = (_pixel_centres(size) / size - 0.5) * (0.5 * strength)
    image *= 1 + axis * cos(2 * pi * angle) + axis[:, None] * sin(2 * pi * angle)
    # Uniform numbers of the right spread: they take a fifth of the time of normal ones, and look the same.
    image += (rng.random(image.shape, dtype=np.float32) - 0.5) * (NOISE * sqrt(12))


# Geometry: x goes to the right and y downwards, in pixels; the centre of the first pixel is at (0.5, 0.5).

def _window(x, y, reach, size):
    """The pixels within `reach` of (x, y): two slices, and where they lie from there, (1, w) and (h, 1)."""
    rows = slice(max(int(y - reach), 0), min(int(y + reach) + 1, size))
    columns = slice(max(int(x - reach), 0), min(int(x + reach) + 1, size))
    centres = _pixel_centres(size)
    return rows, columns, centres[None, columns] - x, centres[rows, None] - y


def _turned(dx, dy, angle):
    """Coordinates along the direction `angle` and across it, two arrays (h, w)."""
    return dx * cos(angle) + dy * sin(angle), dy * cos(angle) - dx * sin(angle)


def _place(t, tips, size):
    """Where the centre goes along an axis: t, from 0 to 1, of the way that a shape with these tips has."""
    low, high = 1 - min(tips), size - 1 - max(tips)
    return low + t * (high - low)


def _signed_distance(dx, dy, radius, corners, ratio, angle):
    """How far each pixel lies outside the outline's nearest edge, negative inside, (h, w)."""
    r = np.sqrt(dx * dx + dy * dy)
    if corners == 0:
        return r - radius
    # Fold all half sectors onto one: phi is 0 towards a tip and `half` towards an inner corner.
    half = pi / corners
    phi = np.arctan2(dy, dx) - angle
    phi = np.abs(phi - 2 * half * np.round(phi / (2 * half)))
    # There the outline is one straight edge, tip to inner corner: r cos(phi - normal) = radius cos(normal).
    normal = atan2(1 - ratio * cos(half), ratio * sin(half))
    return r * np.cos(phi - normal) - radius * cos(normal)


def _coverage(distance):
    """How opaque a thing is, (h, w): about the share of each pixel that it covers, half at a distance of EDGE."""
    return np.clip(0.5 + EDGE - distance, 0, 1)


# Texture and colour.

def _pattern(texture, u, v, period):
    """The share of the second colour, (h, w), at coordinates u, v in periods; its edges are a pixel wide."""
    if texture == "dotted":
        u, v = u - np.round(u), v - np.round(v)  # from the centre of the nearest dot
        return np.clip(0.5 + period * (0.3 - np.sqrt(u * u + v * v)), 0, 1)
    # A sine so steep that it goes from -1 to 1 within a pixel, cut off there: a square wave without jaggies.
    steepness = period / pi
    stripes = np.clip(steepness * np.sin(2 * pi * u), -1, 1)
    if texture == "checked":
        stripes = stripes * np.clip(steepness * np.sin(2 * pi * v), -1, 1)
    return 0.5 + 0.5 * stripes


def _texture_colours(rng, behind):
    """A light and a dark vivid colour in either order, float32 (2, 3, 1, 1), both far from `behind` (3,)."""
    behind = behind.tolist()
    while True:  # three or four rounds on the average
        light_hue, light_s, light_v, dark_hue, dark_s, dark_v, order = rng.random(7).tolist()
        light = hsv_to_rgb(light_hue, 0.05 + 0.85 * light_s, 0.92 + 0.08 * light_v)
        dark = hsv_to_rgb(dark_hue, 0.75 + 0.25 * dark_s, 0.35 + 0.6 * dark_v)
        nearest = min(_rgb_distance(light, behind), _rgb_distance(dark, behind))
        if _luma(light) - _luma(dark) >= CONTRAST and nearest >= DISTINCTNESS:
            pair = (light, dark) if order < 0.5 else (dark, light)
            return np.array(pair, np.float32)[:, :, None, None]


def _colour(hue, saturation, value):
    """A colour, float32 (3, 1, 1)."""
    return np.array(hsv_to_rgb(hue, saturation, value), np.float32)[:, None, None]


def _luma(rgb):
    """How bright a colour looks, from 0 to 1."""
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]


def _rgb_distance(a, b):
    """The Euclidean distance of two colours."""
    return sqrt((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2)


def _paint(image, rows, columns, alpha, colour):
    """Lays a colour, (3, 1, 1) or (3, h, w), over a window of the image, as opaque as alpha (h, w) says."""
    window = image[:, rows, columns]
    window += alpha * (colour - window)


def _smooth_noise(rng, cells, size):
    """Noise from 0 to 1 with hills about size / cells pixels wide, float32 (size, size)."""
    weights = _interpolation(cells, size)
    return weights @ rng.random((cells, cells), dtype=np.float32) @ weights.T


@lru_cache
def _interpolation(cells, size):
    """Weights that spread `cells` values over an axis, a cosine from each to the next, (size, cells)."""
    at = np.linspace(0, cells - 1, size, dtype=np.float32)[:, None]
    distance = np.minimum(np.abs(at - np.arange(cells, dtype=np.float32)), 1)
    return 0.5 + 0.5 * np.cos(pi * distance)


@lru_cache
def _pixel_centres(size):
    """Where the centres of the pixels lie along an axis, float32 (size,)."""
    return np.arange(size, dtype=np.float32) + 0.5
