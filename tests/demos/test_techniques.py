"""The list of techniques is complete, and the gallery, the command line and the functions agree with it."""

import importlib
from itertools import groupby
from pathlib import Path

import pytest
from demo_runs import exit_code as demo

from demos import __main__ as gallery_command
from demos import gallery
from demos.techniques import PARTS, PHOTOS, TECHNIQUES, demo_names, list_of_demos
from minicnn import visualize
from minicnn.models import load_model

DEMOS = Path(__file__).parents[2] / "demos"


def test_every_command_line_in_demos_is_in_the_list():
    commands = {path.stem for path in DEMOS.glob("*.py") if "def parser()" in path.read_text(encoding="utf-8")}
    assert set(demo_names()) == commands - {"__main__"}


def test_the_list_follows_the_parts_of_the_lecture():
    assert [part for part, _ in groupby(technique.part for technique in TECHNIQUES)] == list(PARTS)
    assert len({technique.name for technique in TECHNIQUES}) == len(TECHNIQUES)


@pytest.mark.parametrize("technique", TECHNIQUES, ids=lambda technique: technique.name)
def test_a_techniques_demo_and_functions_exist(technique):
    importlib.import_module(f"demos.{technique.demo}")
    assert set(technique.functions) <= set(visualize.__all__)


def test_the_gallery_has_an_entry_for_every_demo_of_the_list():
    assert set(gallery.ENTRIES) == {technique.demo for technique in TECHNIQUES if technique.needs != PHOTOS}


def test_the_gallery_shows_what_fits_the_network(empty_cache):
    shapes, digits = (gallery.gallery_demos(load_model(name, "cpu")) for name in ("shapes", "digits"))
    assert set(shapes) == set(gallery.ENTRIES) - {"any_style"}
    assert shapes[:3] == ["agreement", "filters", "neighbours"]
    assert set(shapes) - set(digits) == {"embedding_map", "zoom_page", "semantic_grid", "atlas", "texture_gram",
                                         "style_transfer", "fast_style"}


def test_the_gallery_shows_any_style_if_its_network_is_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = load_model("shapes", "cpu")
    assert any("vgg19_normalised_conv1_1-conv3_1.npz: minicnn any_style" in line
               for line in gallery.missing_techniques(model))
    (tmp_path / "minicnn").mkdir()
    (tmp_path / "minicnn" / "vgg19_autoencoder.h5").touch()
    assert "any_style" in gallery.gallery_demos(model)
    assert {"any_style", "learnt_inversion"} <= set(gallery.picture_names(model))


@pytest.mark.parametrize("arguments", [["list"], ["--list"]])
def test_list_prints_a_line_a_technique(arguments, capsys):
    assert demo(gallery_command, *arguments) == 0
    said = capsys.readouterr().out
    assert said == list_of_demos() + "\n"
    assert all(f"  {technique.name} " in said and f"minicnn {technique.command}\n" in said
               for technique in TECHNIQUES)


@pytest.mark.parametrize("name", ["saliency", "step_through", "train_shapes"])
def test_the_name_of_a_demo_is_no_photo(name, capsys):
    assert demo(gallery_command, name) == 2
    error = capsys.readouterr().err
    assert f"minicnn {name} runs it, minicnn list prints all demos" in error
    assert error.count("\n") == 1
