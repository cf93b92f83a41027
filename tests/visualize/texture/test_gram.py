"""Textures by Gram matrices on both backends: the result, its range, resuming, and bad input."""

import numpy as np
import pytest
from two_stages import network

from minicnn import models
from minicnn.backend import to_device, to_host
from minicnn.datasets.drawings import draw_style
from minicnn.errors import InputError
from minicnn.layers import MaxPool2D
from minicnn.models import load_model
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.visualize import synthesize_texture
from minicnn.visualize.style.terms import gram_targets, relative_errors
from minicnn.visualize.texture.gram import TEXTURE_PRESETS, TextureSettings, match_histogram, num_conditions
from minicnn.visualize.texture.gram_check import check_texture
from weights_converter.convert import convert

LAYERS = ("relu1", "pool1", "relu2")


def source(size=16, dtype="float32"):
    return (draw_style("stripes", np.random.default_rng(1), size).transpose(2, 0, 1)[None] / 128 - 1).astype(dtype)


def texture(xp, size=None, callback=None, checkpoint=None, seed=0, **settings):
    settings = TextureSettings(**{"layers": LAYERS, "num_steps": 60} | settings)
    return synthesize_texture(network(xp), source(), settings, rng=np.random.default_rng(seed), size=size,
                              callback=callback, checkpoint=checkpoint)


def test_the_texture_has_the_gram_matrices_of_the_source(xp):
    net, image = network(xp), texture(xp, num_steps=150)[0]
    assert isinstance(image, np.ndarray) and image.dtype == "float32" and image.shape == (1, 3, 16, 16)
    average = net.with_pooling("avg")
    targets = gram_targets(average, [to_device(source(), net.device)], LAYERS)
    assert max(relative_errors(average, to_device(image, net.device), targets).values()) < 1e-2
    assert np.abs(image - source()).mean() > 0.1  # but it is another picture
    assert isinstance(net.layer("pool1"), MaxPool2D)


def test_adam_converges_as_its_learning_rate_falls(xp):
    def error(image):
        net = network(xp).with_pooling("max")
        return max(relative_errors(net, to_device(image, net.device),
                                   gram_targets(net, [to_device(source(), net.device)], LAYERS)).values())
    image, history = texture(xp, optimizer="adam", pooling="max", num_steps=200)
    assert error(image) < 1e-2 and history[-1].total < history[0].total / 1000


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_values_stay_in_the_range_of_the_source(optimizer, xp):
    image, _ = texture(xp, optimizer=optimizer, num_steps=15, noise=2.0)
    for channel in range(3):
        assert source()[0, channel].min() <= image[0, channel].min()
        assert image[0, channel].max() <= source()[0, channel].max()


def test_both_backends_give_the_same_texture(strict_cupy):
    on_cpu, on_gpu = (texture(xp, num_steps=10)[0] for xp in (np, strict_cupy))
    assert np.linalg.norm(on_cpu - on_gpu) < 1e-3 * np.linalg.norm(on_cpu)


def test_a_seed_repeats_the_texture_bit_for_bit(xp):
    one, two, other = (texture(xp, num_steps=4, seed=seed)[0] for seed in (7, 7, 8))
    assert one.tobytes() == two.tobytes() and one.tobytes() != other.tobytes()
    assert texture(xp, num_steps=2, size=(10, 23))[0].shape == (1, 3, 10, 23)


def test_a_resumed_run_ends_in_the_same_picture(xp, tmp_path):
    def stop(progress, image):
        if progress.step == 7:
            raise KeyboardInterrupt
    whole, history = texture(xp, num_steps=12)
    with pytest.raises(KeyboardInterrupt):
        texture(xp, num_steps=12, callback=stop, checkpoint=Checkpoint(tmp_path / "state.npz", every=3))
    again, resumed = texture(xp, num_steps=12, checkpoint=Checkpoint(tmp_path / "state.npz", every=3, resume=True))
    assert again.tobytes() == whole.tobytes() and resumed == history


