"""Draw arrays as matplotlib figures. Only contrast is computed here."""

import textwrap
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.text import Text

from minicnn.backend import Array
from minicnn.errors import one_line
from minicnn.files import replacing

__all__ = ["PANEL", "amplify", "figure_to_png", "gradient_to_colours", "grey_options", "hide_axes", "overlay",
           "plain_text", "saliency_range", "save_figure", "show_image", "show_panels", "show_rows"]

PANEL = 2.6     # side of a panel in inches
DPI = 110       # pixels in an inch of a PNG file
MARGIN = 0.06   # around the figure in a PNG file, inches
LETTERS = 14    # of a caption in an inch
LONGEST = 120   # characters of a line of text; longer lines are cut
MOST_LINES = 8  # of one text
MOST_FONTS = 300                                                    # that are searched for a missing character
NO_LETTERS = ("Last Resort", "cm", "STIXNonUnicode", "STIXSize")    # fonts with boxes, or with other characters' codes


def show_panels(panels: Sequence[tuple], columns: int | None = None, title: str | None = None,
                size: float = PANEL) -> Figure:
    """Return a figure of panels in rows, `size` inches each.

    panels : [(caption, picture), …] or [(caption, picture, options of imshow), …]. columns : by default all in one row.

    >>> figure = show_panels([("photo", photo), ("mirrored", photo[:, ::-1])])
    """
    columns = columns or len(panels)
    rows = -(-len(panels) // columns)
    height, width = panels[0][1].shape[:2]
    figure = Figure(figsize=(columns * size, rows * (size * min(2.0, height / width) + 0.35) + (0.4 if title else 0.0)),
                    layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        hide_axes(axis)
    for axis, (caption, picture, *options) in zip(axes, panels, strict=False):
        axis.imshow(picture, **({"interpolation": "nearest"} | (options[0] if options else {})))
        axis.set_title(_wrapped(caption, size), fontsize=9)
        axis.set_label(str(caption))  # as it was before it was wrapped
    if title:
        figure.suptitle(title, fontsize=11)
    return plain_text(figure)


def show_image(picture: Array, title: str | None = None, width: float = 8.0, **options: Any) -> Figure:
    """Return a figure of one picture without axes, `width` inches wide. A picture (H, W) is drawn in grey.

    options : of imshow.

    >>> figure = show_image(photo, title="a disc")
    """
    height = width * picture.shape[0] / picture.shape[1]
    figure = Figure(figsize=(width, height + (0.4 if title else 0.0)), layout="constrained")
    axis = figure.subplots()
    hide_axes(axis)
    axis.imshow(picture, **({"interpolation": "nearest"} | grey_options(picture) | options))
    if title:
        axis.set_title(title, fontsize=11)
    return plain_text(figure)


def show_rows(panels: Sequence[tuple[str, Array]], width: float = 8.0, tallest: float = 1.2, title: str | None = None,
              interpolation: str = "nearest") -> Figure:
    """Return a figure of pictures below each other, without axes.

    panels : [(caption, picture), …]. A picture (H, W) is drawn in grey.
    width : of the figure in inches. tallest : the largest height of a picture, as a multiple of the width.

    >>> figure = show_rows([("photo", photo), ("mirrored", photo[:, ::-1])])
    """
    heights = [width * min(tallest, picture.shape[0] / picture.shape[1]) + 0.35 for _, picture in panels]
    figure = Figure(figsize=(width, sum(heights) + (0.4 if title else 0.0)), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights).ravel()
    for axis, (caption, picture) in zip(axes, panels, strict=True):
        hide_axes(axis)
        axis.imshow(picture, interpolation=interpolation, **grey_options(picture))
        axis.set_title(caption, fontsize=10)
    if title:
        figure.suptitle(title, fontsize=11)
    return plain_text(figure)


def hide_axes(axes: Axes) -> None:
    """Show a picture without its frame and its numbers.

    >>> figure = Figure()
    >>> hide_axes(figure.subplots())
    """
    axes.set_axis_off()
    axes.set(xticks=[], yticks=[])  # without them, matplotlib does not measure hidden labels: half of a figure's time


def grey_options(picture: Array) -> dict[str, Any]:
    """Return the options of imshow for a picture in 0..1: a grey colour map if it has the shape (H, W).

    >>> grey_options(photo)
    {}
    """
    return {"cmap": "gray", "vmin": 0, "vmax": 1} if picture.ndim == 2 else {}


def gradient_to_colours(gradient: Array, percentile: float = 99.5) -> Array:
    """Return a gradient (3, H, W) as colours (H, W, 3) in 0..1. Zero is grey, 0.5. Values above the percentile are cut.

    >>> gradient_to_colours(np.zeros((3, 2, 2)))[0, 0]
    array([0.5, 0.5, 0.5])
    """
    largest = np.percentile(np.abs(gradient), percentile) or np.abs(gradient).max() or 1.0
    return np.clip(gradient / (2 * largest) + 0.5, 0, 1).transpose(1, 2, 0)


def amplify(picture: Array, change: Array, least: float = 2.0) -> tuple[Array, float]:
    """Return (picture, factor): a faint picture with its contrast enlarged by the factor, uint8 (H, W, 3).

    change : the picture minus the mean colour, in grey levels of 0..255, not rounded, as a faint picture has few whole
    levels. The factor is as large as possible with few pixels cut off. If it is below `least`, the picture is
    returned unchanged, with factor 1.

    >>> amplify(photo, np.full((64, 64, 3), 2.0))[1]
    60.0
    """
    factor = 120 / max(0.1, float(np.percentile(np.abs(change), 99.7)))
    if factor < least:
        return picture, 1.0
    return np.clip(np.rint(127 + factor * change), 0, 255).astype(np.uint8), factor


def saliency_range(saliency: Array, percentile: float = 99.7) -> dict[str, Any]:
    """Return the options of imshow for a saliency map: the colour map `hot`, from 0 to a high percentile.

    The maximum would make the map dark, as single pixels have far larger values than the others. A map without values
    above 0, as of a picture of one colour, is black.

    >>> saliency_range(np.ones((4, 4)))["vmax"]
    1.0
    """
    high, largest = float(np.percentile(saliency, percentile)), float(saliency.max())
    return {"cmap": "hot", "vmin": 0.0, "vmax": high if high > 0 else largest if largest > 0 else 1.0}


def overlay(picture: Array, heat: Array, colours: str = "jet", alpha: float = 0.45) -> Array:
    """Return a heat map (H, W) drawn over a picture, uint8 (H, W, 3), as floats (H, W, 3) in 0..1.

    colours : name of the colour map. alpha : opacity of the heat map.

    >>> overlay(photo, np.zeros((64, 64))).shape
    (64, 64, 3)
    """
    from matplotlib import colormaps

    low, high = heat.min(), heat.max()
    scaled = (heat - low) / (high - low) if high > low else np.zeros_like(heat)
    return (1 - alpha) * picture / 255 + alpha * colormaps[colours](scaled)[..., :3]


def figure_to_png(figure: Figure, dpi: int = DPI) -> bytes:
    """Return the figure as the bytes of a PNG file.

    >>> figure_to_png(show_image(photo))[1:4]
    b'PNG'
    """
    buffer = BytesIO()
    plain_text(figure).savefig(buffer, format="png", dpi=dpi, bbox_inches="tight", pad_inches=MARGIN)
    return buffer.getvalue()


def save_figure(path: str | Path, figure: Figure, overwrite: bool = False, dpi: int = DPI) -> None:
    """Write the figure as PNG, by way of a temporary file. Raises InputError as `files.replacing` does.

    >>> save_figure(folder / "figure.png", show_image(photo))
    """
    with replacing(path, overwrite) as temporary:
        temporary.write_bytes(figure_to_png(figure, dpi))


# ---- text ------------------------------------------------------------------------------------------------------------


def plain_text(figure: Figure) -> Figure:
    """Return the same figure, in which every text but the tick labels is shown as it is written.

    Names of files and classes come from users: "$" starts no formula, control characters are escaped, long lines are
    cut, and a character that no installed font has is written as its code, such as \\u732b.

    >>> plain_text(show_image(photo, title="$x$")).axes[0].get_title()
    '$x$'
    """
    ticks = {label for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)
             for label in axis.findobj(Text) if label is not axis.label}
    for text in figure.findobj(Text):
        if text not in ticks and isinstance(text, Text):
            text.set_parse_math(False)
            text.set_text(_drawable(text.get_text(), text))
    return figure


def _wrapped(caption: str, inches: float) -> str:
    """Return the caption with lines that fit above a panel, at most three for each of its own."""
    room, lines = max(12, int(inches * LETTERS)), []
    for line in str(caption).split("\n"):
        parts = textwrap.wrap(line[:4 * room], room) if len(line) > 1.2 * room else [line]
        lines += parts if len(parts) <= 3 else [*parts[:2], parts[2][:-1] + "…"]
    return "\n".join(lines)


def _drawable(written: str, text: Text) -> str:
    """Return the text with escapes for what cannot be drawn. Fonts that have more characters are added to `text`."""
    lines = written.split("\n", MOST_LINES)[:MOST_LINES]
    shown = "\n".join(one_line(line, LONGEST) for line in lines)
    if shown.isascii():
        return shown
    families = list(text.get_fontfamily())
    for character in sorted(set(shown) - {"\n"}):
        if not any(_has(findfont(FontProperties(family=[family])), character) for family in families):
            family = _family_with(character)
            if family is None:
                shown = shown.replace(character, character.encode("unicode_escape").decode())
            elif family not in families:
                families.append(family)
    text.set_fontfamily(families)
    return shown


@cache
def _family_with(character: str) -> str | None:
    """Return the name of an installed font that has the character, or None."""
    fonts = [font for font in fontManager.ttflist if font.style == "normal" and not font.name.startswith(NO_LETTERS)
             and "Emoji" not in font.name]  # the colours of emoji fonts cannot be drawn
    fonts.sort(key=lambda font: (str(font.weight) not in ("400", "normal", "regular"), "Sans" not in font.name))
    return next((font.name for font in fonts[:MOST_FONTS] if _has(font.fname, character)), None)


def _has(path: str, character: str) -> bool:
    try:
        return get_font(path).get_char_index(ord(character)) > 0
    except (OSError, RuntimeError):  # a damaged font, or one of bitmaps
        return False
