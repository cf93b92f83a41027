"""The demo embedding_map: drawn shapes, bad input, and an interruption."""

import sys

import numpy as np
import pytest

from demos import embedding_map
from demos.shared.command import main
from minicnn.errors import InputError
from minicnn.models import load_model


def test_the_demo_draws_shapes_by_themselves():
    picture, = embedding_map.pictures(load_model("shapes", "cpu"), count=120, perplexity=10, num_steps=400)
    assert all(check.passed for check in picture.checks) and picture.array.shape == (120, 2)


def test_the_demo_says_that_digits_are_needed():
    with pytest.raises(InputError, match="digits takes grey digits, not drawn shapes: give --mnist FOLDER"):
        next(embedding_map.pictures(load_model("digits", "cpu")))


@pytest.mark.parametrize(("arguments", "message"), [
    (["--count", "24", "--perplexity", "10"], "perplexity 10 is too large for 24 points: use at most 7.6"),
    (["--count", "24", "--perplexity", "nan"], "must be above 1, not nan"), (["--steps", "0"], "from 1 on"),
    (["--count", "1"], "t-SNE needs at least 5 points, not 1"),
    (["--count", "4"], "t-SNE needs at least 5 points, not 4"),
    (["--mnist", "empty"], "no t10k-images-idx3-ubyte(.gz) and no t10k*.npz in empty"),
    (["photo.jpg"], "photo.jpg: there is no such folder")])
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(sys, "argv", ["embedding_map", "--device", "cpu", "--out", "out", *arguments])
    with pytest.raises(SystemExit) as end:
        main(embedding_map.run, embedding_map.parser())
    error = capsys.readouterr().err
    assert end.value.code == 2 and message in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_an_interrupted_demo_keeps_the_map_so_far(monkeypatch):
    def interrupted(*arguments, callback, **settings):
        callback(10, 3.0, np.random.default_rng(0).standard_normal((96, 2)))
        raise KeyboardInterrupt
    monkeypatch.setattr(embedding_map, "tsne", interrupted)
    found = embedding_map.pictures(load_model("shapes", "cpu"), count=96, perplexity=8)
    assert "interrupted at step 10" in next(found).title
    with pytest.raises(KeyboardInterrupt):
        next(found)
