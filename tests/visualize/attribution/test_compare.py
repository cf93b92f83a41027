"""Comparing attributions: naive twins, SciPy as the oracle, what is drawn anew, both array modules, and the edges."""

import json
from dataclasses import replace

import numpy as np
import pytest
from demo_runs import exit_code
from PIL import Image
from scipy.ndimage import binary_dilation
from scipy.stats import spearmanr

from demos import compare as demo
from demos.compare_figure import COLOURS
from minicnn.backend import to_host
from minicnn.datasets.shapes import CLASSES, draw_shapes
from minicnn.errors import InputError, UnknownNameError
from minicnn.layers import BatchNorm2D, Conv2D, GlobalAvgPool2D, Linear, MaxPool2D, ReLU
from minicnn.models import load_model, resnet18, squeezenet1_1, vgg16
from minicnn.network import Network
from minicnn.visualize.attribution.compare import (
    METHODS,
    attribution_maps,
    rank_correlations,
)
from minicnn.visualize.attribution.compare_check import check_correlations
from minicnn.visualize.attribution.deletion import (
    RANDOM,
    area,
    block_grid,
    block_order,
    blurred,
    deletion_insertion,
    exchange_curve,
)
from minicnn.visualize.attribution.deletion_check import check_curves, check_mean_areas
from minicnn.visualize.attribution.grad_cam import grad_cam, guided_grad_cam, upsample_maps
from minicnn.visualize.attribution.guided_backprop import deconvnet, guided_backprop
from minicnn.visualize.attribution.occlusion import class_probability
from minicnn.visualize.attribution.pointing_game import dilated, pointing_game
from minicnn.visualize.attribution.pointing_game_check import check_pointing_games
from minicnn.visualize.attribution.randomise import (
    cascade,
    cascade_similarity,
    module_name,
    split_stages,
    unchanged_methods,
    upper_half,
    with_random_weights,
)
from minicnn.visualize.attribution.randomise_check import check_cascade, check_sanity, check_similarities
from minicnn.visualize.attribution.saliency import saliency_map


def small_network(rng, last_relu=False):
    """Two stages, the second in two branches' names, then five scores."""
    net = Network((3, 16, 16))
    net.add("conv1", Conv2D(3, 6, 3, pad=1, rng=rng))
    net.add("bn1", BatchNorm2D(6))
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(2))
    net.add("fire2/conv", Conv2D(6, 8, 3, rng=rng))
    net.add("relu2", ReLU())
    if last_relu:
        net.add("conv3", Conv2D(8, 5, 1, rng=rng))
        net.add("relu3", ReLU())
    net.add("pool3", GlobalAvgPool2D())
    if not last_relu:
        net.add("fc3", Linear(8, 5, rng=rng))
    return net


def on(xp, net):
    return net.to_device("cpu" if xp is np else "gpu")


def pictures(rng, count=2, dtype="float32"):
    return rng.standard_normal((count, 3, 16, 16)).astype(dtype)


def maps_of(net, x, label, **settings):
    return attribution_maps(net, x, label, rng=np.random.default_rng(1), **({"samples": 3, "steps": 3} | settings))


# ---- the maps --------------------------------------------------------------------------------------------------------


def test_the_maps_are_those_of_the_methods(xp, rng):
    net, x = small_network(rng), pictures(rng)
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


def test_the_occlusion_map_says_what_hiding_costs(rng):
    net, x = small_network(rng), pictures(rng, 1)
    found = maps_of(net, x, 2, stride=16, window=16)["occlusion"]
    cost = class_probability(net, x, 2) - class_probability(net, np.zeros_like(x), 2)
    np.testing.assert_allclose(found, np.broadcast_to(cost, (1, 16, 16)), atol=1e-6)


def test_a_batch_equals_single_pictures_and_leaves_them_as_they_are(rng):
    net, x = small_network(rng), pictures(rng, 3)
    before = x.copy()
    batch = maps_of(net, x, [0, 2, 4])
    assert (x == before).all()
    for n, label in enumerate((0, 2, 4)):
        single = maps_of(net, x[n:n + 1], label)
        for method in METHODS:
            if method != "SmoothGrad" or n == 0:  # whose later pictures get other noise
                np.testing.assert_allclose(batch[method][n:n + 1], single[method], atol=1e-6, err_msg=method)


