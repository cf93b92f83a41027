"""The demos as a user runs them: their files, their output, and one line for each wrong input."""

import json
from dataclasses import asdict

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
    guided_backprop,
    inversion,
    neighbours,
    neuron_visualization,
    saliency,
    style_transfer,
    texture_gram,
)
from demos.shared.inputs import load_photos
from minicnn.models import load_model
from minicnn.visualize import feature_maps
from minicnn.visualize.synthesis import ascent_settings

pytestmark = pytest.mark.usefixtures("empty_cache")


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
    assert "digits: weights of 16 filters read back" in capsys.readouterr().out


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


def test_saliency_of_a_users_photo(photo, tmp_path):
    assert demo(saliency, photo, "--model", "shapes", "--device", "cpu", "--class", "dotted star",
                "--out", str(tmp_path / "out")) == 0
    card = json.loads((tmp_path / "out" / "saliency.json").read_text())
    assert card["parameters"]["photos"] == ["photo"] and card["parameters"]["classes"] == [11]


def test_a_class_visualization_of_another_size(tmp_path):
    assert demo(class_visualization, "--model", "shapes", "--device", "cpu", "--class", "checked disc", "--size", "96",
                "--steps", "40", "--out", str(tmp_path / "out")) == 0
    assert np.load(tmp_path / "out" / "class_visualization.npy").shape == (1, 3, 96, 96)


def test_all_presets_side_by_side(tmp_path, capsys):
    assert demo(class_visualization, "--compare", "--model", "shapes", "--device", "cpu", "--class", "striped disc",
                "--out", str(tmp_path / "out")) == 0
    check_outputs(tmp_path / "out", class_presets.NAMES)
    card = json.loads((tmp_path / "out" / "class_presets.json").read_text())
    assert list(card["parameters"]["presets"]) == [*ascent_settings.PUBLISHED, "distill", "photos"]
    assert all(0 < preset["high_frequency_share"] < 0.5 for preset in card["parameters"]["presets"].values())
    assert np.load(tmp_path / "out" / "class_presets.npy").shape == (8, 3, 64, 64)


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


# ---- bad input: one line, exit code 2 --------------------------------------------------------------------------------


@pytest.mark.parametrize(("module", "arguments", "expected"), [
    (filters, ["--model", "squeezenet1_2"], "no model 'squeezenet1_2'; did you mean squeezenet1_1"),
    (filters, ["--model", "squeezenet1_1"], "no weights for 'squeezenet1_1'"),
    (filters, ["--model", "missing.h5"], "missing.h5 does not exist"),
    (filters, ["--layer", "conv9"], "no layer 'conv9'; did you mean conv"),
    (filters, ["--layer", "relu1"], "has no filters"),
    (filters, ["--layer", "input"], "'input' is the image itself, not a layer"),
    (filters, ["digits", "--layer", "conv2", "--layer", "cnov5"], "no layer 'cnov5'; did you mean conv5"),
    (filters, ["photo.jpg"], "no model 'photo.jpg'"),
    (activations, ["--layer", "relu1", "--layer", "relu9"], "no layer 'relu9'; did you mean relu"),
    (activations, ["--layer", "relu4", "--layer", "relu1", "--channel", "50"], "'relu1' has channels 0 to 23, not 50"),
    (activations, ["a.jpg", "b.jpg"], "expected one photo, not 2"),
    (filters, ["--device", "tpu"], "no device 'tpu'"),
    (filters, ["--device", "gpu"], "no GPU to run on: "),
    (saliency, ["--class", "striped dics"], "no class 'striped dics'; did you mean striped disc"),
    (saliency, ["--class", "12"], "no class '12'"),
    (saliency, ["--class", "striped"], "class 'striped' is not unique"),
    (saliency, ["no_such_photo.jpg"], "no_such_photo.jpg"),
    (saliency, ["."], "this is a folder"),
    (saliency, [""], "the text after "),
    (saliency, ["--class", ""], "the text after --class is empty; give a value, or omit the option"),
    (saliency, ["--model="], "the text after --model= is empty"),
    (neighbours, ["--resume", ""], "the text after --resume is empty"),
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
    (class_visualization, ["--stpes", "3"], "unrecognized arguments"),
    (texture_gram, ["--layers", "relu1,relu9,conv7"], "no layer 'relu9', 'conv7'"),
    (texture_gram, ["--layers", "relu1=0"], "all weights are 0"),
    (texture_gram, ["--layers", "relu1=x"], "--layers: expected a number, not 'x'"),
    (texture_gram, ["--layers", "relu1=nan"], "--layers: expected a number, not 'nan'"),
    (texture_gram, ["--layers", "relu1,,relu2"], "expected layers, with or without weights, as relu1=2,pool1"),
    (texture_gram, ["--preset", "gatys"], "no layer 'relu1_1', 'pool4': the network"),
    (texture_gram, ["--preset", "gaty"], "no preset 'gaty'; did you mean gatys"),
    (texture_gram, ["--optimizer", "adm"], "no optimizer 'adm'; did you mean adam"),
    (texture_gram, ["--layers", "relu1,fc6"], "'fc6' has no maps, so it has no Gram matrix"),
    (style_transfer, ["--style-layers", "fc6"], "'fc6' has no maps, so it has no Gram matrix"),
    (texture_gram, ["--size", "3", "--steps", "1"], "the source has 3x3 pixels, too few for 'relu3'"),
    (texture_gram, ["--size", "3", "--layers", "pool3"], "the source has 3x3 pixels, too few for 'pool3'"),
    (texture_gram, ["one.png", "two.png"], "expected one picture, the source, got 2"),
    (style_transfer, ["--preset", "neural-style"], "no layer 'relu4_2', 'relu1_1', 'relu2_1', 'relu3_1'"),
    (style_transfer, ["--preset", "starry"], "no preset 'starry'; did you mean starry-night"),
    (style_transfer, ["--content-weight", "0", "--style-weight", "0"], "all weights are 0"),
    (style_transfer, ["--style-weight", "-3"], "the style weight is -3.0; expected a number from 0 on"),
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
    (class_visualization, ["--start-noise", "1e30"], "the loss is inf at step 1: the optimization diverged"),
    (class_visualization, ["--compare", "--class", "0", "--class", "1"], "leave out the other --class"),
    (class_visualization, ["--compare", "--preset", "cs231n"], "--compare shows all presets of one class: leave out"),
    (neuron_visualization, ["--layer", "input"], "'input' is the picture itself, not a layer"),
    (neuron_visualization, ["--kind", "layer", "--channels", "1"], "a layer is shown as a whole: leave out --channels"),
    (neuron_visualization, ["--kind", "channel", "--position", "1", "1"], "a channel has no position"),
    (neuron_visualization, ["--grid", "--size", "30"], "leave out --size"),
    (deepdream, ["--step-size", "nan"], "--step-size: expected a number, not 'nan'")])
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


def test_a_silent_neuron_is_named(tmp_path, capsys):
    model = load_model("shapes", "cpu")
    maps = feature_maps(model.net, load_photos(model, [])[0].x, "relu3")[0]
    channel, y, x = np.argwhere(maps == 0)[0].tolist()
    assert demo(guided_backprop, "--model", "shapes", "--device", "cpu", "--layer", "relu3", "--channel", str(channel),
                "--position", str(y), str(x), "--out", str(tmp_path / "out")) == 2
    assert f"channel {channel} at ({y}, {x}) of 'relu3' is 0 on striped disc" in capsys.readouterr().err
