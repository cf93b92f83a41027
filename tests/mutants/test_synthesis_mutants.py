"""Each synthesis technique passes all judged checks of its run card; broken in a characteristic way, it fails one."""

from dataclasses import replace

import numpy as np
import pytest
from mutation import assert_found, assert_right, card, mutate

from demos import class_visualization as class_demo
from demos import deepdream as dream_demo
from demos import fooling as fooling_demo
from demos import generator_prior as generator_demo
from demos import inversion as inversion_demo
from demos import multifaceted as facet_demo
from demos import neuron_visualization as neuron_demo
from demos.patches import drawn_sources
from demos.shared.inputs import load_photos
from minicnn import images
from minicnn.models import load_model
from minicnn.optimize import image_steps, updates
from minicnn.visualize.synthesis import (
    ascent,
    class_visualization,
    deepdream,
    denoise,
    facets,
    fooling,
    generator,
    inversion,
    multifaceted,
    neuron_visualization,
)
from minicnn.visualize.synthesis.ascent_settings import CLASS_PRESETS, MARGIN, NEURON
from minicnn.visualize.synthesis.deepdream import DreamSettings
from minicnn.visualize.synthesis.fooling import FoolingSettings
from minicnn.visualize.synthesis.generator import SHAPES
from minicnn.visualize.synthesis.inversion_settings import CS231N, TUNED
from minicnn.visualize.synthesis.multifaceted import FacetSettings, Stage

SHORT = replace(MARGIN, num_steps=11)  # the last step comes after the one with a blur


@pytest.fixture(scope="module")
def model():
    """The shipped network of drawn shapes."""
    return load_model("shapes", "cpu").fast()


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory):
    """SqueezeNet 1.1 with torchvision's weights."""
    import os

    from weights_converter.convert import convert
    folder = os.environ.get("MINICNN_TEST_DATA")
    if not folder:
        pytest.skip("MINICNN_TEST_DATA is not set")
    file = tmp_path_factory.mktemp("weights") / "squeezenet1_1.h5"
    convert(f"{folder}/weights/squeezenet1_1.npz", file, say=lambda line: None)
    return load_model(file, "cpu").fast()


@pytest.fixture(scope="module")
def photos(model):
    """A drawn shape as the demos load it."""
    return load_photos(model, [])[:1]


# ---- classes ---------------------------------------------------------------------------------------------------------

ASCENTS = (class_visualization, neuron_visualization)  # they import `ascend` by its name
FAINT = {"num_steps": 5, "gain": 300.0, "start_noise": 50.0}
CLASS_MUTANTS = {
    "the sign of L2": (SHORT, ascent, "ascend", "(settings.l2_reg / scale**2", "(-settings.l2_reg / scale**2"),
    "no L2": (SHORT, ascent, "ascend", "(settings.l2_reg / scale**2", "(0 * settings.l2_reg / scale**2"),
    "descent": (SHORT, ascent, "ascend", "((-weight, loss) for", "((weight, loss) for"),
    "no jitter": (SHORT, ascent, "ascend", "round(settings.max_jitter * size / 224)", "0"),
    "jitter not undone": (SHORT, image_steps.Jitter, "undo", "(-shift[0], -shift[1])", "shift"),
    "no blur": (SHORT, ascent, "regularizers", "if settings.blur_sigma:", "if False:"),
    "blur at every step": (SHORT, ascent, "regularizers", ", settings.blur_every)", ", 1)"),
    "no clamp": (SHORT, ascent, "regularizers", 'if settings.clamp == "none":', "if True:"),
    "no decay": (replace(CLASS_PRESETS["yosinski-2"], **FAINT), ascent, "regularizers", "if settings.decay:",
                 "if False:"),
    "small norms stay": (replace(CLASS_PRESETS["yosinski-1"], **FAINT), ascent, "regularizers",
                         "if settings.small_norm:", "if False:"),
    "half as many small norms go": (replace(CLASS_PRESETS["yosinski-1"], **FAINT), image_steps, "above_percentile",
                                    "(values, percent, axis", "(values, percent / 2, axis"),
    "a policy's progress": (replace(CLASS_PRESETS["yosinski-1"], **FAINT), ascent, "ascent_update",
                            "settings.gain * settings.progress", "2 * settings.progress"),
    "double steps": (SHORT, ascent, "ascent_update", "rate * size / 224", "2 * rate * size / 224"),
    "another class": (SHORT, class_visualization, "class_visualization", "ClassScore(net.output, label)",
                      "ClassScore(net.output, (label + 1) % 12)"),
    "the sign of the margin": (SHORT, class_visualization, "class_visualization", "(settings.margin_weight, Class",
                  "(-settings.margin_weight, Class"),
    "mirrored": (SHORT, ascent, "ascend", "return to_host(image), history",
                 "return to_host(image)[..., ::-1], history"),
}


