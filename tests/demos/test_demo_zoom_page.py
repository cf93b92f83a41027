"""The demo zoom_page on its command line, and the page it writes."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from demos import zoom_page
from demos.shared.command import main
from demos.zoom_page import write_zoom_page
from minicnn.errors import InputError
from minicnn.images import load_image, save_image


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
    assert len(card["checks"]) == 9 and all(check["passed"] for check in card["checks"])
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
                           (["--mnist", tmp_path / "no"], "no"), ([], "digits takes grey images only; give --mnist")):
        capsys.readouterr()
        assert run(*wrong, *arguments[:2], "--out", tmp_path / "other") == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1 and not (tmp_path / "other").exists()


def test_too_few_pictures_for_a_map_and_a_missing_folder_are_one_line(tmp_path, capsys):
    save_image(tmp_path / "one.png", np.zeros((64, 64, 3), np.uint8))
    for folder, message in ((tmp_path, "a map needs at least 12 photos, not 1"), (tmp_path / "no", "no such folder")):
        assert run(folder, "--out", tmp_path / "out") == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_large_picture_is_named_and_not_held(tmp_path, monkeypatch):
    """7,772 photos made a page of 76 MB."""
    monkeypatch.setattr(zoom_page, "EMBEDDED", 1000)
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/maps\xe9 $ #1")
    os.mkdir(folder)
    png = os.path.join(folder, 'a "large" map?.png')
    save_image(png, np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    write_zoom_page(tmp_path / "page.html", png, "a map")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert len(text) < 10_000 and 'src="maps%E9%20%24%20%231/a%20%22large%22%20map%3F.png"' in text


@pytest.mark.parametrize("title", ["</script><script>alert(1)</script>", '" onload="x', "caf\udce9", "{title} {0} $x$",
                                   "a\x1b[2J\nb"])
def test_any_title_is_text(tmp_path, title):
    save_image(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8))
    write_zoom_page(tmp_path / "page.html", tmp_path / "a.png", title)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count("<script") == 1 and "onload=\"x" not in text and "\x1b" not in text
