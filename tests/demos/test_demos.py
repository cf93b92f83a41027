"""The demos as a user runs them: what they write, what they say, and how they end."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from demo_outputs import check_outputs
from demo_runs import exit_code as demo
from PIL import Image

from demos import (
    activations,
    class_presets,
    class_visualization,
    deepdream,
    embedding_map,
    filters,
    gallery,
    guided_backprop,
    inversion,
    neighbours,
    neuron_visualization,
    patches,
    saliency,
    step_through,
    style_transfer,
    texture_gram,
    texture_pixels,
    train_shapes,
    verify,
    zoom_page,
)
from demos.__main__ import run as run_gallery
from demos.shared.command import demo_parser, main
from demos.shared.inputs import choose_model, load_photos
from demos.shared.layers import feature_layers
from demos.shared.long_run import LongRun
from demos.shared.picture import file_stem
from minicnn import optimize
from minicnn.errors import InputError
from minicnn.models import build_network, load_model, squeezenet1_1
from minicnn.models.load import weights_path
from minicnn.models.preprocessing import TORCHVISION
from minicnn.models.weights import Header, read_header, save_weights
from minicnn.visualize import feature_maps
from minicnn.visualize.check import Check
from minicnn.visualize.style import transfer as style
from minicnn.visualize.synthesis import ascent, ascent_settings
from minicnn.visualize.texture import gram as texture

pytestmark = pytest.mark.usefixtures("empty_cache")


@pytest.fixture
def photo(tmp_path):
    """A picture file."""
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    small.resize((120, 90)).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


class Tags(HTMLParser):
    """The tags of a page that are still open, and the pictures it shows."""

    def __init__(self, page):
        super().__init__()
        self.open, self.pictures, self.links = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag not in ("img", "meta", "br", "link"):
            self.open.append(tag)
        if tag == "img":
            self.pictures.append(dict(attributes)["src"])
        if tag == "a":
            self.links.append(dict(attributes)["href"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


# ---- the gallery -----------------------------------------------------------------------------------------------------


def test_the_gallery_without_weights_uses_the_shipped_network_and_says_why(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_gallery(demo_parser("", "").parse_args(["--device", "cpu"]))
    said = capsys.readouterr().out
    assert "model: shapes, the small network that is shipped: no pretrained SqueezeNet weights in" in said
    check_outputs(tmp_path / "gallery", gallery.NAMES)
    page = Tags((tmp_path / "gallery" / "index.html").read_text(encoding="utf-8"))
    assert page.open == [] and page.pictures == [f"{name}.png" for name in gallery.NAMES]
    assert all(link.startswith("https://arxiv.org/abs/") or (tmp_path / "gallery" / link).is_file()
               for link in page.links)


def test_the_gallery_uses_squeezenet_from_the_cache(test_data, tmp_path):
    from weights_converter.__main__ import main as convert
    assert convert([str(test_data / "weights" / "squeezenet1_1.npz")]) in (0, None)
    model, said = choose_model(None, "cpu")
    assert model.name == "squeezenet1_1" and "pretrained weights found in" in said
    photos = load_photos(model, [])
    assert photos[0].name == "grace_hopper" and photos[0].image.shape == (224, 224, 3)
    assert len(model.labels) == 1000


def test_an_interrupted_gallery_keeps_what_is_finished_and_a_valid_page(tmp_path, monkeypatch, capsys):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt
    monkeypatch.setattr(gallery.occlusion, "pictures", interrupted)
    sys.argv = ["demos", "--out", str(tmp_path / "out"), "--device", "cpu"]
    with pytest.raises(SystemExit) as end:
        main(run_gallery, demo_parser("", ""))
    assert end.value.code == 130 and "interrupted" in capsys.readouterr().err
    finished = [*filters.NAMES, *neighbours.NAMES, *embedding_map.NAMES, *zoom_page.NAMES, *activations.NAMES,
                *patches.NAMES]
    check_outputs(tmp_path / "out", finished)
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert Tags(page).open == [] and Tags(page).pictures == [f"{name}.png" for name in finished]
    assert "not finished" in page


@pytest.fixture
def stop_at(monkeypatch):
    """stop_at(step): as if the user pressed Ctrl-C then; stop_at(None): no more."""
    plain = optimize.optimize_image

    def stop(at):
        def optimize_image(*arguments, callback, **settings):
            def callback_then_stop(progress, image):
                callback(progress, image)
                if progress.step == at:
                    raise KeyboardInterrupt
            return plain(*arguments, callback=callback_then_stop, **settings)
        for module in (ascent, texture, style):
            monkeypatch.setattr(module, "optimize_image", optimize_image)
    return stop


def test_ctrl_c_in_a_class_visualization_saves_the_image_so_far(stop_at, tmp_path):
    stop_at(5)
    code = demo(class_visualization, "--model", "shapes", "--device", "cpu", "--class", "dotted disc",
                "--out", str(tmp_path / "out"))
    assert code == 130
    assert np.load(tmp_path / "out" / "class_visualization.npy").shape == (1, 3, 64, 64)
    assert Image.open(tmp_path / "out" / "class_visualization.png").size[0] > 100


def test_an_interrupted_class_visualization_goes_on_to_the_same_image(stop_at, tmp_path, capsys):
    arguments = ["--model", "shapes", "--device", "cpu", "--steps", "10", "--save-every", "3", "--class", "dotted disc",
                 "--class", "striped disc"]
    assert demo(class_visualization, *arguments, "--out", str(tmp_path / "whole")) == 0
    out = tmp_path / "out"
    stop_at(8)
    assert demo(class_visualization, *arguments, "--out", str(out)) == 130
    assert f"go on with the same command and --resume --out {out}" in capsys.readouterr().err
    stop_at(None)
    assert demo(class_visualization, *arguments, "--preset", "cs231n", "--l2-reg", "0.5", "--resume", "--out",
                str(out)) == 2
    assert "was saved by another run: it has l2_reg 0.001, not 0.5" in capsys.readouterr().err
    assert demo(class_visualization, *arguments, "--resume", "--out", str(out)) == 0
    whole, again = (np.load(folder / "class_visualization.npy") for folder in (tmp_path / "whole", out))
    assert whole.tobytes() == again.tobytes()
    assert {file.name for file in out.iterdir()} == {f"class_visualization.{kind}" for kind in ("png", "npy", "json")}


def test_ctrl_c_in_a_texture_saves_what_is_there_and_goes_on_later(stop_at, tmp_path, capsys):
    arguments = ["--model", "shapes", "--device", "cpu", "--steps", "6", "--save-every", "2", "--size", "32"]
    assert demo(texture_gram, *arguments, "--out", str(tmp_path / "whole")) == 0
    out = tmp_path / "out"
    stop_at(5)
    assert demo(texture_gram, *arguments, "--out", str(out)) == 130
    assert np.load(out / "texture_gram.npy").shape == (1, 3, 32, 32)  # of three
    stop_at(None)
    other = load_model("shapes", "cpu")
    other.net.layer("conv1").params["b"] += 1
    save_weights(tmp_path / "other.h5", other.net, read_header(weights_path("shapes")))
    assert demo(texture_gram, *arguments, "--model", str(tmp_path / "other.h5"), "--resume", "--out", str(out)) == 2
    assert "texture_gram_state-1.npz was saved by another run: it has weights " in capsys.readouterr().err
    assert demo(texture_gram, *arguments, "--resume", "--out", str(out)) == 0
    whole, again = (np.load(folder / "texture_gram.npy") for folder in (tmp_path / "whole", out))
    assert whole.shape == (3, 3, 32, 32) and whole.tobytes() == again.tobytes()
    assert len(json.loads((out / "texture_gram.json").read_text())["history"]) == 6
    assert {file.name for file in out.iterdir()} == {f"texture_gram.{kind}" for kind in ("png", "npy", "json")}


def test_an_interrupted_style_transfer_of_several_sizes_goes_on_to_the_same_picture(stop_at, tmp_path):
    arguments = ["--model", "shapes", "--device", "cpu", "--size", "32", "--coarse", "16", "--steps", "4",
                 "--fine-steps", "3", "--save-every", "2"]
    assert demo(style_transfer, *arguments, "--out", str(tmp_path / "whole")) == 0
    card = json.loads((tmp_path / "whole" / "style_transfer.json").read_text())
    assert [step for step, *_ in card["history"]] == list(range(1, 11))  # 16, 23, 32 pixels
    out = tmp_path / "out"
    stop_at(3)  # of the second size: the first has only its four
    assert demo(style_transfer, *arguments, "--out", str(out)) == 130
    assert np.load(out / "style_transfer.npy").shape[2:] == (16, 16)
    stop_at(None)
    assert demo(style_transfer, *arguments, "--resume", "--out", str(out)) == 0
    whole, again = (np.load(folder / "style_transfer.npy") for folder in (tmp_path / "whole", out))
    assert whole.shape == (1, 3, 32, 32) and whole.tobytes() == again.tobytes()
    assert {file.name for file in out.iterdir()} == {f"style_transfer.{kind}" for kind in ("png", "npy", "json")}


def test_steps_can_be_added_to_an_interrupted_style_transfer_unless_they_change_the_others(stop_at, tmp_path, capsys):
    arguments = ["--model", "shapes", "--device", "cpu", "--size", "32", "--save-every", "2"]
    lbfgs, adam = (["--optimizer", name] for name in ("lbfgs", "adam"))
    assert demo(style_transfer, *arguments, *lbfgs, "--steps", "9", "--out", str(tmp_path / "whole")) == 0
    for optimizer, code in ((lbfgs, 0), (adam, 2)):
        out = tmp_path / optimizer[1]
        stop_at(3)
        assert demo(style_transfer, *arguments, *optimizer, "--steps", "5", "--out", str(out)) == 130
        stop_at(None)
        assert demo(style_transfer, *arguments, *optimizer, "--steps", "9", "--resume", "--out", str(out)) == code
    assert "it has num_steps 5, not 9" in capsys.readouterr().err
    whole, again = (np.load(tmp_path / folder / "style_transfer.npy") for folder in ("whole", "lbfgs"))
    assert whole.tobytes() == again.tobytes()


def test_style_transfer_with_all_that_can_be_given(tmp_path):
    rng = np.random.default_rng(2)
    for name in ("content", "first", "second", "begin"):
        Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    halves = np.zeros((24, 32), np.uint8)
    halves[:, 16:] = 255
    Image.fromarray(halves).save(tmp_path / "right.png")
    Image.fromarray(255 - halves).save(tmp_path / "left.png")
    files = [str(tmp_path / f"{name}.png") for name in ("content", "first", "second")]
    assert demo(style_transfer, *files, "--model", "shapes", "--device", "cpu", "--mask", str(tmp_path / "right.png"),
                "--mask", str(tmp_path / "left.png"), "--blend", "1,2", "--init", str(tmp_path / "begin.png"),
                "--original-colors", "--size", "32", "--steps", "12", "--pooling", "max", "--style-scale", "1.5",
                "--optimizer", "adam", "--learning-rate", "0.1", "--out", str(tmp_path / "out")) == 0
    card = json.loads((tmp_path / "out" / "style_transfer.json").read_text())
    assert card["parameters"]["terms"] == ["content relu3", "style 1 relu1", "style 1 relu2", "style 1 relu3",
                                           "style 2 relu1", "style 2 relu2", "style 2 relu3", "TV"]
    assert card["parameters"]["init"] == "a picture" and len(card["history"]) == 12
    assert any("U and V" in check["what"] for check in card["checks"])


def test_the_sweeps_are_sheets_with_their_checks(tmp_path):
    assert demo(style_transfer, "--model", "shapes", "--device", "cpu", "--sweep", "--size", "48", "--steps", "20",
                "--out", str(tmp_path)) == 0
    check_outputs(tmp_path, style_transfer.SWEEP_NAMES)
    assert np.load(tmp_path / "style_transfer_ratio.npy").shape == (5, 3, 48, 48)


def test_a_mask_of_another_size_is_refused(tmp_path, photo, capsys):
    Image.new("L", (20, 10), 255).save(tmp_path / "mask.png")
    assert demo(style_transfer, photo, "--model", "shapes", "--device", "cpu", "--mask", str(tmp_path / "mask.png"),
                "--out", str(tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert "mask 1 has 20x10 pixels, the content picture 120x90" in error and error.count("\n") == 1


def test_a_style_too_large_for_the_memory_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("demos.shared.inputs.available_memory", lambda device: 5e7)
    assert demo(style_transfer, "--model", "shapes", "--device", "cpu", "--style-scale", "20", "--out",
                str(tmp_path)) == 2
    assert "1920x1920 pixels take about" in capsys.readouterr().err


def test_a_texture_too_large_for_the_memory_is_refused_before_it_starts(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("demos.shared.inputs.available_memory", lambda device: 3e7)
    assert demo(texture_gram, "--model", "shapes", "--device", "cpu", "--size", "700", "--out", str(tmp_path)) == 2
    error = capsys.readouterr().err
    assert "700x700 pixels take about" in error and "and 0.03 GB are free; " in error
    assert "would fit: give a smaller --size" in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("module", "name", "options"), [
    (class_visualization, "class_presets", ["--compare", "--class", "4"]),
    (neuron_visualization, "neuron_visualization", ["--layer", "relu2", "--channels", "3,4"]),
    (neuron_visualization, "neuron_grid", ["--grid", "--columns", "2"])], ids=["compare", "neurons", "grid"])
def test_interrupted_ascents_go_on_to_the_same_images(module, name, options, stop_at, tmp_path):
    arguments = ["--model", "shapes", "--device", "cpu", "--steps", "6", "--save-every", "2", *options]
    assert demo(module, *arguments, "--out", str(tmp_path / "whole")) == 0
    out = tmp_path / "out"
    stop_at(5)
    assert demo(module, *arguments, "--out", str(out)) == 130
    assert json.loads((out / f"{name}.json").read_text())["title"].endswith(", stopped")
    stop_at(None)
    assert demo(module, *arguments, "--resume", "--out", str(out)) == 0
    assert np.load(tmp_path / "whole" / f"{name}.npy").tobytes() == np.load(out / f"{name}.npy").tobytes()
    assert {file.name for file in out.iterdir()} == {f"{name}.{kind}" for kind in ("png", "npy", "json")}


def test_what_was_finished_before_the_interruption_is_not_lost(tmp_path, monkeypatch):
    """Ctrl-C in the second of two classes: the first one's image comes from its state."""
    plain, calls = ascent.optimize_image, []

    def optimize_image(*arguments, callback, **settings):
        calls.append(settings)

        def callback_then_stop(progress, image):
            callback(progress, image)
            if len(calls) == 2 and progress.step == 4:
                raise KeyboardInterrupt
        return plain(*arguments, callback=callback_then_stop, **settings)
    monkeypatch.setattr(ascent, "optimize_image", optimize_image)
    arguments = ["--model", "shapes", "--device", "cpu", "--steps", "6", "--save-every", "2", "--class", "3", "--class",
                 "4"]
    assert demo(class_visualization, *arguments, "--out", str(tmp_path / "out")) == 130
    assert demo(class_visualization, *arguments, "--resume", "--out", str(tmp_path / "out")) == 0
    assert demo(class_visualization, *arguments, "--out", str(tmp_path / "whole")) == 0
    again, whole = (np.load(tmp_path / folder / "class_visualization.npy") for folder in ("out", "whole"))
    assert again.shape == (2, 3, 64, 64) and again.tobytes() == whole.tobytes()
    card = json.loads((tmp_path / "out" / "class_visualization.json").read_text())
    assert card["title"] == "shapes: Iteration 6 / 6" and len(card["history"]) == 6


