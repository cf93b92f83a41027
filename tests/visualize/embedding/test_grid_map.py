"""Maps of thumbnails: every picture once, near the least cost, the right pixels; and the page that shows them."""

import base64
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from itertools import permutations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from demos import zoom_page
from demos.shared.command import main
from demos.zoom_page import write_zoom_page
from minicnn.errors import InputError
from minicnn.images import load_image, save_image
from minicnn.visualize.embedding import grid_map
from minicnn.visualize.embedding.embedding_check import check_grid, check_sheet, neighbour_agreement
from minicnn.visualize.embedding.grid_map import (
    assign_to_grid,
    assignment_cost,
    greedy_assignment,
    grid_positions,
    grid_sheet,
    thumbnail_map,
)


def clusters(count, rng):
    """A map such as t-SNE makes: points in ten heaps, (count, 2)."""
    centres, labels = rng.uniform(-40, 40, (10, 2)), rng.integers(10, size=count)
    return centres[labels] + rng.standard_normal((count, 2)) * rng.uniform(0.5, 7, (10, 1))[labels]


def plain_thumbnails(count, size=6):
    """Thumbnails that tell their number: (count, size, size, 3), red and green say which."""
    thumbnails = np.zeros((count, size, size, 3), np.uint8)
    thumbnails[..., 0], thumbnails[..., 1] = (np.arange(count) // 200)[:, None, None], (np.arange(count) % 200)[
        :, None, None]
    return thumbnails


# ---- cells -----------------------------------------------------------------------------------------------------------


def test_the_corners_of_a_map_are_the_corners_of_the_grid_and_up_is_up():
    corners = [(-3, 7), (5, 7), (-3, -1), (5, -1)]
    assert assign_to_grid(corners, 4, 6).tolist() == [0, 5, 18, 23]
    assert grid_positions(corners, 4, 6).tolist() == [[0, 0], [0, 5], [3, 0], [3, 5]]


def test_points_that_lie_on_the_cells_already_stay_there(rng):
    order = rng.permutation(12 * 7)
    rows, columns = np.divmod(order, 7)
    assert (assign_to_grid(np.stack([columns * 3.5, -rows * 0.1], axis=1), 12, 7) == order).all()


def test_the_assignment_is_the_best_of_all(rng):
    positions = rng.standard_normal((7, 2))
    cells = assign_to_grid(positions, 1, 7)
    least = min(assignment_cost(positions, np.array(order), 1, 7) for order in permutations(range(7)))
    assert assignment_cost(positions, cells, 1, 7) == pytest.approx(least, rel=1e-12)


@pytest.mark.parametrize(("count", "rows", "columns"), [(400, 20, 20), (300, 20, 20), (150, 5, 30), (1, 1, 1),
                                                        (1, 3, 3), (5, 5, 1)])
def test_the_checks_of_a_grid_pass(rng, count, rows, columns):
    positions = clusters(count, rng)
    cells = assign_to_grid(positions, rows, columns)
    assert cells.shape == (count,) and len(set(cells.tolist())) == count
    assert cells.min() >= 0 and cells.max() < rows * columns
    assert all(check.passed for check in check_grid(positions, cells, rows, columns, rng))


def test_the_checks_of_a_grid_see_a_poor_one(rng):
    positions = clusters(100, rng)
    cells = assign_to_grid(positions, 10, 10)
    twice = cells.copy()
    twice[0] = twice[1]
    assert not check_grid(positions, twice, 10, 10, rng)[0].passed
    poor = check_grid(positions, 99 - cells, 10, 10, rng)  # upside down
    assert [check.passed for check in poor][:3] == [True, False, False]
    shuffled = check_grid(positions, rng.permutation(100), 10, 10, rng)
    assert neighbour_agreement(positions, cells, 10) > 3 * shuffled[3].value


@pytest.mark.parametrize(("kind", "rows", "columns"), [
    ("clusters", 20, 20), ("clusters", 24, 26), ("clusters", 4, 100), ("uniform", 20, 20), ("two far apart", 20, 20),
    ("a line", 20, 20), ("a point", 20, 20)])
