"""The demos of fast style transfer and its training: their files, their messages, and their exit codes."""

import json
from functools import partial

import numpy as np
import pytest
from demo_runs import exit_code as demo
from PIL import Image

from demos import fast_style, train_fast_style
from minicnn.datasets.drawings import draw_scene
from minicnn.images import load_image, resize_long_side, save_image
from minicnn.models import load_model, transform_network
from minicnn.models.preprocessing import TORCHVISION
from minicnn.models.weights import Header, save_weights
from minicnn.training import TrainingCheckpoint
from minicnn.visualize import stylize, with_style
from minicnn.visualize.style.fast_style_check import check_against_optimiser
from minicnn.visualize.style.many_styles import style_norms

pytestmark = pytest.mark.usefixtures("empty_cache")
SMALL = {"widths": [3, 4, 5], "num_blocks": 1}


@pytest.fixture
def painter(tmp_path):
    """Return a weights file of a small transform network."""
    save_weights(tmp_path / "p.h5", transform_network(0, **SMALL), Header("p", "transform_network", TORCHVISION,
                                                                          options=SMALL))
    return str(tmp_path / "p.h5")


@pytest.fixture
def photos(tmp_path):
    """Return a folder of two photos with the same name, one in a subfolder."""
    (tmp_path / "photos" / "more").mkdir(parents=True)
    save_image(tmp_path / "photos" / "a.png", draw_scene(40)[:33])
    save_image(tmp_path / "photos" / "more" / "a.png", draw_scene(26))
    return tmp_path / "photos"


def painted(painter, photo, **options):
    model = load_model(painter, device="cpu").fast()
    return stylize(model.net, photo, model.preprocessing, **options)


def test_one_photo_in_its_own_size(painter, photos, tmp_path, capsys):
    out = tmp_path / "out"
    assert demo(fast_style, photos / "a.png", "--model", painter, "--out", out) == 0
    assert {file.name for file in out.iterdir()} == {"a_painted.png", "fast_style.png", "fast_style.npy",
                                                     "fast_style.json"}
    expected = painted(painter, draw_scene(40)[:33])
    np.testing.assert_array_equal(load_image(out / "a_painted.png"), expected)
    np.testing.assert_array_equal(np.load(out / "fast_style.npy"), expected)
    card = json.loads((out / "fast_style.json").read_text())
    assert len(card["checks"]) == 3 and all(check["passed"] for check in card["checks"])
    assert card["parameters"]["painter"] == "p" and "40x33 in " in capsys.readouterr().out


def test_unreadable_files_of_a_folder_are_skipped(painter, photos, tmp_path, capsys):
    (photos / "b.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    assert demo(fast_style, photos, "--model", painter, "--size", "20", "--tile", "16", "--median", "3", "--out",
                out) == 0
    assert "skipped: " in capsys.readouterr().err
    sizes = {file.name: Image.open(file).size for file in out.glob("*_painted*.png")}
    assert sizes == {"a_painted.png": (20, 16), "a_painted-2.png": (20, 20)}
    assert demo(fast_style, photos, "--model", painter, "--size", "20", "--out", out) == 2
    assert "holds fast_style.png, a_painted.png, a_painted-2.png and 2 more already" in capsys.readouterr().err


