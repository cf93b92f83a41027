"""Text in figures is shown as it is written, whatever users call their files and classes."""

import time
import warnings

import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure

from minicnn import plot

PICTURE = np.zeros((8, 8, 3), np.uint8)
ODD = ["$", "$x$", "$\\frac{$", r"\$5", "a_b^c$d$", "%s {} {0}", "猫 on a mat", "😀 🦊", "a\x1b[2J\x07b", "caf\udce9",
       "\u202egnp", "\x00", "नमस्ते", "قط", "", " ", "a" * 20_000, "\n" * 500, "line\nline", "\U0010ffff", "\ufffe"]


def draw(figure):
    """Return the time in seconds that the figure takes as PNG. There must be no warning."""
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot.figure_to_png(figure)
    return time.process_time() - start


@pytest.mark.parametrize("text", ODD)
def test_any_text_is_drawn_in_no_time(text):
    draw(plot.show_image(PICTURE, text))
    figures = [plot.show_panels([(text, PICTURE), (text, PICTURE)], title=text), plot.show_image(PICTURE, text),
               plot.show_rows([(text, PICTURE)], title=text)]
    assert sum(map(draw, figures)) < 5


@pytest.mark.parametrize("text", ODD)
def test_text_of_other_figures(text):
    figure = Figure(figsize=(12, 12), layout="constrained")
    axis = figure.subplots()
    axis.plot([1, 10], [1, 10], label="_" + text)
    axis.plot([1, 10], [1, 10], label=f"line {text}")
    axis.set(xlabel=text, ylabel=text, xscale="log")
    axis.text(2, 2, text)
    axis.annotate(text, (1, 1))
    axis.legend(title=text)
    figure.suptitle(text)
    draw(figure)


def test_a_picture_without_axes_looks_the_same_without_ticks():
    """Ticks of hidden axes take time, and change no pixel."""
    pictures = []
    for hide in (plot.hide_axes, lambda axes: axes.set_axis_off()):
        figure = Figure(figsize=(4, 3), layout="constrained")
        for axes in figure.subplots(1, 2):
            hide(axes)
            axes.imshow(np.arange(12).reshape(3, 4))
            axes.set_title("a caption")
        pictures.append(plot.figure_to_png(figure))
        assert all(axes.xaxis.get_ticklocs().size + axes.yaxis.get_ticklocs().size == 0
                   for axes in figure.axes) == (hide is plot.hide_axes)
    assert pictures[0] == pictures[1]


def test_a_dollar_is_a_dollar():
    """The picture of "$x$" has the width of three characters, not of one."""
    for text in ("$x$", r"\$x", "a$b$c"):
        figure = plot.show_image(PICTURE, text)
        label = figure.axes[0].title
        assert label.get_text() == text and not label.get_parse_math()
    wide, narrow = (plot.plain_text(plot.show_image(PICTURE, text)) for text in ("$x$x$x$x$", "x"))
    for figure in (wide, narrow):
        figure.draw_without_rendering()
    assert wide.axes[0].title.get_window_extent().width > 6 * narrow.axes[0].title.get_window_extent().width


def test_formulas_of_logarithmic_ticks_stay():
    figure = Figure()
    axis = figure.subplots()
    axis.semilogx([1, 1000], [0, 1])
    plot.figure_to_png(figure)
    assert all(label.get_parse_math() for label in axis.get_xticklabels())


def test_characters_that_no_font_has_are_written_as_codes(monkeypatch):
    monkeypatch.setattr(plot, "_family_with", lambda character: None)
    assert plot.show_image(PICTURE, "a 猫 🦊").axes[0].get_title() == "a \\u732b \\U0001f98a"
    assert plot.show_image(PICTURE, "Zoë × Ωmega →").axes[0].get_title() == "Zoë × Ωmega →"  # DejaVu Sans has them


def test_a_font_that_has_the_character_is_used():
    names = {font.name for font in font_manager.fontManager.ttflist}
    if "STIXGeneral" not in names:
        pytest.skip("STIXGeneral is not installed")
    figure = plot.show_image(PICTURE, "a \u2a3f b")  # an operator that DejaVu Sans may lack
    sans = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    if not sans.get_char_index(0x2A3F):
        assert len(figure.axes[0].title.get_fontfamily()) == 2
    assert "\u2a3f" in figure.axes[0].get_title()
    draw(figure)


def test_long_text_is_cut():
    title = plot.show_image(PICTURE, "a" * 20_000 + "\n" + "b" * 300).axes[0].get_title()
    assert title == "a" * 119 + "…\n" + "b" * 119 + "…"
    assert plot.show_image(PICTURE, "\n".join("abcdefghijklmnopqrstuvwxyz")).axes[0].get_title().count("\n") == 7


@pytest.mark.parametrize("saliency", [np.zeros((8, 8)), np.full((8, 8), -1.0), np.full((8, 8), -1e-30),
                                      np.eye(8), np.eye(100), np.linspace(-5, -1, 64).reshape(8, 8)])
def test_a_map_of_a_flat_picture_is_drawn(saliency):
    options = plot.saliency_range(saliency)
    assert 0.0 == options["vmin"] < options["vmax"]
    draw(plot.show_panels([("map", saliency, options)]))
    draw(plot.show_image(plot.overlay(np.zeros((*saliency.shape, 3), np.uint8), saliency)))
    assert np.isfinite(plot.overlay(np.zeros((*saliency.shape, 3), np.uint8), saliency)).all()


def test_amplify_and_colours_of_nothing():
    flat = np.full((4, 4, 3), 127, np.uint8)
    assert plot.amplify(flat, np.zeros((4, 4, 3)))[0].std() == 0
    assert (plot.gradient_to_colours(np.zeros((3, 4, 4))) == 0.5).all()


def test_long_captions_do_not_cover_the_next_panel():
    words = "a caption of many words that is too long for the panel below it, and goes on and on, and on"
    figure = plot.show_panels([("n" * 500, PICTURE), (words, PICTURE), ("short", PICTURE), ("two\nlines", PICTURE)])
    captions = [axis.get_title() for axis in figure.axes]
    assert captions[0].count("\n") == 2 and captions[0].endswith("…") and captions[2:] == ["short", "two\nlines"]
    assert captions[1].replace("\n", " ") == words
    assert all(len(line) <= 40 for caption in captions for line in caption.split("\n"))
    figure.draw_without_rendering()
    extents = [axis.title.get_window_extent() for axis in figure.axes]
    assert all(left.x1 <= right.x0 for left, right in zip(extents[1:], extents[2:], strict=False))