def test_the_image_is_saved_as_it_goes(tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(LongRun, "save_so_far", lambda run, picture: saved.append(picture.shape))
    assert demo(class_visualization, "--model", "shapes", "--device", "cpu", "--steps", "7", "--save-every", "3",
                "--class", "dotted disc", "--out", str(tmp_path / "out")) == 0
    assert saved == [(64, 64, 3)] * 2  # after steps 3 and 6


def test_a_diverged_class_visualization_keeps_the_last_finite_image(tmp_path, monkeypatch, capsys):
    plain = ascent.optimize_image

    def diverging(*arguments, project, **settings):
        return plain(*arguments, project=(*project, lambda image, step: image / (step != 4)), **settings)
    monkeypatch.setattr(ascent, "optimize_image", diverging)
    with np.errstate(all="ignore"):
        assert demo(class_visualization, "--model", "shapes", "--device", "cpu", "--class", "dotted disc", "--out",
                    str(tmp_path / "out")) == 2
    assert "the image has values that are not finite at step 4" in capsys.readouterr().err
    assert np.isfinite(np.load(tmp_path / "out" / "class_visualization.npy")).all()
    card = json.loads((tmp_path / "out" / "class_visualization.json").read_text())
    assert card["title"] == "shapes: Iteration 3 / 100, stopped" and len(card["history"]) == 3


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


def test_the_state_of_a_killed_run_is_not_lost_by_starting_anew(stop_at, tmp_path, capsys):
    arguments = ["--model", "shapes", "--device", "cpu", "--layers", "relu1,relu3", "--steps", "6", "--save-every", "2",
                 "--size", "32", "--out", str(tmp_path)]
    stop_at(3)
    assert demo(texture_gram, *arguments) == 130
    for kind in ("png", "npy", "json"):  # a run that was killed leaves its state alone
        (tmp_path / f"texture_gram.{kind}").unlink()
    state = (tmp_path / "texture_gram_state-1.npz").read_bytes()
    stop_at(None)
    assert demo(texture_gram, *arguments) == 2
    assert "holds texture_gram_state-1.npz, an interrupted run to go on from; give --resume" in capsys.readouterr().err
    assert (tmp_path / "texture_gram_state-1.npz").read_bytes() == state
    (tmp_path / "texture_gram_state-2.npz").write_bytes(state)  # of a part that the next run will not reach
    stop_at(3)
    assert demo(texture_gram, *arguments, "--seed", "1", "--overwrite") == 130
    stop_at(None)
    assert demo(texture_gram, *arguments, "--seed", "1", "--resume") == 0


# ---- one demo at a time ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("module", "options"), [
    (filters, ["--layer", "conv4"]), (activations, ["--layer", "relu4", "--channel", "3", "--scale", "channel"]),
    (guided_backprop, ["--layer", "conv3", "--channel", "3", "--position", "5", "9"]),
    (class_visualization, ["--class", "striped star", "--class", "4", "--steps", "60"]),
    (neuron_visualization, ["--layer", "relu2", "--channels", "3,4", "--steps", "40"]),
    (texture_gram, ["--layers", "relu1", "--size", "64"]), (style_transfer, ["--steps", "30"])],
    ids=["filters", "activations", "guided_backprop", "class_visualization", "neuron_visualization",
         "texture_gram", "style_transfer"])
