"""Interrupted runs keep the latest image and continue to the same result."""

import json

import numpy as np
import pytest
from demo_runs import exit_code as demo
from kill_runs import contents, differences
from PIL import Image

from demos import (
    class_visualization,
    neuron_visualization,
    style_transfer,
    texture_gram,
)
from demos.shared.long_run import LongRun
from minicnn.models import load_model
from minicnn.models.load import weights_path
from minicnn.models.weights import read_header, save_weights
from minicnn.visualize.synthesis import ascent

pytestmark = pytest.mark.usefixtures("empty_cache")


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
    assert f"repeat the command with --resume --out {out}" in capsys.readouterr().err
    stop_at(None)
    assert demo(class_visualization, *arguments, "--preset", "cs231n", "--l2-reg", "0.5", "--resume", "--out",
                str(out)) == 2
    assert "was saved by another run: it has l2_reg 0.001, not 0.5" in capsys.readouterr().err
    assert demo(class_visualization, *arguments, "--resume", "--out", str(out)) == 0
    whole, again = (np.load(folder / "class_visualization.npy") for folder in (tmp_path / "whole", out))
    assert whole.tobytes() == again.tobytes()
    assert not differences(out, contents(tmp_path / "whole"))


def test_a_run_that_was_stopped_before_its_first_state_begins_again(stop_at, tmp_path):
    arguments = ["--model", "shapes", "--device", "cpu", "--steps", "8", "--save-every", "6", "--class", "dotted disc"]
    assert demo(class_visualization, *arguments, "--out", str(tmp_path / "whole")) == 0
    out = tmp_path / "out"
    stop_at(3)
    assert demo(class_visualization, *arguments, "--out", str(out)) == 130
    assert not list(out.glob("*_state*")) and (out / "class_visualization.png").exists()
    stop_at(None)
    assert demo(class_visualization, *arguments, "--resume", "--out", str(out)) == 0
    assert not differences(out, contents(tmp_path / "whole"))


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
    assert not differences(out, contents(tmp_path / "whole"))


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
    assert not differences(out, contents(tmp_path / "whole"))


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
    assert not differences(out, contents(tmp_path / "whole"))


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
    assert card["title"] == "shapes: class visualization" and len(card["history"]) == 6


def test_the_image_is_saved_as_it_goes(tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(LongRun, "save_latest", lambda run, picture: saved.append(picture.shape))
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
    assert card["title"] == "shapes: class visualization, Iteration 3 / 100, stopped" and len(card["history"]) == 3


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
    assert "holds texture_gram_state-1.npz, the state of an interrupted run; give --resume" in capsys.readouterr().err
    assert (tmp_path / "texture_gram_state-1.npz").read_bytes() == state
    (tmp_path / "texture_gram_state-2.npz").write_bytes(state)  # of a part that the next run will not reach
    stop_at(3)
    assert demo(texture_gram, *arguments, "--seed", "1", "--overwrite") == 130
    stop_at(None)
    assert demo(texture_gram, *arguments, "--seed", "1", "--resume") == 0
