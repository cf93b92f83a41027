"""Masks of style transfer: the parts of the content that are painted in a style, as one kind of array.

Programs write masks in many ways: True and False, 0 and 1, 0 to 1, 0 to 255, with or without an axis of colours.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from minicnn.arguments import count_of, describe
from minicnn.array_likes import as_numbers
from minicnn.backend import Array, to_host
from minicnn.errors import InputError

CHROMA = 8    # levels of 255 that the colours of a grey pixel may differ, as in a JPEG file
DARKEST = 32  # levels of 255: a mask whose largest value is smaller would leave nothing of its style
ROUNDING = 1e-3


def require_masks(masks: Any, content: Array) -> list[np.ndarray] | None:
    """Return the masks of the styles, each uint8 (H, W) from 0 to 255, of the content's size; None for None.

    masks : a list of masks, an array (styles, H, W), or a single mask; see `mask_levels`.
    Raises InputError if a mask does not fit the content (H, W, 3).
    """
    if masks is None:
        return None
    levels = [mask_levels(f"mask {number}", mask) for number, mask in enumerate(separate_masks(masks, content), 1)]
    H, W = content.shape[:2]
    for number, mask in enumerate(levels, 1):
        if mask.shape != (H, W):
            raise InputError(f"mask {number} has {mask.shape[1]}x{mask.shape[0]} pixels, the content picture {W}x{H}; "
                             "they must have the same size")
    return levels


def separate_masks(masks: Any, content: Array) -> Sequence[Any]:
    """Return one mask after another, from a list, an array of all masks, or a single mask of the content's size."""
    if isinstance(masks, Image.Image):
        return [masks]
    if isinstance(masks, (list, tuple)) and masks:
        first = masks[0]
        if isinstance(first, Image.Image) or len(getattr(first, "shape", ())) >= 2 or count_of(first) is None:
            return masks
    array = as_numbers("masks", masks)
    if array.ndim not in (2, 3, 4):
        raise InputError(f"masks is {describe(masks)}; expected a list with a mask (H, W) for each style")
    single = array.ndim == 2 or array.ndim == 3 and array.shape[:2] == content.shape[:2] and array.shape[2] <= 4
    return [array] if single else list(array)


def mask_levels(name: str, mask: Any) -> np.ndarray:
    """Return a mask as uint8 (H, W) from 0 to 255.

    mask : True and False, or numbers: 0 and 1, 0 to 1, or 0 to 255. A third axis may hold one grey value, three equal
    ones, and an opaque alpha channel; a picture of black and one colour is a mask, too.
    name : of the mask in the messages. Raises InputError for other shapes, colours and values, and a black mask.
    """
    if isinstance(mask, Image.Image):
        mask = np.asarray(mask.convert("RGBA"))
    values = one_channel(name, to_host(as_numbers(name, mask)))
    if not np.isfinite(values).all():
        raise InputError(f"{name} has values that are not finite")
    values = values.astype(np.float64)
    low, high = values.min(), values.max()
    if low < -ROUNDING or high > 255 + ROUNDING:
        raise InputError(f"{name} has values from {low:g} to {high:g}; expected 0 and 1, 0 to 1, or 0 to 255")
    if 1 + ROUNDING < high < DARKEST:
        raise InputError(f"{name} has values from {low:g} to {high:g}, neither 0 to 1 nor 0 to 255; if these are the "
                         "labels of a segmentation, give a mask of one of them, such as labels == 1")
    levels = np.rint(np.clip(values * (255 if high < DARKEST else 1), 0, 255)).astype(np.uint8)
    if levels.max() <= 1:
        raise InputError(f"{name} is black everywhere, so its style would appear nowhere")
    return levels


def one_channel(name: str, mask: np.ndarray) -> np.ndarray:
    """Return the grey values, (H, W), of a mask (H, W) or (H, W, 1 to 4). Raises InputError if it has colours."""
    if mask.ndim not in (2, 3) or not mask.size or mask.ndim == 3 and mask.shape[2] > 4:
        raise InputError(f"{name} has the shape {mask.shape}; expected (H, W), or grey values in (H, W, 3)")
    if mask.ndim == 2:
        return mask
    mask, alpha = (mask[..., :-1], mask[..., -1]) if mask.shape[2] in (2, 4) else (mask, None)
    if alpha is not None and alpha.min() < (255 if alpha.max() > 1 else 1):
        raise InputError(f"{name} has transparent pixels; give a mask without an alpha channel, or the alpha channel "
                         "itself")
    if mask.shape[2] == 1:
        return mask[..., 0]
    colours = np.unique(mask.reshape(-1, 3), axis=0)
    if len(colours) == 2 and not colours[0].any():  # black and one colour, as palettes of segmentations have
        return np.asarray(mask.any(axis=2))
    spread = float(np.ptp(mask.astype(np.float64), axis=2).max())
    if spread > (CHROMA if mask.max() > 1 else CHROMA / 255):
        raise InputError(f"{name} is a picture in colours; expected a mask of grey values, or of black and one colour")
    return mask.astype(np.float64).mean(axis=2)