def test_match_histogram(xp, rng):
    image, wanted = rng.standard_normal((1, 2, 5, 6)), rng.uniform(size=(1, 2, 5, 6))
    matched = to_host(match_histogram(xp.asarray(image), xp.asarray(wanted)))
    for channel in range(2):
        assert np.array_equal(np.sort(matched[0, channel], None), np.sort(wanted[0, channel], None))
        assert np.array_equal(np.argsort(matched[0, channel], None), np.argsort(image[0, channel], None))
    smaller = to_host(match_histogram(xp.asarray(image), xp.asarray(wanted[..., :3])))
    assert set(smaller[0, 0].ravel()) == set(wanted[0, 0, :, :3].ravel())


@pytest.mark.parametrize("settings, message", [
    ({"layers": ("relu1", "relu9", "conv7")}, "no layer 'relu9', 'conv7': .* ends at 'pool2'; there are relu1, pool1, "
                                              "relu2, pool2"),
    ({"layers": (99,)}, "no layer 99: the network"),
    ({"layers": ("relu1", "rleu2")}, "no layer .rleu2.; did you mean relu2\\?"),
    ({"layers": {"relu1": 0.0, "pool1": 0}}, "all weights are 0"),
    ({"layers": {"relu1": -1.0}}, "the weight of texture layer 'relu1' is -1.0; expected a number from 0 on"),
    ({"layers": {"relu1": float("nan")}}, "the weight of texture layer 'relu1' is nan"),
    ({"layers": ()}, "all weights are 0"),
    ({"size": (3, 16), "layers": ("pool2",)}, "the texture has 16x3 pixels, too few for 'pool2'.*4 a side are enough"),
    ({"optimizer": "adm"}, "no optimizer 'adm'; did you mean adam"),
    ({"pooling": "mean"}, "no pooling 'mean'"),
    ({"reduction": "relativ"}, "no reduction 'relativ'; did you mean relative")], ids=str)
def test_bad_input(settings, message, xp):
    with pytest.raises(InputError, match=message):
        texture(xp, **settings)


def test_a_texture_of_the_first_layers_of_vgg19(test_data, tmp_path):
    """The gradients are so small that a first L-BFGS step of this length would have no effect in float32."""
    convert(test_data / "weights" / "vgg19_normalised_conv1_1-conv3_1.npz", tmp_path / "vgg19.h5", features_only=True,
            say=lambda line: None)
    model = load_model(str(tmp_path / "vgg19.h5"), "cpu")
    x = model.preprocessing.to_input(draw_style("strokes", np.random.default_rng(0), 128))
    settings = TextureSettings(("relu1_1", "pool1", "pool2", "relu3_1"), num_steps=5, noise=0.1)
    _, history = synthesize_texture(model.net, x, settings, rng=np.random.default_rng(0))
    assert history[-1].total < history[0].total / 5


def test_num_conditions():
    assert num_conditions(network(np), {"relu1": 1.0, "relu2": 2.0}) == 21 + 36  # 6 and 8 channels


def test_a_truncated_network_names_its_layers():
    trunk = models.vgg19(seed=None, padding="reflect").trunk("conv3_1")
    with pytest.raises(InputError, match=r"no layer 'pool3', 'pool4': .* ends at 'conv3_1'; there are relu1_1, "
                                         r"relu1_2, pool1, relu2_1, relu2_2, pool2"):
        synthesize_texture(trunk, source(), TEXTURE_PRESETS["gatys"], rng=np.random.default_rng(0))


def test_noise_has_other_numbers(rng):
    net, image = network(np).with_pooling("avg"), texture(np, num_steps=150)[0]
    weights = dict.fromkeys(LAYERS, 1.0)
    checks = check_texture(net, source(), image, weights, np.random.default_rng(0))
    assert all(check.passed for check in checks), checks
    assert checks[0].value < 1e-2 and checks[1].value > 100
    noise = rng.standard_normal(image.shape, np.float32)
    checks = check_texture(net, source(), noise, weights, np.random.default_rng(0))
    assert [check.judged for check in checks] == [False, False, True, True]
    assert checks[0].value > 0.1 and checks[1].value < 2