def test_a_demo_writes_picture_array_and_run_card(module, options, tmp_path, capsys):
    assert demo(module, "--model", "shapes", "--device", "cpu", "--out", str(tmp_path / "out"), *options) == 0
    check_outputs(tmp_path / "out", module.NAMES)
    assert "FAIL" not in capsys.readouterr().out


def test_filters_of_several_networks_and_layers_side_by_side(tmp_path, capsys):
    assert demo(filters, "shapes", "--layer", "conv2", "digits", "--layer", "conv5", "--device", "cpu",
                "--out", str(tmp_path / "out")) == 0
    check_outputs(tmp_path / "out", filters.NAMES)
    card, deeper = (json.loads((tmp_path / "out" / f"{name}.json").read_text()) for name in filters.NAMES)
    shapes, digits = card["parameters"]["networks"]
    assert (shapes["name"], shapes["shape"]) == ("shapes", [24, 3, 7, 7])
    assert (digits["name"], digits["shape"]) == ("digits", [16, 3, 5, 5])  # grey in three channels
    assert card["model"] == "shapes, digits" and card["weights_sha256"] == deeper["weights_sha256"]
    w = np.load(tmp_path / "out" / "filters.npy")
    assert w.shape == (2, 24, 3, 7, 7)
    assert (w[0] == load_model("shapes", "cpu").net.layer("conv1").params["w"]).all()
    chosen = [(network["name"], network["layer"]) for network in deeper["parameters"]["networks"]]
    assert chosen == [("shapes", "conv2"), ("digits", "conv2"), ("shapes", "conv5")]  # digits has no conv5
    assert "digits: tiles in the sheet: 16" in capsys.readouterr().out


