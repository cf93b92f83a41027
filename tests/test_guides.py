"""The guides are true: a test does in a copy of the project what each of them says, word by word."""

import subprocess
import sys

from guides import follow
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
