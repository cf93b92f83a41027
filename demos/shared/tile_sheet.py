"""A sheet of optimized pictures in the cells of a grid, each at a size of its own."""

import numpy as np

from minicnn import images
from minicnn.layers import Concat
from minicnn.network import Network
from minicnn.receptive_field import receptive_field

from .layers import feature_layers, usual_layer

SMALLEST = 0.2  # side of a tile, as a share of its cell's side
WHITE = 255


def tile_sheet(pictures: np.ndarray, rows: np.ndarray, columns: np.ndarray, grid: tuple[int, int],
               shares: np.ndarray | None = None) -> np.ndarray:
    """Return a sheet with each picture in its cell, uint8 (R side, K side, 3); the rest is white.

    pictures : uint8 (N, side, side, 3). rows, columns : the cell of each, (N,). grid : (R, K). shares : the side of
    each in its cell, 0 to 1; at least SMALLEST is drawn. By default each fills its cell.
    """
    side = pictures.shape[1]
    sheet = np.full((grid[0], grid[1], side, side, 3), WHITE, np.uint8)
    for n, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        own = side if shares is None else max(1, round(side * float(np.clip(shares[n], SMALLEST, 1))))
        near = (side - own) // 2
        sheet[row, column, near:near + own, near:near + own] = images.resize(pictures[n], own, own)
    return sheet.swapaxes(1, 2).reshape(grid[0] * side, grid[1] * side, 3)


def parts_layer(net: Network) -> str:
    """Return the deepest layer whose receptive field is at most two thirds of the input's side, so it sees parts.

    It is fire7/concat of SqueezeNet. The layers are the ends of stages and the concatenations.
    """
    ends = {*feature_layers(net), *(node.name for node in net.nodes if isinstance(node.layer, Concat))}
    shapes = net.shapes()
    fitting = [name for name in net.layer_names() if name in ends and len(shapes[name]) == 4
               and (field := receptive_field(net, name)) is not None and 3 * field.size <= 2 * net.input_shape[1]]
    return fitting[-1] if fitting else usual_layer(net)
