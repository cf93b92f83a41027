"""The demo of semantic grids: its files, resuming after Ctrl-C, and wrong options."""

import json

import numpy as np
import pytest
from demo_outputs import check_outputs
from demo_runs import exit_code, interrupted

from demos import semantic_grid as demo
from demos.shared.tile_sheet import parts_layer, tile_sheet
from minicnn.models import load_model
from minicnn.visualize.synthesis import ascent

pytestmark = pytest.mark.usefixtures("empty_cache")
QUICK = ("--model", "shapes", "--device", "cpu", "--layer", "relu2", "--steps", "4", "--cells", "5",
         "--save-every", "3")


def test_the_demo_resumes_to_the_same_files(tmp_path, monkeypatch, capsys):
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert exit_code(demo, *QUICK, "--out", whole) == 0
    check_outputs(whole, demo.NAMES)
    with monkeypatch.context() as patch:
        patch.setattr(ascent, "optimize_image", interrupted(ascent.optimize_image, 7))
        assert exit_code(demo, *QUICK, "--out", out) == 130
    assert "repeat the command with --resume" in capsys.readouterr().err
    assert exit_code(demo, *QUICK, "--resume", "--out", out) == 0
    files = ("semantic_grid.png", "semantic_grid.npy", "semantic_grid_grid.png", "semantic_grid_sized.png")
    assert [name for name in files if (out / name).read_bytes() != (whole / name).read_bytes()] == []
    card, expected = (json.loads((folder / "semantic_grid.json").read_text()) for folder in (out, whole))
    assert card["checks"] == expected["checks"] and card["parameters"] == expected["parameters"]
    assert not list(out.glob("*state*")) and not list(out.glob("*latest*"))


@pytest.mark.parametrize(("arguments", "expected"), [
    (["--layer", "fc9"], "no layer"), (["--layer", "scores"], "layer"), (["--cells", "0"], "from 1 on"),
    (["--size", "1"], "too small"), (["--preset", "tilse"], "did you mean tiles"), (["--power", "-1"], "from 0 on")])
def test_bad_input_is_one_line_and_exit_code_2(arguments, expected, tmp_path, capsys):
    assert exit_code(demo, "--model", "shapes", "--device", "cpu", *arguments, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1


def test_the_layer_sees_parts_of_things():
    assert parts_layer(load_model("photos", "cpu").net) == "fire5/concat"


def test_tiles_have_the_sizes_of_their_shares():
    pictures = np.zeros((3, 10, 10, 3), np.uint8)
    sheet = tile_sheet(pictures, np.array([0, 0, 1]), np.array([0, 1, 1]), (2, 2), np.array([1.0, 0.5, 0.01]))
    black = [int((part[..., 0] == 0).sum()) for part in (sheet[:10, :10], sheet[:10, 10:], sheet[10:, :10],
                                                         sheet[10:, 10:])]
    assert sheet.shape == (20, 20, 3) and black == [100, 25, 0, 4]
