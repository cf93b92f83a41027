"""Gradient ascent on the image: the presets against their authors' loops, batches, seeds and resumed runs."""

import hashlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from small_networks import on

from minicnn import load_model
from minicnn.errors import InputError
from minicnn.losses import Likeness
from minicnn.models.preprocessing import CAFFE_VGG, TORCHVISION, Preprocessing
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.visualize import channel_visualization, class_visualization
from minicnn.visualize.synthesis.ascent_settings import (
    CLASS_PRESETS,
    DISTILL,
    MARGIN,
    NEURON,
    NEURON_PRESETS,
    PHOTOS,
    PUBLISHED,
    YOSINSKI,
    AscentSettings,
)
from minicnn.visualize.synthesis.before_relu import default_settings
from minicnn.visualize.synthesis.canvas import Canvas, first_images, input_scale
from weights_converter.convert import convert

PIXELS = Preprocessing("BGR", 1.0, (104.0, 117.0, 123.0), (1.0, 1.0, 1.0), 16, 16)


# ---- the presets -----------------------------------------------------------------------------------------------------


def yosinski_loop(net, label, x, mean, num_steps, *, decay=0, blur_radius=0, blur_every=0, small_norm_percentile=0,
                  px_abs_benefit_percentile=0, policy="constant", lr=100.0, max_lr=100.0, desired_prog=2.0):
    """Return the image of one class by the loop of the Deep Visualization Toolbox. x : pixels minus the mean."""
    for step in range(1, num_steps + 1):
        x = np.minimum(255, np.maximum(0, x + mean)) - mean
        trace = net.forward(x)
        seed = np.zeros_like(trace.activations[net.output])
        seed[0, label] = 1
        grad = net.backward(trace, {net.output: seed})["input"]
        rate = lr if policy == "constant" else min(max_lr, desired_prog / np.linalg.norm(grad)**2)
        x = (x + rate * grad) * (1 - decay)
        if blur_radius and step % blur_every == 0:  # the toolbox counts from 0 and blurs at steps 1, 5, 9, …
            x = np.stack([gaussian_filter(channel, blur_radius) for channel in x[0]])[None]
        if small_norm_percentile:
            norms = np.linalg.norm(x, axis=1)
            x = x * (norms >= np.percentile(norms, small_norm_percentile))[:, None]
        if px_abs_benefit_percentile:
            benefit = np.abs((grad * -x).sum(1))
            x = x * (benefit >= np.percentile(benefit, px_abs_benefit_percentile))[:, None]
    return np.minimum(255, np.maximum(0, x + mean)) - mean


TOOLBOX = {  # the four commands in doc/running-optimize-image.md of the toolbox
    "yosinski-1": dict(blur_radius=0.5, blur_every=4, small_norm_percentile=50, policy="progress"),
    "yosinski-2": dict(decay=0.3, small_norm_percentile=20),
    "yosinski-3": dict(decay=1e-4, blur_radius=1.0, blur_every=4),
    "yosinski-4": dict(blur_radius=0.5, blur_every=4, px_abs_benefit_percentile=90, policy="progress", max_lr=1e8),
}


@pytest.mark.parametrize("name", TOOLBOX)
def test_yosinskis_presets_are_the_toolboxs_loop(name, net):
    net, size = net.astype("float64"), 40  # float64, so that rounding moves no pixel across a percentile
    start = first_images((1, 3, size, size), PIXELS, np.random.default_rng(5), YOSINSKI)
    mean = np.array(PIXELS.mean).reshape(1, 3, 1, 1)
    expected = yosinski_loop(net, 2, start.astype("float64"), mean, 9, **TOOLBOX[name])
    image, history = class_visualization(net, 2, PIXELS, replace(CLASS_PRESETS[name], num_steps=9),
                                         rng=np.random.default_rng(5), size=size)
    assert np.abs(image - expected).max() < 1e-9 and np.abs(image - start).max() > 1 and len(history) == 9