def test_activations_of_several_layers_have_a_picture_each(photo, tmp_path, capsys):
    assert demo(activations, photo, "--model", "shapes", "--device", "cpu", "--layer", "relu2", "--layer", "conv4",
                "--layer", "relu2", "--channel", "31", "--out", str(tmp_path / "out")) == 0
    names = ["activations-relu2", "channel-relu2", "activations-conv4", "channel-conv4"]
    check_outputs(tmp_path / "out", names)
    assert len(list((tmp_path / "out").iterdir())) == 3 * len(names)
    assert (np.load(tmp_path / "out" / "channel-conv4.npy")
            == np.load(tmp_path / "out" / "activations-conv4.npy")[31]).all()
    said = capsys.readouterr().out
    assert "relu2: 32 channels of 32x32 on photo" in said and "% zeros" in said
    assert "No ReLU has cut off" in json.loads((tmp_path / "out" / "activations-conv4.json").read_text())["explanation"]


def test_a_layers_name_becomes_a_files_name():
    assert file_stem("fire2/relu_expand1x1") == "fire2_relu_expand1x1" and file_stem("../a b.c-d") == ".._a_b.c-d"


@pytest.mark.parametrize(("module", "options"), [
    (filters, []), (activations, []), (saliency, []), (guided_backprop, []),
    (class_visualization, ["--class", "dotted disc", "--steps", "3"]),
    (neuron_visualization, ["--layer", "relu2", "--channels", "3,4", "--steps", "3"]),
    (deepdream, ["--size", "64", "--octaves", "2", "--steps", "3"]), (inversion, ["--rates", "3x0.001"]),
    (texture_gram, ["--layers", "relu1", "--size", "32", "--steps", "4"]),
    (style_transfer, ["--size", "32", "--steps", "4"])],
    ids=["filters", "activations", "saliency", "guided_backprop", "class_visualization", "neuron_visualization",
         "deepdream", "inversion", "texture_gram", "style_transfer"])
