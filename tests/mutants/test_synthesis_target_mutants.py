"""Inversion, fooling, facets and the generator prior pass all judged checks of their cards; each mutant fails one."""

from dataclasses import replace

import numpy as np
import pytest
from mutation import HARD, assert_found, assert_right, card, hard_picture, mutate

from demos import fooling as fooling_demo
from demos import generator_prior as generator_demo
from demos import inversion as inversion_demo
from demos import multifaceted as facet_demo
from demos.shared import decoders
from demos.shared.inputs import Photo, load_photos
from minicnn.models import load_model
from minicnn.optimize import parametrizations, updates
from minicnn.visualize.synthesis import (
    canvas,
    denoise,
    facets,
    fooling,
    generator,
    inversion,
    multifaceted,
)
from minicnn.visualize.synthesis.ascent_settings import DISTILL
from minicnn.visualize.synthesis.fooling import FoolingSettings
from minicnn.visualize.synthesis.generator import SHAPES
from minicnn.visualize.synthesis.inversion_settings import CS231N, FOURIER, TUNED
from minicnn.visualize.synthesis.multifaceted import FacetSettings, Stage


@pytest.fixture(scope="module")
def model():
    """The shipped network of drawn shapes."""
    return load_model("shapes", "cpu").fast()


@pytest.fixture(scope="module")
def photos(model):
    """A drawn shape as the demos load it."""
    return load_photos(model, [])[:1]


# ---- inversion -------------------------------------------------------------------------------------------------------

INVERSION_MUTANTS = {
    "another layer": ("inversion_terms", "FeatureMatch(layer, target)",
                      'FeatureMatch(layer.replace("relu", "conv"), target)'),
    "mirrored": ("invert_features", "return to_host(parametrization.forward(z)[0]), history",
                 "return to_host(parametrization.forward(z)[0])[..., ::-1], history"),
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


WAVES = replace(FOURIER, rates=((3, 0.05), (2, 0.01)))


def inversion_card(model, photos, settings=None):
    # at a small rate, no step goes uphill and is taken back
    settings = settings or replace(TUNED, rates=((6, 1e-4), (2, 1e-5)), p_weight=1e-6)
    return card(inversion_demo.pictures(model, photos, ["relu2", "relu3"], settings=settings))


@pytest.mark.parametrize("update", ["momentum", "guarded", "adam", "lbfgs"])
@pytest.mark.parametrize("base", [TUNED, CS231N], ids=["tuned", "cs231n"])
def test_inversions_are_right(model, photos, update, base):
    assert_right(inversion_card(model, photos, replace(base, update=update, rates=((5, base.rates[0][1]),))))


def test_an_inversion_on_a_spectrum_is_right(model, photos):
    assert_right(inversion_card(model, photos, WAVES))


SPECTRUM = parametrizations.FourierSpectrum
WAVE_MUTANTS = {
    "features of half the contrast": (inversion, "inversion_terms", "FeatureMatch(layer, target)",
                                      "FeatureMatch(layer, 0.5 * target)"),
    "colours not transposed": (SPECTRUM, "backward", "self.colours.T", "self.colours"),
    "no slope of the sigmoid": (SPECTRUM, "backward", " * (values * (1 - values))", ""),
    "double steps": (inversion.Restarts, "new_update", '["adam"](rate)  #', '["adam"](2 * rate)  #'),
    "the numbers for the image": (inversion, "invert_features", "to_host(parametrization.forward(z)[0])",
                                  "to_host(parametrization.forward(2 * z)[0])"),
    "the sign of total variation on a spectrum": (inversion, "inversion_terms", "(tv_weight * of_image",
                                                  "(-tv_weight * of_image"),
}


@pytest.mark.parametrize("mutant", WAVE_MUTANTS)
def test_mutants_of_inversion_on_a_spectrum_are_found(monkeypatch, model, photos, mutant):
    owner, name, old, new = WAVE_MUTANTS[mutant]
    mutate(monkeypatch, owner, name, old, new, *([inversion_demo] if hasattr(inversion_demo, name) else []))
    assert_found(inversion_card(model, photos, WAVES))


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
    "a faint start": (multifaceted, "facet_visualization", "enter(net, start, ", "enter(net, 0.5 * start, "),
    "descent": (multifaceted, "facet_visualization", "[(-1.0, ClassScore", "[(1.0, ClassScore"),
    "another class": (multifaceted, "facet_visualization", "ClassScore(net.output, label)",
                      "ClassScore(net.output, label + 1)"),
    "no clamp": (multifaceted, "facet_visualization", "project=(clamp, ", "project=(lambda image, step: image, "),
    "no denoising": (denoise, "denoised", "for _ in range(num_steps):", "for _ in range(0):"),
    "a mirrored window": (multifaceted.Window, "undo", "gradient[:, :, near:far, near:far]",
                          "gradient[:, :, near:far, near:far][..., ::-1]"),
}


