"""Occlusion maps: against the definition and exact values, on both array modules, and wrong arguments."""

import json

import numpy as np
import pytest
from demo_runs import exit_code
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from small_networks import on

from demos import occlusion as demo
from demos.shared.inputs import load_photos
from minicnn.backend import to_device
from minicnn.datasets.shapes import CLASSES, draw_shapes
from minicnn.errors import InputError
from minicnn.layers import Conv2D, Flatten, GlobalAvgPool2D, Layer, Linear, MaxPool2D, ReLU, Softmax
from minicnn.models import load_model
from minicnn.network import Network
from minicnn.visualize.attribution.occlusion import (
    class_probability,
    occlusion_map,
    occlusion_rows,
    spread_occlusion,
    window_cover,
)
from minicnn.visualize.attribution.occlusion_check import (
    PLACES,
    check_occlusion,
    check_occlusion_masks,
    gradient_agreement,
)


def small_network(rng, dtype="float64"):
    """A convolution, a pool and four class scores, of pictures of 3x20x16."""
    net = Network((3, 20, 16))
    net.add("conv1", Conv2D(3, 6, 3, pad=1, rng=rng))
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(2))
    net.add("conv2", Conv2D(6, 4, 3, pad=1, rng=rng))
    net.add("pool2", GlobalAvgPool2D())
    net.layer("conv1").params["w"] *= np.float32(5)  # so that the probabilities change
    return net.astype(dtype)


def failed(checks):
    return [check.what for check in checks if not check.passed]