def test_large_maps_are_solved_in_windows_nearly_as_well(rng, monkeypatch, kind, rows, columns):
    positions = {"clusters": clusters(400, rng), "uniform": rng.random((400, 2)), "a point": np.zeros((400, 2)),
                 "two far apart": np.concatenate([rng.random((200, 2)), rng.random((200, 2)) + 50]),
                 "a line": np.stack([rng.random(400), np.zeros(400)], axis=1)}[kind]
    best = assignment_cost(positions, assign_to_grid(positions, rows, columns), rows, columns)
    monkeypatch.setattr(grid_map, "EXACT", 0)
    cells = assign_to_grid(positions, rows, columns)
    assert len(set(cells.tolist())) == 400 and cells.max() < rows * columns
    cost = assignment_cost(positions, cells, rows, columns)
    assert best <= cost * (1 + 1e-12) and cost < 1.05 * best
    assert cost <= assignment_cost(positions, greedy_assignment(positions, rows, columns), rows, columns)


def test_a_map_above_the_limit_is_close_to_the_best(rng, summary_line, monkeypatch):
    monkeypatch.setattr(grid_map, "EXACT", 500)
    side = 25
    positions = clusters(side * side, rng)
    cells = assign_to_grid(positions, side, side)
    points = grid_positions(positions, side, side)
    best = linear_sum_assignment(grid_map.costs(points, np.arange(side * side), side))[1]
    ratio = assignment_cost(positions, cells, side, side) / assignment_cost(positions, best, side, side)
    summary_line(f"grid map, {side * side} points in windows: {ratio:.5f} of the least cost")
    assert len(set(cells.tolist())) == side * side and 1 - 1e-12 <= ratio < 1.01


def test_the_same_map_gives_the_same_grid(rng):
    positions = clusters(200, rng)
    assert (assign_to_grid(positions, 15, 15) == assign_to_grid(positions.copy(), 15, 15)).all()
    assert (assign_to_grid(3 * positions + 7, 15, 15) == assign_to_grid(positions, 15, 15)).all()


@pytest.mark.parametrize(("positions", "rows", "columns", "message"), [
    (np.zeros((10, 2)), 3, 3, "10 points do not fit into 3x3 cells"), (np.zeros((0, 2)), 3, 3, r"shape \(N, 2\)"),
    (np.zeros((4, 3)), 3, 3, r"shape \(N, 2\), got \(4, 3\)"), (np.full((4, 2), np.inf), 3, 3, "not finite"),
    (np.zeros((4, 2)), 0, 3, "a grid of 0x3 cells")])
def test_maps_that_do_not_fit_are_refused_in_one_line(positions, rows, columns, message):
    with pytest.raises(InputError, match=message) as caught:
        assign_to_grid(positions, rows, columns)
    assert "\n" not in str(caught.value)


# ---- pictures --------------------------------------------------------------------------------------------------------


def test_a_sheet_has_each_thumbnail_in_its_cell_and_the_exact_size(rng, tmp_path):
    thumbnails, cells = plain_thumbnails(33, 6), rng.permutation(35)[:33]
    sheet = grid_sheet(thumbnails, cells, 5, 7, 6)
    assert sheet.shape == (30, 42, 3) and sheet.dtype == np.uint8
    for n, cell in enumerate(cells.tolist()):
        top, left = cell // 7 * 6, cell % 7 * 6
        assert (sheet[top:top + 6, left:left + 6] == thumbnails[n]).all()
    assert (sheet == 255).all(axis=2).sum() == 2 * 36
    assert all(check.passed for check in check_sheet(sheet, thumbnails, cells, 5, 7, 6))
    assert not check_sheet(sheet[::-1], thumbnails, cells, 5, 7, 6)[1].passed
    assert not any(check.passed for check in check_sheet(sheet[1:], thumbnails, cells, 5, 7, 6))
    save_image(tmp_path / "sheet.png", sheet)
    assert (load_image(tmp_path / "sheet.png") == sheet).all()


