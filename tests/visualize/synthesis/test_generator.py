"""The generator prior: a decoder and a network in one, optimized codes, and the training of a decoder."""

import json
from dataclasses import replace

import numpy as np
import pytest
from demo_runs import exit_code, interrupted

from demos import generator_prior as demo
from demos import train_decoder
from demos.shared import decoders
from minicnn.backend import to_device, to_host
from minicnn.datasets.shapes import ShapeBatches
from minicnn.errors import InputError
from minicnn.gradient_check import directional_error
from minicnn.layers import AvgPool2D, Conv2D, FourierFeatures2D, GlobalAvgPool2D, Linear, ReLU, Upsample2D
from minicnn.models import load_model, shapes, shapes_decoder, shapes_encoder
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize import Adam
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.training.decoder import CodeBatches, Likeness
from minicnn.training.train import train
from minicnn.visualize.synthesis import generator as module
from minicnn.visualize.synthesis.generator import (
    GENERATOR_PRESETS,
    SHAPES,
    GeneratorSettings,
    code_range,
    generated_class,
    stacked,
)
from minicnn.visualize.synthesis.generator_check import check_generated, code_gradient


def small_network(rng):
    """Return a network for pictures of 3x8x8 with three class scores."""
    net = Network((3, 8, 8), aliases={"first": "conv1"})
    net.add("conv1", Conv2D(3, 5, 3, pad=1, rng=rng))
    net.add("relu1", ReLU())
    net.add("pool1", GlobalAvgPool2D())
    net.add("fc2", Linear(5, 3, rng))
    return net


def small_generator(rng):
    """Return a network from a code of 6x2x2 to a picture of 3x8x8, with some layer names of `small_network`."""
    net = Network((6, 2, 2))
    net.add("conv1", Conv2D(6, 8, 3, pad=1, rng=rng))
    net.add("relu1", ReLU())
    net.add("upsample2", Upsample2D(4))
    net.add("waves2", FourierFeatures2D((3.0,), 2))
    net.add("picture", Conv2D(12, 3, 3, pad=1, rng=rng))
    return net


def on(xp, *things):
    """Return networks or arrays on the device of xp."""
    device = "cpu" if xp is np else "gpu"
    return [thing.to_device(device) if isinstance(thing, Network) else to_device(thing, device) for thing in things]


# ---- one network of two ----------------------------------------------------------------------------------------------


def test_a_stacked_network_is_one_after_the_other(xp, rng):
    generator, net = on(xp, small_generator(rng), small_network(rng))
    code, = on(xp, rng.standard_normal((2, 6, 2, 2)).astype(np.float32))
    both = stacked(generator, net)
    trace = both.forward(code)
    picture = generator.predict(code)
    assert (to_host(trace.activations["generator/picture"]) == to_host(picture)).all()
    assert (to_host(trace.activations["fc2"]) == to_host(net.predict(picture))).all()
    assert both.layer_names() == [*(f"generator/{name}" for name in generator.layer_names()), *net.layer_names()]
    assert both.find("first") == "conv1" and both.input_shape == (6, 2, 2) and both.output == "fc2"
    assert both.layer("conv1") is net.layer("conv1")
    assert both.layer("generator/conv1") is generator.layer("conv1")
    assert len(net.nodes) == 4 and len(generator.nodes) == 5


def test_the_gradient_to_the_code_is_the_slope(xp, rng):
    generator, net = on(xp, small_generator(rng).astype("float64"), small_network(rng).astype("float64"))
    both, (code,) = stacked(generator, net), on(xp, rng.standard_normal((2, 6, 2, 2)))
    seed, = on(xp, rng.standard_normal((2, 3)))
    gradient = both.backward(both.forward(code), {"fc2": seed})["input"]
    assert directional_error(lambda at: float((both.predict(at) * seed).sum()), code, gradient, rng) < 1e-7
    # the same in two steps, by way of the picture
    picture = generator.predict(code)
    of_picture = net.backward(net.forward(picture), {"fc2": seed})["input"]
    in_steps = generator.backward(generator.forward(code), {"picture": of_picture})["input"]
    assert np.abs(to_host(gradient - in_steps)).max() < 1e-14


def test_branches_that_read_the_picture_read_the_generators(rng):
    net = small_network(rng)
    net.add("small", AvgPool2D(4), "input")
    both = stacked(small_generator(rng), net)
    assert both.nodes[-1].inputs == ("generator/picture",)