def one_after_another(net, x, label, window, stride, fill):
    """The definition: hide one place, run the network, show the place again."""
    (h, w), (down, across), (H, W) = window, stride, x.shape[2:]
    result = []
    for top in range(0, H - h + 1, down):
        for left in range(0, W - w + 1, across):
            hidden = x.copy()
            hidden[:, :, top:top + h, left:left + w] = fill
            result.append(Softmax().forward(net.predict(hidden))[0][:, label])
    return np.array(result).T.reshape(len(x), (H - h) // down + 1, (W - w) // across + 1)


# ---- the map ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window, stride", [((5, 5), (3, 3)), ((7, 2), (1, 5)), ((20, 16), (1, 1)), ((1, 1), (6, 6))])
def test_a_map_equals_one_place_after_another(xp, rng, window, stride):
    net = small_network(rng)
    x = rng.standard_normal((2, 3, 20, 16))
    for fill in (0.0, 0.7, rng.standard_normal((3, 1, 1))):
        found = occlusion_map(on(xp, net), x, 2, window, stride, fill, batch_size=7)
        expected = one_after_another(net, x, 2, window, stride, fill)
        assert type(found) is np.ndarray and found.shape == expected.shape
        assert np.abs(found - expected).max() < 1e-13 and 0 < found.min() and found.max() < 1


def test_a_number_stands_for_both_directions_and_a_device_array_for_a_host_one(xp, rng):
    net = on(xp, small_network(rng))
    x, fill = rng.standard_normal((1, 3, 20, 16)), rng.standard_normal((3, 1, 1))
    plain = occlusion_map(net, x, 0, (4, 4), (3, 3), fill)
    assert (occlusion_map(net, to_device(x, net.device), 0, 4, 3, to_device(fill, net.device)) == plain).all()


def test_one_label_for_each_image(xp, rng):
    net = on(xp, small_network(rng))
    x = rng.standard_normal((3, 3, 20, 16))
    maps, p = occlusion_map(net, x, [3, 0, 2], 6, 4), class_probability(net, x, [3, 0, 2])
    assert maps.shape == (3, 4, 3) and p.shape == (3,)
    for n, label in enumerate([3, 0, 2]):
        assert maps[n] == pytest.approx(occlusion_map(net, x[n:n + 1], label, 6, 4)[0], abs=1e-13)
        assert p[n] == pytest.approx(class_probability(net, x[n:n + 1], label)[0], abs=1e-13)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_the_size_of_the_map_and_the_drop_of_a_linear_network(H, W, data):
    # Two scores, the sum of the pixels and 0: the probability is 1 / (1 + exp(-sum of the visible pixels)).
    h, w = data.draw(st.integers(0, H)), data.draw(st.integers(0, W))
    stride = data.draw(st.integers(1, 14))
    net = Network((1, H, W))
    net.add("flatten", Flatten())
    net.add("fc", Linear(H * W, 2))
    net.layer("fc").params["w"] = np.vstack([np.ones(H * W), np.zeros(H * W)])
    net.layer("fc").params["b"] = np.zeros(2)
    x = np.random.default_rng(H * W).standard_normal((1, 1, H, W))
    found = occlusion_map(net, x, 0, (h, w), stride, 0.1)[0]
    assert found.shape == ((H - h) // stride + 1, (W - w) // stride + 1)
    for i, j in np.ndindex(found.shape):
        part = x[0, 0, i * stride:i * stride + h, j * stride:j * stride + w]
        assert found[i, j] == pytest.approx(1 / (1 + np.exp(part.sum() - 0.1 * part.size - x.sum())), abs=1e-12)


@pytest.mark.parametrize("window", [0, (0, 4), (4, 0)])
def test_a_window_of_no_pixels_leaves_the_probability_exactly(xp, rng, window):
    net = on(xp, small_network(rng, "float32"))
    x = rng.standard_normal((20, 3, 20, 16)).astype(np.float32)
    maps, p = occlusion_map(net, x, 1, window, 4, batch_size=3), class_probability(net, x, 1)
    assert maps.shape[1:] == tuple(len(cover) for cover in window_cover(window, 4, 20, 16))
    assert np.abs(maps - p[:, None, None]).max() == 0 and maps.dtype == p.dtype == np.float32


@pytest.mark.parametrize("fill", ["number", "array"])
def test_a_picture_of_the_windows_colour_keeps_its_probability(xp, rng, fill):
    net = on(xp, small_network(rng, "float32"))
    fill = 0.3 if fill == "number" else np.array([0.1, -0.5, 2.0]).reshape(3, 1, 1)
    x = np.zeros((1, 3, 20, 16), np.float32) + np.float32(fill)
    assert np.abs(occlusion_map(net, x, 1, 6, 3, fill) - class_probability(net, x, 1)).max() < 1e-6


def test_batches_of_1_and_64_agree_and_float32_stays(xp, rng):
    net = on(xp, small_network(rng, "float32"))
    x = rng.standard_normal((2, 3, 20, 16)).astype(np.float32)
    singly, together = (occlusion_map(net, x, 0, 5, 2, batch_size=size) for size in (1, 64))
    assert singly.dtype == together.dtype == np.float32
    assert np.abs(singly - together).max() < 1e-6


def test_a_pass_has_at_most_batch_size_pictures_and_the_callback_follows_each(xp, rng):
    class Watch(Layer):
        seen = []

        def forward(self, x):
            self.seen.append(len(x))
            return x, None

    net = small_network(rng)
    net.add("watch", Watch())
    calls = []
    x = rng.standard_normal((2, 3, 20, 16))
    before = x.copy()
    occlusion_map(on(xp, net), x, 0, 5, 3, batch_size=16, callback=lambda *call: calls.append(call))
    assert Watch.seen == [16, 16, 16] and calls == [(16, 48), (32, 48), (48, 48)]
    assert (x == before).all()


def test_the_map_crosses_to_the_host_once(strict_cupy, rng):
    net = small_network(rng).to_device("gpu")
    x = strict_cupy.asarray(rng.standard_normal((1, 3, 20, 16)))
    strict_cupy.record.reset()
    occlusion_map(net, x, 0, 5, 1, batch_size=8)
    assert strict_cupy.record.transfers_to_host == 1 and strict_cupy.record.transfers_to_device <= 4


# ---- over the pixels -------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.integers(1, 5), st.data())
def test_each_pixel_gets_the_mean_over_the_windows_that_covered_it(H, W, down, across, data):
    h, w = data.draw(st.integers(0, H)), data.draw(st.integers(0, W))
    OH, OW = (H - h) // down + 1, (W - w) // across + 1
    drops = np.random.default_rng(H + W).standard_normal((2, OH, OW))
    total, count = np.zeros((2, H, W)), np.zeros((H, W))
    for i, j in np.ndindex(OH, OW):
        place = (..., slice(i * down, i * down + h), slice(j * across, j * across + w))
        total[place] += drops[:, i, j, None, None]
        count[place] += 1
    spread = spread_occlusion(drops, (h, w), (down, across), H, W)
    assert spread.shape == (2, H, W) and np.allclose(spread, total / np.maximum(count, 1), atol=1e-12)
    assert (spread[:, count == 0] == 0).all()
    assert np.allclose(spread_occlusion(drops[0], (h, w), (down, across), H, W), spread[0])


def test_spreading_keeps_the_type_and_takes_device_arrays(xp, rng):
    drops = rng.random((4, 4), np.float32)
    spread = spread_occlusion(to_device(drops, "cpu" if xp is np else "gpu"), 4, 2, 10, 10)
    assert type(spread) is np.ndarray and spread.dtype == np.float32


# ---- what cannot be --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong, says", [
    ({"window": 21}, "the window, 21 pixels high and 21 wide, is larger than the picture, 20 high and 16 wide"),
    ({"window": (20, 17)}, "the window, 20 pixels high and 17 wide, is larger"),
    ({"window": -1}, "window is -1; expected a whole number of pixels from 0 on, or two"),
    ({"window": 2.5}, "window is 2.5; expected a whole number"),
    ({"window": (3, 3, 3)}, "window is .3, 3, 3.; expected a whole number"),
    ({"stride": 0}, "stride is 0; expected a whole number of pixels from 1 on, or two"),
    ({"stride": (2, -1)}, "stride is .2, -1.; expected a whole number"),
    ({"label": 4}, "no class 4: the network has 4, numbered from 0"),
    ({"label": -1}, "no class -1"),
    ({"label": [0, 1, 2]}, "3 labels for 2 images"),
    ({"fill": np.zeros((4, 1, 1))}, r"fill has shape \(4, 1, 1\); expected a number or an array of shape \(3, 1, 1\)"),
    ({"fill": [0.0, 0.0, 0.0]}, r"fill has shape \(3,\); expected a number or an array of shape \(3, 1, 1\)"),
    ({"fill": float("nan")}, "fill is not finite"),
    ({"batch_size": 0}, "batch_size is 0; expected a whole number from 1 on"),
    ({"x": np.zeros((2, 1, 20, 16))}, r"expected images of shape \(N, 3, H, W\)"),
])
def test_wrong_arguments_are_refused_in_one_line_before_any_work(xp, rng, wrong, says):
    def never(done, total):
        raise AssertionError("work was done")
    arguments = {"x": np.zeros((2, 3, 20, 16)), "label": 0, "window": 4, "stride": 4, "callback": never} | wrong
    with pytest.raises(InputError, match=says) as problem:
        occlusion_map(on(xp, small_network(rng)), **arguments)
    assert "\n" not in str(problem.value)


