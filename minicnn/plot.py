"""Arrays to figures (matplotlib): nothing is computed here but contrast."""

from io import BytesIO

import numpy as np
from matplotlib.figure import Figure

from minicnn.files import replacing

PANEL = 2.6  # inches a panel


def show_panels(panels, columns=None, title=None, size=PANEL):
    """A figure of panels in rows, `size` inches each. panels : [(caption, picture)], or with options of imshow."""
    columns = columns or len(panels)
    rows = -(-len(panels) // columns)
    height, width = panels[0][1].shape[:2]
    figure = Figure(figsize=(columns * size, rows * (size * min(2.0, height / width) + 0.35) + (0.4 if title else 0.0)),
                    layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.axis("off")
    for axis, (caption, picture, *options) in zip(axes, panels, strict=False):
        axis.imshow(picture, **({"interpolation": "nearest"} | (options[0] if options else {})))
        axis.set_title(caption, fontsize=9)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def show_image(picture, title=None, width=8.0, **options):
    """A figure of one picture, `width` inches wide, grey where it is (H, W); nearest-neighbour, no axes."""
    height = width * picture.shape[0] / picture.shape[1]
    figure = Figure(figsize=(width, height + (0.4 if title else 0.0)), layout="constrained")
    axis = figure.subplots()
    axis.axis("off")
    axis.imshow(picture, **({"interpolation": "nearest"} | grey_options(picture) | options))
    if title:
        axis.set_title(title, fontsize=11)
    return figure


def show_rows(panels, width=8.0, tallest=1.2, title=None, interpolation="nearest"):
    """A figure of pictures below each other, each as wide as the figure, `width` inches, or `tallest` times that high.

    panels : [(caption, picture)], grey where it is (H, W); no axes.
    """
    heights = [width * min(tallest, picture.shape[0] / picture.shape[1]) + 0.35 for _, picture in panels]
    figure = Figure(figsize=(width, sum(heights) + (0.4 if title else 0.0)), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights).ravel()
    for axis, (caption, picture) in zip(axes, panels, strict=True):
        axis.axis("off")
        axis.imshow(picture, interpolation=interpolation, **grey_options(picture))
        axis.set_title(caption, fontsize=10)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def grey_options(picture):
    """imshow's options for a picture in 0..1: grey where it is (H, W)."""
    return {"cmap": "gray", "vmin": 0, "vmax": 1} if picture.ndim == 2 else {}


def gradient_to_colours(gradient, percentile=99.5):
    """A gradient (3, H, W) as colours (H, W, 3) in 0..1 around 0.5 grey; the few largest values are cut off."""
    largest = np.percentile(np.abs(gradient), percentile) or np.abs(gradient).max() or 1.0
    return np.clip(gradient / (2 * largest) + 0.5, 0, 1).transpose(1, 2, 0)


def amplify(picture, change, least=2.0):
    """(the picture, uint8 (H, W, 3), or its `change` from the mean colour with the contrast enlarged, how many times).

    Until few pixels are cut off; a picture that this would not enlarge `least` times stays as it is. change : in levels
    of 255, not rounded: of a faint picture, little is left in whole ones.
    """
    factor = 120 / max(0.1, float(np.percentile(np.abs(change), 99.7)))
    if factor < least:
        return picture, 1.0
    return np.clip(np.rint(127 + factor * change), 0, 255).astype(np.uint8), factor


def saliency_range(saliency, percentile=99.7):
    """imshow's options for a saliency map: `hot`, from 0 to a high percentile, as single pixels outshine the rest."""
    return {"cmap": "hot", "vmin": 0.0, "vmax": float(np.percentile(saliency, percentile)) or None}


def overlay(picture, heat, colours="jet", alpha=0.45):
    """A heat map (H, W) over a picture, uint8 (H, W, 3) -> float (H, W, 3) in 0..1."""
    from matplotlib import colormaps

    low, high = heat.min(), heat.max()
    scaled = (heat - low) / (high - low) if high > low else np.zeros_like(heat)
    return (1 - alpha) * picture / 255 + alpha * colormaps[colours](scaled)[..., :3]


def figure_to_png(figure, dpi=110):
    """The figure as the bytes of a PNG file."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight", pad_inches=0.06)
    return buffer.getvalue()


def save_figure(path, figure, overwrite=False, dpi=110):
    """Write the figure as PNG, through a temporary file."""
    with replacing(path, overwrite) as temporary:
        temporary.write_bytes(figure_to_png(figure, dpi))
