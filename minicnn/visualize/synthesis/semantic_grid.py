"""The semantic grid: at each position of a layer's map of a photo, the picture of its activation vector."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minicnn.arguments import Seed, require_whole
from minicnn.backend import Array, to_host
from minicnn.errors import InputError
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.progress import Progress
from minicnn.shown import html_fields, short_fields
from minicnn.visualize.arrays import on_host
from minicnn.visualize.entry import enter, require_layer, require_maps
from minicnn.visualize.synthesis.directions import TILES, DirectionSettings, direction_visualization

LARGEST = 1024  # positions of a side of a grid


class SemanticGrid(NamedTuple):
    """The result of `semantic_grid`, on the host.

    ys, xs : the rows and columns of the layer's map, (R,) and (K,). vectors : the activation vectors, (R, K, D).
    images : a picture of each vector, (R, K, C, size, size). history : the steps of all batches.
    """

    ys: Array
    xs: Array
    vectors: Array
    images: Array
    history: list[Progress]

    def __repr__(self) -> str:
        return short_fields(self)

    def _repr_html_(self) -> str:
        return html_fields(self)


def semantic_grid(net: Network, x: Array, layer: str, preprocessing: Preprocessing,
                  settings: DirectionSettings = TILES, *, rng: Seed, cells: int | None = None,
                  size: int | None = None, callback: Callable | None = None,
                  checkpoint: Checkpoint | None = None) -> SemanticGrid:
    """Return the SemanticGrid of a photo: what the network finds at each position, drawn by the network itself.

    Parameters
    ----------
    net, preprocessing : the network, and the preprocessing of its weights.
    x : one image, (1, C, H, W).
    layer : a layer with maps.
    settings : the DirectionSettings, such as a preset in DIRECTION_PRESETS.
    rng : the generator of the noise and the transforms, or a seed.
    cells : the largest number of rows and columns. If the map has more, positions are taken at even distances. By
        default, every position is taken.
    size, callback, checkpoint : as in `direction_visualization`.

    Raises InputError if the layer has no maps, or if there are several images.

    References
    ----------
    Olah et al. 2018, "The Building Blocks of Interpretability" (https://distill.pub/2018/building-blocks), section
    "What Does the Network See?".

    Examples
    --------
    >>> from minicnn.visualize import DirectionSettings
    >>> grid = semantic_grid(net, x, "relu2", model.preprocessing, DirectionSettings(2), rng=0, cells=2)
    >>> grid.images.shape, grid.vectors.shape
    ((2, 2, 3, 13, 13), (2, 2, 32))
    """
    ys, xs, vectors = grid_vectors(net, x, layer, cells)
    rows, columns, channels = vectors.shape
    images, history = direction_visualization(net, layer, vectors.reshape(-1, channels), preprocessing, settings,
                                              rng=rng, size=size, callback=callback, checkpoint=checkpoint)
    return SemanticGrid(ys, xs, vectors, images.reshape(rows, columns, *images.shape[1:]), history)


def grid_vectors(net: Network, x: Array, layer: str, cells: int | None = None) -> tuple[Array, Array, Array]:
    """Return (rows (R,), columns (K,), activation vectors (R, K, D)) of the positions of a grid, on the host."""
    layer, x = require_layer(net, layer), enter(net, x)
    if len(x) != 1:
        raise InputError(f"a semantic grid is of one image, and x has {len(x):,}; give x[:1]")
    require_maps(layer, net.shapes()[layer])
    out = to_host(net.predict(x, layer))[0]
    most = LARGEST if cells is None else require_whole("cells", cells, 1, LARGEST)
    ys, xs = (even_places(side, most) for side in out.shape[1:])
    return ys, xs, np.ascontiguousarray(out[:, ys[:, None], xs].transpose(1, 2, 0))


def even_places(side: int, most: int) -> np.ndarray:
    """Return at most `most` places of 0 … side - 1 at even distances, symmetric about the centre.

    >>> even_places(13, 5).tolist(), even_places(4, 9).tolist()
    ([1, 3, 6, 9, 11], [0, 1, 2, 3])
    """
    count = min(side, most)
    return (np.arange(count) * 2 + 1) * side // (2 * count)


def magnitudes(vectors: Array) -> np.ndarray:
    """Return the length of each vector relative to the longest one, (R, K) from (R, K, D), on the host: 0 to 1."""
    lengths = np.linalg.norm(on_host("vectors", vectors, "(R, K, D)", 2, 3).astype(np.float64), axis=-1)
    return lengths / max(float(lengths.max()), 1e-30)
