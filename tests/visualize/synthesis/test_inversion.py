"""Feature inversion: the code of the paper, any unit of the input, the presets, the errors, and the demo."""

import json
from dataclasses import replace

import numpy as np
import pytest
from demo_runs import exit_code, interrupted
from kill_runs import contents, differences

from demos import inversion as demo
from minicnn.backend import to_host
from minicnn.datasets.shapes import draw_shapes
from minicnn.errors import InputError
from minicnn.gradient_check import relative_error
from minicnn.layers import Conv2D, GlobalAvgPool2D, Linear, MaxPool2D, ReLU
from minicnn.models import load_model, squeezenet1_1
from minicnn.models.preprocessing import CAFFE_VGG, TORCHVISION, Preprocessing
from minicnn.network import Network
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.visualize.synthesis import inversion
from minicnn.visualize.synthesis.inversion import (
    PHOTO_RMS,
    Inverted,
    feature_error,
    inversion_report,
    invert_features,
    tv_weight_by_depth,
)
from minicnn.visualize.synthesis.inversion_check import check_inversion
from minicnn.visualize.synthesis.inversion_settings import (
    CS231N,
    INVERSION_PRESETS,
    MAHENDRAN,
    UPDATES,
    InversionSettings,
)

pytestmark = pytest.mark.usefixtures("empty_cache")

LEVELS = Preprocessing("RGB", 1.0, (120.0,) * 3, (1.0,) * 3, 12, 12)    # like Caffe
TENTHS = Preprocessing("RGB", 0.1, (12.0,) * 3, (0.5,) * 3, 12, 12)     # the same pixels in units of 5 levels
SHORT = InversionSettings(rates=((5, 1e-3), (4, 4e-4)))


def small_network(unit=1.0, dtype="float32"):
    """Return a network for pictures of 12x12 with three scores; its input is scaled by `unit`."""
    rng = np.random.default_rng(3)
    net = Network((3, 12, 12))
    net.add("conv1", Conv2D(3, 5, 3, pad=1, rng=rng))
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(2))
    net.add("conv2", Conv2D(5, 6, 3, pad=1, rng=rng))
    net.add("relu2", ReLU())
    net.add("pool2", GlobalAvgPool2D())
    net.add("fc", Linear(6, 3, rng))
    net.layer("conv1").params["w"] /= np.float32(unit)
    return net.astype(dtype)


def on(xp, net):
    return net.to_device("cpu" if xp is np else "gpu")


@pytest.fixture
def x(rng):
    return LEVELS.to_input(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))


def total_variation(x):
    """Return TV² and its gradient as in invert_nn.m, which repeats the last row and column."""
    right = np.concatenate([x[..., 1:], x[..., -1:]], axis=3) - x
    down = np.concatenate([x[:, :, 1:], x[:, :, -1:]], axis=2) - x
    gradient = -2 * right - 2 * down
    gradient[..., 1:] += 2 * right[..., :-1]
    gradient[:, :, 1:] += 2 * down[:, :, :-1]
    return (right**2 + down**2).sum(), gradient


def invert_nn(net, layer, y0, x, sigma, tv_weight, p_weight, rates):
    """Return the image and its energies by core/invert_nn.m of deep-goggle, in levels of 255."""
    energies, velocity, before = [], 0, None
    for rate in [rate for steps, rate in rates for _ in range(steps)]:
        trace = net.forward(x)
        difference = trace.activations[layer] - y0
        dzdx = net.backward(trace, {layer: 2 * difference})["input"]
        tv, dtv = total_variation(x)
        energies.append((difference**2).sum() / (y0**2).sum()
                        + (tv_weight / 2 * tv + p_weight / 2 * (x**6).sum()) / sigma**2)
        dr = tv_weight / 2 * dtv + p_weight / 2 * 6 * x**5
        velocity = 0 if rate != before else velocity
        before = rate
        velocity = 0.9 * velocity - rate * dr - rate * sigma**2 / (y0**2).sum() * dzdx
        x = x + velocity
    return x, energies


