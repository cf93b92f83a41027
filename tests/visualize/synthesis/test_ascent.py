"""Gradient ascent on the image: the presets against their authors' loops, batches, neurons, and where it begins."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from minicnn import load_model, plot
from minicnn.backend import to_device, to_host
from minicnn.errors import InputError, UnknownNameError
from minicnn.layers import Concat, Conv2D, Dropout, Flatten, GlobalAvgPool2D, Linear, MaxPool2D, ReLU
from minicnn.losses import ClassScore, NeuronActivation
from minicnn.models import alexnet, build_network, caffenet, squeezenet1_0, squeezenet1_1, vgg16
from minicnn.models.preprocessing import CAFFE_VGG, TORCHVISION, Preprocessing
from minicnn.network import Network
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.visualize import (
    channel_visualization,
    class_visualization,
    layer_visualization,
    neuron_gradient,
    neuron_visualization,
    receptive_field,
)
from minicnn.visualize.synthesis.ascent import (
    CLASS_PRESETS,
    before_relu,
    first_images,
    input_scale,
    is_blind_to_grey,
    neuron_view,
    values_of_images,
)
from minicnn.visualize.synthesis.ascent_check import (
    away_from_padding,
    check_excitement,
    check_field,
    check_smoother,
    check_zeroed,
    excitement,
    rank_in_layer,
    relative_variation,
)

PIXELS = Preprocessing("BGR", 1.0, (104.0, 117.0, 123.0), (1.0, 1.0, 1.0), 16, 16)
FAST = {"num_steps": 4, "max_jitter": 0}


@pytest.fixture
def net(rng):
    """A stage, a branch of two ReLUs, five class scores behind another."""
    net = Network((3, 16, 16), {"features.0": "conv1"})
    net.add("conv1", Conv2D(3, 6, 3, pad=1, rng=rng))
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(2))
    net.add("conv2a", Conv2D(6, 4, 1, rng=rng), "pool1")
    left = net.add("relu2a", ReLU())
    net.add("conv2b", Conv2D(6, 4, 3, pad=1, rng=rng), "pool1")
    right = net.add("relu2b", ReLU())
    net.add("concat", Concat(), left, right)
    net.add("drop3", Dropout(0.5))
    net.add("conv3", Conv2D(8, 5, 1, rng=rng))
    net.add("relu3", ReLU())
    net.add("scores", GlobalAvgPool2D())
    return net


def on(xp, net):
    return net.to_device("cpu" if xp is np else "gpu")


# ---- the presets -----------------------------------------------------------------------------------------------------


def yosinski_loop(net, label, x, mean, num_steps, *, decay=0, blur_radius=0, blur_every=0, small_norm_percentile=0,
                  px_abs_benefit_percentile=0, policy="constant", lr=100.0, max_lr=100.0, desired_prog=2.0):
    """The Deep Visualization Toolbox's loop over a picture in 0..255 whose mean was subtracted, for one class."""
    for step in range(1, num_steps + 1):
        x = np.minimum(255, np.maximum(0, x + mean)) - mean
        trace = net.forward(x)
        seed = np.zeros_like(trace.activations[net.output])
        seed[0, label] = 1
        grad = net.backward(trace, {net.output: seed})["input"]
        rate = lr if policy == "constant" else min(max_lr, desired_prog / np.linalg.norm(grad)**2)
        x = (x + rate * grad) * (1 - decay)
        if blur_radius and step % blur_every == 0:  # theirs counts from 0 and blurs at steps 1, 5, 9, …
            x = np.stack([gaussian_filter(channel, blur_radius) for channel in x[0]])[None]
        if small_norm_percentile:
            norms = np.linalg.norm(x, axis=1)
            x = x * (norms >= np.percentile(norms, small_norm_percentile))[:, None]
        if px_abs_benefit_percentile:
            benefit = np.abs((grad * -x).sum(1))
            x = x * (benefit >= np.percentile(benefit, px_abs_benefit_percentile))[:, None]
    return np.minimum(255, np.maximum(0, x + mean)) - mean


TOOLBOX = {  # doc/running-optimize-image.md of the toolbox, the four lines
    "yosinski-1": dict(blur_radius=0.5, blur_every=4, small_norm_percentile=50, policy="progress"),
    "yosinski-2": dict(decay=0.3, small_norm_percentile=20),
    "yosinski-3": dict(decay=1e-4, blur_radius=1.0, blur_every=4),
    "yosinski-4": dict(blur_radius=0.5, blur_every=4, px_abs_benefit_percentile=90, policy="progress", max_lr=1e8),
}