@pytest.mark.parametrize(("label", "settings", "message"), [
    (5, {}, "no class 5: the network has 5"), ([1, 2, 3], {}, "3 labels for 2 images"),
    (0, {"samples": 0}, "at least 1 sample"), (0, {"steps": 0}, "at least 1 step"),
    (0, {"stride": 0}, "stride is 0"), (0, {"window": 17}, "is larger than the picture"),
    (0, {"layer": "fc3"}, "layer 'fc3' has no maps")])
def test_what_makes_no_sense_is_refused_in_one_line(label, settings, message, rng):
    with pytest.raises(InputError, match=message) as caught:
        maps_of(small_network(rng), pictures(rng), label, **settings)
    assert "\n" not in str(caught.value)


def test_an_unknown_layer_is_refused(rng):
    with pytest.raises(UnknownNameError, match="no layer 'relu3'; did you mean"):
        maps_of(small_network(rng), pictures(rng), 0, layer="relu3")


# ---- deletion and insertion ------------------------------------------------------------------------------------------


def naive_exchange(net, before, after, label, blocks, order, steps, share):
    """One image after another, a pixel at a time."""
    curve = []
    for step in range(steps + 1):
        image, gone = before.copy(), list(order)[:round(share * len(order) * step / steps)]
        for y in range(image.shape[2]):
            for x in range(image.shape[3]):
                if blocks[y, x] in gone:
                    image[0, :, y, x] = after[0, :, y, x]
        scores = net.predict(image)[0]
        curve.append(np.exp(scores[label]) / np.exp(scores).sum())
    return np.array(curve)


@pytest.mark.parametrize(("grid", "steps", "share"), [(3, 4, 1.0), (5, 7, 0.5), (16, 3, 1.0)])
def test_the_curve_against_a_naive_twin(xp, grid, steps, share, rng):
    net = small_network(rng).astype("float64")
    before, after = pictures(rng, 2, "float64")[:, None]
    blocks, order = block_grid(16, 16, grid), rng.permutation(grid * grid)
    found = exchange_curve(on(xp, net), before, after, 3, blocks, order, steps, share)
    expected = naive_exchange(net, before, after, 3, blocks, order, steps, share)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found.shape == (steps + 1,) and np.ptp(found) > 1e-3


def test_the_curves_begin_and_end_at_whole_pictures(rng):
    net, x = small_network(rng).astype("float64"), pictures(rng, 1, "float64")
    maps = maps_of(net, x, 1)
    deletion, insertion = deletion_insertion(net, x, 1, maps, rng, grid=4, steps=5, orders=3)
    assert tuple(deletion) == tuple(insertion) == (*METHODS, RANDOM)
    assert deletion["saliency"].shape == (1, 6) and insertion[RANDOM].shape == (3, 6)
    photo, grey, soft = (class_probability(net, image, 1)[0] for image in (x, np.zeros_like(x), blurred(x)))
    for method in deletion:
        np.testing.assert_allclose(deletion[method][:, [0, -1]], [[photo, grey]] * len(deletion[method]), atol=1e-14)
        np.testing.assert_allclose(insertion[method][:, [0, -1]], [[soft, photo]] * len(deletion[method]), atol=1e-14)
    checks = check_curves(net, x, 1, deletion, insertion)
    assert all(check.passed for check in checks) and "reported, not judged" in checks[1].expected
    wrong = {method: curve + 1e-3 for method, curve in insertion.items()}
    assert not check_curves(net, x, 1, deletion, wrong)[0].passed


def corner_network():
    """Class 0's score is how bright the upper left quarter is, class 1's is zero."""
    net = Network((3, 16, 16))
    net.add("conv1", Conv2D(3, 1, 8, stride=8))
    net.add("relu1", ReLU())
    flat = Conv2D(1, 2, 2, bias=False)
    flat.params["w"] = np.zeros((2, 1, 2, 2), np.float32)
    flat.params["w"][0, 0, 0, 0] = 1
    net.layer("conv1").params["w"] = np.full((1, 3, 8, 8), 0.05, np.float32)
    net.add("conv2", flat)
    net.add("pool2", GlobalAvgPool2D())
    return net


def test_a_map_of_what_counts_beats_random_order_and_its_opposite_does_not(rng):
    net, x = corner_network(), np.ones((2, 3, 16, 16), np.float32)
    x[:, :, 8:] = 0.5
    good = np.zeros((2, 16, 16))
    good[:, :8, :8] = 1
    checks = check_mean_areas(net, x, [0, 0], {"good": good}, rng)
    assert [check.passed for check in checks[:1]] == [True]
    checks = check_mean_areas(net, x, [0, 0], {"good": good, "bad": -good}, rng)
    assert not checks[0].passed and "the worst method, bad" in checks[0].what