def test_presets_have_the_published_lengths():
    assert [preset.num_steps for preset in CLASS_PRESETS.values()] == [256, 160, 100, 100, 100, 500, 750, 1000, 1000]
    assert [name for name, preset in CLASS_PRESETS.items() if preset.margin_weight] == ["photos", "margin"]
    for name in ("yosinski-1", "yosinski-2", "yosinski-3", "yosinski-4"):
        assert CLASS_PRESETS[name].gain == 1 and CLASS_PRESETS[name].inputs == "caffe"
    assert NEURON_PRESETS == {"distill": DISTILL, "neuron": NEURON} | {name: CLASS_PRESETS[name] for name in PUBLISHED}


@pytest.mark.parametrize("name", CLASS_PRESETS)
def test_a_preset_makes_the_same_picture_of_networks_with_other_inputs(name, net):
    """The same network for inputs in 0..255 and for standardized inputs: the weights of its first layer are scaled."""
    std = 0.2
    whitened = Preprocessing("BGR", 1 / 255, tuple(m / 255 for m in PIXELS.mean), (std,) * 3, 16, 16)
    pixels, other = net.astype("float64"), net.astype("float64")
    conv1 = pixels.layer("conv1").params
    conv1["w"] = conv1["w"] / (255 * std)
    settings = replace(CLASS_PRESETS[name], num_steps=6, start_noise=CLASS_PRESETS[name].start_noise or 1.0)
    one, _ = class_visualization(pixels, 1, PIXELS, settings, rng=np.random.default_rng(3))
    two, _ = class_visualization(other, 1, whitened, settings, rng=np.random.default_rng(3))
    assert np.abs(one - two * 255 * std).max() < 1e-2 * np.abs(one).max()


def test_input_scale_is_1_for_the_inputs_of_the_preset():
    assert input_scale(TORCHVISION, "torchvision") == input_scale(CAFFE_VGG, "caffe") == 1
    assert input_scale(CAFFE_VGG, "torchvision") == pytest.approx(57.6, rel=0.01)


def test_a_grey_level_is_the_mean_change_of_a_pixel():
    """A change of x by `unit` in each channel changes the pixels by one level on average, for any deviations."""
    uneven = Preprocessing("RGB", 1 / 255, (0.5,) * 3, (0.1, 0.2, 0.6), 16, 16)
    levels = np.array(uneven.std) * uneven.unit / uneven.scale
    assert levels.mean() == pytest.approx(1) and input_scale(uneven, "caffe") == uneven.unit


# "simonyan" has no blur and no jitter and is chaotic: relative changes of the noise by 1e-6 to 1e-3 give 13.8 to 16.9
@pytest.mark.parametrize(("name", "changes", "score"), [
    ("margin", {}, 66.8), ("cs231n", {}, 68.4), ("simonyan", {"start_noise": 0.5, "gain": 5.0}, 15.35),
    ("yosinski-1", {"start_noise": 50.0, "gain": 300.0, "num_steps": 60}, 22.4),
    ("yosinski-2", {"start_noise": 50.0, "gain": 300.0, "num_steps": 60}, 5.85),
    ("yosinski-3", {"start_noise": 50.0, "gain": 300.0, "num_steps": 60}, 8.79),
    ("yosinski-4", {"start_noise": 50.0, "num_steps": 60}, 13.05)])
def test_final_scores_of_the_presets_on_the_shipped_network(name, changes, score):
    model = load_model("shapes", "cpu")
    image, _ = class_visualization(model.net, 0, model.preprocessing, replace(CLASS_PRESETS[name], **changes),
                                   rng=np.random.default_rng([0, 0]))
    final = model.net.predict(model.preprocessing.to_input(model.preprocessing.to_image(image)))[0]
    assert final[0] == pytest.approx(score, rel=0.15 if name == "simonyan" else 0.05) and final.argmax() == 0


def test_the_margin_counts_as_much_as_its_weight_says(net, xp):
    """One step without a penalty follows the gradient of score + 0.25 (score - best other score)."""
    settings = replace(MARGIN, num_steps=1, max_jitter=0, l2_reg=0.0, clamp="none", blur_sigma=0.0, margin_weight=0.25)
    start = first_images((2, 3, 16, 16), TORCHVISION, np.random.default_rng(1), settings)
    image, history = class_visualization(on(xp, net), [0, 3], TORCHVISION, settings, rng=np.random.default_rng(1))
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

