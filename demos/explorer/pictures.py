"""Arrays as PNG files: the only place where the explorer turns numbers into pixels."""

import base64
import struct
import zlib
from typing import Any

import numpy as np
from matplotlib import colormaps

from minicnn import plot
from minicnn.models.preprocessing import Preprocessing
from minicnn.visualize.grid import tile_images
from minicnn.visualize.units.activations import scale_maps

GAP = 1         # pixels between two maps of a sheet
GAP_GREY = 0.5  # the colour of the gaps, from 0 to 1
NOISE = 10      # factor of the shown change of a fooling picture


def png(picture: np.ndarray) -> bytes:
    """Return a picture, uint8 (H, W) or (H, W, 3), as the bytes of a PNG file.

    The pixels are not compressed: a sheet of maps would take Pillow 70 ms, and the page is on the same machine.
    """
    H, W = picture.shape[:2]
    colour = 0 if picture.ndim == 2 else 2  # grey, or red, green and blue
    rows = np.zeros((H, 1 + picture[0].size), np.uint8)  # each row begins with the number of its filter, 0: none
    rows[:, 1:] = picture.reshape(H, -1)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", W, H, 8, colour, 0, 0, 0)), (b"IDAT", zlib.compress(rows.tobytes(), 0)),
              (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks)


def data_url(picture: np.ndarray) -> str:
    """Return a picture, uint8 (H, W) or (H, W, 3), as the address of an image that holds its PNG file."""
    return "data:image/png;base64," + base64.b64encode(png(picture)).decode("ascii")


def levels(picture: np.ndarray) -> np.ndarray:
    """Return a picture in 0..1 in 8 bits."""
    return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)


def as_maps(activation: np.ndarray) -> np.ndarray:
    """Return the activation of one image as maps (channels, h, w). A layer without maps has maps of one pixel."""
    return activation if activation.ndim == 3 else activation[:, None, None]


def sheet(activation: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Return (the sheet of a layer's maps, uint8; where they are, and the values of black and white of each).

    The value of a pixel is minimum + pixel / 255 (maximum - minimum). A minimum is at most 0. A layer without maps has
    one minimum and one maximum for all its values.
    """
    maps = as_maps(activation)
    count, height, width = maps.shape
    columns = int(np.ceil(count ** 0.5))
    scaled = scale_maps(maps, "channel" if activation.ndim == 3 else "layer")
    whole = activation.reshape(count, -1) if activation.ndim == 3 else np.tile(activation, (count, 1))
    return levels(tile_images(scaled, columns, GAP, GAP_GREY)), {
        "columns": columns, "count": count, "height": height, "width": width, "gap": GAP,
        "maxima": whole.max(axis=1).tolist(), "minima": np.minimum(whole.min(axis=1), 0).tolist()}


def gradient(dx: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Return a gradient to the pixels, (1, C, H, W), in colours around grey, uint8 (H, W, 3)."""
    return levels(plot.gradient_to_colours(preprocessing.to_pixel_directions(dx)[0]))


def hot(saliency: np.ndarray) -> np.ndarray:
    """Return a map of positive values (H, W) from black over red to white, uint8 (H, W, 3)."""
    high = plot.saliency_range(saliency)["vmax"]
    return levels(colormaps["hot"](np.clip(saliency / high, 0, 1))[..., :3])


def signed(values: np.ndarray, percentile: float = 99.5) -> np.ndarray:
    """Return a map (H, W) with red for positive and blue for negative values, uint8 (H, W, 3)."""
    largest = float(np.percentile(np.abs(values), percentile)) or float(np.abs(values).max()) or 1.0
    return levels(colormaps["seismic"](np.clip(values / (2 * largest) + 0.5, 0, 1))[..., :3])


def heat(picture: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return a map (H, W) drawn over a picture of its size, uint8 (H, W, 3)."""
    return levels(plot.overlay(picture, values))


def noise(picture: np.ndarray, original: np.ndarray) -> np.ndarray:
    """Return the change between two pictures, uint8 (H, W, 3), NOISE times enlarged around grey."""
    return np.clip(127 + NOISE * (picture.astype(np.int16) - original), 0, 255).astype(np.uint8)
