"""Fooling images: the 8-bit file, its distance to the original, the checks, the errors, and the demo."""

import json
from dataclasses import replace

import numpy as np
import pytest
from demo_runs import exit_code, interrupted

from demos import fooling as demo
from demos.shared.inputs import load_photos
from minicnn import images
from minicnn.datasets.shapes import CLASSES, draw_shapes
from minicnn.errors import InputError
from minicnn.layers import Conv2D, GlobalAvgPool2D, Linear, MaxPool2D, ReLU
from minicnn.models import load_model
from minicnn.models.preprocessing import CAFFE_VGG, TORCHVISION, Preprocessing
from minicnn.network import Network
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.visualize.synthesis import fooling
from minicnn.visualize.synthesis.fooling import (
    FOOLING_PRESETS,
    MARGIN,
    FoolingSettings,
    fooling_image,
    fooling_report,
    target_margin,
)
from minicnn.visualize.synthesis.fooling_check import check_fooling, check_transfer, transfer

pytestmark = pytest.mark.usefixtures("empty_cache")

QUICK = FoolingSettings(learning_rate=5.0, num_steps=300)
GREY = Preprocessing("L", 1 / 255, (0.5,), (0.25,), 16, 16)


def small_network(rng, channels=3, unit=1.0):
    """Return a network for pictures of 16x16 with four class scores; its input is scaled by `unit`."""
    net = Network((channels, 16, 16))
    net.add("conv1", Conv2D(channels, 6, 3, pad=1, rng=rng))
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(2))
    net.add("pool2", GlobalAvgPool2D())
    net.add("fc", Linear(6, 4, rng))
    net.layer("conv1").params["w"] /= np.float32(unit)
    return net


def on(xp, net):
    return net.to_device("cpu" if xp is np else "gpu")


def other_class(net, x):
    """Return the class with the lowest score."""
    return int(net.predict(x)[0].argmin())


@pytest.fixture
def picture(rng):
    return rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)


# ---- the picture and its report --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("preset", "preprocessing"), [
    ("cs231n", TORCHVISION), ("cs231n", CAFFE_VGG), ("margin", TORCHVISION), ("margin", CAFFE_VGG), ("margin", GREY)],
    ids=["cs231n-RGB", "cs231n-BGR", "margin-RGB", "margin-BGR", "margin-grey"])
def test_the_file_fools_the_network_and_the_report_is_true(preset, preprocessing, xp, rng, picture, tmp_path):
    channels = len(preprocessing.mean)
    net = small_network(rng, channels, preprocessing.unit / TORCHVISION.unit)
    x = preprocessing.to_input(picture)
    original, target = preprocessing.to_image(x), int(np.argsort(-net.predict(x)[0])[1])
    fooled, report, history = fooling_image(on(xp, net), x, target, preprocessing,
                                            replace(FOOLING_PRESETS[preset], num_steps=300, learning_rate=5.0))
    assert type(fooled) is np.ndarray and fooled.dtype == np.uint8 and fooled.shape == (16, 16, 3)
    images.save_image(tmp_path / "fooled.png", fooled)
    read = images.load_image(tmp_path / "fooled.png")
    scores = net.predict(preprocessing.to_input(read))[0]
    assert report.survived and scores.argmax() == target and report.steps == len(history) < 300
    assert report.margin == pytest.approx(scores[target] - np.sort(scores)[-2], abs=1e-5)
    change = read.astype(int) - original
    assert report.linf == np.abs(change).max() > 0
    assert report.l2 == pytest.approx(np.linalg.norm(change.ravel()))
    assert report.psnr == pytest.approx(20 * np.log10(255 / np.sqrt((change**2).mean())))


def test_it_stops_at_the_first_picture_that_survives(rng, picture):
    net, x = small_network(rng), TORCHVISION.to_input(picture)
    target, seen = other_class(net, x), []
    fooling_image(net, x, target, TORCHVISION, QUICK,
                  callback=lambda progress, image: seen.append(TORCHVISION.to_image(image)))
    margins = [target_margin(net, rounded, target, TORCHVISION) for rounded in seen]
    assert max(margins[:-1]) <= 0 < margins[-1] and len(margins) > 2