def test_a_demo_on_the_strict_gpu_makes_the_picture_of_the_cpu(module, options, strict_cupy, tmp_path):
    for device in ("gpu", "cpu"):
        assert demo(module, "--model", "shapes", "--device", device, "--out", str(tmp_path / device), *options) == 0
    for name in module.NAMES:
        on_gpu, on_cpu = (np.load(tmp_path / device / f"{name}.npy") for device in ("gpu", "cpu"))
        # the CPU computes convolutions by F(4, 3), whose rounding tips a few ReLUs and pools the other way
        tolerance = 5e-2 if module in (saliency, guided_backprop) else 1e-4
        assert np.linalg.norm(on_gpu - on_cpu) < tolerance * np.linalg.norm(on_cpu)
        assert json.loads((tmp_path / "gpu" / f"{name}.json").read_text())["device"] == "gpu"


def test_step_through_on_the_strict_gpu(strict_cupy, capsys):
    assert demo(step_through, "--model", "shapes", "--device", "gpu") == 0
    assert "device: gpu" in capsys.readouterr().out


def test_saliency_of_a_users_photo(photo, tmp_path):
    assert demo(saliency, photo, "--model", "shapes", "--device", "cpu", "--class", "dotted star",
                "--out", str(tmp_path / "out")) == 0
    card = json.loads((tmp_path / "out" / "saliency.json").read_text())
    assert card["parameters"]["photos"] == ["photo"] and card["parameters"]["classes"] == [11]


def test_a_class_visualization_of_another_size(tmp_path):
    assert demo(class_visualization, "--model", "shapes", "--device", "cpu", "--class", "checked disc", "--size", "96",
                "--steps", "40", "--out", str(tmp_path / "out")) == 0
    assert np.load(tmp_path / "out" / "class_visualization.npy").shape == (1, 3, 96, 96)


def test_the_run_card_repeats_the_run(tmp_path):
    for folder in ("one", "two"):
        demo(class_visualization, "--model", "shapes", "--device", "cpu", "--class", "0", "--steps", "5", "--seed", "3",
             "--out", str(tmp_path / folder))
    one, two = (np.load(tmp_path / folder / "class_visualization.npy") for folder in ("one", "two"))
    assert (one == two).all()
    card = json.loads((tmp_path / "one" / "class_visualization.json").read_text())
    assert card["parameters"]["seed"] == 3 and card["parameters"]["steps"] == 5 and len(card["history"]) == 5


def test_all_presets_side_by_side(tmp_path, capsys):
    assert demo(class_visualization, "--compare", "--model", "shapes", "--device", "cpu", "--class", "striped disc",
                "--out", str(tmp_path / "out")) == 0
    check_outputs(tmp_path / "out", class_presets.NAMES)
    card = json.loads((tmp_path / "out" / "class_presets.json").read_text())
    assert list(card["parameters"]["presets"]) == list(ascent_settings.PUBLISHED)
    assert all(0 < preset["high_frequency_share"] < 0.5 for preset in card["parameters"]["presets"].values())
    assert np.load(tmp_path / "out" / "class_presets.npy").shape == (6, 3, 64, 64)


def test_a_setting_that_is_given_holds_for_the_preset_and_for_all_when_they_are_compared(tmp_path):
    common = ["--model", "shapes", "--device", "cpu", "--class", "4", "--steps", "2", "--gain", "2.5"]
    assert demo(class_visualization, *common, "--preset", "yosinski-3", "--start-noise", "50", "--small-norm", "25",
                "--out", str(tmp_path / "one")) == 0
    card = json.loads((tmp_path / "one" / "class_visualization.json").read_text())
    expected = asdict(ascent_settings.YOSINSKI_3) | {"num_steps": 2, "gain": 2.5, "start_noise": 50.0, "small_norm": 25}
    assert expected.items() <= card["parameters"].items()
    assert {check["what"]: check["value"] for check in card["checks"]}[
        "share of the pixels that are exactly the mean colour"] == 0.25
    assert demo(class_visualization, *common, "--compare", "--out", str(tmp_path / "all")) == 0
    card = json.loads((tmp_path / "all" / "class_presets.json").read_text())
    assert {(preset["num_steps"], preset["gain"]) for preset in card["parameters"]["presets"].values()} == {(2, 2.5)}


@pytest.mark.parametrize("kind", ["neuron", "channel", "layer"])
def test_neurons_channels_and_layers(kind, tmp_path):
    assert demo(neuron_visualization, "--model", "shapes", "--device", "cpu", "--kind", kind, "--layer", "relu3",
                "--steps", "50", "--out", str(tmp_path / "out")) == 0
    check_outputs(tmp_path / "out", neuron_visualization.NAMES)
    shape = {"neuron": (4, 3, 25, 25), "channel": (4, 3, 64, 64), "layer": (1, 3, 64, 64)}[kind]
    assert np.load(tmp_path / "out" / "neuron_visualization.npy").shape == shape


def test_the_grid_of_neurons_on_a_users_pictures(photo, tmp_path):
    assert demo(neuron_visualization, photo, "--model", "shapes", "--device", "cpu", "--grid", "--columns", "3",
                "--layer", "relu1,relu2", "--out", str(tmp_path / "out")) == 0
    check_outputs(tmp_path / "out", neuron_visualization.GRID_NAMES)
    card = json.loads((tmp_path / "out" / "neuron_grid.json").read_text())
    assert card["parameters"]["layers"] == ["relu1", "relu2"] and len(card["parameters"]["channels"]["relu2"]) == 3
    images = np.load(tmp_path / "out" / "neuron_grid.npy")
    assert images.shape == (6, 3, 13, 13) and not images[:3, :, 7:].any()  # a neuron of relu1 sees 7 pixels