# ---- the objective ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preprocessing", [LEVELS, TENTHS], ids=["levels", "tenths"])
@pytest.mark.parametrize("layer", ["relu1", "conv2", "fc"])
def test_it_is_the_papers_code_in_any_unit(layer, preprocessing, xp, x):
    net, rates = small_network(dtype="float64"), ((6, 4e-3), (4, 4e-4), (3, 4e-5))
    y0 = net.predict(x.astype(np.float64), layer)
    noise = np.random.default_rng(7).standard_normal((1, 3, 12, 12), dtype="float32").astype(np.float64)
    sigma = PHOTO_RMS * (3 * 12 * 12) ** 0.5
    expected, energies = invert_nn(net, layer, y0, noise * sigma / np.linalg.norm(noise), sigma, 10.0, 8e-10, rates)
    ours = on(xp, small_network(preprocessing.unit, "float64"))
    settings = replace(MAHENDRAN, tv_weight=10.0, rates=rates, update="momentum")
    image, history = invert_features(ours, layer, y0, preprocessing, settings, rng=np.random.default_rng(7))
    assert type(image) is np.ndarray and image.shape == (1, 3, 12, 12)
    assert relative_error(image / preprocessing.unit, expected) < 1e-5  # the noise is scaled in float32
    assert [progress.total for progress in history] == pytest.approx(energies, rel=1e-5)


@pytest.mark.parametrize("powers", [{"tv_beta": 1.5, "p": 6.0}, {"tv_beta": 3.0, "p": 4.0}], ids=str)
def test_no_power_knows_the_unit(powers, x):
    found = []
    for preprocessing in (LEVELS, TENTHS):
        net = small_network(preprocessing.unit)
        y0 = small_network().predict(x, "conv2")
        settings = InversionSettings(tv_weight=10.0, p_weight=1e-3, update="momentum", rates=((2, 1e-9),), **powers)
        _, history = invert_features(net, "conv2", y0, preprocessing, settings, rng=np.random.default_rng(7))
        found.append([progress.total for progress in history])
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_cs231ns_recipe_by_pytorch(xp, x):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    net, preprocessing = small_network(dtype="float64"), Preprocessing(*TORCHVISION[:4], 12, 12)
    y0 = net.predict(x / 60.0, "relu1")
    weight, bias = (torch.from_numpy(net.layer("conv1").params[key]) for key in ("w", "b"))
    image = torch.from_numpy(np.random.default_rng(7).random((1, 3, 12, 12), dtype="float32").astype(np.float64))
    image.requires_grad_()
    optimizer = torch.optim.Adam([image], lr=0.3)
    for t in range(12):
        if t < 9:
            image.data.clamp_(-1.5, 1.5)
        optimizer.zero_grad()
        phi = torch.relu(torch.nn.functional.conv2d(image, weight, bias, padding=1))
        loss = 6e-2 * ((phi - torch.from_numpy(y0)) ** 2).sum()
        loss = loss + 2e-2 * (((image[..., 1:] - image[..., :-1]) ** 2).sum()
                              + ((image[:, :, 1:] - image[:, :, :-1]) ** 2).sum())
        loss.backward()
        if t == 8:
            optimizer = torch.optim.Adam([image], lr=0.01)
        optimizer.step()
    settings = replace(CS231N, rates=((8, 0.3), (4, 0.01)), clamp_until=8)
    ours, _ = invert_features(on(xp, net), "relu1", y0, preprocessing, settings, rng=np.random.default_rng(7))
    assert relative_error(ours, image.detach().numpy()) < 1e-7  # our first image is float32


def test_cs231ns_steps_and_bounds_are_in_torchvisions_unit(x):
    settings = replace(CS231N, rates=((5, 0.3),), clamp_until=5)
    in_levels = small_network(dtype="float64")
    a, b = (invert_features(net, "relu1", in_levels.predict(x.astype(np.float64), "relu1") * 1e-3, preprocessing,
                            settings, rng=np.random.default_rng(7))[0] / preprocessing.unit
            for net, preprocessing in ((in_levels, LEVELS), (small_network(TENTHS.unit, "float64"), TENTHS)))
    assert relative_error(a, b) < 1e-6 and np.abs(a).max() <= 1.5 / TORCHVISION.unit + 1e-6