def test_a_change_of_less_than_half_a_level_does_not_count(rng):
    # one step changes the answer for the floats, but no pixel is rounded to another level
    net = small_network(rng)
    x = TORCHVISION.to_input(np.full((16, 16, 3), 128, np.uint8))
    first, second = np.argsort(-net.predict(x)[0])[:2].tolist()
    net.layer("fc").params["b"][second] += net.predict(x)[0][first] - net.predict(x)[0][second] - np.float32(1e-5)
    settings = FoolingSettings(num_steps=1, learning_rate=0.5)
    fooled, report, history = fooling_image(net, x, second, TORCHVISION, settings)
    assert (fooled == 128).all() and not report.survived and report.psnr == float("inf") and report.linf == 0
    moved = []
    fooling_image(net, x, second, TORCHVISION, settings,
                  callback=lambda progress, image: moved.append(int(net.predict(image)[0].argmax())))
    assert moved == [second]


def test_the_margin_of_the_settings_is_reached(rng, picture):
    net, x = small_network(rng), TORCHVISION.to_input(picture)
    target = other_class(net, x)
    plain, wide = (fooling_image(net, x, target, TORCHVISION, replace(QUICK, num_steps=400, margin=margin))[1]
                   for margin in (0.0, 0.2))
    assert 0 < plain.margin and 0.2 < wide.margin and wide.steps > plain.steps


@pytest.mark.parametrize("preprocessing", [TORCHVISION, CAFFE_VGG], ids=["RGB", "BGR"])
def test_no_colour_changes_by_more_than_epsilon(preprocessing, xp, rng, picture):
    net = on(xp, small_network(rng, unit=preprocessing.unit / TORCHVISION.unit))
    x = preprocessing.to_input(picture)
    settings = FoolingSettings(learning_rate=20.0, num_steps=6, margin=1e9, epsilon=3)
    fooled, report, _ = fooling_image(net, x, 1, preprocessing, settings)
    assert report.linf == 3 and np.abs(fooled.astype(int) - picture).max() == 3 and not report.survived


def test_the_unit_of_the_input_does_not_matter(rng, picture):
    plain = Preprocessing("RGB", 1 / 255, (0.5,) * 3, (0.25,) * 3, 16, 16)
    levels = Preprocessing("RGB", 1.0, (127.5,) * 3, (1.0,) * 3, 16, 16)
    nets = [small_network(np.random.default_rng(3), unit=unit) for unit in (1.0, levels.unit / plain.unit)]
    target = other_class(nets[0], plain.to_input(picture))
    a, b = (fooling_image(net, p.to_input(picture), target, p, QUICK)[1]
            for net, p in zip(nets, (plain, levels), strict=True))
    assert a.steps == b.steps and a.l2 == pytest.approx(b.l2, rel=2e-2)


def test_the_colours_exist(xp, rng):
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[::2] = 255
    seen = []
    fooling_image(on(xp, small_network(rng)), TORCHVISION.to_input(picture), 0, TORCHVISION,
                  FoolingSettings(learning_rate=50.0, num_steps=3, margin=1e9),
                  callback=lambda progress, image: seen.append(image))
    low, high = (xp.asarray(bound) for bound in TORCHVISION.valid_range())
    assert all(bool((image >= low).all()) and bool((image <= high).all()) for image in seen) and len(seen) == 3


@pytest.mark.parametrize("stop", [2, 5])
def test_an_interrupted_run_ends_as_the_uninterrupted_one(stop, xp, rng, picture, tmp_path):
    net, x = small_network(rng), TORCHVISION.to_input(picture)
    target = other_class(net, x)
    net = on(xp, net)

    def fool(checkpoint=None, callback=None):
        return fooling_image(net, x, target, TORCHVISION, QUICK, checkpoint=checkpoint, callback=callback)

    def interrupt(progress, image):
        if progress.step == stop:
            raise KeyboardInterrupt
    whole, report, history = fool()
    path = tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt):
        fool(Checkpoint(path, every=2), interrupt)
    again = fool(Checkpoint(path, every=2, resume=True))
    assert (again[0] == whole).all() and again[1:] == (report, history)
    finished = fool(Checkpoint(path, every=2, resume=True), lambda *_: pytest.fail("a step too many"))
    assert (finished[0] == whole).all() and finished[1:] == (report, history)


