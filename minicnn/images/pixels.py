"""Decoded pixels of any mode become 8-bit RGB, as the file describes them."""

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.images.tiff import BITS, EIGHT_BIT, is_min_white, require_unsigned, stated_range, tag

SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab"}  # mode: colour space of a profile for it
SAME = 2             # levels; a profile that changes no colour by more is sRGB, and the pixels are left as they are
SRGB_GAMMA = 1 / 2.2  # the gamma of a PNG whose values are shown as they are


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the image in sRGB, 8 bits, over white. Raises InputError if its values have no known range."""
    info = dict(image.info)
    require_unsigned(image)
    if image.mode == "F" or image.mode.startswith("I"):  # I;16, I;16B, …, or I for 32 bits
        image = _to_8_bits(image)
    elif image.mode in ("P", "PA", "RGBa", "La") or "transparency" in info:
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    if alpha is not None:
        image = image.convert("L" if image.mode == "LA" else "RGB")
    elif image.mode not in SPACES:
        image = image.convert("L" if image.mode == "1" else "RGB")
    colours = _to_srgb(image, info)
    if alpha is None:
        return colours
    white = Image.new("RGBA", image.size, "white")
    colours.putalpha(alpha)
    return Image.alpha_composite(white, colours).convert("RGB")


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Return integers or floats as 8-bit grey. Pillow's own conversion would clip all values above 255 to white."""
    values = np.asarray(image)
    low, high = stated_range(image, values) or _range(image, values)
    if (low, high) == (0, 65535):
        grey = (values.astype(np.uint32) + 128) // 257  # 65535 = 255 * 257, so this rounds value * 255 / 65535
    else:
        grey = np.rint((values.astype(np.float64) - low) * (255 / (high - low)))
    if is_min_white(image):
        grey = 255 - grey
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return Image.fromarray(grey.astype(np.uint8))


def _range(image: Image.Image, values: Array) -> tuple[int, int]:
    """Return (black, white) of integers whose file does not state them."""
    if image.mode == "F":
        raise InputError(f"its float pixels have no fixed range; {EIGHT_BIT}")
    if image.mode != "I":  # I;16
        return 0, 4095 if tag(image, BITS) == 12 else 65535
    if values.min() < 0 or values.max() > 65535:
        raise InputError(f"its signed or 32-bit pixels have no fixed range; {EIGHT_BIT}")
    if values.max() <= 255 and image.format not in ("PPM", "PNG"):  # Pillow has scaled their values to 16 bits
        return 0, 255
    return 0, 32767 if tag(image, BITS) == 16 else 65535  # "I" of 16 bits is signed


# ---- colours ---------------------------------------------------------------------------------------------------------


def _to_srgb(image: Image.Image, info: dict[Any, Any]) -> Image.Image:
    """Return an image of a mode in SPACES as RGB, by its profile or its gamma. A damaged profile is ignored."""
    profile = info.get("icc_profile")
    converted = _by_profile(image, profile) if profile else None
    if converted is None and image.mode == "LAB":  # Pillow's `convert` does not know it
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.applyTransform(image, ImageCms.buildTransform(lab, srgb, "LAB", "RGB"))
    if converted is not None:
        return converted
    gamma = info.get("gamma")
    if isinstance(gamma, float) and 0.01 < gamma < 100 and not profile and "srgb" not in info:
        if abs(gamma / SRGB_GAMMA - 1) > 0.05:
            table = np.rint(255 * (np.arange(256) / 255) ** (SRGB_GAMMA / gamma)).astype(int).tolist()
            image = image.point(table * len(image.getbands()))
    return image.convert("RGB")


def _by_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Return the image converted from its profile to sRGB; None if the profile is damaged or of other colours."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if image.mode == "L" and space == "RGB":  # a grey picture of a program that works in RGB
            image = image.convert("RGB")
        if space != SPACES[image.mode]:
            return None
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), image.mode, "RGB")
        if image.mode in ("RGB", "L"):
            sample = _sample_colours(image.mode)
            changed = np.asarray(ImageCms.applyTransform(sample, transform), int) - np.asarray(sample.convert("RGB"))
            if np.abs(changed).max() <= SAME:
                return None
        return ImageCms.applyTransform(image, transform)
    except Exception:  # a damaged profile raises any exception; the values are then shown as they are, as browsers do
        return None


def _sample_colours(mode: str) -> Image.Image:
    levels = np.arange(0, 256, 17, dtype=np.uint8)
    if mode == "L":
        return Image.fromarray(levels[None])
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)  # (16, 16, 16, 3)
    return Image.fromarray(np.ascontiguousarray(grid.reshape(16, 256, 3)))