@pytest.mark.parametrize("name", TOOLBOX)
def test_yosinskis_presets_are_the_toolboxs_loop(name, net):
    net, size = net.astype("float64"), 40  # float64: no pixel lies on the other side of a percentile by rounding
    start = first_images((1, 3, size, size), PIXELS, np.random.default_rng(5), 10.0, "caffe")
    mean = np.array(PIXELS.mean).reshape(1, 3, 1, 1)
    expected = yosinski_loop(net, 2, start.astype("float64"), mean, 9, **TOOLBOX[name])
    image, history = class_visualization(net, 2, PIXELS, rng=np.random.default_rng(5), size=size,
                                         **CLASS_PRESETS[name] | {"num_steps": 9})
    assert np.abs(image - expected).max() < 1e-9 and np.abs(image - start).max() > 1 and len(history) == 9


def test_presets_have_the_published_lengths_and_the_same_settings():
    assert [preset["num_steps"] for preset in CLASS_PRESETS.values()] == [100, 100, 100, 500, 750, 1000, 1000]
    assert len({frozenset(preset) for preset in CLASS_PRESETS.values()}) == 1  # so that each can be set
    assert [name for name, preset in CLASS_PRESETS.items() if preset["margin_weight"]] == ["margin"]
    for name in ("yosinski-1", "yosinski-2", "yosinski-3", "yosinski-4"):
        assert CLASS_PRESETS[name]["gain"] == 1 and CLASS_PRESETS[name]["inputs"] == "caffe"


@pytest.mark.parametrize("name", CLASS_PRESETS)
def test_a_preset_makes_the_same_picture_of_networks_with_other_inputs(name, net):
    """The same network for inputs in 0..255 and over a standard deviation: its first layer makes up for it."""
    std = 0.2
    whitened = Preprocessing("BGR", 1 / 255, tuple(m / 255 for m in PIXELS.mean), (std,) * 3, 16, 16)
    pixels, other = net.astype("float64"), net.astype("float64")
    conv1 = pixels.layer("conv1").params
    conv1["w"] = conv1["w"] / (255 * std)
    settings = CLASS_PRESETS[name] | {"num_steps": 6, "start_noise": 1.0 if name == "simonyan" else
                                      CLASS_PRESETS[name]["start_noise"]}
    one, _ = class_visualization(pixels, 1, PIXELS, rng=np.random.default_rng(3), **settings)
    two, _ = class_visualization(other, 1, whitened, rng=np.random.default_rng(3), **settings)
    assert np.abs(one - two * 255 * std).max() < 1e-2 * np.abs(one).max()


def test_input_scale_is_1_for_those_whom_the_numbers_are_for():
    assert input_scale(TORCHVISION, "torchvision") == input_scale(CAFFE_VGG, "caffe") == 1
    assert input_scale(CAFFE_VGG, "torchvision") == pytest.approx(57.6, rel=0.01)


@pytest.mark.parametrize(("name", "changes", "score"), [
    ("margin", {}, 66.8), ("cs231n", {}, 68.4), ("simonyan", {"start_noise": 0.5, "gain": 5.0}, 14.5),
    ("yosinski-1", {"start_noise": 50.0, "gain": 300.0, "num_steps": 60}, 22.4),
    ("yosinski-2", {"start_noise": 50.0, "gain": 300.0, "num_steps": 60}, 5.85),
    ("yosinski-3", {"start_noise": 50.0, "gain": 300.0, "num_steps": 60}, 8.79),
    ("yosinski-4", {"start_noise": 50.0, "num_steps": 60}, 13.05)])
def test_final_scores_of_the_presets_on_the_shipped_network(name, changes, score):
    model = load_model("shapes", "cpu")
    image, _ = class_visualization(model.net, 0, model.preprocessing, rng=np.random.default_rng([0, 0]),
                                   **CLASS_PRESETS[name] | changes)
    final = model.net.predict(model.preprocessing.to_input(model.preprocessing.to_image(image)))[0]
    assert final[0] == pytest.approx(score, rel=0.05) and final.argmax() == 0

