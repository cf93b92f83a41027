"""The command line of every demo: errors are one line."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from demo_runs import exit_code as demo

from demos import (
    texture_pixels,
    verify,
)

pytestmark = pytest.mark.usefixtures("empty_cache")


@pytest.mark.parametrize(("module", "arguments", "expected"), [
    (verify, ["--overwrite"], "unrecognized arguments: --overwrite")])
def test_bad_input_to_what_writes_nothing(module, arguments, expected, capsys):
    assert demo(module, "--device", "cpu", *arguments) == 2
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1


def test_more_than_memory_holds_is_one_line(tmp_path, capsys, monkeypatch):
    too_much = ("Efros-Leung", lambda *_, **__: np.zeros(2**50))
    monkeypatch.setitem(texture_pixels.METHODS, "efros_leung", too_much)
    assert demo(texture_pixels, "--method", "efros_leung", "--device", "cpu", "--out", str(tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert "not enough memory (Unable to allocate " in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_output_that_nobody_reads_is_no_traceback():
    process = subprocess.Popen([sys.executable, "-m", "demos.step_through", "--model", "shapes", "--device", "cpu"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[3])
    process.stdout.close()
    assert process.wait() == 1 and process.stderr.read() == b""
    process.stderr.close()


def test_help_works_for_every_demo():
    root = Path(__file__).parents[3]
    names = sorted(path.stem for path in (root / "demos").glob("*.py") if "def parser()" in path.read_text())
    assert {"saliency", "step_through", "train_shapes"} <= set(names)
    for name in names:
        module = __import__(f"demos.{name}", fromlist=["parser"])
        assert module.parser().format_help()
    assert os.environ["XDG_CACHE_HOME"]