def test_a_layer_that_forgets_nothing_gives_the_picture_back(xp, x):
    net = Network((3, 12, 12))
    net.add("conv1", Conv2D(3, 4, 1, rng=np.random.default_rng(1)))
    image, history = invert_features(on(xp, net.astype("float64")), "conv1", net.astype("float64").predict(x),
                                     LEVELS, InversionSettings(update="lbfgs", rates=((60, 1.0),), tv_weight=0.0,
                                                               p_weight=0.0), rng=np.random.default_rng(2))
    assert np.abs(image - x).max() < 0.1 and history[-1].total < 1e-6


@pytest.mark.parametrize("update", UPDATES)
def test_every_update_comes_nearer(update, xp, x):
    net = small_network()
    target = net.predict(x, "relu2")
    rates = {"momentum": ((30, 1e-3),), "guarded": ((30, 1e-3),), "adam": ((30, 5.0),), "lbfgs": ((30, 1.0),)}[update]
    settings = InversionSettings(update=update, rates=rates, tv_weight=0.1)
    image, history = invert_features(on(xp, net), "relu2", target, LEVELS, settings, rng=np.random.default_rng(2))
    assert image.dtype == np.float32 and history[-1].total < 0.5 * history[0].total
    assert feature_error(net, "relu2", image, target) < 0.5


def test_an_image_of_another_size(xp, x):
    net = small_network()
    tall = np.concatenate([x, x], axis=2)
    image, _ = invert_features(on(xp, net), "relu2", net.predict(tall, "relu2"), LEVELS, SHORT, size=(24, 12),
                               rng=np.random.default_rng(2))
    assert image.shape == (1, 3, 24, 12)


@pytest.mark.parametrize("stop", [4, 6, 8])
@pytest.mark.parametrize("update", ["momentum", "guarded", "adam"])
def test_an_interrupted_run_ends_as_the_uninterrupted_one(update, stop, xp, x, tmp_path):
    net = on(xp, small_network())
    target = to_host(net.predict(xp.asarray(x), "relu2"))

    def invert(checkpoint=None, callback=None):
        return invert_features(net, "relu2", target, LEVELS, replace(SHORT, update=update), checkpoint=checkpoint,
                               rng=np.random.default_rng(2), callback=callback)

    def interrupt(progress, image):
        if progress.step == stop:
            raise KeyboardInterrupt
    whole, history = invert()
    path = tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt):
        invert(Checkpoint(path, every=1 if stop == 6 else 2), interrupt)  # after step 5 the update restarts
    again, same = invert(Checkpoint(path, every=1 if stop == 6 else 2, resume=True))
    assert again.tobytes() == whole.tobytes() and same == history and [entry.step for entry in same] == [*range(1, 10)]


def test_the_weight_of_total_variation_by_depth():
    net, weights = squeezenet1_1(seed=None), (1.0, 10.0, 100.0)
    found = [tv_weight_by_depth(net, layer, (224, 224), weights)
             for layer in ("relu_conv1", "fire4/concat", "fire5/concat", "fire6/concat", "fire7/concat", "pool10")]
    assert found == [1, 1, 10, 10, 100, 100]
    assert tv_weight_by_depth(net, "pool10", (224, 224), 3.0) == 3.0


# ---- presets: the numbers they end with ------------------------------------------------------------------------------


@pytest.mark.parametrize(("preset", "layer", "error", "psnr"), [
    ("mahendran", "relu1", 0.03156, 18.31), ("tuned", "relu2", 0.03191, 13.39), ("cs231n", "relu1", 0.01103, 20.86)])
