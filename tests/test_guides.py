"""The guides are true: a test does in a copy of the project what each of them says, word by word."""

import json
import subprocess
import sys

import pytest
from guides import edit, follow, require_printed, steps_of
from PIL import Image


def run_python(code, copy, environment):
    done = subprocess.run([sys.executable, "-c", code], cwd=copy, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_add_a_layer(tmp_path):
    copy, environment = follow("minicnn/layers/README.md", tmp_path)
    assert Image.open(copy / "swish.png").width > 1000
    assert run_python("import minicnn.layers as l; print(l.Swish.__module__)", copy, environment) \
        == "minicnn.layers.swish\n"


def test_add_a_technique(tmp_path):
    copy, environment = follow("minicnn/visualize/README.md", tmp_path)
    assert Image.open(copy / "hires" / "hires_cam.png").width > 500
    card = json.loads((copy / "hires" / "hires_cam.json").read_text())
    assert [check["judged"] and check["passed"] for check in card["checks"]] == [True]


def test_add_a_weights_format(tmp_path):
    copy, environment = follow("weights_converter/formats/README.md", tmp_path)
    (copy / "some.plain").write_bytes(b"PLAIN ARRAYS\na 1\n" + bytes(4))
    assert "some.plain is a file of plain arrays (.plain), 21 bytes" in run_python(
        "from weights_converter.__main__ import main; main(['inspect', 'some.plain'])", copy, environment)


def test_a_step_that_no_longer_fits_the_project_is_found(tmp_path):
    """So that the other tests cannot pass by doing nothing."""
    (tmp_path / "file.py").write_text("a = 1\n")
    step, = steps_of("In `file.py`, below the line that begins with `b`, add:\n\n```python\nc = 2\n```\n")
    with pytest.raises(ValueError):
        edit(tmp_path / "file.py", step)
    step, = steps_of("In `file.py`, write `x` in place\nof `b = 1`.\n")
    with pytest.raises(AssertionError, match="0 times"):
        edit(tmp_path / "file.py", step)
    with pytest.raises(AssertionError, match="is not in the output"):
        require_printed("3 failed, 2 passed\n", "2 passed…\n")
    with pytest.raises(AssertionError, match="no sentence explains"):
        steps_of("Words.\n\n```python\nlost = 1\n```\n")
