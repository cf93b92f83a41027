"""Universal perturbations: DeepFool against linear algebra, the norm of the file, resuming, checks, and the demo."""

import json
from dataclasses import replace

import numpy as np
import pytest
from demo_outputs import check_outputs
from demo_runs import exit_code

from demos import universal as demo
from minicnn.datasets.shapes import draw_shapes
from minicnn.errors import InputError
from minicnn.layers import Conv2D, Flatten, Linear
from minicnn.models import load_model
from minicnn.models.preprocessing import CAFFE_VGG, TORCHVISION
from minicnn.network import Network
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.visualize.synthesis import universal_check
from minicnn.visualize.synthesis.universal import (
    MOOSAVI,
    UNIVERSAL_PRESETS,
    UniversalSettings,
    add_perturbation,
    deepfool,
    fooled_pictures,
    universal_perturbation,
)
from minicnn.visualize.synthesis.universal_check import check_universal, noise_like

pytestmark = pytest.mark.usefixtures("empty_cache")

QUICK = UniversalSettings(epsilon=12, num_passes=3, fooling_rate=1.0)


def linear_network(rng, preprocessing=TORCHVISION):
    """Return a network of one linear layer: pictures of 8x8 to five class scores."""
    net = Network((3, 8, 8))
    net.add("conv1", Conv2D(3, 3, 1, rng=rng))
    net.add("flat", Flatten())
    net.add("fc", Linear(192, 5, rng))
    net.layer("conv1").params |= {"w": np.eye(3, dtype=np.float32)[:, :, None, None] / np.float32(preprocessing.unit),
                                  "b": np.zeros(3, np.float32)}
    return net


def on(xp, net):
    return net.to_device("cpu" if xp is np else "gpu")


@pytest.fixture
def photos(rng):
    return rng.integers(60, 196, (24, 8, 8, 3), dtype=np.uint8)


# ---- DeepFool --------------------------------------------------------------------------------------------------------


def test_deepfool_is_the_shortest_way_for_linear_scores(xp, rng, photos):
    net, x = linear_network(rng).astype("float64"), TORCHVISION.to_input(photos[:1]).astype(np.float64)
    unit = (np.subtract(*TORCHVISION.valid_range()[::-1]) / 255).astype(np.float64)
    scores = net.predict(x)[0]
    label = int(scores.argmax())
    change = deepfool(on(xp, net), xp.asarray(x), label, xp.asarray(unit), replace(MOOSAVI, overshoot=1e-4))
    change = np.array(change.tolist())
    jacobian = np.array([net.predict(x + step)[0] - scores for step in unit_steps(x)]).T  # (5, 192)
    ways = []  # the distance to each boundary, in levels
    for rival in set(range(5)) - {label}:
        w = (jacobian[rival] - jacobian[label]).reshape(x.shape[1:]) * unit
        gap = scores[label] - scores[rival]
        ways.append((gap / np.linalg.norm(w), gap * w / (w * w).sum()))
    distance, way = min(ways, key=lambda pair: pair[0])
    assert np.linalg.norm(change) == pytest.approx(distance, rel=1e-3)
    assert np.allclose(change[0], way, atol=1e-3 * abs(way).max())
    beyond, before = (int(net.predict(x + part * change * unit)[0].argmax()) for part in (1.001, 0.99))
    assert beyond != label == before


def unit_steps(x):
    """Yield an array like x with a 1 at one place, for each place."""
    for place in range(x.size):
        step = np.zeros(x.size)
        step[place] = 1
        yield step.reshape(x.shape)


# ---- the perturbation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 12), ("linf", 6.5), ("l2", 90), ("l2", 33.3)])
@pytest.mark.parametrize("preprocessing", [TORCHVISION, CAFFE_VGG], ids=["RGB", "BGR"])
def test_the_norm_holds_and_the_rates_are_true(preprocessing, norm, epsilon, xp, rng, photos):
    net = linear_network(rng, preprocessing)
    settings = replace(QUICK, norm=norm, epsilon=epsilon)
    made, rates, history = universal_perturbation(on(xp, net), preprocessing.to_input(photos), preprocessing, settings)
    assert type(made) is np.ndarray and made.dtype == np.int16 and made.shape == (8, 8, 3)
    assert (abs(made).max() if norm == "linf" else np.linalg.norm(made.astype(float))) <= epsilon
    assert len(history) == len(rates) * 24 and history[-1].total == rates[-1]
    before, after = (net.predict(preprocessing.to_input(some)).argmax(axis=1)
                     for some in (photos, np.clip(photos + made, 0, 255).astype(np.uint8)))
    assert rates[-1] == (before != after).mean() > 0.2
    assert (fooled_pictures(net, photos, made, preprocessing) == (before != after)).all()


def test_it_ends_when_enough_pictures_are_fooled(rng, photos):
    net, x = linear_network(rng), TORCHVISION.to_input(photos)
    _, rates, history = universal_perturbation(net, x, TORCHVISION, replace(QUICK, epsilon=60, fooling_rate=0.3))
    assert len(rates) == 1 and rates[0] >= 0.3 and len(history) == 24
    assert {progress.values[0] for progress in history} == {0.0, 1.0}  # some pictures were fooled already