def test_blocks_cover_the_picture_and_are_alike():
    blocks = block_grid(20, 33, 6)
    sizes = np.bincount(blocks.ravel())
    assert blocks.shape == (20, 33) and len(sizes) == 36 and sizes.min() >= 3 * 5 and sizes.max() <= 4 * 6
    assert (block_grid(4, 4, 2) == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]).all()
    with pytest.raises(InputError, match="8x5 pixels cannot be cut into 6x6 blocks"):
        block_grid(8, 5, 6)


def test_the_order_of_the_blocks(rng):
    blocks = block_grid(4, 6, 2)
    values = np.choose(blocks, [3.0, 1.0, 4.0, 2.0])
    assert block_order(values, blocks, rng).tolist() == [2, 0, 3, 1]
    ties = {tuple(block_order(np.ones((4, 6)), blocks, rng)) for _ in range(200)}
    assert len(ties) == 24  # every order of equal ones comes up


def test_areas_by_hand():
    assert area(np.ones(4)) == 1 and area(np.linspace(1, 0, 6)) == pytest.approx(0.5)
    assert area(np.array([0.0, 1.0, 0.0])) == pytest.approx(0.5)


@pytest.mark.parametrize(("settings", "message"), [
    ({"steps": 0}, "at least 1 step and a share above 0, up to 1, not 0 and 1.0"), ({"share": 1.5}, "not 20 and 1.5"),
    ({"order": [0, 1, 2, 2]}, "does not hold each of the 4 blocks once")])
def test_curves_that_make_no_sense(settings, message, rng):
    net, x = small_network(rng), pictures(rng, 1)
    with pytest.raises(InputError, match=message):
        exchange_curve(net, x, x, 0, block_grid(16, 16, 2), **({"order": [3, 2, 1, 0]} | settings))


# ---- rank correlations -----------------------------------------------------------------------------------------------


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


def test_a_flat_map_is_like_nothing(rng):
    maps = np.stack([rng.random((4, 4)), np.zeros((4, 4))])
    found = rank_correlations(maps)
    np.testing.assert_allclose(found, [[1, 0], [0, 0]], atol=1e-12)
    assert check_correlations(maps, found)[0].passed


# ---- randomisation ---------------------------------------------------------------------------------------------------


def test_the_stages_go_from_the_scores_to_the_pixels():
    names = {build: [module_name(stage[-1]) for stage in split_stages(build(seed=None), 10)]
             for build in (squeezenet1_1, vgg16, resnet18)}
    assert names[squeezenet1_1] == ["conv10", *(f"fire{k}" for k in range(9, 1, -1)), "conv1"]
    assert len(names[vgg16]) == len(names[resnet18]) == 10
    assert names[vgg16][-1] == "conv1_1" and names[resnet18][-1] == "conv1"
    for build in names:
        net = build(seed=None)
        together = [name for stage in split_stages(net, 10) for name in stage]
        assert together == list(net.parameter_layers())[::-1]
    assert [len(stage) for stage in split_stages(squeezenet1_1(seed=None), 3)] == [10, 9, 7]


def test_the_cascade_draws_one_stage_after_the_other(xp, rng):
    net = on(xp, small_network(rng))
    net.layer("bn1").buffers["mean"] = xp.asarray(np.full(6, 0.5, np.float32))
    before = {name: to_host(layer.params.get("w", layer.params.get("gamma"))).copy()
              for name, layer in net.parameter_layers().items()}
    names, above = [], []
    for name, drawn in cascade(net, pictures(rng, 1), 2, np.random.default_rng(3)):
        names.append(name)
        above.append(name)
        assert drawn.device == net.device
        for layer in ("conv1", "fire2/conv", "fc3"):
            w = drawn.layer(layer).params["w"]
            assert w.dtype == np.float32 and (to_host(w) == before[layer]).all() == (module_name(layer) not in above)
    assert names == ["fc3", "fire2", "bn1", "conv1"]
    assert (to_host(drawn.layer("bn1").buffers["mean"]) == 0).all()
    assert (to_host(drawn.layer("bn1").buffers["var"]) == 1).all()
    for name, layer in net.parameter_layers().items():
        assert (to_host(layer.params.get("w", layer.params.get("gamma"))) == before[name]).all()
    assert (to_host(net.layer("bn1").buffers["mean"]) == 0.5).all()