def test_a_network_without_class_scores_and_a_map_of_another_window_are_refused(rng):
    net = small_network(rng)
    with pytest.raises(InputError, match="the network has no class scores: the output of 'conv2' is 4x10x8"):
        occlusion_map(net.trunk("conv2"), np.zeros((1, 3, 20, 16)), 0, 4, 4)
    with pytest.raises(InputError, match="drops of shape .1, 5, 4.: a window of 5 in steps of 4 has 4x3 places in"):
        spread_occlusion(np.zeros((1, 5, 4)), 5, 4, 20, 16)


# ---- the checks ------------------------------------------------------------------------------------------------------


def test_the_checks_pass_for_a_true_map_and_fail_for_false_ones(xp, rng):
    host = small_network(rng)
    net = on(xp, host)
    x = rng.standard_normal((2, 3, 20, 16))
    # Only the middle has another colour than the window, so the gradient must agree.
    x[:, :, :6] = x[:, :, 14:] = 0
    labels = host.predict(x).argmax(axis=1).tolist()
    maps = occlusion_map(net, x, labels, 6, 2)
    assert failed(check_occlusion(net, x, labels, maps, 6, 2)) == []
    assert failed(check_occlusion(net, x, labels, maps[:, 1:], 6, 2)) == ["places of the window"]
    again = f"the map against {PLACES} windows of each picture"
    for wrong in (maps + 0.02 * np.ptp(maps), maps[:, ::-1], maps[:, :, ::-1], np.roll(maps, 1, axis=2)):
        assert [what.partition(",")[0] for what in failed(check_occlusion(net, x, labels, wrong, 6, 2))] == [again]
    p = class_probability(net, x, labels)[:, None, None]
    spread = spread_occlusion(p - maps, 6, 2, 20, 16)
    assert failed(check_occlusion(net, x, labels, maps, 6, 2, spread=spread)) == []
    for wrong in (spread[:, ::-1], -spread, np.roll(spread, 2, axis=1)):
        assert len(failed(check_occlusion(net, x, labels, maps, 6, 2, spread=wrong))) == 1


