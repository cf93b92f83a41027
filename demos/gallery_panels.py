"""The panels of a picture on its page: each is cut out of the PNG file, and its caption is text of the page."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from PIL import Image, ImageOps

from minicnn.errors import one_line

LARGEST = 1.5  # times its size in the PNG file is a panel shown, at most
NARROW = 330   # pixels; two panels up to this width stand side by side on a phone


class Panel(NamedTuple):
    """A panel on a page: the lines of its caption, the texts inside it, its place in the PNG file in pixels."""

    caption: list[str]
    text: list[str]
    left: int
    top: int
    width: int
    height: int

    @property
    def name(self) -> str:
        """The caption in one line, for a screen reader."""
        return ", ".join(self.caption)

    @property
    def most(self) -> int:
        """The largest width on a page, pixels."""
        return round(LARGEST * self.width)

    @property
    def narrow(self) -> bool:
        """Whether two such panels stand side by side on a phone."""
        return self.width <= NARROW


def panels_of_card(card: dict[str, Any]) -> list[Panel]:
    """Return the panels that a run card lists. Control characters in their texts are escaped."""
    return [Panel(printable_lines(panel["caption"]), [line for text in panel["text"] for line in printable_lines(text)],
                  *panel["box"]) for panel in card.get("panels", ())]


def printable_lines(text: str) -> list[str]:
    """Return the lines of a text that are not empty, with control characters escaped."""
    return [one_line(line.strip(), 1000) for line in text.split("\n") if line.strip()]


def panel_rows(panels: Sequence[Panel]) -> list[list[Panel]]:
    """Return the panels as the rows of the figure, or [] if one of them has no caption: the figure is shown whole.

    A panel is in the row of the panel before it if it begins to the right of it and at about the same height.
    """
    if not all(panel.caption for panel in panels):
        return []
    rows: list[list[Panel]] = []
    for panel in panels:
        before = rows[-1][-1] if rows else None
        if before is not None and beside(before, panel) and panel.left >= before.left + before.width // 2:
            rows[-1].append(panel)
        else:
            rows.append([panel])
    return rows


def beside(one: Panel, other: Panel) -> bool:
    """Return True if the middle of one panel is at the height of the other."""
    small, large = sorted((one, other), key=lambda panel: panel.height)
    return large.top <= small.top + small.height / 2 <= large.top + large.height


def panels_together(picture: Image.Image, rows: Sequence[Sequence[Panel]], across: int) -> Image.Image:
    """Return the first panels of a picture side by side: of two rows three each, or of one row up to four.

    Rows that begin with a wide panel, such as a strip of tiles, are one above another. across : the width, pixels.
    """
    one = [panel for row in rows for panel in row] if min(map(len, rows)) == 1 else rows[0]
    if len(rows[0]) == 1 and one[0].width > 2 * one[0].height:
        shown = [row[:1] for row in rows[:4]]
    elif len(rows) > 1 and min(map(len, rows[:2])) > 1:
        shown = [row[:3] for row in rows[:2]]
    else:
        shown = [one[:2], one[2:4]] if len(one) > 3 else [one]
    width = across // max(map(len, shown))
    heights = [min(2 * width, max(round(width * panel.height / panel.width) for panel in row)) for row in shown]
    together = Image.new("RGB", (width * max(map(len, shown)), sum(heights)), "white")
    tops = [sum(heights[:n]) for n in range(len(heights))]
    for row, top, height in zip(shown, tops, heights, strict=True):
        for n, panel in enumerate(row):
            part = picture.crop((panel.left, panel.top, panel.left + panel.width, panel.top + panel.height))
            together.paste(ImageOps.contain(part, (width - 4, height - 4)), (n * width + 2, top + 2))
    return together