@pytest.mark.parametrize("stop", [5, 24, 31])
def test_an_interrupted_run_ends_as_the_uninterrupted_one(stop, rng, photos, tmp_path):
    net, x = linear_network(rng), TORCHVISION.to_input(photos)

    def make(checkpoint=None, callback=None):
        return universal_perturbation(net, x, TORCHVISION, QUICK, rng=2, checkpoint=checkpoint, callback=callback)

    def interrupt(progress, change):
        if progress.step == stop:
            raise KeyboardInterrupt
    whole = make()
    with pytest.raises(KeyboardInterrupt):
        make(Checkpoint(tmp_path / "run.npz", every=2), interrupt)
    for _ in range(2):  # the second time, nothing is left to do
        again = make(Checkpoint(tmp_path / "run.npz", every=2, resume=True))
        assert (again[0] == whole[0]).all() and again[1:] == whole[1:]


# ---- checks and bad input --------------------------------------------------------------------------------------------


def test_the_checks_fail_for_wrong_perturbations(monkeypatch, rng, photos):
    net = linear_network(rng)
    unseen = rng.integers(60, 196, (40, 8, 8, 3), dtype=np.uint8)
    made, rates, _ = universal_perturbation(net, TORCHVISION.to_input(photos), TORCHVISION, QUICK)

    def failed(made, rates=rates, settings=QUICK):
        checks = check_universal(net, made, rates, photos, unseen, TORCHVISION, np.random.default_rng(0), settings)
        return [check.what.split(" ")[0] for check in checks if not check.passed]
    assert failed(made) == []
    assert failed(made, settings=replace(QUICK, epsilon=11)) == ["linf"]
    assert failed(made, (*rates, rates[-1] + 0.1)) == ["stated"]
    monkeypatch.setattr(universal_check, "LEARNT", 0.0)
    assert failed(0 * made, (0.0,)) == ["share"]
    noise = noise_like(made, rng)
    assert noise.shape == made.shape and (noise != made).any() and sorted(noise.ravel()) == sorted(made.ravel())


def test_wrong_arguments_are_named(rng, photos):
    net, x = linear_network(rng), TORCHVISION.to_input(photos)
    for name, value in (("norm", "max"), ("epsilon", 0), ("fooling_rate", 1.5), ("num_passes", 0), ("candidates", 0),
                        ("deepfool_steps", "many"), ("overshoot", -1)):
        with pytest.raises(InputError, match=name):
            replace(MOOSAVI, **{name: value})
    with pytest.raises(InputError, match="give UniversalSettings"):
        universal_perturbation(net, x, TORCHVISION, 10)
    with pytest.raises(InputError, match="no class scores"):
        universal_perturbation(net.trunk("conv1"), x, TORCHVISION)
    with pytest.raises(InputError, match="a perturbation of their size"):
        add_perturbation(photos, np.zeros((4, 4, 3)))
    with pytest.raises(InputError, match="a perturbation of their size"):
        add_perturbation(photos / 255, np.zeros((8, 8, 3)))
    assert set(UNIVERSAL_PRESETS) >= {"moosavi", "moosavi-l2"}


# ---- the demo --------------------------------------------------------------------------------------------------------


def test_the_demo_resumes_to_the_same_files(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "DRAWN", 12)
    arguments = ("--model", "shapes", "--device", "cpu", "--passes", "2", "--save-every", "1")
    assert exit_code(demo, *arguments, "--out", tmp_path / "whole") == 0
    check_outputs(tmp_path / "whole", demo.NAMES)
    plain, out = demo.universal_perturbation, tmp_path / "out"

    def until_then(*given, callback, **settings):
        def stop(progress, change):
            callback(progress, change)
            if progress.step == 3:
                raise KeyboardInterrupt
        return plain(*given, callback=stop, **settings)
    with monkeypatch.context() as patch:
        patch.setattr(demo, "universal_perturbation", until_then)
        assert exit_code(demo, *arguments, "--out", out) == 130
    assert "repeat the command with --resume" in capsys.readouterr().err
    assert exit_code(demo, *arguments, "--resume", "--out", out) == 0
    for name in demo.NAMES:
        assert (np.load(out / f"{name}.npy") == np.load(tmp_path / "whole" / f"{name}.npy")).all()
        assert (out / f"{name}.png").read_bytes() == (tmp_path / "whole" / f"{name}.png").read_bytes()
    assert not list(out.glob("*state*")) and not list(out.glob("*latest*"))
    assert json.loads((out / "universal.json").read_text())["parameters"]["photos"] == 12


@pytest.mark.parametrize(("arguments", "expected"), [
    (["--model", "shapes", "--norm", "l3"], "norm"), (["--model", "shapes", "--epsilon", "-1"], "above 0"),
    (["--model", "shapes", "--count", "3"], "needs at least 4 photos, and 3 are given"),
    (["--model", "digits"], "digits needs a folder of photos"),
    (["--model", "shapes", "--preset", "mosavi"], "did you mean moosavi")])
def test_bad_input_is_one_line_and_exit_code_2(arguments, expected, tmp_path, capsys):
    assert exit_code(demo, "--device", "cpu", *arguments, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1


def test_the_shipped_network_is_fooled_on_unseen_drawings():
    model = load_model("shapes", "cpu").fast()
    images = draw_shapes(np.arange(48) % 12, np.random.default_rng(1))[0]
    made, rates, _ = universal_perturbation(model.net, model.preprocessing.to_input(images[:16]), model.preprocessing,
                                            replace(UNIVERSAL_PRESETS["drawings"], num_passes=2))
    assert fooled_pictures(model.net, images[16:], made, model.preprocessing).mean() > 0.08