def test_both_back_ends_draw_the_same_weights(strict_cupy, rng):
    net = small_network(rng)
    cpu, gpu = (with_random_weights(network, ["conv1", "fc3"], np.random.default_rng(5))
                for network in (net, net.to_device("gpu")))
    for name in net.parameter_layers():
        for key, array in cpu.layer(name).params.items():
            assert (to_host(gpu.layer(name).params[key]) == array).all()
    spread = cpu.layer("conv1").params["w"].std()
    assert spread == pytest.approx((2 / 27) ** 0.5, rel=0.2) and (cpu.layer("conv1").params["b"] == 0).all()


def test_a_stage_is_drawn_again_until_the_class_is_alive(rng):
    net, x = small_network(rng, last_relu=True), pictures(rng, 1)
    for seed in range(12):
        for _, drawn in cascade(net, x, 1, np.random.default_rng(seed)):
            assert drawn.predict(x)[0, 1] > 0


def test_a_class_that_no_draw_can_reach_ends_the_trying(rng, monkeypatch):
    net, drawn = small_network(rng), []
    monkeypatch.setattr("minicnn.visualize.attribution.randomise.with_random_weights",
                        lambda net, *_: drawn.append(net) or net)
    net.layer("fc3").params["w"][:] = 0
    assert len(list(cascade(net, pictures(rng, 1), 1, rng, 1))) == 1 and len(drawn) == 100


def test_what_does_not_look_at_the_weights_is_found_out(rng):
    net, x = small_network(rng), pictures(rng, 1)
    edges = np.abs(np.diff(x, axis=3, prepend=0)).max(axis=1)

    def explain(network):
        return {"edges": edges, "saliency": saliency_map(network, x, 1)}
    stages, rows = zip(*cascade_similarity(net, x, 1, explain, rng), strict=True)
    similarities = {method: np.array([[row[method] for row in rows]]) for method in ("edges", "saliency")}
    assert stages == ("fc3", "fire2", "bn1", "conv1") and similarities["edges"] == pytest.approx(1)
    assert abs(similarities["saliency"]).max() < 1
    assert unchanged_methods({"edges": similarities["edges"]}) == {"edges": pytest.approx(1)}
    checks = check_similarities(similarities)
    assert checks[0].passed and "least changed map, edges" in checks[1].what
    assert not check_similarities({"saliency": similarities["edges"]})[0].passed


def test_the_upper_half():
    assert [upper_half(np.arange(1.0, count + 1)[None]) for count in (1, 2, 3, 6, 10)] == [1, 1, 2, 3, 5]
    assert upper_half(np.array([[0.5, 0.1], [1.0, 0.2]])) == 0.75
    assert unchanged_methods({"a": np.array([[0.72]]), "b": np.array([[0.70]])}) == {"a": 0.72}


def test_the_check_of_the_cascade_sees_a_layer_that_was_left_out(rng, monkeypatch):
    net, x = small_network(rng), pictures(rng, 1)
    assert check_cascade(net, x, 1, rng)[0].passed
    monkeypatch.setattr("minicnn.visualize.attribution.randomise.with_random_weights",
                        lambda net, names, rng: with_random_weights(net, names[1:], rng))
    assert not check_cascade(net, x, 1, rng)[0].passed


def test_no_stages_are_refused(rng):
    with pytest.raises(InputError, match="at least 1 stage, not 0"):
        next(cascade(small_network(rng), pictures(rng, 1), 0, rng, 0))


# ---- the pointing game -----------------------------------------------------------------------------------------------


def test_masks_with_a_margin(rng):
    masks = rng.random((3, 12, 15)) < 0.05
    for margin in range(4):
        expected = [binary_dilation(mask, iterations=margin) if margin else mask for mask in masks]
        assert (dilated(masks, margin) == expected).all()


def test_the_pointing_game_with_a_margin():
    masks, maps = np.zeros((2, 8, 8), bool), np.zeros((2, 8, 8))
    masks[:, 3:5, 3:5] = True
    maps[0, 4, 6] = maps[1, 0, 0] = 1
    assert [pointing_game(maps, masks, margin) for margin in (0, 1, 2)] == [0, 0, 0.5]