@pytest.mark.parametrize("settings", [SHORT, *(replace(CLASS_PRESETS[name], **FAINT) for name in (
    "yosinski-1", "yosinski-2", "yosinski-3", "yosinski-4"))], ids=str)
@pytest.mark.parametrize("label", [0, 3, 8])
def test_the_class_visualization_is_right(model, settings, label):
    assert_right(card(class_demo.pictures(model, [label], settings=settings)))


@pytest.mark.parametrize("mutant", CLASS_MUTANTS)
def test_class_mutants_are_found(monkeypatch, model, mutant):
    settings, owner, name, old, new = CLASS_MUTANTS[mutant]
    users = ASCENTS if name == "ascend" else (demo_of("class_ascent"),) if name == "class_visualization" else ()
    mutate(monkeypatch, owner, name, old, new, *users)
    assert_found(card(class_demo.pictures(model, [3], settings=settings)))


def demo_of(name):
    """Return a module of demos.shared."""
    from importlib import import_module
    return import_module(f"demos.shared.{name}")


def test_class_visualization_with_a_real_network(monkeypatch, squeezenet):
    settings = replace(MARGIN, num_steps=10)
    assert_right(card(class_demo.pictures(squeezenet, [76], settings=settings)))
    for mutant in ("the sign of L2", "no blur", "no clamp", "jitter not undone"):
        _, owner, name, old, new = CLASS_MUTANTS[mutant]
        with monkeypatch.context() as patch:
            mutate(patch, owner, name, old, new, *(ASCENTS if name == "ascend" else ()))
            assert_found(card(class_demo.pictures(squeezenet, [76], settings=settings)))


def test_a_run_that_was_stopped_is_not_judged_wrong(monkeypatch, model):
    monkeypatch.setattr(demo_of("class_ascent"), "class_visualization", stopped_after(4, class_visualization))
    checks = [check for picture in class_demo.pictures(model, [3], settings=replace(MARGIN, num_steps=40))
              for check in picture.checks]
    assert_right(checks)


def stopped_after(steps, module):
    """Return class_visualization that is interrupted in its callback after this number of steps."""
    plain = module.class_visualization

    def stopping(*arguments, callback, **more):
        def stop(progress, image):
            callback(progress, image)
            if progress.step == steps:
                raise KeyboardInterrupt
        return plain(*arguments, callback=stop, **more)
    return stopping


# ---- neurons, channels, layers ---------------------------------------------------------------------------------------

NEURON_MUTANTS = {
    "another position": ("neuron", "neuron_visualization", "NeuronActivation(layer, channel, position)",
                         "NeuronActivation(layer, channel, (position[0], position[1] - 1))"),
    "another neuron": ("neuron", "neuron_visualization", "NeuronActivation(layer, channel, position)",
                       "NeuronActivation(layer, [one + 1 for one in channel], position)"),
    "another channel": ("channel", "channel_visualization", "ChannelMean(layer, channel)",
                        "ChannelMean(layer, channel[::-1])"),
    "one channel of the layer": ("layer", "layer_visualization", "LayerNorm2(layer)", "LayerNorm2(layer, 0)"),
}


