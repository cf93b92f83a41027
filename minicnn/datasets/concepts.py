"""Drawn pictures with the exact mask of every concept in them: the shape, the texture, and the colours.

Labels of photos are drawn by hand. Here the program that paints a picture knows them exactly.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minicnn.backend import Array, Generator
from minicnn.datasets.shapes import SHAPES, TEXTURES, draw_shapes
from minicnn.errors import InputError

COLOURS = ("red", "yellow", "green", "cyan", "blue", "magenta", "white", "dark")  # the first six at 0, 60, … degrees
VIVID = 0.5    # least saturation and value of a pixel that has one of the six hues
PALE = 0.25    # largest saturation of white
BRIGHT = 0.85  # least value of white
DARK = 0.35    # largest value of a dark pixel


class Concept(NamedTuple):
    """A thing that a picture shows: its name, such as "striped", and its kind: "shape", "texture" or "colour"."""

    name: str
    kind: str


CONCEPTS = (*(Concept(name, "shape") for name in SHAPES), *(Concept(name, "texture") for name in TEXTURES),
            *(Concept(name, "colour") for name in COLOURS))


def draw_concepts(labels: Sequence[int] | Array, rng: Generator, size: int = 64) -> tuple[Array, Array]:
    """Return (images, masks) for N labels: uint8 (N, size, size, 3), and bool (N, K, size, size), in order of CONCEPTS.

    The pictures are those of `draw_shapes`. The mask of a shape or of a texture is the object's mask in the pictures of
    its classes, and empty in all others. The mask of a colour holds the pixels of this colour, also in the background.

    >>> images, masks = draw_concepts([0, 5], rng)
    >>> images.shape, masks.shape
    ((2, 64, 64, 3), (2, 15, 64, 64))
    """
    images, objects = draw_shapes(labels, rng, size)
    numbers = np.asarray(labels)
    of_shapes = numbers[:, None] // len(TEXTURES) == np.arange(len(SHAPES))     # (N, 4)
    of_textures = numbers[:, None] % len(TEXTURES) == np.arange(len(TEXTURES))  # (N, 3)
    shown = np.concatenate([of_shapes, of_textures], axis=1)                    # (N, 7)
    return images, np.concatenate([shown[:, :, None, None] & objects[:, None], colour_masks(images)], axis=1)


def colour_masks(images: Array) -> Array:
    """Return the masks of COLOURS, bool (N, 8, H, W), in pictures, uint8 (N, H, W, 3). Grey pixels are in no mask.

    >>> colour_masks(np.array([[[[255, 0, 0], [90, 90, 90]]]], np.uint8))[0, 0]
    array([[ True, False]])
    """
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise InputError(f"expected pictures of type uint8 and shape (N, H, W, 3), got {images.dtype} {images.shape}")
    red, green, blue = np.moveaxis(images.astype(np.float32) / 255, -1, 0)
    value = np.maximum(np.maximum(red, green), blue)
    chroma = value - np.minimum(np.minimum(red, green), blue)
    saturation = chroma / np.maximum(value, 1e-6)
    # The hue is the angle of the colour in the plane across the grey axis: red at 0, green at 120, blue at 240 degrees.
    hue = np.degrees(np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue))
    sector = np.round(hue / 60) % 6
    vivid = (saturation >= VIVID) & (value >= VIVID)
    masks = [vivid & (sector == number) for number in range(6)]
    masks += [(saturation <= PALE) & (value >= BRIGHT), value <= DARK]
    return np.stack(masks, axis=1)