FACET_STAGES = FacetSettings((Stage(2, 8.0, 9.0, 0.4, 0.4), Stage(2, 8.0, 8.0, 0.1, 2.0, scale=1.2),
                              Stage(2, 8.0, 8.0, 0.4, 0.4, margin=40)), nearest=5)


def facet_card(model, monkeypatch, settings=FACET_STAGES):
    monkeypatch.setattr(facet_demo, "show_facets", lambda *_: None)  # half of the time, and no number comes from it
    return card(facet_demo.pictures(model, num_facets=2, settings=settings, count=24))


def test_facets_are_right(monkeypatch, model):
    assert_right(facet_card(model, monkeypatch))


@pytest.mark.parametrize("mutant", FACET_MUTANTS)
def test_facet_mutants_are_found(monkeypatch, model, mutant):
    owner, name, old, new = FACET_MUTANTS[mutant]
    mutate(monkeypatch, owner, name, old, new, *([facet_demo] if hasattr(facet_demo, name) else []))
    assert_found(facet_card(model, monkeypatch))


FACET_WAVES = FacetSettings(replace(DISTILL, num_steps=2), nearest=5, pull=0.5)
FACET_WAVE_MUTANTS = {
    "a mirrored start": (multifaceted, "facet_visualization", "start=image,", "start=image[..., ::-1],"),
    "a faint start": (multifaceted, "facet_visualization", "enter(net, start, ", "enter(net, 0.5 * start, "),
    "no pull": (multifaceted, "require_pulls", "[(1.0, Direction", "[(0.0, Direction"),
    "a push": (multifaceted, "require_pulls", "[(1.0, Direction", "[(-1.0, Direction"),
    "the pull of another facet": (facets.Facets, "directions", "means - means.mean", "means[::-1] - means.mean"),
    "the mean itself": (facets.Facets, "directions", "means - means.mean(axis=0)", "means"),
    "a flat border": (canvas.Canvas, "numbers", '"symmetric"', '"constant"'),
    "colours mixed for unmixed": (parametrizations.FourierSpectrum, "inverse", "xp.linalg.inv(self.colours)",
                                  "self.colours"),
    "the gain for its inverse": (parametrizations.FourierSpectrum, "inverse", "/ self.gain", "* self.gain"),
}


def test_facets_on_a_spectrum_are_right(monkeypatch, model):
    assert_right(facet_card(model, monkeypatch, FACET_WAVES))


@pytest.mark.parametrize("mutant", FACET_WAVE_MUTANTS)
def test_mutants_of_facets_on_a_spectrum_are_found(monkeypatch, model, mutant):
    owner, name, old, new = FACET_WAVE_MUTANTS[mutant]
    mutate(monkeypatch, owner, name, old, new, *([facet_demo] if hasattr(facet_demo, name) else []))
    assert_found(facet_card(model, monkeypatch, FACET_WAVES))


# ---- the generator ---------------------------------------------------------------------------------------------------

GENERATOR_MUTANTS = {
    "the code unclipped": ("Clamp(0.0, highest), ", ""),
    "no upper bound": ("Clamp(0.0, highest)", "Clamp(0.0, 1e9)"),
    "no decay": ("Decay(settings.decay)", "Decay(0.0)"),
    "descent": ("[(-1.0, ClassScore", "[(1.0, ClassScore"),
    "another class": ("ClassScore(net.output, label)", "ClassScore(net.output, label + 1)"),
    "steps of one length": ("settings.last_rate, settings.num_steps", "settings.learning_rate, settings.num_steps"),
    "another code decoded": (parametrizations.Decoded, "forward", "decoder.forward(z)", "decoder.forward(2 * z)"),
    "a mirrored gradient to the code": (parametrizations.Decoded, "backward", "dimage}", "dimage[..., ::-1]}"),
}


def generator_card(model, monkeypatch):
    monkeypatch.setattr(decoders, "BATCHES", 1)
    return card(generator_demo.pictures(model, (2,), replace(SHAPES, num_steps=5, learning_rate=1.0)))


def test_the_generator_is_right(monkeypatch, model):
    assert_right(generator_card(model, monkeypatch))


@pytest.mark.parametrize("mutant", GENERATOR_MUTANTS)
def test_generator_mutants_are_found(monkeypatch, model, mutant):
    *owner, old, new = GENERATOR_MUTANTS[mutant]
    users = [] if owner else [generator_demo]
    mutate(monkeypatch, *(owner or (generator, "generated_class")), old, new, *users)
    assert_found(generator_card(model, monkeypatch))


# ---- pictures that are hard to check ---------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("kind", HARD)
def test_hard_pictures_have_no_false_alarm(model, kind):
    picture = hard_picture(kind, 64, 64)
    x = model.preprocessing.to_input(picture)
    order = np.argsort(-model.net.predict(x)[0])[:5]
    photo = [Photo("it", picture, x, [(int(label), 0.2) for label in order])]
    assert_right(fooling_card(model, photo))
    assert_right(inversion_card(model, photo))