# ---- codes that are optimised ----------------------------------------------------------------------------------------


def test_the_score_of_the_generated_picture_rises(xp, rng):
    generator, net = small_generator(rng), small_network(rng)
    codes = abs(rng.standard_normal((20, 6, 2, 2))).astype(np.float32)
    start, highest = code_range(codes)
    code, picture, history = generated_class(*on(xp, generator, net), 1, start, highest,
                                             GeneratorSettings(num_steps=12, learning_rate=0.05))
    assert type(code) is type(picture) is np.ndarray and code.dtype == picture.dtype == np.float32
    assert picture == pytest.approx(generator.predict(code), abs=1e-5)
    assert net.predict(picture)[0, 1] > net.predict(generator.predict(start))[0, 1]
    assert (code >= 0).all() and (code <= highest).all() and len(history) == 12
    assert history[0].values[0] == pytest.approx(net.predict(generator.predict(start))[0, 1], abs=1e-4)


def test_one_step_is_that_of_the_paper(rng):
    generator, net = small_generator(rng), small_network(rng)
    code = rng.uniform(0, 1, (1, 6, 2, 2)).astype(np.float32)
    highest = np.full((1, 6, 2, 2), 0.8, np.float32)
    found, _, _ = generated_class(generator, net, 2, code, highest, replace(SHAPES, num_steps=1))
    both = stacked(generator, net)
    gradient = both.backward(both.forward(code), {"fc2": np.float32([[0, 0, 1]])})["input"]
    expected = np.clip((code + 0.3 * gradient / np.abs(gradient).mean()) * 0.99, 0, highest)
    assert found == pytest.approx(expected, abs=1e-6)


def test_the_callback_is_given_codes_and_can_end_the_run(rng):
    generator, net, codes = small_generator(rng), small_network(rng), []
    start, highest = code_range(abs(rng.standard_normal((20, 6, 2, 2))).astype(np.float32))

    def third(progress, code):
        codes.append(code)
        return progress.step == 3
    code, _, history = generated_class(generator, net, 1, start, highest, SHAPES, callback=third)
    assert len(history) == len(codes) == 3 and codes[2].tobytes() == code.tobytes()


def test_code_range_is_three_deviations(rng):
    codes = rng.standard_normal((9, 2, 3, 3))
    mean, highest = code_range(codes)
    assert mean[0] == pytest.approx(codes.mean(axis=0)) and highest[0] == pytest.approx(3 * codes.std(axis=0))


def test_an_interrupted_code_resumes_to_the_same(rng, tmp_path):
    generator, net = small_generator(rng), small_network(rng)
    start, highest = code_range(abs(rng.standard_normal((20, 6, 2, 2))).astype(np.float32))
    def make(resume, callback=None):
        return generated_class(generator, net, 0, start, highest, GeneratorSettings(num_steps=9, learning_rate=0.1),
                               callback=callback, checkpoint=Checkpoint(tmp_path / "state.npz", every=2, resume=resume))
    whole = make(False)
    def interrupt(progress, code):
        if progress.step == 5:
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        make(False, interrupt)
    again = make(True)
    assert whole[0].tobytes() == again[0].tobytes() and whole[1].tobytes() == again[1].tobytes()
    assert whole[2] == again[2]


def test_presets():
    assert GENERATOR_PRESETS["nguyen"] == GeneratorSettings(200, learning_rate=8.0, last_rate=1e-10, decay=0.01)
    assert GENERATOR_PRESETS["shapes"] == replace(GENERATOR_PRESETS["nguyen"], learning_rate=0.3)


# ---- the decoder -----------------------------------------------------------------------------------------------------


def test_the_decoder_takes_the_codes_of_the_encoder():
    encoder, decoder = shapes_encoder(shapes(seed=None)), shapes_decoder(seed=None)
    assert encoder.shapes()["code"][1:] == decoder.input_shape
    assert decoder.shapes()["picture"] == (1, 3, 64, 64)


def test_a_code_is_the_means_of_two_layers(xp, rng):
    net = shapes(seed=1)
    x = rng.standard_normal((2, 3, 64, 64)).astype(np.float32)
    code = to_host(shapes_encoder(*on(xp, net)).predict(*on(xp, x)))
    for maps, part in ((net.predict(x, "relu1"), code[:, :24]), (net.predict(x, "relu5"), code[:, 24:])):
        side = maps.shape[2] // 4
        expected = maps.reshape(2, -1, 4, side, 4, side).mean(axis=(3, 5))
        assert np.abs(part - expected).max() < 1e-4
    assert net.output == "fc6"  # the network itself is unchanged


