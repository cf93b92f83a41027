"""The panels of a picture on its page: each is cut out of the PNG file, and its caption is text of the page."""

from collections.abc import Sequence
from typing import Any, NamedTuple

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