def test_the_margin_counts_as_much_as_its_weight_says(net, xp):
    """One step without a penalty goes along the gradient of score + 0.25 (score - best other score)."""
    settings = FAST | {"l2_reg": 0.0, "clamp": "none", "blur_sigma": 0.0, "num_steps": 1}
    start = first_images((2, 3, 16, 16), TORCHVISION, np.random.default_rng(1))
    image, history = class_visualization(on(xp, net), [0, 3], TORCHVISION, rng=np.random.default_rng(1),
                                         margin_weight=0.25, **settings)
    trace = net.forward(start)
    scores, seed = trace.activations["scores"], np.zeros((2, 5), np.float32)
    margin = 0.0
    for n, label in enumerate((0, 3)):
        rival = max((scores[n, other], other) for other in range(5) if other != label)[1]
        seed[n, label], seed[n, rival] = 1.25, -0.25
        margin += scores[n, label] - scores[n, rival]
    gradient = net.backward(trace, {"scores": seed})["input"]
    expected = 25 * 16 / 224 * gradient / np.sqrt((gradient**2).sum(axis=(1, 2, 3), keepdims=True))
    assert np.abs(image - start - expected).max() < 1e-4 * np.abs(expected).max()
    assert history[0].values[0] == pytest.approx(scores[0, 0] + scores[1, 3], rel=1e-5)
    assert history[0].values[1] == pytest.approx(margin, abs=1e-5)


# ---- batches, seeds, states ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLASS_PRESETS)
def test_classes_together_are_what_they_are_alone(name, net, xp):
    """Without jitter and from one image each: no image takes notice of the others."""
    settings = CLASS_PRESETS[name] | FAST | {"start_noise": CLASS_PRESETS[name]["start_noise"] or 1.0}

    class Noise:  # the same for each image of a batch
        def standard_normal(self, shape, dtype):
            return np.repeat(np.random.default_rng(1).standard_normal((1, *shape[1:]), dtype), shape[0], axis=0)

        def integers(self, low, high, count):
            return np.zeros(count, int)
    together, _ = class_visualization(on(xp, net), [0, 3, 4], PIXELS, rng=Noise(), **settings)
    for n, label in enumerate((0, 3, 4)):
        alone, _ = class_visualization(on(xp, net), label, PIXELS, rng=Noise(), **settings)
        assert np.allclose(together[n], alone[0], rtol=1e-3, atol=1e-3 * np.abs(alone).max())


SEEDED = """
import hashlib, numpy as np
from minicnn import load_model, plot
from minicnn.visualize import class_visualization, neuron_visualization
from minicnn.visualize.synthesis.ascent import CLASS_PRESETS
model = load_model("shapes", "cpu")
one, _ = class_visualization(model.net, 3, model.preprocessing, rng=np.random.default_rng(7), num_steps=5)
two, _ = neuron_visualization(model.net, "relu3", [3, 4], model.preprocessing, rng=np.random.default_rng(7),
                              num_steps=5)
three, _ = class_visualization(model.net, 3, model.preprocessing, rng=np.random.default_rng(7),
                               **CLASS_PRESETS["yosinski-1"] | {"num_steps": 5, "start_noise": 50.0})
print(hashlib.sha256(one.tobytes() + two.tobytes() + three.tobytes()).hexdigest())
"""


def test_two_processes_make_the_same_pictures_bit_for_bit():
    digests = {subprocess.run([sys.executable, "-c", SEEDED], capture_output=True, text=True, check=True).stdout
               for _ in range(2)}
    assert len(digests) == 1 and len(digests.pop().strip()) == hashlib.sha256().digest_size * 2


@pytest.mark.parametrize("name", CLASS_PRESETS)
def test_an_interrupted_preset_goes_on_to_the_same_images(name, net, xp, tmp_path):
    settings = CLASS_PRESETS[name] | {"num_steps": 7, "start_noise": CLASS_PRESETS[name]["start_noise"] or 1.0}

    def climb(checkpoint=None, callback=None):
        return class_visualization(on(xp, net), [0, 2], PIXELS, rng=np.random.default_rng(2), callback=callback,
                                   checkpoint=checkpoint, **settings)[0]

    def interrupt(progress, image):
        if progress.step == 6:
            raise KeyboardInterrupt
    whole = climb()
    with pytest.raises(KeyboardInterrupt):
        climb(Checkpoint(tmp_path / "run.npz", every=3), interrupt)
    assert climb(Checkpoint(tmp_path / "run.npz", every=3, resume=True)).tobytes() == whole.tobytes()