def test_every_method_has_its_bound(rng):
    masks = np.zeros((40, 8, 8), bool)
    masks[:, :4] = True
    maps = np.zeros((40, 8, 8))
    maps[:30, 0, 0] = maps[30:, 7, 7] = 1  # 75 %
    checks = check_pointing_games({"saliency": maps, "deconvnet": maps}, masks, rng)
    assert [check.passed for check in checks[:2]] == [False, True] and checks[2].expected.startswith("about 0.50")


# ---- on trained networks ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn():
    """The shapes network and 12 fresh pictures: x, labels and masks."""
    model, labels = load_model("shapes", "cpu"), np.arange(12)
    images, masks = draw_shapes(labels, np.random.default_rng(20_000_000))
    return model, model.preprocessing.to_input(images), labels, masks


def test_every_method_beats_random_order_on_drawn_shapes(drawn):
    model, x, labels, _ = drawn
    x, labels = x[:6], labels[:6]
    maps = maps_of(model.net, x, labels, samples=2, steps=2, stride=8, window=16)
    checks = check_mean_areas(model.net, x, labels, maps, np.random.default_rng(0), steps=5)
    assert all(check.passed for check in checks), checks
    upside_down = {"upside down": -maps["guided backprop"]}
    checks = check_mean_areas(model.net, x, labels, upside_down, np.random.default_rng(0), steps=5)
    assert not any(check.passed for check in checks)


def test_guided_backprop_fails_the_sanity_check_that_others_pass(drawn):
    model, x, labels, _ = drawn

    def explain(network, image, label):
        return maps_of(network, image, label, samples=1, steps=1, stride=16)
    checks = check_sanity(model.net, x[:3], labels[:3], explain, np.random.default_rng(0))
    assert all(check.passed for check in checks), checks


# ---- the demo --------------------------------------------------------------------------------------------------------


def run_demo(*arguments):
    return exit_code(demo, "--model", "shapes", "--device", "cpu", *arguments)


def test_the_demo_writes_its_picture_its_maps_and_every_number(tmp_path, capsys):
    assert run_demo("--out", str(tmp_path), "--stages", "3", "--draws", "1", "--pictures", "0") == 0
    said = capsys.readouterr().out
    assert "FAIL" not in said and "upper half untrained" in said and "guided backprop (0." in said
    card = json.loads((tmp_path / "compare.json").read_text())
    assert all(check["passed"] for check in card["checks"]) and len(card["checks"]) == 7
    assert np.load(tmp_path / "compare.npy").shape == (9, 64, 64) and Image.open(tmp_path / "compare.png").width > 1000
    numbers = card["parameters"]
    assert numbers["stages"] == ["conv5", "conv3", "conv1"] and list(numbers["fails"]) == ["guided backprop"]
    assert set(numbers["deletion area"]) == {*METHODS, RANDOM} and np.shape(numbers["rank correlations"]) == (9, 9)
    assert numbers["fails"]["guided backprop"] == pytest.approx(
        upper_half(np.array(numbers["similarity, draws x stages"]["guided backprop"])))
    assert "guided backprop" in card["explanation"] and not (tmp_path / "compare_pointing.png").exists()


def test_the_verdict_is_the_number_s():
    assert demo.verdict({}) == "Here every map changes."
    assert "These maps hardly change: deconvnet (0.95), guided backprop (0.90)." in demo.verdict(
        {"deconvnet": 0.951, "guided backprop": 0.902})
    assert demo.verdict({}, ["saliency"]) == "Constant maps, which cannot be compared: saliency. The others change."
    assert demo.verdict({}, METHODS).endswith("guided Grad-CAM, occlusion.")
    assert "saliency. These maps hardly change: deconvnet (0.95)." in demo.verdict({"deconvnet": 0.951}, ["saliency"])


@pytest.fixture
def little_effort(monkeypatch):
    """The demo measures as coarsely as for the gallery."""
    gallery = demo.GALLERY
    monkeypatch.setattr(demo, "Effort", lambda **settings: replace(gallery, **settings))


def test_ctrl_c_keeps_the_draws_that_were_finished(tmp_path, little_effort, monkeypatch, capsys):
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


def test_the_pointing_game_of_the_demo(drawn):
    picture = demo.pointing_picture(drawn[0], 12, 0)
    assert picture.array.shape == (9, 12, 64, 64) and len(picture.checks) == 10
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
