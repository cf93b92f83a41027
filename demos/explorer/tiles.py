"""Small pictures of every channel of a layer in one file. The static edition shows them for the weaker channels."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from PIL import Image

from minicnn.errors import InputError
from minicnn.models import Model
from minicnn.visualize import channel_visualization, guided_backprop

from . import pictures
from . import settings as used
from .session import View
from .unit_answers import box

SIDE = 48            # of a tile, pixels: a multiple of 16, so that JPEG's blocks do not cross two tiles
QUALITY = 75         # of JPEG, in percent
SYNTHESIS_SIDE = 64  # of a synthesised image before it becomes a tile, pixels
AT_ONCE = 16         # channels that are synthesised together
COLOURS = "jet"      # of plot.overlay


def sprite(tiles: Sequence[np.ndarray]) -> dict[str, Any]:
    """Return pictures, uint8 (H, W, 3), as tiles of one JPEG file, with its number of columns."""
    columns = int(np.ceil(len(tiles) ** 0.5))
    sheet = Image.new("RGB", (SIDE * columns, SIDE * -(-len(tiles) // columns)), (127, 127, 127))
    for number, tile in enumerate(tiles):
        place = (SIDE * (number % columns), SIDE * (number // columns))
        sheet.paste(Image.fromarray(tile).resize((SIDE, SIDE), Image.Resampling.BICUBIC), place)
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=QUALITY, optimize=True)
    return {"src": "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii"), "side": SIDE,
            "columns": columns}


def guided_tiles(view: View, layer: str) -> dict[str, Any]:
    """Return the guided pictures of all channels of a layer, each cut to the receptive field of its strongest unit."""
    maps, tiles = pictures.as_maps(view.activation(layer)), []
    for channel, values in enumerate(maps):
        row, column = np.unravel_index(values.argmax(), values.shape)
        top, left, bottom, right = box(view, layer, (int(row), int(column)))
        dx = guided_backprop(view.model.net, view.x, layer, channel)
        tiles.append(pictures.gradient(dx, view.model.preprocessing)[top:bottom, left:right])
    return sprite(tiles)


def synthesis_tiles(model: Model, layer: str) -> dict[str, Any]:
    """Return the synthesised images of all channels of a layer, and the number of steps."""
    tiles: list[np.ndarray] = []
    count, side = model.net.shapes()[layer][1], min(SYNTHESIS_SIDE, model.net.input_shape[1])
    for first in range(0, count, AT_ONCE):
        channels = list(range(first, min(first + AT_ONCE, count)))

        def ascend(from_noise: bool, chosen: list[int] = channels) -> np.ndarray:
            settings = used.ascent(model, layer, from_noise).settings
            return channel_visualization(model.net, layer, chosen, model.preprocessing, settings, rng=0, size=side)[0]
        try:
            images = ascend(False)
        except InputError:  # no gradient reaches a grey image
            images = ascend(True)
        tiles += [model.preprocessing.to_image(one) for one in images]
    return sprite(tiles) | {"steps": used.SYNTHESIS_STEPS}


def overlay_colours() -> list[list[int]]:
    """Return the 256 colours of plot.overlay, with which the page draws a recorded map over the photo."""
    return [list(map(int, colour[:3])) for colour in colormaps[COLOURS](np.arange(256), bytes=True)]
