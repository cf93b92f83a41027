"""The objective numbers of a sheet of activation maps."""

import numpy as np

from minicnn.backend import Array, to_host
from minicnn.network import Network
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.entry import enter


def check_feature_maps(net: Network, x: Array, layer: str, maps: Array, channels: list[int] | None = None) -> Check:
    """Return the Check that maps (K, H, W) are the activations of the plain network for one image x, (1, C, H, W).

    channels : their numbers. By default, all channels of the layer, in order.
    """
    plain = net.plain()
    exact = to_host(plain.predict(enter(plain, x), layer))[0]
    scale = max(float(np.abs(exact).max()), 1e-30)
    chosen = exact if channels is None else exact[channels]
    error = np.abs(maps - chosen).max() / scale if maps.shape == chosen.shape else np.inf
    return below("activations against those of the plain network, largest difference as a share of the largest",
                 error, 1e-3)


def check_sheet(maps: Array, sheet: Array, columns: int, per: str = "layer") -> list[Check]:
    """Return the Check that the tiles of the sheet are the maps (C, H, W), row by row; report the share of zeros.

    sheet : as it is shown, of values 0 to 1, with a gap of 1 pixel between the tiles. per : "layer" if all tiles have
    one scale, "channel" if each has its own.
    """
    C, H, W = maps.shape
    worst = 0.0
    for k, values in enumerate(maps):
        top, left = k // columns * (H + 1), k % columns * (W + 1)
        scaled = maps if per == "layer" else values
        low, high = min(float(scaled.min()), 0.0), float(scaled.max())
        tile = sheet[top:top + H, left:left + W]
        same = tile.shape == values.shape
        error = np.abs(tile * (high - low) + low - values).max() / max(high - low, 1e-30) if same else np.inf
        worst = max(worst, float(error))
    return [below("activations read back from the tiles, error as a share of their range", worst, 1e-5),
            reported("share of exact zeros", float((maps == 0).mean()), "black in the sheet")]