# ---- neurons, channels, layers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [squeezenet1_1, squeezenet1_0, vgg16, alexnet, caffenet,
                                   lambda seed: build_network("shapes"), lambda seed: build_network("digits")])
def test_a_neurons_view_is_the_smallest_image_without_padding(build):
    net = build(seed=None)
    for name in net.layer_names():
        size, position = neuron_view(net, name)
        field, largest = receptive_field(net, name), net.input_shape[1]
        if position is None:
            assert size == largest and field is None
            continue
        side = net.trunk(name).shapes((net.input_shape[0], size, size))[name][2]
        assert position[0] == position[1] < side
        if size < largest:
            assert field.fits(*position, size, size) and size - field.size < field.stride
            assert not field.fits(*position, size - 1, size - 1)


def test_the_view_of_a_given_size_or_position(net):
    assert neuron_view(net, "conv1", size=9) == (9, (4, 4))
    assert neuron_view(net, "conv1", position=(0, 15)) == (16, (0, 15))
    assert neuron_view(net, "scores") == (16, None)


def test_what_is_maximised_rises_and_is_what_was_asked_for(net, xp):
    settings = {"num_steps": 12, "rng": np.random.default_rng(0)}
    net = on(xp, net)
    image, history = neuron_visualization(net, "relu2b", [1, 3], PIXELS, **settings)
    size, position = neuron_view(net, "relu2b")
    out = to_host(net.predict(to_device(image, net.device), "relu2b"))
    assert image.shape == (2, 3, size, size) and isinstance(image, np.ndarray)
    assert out[0, 1][position] + out[1, 3][position] > history[0].values[0]
    image, history = channel_visualization(net, "concat", 6, PIXELS, **settings)
    assert to_host(net.predict(to_device(image, net.device), "concat"))[0, 6].mean() > history[0].values[0]
    image, history = layer_visualization(net, "features.0", PIXELS, **settings)
    assert (to_host(net.predict(to_device(image, net.device), "conv1"))**2).sum() / 2 > history[0].values[0]


def test_only_what_the_neuron_sees_changes(net):
    """Of an image that is larger than the neuron's field, without a penalty, jitter or blur."""
    settings = {"num_steps": 5, "max_jitter": 0, "blur_sigma": 0.0, "l2_reg": 0.0, "clamp": "none", "size": 16}
    image, _ = neuron_visualization(net, "relu2b", 0, PIXELS, rng=np.random.default_rng(4), **settings)
    start = first_images((1, 3, 16, 16), PIXELS, np.random.default_rng(4))
    top, bottom, left, right = receptive_field(net, "relu2b").box(4, 4, 16, 16)
    inside = np.zeros((16, 16), bool)
    inside[top:bottom, left:right] = True
    assert np.array_equal(image[..., ~inside], start[..., ~inside]) and (image != start)[..., inside].any()


@pytest.mark.parametrize(("call", "message"), [
    (lambda net, **s: neuron_visualization(net, "relu1", 6, PIXELS, **s), "layer 'relu1' has channels 0 to 5, not 6"),
    (lambda net, **s: neuron_visualization(net, "relu1", [0, -1], PIXELS, **s), "has channels 0 to 5, not -1"),
    (lambda net, **s: channel_visualization(net, "relu1", 9, PIXELS, **s), "has channels 0 to 5, not 9"),
    (lambda net, **s: channel_visualization(net, "scores", 1, PIXELS, **s), "'scores' has no maps"),
    (lambda net, **s: neuron_visualization(net, "scores", 1, PIXELS, position=(0, 0), **s), "neurons have no position"),
    (lambda net, **s: neuron_visualization(net, "pool1", 1, PIXELS, position=(0, 8), **s),
     r"has positions \(y, x\) up to \(7, 7\) in an image of 16 pixels, not \(0, 8\)"),
    (lambda net, **s: neuron_visualization(net, "rleu1", 1, PIXELS, **s), "no layer 'rleu1'; did you mean relu1"),
    (lambda net, **s: layer_visualization(net, "relu3", PIXELS, size=1, **s), "layer 'pool1': "),
    (lambda net, **s: class_visualization(net, 5, PIXELS, **s), "no class 5"),
    (lambda net, **s: class_visualization(net, 0, PIXELS, policy="adaptive", **s), "no policy 'adaptive'"),
    (lambda net, **s: class_visualization(net, 0, PIXELS, clamp="lst", **s), "no clamp 'lst'; did you mean last"),
    (lambda net, **s: class_visualization(net, 0, PIXELS, inputs="coffee", **s), "no inputs 'coffee'"),
    (lambda net, **s: class_visualization(net, 0, PIXELS, decay=1.0, **s), "from 0 to below 1, not 1.0"),
    (lambda net, **s: class_visualization(net, 0, PIXELS, small_norm=100.0, **s), "from 0 to below 100, not 100.0")])