def test_step_through_prints_a_line_a_layer_forward_and_back(capsys):
    assert demo(step_through, "--model", "shapes", "--device", "cpu") == 0
    lines = capsys.readouterr().out.splitlines()
    names = load_model("shapes", "cpu").net.layer_names()
    for name in names:
        assert sum(line.startswith(name + " ") for line in lines) == 2
    conv2 = next(line for line in lines if line.startswith("conv2 "))
    assert "24x32x32" in conv2 and "32x32x32" in conv2 and "6,944" in conv2 and f"{32 * 32 * 32 * 24 * 9:,}" in conv2


def test_step_through_stops_in_the_debugger_inside_the_layer(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "demos.step_through", "--model", "shapes", "--device", "cpu", "--layer", "conv2"],
        input="p x.shape\nc\np dout.shape\nc\n", capture_output=True, text=True, timeout=60, check=True)
    assert "in Conv2D.forward: x (1, 24, 32, 32), w (32, 24, 3, 3), b (32,)" in ended.stdout
    assert "(Pdb) (1, 24, 32, 32)" in ended.stdout and "(Pdb) (1, 32, 32, 32)" in ended.stdout
    assert "in Conv2D.backward: dout (1, 32, 32, 32)" in ended.stdout and "\nconv1 " in ended.stdout
    quit_early = subprocess.run(
        [sys.executable, "-m", "demos.step_through", "--model", "shapes", "--device", "cpu", "--layer", "conv2"],
        input="q\n", capture_output=True, text=True, timeout=60, check=True)
    assert "left the debugger" in quit_early.stdout and "Traceback" not in quit_early.stderr


def test_step_through_gives_the_gradient_of_network_backward(capsys):
    model = load_model("shapes", "cpu")
    x = load_photos(model, [])[0].x
    outs, caches = step_through.step_forward(model.net, x, None, False)
    seed = np.eye(12, dtype=np.float32)[3:4]
    gradient = step_through.step_backward(model.net, caches, seed, None, False)
    trace = model.net.forward(x)
    assert (gradient == model.net.backward(trace, {model.net.output: seed})["input"]).all()
    assert (outs["fc6"] == trace.activations["fc6"]).all()


@pytest.mark.parametrize("options", [["-o", "missing/shapes.h5"], ["-o", "there.h5"],
                                     ["-o", "new.h5", "--checkpoint", "missing/shapes.npz"]], ids=str)
