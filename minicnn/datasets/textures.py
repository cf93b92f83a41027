"""Textures drawn in code: samples for texture synthesis."""

from typing import Any

import numpy as np

from minicnn.backend import Array, Generator
from minicnn.errors import unknown_name

__all__ = ["TEXTURES", "draw_checks", "draw_texture"]


def draw_texture(name: str, rng: Generator, size: int = 64) -> Array:
    """Return the texture `name`, one of TEXTURES, as uint8 (size, size, 3).

    Raises UnknownNameError for another name.

    >>> draw_texture("bricks", rng).shape
    (64, 64, 3)
    """
    if name not in TEXTURES:
        raise unknown_name("texture", name, TEXTURES)
    y, x = np.mgrid[:size, :size] + 0.5
    return np.clip(255 * TEXTURES[name](y, x, rng) + 0.5, 0, 255).astype(np.uint8)


def draw_checks(H: int, W: int, side: int) -> Array:
    """Return a checkerboard of squares of `side` pixels as uint8 (H, W, 3). The first square is black.

    >>> draw_checks(2, 2, 1)[..., 0]
    array([[  0, 255],
           [255,   0]], dtype=uint8)
    """
    y, x = np.mgrid[:H, :W] // side
    return np.repeat((255 * ((y + x) % 2)).astype(np.uint8)[..., None], 3, axis=2)


# Each function takes the pixels' coordinates y and x, (H, W), and returns colours from 0 to 1, (H, W, 3).

def _bricks(y: Array, x: Array, rng: Generator) -> Array:
    """A wall in running bond. Each brick has its own shade."""
    course, height, width, joint = (y // 10).astype(int), 10, 20, 1.6
    along = x + (course % 2) * width / 2 + 3
    shade = rng.uniform(0.75, 1.1, (course.max() + 1, int(along.max() // width) + 1))
    mortar = (y % height < joint) | (along % width < joint)
    colour = np.array([0.66, 0.27, 0.2]) * shade[course, (along // width).astype(int)][..., None]
    return np.where(mortar[..., None], [0.78, 0.75, 0.7], colour) + rng.normal(0, 0.025, (*y.shape, 1))


def _scales(y: Array, x: Array, rng: Generator) -> Array:
    """A reptile's skin: cells around points of a jittered hexagonal grid, lighter in their middle."""
    step = 9.0
    row, column = np.mgrid[-1:y.shape[0] // 7 + 3, -1:y.shape[1] // 9 + 3]
    points = np.stack([row * step * 0.8, column * step + row % 2 * step / 2], axis=-1).reshape(-1, 2)
    points = points + rng.uniform(-1.8, 1.8, points.shape)
    squared = (y[..., None] - points[:, 0])**2 + (x[..., None] - points[:, 1])**2
    first, second = np.sqrt(np.partition(squared, 1, axis=-1)[..., :2]).transpose(2, 0, 1)
    light = np.clip((second - first) / 2.2, 0, 1) * (1 - 0.06 * first)  # 0 on the border of two cells
    return np.array([0.1, 0.11, 0.06]) + light[..., None] * np.array([0.62, 0.66, 0.3])


def _wood(y: Array, x: Array, rng: Generator) -> Array:
    """Planed wood: wavy rings of a trunk that is cut lengthwise, with short pores."""
    wave: Any = sum(rng.uniform(0.5, 2) * np.sin(y / rng.uniform(9, 30) + rng.uniform(0, 6.3)) for _ in range(3))
    ring = 0.5 + 0.5 * np.sin((x + wave) * 0.9 + 2 * np.sin((x + wave) * 0.17))
    pores = rng.random(y.shape) < 0.03
    pores = pores | np.roll(pores, 1, axis=0) | np.roll(pores, 2, axis=0)
    light = 0.62 + 0.3 * ring**2 - 0.14 * pores
    return light[..., None] * np.array([0.95, 0.66, 0.38])


def _weave(y: Array, x: Array, rng: Generator) -> Array:
    """A basket: strips that cross over and under each other."""
    period = 8
    over = ((y // period) + (x // period)) % 2 == 0
    across = np.where(over, y, x) % period / period
    light = np.sin(np.pi * across)**0.7 * (0.75 + 0.25 * np.sin(np.pi * (np.where(over, x, y) % period) / period))
    colour = np.where(over[..., None], [0.93, 0.8, 0.5], [0.75, 0.52, 0.27])
    return (0.15 + 0.85 * light[..., None]) * colour + rng.normal(0, 0.02, (*y.shape, 1))


TEXTURES = {"scales": _scales, "bricks": _bricks, "wood": _wood, "weave": _weave}