def test_what_is_not_there_is_named(call, message, net):
    with pytest.raises((InputError, UnknownNameError), match=message):
        call(net, rng=np.random.default_rng(0))


# ---- silent neurons --------------------------------------------------------------------------------------------------


def test_before_relu_gives_the_same_where_a_neuron_speaks_and_a_gradient_where_it_does_not(net, rng, xp):
    x = rng.standard_normal((2, 3, 16, 16), dtype="float32")
    for layer in ("relu1", "concat", "drop3"):
        other = before_relu(on(xp, net), layer)
        out, before = (to_host(one.predict(to_device(x, other.device), layer)) for one in (on(xp, net), other))
        assert np.allclose(np.maximum(before, 0), out, atol=1e-5) and (before < 0).any()
    assert [type(node.layer) for node in net.nodes].count(ReLU) == 4  # the network itself is as it was
    assert [node.name for node in before_relu(net, "concat").nodes if isinstance(node.layer, ReLU)] == ["relu1"]
    assert [node.name for node in before_relu(net, "scores").nodes if isinstance(node.layer, ReLU)] == \
        ["relu1", "relu2a", "relu2b"]


def test_a_silent_neuron_is_woken_up(net):
    start, channel = first_images((1, 3, 16, 16), TORCHVISION, np.random.default_rng(0)), 5
    speaks = net.predict(start, "conv2b")[0, channel - 4].max()
    net.layer("conv2b").params["b"] = net.layer("conv2b").params["b"] - np.float32(1.05 * speaks)
    assert not net.predict(start, "concat")[0, channel].any()
    image, history = channel_visualization(net, "concat", channel, TORCHVISION, rng=np.random.default_rng(0),
                                           num_steps=60)
    assert history[0].values[0] < 0 < net.predict(image, "concat")[0, channel].max()


def test_a_class_that_speaks_is_not_touched(net, monkeypatch):
    """The score itself is maximised, not what comes into its ReLU."""
    monkeypatch.setattr("minicnn.visualize.synthesis.ascent.before_relu", lambda net, layer: pytest.fail("it was"))
    start = first_images((1, 3, 16, 16), TORCHVISION, np.random.default_rng(0))
    label = int(net.predict(start)[0].argmax())
    class_visualization(net, label, TORCHVISION, rng=np.random.default_rng(0), num_steps=1)


def test_values_of_images(rng, xp):
    out = xp.asarray(rng.standard_normal((2, 3, 4, 4)))
    values = values_of_images(NeuronActivation("a", [2, 0], (1, 3)), out)
    assert np.allclose(to_host(values), [float(out[0, 2, 1, 3]), float(out[1, 0, 1, 3])])
    scores = xp.asarray(rng.standard_normal((2, 3)))
    assert np.allclose(to_host(values_of_images(ClassScore("s", 1), scores)), to_host(scores)[:, 1])


def test_the_shipped_network_is_blind_to_grey(net):
    assert is_blind_to_grey(load_model("shapes", "cpu").net)
    for bias, blind in ((-1, True), (1, False)):
        net.layer("conv1").params["b"] = np.full(6, bias, np.float32)
        assert is_blind_to_grey(net) is blind


# ---- the checks ------------------------------------------------------------------------------------------------------


def test_check_zeroed_counts_whole_pixels(rng):
    image = rng.standard_normal((1, 3, 10, 10))
    image[0, :, :2] = 0
    image[0, 1, 5] = 0  # only one channel: no zero pixels
    assert check_zeroed(image, 20.0)[0].passed and check_zeroed(image, 20.0)[0].value == 0.2
    assert not check_zeroed(image, 22.0)[0].passed


def test_relative_variation_of_noise_and_of_a_ramp(rng):
    assert relative_variation(rng.standard_normal((1, 3, 64, 64))) == pytest.approx(2, rel=0.05)
    assert relative_variation(np.broadcast_to(np.linspace(-1, 1, 64), (1, 3, 64, 64))) < 0.1
    image = rng.standard_normal((1, 3, 8, 8))
    assert relative_variation(image) == pytest.approx(relative_variation(100 * image))  # contrast is no matter