@pytest.mark.parametrize(("settings", "message"), [
    ({"policy": "adaptive"}, "no policy 'adaptive'"), ({"clamp": "lst"}, "no clamp 'lst'; did you mean last"),
    ({"inputs": "coffee"}, "no inputs 'coffee'"), ({"decay": 1.0}, "from 0 to below 1, not 1.0"),
    ({"small_norm": 100.0}, "from 0 to below 100, not 100.0"),
    ({"policy": "adam", "parametrization": "pixels"}, "need each other"),
    ({"policy": "normalized", "parametrization": "fourier"}, "need each other"),
    ({"policy": "adam", "parametrization": "fourier", "blur_sigma": 0.5}, "blur_sigma changes pixels"),
    ({"policy": "adam", "parametrization": "wavelets"}, "no parametrization 'wavelets'"),
    ({"max_scale": 1.0}, "max_scale is 1.0"), ({"max_rotation": -1.0}, "max_rotation"), ({"border": -1}, "border"),
    ({"spectrum_power": -1.0}, "spectrum_power"),
    ({"small_contribution": -1.0}, "from 0 to below 100, not -1.0")], ids=str)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        AscentSettings(**settings)
    with pytest.raises(InputError, match=message):
        replace(AscentSettings(), **settings)


# ---- batches, seeds, states ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLASS_PRESETS)
def test_the_images_of_a_batch_are_independent(name, net, xp):
    """Without jitter and with the same first image, the images of a batch do not depend on each other."""
    settings = replace(CLASS_PRESETS[name], num_steps=4, max_jitter=0, max_scale=0.0, max_rotation=0.0,
                       start_noise=max(CLASS_PRESETS[name].start_noise, 1.0))

    class Noise(np.random.Generator):  # the same noise for each image of a batch
        def standard_normal(self, shape, dtype):
            return np.repeat(np.random.default_rng(1).standard_normal((1, *shape[1:]), dtype), shape[0], axis=0)

        def integers(self, low, high, count):
            return np.zeros(count, int)
    together, _ = class_visualization(on(xp, net), [0, 3, 4], PIXELS, settings, rng=Noise(np.random.PCG64()))
    for n, label in enumerate((0, 3, 4)):
        alone, _ = class_visualization(on(xp, net), label, PIXELS, settings, rng=Noise(np.random.PCG64()))
        assert np.allclose(together[n], alone[0], rtol=1e-3, atol=1e-3 * np.abs(alone).max())


SEEDED = """
import hashlib, numpy as np
from dataclasses import replace
from minicnn import load_model
from minicnn.visualize import class_visualization, neuron_visualization
from minicnn.visualize.synthesis.ascent_settings import CS231N, MARGIN, YOSINSKI_1
model = load_model("shapes", "cpu")
one, _ = class_visualization(model.net, 3, model.preprocessing, replace(MARGIN, num_steps=5),
                             rng=np.random.default_rng(7))
two, _ = neuron_visualization(model.net, "relu3", [3, 4], model.preprocessing, replace(CS231N, num_steps=5),
                              rng=np.random.default_rng(7))
three, _ = class_visualization(model.net, 3, model.preprocessing, replace(YOSINSKI_1, num_steps=5, start_noise=50.0),
                               rng=np.random.default_rng(7))
print(hashlib.sha256(one.tobytes() + two.tobytes() + three.tobytes()).hexdigest())
"""


def test_two_processes_make_the_same_pictures_bit_for_bit():
    digests = {subprocess.run([sys.executable, "-c", SEEDED], capture_output=True, text=True, check=True).stdout
               for _ in range(2)}
    assert len(digests) == 1 and len(digests.pop().strip()) == hashlib.sha256().digest_size * 2


