"""The pointing game: how often the largest value of a map lies on the object."""

from minicnn.arguments import require_whole
from minicnn.backend import Array
from minicnn.visualize.arrays import as_mask, on_host


def pointing_game(maps: Array, masks: Array, margin: int = 0) -> float:
    """Return the share of `maps` whose largest value lies inside the object's mask.

    maps : (N, H, W) on the host. masks : bool (N, H, W), True on the object. margin : pixels around the object that
    count as the object, too.
    Zhang et al. 2016 (arXiv:1608.00507).

    >>> maps, masks = np.array([[[1, 2, 9]]]), np.array([[[False, True, False]]])
    >>> pointing_game(maps, masks), pointing_game(maps, masks, margin=1)
    (0.0, 1.0)
    """
    maps = on_host("maps", maps, "(N, H, W)", 3)
    masks, margin = as_mask("masks", masks, maps.shape), require_whole("margin", margin)
    best = maps.reshape(len(maps), -1).argmax(axis=1)
    return float(dilated(masks, margin).reshape(len(masks), -1)[range(len(masks)), best].mean())


def dilated(masks: Array, margin: int) -> Array:
    """Return masks that also contain all pixels up to `margin` steps, across or down, from the masks (N, H, W)."""
    for _ in range(min(margin, max(masks.shape[1:]))):
        wider = masks.copy()
        wider[:, 1:] |= masks[:, :-1]
        wider[:, :-1] |= masks[:, 1:]
        wider[:, :, 1:] |= masks[:, :, :-1]
        wider[:, :, :-1] |= masks[:, :, 1:]
        masks = wider
    return masks
