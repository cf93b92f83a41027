"""The panels of a figure: the text and the place of each, so that a page can write the captions itself."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from minicnn.plot import DPI, MARGIN

PAD = 4  # pixels around axes with ticks, whose letters are drawn a little larger or smaller than measured


def panels_of(figure: Figure) -> list[dict[str, Any]]:
    """Return the panels of a figure that `save_figure` has written, for its run card, in the order of the figure.

    Each is {"caption": the text above it, "text": the texts inside it, "box": [left, top, width, height]}. The box is
    in pixels of the PNG file. It holds the picture with its axes, and not the caption. A legend of the whole figure is
    a panel, too.
    """
    figure.set_dpi(DPI)
    renderer = FigureCanvasAgg(figure).get_renderer()
    whole = figure.get_tightbbox(renderer).padded(MARGIN)
    shown = [axes for axes in figure.axes if axes.get_visible() and axes.has_data()]
    panels = [(caption_of(axes), [text.get_text() for text in axes.texts if text.get_text()], box_of(axes, renderer))
              for axes in shown]
    panels += [("legend", [text.get_text() for text in legend.get_texts()], legend.get_window_extent(renderer))
               for legend in figure.legends]
    return [{"caption": caption, "text": texts, "box": in_pixels(box, whole)} for caption, texts, box in panels]


def in_pixels(box: Bbox, whole: Bbox) -> list[int]:
    """Return [left, top, width, height] in the PNG file. box : in pixels of the figure. whole : the file, in inches."""
    left, right = (round(x - whole.x0 * DPI) for x in (box.x0, box.x1))
    top, bottom = (round(whole.y1 * DPI - y) for y in (box.y1, box.y0))
    left, top = max(0, left), max(0, top)
    return [left, top, right - left, bottom - top]


def caption_of(axes: Axes) -> str:
    """Return the text above the axes. Lines that `show_panels` has wrapped are whole again."""
    caption = "  ".join(text for place in ("left", "center", "right") if (text := axes.get_title(place)))
    label = str(axes.get_label())
    return label if label.split() and "".join(label.split()) == "".join(caption.split()) else caption


def box_of(axes: Axes, renderer: Any) -> Bbox:
    """Return the place of the axes with ticks, labels and legend, in pixels from the lower left corner."""
    boxes = [axes.get_window_extent(renderer)]
    if axes.axison:
        boxes[0] = boxes[0].padded(PAD / 2)  # its frame
        boxes += [box.padded(PAD) for axis in (axes.xaxis, axes.yaxis)
                  if (box := axis.get_tightbbox(renderer)) is not None]
    legend = axes.get_legend()
    return Bbox.union(boxes if legend is None else [*boxes, legend.get_window_extent(renderer)])
