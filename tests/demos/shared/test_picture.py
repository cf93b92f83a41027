"""The files of a demo: never overwritten unasked, and refused before any work."""

import json

import numpy as np
import pytest
from demo_runs import exit_code as demo

from demos import (
    class_visualization,
    filters,
    texture_gram,
)
from demos.shared.picture import file_stem
from minicnn.visualize.texture import gram as texture

pytestmark = pytest.mark.usefixtures("empty_cache")


def test_nothing_is_overwritten_without_being_asked(tmp_path, capsys):
    arguments = ["--model", "shapes", "--device", "cpu", "--out", str(tmp_path / "out")]
    assert demo(filters, *arguments) == 0
    before = (tmp_path / "out" / "filters.png").stat().st_mtime_ns
    assert demo(filters, *arguments) == 2
    assert "filters.png" in capsys.readouterr().err
    assert (tmp_path / "out" / "filters.png").stat().st_mtime_ns == before
    (tmp_path / "out" / "filters.png").rename(tmp_path / "filters.png")  # the array is the user's too
    assert demo(filters, *arguments) == 2
    assert "filters.npy" in capsys.readouterr().err
    (tmp_path / "filters.png").rename(tmp_path / "out" / "filters.png")
    assert demo(filters, *arguments, "--overwrite") == 0
    assert (tmp_path / "out" / "filters.png").stat().st_mtime_ns != before


@pytest.mark.parametrize(("out", "said"), [("file", "file is a file"), ("file/out", "file is a file"),
                                           (300 * "x", "xxx cannot be made: File name too long")])
def test_a_folder_that_cannot_be_made_is_one_line_before_any_work(out, said, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("of the user")
    monkeypatch.setattr(texture, "optimize_image", lambda *arguments, **settings: pytest.fail("it has begun"))
    assert demo(texture_gram, "--model", "shapes", "--device", "cpu", "--out", str(tmp_path / out)) == 2
    error = capsys.readouterr().err
    assert f"{said}; give another --out" in error and error.count("\n") == 1
    assert (tmp_path / "file").read_text() == "of the user"


def test_a_layers_name_becomes_a_files_name():
    assert file_stem("fire2/relu_expand1x1") == "fire2_relu_expand1x1" and file_stem("../a b.c-d") == ".._a_b.c-d"


def test_the_run_card_repeats_the_run(tmp_path):
    for folder in ("one", "two"):
        demo(class_visualization, "--model", "shapes", "--device", "cpu", "--class", "0", "--steps", "5", "--seed", "3",
             "--out", str(tmp_path / folder))
    one, two = (np.load(tmp_path / folder / "class_visualization.npy") for folder in ("one", "two"))
    assert (one == two).all()
    card = json.loads((tmp_path / "one" / "class_visualization.json").read_text())
    assert card["parameters"]["seed"] == 3 and card["parameters"]["steps"] == 5 and len(card["history"]) == 5
