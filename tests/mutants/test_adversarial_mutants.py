"""Dissection, attacks within a ball and universal perturbations pass their judged checks; each mutant fails one."""

from dataclasses import replace

import numpy as np
import pytest
from mutation import assert_found, assert_right, card, mutate

from demos import pgd as pgd_demo
from demos.shared.inputs import load_photos
from minicnn.datasets import concepts
from minicnn.datasets.shapes import draw_shapes
from minicnn.models import load_model
from minicnn.visualize.attribution.randomise import with_random_weights
from minicnn.visualize.synthesis import ball, epsilon_sweep, pgd, universal, universal_check
from minicnn.visualize.synthesis.pgd import PGDSettings
from minicnn.visualize.synthesis.universal import DRAWINGS
from minicnn.visualize.synthesis.universal_check import check_universal
from minicnn.visualize.units import dissection
from minicnn.visualize.units.dissection_check import check_dissection, check_learned


@pytest.fixture(scope="module")
def model():
    """The shipped network of drawn shapes."""
    return load_model("shapes", "cpu").fast()


@pytest.fixture(scope="module")
def photos(model):
    """A drawn shape as the demos load it."""
    return load_photos(model, [])[:1]


# ---- dissection ------------------------------------------------------------------------------------------------------

DISSECTION_MUTANTS = {
    "the mean as threshold": ("channel_thresholds", "xp.quantile(maps, 1 - quantile, axis=(0, 2, 3))",
                              "maps.mean(axis=(0, 2, 3))"),
    "the lower quantile": ("channel_thresholds", "1 - quantile", "quantile"),
    "one threshold for all channels": ("channel_thresholds",
                                       "return xp.quantile(maps, 1 - quantile, axis=(0, 2, 3))",
                                       "return 0 * maps[0, :, 0, 0] + xp.quantile(maps, 1 - quantile)"),
    "below the threshold": ("channel_masks", "large > threshold", "large < threshold"),
    "rows and columns exchanged": ("channel_masks", "rows @ maps @ columns.T",
                                   "(rows @ maps @ columns.T).swapaxes(1, 2)"),
    "mirrored": ("channel_masks", "rows @ maps @ columns.T", "(rows @ maps @ columns.T)[..., ::-1]"),
    "shifted by half a field": ("anchored_weights", "field.start + (field.size - 1) / 2", "field.start"),
    "the nearest unit": ("anchored_weights", "field.stride, 0, size - 1)",
                         "field.stride, 0, size - 1).round()"),
    "the smaller mask for the union": ("dissect", "np.maximum(of_channel + of_concept - both, 1)",
                                       "np.maximum(np.minimum(of_channel, of_concept), 1)"),
    "the sum for the union": ("dissect", "of_channel + of_concept - both, 1", "of_channel + of_concept, 1"),
}


def dissection_checks(model, random):
    images, masks = concepts.draw_concepts(np.arange(36) % 12, np.random.default_rng(1))
    x = model.preprocessing.to_input(images)
    found, untrained = (dissection.dissect(net, x, masks, "relu5") for net in (model.net, random))
    return [*check_dissection(model.net, x, masks, "relu5", found), *check_learned("relu5", found, untrained)]


@pytest.fixture(scope="module")
def random(model):
    """The same network with random weights."""
    return with_random_weights(model.net, model.net.parameter_layers(), np.random.default_rng(0))


def test_dissection_is_right(model, random):
    assert_right(dissection_checks(model, random))


@pytest.mark.parametrize("mutant", DISSECTION_MUTANTS)
def test_dissection_mutants_are_found(monkeypatch, model, random, mutant):
    name, old, new = DISSECTION_MUTANTS[mutant]
    mutate(monkeypatch, dissection, name, old, new)
    assert_found(dissection_checks(model, random))


# ---- attacks within a ball -------------------------------------------------------------------------------------------

