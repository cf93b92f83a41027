"""RISE: importance by random masks, for a network that is only asked for probabilities."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minicnn.arguments import Seed, require_fields, require_generator, require_kind, require_number
from minicnn.backend import Array, get_array_module, to_device, to_host
from minicnn.network import Network, warn_if_slow
from minicnn.visualize.attribution.occlusion import probabilities
from minicnn.visualize.entry import Labels, enter, require_labels

BATCH = 16  # masked copies of an image in one pass


@dataclass(frozen=True)
class RiseSettings:
    """The random masks of RISE.

    masks : number of masks. The error of the map falls with its square root.
    grid : cells along each side of a mask before it is enlarged.
    keep : probability of a cell to be seen, above 0 and up to 1.
    """

    masks: int = 4000
    grid: int = 7
    keep: float = 0.5


RISE_PAPER = RiseSettings()
RISE_QUICK = RiseSettings(masks=500)


def rise(net: Network, x: Array, label: Labels, settings: RiseSettings = RISE_PAPER, *, rng: Seed) -> Array:
    """Return the mean of random masks, weighted by the class probability that each leaves, (N, H, W) on the host.

    A pixel's value estimates the probability of the class given that the pixel is seen.

    Parameters
    ----------
    net : a network with class scores.
    x : images of shape (N, C, H, W).
    label : one class, or one for each image.
    settings : the masks: RISE_PAPER, RISE_QUICK, or others. All images get the same masks.
    rng : the generator of the masks, or a seed.

    Raises
    ------
    InputError if the network has no class scores, or a setting is out of range.

    References
    ----------
    Petsiuk et al. 2018 (arXiv:1806.07421), section 3 and equation 6.

    Examples
    --------
    >>> rise(net, x, label, RiseSettings(masks=8), rng=rng).shape
    (1, 64, 64)
    """
    x, rng = enter(net, x), require_generator(rng)
    require_kind("settings", settings, RiseSettings, "expected a RiseSettings, such as RISE_PAPER")
    require_fields(settings, masks=1, grid=1)
    require_number("keep", settings.keep, above=0, most=1)
    xp, (N, _, H, W) = get_array_module(x), x.shape
    labels = to_device(np.array(require_labels(net, label, N)), net.device)
    warn_if_slow(net, N * -(-settings.masks // BATCH))
    total = xp.zeros((N, H, W), x.dtype)
    for drawn in random_masks(settings, H, W, rng):
        masks = to_device(drawn.astype(x.dtype.name), net.device)  # (batch, H, W)
        for n, image in enumerate(x):
            p = probabilities(net, image * masks[:, None], xp.broadcast_to(labels[n], (len(masks),)))
            total[n] += (p[:, None, None] * masks).sum(axis=0)
    return to_host(total / (settings.masks * settings.keep))  # equation 6; keep is the mean of a mask


def random_masks(settings: RiseSettings, height: int, width: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield batches of smooth random masks from 0 to 1, float64 (batch, height, width), on the host.

    Each is a grid of seen and hidden cells, enlarged bilinearly and cropped at a random offset of up to one cell
    (section 3.2). The grid reaches over the image by two cells, so that the mean of every pixel is `keep`.
    """
    cell_height, cell_width, count = -(-height // settings.grid), -(-width // settings.grid), settings.grid + 2
    for start in range(0, settings.masks, BATCH):
        batch = []
        for _ in range(min(BATCH, settings.masks - start)):
            cells = (rng.random((count, count)) < settings.keep).astype(np.float64)
            top, left = rng.integers(cell_height), rng.integers(cell_width)
            rows = between_cells((top + np.arange(height)) / cell_height, count)
            columns = between_cells((left + np.arange(width)) / cell_width, count)
            batch.append(rows @ cells @ columns.T)
        yield np.stack(batch)


def between_cells(positions: Array, count: int) -> Array:
    """Return the weights (pixels, count) of each cell at positions from 0, the first cell's centre, to count - 1."""
    return np.maximum(1 - np.abs(positions[:, None] - np.arange(count)), 0)
