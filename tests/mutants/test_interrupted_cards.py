"""A demo that was stopped by Ctrl-C, and its resumed run, have no judged check that fails."""

import json

import pytest
from demo_runs import exit_code, interrupted
from mutation import assert_right
from PIL import Image

from demos import (
    class_visualization,
    deepdream,
    fooling,
    generator_prior,
    inversion,
    multifaceted,
    style_transfer,
    texture_gram,
)
from demos.shared import decoders
from minicnn.datasets.drawings import draw_scene
from minicnn.visualize.check import Check

ROOM = "minicnn.visualize.synthesis."
RUNS = {
    "class": (class_visualization, ROOM + "ascent", ("--class", "3", "--steps", "12")),
    "deepdream": (deepdream, ROOM + "deepdream", ("photo.png", "--octaves", "3", "--steps", "4", "--layer", "relu3")),
    "inversion": (inversion, ROOM + "inversion", ("--layer", "relu2", "--rates", "8x0.0001,4x0.00001")),
    "fooling": (fooling, ROOM + "fooling", ("--steps", "12", "--learning-rate", "0.05")),
    "generator": (generator_prior, ROOM + "generator", ("--class", "2", "--steps", "12")),
    "facets": (multifaceted, ROOM + "multifaceted", ("--count", "24", "--facets", "2", "--preset", "tiny")),
    "texture": (texture_gram, "minicnn.visualize.texture.gram", ("--steps", "12", "--size", "40")),
    "style": (style_transfer, "minicnn.visualize.style.transfer", (
        "photo.png", "photo.png", "--steps", "6", "--coarse", "28", "--size", "40", "--fine-steps", "6")),
}


def card(folder, module):
    """Return the Checks on the run card of a demo."""
    checks = json.loads((folder / f"{module.NAMES[0]}.json").read_text())["checks"]
    return [Check(**check) for check in checks]


@pytest.mark.parametrize("at", [2, 11])
@pytest.mark.parametrize("run", RUNS)
def test_stopped_and_resumed_runs_have_no_false_alarm(monkeypatch, tmp_path, run, at):
    module, place, options = RUNS[run]
    if run == "generator":
        monkeypatch.setattr(decoders, "BATCHES", 1)
    Image.fromarray(draw_scene(60)).save(tmp_path / "photo.png")
    options = [str(tmp_path / part) if part.endswith(".png") else part for part in options]
    command = ("--model", "shapes", "--device", "cpu", *options, "--save-every", "1", "--out", tmp_path / "out")
    with monkeypatch.context() as patch:
        from importlib import import_module
        patch.setattr(f"{place}.optimize_image", interrupted(import_module(place).optimize_image, at))
        assert exit_code(module, *command) == 130
    assert not [check for check in card(tmp_path / "out", module) if not check.passed]
    assert exit_code(module, *command, "--resume") == 0
    assert_right(card(tmp_path / "out", module))
