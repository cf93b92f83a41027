"""Network dissection: the masks of the concepts, the thresholds, the IoU against a naive count, checks and the demo."""

import json
from dataclasses import replace

import numpy as np
import pytest
from demo_outputs import check_outputs
from demo_runs import exit_code
from small_networks import on, small_network

from demos import dissection as demo
from minicnn.datasets.concepts import COLOURS, CONCEPTS, colour_masks, draw_concepts
from minicnn.datasets.shapes import SHAPES, TEXTURES, draw_shapes
from minicnn.errors import InputError
from minicnn.layers import Conv2D, GlobalAvgPool2D
from minicnn.models import load_model
from minicnn.network import Network
from minicnn.visualize.units.dissection import (
    BAU,
    DissectionSettings,
    anchored_weights,
    channel_thresholds,
    dissect,
)
from minicnn.visualize.units.dissection_check import check_dissection, check_learned, naive_ious

pytestmark = pytest.mark.usefixtures("empty_cache")

LOOSE = DissectionSettings(quantile=0.05, batch_size=3)


def identity_network(size=16):
    """Return a network whose only layer hands its three channels on."""
    net = Network((3, size, size))
    net.add("conv1", Conv2D(3, 3, 1, rng=np.random.default_rng(0)))
    net.layer("conv1").params |= {"w": np.eye(3, dtype=np.float32)[:, :, None, None], "b": np.zeros(3, np.float32)}
    return net


# ---- the concepts ----------------------------------------------------------------------------------------------------