def neuron_card(model, kind):
    settings = replace(NEURON, num_steps=10, start_noise=1.0)
    return card(neuron_demo.pictures(model, drawn_sources(model, 3, 0), kind, "relu2",
                                     None if kind == "layer" else [3, 5], settings=settings))


@pytest.mark.parametrize("kind", neuron_demo.KINDS)
def test_neurons_channels_and_layers_are_right(model, kind):
    assert_right(neuron_card(model, kind))


@pytest.mark.parametrize("mutant", NEURON_MUTANTS)
def test_neuron_mutants_are_found(monkeypatch, model, mutant):
    kind, name, old, new = NEURON_MUTANTS[mutant]
    mutate(monkeypatch, neuron_visualization, name, old, new, neuron_demo)
    assert_found(neuron_card(model, kind))


# ---- DeepDream -------------------------------------------------------------------------------------------------------

OCTAVE = "image = photo + resize_maps(image - photos[octave - 1], photo.shape[2:])"
DREAM_MUTANTS = {
    "no detail": (None, "deep_dream", OCTAVE, "image = resize_maps(image, photo.shape[2:])"),
    "the detail twice": (None, "deep_dream", OCTAVE, OCTAVE.replace("photo +", "2 * photo +")),
    "each octave begins again": (None, "deep_dream", OCTAVE, "image = photo"),
    "descent": (None, "deep_dream", "terms = [(-1.0,", "terms = [(1.0,"),
    "no clamp": (None, "deep_dream", "project=(clamp,)", "project=()"),
    "no jitter": (None, "deep_dream", "Jitter(settings.max_jitter)", "Jitter(0)"),
    "steps by the largest gradient": (None, "deep_dream", '"mean_abs"', '"l2"'),
    "the guide ignored": ({"guide": True}, "dream_loss", "if guide is None:", "if True:"),
    "the channel ignored": ({"channel": 3}, "dream_loss", "LayerNorm2(layer, channel)", "LayerNorm2(layer)"),
}


def dream_card(model, objective=None, photo=None):
    photo = images.resize_long_side(dream_demo.example_photo()[1], 80) if photo is None else photo
    more = dict(objective or {})
    if more.pop("guide", False):
        more["guide"] = images.resize(photo[::-1], 64, 64)
    dream = dream_demo.Dream("relu3", **more)
    settings = DreamSettings(num_octaves=3, num_steps=2, max_jitter=8)
    return card(dream_demo.pictures(model, "photo", photo, [dream], settings=settings))


@pytest.mark.parametrize("objective", [None, {"guide": True}, {"channel": 3}], ids=str)
def test_dreams_are_right(model, objective):
    assert_right(dream_card(model, objective))


@pytest.mark.parametrize("mutant", DREAM_MUTANTS)
def test_dream_mutants_are_found(monkeypatch, model, mutant):
    objective, name, old, new = DREAM_MUTANTS[mutant]
    mutate(monkeypatch, deepdream, name, old, new, *([dream_demo] if name == "deep_dream" else []))
    assert_found(dream_card(model, objective))


def test_a_dream_with_a_real_network(monkeypatch, squeezenet):
    photo = images.resize_long_side(dream_demo.example_photo()[1], 160)

    def made():
        return card(dream_demo.pictures(squeezenet, "photo", photo, [dream_demo.Dream("fire8/concat")],
                                        settings=DreamSettings(num_octaves=2, num_steps=2)))
    assert_right(made())
    mutate(monkeypatch, deepdream, "deep_dream", OCTAVE, DREAM_MUTANTS["no detail"][3], dream_demo)
    assert_found(made())


# ---- inversion -------------------------------------------------------------------------------------------------------