PGD_MUTANTS = {
    "descent": (pgd, "pgd_attack", "[(sign, loss)]", "[(-sign, loss)]"),
    "no projection": (ball, "into_ball", "xp.clip(change, -epsilon, epsilon)", "change"),
    "twice the step": (pgd, "pgd_attack", "settings.step * settings.epsilon /",
                       "2 * settings.step * settings.epsilon /"),
    "the gradient for its sign": (pgd.SteepestStep, "delta", "xp.sign(in_levels)", "in_levels"),
    "rounded out of the ball": (ball, "round_in_ball", "np.where(abs(near) > epsilon, inner, near)",
                               "near + np.sign(near)"),
    "a report of the original": (pgd, "attack_reports", "to_input(pictures)", "to_input(originals)"),
    "half the change": (pgd, "attack_reports", "astype(np.float64) - originals[n]",
                        "astype(np.float64) / 2 - originals[n] / 2"),
    "mirrored": (ball, "rounded_pictures", "low + unit * np.clip(centre + change, 0, 255)",
                 "(low + unit * np.clip(centre + change, 0, 255))[..., ::-1]"),
    "another class": (pgd, "pgd_attack", "labels if targets is None else targets)",
                      "[(label + 1) % 12 for label in labels])"),
}
L2_MUTANTS = {
    "no projection": (ball, "into_ball", "change * xp.minimum(1, ", "change * xp.maximum(1, "),
    "the length of the gradient": (pgd.SteepestStep, "delta",
                                   "(in_levels / xp.maximum(norm_of(in_levels, \"l2\"), TINY))", "in_levels"),
    "the unit of the input": (pgd.SteepestStep, "delta", "self.learning_rate * self.unit * (in_levels",
                              "self.learning_rate * (in_levels"),
    "rounding that leaves the ball": (ball, "round_in_ball", "if excess > 0:", "if excess > 1e9:"),
}


def pgd_card(model, photos, settings):
    return card(pgd_demo.pictures(model, photos, settings, radii=(4, 8) if settings.norm == "linf" else (100.0, 200.0),
                                  many=photos))


@pytest.mark.parametrize("settings", [PGDSettings(num_steps=5), PGDSettings("l2", 150.5, 5),
                                      PGDSettings(num_steps=5, objective="cross-entropy"),
                                      PGDSettings(num_steps=5, random_start=False)],
                         ids=["linf", "l2", "cross-entropy", "from the picture"])
def test_attacks_are_right(model, photos, settings):
    assert_right(pgd_card(model, photos, settings))


@pytest.mark.parametrize(("norm", "mutant"), [*(("linf", name) for name in PGD_MUTANTS),
                                              *(("l2", name) for name in L2_MUTANTS)])
def test_attack_mutants_are_found(monkeypatch, model, photos, norm, mutant):
    owner, name, old, new = (PGD_MUTANTS if norm == "linf" else L2_MUTANTS)[mutant]
    users = [place for place in (pgd, epsilon_sweep, universal, pgd_demo)
             if hasattr(place, name) and place is not owner]
    mutate(monkeypatch, owner, name, old, new, *users)
    assert_found(pgd_card(model, photos, PGDSettings(norm, 8 if norm == "linf" else 150.5, 5)))


# ---- universal perturbations -----------------------------------------------------------------------------------------

UNIVERSAL_MUTANTS = {
    "away from the boundary": ("deepfool", "change = change + (gaps", "change = change - (gaps"),
    "no projection": ("universal_perturbation", "settings.norm,\n                               settings.epsilon)",
                      "settings.norm,\n                               1e9)"),
    "the rate of the pictures themselves": ("universal_perturbation", "preprocessing) != labels\n",
                                            "preprocessing) == labels\n"),
}


def universal_checks(model, epsilon=600.0):
    images = draw_shapes(np.arange(40) % 12, np.random.default_rng(1))[0]
    settings = replace(DRAWINGS, epsilon=epsilon, num_passes=1, candidates=2, deepfool_steps=4)
    made, rates, _ = universal.universal_perturbation(model.net, model.preprocessing.to_input(images[:20]),
                                                      model.preprocessing, settings)
    return check_universal(model.net, made, rates, images[:20], images[20:], model.preprocessing,
                           np.random.default_rng(0), settings)


def test_universal_perturbations_are_right(model):
    assert_right(universal_checks(model, 2000.0))


@pytest.mark.parametrize("mutant", UNIVERSAL_MUTANTS)
def test_universal_mutants_are_found(monkeypatch, model, mutant):
    name, old, new = UNIVERSAL_MUTANTS[mutant]
    mutate(monkeypatch, universal, name, old, new, *([universal_check] if hasattr(universal_check, name) else []))
    assert_found(universal_checks(model))