@pytest.mark.parametrize("size", [1, 4, 9, 12])
def test_thumbnails_of_another_size_are_scaled(rng, size):
    thumbnails = rng.integers(0, 256, (4, 6, 8, 3), dtype=np.uint8)
    sheet = grid_sheet(thumbnails, [3, 1, 0, 2], 2, 2, size)
    assert sheet.shape == (2 * size, 2 * size, 3) and (sheet[0, 0] == thumbnails[2, 0, 0]).all()
    assert all(check.passed for check in check_sheet(sheet, thumbnails, np.array([3, 1, 0, 2]), 2, 2, size))


def test_thumbnails_reach_the_edges_of_a_map_and_the_later_lies_on_top():
    thumbnails = plain_thumbnails(4, 5)
    positions = np.array([(0, 0), (10, 10), (5, 5), (5, 5)])
    picture = thumbnail_map(thumbnails, positions, 41)
    assert picture.shape == (41, 41, 3) and picture.dtype == np.uint8
    assert (picture[-5:, :5] == thumbnails[0]).all() and (picture[:5, -5:] == thumbnails[1]).all()
    assert (picture[18:23, 18:23] == thumbnails[3]).all()
    assert (picture == 255).all(axis=2).sum() == 41 * 41 - 3 * 25


def test_one_thumbnail_lies_in_the_middle():
    picture = thumbnail_map(plain_thumbnails(1, 5), [(3, 4)], 15)
    assert (picture[5:10, 5:10] == 0).all() and (picture == 0).all(axis=2).sum() == 25


@pytest.mark.parametrize(("call", "message"), [
    (lambda t: thumbnail_map(t, np.zeros((3, 2)), 4), "thumbnails of 6x6 pixels do not fit into a map of 4x4"),
    (lambda t: thumbnail_map(t, np.zeros((2, 2)), 40), "3 thumbnails for 2 places"),
    (lambda t: thumbnail_map(t / 255, np.zeros((3, 2)), 40), "expected thumbnails uint8"),
    (lambda t: grid_sheet(t, [0, 1], 2, 2, 6), "3 thumbnails for 2 places"),
    (lambda t: grid_sheet(t, [0, 1, 1], 2, 2, 6), "a cell of its own, from 0 to 3"),
    (lambda t: grid_sheet(t, [0, 1, 4], 2, 2, 6), "a cell of its own, from 0 to 3"),
    (lambda t: grid_sheet(t, [0, 1, 2], 2, 2, 0), "at least 1 pixel")])
def test_thumbnails_that_do_not_fit_are_refused_in_one_line(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call(plain_thumbnails(3))
    assert "\n" not in str(caught.value)


# ---- the page --------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page holds: its tags, the attributes that name something elsewhere, its script."""

    def __init__(self, page):
        super().__init__()
        self.open, self.sources, self.text, self.script = [], [], {}, ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] == ["script"]:
            self.script += data
        elif self.open:
            self.text[self.open[-1]] = self.text.get(self.open[-1], "") + data


@pytest.fixture
def page(tmp_path):
    """A page over a small picture, and the picture's bytes."""
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    save_image(tmp_path / "map.png", image)
    write_zoom_page(tmp_path / "map.html", tmp_path / "map.png", '<b>"Cats" & dogs {0}')
    return Page((tmp_path / "map.html").read_text(encoding="utf-8")), (tmp_path / "map.png").read_bytes()


def test_the_page_holds_the_picture_and_needs_nothing_else(page):
    page, png = page
    assert page.open == [] and len(page.sources) == 1
    kind, data = page.sources[0].split(",")
    assert kind == "data:image/png;base64" and base64.b64decode(data) == png
    assert not re.search(r"https?:|import |fetch|XMLHttp|eval", page.script)


def test_the_title_of_the_page_is_escaped(page):
    assert page[0].text["title"] == page[0].text["h1"] == '<b>"Cats" & dogs {0}'


def test_the_pages_script_is_javascript(page, tmp_path):
    if not shutil.which("node"):
        pytest.skip("node is not installed: nothing here reads JavaScript")
    (tmp_path / "page.js").write_text(page[0].script)
    subprocess.run(["node", "--check", tmp_path / "page.js"], check=True, capture_output=True, timeout=30)