def test_a_training_whose_result_cannot_be_written_does_not_begin(options, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.h5").write_text("precious")
    monkeypatch.setattr("demos.shared.training.train", lambda *arguments, **settings: pytest.fail("it began"))
    assert demo(train_shapes, *options) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert (tmp_path / "there.h5").read_text() == "precious"


def test_verify_prints_a_row_a_check_and_fails_when_one_does(capsys, monkeypatch):
    good, bad = Check("good", 1.0, "1", True), Check("bad", 2.0, "1", False)
    for checks, code in (([good], 0), ([good, bad], 1)):
        monkeypatch.setattr(verify, "checks_of", lambda *_, checks=checks: [("name", checks)])
        monkeypatch.setattr(sys, "argv", ["verify", "--device", "cpu"])
        with pytest.raises(SystemExit) as end:
            main(verify.run, demo_parser("verify", ""))
        assert end.value.code == code
    out = capsys.readouterr().out
    assert "pass  name" in out and "FAIL  name" in out and "1 of 2 checks passed" in out


def test_feature_layers_are_the_ends_of_the_stages():
    assert feature_layers(squeezenet1_1(seed=None)) == ["relu_conv1", "fire3/concat", "fire5/concat", "fire9/concat"]
    assert feature_layers(build_network("vgg16")) == ["relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"]
    assert feature_layers(build_network("shapes")) == ["relu1", "relu2", "relu3", "relu5"]


# ---- bad input: one line, exit code 2 --------------------------------------------------------------------------------


@pytest.mark.parametrize(("module", "arguments", "expected"), [
    (filters, ["--model", "squeezenet1_2"], "no model 'squeezenet1_2'; did you mean squeezenet1_1"),
    (filters, ["--model", "squeezenet1_1"], "no weights for 'squeezenet1_1'"),
    (filters, ["--model", "missing.h5"], "missing.h5 does not exist"),
    (filters, ["--layer", "conv9"], "no layer 'conv9'; did you mean conv"),
    (filters, ["--layer", "relu1"], "has no filters"),
    (filters, ["--layer", "input"], "'input' is the picture itself, not a layer"),
    (filters, ["digits", "--layer", "conv2", "--layer", "cnov5"], "no layer 'cnov5'; did you mean conv5"),
    (filters, ["photo.jpg"], "no model 'photo.jpg'"),
    (activations, ["--layer", "relu1", "--layer", "relu9"], "no layer 'relu9'; did you mean relu"),
    (activations, ["--layer", "relu4", "--layer", "relu1", "--channel", "50"], "'relu1' has channels 0 to 23, not 50"),
    (activations, ["a.jpg", "b.jpg"], "one photo at a time, not 2"),
    (filters, ["--device", "tpu"], "no device 'tpu'"),
    (filters, ["--device", "gpu"], "no GPU to run on: "),
    (saliency, ["--class", "striped dics"], "no class 'striped dics'; did you mean striped disc"),
    (saliency, ["--class", "12"], "no class '12'"),
    (saliency, ["--class", "striped"], "class 'striped' is not unique"),
    (saliency, ["no_such_photo.jpg"], "no_such_photo.jpg"),
    (saliency, ["."], "this is a folder"),
    (saliency, [""], "there is an empty text after "),
    (saliency, ["--class", ""], "there is an empty text after --class; say what it is to be, or leave it out"),
    (saliency, ["--model="], "there is an empty text after --model="),
    (neighbours, ["--resume", ""], "there is an empty text after --resume"),
    (embedding_map, ["--count", "99999999999999999999"], "--count: expected at most 100,000,000, not 9999"),
    (activations, ["--channel", "9999"], "has channels 0 to"),
    (activations, ["--layer", "fc6"], "'fc6' has no maps"),
    (activations, ["--scale", "row"], "no scaling 'row'"),
    (guided_backprop, ["--layer", "relu3", "--position", "99", "0"], "has positions (y, x) up to (15, 15)"),
    (guided_backprop, ["--layer", "fc6"], "has no maps"),
    (class_visualization, ["--size", "-3"], "expected a whole number from 1 on, not '-3'"),
    (class_visualization, ["--size", "2", "--steps", "1"], "too small"),
    (class_visualization, ["--blur-every", "0"], "expected a whole number from 1 on, not '0'"),
    (class_visualization, ["--learning-rate", "nan"], "--learning-rate: expected a number, not 'nan'"),
    (class_visualization, ["--blur-sigma", "nan"], "--blur-sigma: expected a number, not 'nan'"),
    (class_visualization, ["--seed", "-1"], "--seed: expected a whole number from 0 on, not '-1'"),
    (class_visualization, ["photo.jpg"], "unrecognized arguments: photo.jpg"),
    (class_visualization, ["--preset", "cs231"], "no preset 'cs231'; did you mean cs231n"),
    (class_visualization, ["--policy", "normalised"], "no policy 'normalised'; did you mean normalized"),
    (class_visualization, ["--small-norm", "100"], "from 0 to below 100, not 100"),
    (class_visualization, ["--preset", "yosinski-2"], "every value of 'relu1' is 0 for this image"),
    (neuron_visualization, ["--layer", "relu9"], "no layer 'relu9'; did you mean relu"),
    (neuron_visualization, ["--channels", "999"], "has channels 0 to 63, not 999"),
    (neuron_visualization, ["--kind", "neurone"], "no kind 'neurone'; did you mean neuron"),
    (neuron_visualization, ["--layer", "fc6", "--kind", "channel", "--channels", "1"], "'fc6' has no maps"),
    (neuron_visualization, ["--position", "3", "99", "--channels", "1"], "has positions (y, x) up to (15, 15)"),
    (neuron_visualization, ["--layer", "relu1,relu2"], "one layer at a time, or --grid"),
    (neuron_visualization, ["--grid", "--channels", "3"], "leave out --channels"),
    (class_visualization, ["--resume"], "there is nothing to go on from in"),
    (class_visualization, ["--stpes", "3"], "unrecognized arguments"),
    (texture_gram, ["--layers", "relu1,relu9,conv7"], "no layer 'relu9', 'conv7'"),
    (texture_gram, ["--layers", "relu1=0"], "all weights are 0"),
    (texture_gram, ["--layers", "relu1=x"], "--layers: expected a number, not 'x'"),
    (texture_gram, ["--layers", "relu1=nan"], "--layers: expected a number, not 'nan'"),
    (texture_gram, ["--layers", "relu1,,relu2"], "expected layers, with weights or without: relu1=2,pool1"),
    (texture_gram, ["--preset", "gatys"], "no layer 'relu1_1', 'pool4': the network"),
    (texture_gram, ["--preset", "gaty"], "no preset 'gaty'; did you mean gatys"),
    (texture_gram, ["--optimizer", "adm"], "no optimizer 'adm'; did you mean adam"),
    (texture_gram, ["--layers", "relu1,fc6"], "'fc6' has no maps, of which a Gram matrix could be taken"),
    (style_transfer, ["--style-layers", "fc6"], "'fc6' has no maps, of which a Gram matrix could be taken"),
    (texture_gram, ["--size", "3", "--steps", "1"], "the source has 3x3 pixels, too few for 'relu3'"),
    (texture_gram, ["--size", "3", "--layers", "pool3"], "the source has 3x3 pixels, too few for 'pool3'"),
    (texture_gram, ["one.png", "two.png"], "one picture is the source, not 2"),
    (texture_gram, ["--resume"], "there is nothing to go on from in"),
    (style_transfer, ["--preset", "neural-style"], "no layer 'relu4_2', 'relu1_1', 'relu2_1', 'relu3_1'"),
    (style_transfer, ["--preset", "starry"], "no preset 'starry'; did you mean starry-night"),
    (style_transfer, ["--content-weight", "0", "--style-weight", "0"], "all weights are 0"),
    (style_transfer, ["--style-weight", "-3"], "the style weight is -3.0; a number from 0 on is expected"),
    (style_transfer, ["--size", "3", "--style-layers", "pool3"], "the content has 3x3 pixels, too few for"),
    (style_transfer, ["--blend", "1,2"], "2 blend weights for 1 pictures of style"),
    (style_transfer, ["--blend", "0"], "all blend weights are 0"),
    (style_transfer, ["--sweep", "--style-weight", "0"], "both need weights above 0"),
    (style_transfer, ["--blend", "x"], "--style-blend-weights: expected a number, not 'x'"),
    (style_transfer, ["--content-weight", "nan"], "--content-weight: expected a number, not 'nan'"),
    (style_transfer, ["--colours", "orginal"], "no colours 'orginal'; did you mean original"),
    (texture_gram, ["--size", "200000"], "200000x200000 pixels take about"),
    (style_transfer, ["--side", "width"], "no side 'width'"),
    (style_transfer, ["--init", "missing.png"], "missing.png: no such file"),
    (style_transfer, ["--mask", "missing.png"], "missing.png: no such file"),
    (style_transfer, ["--style-scale", "0"], "the style scale is 0.0"),
    (style_transfer, ["--coarse", "200"], "--coarse 200 is larger than the size, 96"),
    (style_transfer, ["no_such_photo.jpg"], "no_such_photo.jpg"),
    (style_transfer, ["--learning-rate", "0", "--optimizer", "adam"], "expected a number above 0, not '0'"),
    (inversion, ["--rates", "3xnan"], "expected steps and learning rates as in 100x0.004,200x0.0004, not '3xnan'"),
    (inversion, ["--tv-weight", "1,inf,3"], "expected a number from 0 on, or three as in 1,10,20, not '1,inf,3'"),
    (inversion, ["--clamp", "-1"], "--clamp: expected a number from 0 on, not '-1'"),
    (inversion, ["--p", "1000"], "p is 1000: this power of a pixel exceeds the range of float32"),
    (inversion, ["--tv-beta", "100"], "tv_beta is 100: this power of a pixel exceeds the range of float32"),
    (class_visualization, ["--inputs", "cafe"], "no inputs 'cafe'; did you mean caffe"),
    (class_visualization, ["--start-noise", "1e30"], "the loss is inf at step 1: the optimisation diverged"),
    (class_visualization, ["--compare", "--class", "0", "--class", "1"], "leave out the other --class"),
    (class_visualization, ["--compare", "--preset", "cs231n"], "--compare shows all presets of one class: leave out"),
    (neuron_visualization, ["--layer", "input"], "'input' is the picture itself, not a layer"),
    (neuron_visualization, ["--kind", "layer", "--channels", "1"], "a layer is shown as a whole: leave out --channels"),
    (neuron_visualization, ["--kind", "channel", "--position", "1", "1"], "a channel has no position"),
    (neuron_visualization, ["--grid", "--size", "30"], "leave out --size"),
    (deepdream, ["--step-size", "nan"], "--step-size: expected a number, not 'nan'"),
    (style_transfer, ["--resume"], "there is nothing to go on from in")])
def test_bad_input_is_one_line_and_exit_code_2(module, arguments, expected, tmp_path, capsys, recwarn):
    if "--model" not in arguments:
        arguments = ["--model", "shapes", *arguments]
    if "--device" not in arguments:
        arguments = ["--device", "cpu", *arguments]
    assert demo(module, *arguments, "--out", str(tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1
    assert not list(recwarn)  # they would be further lines
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("module", "arguments", "expected"), [
    (step_through, ["--layer", "cnov1", "--model", "shapes"], "no layer 'cnov1'; did you mean conv1"),
    (step_through, ["--out", "here"], "unrecognized arguments: --out"),
    (verify, ["--overwrite"], "unrecognized arguments: --overwrite")])
def test_bad_input_to_what_writes_nothing(module, arguments, expected, capsys):
    assert demo(module, "--device", "cpu", *arguments) == 2
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1


def test_more_than_memory_holds_is_one_line(tmp_path, capsys):
    assert demo(texture_pixels, "--size", "100000000", "--out", str(tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert "not enough memory (Unable to allocate " in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_output_that_nobody_reads_is_no_traceback():
    process = subprocess.Popen([sys.executable, "-m", "demos.step_through", "--model", "shapes", "--device", "cpu"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2])
    process.stdout.close()
    assert process.wait() == 1 and process.stderr.read() == b""
    process.stderr.close()


def test_a_silent_neuron_is_named(tmp_path, capsys):
    model = load_model("shapes", "cpu")
    maps = feature_maps(model.net, load_photos(model, [])[0].x, "relu3")[0]
    channel, y, x = np.argwhere(maps == 0)[0].tolist()
    assert demo(guided_backprop, "--model", "shapes", "--device", "cpu", "--layer", "relu3", "--channel", str(channel),
                "--position", str(y), str(x), "--out", str(tmp_path / "out")) == 2
    assert f"channel {channel} at ({y}, {x}) of 'relu3' is silent on striped disc" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"not a picture at all"])
def test_a_broken_photo_is_one_line(content, tmp_path, capsys):
    (tmp_path / "broken.jpg").write_bytes(content)
    assert demo(saliency, str(tmp_path / "broken.jpg"), "--model", "shapes", "--device", "cpu") == 2
    assert "broken.jpg" in capsys.readouterr().err


def test_a_photo_of_one_pixel_is_one_line(tmp_path, capsys):
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    assert demo(saliency, str(tmp_path / "dot.png"), "--model", "shapes", "--device", "cpu") == 2
    error = capsys.readouterr().err
    assert "dot.png" in error and error.count("\n") == 1


def test_a_trunk_without_scores_is_refused(tmp_path, photo):
    net = build_network("squeezenet1_1", last="fire3/concat")
    save_weights(tmp_path / "trunk.h5", net, Header("trunk", "squeezenet1_1", TORCHVISION,
                                                    options={"last": "fire3/concat"}))
    model = load_model(tmp_path / "trunk.h5", "cpu")
    with pytest.raises(InputError, match="trunk is a trunk without a classifier"):
        load_photos(model, [photo])


def test_help_works_for_every_demo():
    root = Path(__file__).parents[2]
    names = sorted(path.stem for path in (root / "demos").glob("*.py") if "def parser()" in path.read_text())
    assert {"saliency", "step_through", "train_shapes"} <= set(names)
    for name in names:
        module = __import__(f"demos.{name}", fromlist=["parser"])
        assert module.parser().format_help()
    assert os.environ["XDG_CACHE_HOME"]