def test_the_decoder_is_that_of_pytorch(rng):
    oracle = pytest.importorskip("torch_oracle")
    model = load_model("shapes_decoder", "cpu")
    code = abs(rng.standard_normal((2, 120, 4, 4))).astype(np.float32)
    found, expected = model.net.predict(code), oracle.shapes_decoder(model.net, code)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def blocks_of(net):
    return Likeness(net, [("input", 4, 1.5), ("chroma", 2, 1.0), ("relu1", 2, 2.0)])


def small_encoder(rng):
    encoder = small_network(rng).trunk("relu1")
    encoder.add("code", AvgPool2D(4))
    return encoder


def test_likeness_is_zero_for_the_original_and_its_gradient_is_the_slope(xp, rng):
    encoder, = on(xp, small_encoder(rng).astype("float64"))
    likeness = blocks_of(encoder)
    x, y = on(xp, *rng.standard_normal((2, 3, 3, 8, 8)))
    wanted = likeness.features(x)
    assert set(wanted) == {"input in blocks", "chroma in blocks", "relu1 in blocks", "code"}
    assert likeness(x, wanted)[0] == 0 and not bool(likeness(x, wanted)[1].any())
    value, gradient = likeness(y, wanted)
    assert value > 0.5
    assert directional_error(lambda at: likeness(at, wanted)[0], y, gradient, rng) < 1e-6


