"""The demo of any style at once: its files, its options, its messages, and its section in the gallery."""

import json

import numpy as np
import pytest
from any_style_networks import random_painter
from demo_outputs import check_outputs
from demo_runs import exit_code as demo

from demos import any_style, gallery
from minicnn.datasets.drawings import draw_scene, draw_style
from minicnn.images import load_image, save_image
from minicnn.models import load_model
from minicnn.models.preprocessing import CAFFE_VGG
from minicnn.models.weights import Header, save_weights

pytestmark = pytest.mark.usefixtures("empty_cache")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a working folder with a photo, two styles and a mask; the network is in the cache folder."""
    (tmp_path / "cache" / "minicnn").mkdir(parents=True)
    save_weights(tmp_path / "cache" / "minicnn" / "vgg19_autoencoder.h5", random_painter(),
                 Header("vgg19_autoencoder", "vgg19_autoencoder", CAFFE_VGG))
    save_image(tmp_path / "photo.png", draw_scene(30)[:22])
    for name in ("strokes", "dots"):
        save_image(tmp_path / f"{name}=1.png", draw_style(name, np.random.default_rng(0), 24))
    mask = np.zeros((22, 30, 3), np.uint8)
    mask[:, :9] = 255
    save_image(tmp_path / "mask.png", mask)
    save_image(tmp_path / "rest.png", 255 - mask)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read_card(folder):
    return json.loads((folder / "any_style.json").read_text())


def test_a_blend_in_masks_with_the_inversion(folder):
    assert demo(any_style, "photo.png", "strokes=1.png=3", "dots=1.png", "--mask", "mask.png", "--mask", "rest.png",
                "--size", 20, "--strength", 0.5, "--colours", "original", "--inversion", "--out", "out") == 0
    check_outputs(folder / "out", ["any_style", "learnt_inversion"])
    assert load_image(folder / "out" / "any_style_result.png").shape == (14, 20, 3)
    assert {f"learnt_inversion_relu{n}_1.png" for n in (1, 2, 3)} <= {file.name for file in (folder / "out").iterdir()}
    card = read_card(folder / "out")
    assert card["parameters"]["blend"] == [3, 1] and card["parameters"]["masks"] is True
    assert card["parameters"]["sources"] == ["photo.png", "strokes=1.png", "dots=1.png"]
    assert card["parameters"]["layers"].count("relu3_1") == 3  # the preset
    assert all(check["passed"] for check in card["checks"])


def test_without_pictures_a_drawn_landscape_is_painted(folder):
    assert demo(any_style, "--size", 24, "--preset", "adain", "--out", "out") == 0
    assert read_card(folder / "out")["parameters"]["sources"] == ["scene", "strokes"]


@pytest.mark.parametrize("arguments, message", [
    (["photo.png", "dots=1.png=a"], "the weight of dots=1.png is 'a'; expected a number from 0 on"),
    (["photo.png", "dots=1.png=-1"], "the weight of dots=1.png is '-1'"),
    (["photo.png", "none.png"], "none.png"), (["photo.png", "dots=1.png", "--strength", "2"], "the strength is 2"),
    (["photo.png", "dots=1.png=0"], "weights of the blend are 0"), (["--preset", "no"], "preset"),
    (["photo.png", "dots=1.png", "--mask", "dots=1.png"], "mask"), (["--model", "shapes"], "no decoder of 'relu3_1'")])
def test_wrong_options_are_one_line(arguments, message, folder, capsys):
    assert demo(any_style, *arguments, "--size", 16, "--out", "out") == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not list((folder / "out").glob("*")) if (folder / "out").exists() else True


def test_without_the_weights_one_line_says_which_file_to_convert(capsys):
    assert demo(any_style) == 2
    error = capsys.readouterr().err
    assert "vgg19_normalised_conv1_1-conv3_1.npz" in error and error.count("\n") == 1


def test_the_section_of_the_gallery(folder, monkeypatch):
    monkeypatch.setattr(any_style, "SHEET_SIZE", 24)
    model = load_model("shapes", "cpu")
    first, second = gallery.ENTRIES["any_style"].pictures(model, gallery.Given([], 0))
    assert (first.name, second.name) == ("any_style", "learnt_inversion") and first.array.shape[0] == 3
    assert all(check.passed for check in [*first.checks, *second.checks])
    assert list(second.finished) == ["relu1_1", "relu2_1", "relu3_1"]