def test_the_checks_bear_a_constant_probability_and_a_single_window(rng):
    net = small_network(rng)
    net.layer("conv2").params["b"] += np.array([50.0, 0, 0, 0])
    x = rng.standard_normal((1, 3, 20, 16))
    for window, stride in ((6, 4), ((20, 16), 1)):
        maps = occlusion_map(net, x, 0, window, stride)
        assert failed(check_occlusion(net, x, 0, maps, window, stride)) == []


def test_gradient_times_input_is_the_drop_of_a_linear_network(rng):
    # The network only adds up positive pixels, so both have the same order.
    net = Network((1, 12, 12))
    net.add("flatten", Flatten())
    net.add("fc", Linear(144, 2))
    net.layer("fc").params["w"] = np.vstack([np.full(144, 0.05), np.zeros(144)])
    net.layer("fc").params["b"] = np.zeros(2)
    x = rng.random((1, 1, 12, 12))
    drops = class_probability(net, x, 0)[:, None, None] - occlusion_map(net, x, 0, 3, 2)
    assert gradient_agreement(net, x, 0, drops, 3, 2) == pytest.approx(1)
    assert gradient_agreement(net, x, 0, -drops, 3, 2) == pytest.approx(1)
    assert gradient_agreement(net, x, 0, drops.max() - drops, 3, 2) == pytest.approx(-1)
    assert gradient_agreement(net, x, 0, 0 * drops, 3, 2) == 0


def test_hiding_the_object_costs_more_than_hiding_the_rest(summary_line):
    model = load_model("shapes", "cpu")
    labels = np.arange(48) % len(CLASSES)
    images, masks = draw_shapes(labels, np.random.default_rng(20_000_000))
    x = model.preprocessing.to_input(images)
    check, = check_occlusion_masks(model.net, x, labels, masks, 16, 16)
    summary_line(f"occlusion, shapes: {check.what} {check.value:.2f}")
    assert check.passed and check.value > 2
    swapped, = check_occlusion_masks(model.net, x[:4], labels[:4], ~masks[:4], 16, 16)
    assert not swapped.passed


@pytest.fixture
def squeezenet(test_data, tmp_path):
    """Trained SqueezeNet 1.1."""
    from weights_converter.__main__ import main as convert
    assert convert([str(test_data / "weights" / "squeezenet1_1.npz"), "-o", str(tmp_path / "net.h5")]) in (0, None)
    return load_model(tmp_path / "net.h5", "cpu")


def test_the_checks_on_a_photo_with_trained_weights(squeezenet, test_data, summary_line):
    with np.load(test_data / "photos" / "imagenet_25.npz") as photos:
        x, label = squeezenet.preprocessing.to_input(photos["X"][12:13]), int(photos["y"][12])
    maps = occlusion_map(squeezenet.net, x, label, 48, 32, batch_size=64)
    exact = squeezenet.net.fast(winograd="off")  # otherwise one picture is computed by F(2, 3), and many by F(4, 3)
    one, many = (occlusion_map(exact, x, label, 48, 32, batch_size=size) for size in (1, 64))
    assert np.abs(one - many).max() < 1e-6
    checks = check_occlusion(squeezenet.net, x, label, maps, 48, 32)
    summary_line(f"occlusion, SqueezeNet: {checks[-1].what} {checks[-1].value:.2f}")
    assert maps.shape == (1, 6, 6) and failed(checks) == [] and not checks[-1].judged


