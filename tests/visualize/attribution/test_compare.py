"""The maps of fifteen methods, their rank correlations against SciPy, and the demo."""

import json
from dataclasses import replace

import numpy as np
import pytest
from attribution_networks import (
    maps_of,
    module_network,
    pictures,
)
from demo_runs import exit_code
from PIL import Image
from scipy.stats import spearmanr
from small_networks import on

from demos import compare as demo
from demos.compare_figure import COLOURS
from minicnn.datasets.shapes import CLASSES
from minicnn.errors import InputError, UnknownNameError
from minicnn.visualize.attribution.compare import (
    METHODS,
    rank_correlations,
)
from minicnn.visualize.attribution.compare_check import check_correlations
from minicnn.visualize.attribution.deletion import (
    RANDOM,
)
from minicnn.visualize.attribution.grad_cam import grad_cam, guided_grad_cam, upsample_maps
from minicnn.visualize.attribution.guided_backprop import deconvnet, guided_backprop
from minicnn.visualize.attribution.occlusion import class_probability
from minicnn.visualize.attribution.randomise import (
    upper_half,
)
from minicnn.visualize.attribution.saliency import saliency_map


def test_the_maps_are_those_of_the_methods(xp, rng):
    net, x = module_network(rng), pictures(rng)
    maps = maps_of(on(xp, net), x, [1, 4], stride=4)
    assert tuple(maps) == METHODS == tuple(COLOURS)[:-1]
    assert all(isinstance(found, np.ndarray) and found.shape == (2, 16, 16) and found.dtype == np.float32
               for found in maps.values())
    assert all((found >= 0).all() for method, found in maps.items() if method != "occlusion")
    heat = upsample_maps(grad_cam(net, x, [1, 4]), 16, 16)
    expected = {"saliency": saliency_map(net, x, [1, 4]), "Grad-CAM": heat,
                "guided Grad-CAM": np.abs(guided_grad_cam(net, x, [1, 4])).max(axis=1)}
    for method, function in (("guided backprop", guided_backprop), ("deconvnet", deconvnet)):
        expected[method] = np.concatenate([np.abs(function(net, x[n:n + 1], "fc3", label)).max(axis=1)
                                           for n, label in enumerate((1, 4))])
    for method, found in expected.items():
        np.testing.assert_allclose(maps[method], found, atol=1e-6, err_msg=method)


def test_the_occlusion_map_is_the_drop_of_the_probability(rng):
    net, x = module_network(rng), pictures(rng, 1)
    found = maps_of(net, x, 2, stride=16, window=16)["occlusion"]
    cost = class_probability(net, x, 2) - class_probability(net, np.zeros_like(x), 2)
    np.testing.assert_allclose(found, np.broadcast_to(cost, (1, 16, 16)), atol=1e-6)


def test_a_batch_equals_single_pictures_and_leaves_them_as_they_are(rng):
    net, x = module_network(rng), pictures(rng, 3)
    before = x.copy()
    batch = maps_of(net, x, [0, 2, 4])
    assert (x == before).all()
    for n, label in enumerate((0, 2, 4)):
        single = maps_of(net, x[n:n + 1], label)
        for method in METHODS:
            if method != "SmoothGrad" or n == 0:  # the later pictures get other noise
                np.testing.assert_allclose(batch[method][n:n + 1], single[method], atol=1e-6, err_msg=method)


@pytest.mark.parametrize(("label", "settings", "message"), [
    (5, {}, "no class 5: the network has 5"), ([1, 2, 3], {}, "3 labels for 2 images"),
    (0, {"samples": 0}, "samples is 0; expected a whole"), (0, {"steps": 0}, "steps is 0; expected a whole"),
    (0, {"stride": 0}, "stride is 0"), (0, {"window": 17}, "is larger than the picture"),
    (0, {"layer": "fc3"}, "layer 'fc3' has no maps")])
def test_wrong_arguments_are_refused_in_one_line(label, settings, message, rng):
    with pytest.raises(InputError, match=message) as caught:
        maps_of(module_network(rng), pictures(rng), label, **settings)
    assert "\n" not in str(caught.value)


def test_an_unknown_layer_is_refused(rng):
    with pytest.raises(UnknownNameError, match="no layer 'relu3'; did you mean"):
        maps_of(module_network(rng), pictures(rng), 0, layer="relu3")


def test_rank_correlations_against_scipy(rng):
    maps = rng.standard_normal((4, 9, 7))
    maps[1] = np.round(maps[1])          # ties
    maps[2] = np.exp(maps[0])            # the same ranks
    maps[3] = -maps[1] + 0.1 * maps[0]
    found = rank_correlations(maps)
    np.testing.assert_allclose(found, spearmanr(maps.reshape(4, -1), axis=1).statistic, atol=1e-12)
    assert found[0, 2] == pytest.approx(1) and found[1, 3] < -0.5
    assert all(check.passed for check in check_correlations(maps, found))
    assert not check_correlations(maps, found + np.triu(np.full((4, 4), 1e-3)))[0].passed
    assert not check_correlations(maps, np.corrcoef(maps.reshape(4, -1)))[1].passed


def test_a_constant_map_has_correlation_zero(rng):
    maps = np.stack([rng.random((4, 4)), np.zeros((4, 4))])
    found = rank_correlations(maps)
    np.testing.assert_allclose(found, [[1, 0], [0, 0]], atol=1e-12)
    assert check_correlations(maps, found)[0].passed


