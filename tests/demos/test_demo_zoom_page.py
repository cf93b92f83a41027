"""The demo zoom_page on its command line, and the files of the page it writes."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from demos import zoom_page
from demos.shared.command import main
from demos.zoom_site import CHUNK, NEIGHBOURS, PhotoMap, write_zoom_page
from minicnn.errors import InputError
from minicnn.images import load_image, save_image


def photo_map(count=30, title="a map", names=None, labels=None):
    """Return a map of random photos of 8 pixels in a grid of 6 columns."""
    rng = np.random.default_rng(0)
    return PhotoMap(title, "relu5", names or [f"a/{n}" for n in range(count)], labels or ["a"] * count,
                    rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8), rng.permutation(count), -(-count // 6), 6,
                    rng.normal(size=(count, 2)), rng.normal(size=(count, 5)).astype(np.float32))


def script_data(path):
    """Return the data of a script file, and the words before them."""
    before, _, after = path.read_text(encoding="ascii").partition(" = ")
    return before, json.loads(after.rstrip(";\n"))


def test_the_data_of_the_page_are_the_map(tmp_path):
    photos = photo_map(CHUNK + 3)
    assert write_zoom_page(tmp_path, "zoom", photos) == "zoom.html"
    assert sorted(path.name for path in (tmp_path / "zoom").iterdir()) == [
        "data.js", "neighbours_0.js", "neighbours_1.js", "tiles", "zoom.css", "zoom.js"]
    before, data = script_data(tmp_path / "zoom" / "data.js")
    assert before == "zoomData" and data["names"][:3] == ["0", "1", "2"] and data["classes"] == ["a"]
    assert data["cells"] == photos.cells.tolist() and set(data["labels"]) == {0}
    x, y = photos.positions.T
    assert np.argmax(data["x"]) == np.argmax(x) and np.argmin(data["y"]) == np.argmax(y)  # y is downwards on the page
    before, near = script_data(tmp_path / "zoom" / "neighbours_1.js")
    assert before == "zoomNeighbours[1]" and len(near) == 3
    distances = np.linalg.norm(photos.features - photos.features[CHUNK + 1], axis=1)
    assert near[1] == np.argsort(distances)[1:NEIGHBOURS + 1].tolist()


def test_the_page_is_korean_and_its_data_stay_the_same(tmp_path):
    (tmp_path / "en").mkdir()
    write_zoom_page(tmp_path, "zoom", photo_map(12), language="ko")
    write_zoom_page(tmp_path / "en", "zoom", photo_map(12))
    korean, english = ((folder / "zoom.html").read_text(encoding="utf-8") for folder in (tmp_path, tmp_path / "en"))
    assert '<html lang="ko">' in korean and '<html lang="en">' in english
    assert "사진 12장의 지도: 비슷한 것끼리 모여 있음" in korean and "<kbd>Enter</kbd>" in korean
    assert '"no class": ' in korean and 'id="texts">{}</script>' in english
    for file in ("data.js", "zoom.js"):
        assert (tmp_path / "zoom" / file).read_bytes() == (tmp_path / "en" / "zoom" / file).read_bytes()


@pytest.mark.parametrize("name", ["</script><script>alert(1)</script>", '" onload="x', "caf\udce9", "{{ 1 }} {% x %}",
                                  "a\x1b[2J\nb", "\u2028", "猫"])
def test_any_name_label_and_title_is_text(tmp_path, name):
    labels = [name, None, "b"] + ["c"] * 27
    write_zoom_page(tmp_path, "zoom", photo_map(30, name, [name] * 30, labels))
    text = (tmp_path / "zoom.html").read_text(encoding="utf-8")
    assert text.count("<script") == 3 and 'onload="x' not in text and "\x1b" not in text
    data = script_data(tmp_path / "zoom" / "data.js")[1]
    assert data["labels"][:2] == [data["classes"].index(data["classes"][data["labels"][0]]), -1]
    assert all(character.isprintable() for character in data["names"][0] + data["classes"][0])


def test_a_page_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    write_zoom_page(tmp_path, "zoom", photo_map())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="zoom.html: already exists"):
        write_zoom_page(tmp_path, "zoom", photo_map(12))

    def interrupted(*arguments):
        raise KeyboardInterrupt
    with monkeypatch.context() as patch:
        patch.setattr("demos.zoom_site.write_neighbours", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_zoom_page(tmp_path, "zoom", photo_map(12), overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    write_zoom_page(tmp_path, "zoom", photo_map(12), overwrite=True)
    assert len(script_data(tmp_path / "zoom" / "data.js")[1]["names"]) == 12
    assert sorted(path.name for path in tmp_path.iterdir()) == ["zoom", "zoom.html"]


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
    names = ["grid_map.json", "grid_map.npy", "grid_map.png", "grid_map_large.png", "grid_map_positions.png",
             "grid_map_zoom", "grid_map_zoom.html"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert load_image(tmp_path / "out" / "grid_map_large.png").shape == (8 * 20, 8 * 20, 3)
    card = json.loads((tmp_path / "out" / "grid_map.json").read_text())
    assert len(card["checks"]) == 9 and all(check["passed"] for check in card["checks"])
    cells = np.load(tmp_path / "out" / "grid_map.npy")
    assert cells.shape == (60, 2) and len({tuple(cell) for cell in cells.tolist()}) == 60
    assert load_image(tmp_path / "out" / "grid_map_positions.png").shape == (2 * 7 * 20, 2 * 7 * 20, 3)
    assert card["page"] == "grid_map_zoom.html"
    tile = np.asarray(Image.open(tmp_path / "out" / "grid_map_zoom" / "tiles" / "0_0_0.jpg"))
    large = load_image(tmp_path / "out" / "grid_map_large.png").astype(int)
    assert np.abs(tile[:160, :160] - large).mean() < 15  # JPEG
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
