"""Labelled pictures drawn in code: a textured shape on a cluttered background, with its exact mask.

Each picture is painted from back to front: a smooth background, plain clutter, the object, and the light. Only the
object has stripes, checks or dots, so only the object determines the class.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin, sqrt

import numpy as np

from minicnn.backend import Array, Generator
from minicnn.datasets.painting import (
    EDGE,
    colour,
    coverage,
    paint,
    pixel_centres,
    place,
    signed_distance,
    smooth_noise,
    texture_colours,
    texture_pattern,
    turned,
    window,
)
from minicnn.errors import InputError
from minicnn.models.preprocessing import Preprocessing

__all__ = ["CLASSES", "PREPROCESSING", "ShapeBatches", "draw_shape", "draw_shapes"]

PREPROCESSING = Preprocessing("RGB", 1 / 255, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), 64, 64)

SHAPES = ("disc", "square", "triangle", "star")
TEXTURES = ("striped", "checked", "dotted")
CLASSES = tuple(f"{texture} {shape}" for shape in SHAPES for texture in TEXTURES)

# Number of tips, and the radius of the inner corners between them relative to the tips'. A disc has no tips.
OUTLINES = {"disc": (0, 1.0), "square": (4, cos(pi / 4)), "triangle": (3, cos(pi / 3)), "star": (5, 0.45)}
# Shortest and longest period, in pixels of a 64x64 picture. A check is half a period and needs 3 pixels.
PERIODS = {"striped": (4.5, 8.0), "checked": (6.5, 8.5), "dotted": (5.5, 8.0)}
AREA = (0.1, 0.28)        # of the object, relative to the picture
NOISE = 0.012             # standard deviation of the sensor noise; colours go from 0 to 1


def draw_shape(label: int, rng: Generator, size: int = 64) -> tuple[Array, Array]:
    """Return (image, mask) of a picture of class CLASSES[label], uint8 (size, size, 3) and bool (size, size).

    Raises InputError if there is no such class.

    >>> image, mask = draw_shape(0, rng)
    >>> image.shape, mask.shape
    ((64, 64, 3), (64, 64))
    """
    if not 0 <= label < len(CLASSES):
        raise InputError(f"no class {label}; labels go from 0 to {len(CLASSES) - 1}")
    image = _background(rng, size)  # (3, size, size)
    noise = smooth_noise(rng, 14, size)
    for _ in range(rng.integers(4, 9)):
        _add_clutter(image, noise, rng)
    mask = _add_object(image, SHAPES[label // len(TEXTURES)], TEXTURES[label % len(TEXTURES)], rng)
    _add_light(image, rng)
    image = np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(image.transpose(1, 2, 0)), mask  # (size, size, 3), (size, size)


def draw_shapes(labels: Sequence[int] | Array, rng: Generator, size: int = 64) -> tuple[Array, Array]:
    """Return (images, masks) for N labels, uint8 (N, size, size, 3) and bool (N, size, size).

    >>> draw_shapes([0, 5], rng)[0].shape
    (2, 64, 64, 3)
    """
    images = np.empty((len(labels), size, size, 3), np.uint8)
    masks = np.empty((len(labels), size, size), bool)
    for i, label in enumerate(labels):
        images[i], masks[i] = draw_shape(label, rng, size)
    return images, masks


@dataclass(frozen=True)
class ShapeBatches:
    """An endless training set: `batches(step)` draws a batch that depends on (seed, step) alone.

    noise : the largest standard deviation of normal noise that is added to x. Each picture has its own.
    """

    batch_size: int
    seed: int
    size: int = 64
    noise: float = 0.0

    def __call__(self, step: int) -> tuple[Array, Array]:
        """Return (x, labels) of batch number `step`: x float32 (N, 3, size, size), -2 to 2 plus noise; labels (N,)."""
        rng = np.random.default_rng([self.seed, step])
        labels = rng.integers(len(CLASSES), size=self.batch_size)
        images, _ = draw_shapes(labels, rng, self.size)
        x = PREPROCESSING.to_input(images)
        if self.noise:
            strength = rng.uniform(0, self.noise, (self.batch_size, 1, 1, 1)).astype(np.float32)
            x += strength * rng.standard_normal(x.shape, np.float32)
        return x, labels


# The layers of the picture, back to front. Images are float32 (3, H, W), from 0 to 1, painted in place.

def _background(rng: Generator, size: int) -> Array:
    """Return a smooth mixture of two muted colours of similar hue, float32 (3, size, size)."""
    tone, hue, turn, *rest = rng.random(7).tolist()
    # Pastel or dark: colours between them look like mud.
    saturation, value = (0.15, 0.78) if tone < 0.6 else (0.35, 0.28)
    first = colour(hue, saturation + 0.3 * rest[0], value + 0.2 * rest[1])
    second = colour(hue + 0.3 * (turn - 0.5), saturation + 0.3 * rest[2], value + 0.2 * rest[3])
    return first + (second - first) * smooth_noise(rng, 4, size)


def _add_clutter(image: Array, noise: Array, rng: Generator) -> None:
    """Paint one plain thing at a random place: a patch of soft noise, a soft blob, a line or a small polygon."""
    size = image.shape[-1]
    kind, x, y, angle, long, thin, *hsv = rng.random(9).tolist()
    x, y, angle = x * size, y * size, angle * 2 * pi
    shade = colour(hsv[0], 0.25 + 0.65 * hsv[1], 0.35 + 0.6 * hsv[2])
    if kind < 0.5:
        length, width = size * (0.08 + 0.1 * long), size * (0.06 + 0.06 * thin)
        rows, columns, dx, dy = window(x, y, 1.16 * length, size)
        u, v = turned(dx, dy, angle)
        alpha = np.clip(1.6 - 1.2 * ((u / length) ** 2 + (v / width) ** 2), 0, 1)
        if kind < 0.2:
            shade = shade + 0.5 * (noise[rows, columns] - 0.5)
    elif kind < 0.75:
        length, width = size * (0.07 + 0.15 * long), size * (0.01 + 0.015 * thin)
        rows, columns, dx, dy = window(x, y, length + 2, size)
        u, v = turned(dx, dy, angle)
        alpha = coverage(np.maximum(np.abs(u) - length, np.abs(v) - width))
    else:
        radius, corners = size * (0.05 + 0.05 * long), 3 + int(4 * thin)
        rows, columns, dx, dy = window(x, y, radius + 3, size)
        alpha = coverage(signed_distance(dx, dy, radius, corners, cos(pi / corners), angle))
    paint(image, rows, columns, alpha, shade)


def _add_object(image: Array, shape: str, texture: str, rng: Generator) -> Array:
    """Paint the object and return its mask, bool (H, W): the pixels that it covers by at least half."""
    size = image.shape[-1]
    corners, ratio = OUTLINES[shape]
    area, x, y, angle, stretch, slant, phase_u, phase_v = rng.random(8).tolist()
    angle, slant = angle * 2 * pi, slant * 2 * pi

    # n tips at radius R and n inner corners at ratio R make 2n triangles of area ratio R^2 sin(pi/n) / 2.
    area = size * size * (AREA[0] + (AREA[1] - AREA[0]) * area)
    radius = sqrt(area / (corners * ratio * sin(pi / corners) if corners else pi))

    # At a random place at which each tip is at least a pixel from the border.
    tips = [angle + 2 * pi * k / corners for k in range(corners)] or [0, pi / 2, pi, 3 * pi / 2]
    x = place(x, [radius * cos(tip) for tip in tips], size)
    y = place(y, [radius * sin(tip) for tip in tips], size)
    rows, columns, dx, dy = window(x, y, radius + 3, size)
    distance = signed_distance(dx, dy, radius, corners, ratio, angle)

    # Three periods fit even into the smallest object.
    shortest, longest = (period * size / 64 for period in PERIODS[texture])
    period = shortest + stretch * (min(longest, sqrt(area) / 3) - shortest)
    u, v = turned(dx, dy, slant)
    pattern = texture_pattern(texture, u / period + phase_u, v / period + phase_v, period)

    first, second = texture_colours(rng, image.mean(axis=(1, 2)))
    paint(image, rows, columns, coverage(distance), first + (second - first) * pattern)
    mask = np.zeros((size, size), bool)
    mask[rows, columns] = distance <= EDGE
    return mask


def _add_light(image: Array, rng: Generator) -> None:
    """Light the picture from one side and add the noise of a sensor."""
    size = image.shape[-1]
    strength, angle = rng.random(2).tolist()
    axis = (pixel_centres(size) / size - 0.5) * (0.5 * strength)
    image *= 1 + axis * cos(2 * pi * angle) + axis[:, None] * sin(2 * pi * angle)
    # Uniform noise of the same standard deviation takes a fifth of the time of normal noise and looks the same.
    image += (rng.random(image.shape, dtype=np.float32) - 0.5) * (NOISE * sqrt(12))