def run_demo(*arguments):
    return exit_code(demo, "--model", "shapes", "--device", "cpu", *arguments)


def test_the_demo_writes_its_picture_its_maps_and_every_number(tmp_path, capsys):
    assert run_demo("--out", str(tmp_path), "--stages", "3", "--draws", "1", "--pictures", "0") == 0
    said = capsys.readouterr().out
    assert "FAIL" not in said and "upper half untrained" in said and "guided backprop (0." in said
    card = json.loads((tmp_path / "compare.json").read_text())
    assert all(check["passed"] for check in card["checks"]) and len(card["checks"]) == 21
    assert np.load(tmp_path / "compare.npy").shape == (15, 64, 64) and Image.open(tmp_path / "compare.png").width > 1000
    numbers = card["parameters"]
    assert numbers["stages"] == ["conv5", "conv3", "conv1"] and "guided backprop" in numbers["fails"]
    assert set(numbers["deletion area"]) == {*METHODS, RANDOM} and np.shape(numbers["rank correlations"]) == (15, 15)
    assert numbers["fails"]["guided backprop"] == pytest.approx(
        upper_half(np.array(numbers["similarity, draws x stages"]["guided backprop"])))
    assert "guided backprop" in card["explanation"] and not (tmp_path / "compare_pointing.png").exists()


def test_the_verdict_follows_from_the_numbers():
    assert demo.verdict({}) == "Here every map changes."
    assert "These maps hardly change: deconvnet (0.95), guided backprop (0.90)." in demo.verdict(
        {"deconvnet": 0.951, "guided backprop": 0.902})
    assert demo.verdict({}, ["saliency"]) == "Constant maps, which cannot be compared: saliency. The others change."
    assert demo.verdict({}, METHODS).endswith("RISE, occlusion.")
    assert "saliency. These maps hardly change: deconvnet (0.95)." in demo.verdict({"deconvnet": 0.951}, ["saliency"])


@pytest.fixture
def little_effort(monkeypatch):
    """Let the demo use the effort of the gallery."""
    gallery = demo.GALLERY
    monkeypatch.setattr(demo, "Effort", lambda **settings: replace(gallery, **settings))


def test_ctrl_c_keeps_the_finished_draws(tmp_path, little_effort, monkeypatch, capsys):
    plain, begun = demo.cascade_similarity, []

    def interrupted(*arguments):
        begun.append(1)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return plain(*arguments)
    monkeypatch.setattr(demo, "cascade_similarity", interrupted)
    assert run_demo("--out", str(tmp_path), "--stages", "2", "--draws", "3", "--pictures", "0") == 130
    card = json.loads((tmp_path / "compare.json").read_text())
    assert np.shape(card["parameters"]["similarity, draws x stages"]["occlusion"]) == (1, 2)
    begun.append(1)
    monkeypatch.setattr(demo, "cascade_similarity", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run_demo("--out", str(tmp_path), "--overwrite", "--pictures", "0") == 130
    parameters = json.loads((tmp_path / "compare.json").read_text())["parameters"]
    assert parameters["similarity, draws x stages"] == {}
    assert parameters["verdict"].startswith("Ctrl-C ended the randomisation before")
    assert "interrupted" in capsys.readouterr().err


def test_the_pointing_game_of_the_demo(drawn_dozen):
    picture = demo.pointing_picture(drawn_dozen[0], 12, 0)
    assert picture.array.shape == (15, 12, 64, 64) and len(picture.checks) == 16
    assert set(picture.parameters["untrained"]) == set(METHODS) and picture.parameters["untrained pictures"] == 12
    assert picture.parameters["inside"]["guided backprop"] >= 0.9
    assert picture.parameters["untrained"]["Grad-CAM"] < 0.6 < picture.parameters["untrained"]["guided backprop"]


def test_several_photos_have_a_picture_each(tmp_path, little_effort):
    for name in "ab":
        noise = np.random.default_rng(ord(name)).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{name}.png")
    arguments = [str(tmp_path / "a.png"), str(tmp_path / "b.png"), "--out", str(tmp_path / "out"), "--stages", "1",
                 "--draws", "1", "--pictures", "0", "--class", CLASSES[3]]
    assert run_demo(*arguments) == 0
    cards = [json.loads((tmp_path / "out" / f"{name}.json").read_text()) for name in ("compare", "compare_2")]
    assert [card["parameters"]["photo"] for card in cards] == ["a", "b"] and cards[0]["parameters"]["class"] == 3
    assert run_demo(*arguments) == 2  # nothing is overwritten


@pytest.mark.parametrize(("arguments", "message"), [
    (["--stages", "0"], "expected a whole number from 1 on, not '0'"), (["--draws", "-1"], "from 1 on"),
    (["--pictures", "many"], "expected a whole number from 0 on, not 'many'"),
    (["--class", "striped dics"], "did you mean striped disc"), (["--layer", "fc6"], "'fc6' has no maps"),
    (["--layer", "relu9"], "no layer 'relu9'"), (["missing.jpg"], "missing.jpg")])
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, tmp_path, capsys):
    assert run_demo(*arguments, "--out", str(tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "out").exists()