def test_tiles_if_memory_is_short(painter, photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("minicnn.visualize.style.tiled_transform.available_memory", lambda device: 0)
    assert demo(fast_style, photos / "a.png", "--model", painter, "--device", "cpu", "--out", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "a: one pass over 40x33 pixels needs more than half of the free memory, so tiles of 128" in said


@pytest.mark.parametrize("arguments, words", [
    (["--model", "shapes"], "this network paints no pictures; give a transform network"),
    (["--model", "PAINTER", "nothing.png"], "nothing.png"),
    (["--model", "PAINTER", "bad"], "bad.png"),
    (["--model", "strike"], "strike"),
    (["--model", "PAINTER", "empty"], "empty holds no pictures")])
def test_bad_input_gives_one_line(painter, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "bad.png").write_bytes(b"no picture")
    arguments = [painter if argument == "PAINTER" else argument for argument in arguments]
    assert demo(fast_style, *arguments, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and words in error and not (tmp_path / "out").exists()


def test_no_readable_file(painter, tmp_path, capsys):
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(b"no picture")
    assert demo(fast_style, tmp_path / "a.png", tmp_path / "b.png", "--model", painter, "--out", tmp_path / "o") == 2
    assert capsys.readouterr().err.endswith("none of the 2 picture files can be read\n")


# ---- several styles --------------------------------------------------------------------------------------------------

NAMES = ["strokes", "dots", "stripes", "glass"]


@pytest.fixture
def styles(tmp_path):
    """Return a weights file of a network of four different styles."""
    rng, options = np.random.default_rng(0), SMALL | {"styles": NAMES}
    net = transform_network(0, **options)
    for layer in style_norms(net).values():
        layer.params = {key: rows + 0.5 * rng.standard_normal(rows.shape, np.float32)
                        for key, rows in layer.params.items()}
    save_weights(tmp_path / "s.h5", net, Header("s", "transform_network", TORCHVISION, options=options))
    return str(tmp_path / "s.h5")


@pytest.mark.parametrize("asked, mixture, said", [
    ([], [1, 0, 0, 0], "style: strokes\n"), (["--style", "stripes"], [0, 0, 1, 0], "style: stripes\n"),
    (["--style", "dots=1,glass=0"], [0, 1, 0, 0], "style: dots\n"),
    (["--style", "strokes=0.75,dots=0.25"], [0.75, 0.25, 0, 0], "style: strokes 0.75, dots 0.25\n"),
    (["--style", "strokes=3, glass"], [0.75, 0, 0, 0.25], "weights of --style sum to 4; each is divided by this sum")])
def test_a_style_or_a_blend_is_painted(styles, photos, tmp_path, capsys, asked, mixture, said):
    assert demo(fast_style, photos / "a.png", "--model", styles, "--out", tmp_path / "out", "--tile", "0", *asked) == 0
    out = capsys.readouterr().out
    assert said in out and "styles: strokes, dots, stripes, glass; 58 of " in out
    model = load_model(styles, device="cpu").fast()
    np.testing.assert_array_equal(load_image(tmp_path / "out" / "a_painted.png"), stylize(
        with_style(model.net, np.array(mixture, float)), draw_scene(40)[:33], model.preprocessing))


def test_a_sheet_of_styles_and_blends(styles, photos, tmp_path, capsys):
    out = tmp_path / "out"
    assert demo(fast_style, photos / "a.png", "--model", styles, "--styles", "--size", "24", "--out", out) == 0
    assert {file.name for file in out.iterdir()} == {"a_painted.png"} | {
        f"{name}.{kind}" for name in ("fast_style", "fast_styles") for kind in ("png", "npy", "json")}
    blends, card = np.load(out / "fast_styles.npy"), json.loads((out / "fast_styles.json").read_text())
    assert blends.shape[:2] == (5, 5) and blends.shape[4] == 3
    model = load_model(styles, device="cpu").fast()
    corner = stylize(with_style(model.net, np.eye(4)[3]), resize_long_side(draw_scene(40)[:33], 24), TORCHVISION)
    np.testing.assert_array_equal(blends[4, 4], corner)
    assert card["parameters"]["parameters_of_a_style"] == 58 and len(card["checks"]) == 6
    assert card["checks"][0]["passed"] and card["checks"][0]["value"] == 0
    assert "fast_styles.png: s: 4 styles in one network, 58 of " in capsys.readouterr().out


@pytest.mark.parametrize("asked, words", [
    ("stroke", "no style 'stroke'; did you mean strokes"), ("strokes=-1,dots=2", "the weight of 'strokes' is -1.0"),
    ("strokes=much", "the weight of 'strokes' is 'much'"), ("strokes=0,dots=0", "all weights of --style are 0"),
    ("dots=nan", "the weight of 'dots' is nan"), ("dots,dots", "'dots' is given twice"),
    ("", "the text after --style= is empty")])
def test_a_bad_style_gives_one_line(styles, tmp_path, capsys, asked, words):
    assert demo(fast_style, "--model", styles, f"--style={asked}", "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and words in error and not (tmp_path / "out").exists()


@pytest.mark.parametrize("asked", [["--style", "strokes"], ["--styles"]])
def test_a_network_of_a_single_style_refuses_style_options(painter, tmp_path, capsys, asked):
    assert demo(fast_style, "--model", painter, "--out", tmp_path / "out", *asked) == 2
    assert "p has a single style" in capsys.readouterr().err


# ---- the training ----------------------------------------------------------------------------------------------------

@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """Compare with only a few steps of the optimizer, as the trainings have four steps."""
    monkeypatch.setattr(train_fast_style, "check_against_optimiser", partial(check_against_optimiser, most=2))


def train_it(photos, out, *more):
    return demo(train_fast_style, photos, "--model", "shapes", "--crop", "16", "--size", "24", "--batch-size", "2",
                "--widths", "3,4,5", "--blocks", "1", "--steps", "4", "--save-every", "1", "-o", out, *more)


def test_a_training_can_write_half_precision(photos, tmp_path):
    for name, more in (("whole", []), ("half", ["--half"])):
        assert train_it(photos, tmp_path / f"{name}.h5", "--style", "strokes", *more) == 0
    whole, half = (load_model(tmp_path / f"{name}.h5", device="cpu").net.layer("res1/conv1").params["w"]
                   for name in ("whole", "half"))
    assert half.dtype == whole.dtype == "float32" and (half == whole.astype("float16")).all()


def test_a_training_writes_a_network_and_samples(photos, tmp_path, capsys):
    out = tmp_path / "mine.h5"
    assert train_it(photos, out, "--style", "strokes", "--samples", tmp_path / "samples", "--sample-every", "2") == 0
    assert sorted(file.name for file in (tmp_path / "samples").iterdir()) == ["step_000002.png", "step_000004.png"]
    said = capsys.readouterr().out
    assert "strokes: perceptual loss of painted photos that were not in the training" in said
    assert "steps of L-BFGS" in said
    model = load_model(out, device="cpu")
    assert model.name == "mine" and model.net.layer("res1/conv1").params["w"].shape == (5, 5, 3, 3)
    assert demo(fast_style, photos / "a.png", "--model", out, "--out", tmp_path / "out") == 0
    assert train_it(photos, out) == 2
    assert "already exists" in capsys.readouterr().err


@pytest.mark.parametrize("style", [["--style", "dots"], []])
def test_a_resumed_training_ends_in_the_same_network(photos, tmp_path, monkeypatch, capsys, style):
    assert train_it(photos, tmp_path / "whole.h5", *style) == 0
    save, calls = TrainingCheckpoint.save, []

    def interrupting(*arguments):
        save(*arguments)
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
    monkeypatch.setattr(TrainingCheckpoint, "save", interrupting)
    checkpoint = ("--checkpoint", tmp_path / "state.npz")
    assert train_it(photos, tmp_path / "again.h5", *checkpoint, *style) == 130
    assert not (tmp_path / "again.h5").exists()
    assert train_it(photos, tmp_path / "again.h5", *checkpoint, *style, "--learning-rate", "0.1") == 2
    assert "is a checkpoint of another training: it has learning_rate 0.004, not 0.1\n" in capsys.readouterr().err
    assert train_it(photos, tmp_path / "again.h5", *checkpoint, *style) == 0
    assert len(calls) == 4
    whole, again = (load_model(tmp_path / name, device="cpu").net for name in ("whole.h5", "again.h5"))
    for name, layer in whole.parameter_layers().items():
        for key, values in layer.params.items():
            np.testing.assert_array_equal(values, again.layer(name).params[key])


def test_several_styles_and_then_one_more(photos, tmp_path, capsys):
    for name in ("sea", "sky"):
        save_image(tmp_path / f"{name}.png", draw_scene(30))
    first, more = tmp_path / "first.h5", tmp_path / "more.h5"
    assert train_it(photos, first, "--style", tmp_path / "sea.png", "dots", "--samples", tmp_path / "samples",
                    "--sample-every", "4") == 0
    assert load_image(tmp_path / "samples" / "step_000004.png").shape[1] == 2 * 218
    assert load_model(first, "cpu").styles == ("sea", "dots")
    capsys.readouterr()
    assert train_it(photos, more, "--style", tmp_path / "sky.png", "--add-style", first) == 0
    said = capsys.readouterr().out
    assert "sky: steps of L-BFGS" in said and "dots: " not in said
    old, new = load_model(first, "cpu"), load_model(more, "cpu")
    assert new.styles == ("sea", "dots", "sky")
    for name, layer in old.net.parameter_layers().items():
        for key, values in layer.params.items():
            learnt = new.net.layer(name).params[key]
            np.testing.assert_array_equal(learnt[:2] if key in ("gamma", "beta") else learnt, values)
    gamma = new.net.layer("in1").params["gamma"]
    assert not np.array_equal(gamma[2], gamma[:2].mean(axis=0))


def test_a_trained_network_is_trained_further(photos, tmp_path):
    first, more, dots = tmp_path / "first.h5", tmp_path / "more.h5", ("--style", "dots")
    assert train_it(photos, first, *dots) == 0
    assert train_it(photos, more, *dots, "--go-on", first, "--learning-rate", "1e-4") == 0
    old, new = (load_model(path, "cpu").net.layer("conv2").params["w"] for path in (first, more))
    assert 0 < abs(old - new).max() < 1e-4  # the small learning rate keeps the parameters near their old values


@pytest.mark.parametrize("more, words", [
    (["--go-on", "STYLES", "--style", "dots"], "has strokes, dots, stripes, glass; --style must name the same"),
    (["--go-on", "PAINTER"], "has a single style; --style must name the same"),
    (["--go-on", "PAINTER", "--add-style", "STYLES"], "not allowed with argument"),
    (["--style", "dots", "--add-style", "STYLES"], "has a style 'dots' already"),
    (["--style", "glas"], "no drawn style 'glas'; did you mean glass?"),
    (["--style", "other.jpg", "dots", "dots"], "two of the styles have the same name"),
    (["--style", "extra.png", "--add-style", "PAINTER"], "has a single style"),
    (["--style", "extra.png", "--add-style", "shapes"], "this network paints no pictures"),
    (["--style", "extra.png", "--add-style", "STYLES"], "has another preprocessing than the loss network")])
def test_bad_styles_for_training_give_one_line(painter, styles, photos, tmp_path, monkeypatch, capsys, more,
                                                         words):
    monkeypatch.chdir(tmp_path)
    for name in ("extra.png", "other.jpg"):
        save_image(tmp_path / name, draw_scene(30))
    more = [{"STYLES": styles, "PAINTER": painter}.get(argument, argument) for argument in more]
    assert train_it(photos, tmp_path / "mine.h5", *more) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and words in error and not (tmp_path / "mine.h5").exists()


@pytest.mark.parametrize("more, words", [
    (["--crop", "30"], "--crop 30 is no multiple of 4"), (["--widths", "3,4"], "expected three numbers"),
    (["--style-weight", "0"], "both need weights above 0"), (["--preset", "shape"], "did you mean shapes"),
    (["--preset", "johnson"], "no layer 'relu3_3'"), (["--style", "no.png"], "no.png"),
    (["--learning-rate", "nan"], "--learning-rate: expected a number, not 'nan'"),
    (["--learning-rate", "0"], "--learning-rate: expected a number above 0, not '0'"),
    (["--model", "digits"], "must take pictures in colour")])
def test_bad_training_options_give_one_line(photos, tmp_path, capsys, more, words):
    assert train_it(photos, tmp_path / "mine.h5", *more) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and words in error and not (tmp_path / "mine.h5").exists()