def test_presets_end_with_their_numbers(preset, layer, error, psnr):
    model = load_model("shapes", "cpu")
    picture = draw_shapes([0], np.random.default_rng(1))[0][0]
    target = model.net.predict(model.preprocessing.to_input(picture), layer)
    image, history = invert_features(model.net, layer, target, model.preprocessing, INVERSION_PRESETS[preset],
                                     rng=np.random.default_rng(0))
    report = inversion_report(model.net, layer, image, target, picture, model.preprocessing)
    assert len(history) == INVERSION_PRESETS[preset].num_steps
    assert report.error == pytest.approx(error, rel=0.1) and report.psnr == pytest.approx(psnr, abs=0.3), report
    assert report.error_8bit < 2 * report.error


def test_the_papers_rates_diverge_on_squeezenet_unless_guarded(real_squeezenet, test_data):
    with np.load(test_data / "photos" / "imagenet_25.npz") as photos:
        x = TORCHVISION.to_input(photos["X"][5])
    target = real_squeezenet.predict(x, "fire9/concat")

    def invert(update):
        return invert_features(real_squeezenet, "fire9/concat", target, TORCHVISION,
                               replace(MAHENDRAN, update=update, rates=((80, 4e-3),)),
                               rng=np.random.default_rng([0, 5]))[1]
    with np.errstate(all="ignore"), pytest.raises(InputError, match="diverged"):
        invert("momentum")
    totals = [progress.total for progress in invert("guarded")]
    assert totals[-1] < 0.02 * totals[0] and all(b <= 1.5 * a for a, b in zip(totals, totals[1:], strict=False))


def test_the_report_is_true(rng):
    net, preprocessing = small_network(), Preprocessing(*CAFFE_VGG[:4], 12, 12)
    original = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    target = net.predict(preprocessing.to_input(original), "relu2")
    image = preprocessing.to_input(original) + np.float32(20)
    report = inversion_report(net, "relu2", image, target, original, preprocessing)
    phi, phi8 = (net.predict(shown, "relu2") for shown in
                 (image, preprocessing.to_input(np.minimum(original.astype(int) + 20, 255).astype(np.uint8))))
    assert report.error == pytest.approx(np.sum((phi - target) ** 2) / np.sum(target**2), rel=1e-5)
    assert report.error_8bit == pytest.approx(np.sum((phi8 - target) ** 2) / np.sum(target**2), rel=1e-4)
    assert 20 * np.log10(255 / 20) <= report.psnr < 20 * np.log10(255 / 17)
    same = inversion_report(net, "relu2", preprocessing.to_input(original), target, original, preprocessing)
    assert same.error == 0 and same.psnr == float("inf")


def test_the_checks_fail_for_bad_reports(x):
    net = small_network()
    targets = {layer: net.predict(x, layer) for layer in ("relu1", "conv2", "relu2")}
    original = LEVELS.to_image(x)
    images = {layer: (x * share).astype(np.float32) for layer, share in zip(targets, (0.9, 0.7, 0.6), strict=True)}
    reports = {layer: inversion_report(net, layer, image, targets[layer], original, LEVELS)
               for layer, image in images.items()}

    def numbers(**changed):
        return check_inversion(net, {**reports, **changed}, images, targets, original, LEVELS, "it")
    checks = numbers()
    assert checks[0].passed and checks[0].value < 1e-6 and not any(check.judged for check in checks[1:])
    assert checks[2].value == max(report.error for report in reports.values())
    psnrs = [report.psnr for report in reports.values()]
    assert checks[4].value == max(psnrs[1] - psnrs[0], psnrs[2] - min(psnrs[:2]))
    wrong = reports["conv2"]
    assert not numbers(conv2=wrong._replace(error=1.1 * wrong.error))[0].passed
    assert not numbers(conv2=wrong._replace(psnr=wrong.psnr + 1))[0].passed
    assert not numbers(conv2=reports["relu2"])[0].passed  # of another layer
    same = {"relu1": Inverted(0.0, 0.0, float("inf"))}  # no division by zero
    assert all(check.passed for check in check_inversion(net, same, {"relu1": LEVELS.to_input(original)}, {
        "relu1": net.predict(LEVELS.to_input(original), "relu1")}, original, LEVELS, "it"))


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("arguments", "message"), [
    ({"layer": "rleu2"}, "no layer 'rleu2'; did you mean relu2"),
    ({"size": (24, 24)}, "the target of 'relu2' has the shape"),
    ({"size": (1, 1)}, "pool1"), ({"scale": 0}, "is 0 everywhere"), ({"scale": np.nan}, "not finite"),
    ({"settings": InversionSettings(rates=((30, 1e6),), update="momentum")}, "diverged"),
    ({"settings": InversionSettings(p=1000.0)}, "p is 1000: this power of a pixel exceeds the range")], ids=str)
