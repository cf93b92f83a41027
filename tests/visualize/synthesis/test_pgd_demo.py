"""The demo of attacks within a ball: its files, resuming, and bad input."""

import json

import numpy as np
import pytest
from demo_outputs import check_outputs
from demo_runs import exit_code, interrupted

from demos import pgd as demo
from minicnn import images
from minicnn.datasets.shapes import draw_shapes
from minicnn.models import load_model
from minicnn.visualize.synthesis import pgd

pytestmark = pytest.mark.usefixtures("empty_cache")


def run_demo(*arguments):
    return exit_code(demo, "--model", "shapes", "--device", "cpu", *arguments)


@pytest.fixture
def stars(tmp_path):
    """A folder of three drawn stars."""
    (tmp_path / "stars").mkdir()
    for n, picture in enumerate(draw_shapes([9, 10, 11], np.random.default_rng(0))[0]):
        images.save_image(tmp_path / "stars" / f"star {n}.png", picture)
    return str(tmp_path / "stars")


def test_the_demo_resumes_to_the_same_files(stars, tmp_path, monkeypatch, capsys):
    whole, out = tmp_path / "whole", tmp_path / "out"
    arguments = (stars, "--steps", "4", "--radii", "1,8", "--save-every", "1")
    assert run_demo(*arguments, "--out", whole) == 0
    check_outputs(whole, demo.NAMES)
    model = load_model("shapes", "cpu")
    read = images.load_image(whole / "pgd_1_star_1.png")
    assert (np.load(whole / "pgd.npy")[1] == read).all()
    reports = json.loads((whole / "pgd.json").read_text())["parameters"]["reports"]
    assert model.net.predict(model.preprocessing.to_input(read)).argmax() == reports[1]["answer"]
    for at in (3, 14):  # the first photo, and the sweep
        with monkeypatch.context() as patch:
            patch.setattr(pgd, "optimize_image", interrupted(pgd.optimize_image, at))
            assert run_demo(*arguments, "--out", out) == 130
        assert "repeat the command with --resume" in capsys.readouterr().err
        assert run_demo(*arguments, "--resume", "--out", out) == 0
        for name in demo.NAMES:
            assert (np.load(out / f"{name}.npy") == np.load(whole / f"{name}.npy")).all()
            assert (out / f"{name}.png").read_bytes() == (whole / f"{name}.png").read_bytes()
        assert not list(out.glob("*state*")) and not list(out.glob("*latest*"))
        for file in out.iterdir():
            file.unlink()


@pytest.mark.parametrize(("arguments", "expected"), [
    (["--target", "striped disc"], "shapes classifies striped disc as striped disc already; give another --target"),
    (["--norm", "l3"], "norm"), (["--objective", "margn"], "did you mean margin"), (["--epsilon", "0"], "above 0"),
    (["--radii", "1,x"], "expected a number, not 'x'"), (["--radii", "1,0"], "above 0"),
    (["--preset", "madri"], "did you mean madry")])
def test_bad_input_is_one_line_and_exit_code_2(arguments, expected, tmp_path, capsys):
    assert run_demo(*arguments, "--out", str(tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1 and not (tmp_path / "out").exists()