@pytest.mark.parametrize("name", CLASS_PRESETS)
def test_an_interrupted_preset_resumes_to_the_same_images(name, net, xp, tmp_path):
    settings = replace(CLASS_PRESETS[name], num_steps=7, start_noise=CLASS_PRESETS[name].start_noise or 1.0)

    def climb(checkpoint=None, callback=None):
        return class_visualization(on(xp, net), [0, 2], PIXELS, settings, rng=np.random.default_rng(2),
                                   callback=callback, checkpoint=checkpoint)[0]

    def interrupt(progress, image):
        if progress.step == 6:
            raise KeyboardInterrupt
    whole = climb()
    with pytest.raises(KeyboardInterrupt):
        climb(Checkpoint(tmp_path / "run.npz", every=3), interrupt)
    assert climb(Checkpoint(tmp_path / "run.npz", every=3, resume=True)).tobytes() == whole.tobytes()


# ---- the spectrum ----------------------------------------------------------------------------------------------------


def test_a_photographic_network_is_shown_by_the_spectrum_and_one_of_drawings_by_pixels(net):
    net.layer("conv1").params["b"][:] = 0.1
    assert default_settings(net, MARGIN) is DISTILL
    for name in ("shapes", "digits"):
        assert default_settings(load_model(name, "cpu").net, MARGIN, PHOTOS) is MARGIN


def test_a_network_of_small_photos_has_smoother_pictures_of_its_classes():
    net = load_model("photos", "cpu").net
    assert default_settings(net, MARGIN, PHOTOS) is PHOTOS and default_settings(net, MARGIN) is DISTILL


@pytest.mark.parametrize(("size", "side"), [(224, 256), (64, 80), (13, 16), (227, 264)])
def test_the_border_scales_with_the_picture(size, side, net):
    canvas = Canvas(TORCHVISION, DISTILL, size, "cpu")
    assert canvas.side == side and canvas.image(canvas.draw(2, np.random.default_rng(0))).shape == (2, 3, size, size)


@pytest.mark.parametrize("preprocessing", [TORCHVISION, CAFFE_VGG], ids=["RGB", "BGR"])
def test_the_first_number_of_a_spectrum_is_the_brightness(preprocessing, net):
    """A positive constant wave of the first colour makes the picture brighter in all channels, and hardly coloured."""
    canvas = Canvas(preprocessing, DISTILL, 16, "cpu")
    z = np.zeros(canvas.draw(1, np.random.default_rng(0)).shape, np.float32)
    z[0, 0, 0, 0, 0] = 6.0
    picture = preprocessing.to_image(canvas.image(z)).astype(int)
    assert 150 < picture.min() and picture.max() - picture.min() < 5
    z[0, 0], z[0, 1, 0, 0, 0] = 0.0, 6.0
    red, green, blue = preprocessing.to_image(canvas.image(z))[0, 0].astype(int)
    assert red > green + 10 > blue + 20  # the second colour goes from blue to red


def test_a_spectrum_climbs_at_any_size(net, xp):
    settings = replace(DISTILL, num_steps=6, start_noise=1.0, max_rotation=3.0)
    image, history = class_visualization(on(xp, net), 1, TORCHVISION, settings, rng=1, size=37)
    assert image.shape == (1, 3, 37, 37) and image.dtype == np.float32
    assert history[-1].values[0] > history[0].values[0]


def test_diversity_makes_the_images_of_a_channel_differ(net):
    settings, layer = replace(DISTILL, num_steps=20, start_noise=1.0), "conv1"
    likeness = {}
    for weight in (0.0, 100.0):
        images, _ = channel_visualization(net, layer, [2, 2, 2], TORCHVISION,
                                          replace(settings, diversity_weight=weight), rng=2)
        likeness[weight], _ = Likeness(layer)({layer: net.predict(images, layer)})
    assert likeness[100.0] < 0.9 * likeness[0.0]


def test_the_scores_of_real_classes(test_data, tmp_path):
    """64 of the 256 steps at 128 pixels. The preset "margin" ends at 69 and 22 grey levels."""
    convert(test_data / "weights" / "squeezenet1_1.npz", tmp_path / "net.h5", say=lambda line: None)
    model = load_model(tmp_path / "net.h5", "cpu").fast()
    image, _ = class_visualization(model.net, 366, model.preprocessing, replace(DISTILL, num_steps=64), rng=[0, 366],
                                   size=128)
    picture = model.preprocessing.to_image(image)
    scores = model.net.predict(model.preprocessing.to_input(picture))[0]
    assert scores.argmax() == 366 and scores[366] > 200 and picture.std() > 40