INVERSION_MUTANTS = {
    "another layer": ("inversion_terms", "FeatureMatch(layer, target)",
                      'FeatureMatch(layer.replace("relu", "conv"), target)'),
    "mirrored": ("invert_features", "return to_host(image), history", "return to_host(image)[..., ::-1], history"),
    "the sign of total variation": ("inversion_terms", "(tv_weight * of_image", "(-tv_weight * of_image"),
    "no norm": ("inversion_terms", "(settings.p_weight * of_image", "(0 * settings.p_weight * of_image"),
    "features not normalized": ("inversion_terms", "of_features = 1 /", "of_features = 2 /"),
    "small steps": ("invert_features", "Restarts(settings, unit, photo_norm(shape)",
                    "Restarts(settings, unit, 0.5 * photo_norm(shape)"),
    "dark noise": ("first_image", "PHOTO_RMS /", "0.5 * PHOTO_RMS /"),
    "the error of another picture": ("inversion_report", "feature_error(net, layer, image, target)",
                                     "feature_error(net, layer, image[..., ::-1], target)"),
    "a velocity that is lost": (updates.Momentum, "delta", "self.momentum * self.velocity + gradient", "gradient"),
}


def inversion_card(model, photos, settings=None):
    # at a small rate, no step goes uphill and is taken back
    settings = settings or replace(TUNED, rates=((6, 1e-4), (2, 1e-5)), p_weight=1e-6)
    return card(inversion_demo.pictures(model, photos, ["relu2", "relu3"], settings=settings))


@pytest.mark.parametrize("update", ["momentum", "guarded", "adam", "lbfgs"])
@pytest.mark.parametrize("base", [TUNED, CS231N], ids=["tuned", "cs231n"])
def test_inversions_are_right(model, photos, update, base):
    assert_right(inversion_card(model, photos, replace(base, update=update, rates=((5, base.rates[0][1]),))))


@pytest.mark.parametrize("mutant", INVERSION_MUTANTS)
def test_inversion_mutants_are_found(monkeypatch, model, photos, mutant):
    *owner, name, old, new = INVERSION_MUTANTS[mutant]
    users = [inversion_demo] if hasattr(inversion_demo, name) else []
    mutate(monkeypatch, owner[0] if owner else inversion, name, old, new, *users)
    assert_found(inversion_card(model, photos))


# ---- fooling ---------------------------------------------------------------------------------------------------------

FOOLING_MUTANTS = {
    "descent": ("fooling_image", "[(-1.0, OBJECTIVES", "[(1.0, OBJECTIVES"),
    "another target": ("fooling_image", "(net.output, target))]", "(net.output, (target + 1) % 12))]"),
    "five times the step": ("fooling_image", "NormalizedStep(rate *", "NormalizedStep(5 * rate *"),
    "success at once": ("fooling_image", "stop or target_margin(net, picture, target, preprocessing) > settings.margin",
                        "True"),
    "the bound ignored": ("bounds", "if not epsilon:", "if True:"),
    "another difference": ("fooling_report", "picture.astype(np.float64) - original",
                           "(picture.astype(np.float64) - original) / 2"),
    "the margin of the original": ("fooling_report", "reached = target_margin(net, picture,",
                                   "reached = target_margin(net, original,"),
    "mirrored": ("fooling_image", "picture = preprocessing.to_image(to_host(image))\n    report",
                 "picture = preprocessing.to_image(to_host(image))[:, ::-1]\n    report"),
}


def fooling_card(model, photos, target=None):
    # small steps, so that a bound is reached and a few are needed
    settings = FoolingSettings(num_steps=60, learning_rate=0.5, epsilon=2)
    return card(fooling_demo.pictures(model, photos, target, settings=settings))


def test_fooling_is_right(model, photos):
    assert_right(fooling_card(model, photos))
    assert_right(card(fooling_demo.pictures(model, photos, settings=FoolingSettings(num_steps=1, epsilon=1))))


@pytest.mark.parametrize("mutant", FOOLING_MUTANTS)
def test_fooling_mutants_are_found(monkeypatch, model, photos, mutant):
    name, old, new = FOOLING_MUTANTS[mutant]
    mutate(monkeypatch, fooling, name, old, new, *([fooling_demo] if hasattr(fooling_demo, name) else []))
    assert_found(fooling_card(model, photos))


# ---- facets ----------------------------------------------------------------------------------------------------------