def test_check_smoother_compares_at_the_same_score(rng):
    rough = rng.standard_normal((1, 3, 32, 32))
    smooth = gaussian_filter(rough, (0, 0, 2, 2))
    passed = [check.passed for check in check_smoother(smooth, 5.0, [smooth, rough, smooth], [1.0, 5.5, 9.0])]
    assert passed == [True, True]  # the second is the first that reaches 5
    assert not any(check.passed for check in check_smoother(rough, 0.5, [smooth, rough], [1.0, 5.5]))
    best = check_smoother(smooth, 7.0, [smooth, rough, smooth], [1.0, 5.5, 2.0])
    assert all(check.passed and "did not reach" in check.expected for check in best)


def test_check_excitement_is_beaten_by_a_single_picture():
    natural = np.array([[1.0, 5.0], [3.0, 4.0]])
    good = check_excitement("neuron", "relu1", np.array([3.5, 6.0]), natural)
    assert [check.passed for check in good] == [True, True, True] and good[0].value == 2 and good[2].value == 100
    bad = check_excitement("neuron", "relu1", np.array([3.5, 4.5]), natural)
    assert not bad[0].passed and not bad[2].passed and bad[0].value == 1 and bad[2].value == 75


def test_excitement_of_neurons_channels_and_layers(rng):
    out = rng.standard_normal((2, 3, 4, 4))
    assert np.array_equal(excitement("neuron", out), out.max(axis=(2, 3)))
    assert np.allclose(excitement("channel", out), out.mean(axis=(2, 3)))
    assert np.allclose(excitement("layer", out)[:, 0], np.sqrt((out**2).mean(axis=(1, 2, 3))))
    assert np.array_equal(excitement("neuron", out[:, :, 0, 0]), out[:, :, 0, 0])


def test_neurons_at_the_border_do_not_count(net):
    out = np.zeros((1, 4, 8, 8))
    assert away_from_padding(net, "relu2b", out).shape == (1, 4, 4, 4)  # 6 pixels, every 2nd
    assert away_from_padding(net, "scores", out[:, :, 0, 0]).shape == (1, 4)


def test_check_field(net, rng):
    assert check_field(net, "relu2b", 1, rng)[0].passed
    assert check_field(net, "scores", 1, rng) == []

    class Leak(Conv2D):
        def backward(self, dout, x):
            return super().backward(dout, x) + 1e-6
    net.layer("conv1").__class__ = Leak
    assert not check_field(net, "relu2b", 1, rng)[0].passed


def test_a_faint_picture_is_amplified_about_the_mean_colour_and_a_strong_one_is_not(rng):
    middle = np.full((20, 20, 3), (120, 115, 100), np.uint8)
    faint = middle + rng.integers(0, 9, middle.shape, dtype=np.uint8)
    shown, factor = plot.amplify(faint, faint.astype(float) - middle)
    assert factor == 15 and shown.dtype == np.uint8
    assert np.array_equal(shown, 127 + 15 * (faint.astype(int) - middle))
    strong = rng.integers(0, 256, middle.shape, dtype=np.uint8)
    shown, factor = plot.amplify(strong, strong.astype(float) - middle)
    assert shown is strong and factor == 1
    fainter, factor = plot.amplify(middle, 0.4 * np.sin(np.arange(1200.0)).reshape(20, 20, 3))
    assert factor == pytest.approx(300, rel=0.01) and len(np.unique(fainter)) > 100


def test_rank_in_layer(rng):
    out = np.arange(24.0).reshape(2, 3, 4)
    assert rank_in_layer(out, 1, (2, 3)) == 1 and rank_in_layer(out, 0, (0, 0)) == 24
    assert rank_in_layer(np.array([3.0, 1.0, 2.0]), 2) == 2


def test_neurons_of_fully_connected_layers(rng):
    net = Network((1, 6, 6))
    net.add("flatten", Flatten())
    net.add("fc1", Linear(36, 4, rng))
    net.add("relu1", ReLU())
    grey = Preprocessing("L", 1 / 255, (0.5,), (0.25,), 6, 6)
    image, history = neuron_visualization(net, "relu1", [0, 2], grey, rng=np.random.default_rng(0), num_steps=8)
    gradient = neuron_gradient(net, image, "fc1", 2)
    assert image.shape == (2, 1, 6, 6) and history[-1].values[0] > history[0].values[0] and gradient.any()