def test_likeness_is_its_terms(rng):
    likeness = blocks_of(small_encoder(rng))
    x, y = rng.standard_normal((2, 2, 3, 8, 8)).astype(np.float32)
    def pooled(maps, side):
        N, C, H, W = maps.shape
        return maps.reshape(N, C, H // side, side, W // side, side).mean(axis=(3, 5))
    def chroma(x):
        return np.stack([x[:, 0] - x[:, 1], (x[:, 0] + x[:, 1]) / 2 - x[:, 2]], axis=1)
    relu1 = likeness.net.predict
    expected = 0
    for weight, of, side in ((1.5, lambda x: x, 4), (1.0, chroma, 2), (2.0, lambda x: relu1(x, "relu1"), 2)):
        a, b = pooled(of(x), side), pooled(of(y), side)
        expected += weight * ((a - b) ** 2).sum() / (a**2).sum()
    assert likeness(y, likeness.features(x))[0] == pytest.approx(expected, rel=1e-4)


def test_the_phase_of_stripes_does_not_matter(rng):
    # a shift by half a period changes no block mean, but changes the pixels as much as possible
    x = np.tile(np.float32([1, 1, -1, -1]), (1, 3, 8, 2))
    net = Network((3, 8, 8))
    net.add("conv1", Conv2D(3, 2, 1, rng=rng))
    net.add("relu1", ReLU())
    likeness = Likeness(net, [("input", 4, 1.0), ("relu1", 4, 1.0)])
    wanted = likeness.features(x + 0.5)
    assert likeness(np.roll(x, 2, axis=3) + 0.5, wanted)[0] < 1e-10 < 0.1 < likeness(np.zeros_like(x), wanted)[0]


def test_a_decoder_learns(xp, rng):
    encoder, decoder = on(xp, small_encoder(rng), small_generator(rng))
    decoder = Network((5, 2, 2))
    decoder.add("upsample1", Upsample2D(4))
    decoder.add("conv1", Conv2D(5, 3, 3, pad=1, rng=rng))
    decoder, = on(xp, decoder)
    likeness = blocks_of(encoder)
    pictures = [rng.standard_normal((4, 3, 1, 1)) + 0.1 * rng.standard_normal((4, 3, 8, 8)) for _ in range(4)]
    batches = CodeBatches(lambda step: (pictures[step % 4].astype(np.float32), None), likeness)
    codes, wanted = batches(0)
    assert type(codes) is np.ndarray and codes.shape == (4, 5, 2, 2) and "code" not in wanted
    history = train(decoder, batches, update=Adam(0.05), num_steps=40, loss=likeness)
    assert np.mean(history[-4:]) < 0.5 * np.mean(history[:4])


def test_the_training_script_trains_a_decoder_and_saves_a_checkpoint(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(train_decoder, "TESTED", 12)
    assert exit_code(train_decoder, "--steps", "2", "--batch-size", "3", "-o", tmp_path / "decoder.h5", "--checkpoint",
                     tmp_path / "state.npz") == 0
    assert "accuracy of the network on 12 new images, decoded from their features" in capsys.readouterr().out
    trained = load_model(tmp_path / "decoder.h5", "cpu")
    assert trained.name == "shapes_decoder" and (tmp_path / "state.npz").is_file() and trained.labels == []
    assert np.abs(trained.net.layer("conv1").params["w"] - shapes_decoder(0).layer("conv1").params["w"]).max() > 0


# ---- the checks ------------------------------------------------------------------------------------------------------


def test_the_gradient_to_the_code_is_the_slope_of_the_score(rng):
    generator, net = small_generator(rng).astype("float64"), small_network(rng).astype("float64")
    code = abs(rng.standard_normal((1, 6, 2, 2)))

    def score(at):
        return float(net.predict(generator.predict(at))[0, 1])
    assert directional_error(score, code, code_gradient(generator, net, 1, code), rng) < 1e-4


@pytest.fixture(scope="module")
def drawn():
    """Training pictures of the decoder: x, labels."""
    x, labels = ShapeBatches(36, 0)(0)
    return x, labels


def test_copies_noise_and_other_classes_have_other_numbers(rng, drawn):
    model, (x, labels) = load_model("shapes", "cpu"), drawn
    stripes = np.where(np.arange(64) % 6 < 3, -2, 2).astype(np.float32) * np.ones((3, 3, 64, 1), np.float32)
    noise = stripes * np.sign(rng.standard_normal((3, 3, 64, 64))).astype(np.float32)
    mine, _ = ShapeBatches(36, 1)(0)
    mine_labels = model.net.predict(mine).argmax(axis=1)
    def values(painted, wanted, by_pixels=noise):
        checks = check_generated(model.net, shapes_encoder(model.net), wanted, painted, by_pixels, x, labels,
                                 model.preprocessing)
        assert not any(check.judged for check in checks)
        return [check.value for check in checks]
    first, score, near, frequency, copy = values(mine[:3], mine_labels[:3])
    assert first == 1 and score > 5 and near < 1.5 and frequency < 0.2 and copy > 10
    assert values(stripes, labels[:3])[2] > 2 * near
    others = values(mine[:3], (mine_labels[:3] + 1) % 12)
    assert others[0] == 0 and others[1] < 0
    assert values(x[:3], labels[:3])[4] < 1 and values(noise, labels[:3])[3] > 0.3
    alone = check_generated(model.net, shapes_encoder(model.net), mine_labels[:3], mine[:3], noise, x[:0], labels[:0],
                            model.preprocessing)
    assert [check.value for check in alone] == [first, score, frequency]
    assert isinstance(model.preprocessing, Preprocessing)


# ---- the demo --------------------------------------------------------------------------------------------------------


def run(*arguments):
    """Run the demo with the network `shapes`, or with another --model; return its exit code."""
    return exit_code(demo, "--model", "shapes", *arguments)


SHORT = ["--class", "dotted disc", "--class", "striped star", "--steps", "6", "--save-every", "2", "--device", "cpu"]


@pytest.mark.parametrize("at", [3, 9, 20])  # in the first code, in the first pixels, in the second class
def test_ctrl_c_saves_the_results_and_the_demo_resumes_to_the_same(tmp_path, monkeypatch, capsys, at):
    monkeypatch.setattr(decoders, "BATCHES", 1)
    assert run(*SHORT, "--out", str(tmp_path / "whole")) == 0
    plain = module.optimize_image
    stopping = interrupted(plain, at)
    monkeypatch.setattr(module, "optimize_image", stopping)
    monkeypatch.setattr("minicnn.visualize.synthesis.ascent.optimize_image", stopping)
    out = tmp_path / "out"
    assert run(*SHORT, "--out", str(out)) == 130
    assert f"--resume --out {out}" in capsys.readouterr().err
    assert len(np.load(out / "generator_prior.npy")) == (1 if at < 12 else 2)
    monkeypatch.setattr(module, "optimize_image", plain)
    monkeypatch.setattr("minicnn.visualize.synthesis.ascent.optimize_image", plain)
    assert run(*SHORT, "--decay", "0.1", "--resume", "--out", str(out)) == 2
    assert "was saved by another run: it has decay 0.01, not 0.1" in capsys.readouterr().err
    assert run(*SHORT, "--resume", "--out", str(out)) == 0
    whole, again = (np.load(folder / "generator_prior.npy") for folder in (tmp_path / "whole", out))
    assert whole.tobytes() == again.tobytes()
    assert len(json.loads((out / "generator_prior.json").read_text())["history"]) == 6
    assert {file.suffix for file in out.iterdir()} == {".png", ".npy", ".json"}


def test_the_demo_passes_its_checks(tmp_path, capsys):
    assert run("--device", "cpu", "--class", "2", "--class", "9", "--steps", "60", "--out", str(tmp_path / "out")) == 0
    assert "FAIL" not in capsys.readouterr().out
    card = json.loads((tmp_path / "out" / "generator_prior.json").read_text())
    numbers = {check["what"]: check["value"] for check in card["checks"] if not check["judged"]}
    assert numbers["share of the generated 8-bit pictures that are classified as their class"] == 1
    assert len(card["checks"]) == 11 and len(card["history"]) == 60 and card["parameters"]["learning_rate"] == 0.3


def test_the_demo_on_the_strict_gpu_makes_the_pictures_of_the_cpu(strict_cupy, tmp_path, monkeypatch):
    monkeypatch.setattr(decoders, "BATCHES", 1)
    for device in ("gpu", "cpu"):
        assert run("--class", "2", "--steps", "1", "--device", device, "--out", str(tmp_path / device)) == 0
    on_gpu, on_cpu = (np.load(tmp_path / device / "generator_prior.npy") for device in ("gpu", "cpu"))
    assert np.linalg.norm(on_gpu - on_cpu) < 1e-3 * np.linalg.norm(on_cpu)  # more steps would amplify the rounding


def test_the_default_is_the_network_of_photographs(tmp_path, capsys, empty_cache):
    assert exit_code(demo, "--device", "cpu", "--class", "sunflower", "--steps", "3", "--out", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "model: photos" in said and "minicnn fetch caltech101" in said
    card = json.loads((tmp_path / "out" / "generator_prior.json").read_text())
    assert all(check["passed"] for check in card["checks"]) and len(card["checks"]) == 6
    assert "look like photos" in card["explanation"] and "Bottom row" not in card["explanation"]
    assert np.load(tmp_path / "out" / "generator_prior.npy").shape == (1, 3, 128, 128)


def test_the_shipped_decoder_of_photos_knows_the_range_of_its_codes():
    model = load_model("photos", "cpu")
    source = decoders.shipped_source(model)
    norm = source.decoder.layer("norm0").buffers
    assert source.start.shape == source.highest.shape == (1, *source.decoder.input_shape) and not len(source.x)
    np.testing.assert_allclose(source.highest[0, :, 1, 2] ** 2, 9 * norm["var"], rtol=1e-5)
    np.testing.assert_array_equal(source.start[0, :, 0, 3], norm["mean"])
    assert decoders.has_decoder(load_model("shapes", "cpu")) and not decoders.has_decoder(load_model("digits", "cpu"))
    for layer in model.net.parameter_layers().values():
        layer.params["b"] = layer.params["b"] + 1
    assert not decoders.has_decoder(model)  # of other weights
    with pytest.raises(InputError, match="the shipped decoders are for photos and shapes, not for photos"):
        decoders.shipped_source(model)


@pytest.mark.parametrize("arguments, expected", [
    (["--model", "digits"], "the shipped decoders are for photos and shapes, not for digits"),
    (["--model", "shapes_decoder"], "shapes_decoder does not take pictures: its input has 120 channels"),
    (["--class", "doted disc"], "no class 'doted disc'; did you mean dotted disc"),
    (["--preset", "ngyuen"], "no preset 'ngyuen'; did you mean nguyen"),
    (["--steps", "0"], "expected a whole number from 1 on, not '0'"),
    (["--learning-rate", "nan"], "--learning-rate: expected a number, not 'nan'"),
    (["--resume"], "--resume needs the --out folder")])
def test_bad_input_is_one_line(arguments, expected, tmp_path, capsys):
    out = [] if arguments == ["--resume"] else ["--out", str(tmp_path / "out")]
    assert run("--device", "cpu", *arguments, *out) == 2
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1 and not (tmp_path / "out").exists()