# ---- presets: the numbers they end with ------------------------------------------------------------------------------


@pytest.mark.parametrize(("preset", "steps", "l2", "psnr"), [
    ("cs231n", 86, 998.2, 29.04), ("margin", 52, 580.2, 33.75)])
def test_presets_end_with_their_numbers(preset, steps, l2, psnr):
    model = load_model("shapes", "cpu")
    image = draw_shapes([4], np.random.default_rng(1))[0][0]
    _, report, _ = fooling_image(model.net, model.preprocessing.to_input(image), 0, model.preprocessing,
                                 FOOLING_PRESETS[preset])
    assert report.survived and abs(report.steps - steps) <= 1
    assert report.l2 == pytest.approx(l2, rel=0.03) and report.psnr == pytest.approx(psnr, abs=0.3)


def test_hard_pairs_of_real_photos_and_targets(real_squeezenet, test_data):
    """Two of the 50 pairs of tests/benchmarks/fooling_pairs.py; CS231n's objective does not reach them in 100 steps."""
    with np.load(test_data / "photos" / "imagenet_25.npz") as photos:
        hard = photos["X"][[5, 14]]
    for photo in hard:
        _, report, _ = fooling_image(real_squeezenet, TORCHVISION.to_input(photo), demo.STINGRAY, TORCHVISION)
        assert report.survived and report.steps < 30 and report.psnr > 45


# ---- checks ----------------------------------------------------------------------------------------------------------


def test_the_checks_fail_for_wrong_pictures_and_reports(rng, picture):
    net, x = small_network(rng), TORCHVISION.to_input(picture)
    target = other_class(net, x)
    fooled, report, _ = fooling_image(net, x, target, TORCHVISION, QUICK)

    def failed(picture, report, settings=QUICK, **more):
        checks = check_fooling(net, TORCHVISION.to_image(x), picture, report, target, TORCHVISION, rng, "it", settings,
                               **more)
        return [check.what.split(" ")[0] for check in checks if not check.passed]
    assert failed(fooled, report) == [] and report.steps < QUICK.num_steps
    assert failed(fooled, report._replace(psnr=29.0)) == failed(fooled, report._replace(linf=1)) == ["stated"]
    unchanged = fooling_report(net, picture, picture, target, TORCHVISION, report.steps)
    assert failed(picture, unchanged) == ["margin"] and failed(picture, unchanged, stopped=True) == []
    assert failed(picture, unchanged, replace(QUICK, num_steps=report.steps)) == []  # the steps were used up
    assert failed(fooled, report, replace(QUICK, epsilon=report.linf - 1)) == ["largest"]
    other = 255 - picture
    assert failed(other, fooling_report(net, picture, other, target, TORCHVISION, report.steps))[:1] == ["length"]


def test_transfer_counts_changed_answers_and_hits(rng, picture):
    net = small_network(rng)
    others = rng.integers(0, 256, (30, 16, 16, 3), dtype=np.uint8)
    answers = net.predict(TORCHVISION.to_input(others)).argmax(axis=1)
    same = np.repeat(picture[None], 30, axis=0)
    before = int(net.predict(TORCHVISION.to_input(picture))[0].argmax())
    assert transfer(net, TORCHVISION, same, others, answers) == ((answers != before).sum(), 30)
    assert transfer(net, TORCHVISION, same, same, [before] * 30) == (0, 30)
    assert all(check.passed for check in check_transfer("other", net, TORCHVISION, same, others, answers))


# ---- bad input -------------------------------------------------------------------------------------------------------


def test_wrong_arguments_are_named(rng, picture):
    net, x = small_network(rng), TORCHVISION.to_input(picture)
    seen = int(net.predict(x)[0].argmax())
    for target, message in ((seen, f"classifies the picture as class {seen} already"), (4, "no class 4"),
                            (-1, "no class -1")):
        with pytest.raises(InputError, match=message):
            fooling_image(net, x, target, TORCHVISION)
    with pytest.raises(InputError, match="did you mean score"):
        replace(MARGIN, objective="scroe")
    with pytest.raises(InputError, match="one picture at a time, not 2"):
        fooling_image(net, np.concatenate([x, x]), 0, TORCHVISION)
    with pytest.raises(InputError, match="no class scores"):
        fooling_image(net.trunk("relu1"), x, 0, TORCHVISION)