def test_a_page_is_not_lost_and_not_made_of_anything_else(tmp_path):
    (tmp_path / "old.html").write_text("old")
    save_image(tmp_path / "map.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(InputError, match="already exists"):
        write_zoom_page(tmp_path / "old.html", tmp_path / "map.png", "new")
    assert (tmp_path / "old.html").read_text() == "old"
    write_zoom_page(tmp_path / "old.html", tmp_path / "map.png", "new", overwrite=True)
    assert "<h1>new</h1>" in (tmp_path / "old.html").read_text()
    with pytest.raises(InputError, match="old.html: not a PNG file"):
        write_zoom_page(tmp_path / "new.html", tmp_path / "old.html", "title")
    with pytest.raises(InputError, match="none.png: cannot be read"):
        write_zoom_page(tmp_path / "new.html", tmp_path / "none.png", "title")
    assert not (tmp_path / "new.html").exists()


# ---- the demo --------------------------------------------------------------------------------------------------------


def run(*arguments):
    """Run the demo in this process; returns its exit code."""
    sys.argv = ["zoom_page", "--model", "shapes", "--device", "cpu", *map(str, arguments)]
    try:
        main(zoom_page.run, zoom_page.parser())
    except SystemExit as end:
        return end.code
    return 0


def test_the_demo_maps_drawn_shapes_and_writes_the_large_picture_and_its_page(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(zoom_page, "DRAWN", 60)
    assert run("--steps", 300, "--thumbnail", 20, "--out", tmp_path / "out") == 0
    assert "no folder given: 60 drawn shapes are on the map" in capsys.readouterr().out
    names = ["free_map_large.html", "free_map_large.png", "grid_map.json", "grid_map.npy", "grid_map.png",
             "grid_map_large.html", "grid_map_large.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert load_image(tmp_path / "out" / "grid_map_large.png").shape == (8 * 20, 8 * 20, 3)
    card = json.loads((tmp_path / "out" / "grid_map.json").read_text())
    assert len(card["checks"]) == 6 and all(check["passed"] for check in card["checks"])
    cells = np.load(tmp_path / "out" / "grid_map.npy")
    assert cells.shape == (60, 2) and len({tuple(cell) for cell in cells.tolist()}) == 60
    assert load_image(tmp_path / "out" / "free_map_large.png").shape == (2 * 7 * 20, 2 * 7 * 20, 3)
    for name in zoom_page.LARGE:
        png = (tmp_path / "out" / f"{name}.png").read_bytes()
        page = Page((tmp_path / "out" / f"{name}.html").read_text(encoding="utf-8"))
        assert base64.b64decode(page.sources[0].partition(",")[2]) == png
    assert run("--out", tmp_path / "out") == 2  # before anything is computed
    assert "already; give another --out, or --overwrite" in capsys.readouterr().err


def test_the_demo_maps_digits(tmp_path, capsys):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "t10k.npz", x=rng.integers(0, 256, (30, 28, 28), dtype=np.uint8), y=np.arange(30) % 10)
    arguments = "--model", "digits", "--out", tmp_path / "out"
    assert run("--mnist", tmp_path, "--steps", 100, *arguments) == 0
    assert load_image(tmp_path / "out" / "grid_map_large.png").shape == (5 * 28, 6 * 28, 3)
    for wrong, message in ((["--mnist", tmp_path, tmp_path], "give a FOLDER or --mnist, not both"),
                           (["--mnist", tmp_path / "no"], "no"), ([], "digits sees grey pictures only; give --mnist")):
        capsys.readouterr()
        assert run(*wrong, *arguments[:2], "--out", tmp_path / "other") == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1 and not (tmp_path / "other").exists()


def test_too_few_pictures_for_a_map_and_a_missing_folder_are_one_line(tmp_path, capsys):
    save_image(tmp_path / "one.png", np.zeros((64, 64, 3), np.uint8))
    for folder, message in ((tmp_path, "a map needs at least 12 pictures, not 1"), (tmp_path / "no", "no such folder")):
        assert run(folder, "--out", tmp_path / "out") == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1 and not (tmp_path / "out").exists()