def test_the_masks_are_the_objects_of_the_right_classes():
    labels = np.arange(12)
    images, masks = draw_concepts(labels, np.random.default_rng(3))
    drawn, objects = draw_shapes(labels, np.random.default_rng(3))
    assert (images == drawn).all() and masks.shape == (12, len(CONCEPTS), 64, 64) and masks.dtype == bool
    for n in labels:
        for k, concept in enumerate(CONCEPTS[:7]):
            shown = concept.name in (SHAPES[n // 3], TEXTURES[n % 3])
            assert (masks[n, k] == (objects[n] if shown else False)).all(), (n, concept)


def test_each_colour_has_its_mask():
    wheel = [(255, 0, 0), (255, 255, 0), (0, 255, 0), (0, 255, 255), (0, 0, 255), (255, 0, 255), (255, 255, 255),
             (0, 0, 0)]
    assert (colour_masks(np.array([[wheel]], np.uint8))[0, :, 0] == np.eye(8, dtype=bool)).all()
    near = [(255, 60, 20), (20, 255, 60), (150, 150, 150), (200, 160, 150), (30, 5, 5)]  # two hues, greys, a dark red
    found = colour_masks(np.array([[near]], np.uint8))[0, :, 0]
    assert [[COLOURS[k] for k in np.flatnonzero(pixel)] for pixel in found.T] == [["red"], ["green"], [], [], ["dark"]]
    with pytest.raises(InputError, match="uint8"):
        colour_masks(np.zeros((2, 4, 4, 3)))


# ---- thresholds and IoU ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["relu1", "concat", "relu3"])
def test_the_ious_equal_a_naive_count(layer, xp, rng):
    net = small_network(rng)
    x = rng.standard_normal((7, 3, 16, 16)).astype(np.float32)
    masks = rng.random((7, 4, 16, 16)) < 0.3
    masks[:, 3] = False  # a concept that is nowhere
    seen = []
    found = dissect(on(xp, net), x, masks, layer, LOOSE, callback=seen.append)
    maps = net.predict(x, layer)
    expected = naive_ious(net, layer, maps, found.thresholds, masks)
    assert type(found.ious) is np.ndarray and found.ious.dtype == np.float64 and sum(seen) == 14
    assert np.allclose(found.ious, expected, atol=2e-3) and found.ious.max() > 0.03 and (found.ious[:, 3] == 0).all()
    share = (maps > found.thresholds[:, None, None]).mean(axis=(0, 2, 3))
    assert (abs(share - 0.05) <= 2 / maps[:, 0].size)[found.thresholds > 0].all() and (share <= 0.055).all()
    whole = dissect(on(xp, net), x, masks, layer, replace(LOOSE, batch_size=100))
    assert np.allclose(whole.ious, found.ious, atol=2e-3)


def test_a_channel_that_is_the_mask_has_the_iou_one():
    masks = np.zeros((4, 2, 16, 16), bool)
    masks[:2, 0, 2:6, 3:9] = masks[2:, 1, 8:, 8:] = True
    x = np.zeros((4, 3, 16, 16), np.float32)
    x[:, 0], x[:, 1], x[:, 2] = masks[:, 0], masks[:, 1], -1.0
    found = dissect(identity_network(), x, masks, "conv1", DissectionSettings(quantile=0.2))
    assert found.ious.tolist() == [[1, 0], [0, 1], [0, 0]] and found.best.tolist()[:2] == [0, 1]
    assert found.detects.tolist() == [True, True, False] and found.share == pytest.approx(2 / 3)
    assert found.detectors(0) == [0] and found.detectors(1) == [1]


def test_a_threshold_is_exceeded_by_the_share():
    values = np.random.default_rng(0).permutation(1000).reshape(10, 1, 10, 10).astype(np.float32)
    maps = np.concatenate([values, np.zeros_like(values)], axis=1)  # and a channel without any activation
    threshold, dead = channel_thresholds(maps, 0.005)
    assert (values > threshold).sum() == 5 and dead == 0


def test_units_are_spread_from_the_centres_of_their_receptive_fields(rng):
    net = small_network(rng)
    from minicnn.receptive_field import receptive_field
    field = receptive_field(net, "concat")
    weights = anchored_weights(np.zeros(1), 8, 16, field)
    assert np.allclose(weights.sum(axis=1), 1)
    for unit in range(8):
        centre = field.start + (field.size - 1) / 2 + unit * field.stride
        if centre.is_integer() and 0 <= centre < 16:
            assert weights[int(centre), unit] == 1
    middle = (weights * np.arange(8)).sum(axis=1)  # of each pixel, in units
    assert np.allclose(np.diff(middle)[4:-4], 1 / field.stride)


def test_training_makes_detectors():
    """The numbers of the shipped network; the demo has more drawings."""
    model = load_model("shapes", "cpu").fast()
    from minicnn.visualize.attribution.randomise import with_random_weights
    images, masks = draw_concepts(np.arange(120) % 12, np.random.default_rng(9))
    x = model.preprocessing.to_input(images)
    random = with_random_weights(model.net, model.net.parameter_layers(), np.random.default_rng(0))
    trained, untrained = (dissect(net, x, masks, "relu5") for net in (model.net, random))
    assert trained.share > 0.2 > 0.05 > untrained.share


# ---- checks and bad input --------------------------------------------------------------------------------------------


def test_the_checks_fail_for_wrong_numbers(rng):
    net = small_network(rng)
    x = rng.standard_normal((9, 3, 16, 16)).astype(np.float32)
    masks = rng.random((9, 3, 16, 16)) < 0.3
    found = dissect(net, x, masks, "concat", LOOSE)

    def failed(found):
        return [check.what.split(" ")[0] for check in check_dissection(net, x, masks, "concat", found, LOOSE)
                if not check.passed][:1]
    assert failed(found._replace(ious=found.ious * 0.8)) == ["IoU"]
    assert failed(found._replace(thresholds=found.thresholds * 0.5)) == ["share"]
    assert all(check.passed for check in check_learned("concat", found, found._replace(ious=0 * found.ious)))
    assert not any(check.passed for check in check_learned("concat", found._replace(ious=0 * found.ious), found))


def test_wrong_arguments_are_named(rng):
    net, x = small_network(rng), np.ones((2, 3, 16, 16), np.float32)
    masks = np.ones((2, 1, 16, 16), bool)
    for wrong in (masks[0], masks[:1], masks[..., :8], masks[:, :0]):
        with pytest.raises(InputError, match=r"expected masks of shape \(2, K, 16, 16\)"):
            dissect(net, x, wrong, "concat")
    with pytest.raises(InputError, match="of type bool"):
        dissect(net, x, 3 * masks, "concat")
    with pytest.raises(InputError, match="did you mean concat"):
        dissect(net, x, masks, "conact")
    net.add("scores", GlobalAvgPool2D())
    with pytest.raises(InputError, match="has no maps"):
        dissect(net, x, masks, "scores")
    for name, value in (("quantile", 0), ("quantile", 1), ("least_iou", 2), ("batch_size", 0), ("quantile", "half")):
        with pytest.raises(InputError, match=name):
            replace(BAU, **{name: value})
    with pytest.raises(InputError, match="give DissectionSettings"):
        dissect(net, x, masks, "concat", {"quantile": 0.1})


# ---- the demo --------------------------------------------------------------------------------------------------------


def test_the_demo_shows_channels_and_concepts(tmp_path, capsys):
    out = tmp_path / "out"
    assert exit_code(demo, "--model", "shapes", "--device", "cpu", "--count", "48", "--out", out) == 0
    check_outputs(out, demo.NAMES)
    card = json.loads((out / "dissection.json").read_text())
    assert all(check["passed"] for check in card["checks"]) and card["parameters"]["layer"] == "relu5"
    assert np.load(out / "dissection.npy").shape == (96, len(CONCEPTS))


@pytest.mark.parametrize(("arguments", "expected"), [
    (["--model", "digits"], "digits takes grey images only"), (["--layer", "rel5"], "did you mean relu"),
    (["--layer", "fc6"], "depends on the whole picture"), (["--quantile", "2"], "quantile is 2.0"),
    (["--count", "0"], "expected a whole number from 1 on"), (["--preset", "bua"], "did you mean bau")])
def test_bad_input_is_one_line_and_exit_code_2(arguments, expected, tmp_path, capsys):
    assert exit_code(demo, "--model", "shapes", "--device", "cpu", *arguments, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1