FACET_MUTANTS = {
    "all alike": (facets, "find_facets", "clusters, group, nearest)]", "clusters, 0, nearest)]"),
    "the mean of all": (facets, "find_facets", "to_host(x)[nearest_to_centre(positions, clusters, group, nearest)]",
                        "to_host(x)"),
    "a faint start": (multifaceted, "facet_visualization", "to_device(start[None]", "to_device(0.5 * start[None]"),
    "descent": (multifaceted, "facet_visualization", "[(-1.0, ClassScore", "[(1.0, ClassScore"),
    "another class": (multifaceted, "facet_visualization", "ClassScore(net.output, label)",
                      "ClassScore(net.output, label + 1)"),
    "no clamp": (multifaceted, "facet_visualization", "project=(clamp, ", "project=(lambda image, step: image, "),
    "no denoising": (denoise, "denoise_tv", "for _ in range(num_steps):", "for _ in range(0):"),
    "a mirrored window": (multifaceted.Window, "undo", "gradient[:, :, near:far, near:far]",
                          "gradient[:, :, near:far, near:far][..., ::-1]"),
}


def facet_card(model):
    stages = (Stage(2, 8.0, 9.0, 0.4, 0.4), Stage(2, 8.0, 8.0, 0.1, 2.0, scale=1.2),
              Stage(2, 8.0, 8.0, 0.4, 0.4, margin=40))
    return card(facet_demo.pictures(model, num_facets=2, settings=FacetSettings(stages, nearest=5), count=24))


def test_facets_are_right(model):
    assert_right(facet_card(model))


@pytest.mark.parametrize("mutant", FACET_MUTANTS)
def test_facet_mutants_are_found(monkeypatch, model, mutant):
    owner, name, old, new = FACET_MUTANTS[mutant]
    mutate(monkeypatch, owner, name, old, new, *([facet_demo] if hasattr(facet_demo, name) else []))
    assert_found(facet_card(model))


# ---- the generator ---------------------------------------------------------------------------------------------------

GENERATOR_MUTANTS = {
    "the code unclipped": ("Decay(settings.decay), Clamp(0.0, to_device(highest, net.device))",
                           "Decay(settings.decay),"),
    "no upper bound": ("to_device(highest, net.device))", "1e9)"),
    "no decay": ("Decay(settings.decay)", "Decay(0.0)"),
    "descent": ("[(-1.0, ClassScore", "[(1.0, ClassScore"),
    "another class": ("ClassScore(both.output, label)", "ClassScore(both.output, label + 1)"),
    "steps of one length": ("settings.last_rate, settings.num_steps", "settings.learning_rate, settings.num_steps"),
}


def generator_card(model, monkeypatch):
    monkeypatch.setattr(generator_demo, "TRAINED_ON", 1)
    return card(generator_demo.pictures(model, (2,), replace(SHAPES, num_steps=5, learning_rate=1.0)))


def test_the_generator_is_right(monkeypatch, model):
    assert_right(generator_card(model, monkeypatch))


@pytest.mark.parametrize("mutant", GENERATOR_MUTANTS)
def test_generator_mutants_are_found(monkeypatch, model, mutant):
    old, new = GENERATOR_MUTANTS[mutant]
    mutate(monkeypatch, generator, "generated_class", old, new, generator_demo)
    assert_found(generator_card(model, monkeypatch))


# ---- pictures that are hard to check ---------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("kind", ["flat", "two colours", "noise"])
def test_flat_pictures_and_noise_have_no_false_alarm(model, kind):
    picture = np.full((64, 64, 3), 90, np.uint8)
    if kind == "two colours":
        picture[:30] = (20, 200, 60)
    if kind == "noise":
        picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    assert_right(dream_card(model, photo=picture))
    photo = [photo_of(model, picture)]
    assert_right(fooling_card(model, photo))
    assert_right(inversion_card(model, photo))


def photo_of(model, picture):
    """Return the demos' Photo of a picture, uint8 (H, W, 3), of the network's size."""
    from demos.shared.inputs import Photo
    x = model.preprocessing.to_input(picture)
    order = np.argsort(-model.net.predict(x)[0])[:5]
    return Photo("it", picture, x, [(int(label), 0.2) for label in order])