def test_wrong_arguments_are_named(arguments, message, x):
    net, arguments = small_network(TENTHS.unit), dict(arguments)
    target = net.predict(x, "relu2") * np.float32(arguments.pop("scale", 1))
    with np.errstate(all="ignore"), pytest.raises(InputError, match=message):
        invert_features(net, arguments.pop("layer", "relu2"), target, TENTHS, rng=np.random.default_rng(0), **arguments)


@pytest.mark.parametrize(("settings", "message"), [
    ({"update": "adma"}, "did you mean adam"), ({"noise": "unifrom"}, "did you mean uniform")], ids=str)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        InversionSettings(**settings)


# ---- the demo --------------------------------------------------------------------------------------------------------


def run_demo(*arguments):
    return exit_code(demo, "--model", "shapes", "--device", "cpu", *arguments)


FEW = ("--layer", "relu1", "--layer", "relu2", "--rates", "6x0.002,4x0.0004", "--save-every", "2")


def test_ctrl_c_saves_the_row_which_resumes_to_the_same(tmp_path, monkeypatch, capsys):
    plain, out = inversion.optimize_image, tmp_path / "out"
    assert run_demo(*FEW, "--out", str(tmp_path / "whole")) == 0
    monkeypatch.setattr(inversion, "optimize_image", interrupted(plain, 17))
    assert run_demo(*FEW, "--out", str(out)) == 130
    assert np.load(out / "inversion.npy").shape == (2, 3, 64, 64)
    assert "repeat the command with --resume" in capsys.readouterr().err
    monkeypatch.setattr(inversion, "optimize_image", plain)
    assert run_demo(*FEW, "--tv-weight", "3", "--resume", "--out", str(out)) == 2
    assert "was saved by another run: it has tv_weight [0.1, 1.0, 1.0], not 3.0" in capsys.readouterr().err
    assert run_demo(*FEW, "--resume", "--out", str(out)) == 0
    whole, again = (np.load(folder / "inversion.npy") for folder in (tmp_path / "whole", out))
    assert whole.tobytes() == again.tobytes()
    assert not differences(out, contents(tmp_path / "whole"))
    card = json.loads((out / "inversion.json").read_text())
    assert list(card["parameters"]["numbers"]["striped disc"]) == ["relu1", "relu2"]


@pytest.mark.parametrize(("arguments", "expected"), [
    (["--layer", "rleu1"], "did you mean relu1"), (["--preset", "mahendra"], "did you mean mahendran"),
    (["--rates", "5"], "expected steps and learning rates as in"), (["--rates", "0x1"], "expected steps"),
    (["--tv-weight", "1,2"], "expected a number from 0 on, or three as in"),
    (["--update", "adma"], "did you mean adam"),
    (["--rates", "9x1e9", "--preset", "tuned", "--update", "momentum"], "diverged"),
    (["--update", "lbfgs"], "'fourier' needs the update 'adam'"), (["--clamp", "1"], "without it; give 0")])
def test_bad_input_is_one_line_and_exit_code_2(arguments, expected, tmp_path, capsys):
    with np.errstate(all="ignore"):
        assert run_demo(*arguments, "--out", str(tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1