# ---- the demo --------------------------------------------------------------------------------------------------------


def run_demo(*arguments):
    return exit_code(demo, *arguments)


def test_the_demo_draws_three_panels_a_photo(tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    assert run_demo("--model", "shapes", "--device", "cpu", "--stride", "11", "--out", str(out)) == 0
    assert np.load(out / "occlusion.npy").shape == (5, 6, 6)  # by default a window of 9 of 64 pixels
    width, height = Image.open(out / "occlusion.png").size
    card = json.loads((out / "occlusion.json").read_text())
    assert height > 1.3 * width and card["parameters"]["window"] == 9
    assert all(check["passed"] for check in card["checks"]), card["checks"]
    assert all(low < p for low, p in zip(card["parameters"]["lowest"], card["parameters"]["probability"], strict=True))
    assert "FAIL" not in capsys.readouterr().out


def test_the_demo_takes_any_window_stride_and_colour(tmp_path):
    out = tmp_path / "out"
    assert run_demo("--model", "shapes", "--device", "cpu", "--window", "8,20", "--stride", "14,11",
                    "--fill", "255,0,9", "--out", str(out)) == 0
    card = json.loads((out / "occlusion.json").read_text())
    assert all(check["passed"] for check in card["checks"]), card["checks"]
    assert card["parameters"]["fill"] == "the colour 255, 0, 9" and card["parameters"]["window"] == [8, 20]
    maps, model = np.load(out / "occlusion.npy"), load_model("shapes", "cpu")
    assert maps.shape == (5, 5, 5)
    photo = load_photos(model, [])[2]
    hidden = photo.image.copy()
    hidden[28:36, 11:31] = 255, 0, 9
    p = class_probability(model.net, model.preprocessing.to_input(hidden), photo.label)
    assert maps[2, 2, 1] == pytest.approx(p[0], abs=1e-5)


@pytest.mark.parametrize("wrong, says", [
    (["--window", "1,2,3"], "argument --window: expected one number, or two as DOWN,ACROSS, not '1,2,3'"),
    (["--window", "5,x"], "argument --window: expected a whole number from 1 on, not 'x'"),
    (["--window", "5,65"], "the window, 5 pixels high and 65 wide, is larger than the picture, 64 high and 64 wide"),
    (["--fill", "256"], "argument --fill: expected a grey level, or three numbers R,G,B, of 0 to 255, not '256'"),
    (["--fill", "1,2"], "argument --fill: expected a grey level"),
    (["--window", "65"], "the window, 65 pixels high and 65 wide, is larger than the picture, 64 high and 64 wide"),
    (["--stride", "0"], "argument --stride: expected a whole number from 1 on, not '0'"),
    (["--class", "oboe"], "no class 'oboe'"),
])
def test_the_demo_refuses_wrong_options_in_one_line(tmp_path, capsys, wrong, says):
    assert run_demo("--model", "shapes", "--device", "cpu", "--out", str(tmp_path / "out"), *wrong) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_the_map_can_be_watched_batch_by_batch(xp, rng):
    net, x = on(xp, small_network(rng)), xp.asarray(rng.standard_normal((1, 3, 20, 16)))
    whole = occlusion_map(net, x, 2, (6, 5), (4, 3))
    parts = list(occlusion_rows(net, x, 2, (6, 5), (4, 3), batch_size=5))
    assert [int(np.isfinite(part).sum()) for part in parts] == [5, 10, 15, 16]
    for part in parts:
        known = np.isfinite(part)
        assert known.reshape(-1)[:known.sum()].all() and np.allclose(part[known], whole[known], rtol=1e-12)
    assert parts[-1].dtype == whole.dtype
    with pytest.raises(InputError, match="one image at a time"):
        next(occlusion_rows(net, xp.concatenate([x, x]), 2))
