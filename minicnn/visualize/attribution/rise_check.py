"""The objective number of RISE: the same masks, enlarged and scored one by one."""

import numpy as np

from minicnn.backend import Array, to_device
from minicnn.network import Network
from minicnn.visualize.attribution.derivatives_check import relative_distance
from minicnn.visualize.attribution.gradients import label_list
from minicnn.visualize.attribution.occlusion import class_probability
from minicnn.visualize.attribution.rise import RISE_PAPER, RiseSettings
from minicnn.visualize.check import Check, below
from minicnn.visualize.entry import Labels, enter


def check_rise(net: Network, x: Array, label: Labels, maps: Array, rng: np.random.Generator,
               settings: RiseSettings = RISE_PAPER) -> Check:
    """Return the Check that the maps (N, H, W) are the masks' mean, weighted by the probabilities that they leave.

    rng : a generator in the state of the one that rise was given. The other parameters are as there.
    """
    x = enter(net, x)
    H, W = x.shape[2:]
    total = np.zeros(maps.shape)
    for _ in range(settings.masks):
        mask = drawn_mask(settings, H, W, rng)
        masked = x * to_device(mask.astype(x.dtype.name), net.device)
        for n, k in enumerate(label_list(label, len(x))):
            total[n] += mask * class_probability(net, masked[n:n + 1], k)[0]
    return below("RISE: the map against the same masks, enlarged and scored one by one, relative",
                 relative_distance(maps, total / (settings.masks * settings.keep)), 1e-3)


def drawn_mask(settings: RiseSettings, height: int, width: int, rng: np.random.Generator) -> Array:
    """Return the next mask (height, width) of the generator, enlarged from its cells by numpy.interp."""
    count = settings.grid + 2
    cells = (rng.random((count, count)) < settings.keep).astype(float)
    sides = [-(-side // settings.grid) for side in (height, width)]
    offsets = [rng.integers(side) for side in sides]
    rows, columns = ((offset + np.arange(size)) / side
                     for offset, size, side in zip(offsets, (height, width), sides, strict=True))
    tall = np.stack([np.interp(rows, np.arange(count), line) for line in cells.T], axis=1)
    return np.stack([np.interp(columns, np.arange(count), line) for line in tall])