# ---- the demo --------------------------------------------------------------------------------------------------------


def run_demo(*arguments):
    return exit_code(demo, "--model", "shapes", "--device", "cpu", *arguments)


@pytest.fixture
def photo(tmp_path):
    images.save_image(tmp_path / "star.png", draw_shapes([9], np.random.default_rng(0))[0][0])
    return str(tmp_path / "star.png")


def test_the_demo_writes_pictures_that_fool(photo, tmp_path, capsys):
    out = tmp_path / "out"
    assert run_demo(photo, "--target", "striped disc", "--steps", "200", "--transfer", "shapes", "--out", str(out)) == 0
    model = load_model("shapes", "cpu")
    read = images.load_image(out / "fooled_0_star.png")
    assert (np.load(out / "fooling.npy") == read).all()
    target = model.find_class("striped disc")
    assert model.net.predict(model.preprocessing.to_input(read))[0].argmax() == target
    card = json.loads((out / "fooling.json").read_text())
    assert card["parameters"]["reports"][0]["survived"] and card["parameters"]["targets"] == [target]
    said = capsys.readouterr().out
    assert "pictures that shapes classifies as the target too: 1 (" in said and "FAIL margin" not in said
    assert run_demo(photo, "--target", "striped disc", "--out", str(out)) == 2  # without --overwrite
    assert "holds fooling.png, fooled_0_star.png, fooling.npy and 1 more already" in capsys.readouterr().err


def test_ctrl_c_saves_the_picture_which_resumes_to_the_same(photo, tmp_path, monkeypatch, capsys):
    plain, out = fooling.optimize_image, tmp_path / "out"
    arguments = (photo, "--target", "striped disc", "--steps", "200", "--save-every", "2")
    assert run_demo(*arguments, "--out", str(tmp_path / "whole")) == 0
    monkeypatch.setattr(fooling, "optimize_image", interrupted(plain, 5))
    assert run_demo(*arguments, "--out", str(out)) == 130
    assert images.load_image(out / "fooled_0_star.png").shape == (64, 64, 3)
    assert "repeat the command with --resume" in capsys.readouterr().err
    monkeypatch.setattr(fooling, "optimize_image", plain)
    (tmp_path / "other").mkdir()  # another photo of the same name
    other = tmp_path / "other" / "star.png"
    images.save_image(other, draw_shapes([9], np.random.default_rng(1))[0][0])
    assert run_demo(str(other), *arguments[1:], "--resume", "--out", str(out)) == 2
    assert "was saved by another run: it has photos" in capsys.readouterr().err
    assert run_demo(*arguments, "--resume", "--out", str(out)) == 0
    whole, again = (np.load(folder / "fooling.npy") for folder in (tmp_path / "whole", out))
    assert (whole == again).all()
    assert not list(out.glob("*state*")) and not list(out.glob("*latest*"))


@pytest.mark.parametrize(("arguments", "expected"), [
    (["--target", "striped disc"], "shapes classifies striped disc as striped disc already; give another --target"),
    (["--target", "no such thing"], "no class 'no such thing'"), (["--objective", "scor"], "did you mean score"),
    (["--transfer", "shape"], "did you mean shapes"), (["--epsilon", "-1"], "expected a whole number"),
    (["--learning-rate", "-1"], "expected a number above 0, not '-1'"),
    (["--transfer", "digits"], "--transfer digits: a fully connected layer expects 3136 features"),
    (["--transfer", "styles"], "--transfer styles: it gives no class scores"),
    (["--margin", "nan"], "--margin: expected a number, not 'nan'"),
    (["--margin", "-1"], "--margin: expected a number from 0 on, not '-1'"),
    (["--preset", "cs231"], "did you mean cs231n")])
def test_bad_input_is_one_line_and_exit_code_2(arguments, expected, tmp_path, capsys):
    assert run_demo(*arguments, "--out", str(tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_network_of_other_classes_gets_its_second_choice():
    model = load_model("shapes", "cpu")
    photo = load_photos(model, [])[0]
    assert demo.default_target(model, photo) == photo.top[1][0] != photo.label and len(CLASSES) == 12
    assert fooling_report(model.net, photo.image, photo.image, photo.label, model.preprocessing, 0).psnr == float("inf")
