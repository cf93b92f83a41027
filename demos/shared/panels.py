"""The panels of a figure: the text and the place of each, so that a page can write the captions itself."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from minicnn.plot import DPI, MARGIN


def panels_of(figure: Figure) -> list[dict[str, Any]]:
    """Return the panels of a figure that `save_figure` has written, for its run card, in the order of the figure.

    Each is {"caption": the text above it, "text": the texts inside it, "box": [left, top, width, height]}. The box is
    in pixels of the PNG file. It holds the picture with its axes, and not the caption.
    """
    figure.set_dpi(DPI)
    renderer = FigureCanvasAgg(figure).get_renderer()
    whole = figure.get_tightbbox(renderer).padded(MARGIN)
    panels = []
    for axes in figure.axes:
        if not axes.get_visible() or not axes.has_data():
            continue
        box = box_of(axes, renderer)
        left, top = box.x0 - whole.x0 * DPI, whole.y1 * DPI - box.y1
        panels.append({"caption": caption_of(axes), "text": [text.get_text() for text in axes.texts if text.get_text()],
                       "box": [round(value) for value in (left, top, box.width, box.height)]})
    return panels


def caption_of(axes: Axes) -> str:
    """Return the text above the axes. Lines that `show_panels` has wrapped are whole again."""
    caption = "  ".join(text for place in ("left", "center", "right") if (text := axes.get_title(place)))
    label = str(axes.get_label())
    return label if label.split() and "".join(label.split()) == "".join(caption.split()) else caption


def box_of(axes: Axes, renderer: Any) -> Bbox:
    """Return the place of the axes with their ticks and labels, in pixels from the lower left corner."""
    boxes = [axes.get_window_extent(renderer)]
    if axes.axison:
        boxes += [box for axis in (axes.xaxis, axes.yaxis) if (box := axis.get_tightbbox(renderer)) is not None]
    return Bbox.union(boxes)
