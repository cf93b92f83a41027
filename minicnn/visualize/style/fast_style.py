"""Fast style transfer: one pass of a transform network that was trained for one style, or for several.

Johnson et al. 2016 (arXiv:1603.08155).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.ndimage import median_filter

from minicnn.arguments import describe, require_whole, whole
from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.arrays import as_picture
from minicnn.visualize.entry import require_network, require_preprocessing, require_watchers
from minicnn.visualize.style.pictures import network_input
from minicnn.visualize.style.tiled_transform import padded_side, predict_by_tiles

WIDEST = 31  # pixels: the largest window of the median; a larger one takes minutes and removes the picture's content


def stylize(net: Network, picture: np.ndarray, preprocessing: Preprocessing, *, tile: int | None = None,
            median: int = 1, callback: Callable[[int, int], Any] | None = None) -> np.ndarray:
    """Return the picture, uint8 (H, W, 3) of any size, as the transform network paints it: uint8 (H, W, 3).

    Source: Johnson et al. 2016 (arXiv:1603.08155).

    Parameters
    ----------
    net, preprocessing : of a transform network, such as load_model("styles").
    picture : uint8 (H, W, 3).
    tile : side in pixels of the tiles; None for one pass. Tiles need less memory and several times the time. The
        picture is the same up to rounding.
    median : side in pixels of the window of a final median filter, odd, up to 31; the authors' script uses 3 to remove
        dots.
    callback : called with (tiles done, tiles in total).

    Raises
    ------
    InputError if the network is no transform network, or if `median` is even or too large.

    >>> painter = minicnn.load_model("styles", device="cpu")
    >>> stylize(painter.net, photo, painter.preprocessing).shape == photo.shape
    True
    """
    require_transform(require_network(net))
    require_preprocessing(preprocessing, net)
    picture, tile = to_host(as_picture("picture", picture)), None if tile is None else require_whole("tile", tile, 1)
    require_watchers(callback)
    if whole(median) is None or median % 2 == 0 or not 1 <= median <= WIDEST:
        raise InputError(f"median is {describe(median)}; expected an odd number of pixels up to {WIDEST}, so that the "
                         "window has a middle pixel")
    H, W = picture.shape[:2]
    extended = mirrored(picture)
    if tile is None:
        out = to_host(net.predict(network_input(net, extended, preprocessing)))
    else:
        out = predict_by_tiles(net, preprocessing.to_input(extended), tile, callback)
    painted = preprocessing.to_image(out)[:H, :W]
    return painted if median == 1 else median_filter(painted, (int(median), int(median), 1))


def require_transform(net: Network) -> None:
    """Raise InputError unless the network's output is a picture of the input's size."""
    shapes = net.shapes((3, 64, 64)) if net.input_shape[0] == 3 and "deconv3" in net.positions else {}
    if not shapes or shapes[net.output] != (1, 3, 64, 64):
        raise InputError("this network paints no pictures; give a transform network, made by demos.train_fast_style or "
                         "converted by weights_converter from a file of PyTorch's fast_neural_style")


def mirrored(picture: np.ndarray) -> np.ndarray:
    """Return the picture, (H, W, 3), extended to the right and below by its mirror image to sides the network accepts.
    """
    rows, columns = (padded_side(side) - side for side in picture.shape[:2])
    return np.pad(picture, ((0, rows), (0, columns), (0, 0)), "reflect")
