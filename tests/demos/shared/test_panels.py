"""The panels of a figure: their captions, and their places in the PNG file."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from demos.gallery_page import linked, write_small
from demos.gallery_panels import Panel, panel_rows, panels_of_card, panels_together
from demos.shared.panels import panels_of
from minicnn import plot
from minicnn.images import load_image

COLOURS = [(255, 0, 0), (0, 160, 0), (0, 0, 255), (90, 90, 90), (200, 200, 0)]


@pytest.fixture
def panels(tmp_path):
    """The panels of a figure with five pictures of one colour, and the figure's pixels."""
    pictures = [(f"panel {n}: {'a long caption ' * 4}\nline $x$ {n}", np.full((20 + 5 * n, 30, 3), colour, np.uint8))
                for n, colour in enumerate(COLOURS)]
    figure = plot.show_panels(pictures, columns=3, title="a title")
    plot.save_figure(tmp_path / "figure.png", figure)
    return panels_of(figure), load_image(tmp_path / "figure.png")


def test_the_box_of_a_panel_is_its_picture(panels):
    panels, figure = panels
    for panel, colour in zip(panels, COLOURS, strict=True):
        left, top, width, height = panel["box"]
        inside = (figure[top:top + height, left:left + width] == colour).all(axis=2)
        assert inside[2:-2, 2:-2].all() and abs((figure == colour).all(axis=2).sum() - width * height) <= width + height


def test_the_caption_of_a_panel_is_whole(panels):
    assert [panel["caption"] for panel in panels[0]] == [
        f"panel {n}: {'a long caption ' * 4}\nline $x$ {n}" for n in range(5)]


def test_the_rows_of_a_page_are_those_of_the_figure(panels):
    rows = panel_rows(panels_of_card({"panels": panels[0]}))
    assert [len(row) for row in rows] == [3, 2] and rows[1][0].caption[1] == "line $x$ 3"
    assert panels_of_card({}) == [] and panel_rows([]) == []


def test_a_figure_with_a_panel_without_a_caption_is_shown_whole(tmp_path):
    figure = Figure()
    left, right, empty = figure.subplots(1, 3)
    left.imshow(np.zeros((4, 4)))
    left.set_title("left")
    right.plot([0, 1], [0, 1])
    right.text(0, 0, "a number\x1b")
    plot.save_figure(tmp_path / "figure.png", figure)
    panels = panels_of_card({"panels": panels_of(figure)})
    assert [panel.caption for panel in panels] == [["left"], []] and panels[1].text == ["a number\\x1b"]
    assert panel_rows(panels) == []


def test_the_box_of_a_chart_holds_its_axes(tmp_path):
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1])
    axes.set(title="a chart", xlabel="steps", ylabel="loss")
    plot.save_figure(tmp_path / "figure.png", figure)
    left, top, width, height = panels_of(figure)[0]["box"]
    pixels = load_image(tmp_path / "figure.png")
    pixels[top:top + height, left:left + width] = 255
    rest = np.flatnonzero((pixels < 128).any(axis=(1, 2)))
    assert rest.size and rest.max() < top  # the title alone is outside


def test_a_small_picture_shows_the_first_panels_without_captions(tmp_path, panels):
    panels, figure = panels
    Image.fromarray(figure).save(tmp_path / "figure.png")
    rows = panel_rows(panels_of_card({"panels": panels}))
    size = write_small(tmp_path / "figure.png", tmp_path / "small.jpg", rows)
    small = load_image(tmp_path / "small.jpg").astype(int)
    assert size == (small.shape[1], small.shape[0]) and size[0] <= 336 and size[1] <= 252
    near = np.stack([np.abs(small - colour).max(axis=2) < 40 for colour in [*COLOURS, (255, 255, 255)]])
    assert near.any(axis=0).mean() > 0.97  # no letters
    assert all(one.sum() > 500 for one in near)


def test_the_small_copy_of_strips_shows_them_one_above_another():
    levels = (40, 120, 200)
    picture = Image.fromarray(np.repeat(np.array(levels, np.uint8), 50)[:, None, None].repeat(600, 1).repeat(3, 2))
    rows = [[Panel([f"row {n}"], [], 0, 50 * n, 600, 50)] for n in range(3)]
    small = np.asarray(panels_together(picture, rows, 480))
    assert small.shape == (120, 480, 3) and [small[20 + 40 * n, 240, 0] for n in range(3)] == list(levels)


def test_the_sources_link_to_papers_and_articles():
    assert linked("A 2016 (arXiv:1610.02391), figure 1; B (https://distill.pub/2019/activation-atlas).") == [
        ("A 2016 (", ""), ("arXiv:1610.02391", "https://arxiv.org/abs/1610.02391"), ("), figure 1; B (", ""),
        ("https://distill.pub/2019/activation-atlas",) * 2, (").", "")]
