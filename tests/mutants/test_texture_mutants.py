"""Each texture technique passes all judged checks of its run card; broken in a characteristic way, it fails one."""

from dataclasses import replace

import numpy as np
import pytest
from mutation import HARD, assert_found, assert_right, card, hard_picture, mutate

from demos import texture_gram as gram_demo
from demos import texture_pixels as pixel_demo
from minicnn.datasets.drawings import draw_style
from minicnn.datasets.textures import TEXTURES, draw_texture
from minicnn.layers import Gram
from minicnn.models import load_model
from minicnn.visualize.style import terms
from minicnn.visualize.texture import efros_leung, gram, wei_levoy
from minicnn.visualize.texture.gram import TEXTURE_PRESETS

# ---- pixel by pixel --------------------------------------------------------------------------------------------------

EFROS_LEUNG_MUTANTS = {
    "the worst match": ("pick", "errors <= errors.min(axis=1, keepdims=True) * (1 + tolerance)",
                        "errors >= errors.max(axis=1, keepdims=True)"),
    "only the best match": ("pick", "* (1 + tolerance)", ""),
    "the first of the matches": ("pick", "to_device(draws, device_of(errors)) * count", "0 * count"),
    "another middle of the window": ("grow", "y, x, chosen = y[near], x[near], candidates.centres[choice[near]]",
                                     "y, x, chosen = y[near], x[near], candidates.centres[choice[near]] - 1"),
    "a source that is not copied": ("grow", "pixels[chosen[:, 0], chosen[:, 1]]",
                                    "pixels[chosen[:, 0], chosen[:, 1] - 1]"),
    "no Gaussian": ("gaussian_weights", "np.outer(axis, axis)", "np.outer(axis, axis)**0"),
    "few neighbours first": ("frontier", "np.argsort(-count[order]", "np.argsort(count[order]"),
    "unknown pixels count": ("grow", "gather_windows(known, y, x, window) * candidates.weights",
                             "np.broadcast_to(candidates.weights, (len(y), window, window))"),
    "a corner as seed": ("efros_leung", "pixels.shape[0] - height + 1", "1"),
}
WEI_LEVOY_MUTANTS = {
    "no pyramid": ("wei_levoy", "coarser = None if level == levels - 1 else results[level + 1]", "coarser = None"),
    "pixels before only": ("wei_levoy", "(False, *[True] * (passes - 1))", "(False,) * passes"),
    "pixels around at once": ("wei_levoy", "(False, *[True] * (passes - 1))", "(True,) * passes"),
    "the worst match": ("synthesize_row", ".argmin()", ".argmax()"),
    "the row does not wrap": ("synthesize_row", 'mode="wrap"', 'mode="clip"'),
    "the row without its own pixels": ("synthesize_row", "+ minus_two_beside @ beside",
                                       "+ 0 * minus_two_beside @ beside"),
    "no blur before halving": ("pyramid", "correlate1d(blurred, BINOMIAL, axis=axis, mode=edges)", "blurred"),
    "parents beside their own": ("other_neighbours", "rows // 2 + reach", "rows // 2"),
}


def pixel_card(sample, methods=("efros_leung",), size=24):
    return card(pixel_demo.pictures(sample, methods=methods, size=size, window=7, sweep=(), seed=3))


@pytest.fixture(scope="module")
def scales():
    """A sample of 28x28 pixels, with noise, so that several places match a pixel about as well."""
    rng = np.random.default_rng(1)
    return np.clip(draw_texture("scales", rng, 28) + rng.normal(0, 12, (28, 28, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", TEXTURES)
def test_pixel_textures_are_right(name):
    assert_right(pixel_card(draw_texture(name, np.random.default_rng(1), 28), tuple(pixel_demo.METHODS)))


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("kind", HARD)
def test_hard_samples_have_no_false_alarm(kind):
    sample = hard_picture(kind, 24, 24)
    assert_right(pixel_card(sample, tuple(pixel_demo.METHODS)))
    assert_right(card(pixel_demo.filled(sample, box(sample), window=5, seed=4)))


def box(sample):
    """Return a hole of 5x5 pixels."""
    hole = np.zeros(sample.shape[:2], bool)
    hole[15:20, 3:8] = True
    return hole


@pytest.mark.parametrize("mutant", EFROS_LEUNG_MUTANTS)
def test_efros_leung_mutants_are_found(monkeypatch, scales, mutant):
    name, old, new = EFROS_LEUNG_MUTANTS[mutant]
    mutate(monkeypatch, efros_leung, name, old, new)
    monkeypatch.setitem(pixel_demo.METHODS, "efros_leung", ("Efros-Leung", efros_leung.efros_leung))
    assert_found(pixel_card(scales))


@pytest.mark.parametrize("mutant", ["the worst match", "another middle of the window", "no Gaussian"])
def test_filling_mutants_are_found(monkeypatch, scales, mutant):
    assert_right(card(pixel_demo.filled(scales, box(scales), window=5, seed=4)))
    name, old, new = EFROS_LEUNG_MUTANTS[mutant]
    mutate(monkeypatch, efros_leung, name, old, new)
    assert_found(card(pixel_demo.filled(scales, box(scales), window=5, seed=4)))


@pytest.mark.parametrize("mutant", WEI_LEVOY_MUTANTS)
def test_wei_levoy_mutants_are_found(monkeypatch, scales, mutant):
    name, old, new = WEI_LEVOY_MUTANTS[mutant]
    mutate(monkeypatch, wei_levoy, name, old, new)
    monkeypatch.setitem(pixel_demo.METHODS, "wei_levoy", ("Wei-Levoy", wei_levoy.wei_levoy))
    assert_found(pixel_card(scales, ("wei_levoy",)))


# ---- Gram matrices ---------------------------------------------------------------------------------------------------

GRAM_MUTANTS = {
    "not normalized": (Gram, "forward", "return out / self._divisor(x.shape), x", "return out, x"),
    "mirrored channels": (Gram, "forward", "pixels.transpose(0, 2, 1) @ pixels",
                          "pixels[..., ::-1].transpose(0, 2, 1) @ pixels"),
    "half of the gradient": (Gram, "backward", "(dout + dout.transpose(0, 2, 1))", "dout"),
    "weights ignored": (terms, "style_terms", "weight * layers[layer] / divisor", "weight / divisor"),
    "the largest in the pools": (gram, "synthesize_texture", "net = net.with_pooling(settings.pooling)", ""),
    "a mirrored source": (gram, "synthesize_texture", "gram_targets(net, [source], weights)",
                          "gram_targets(net, [source[..., ::-1]], weights)"),
    "no bounds": (gram, "synthesize_texture", "settings.learning_rate, within), num_steps",
                  "settings.learning_rate, Clamp(-100, 100)), num_steps"),
    "mirrored": (gram, "synthesize_texture", "return to_host(image), history",
                 "return to_host(image)[..., ::-1], history"),
    "the source itself": (gram, "synthesize_texture", "within(mean + settings.noise * spread * noise, 0)",
                          "source.copy()"),
}


@pytest.fixture(scope="module")
def model():
    """The shipped network of drawn shapes."""
    return load_model("shapes", "cpu").fast()


def gram_card(model, picture=None, **changed):
    picture = draw_style("strokes", np.random.default_rng(0), 48) if picture is None else picture
    settings = replace(TEXTURE_PRESETS["shapes"], layers={"relu1": 1.0, "relu2": 3.0}, num_steps=8, **changed)
    return card(gram_demo.pictures(model, gram_demo.Source("it", picture), settings))


@pytest.mark.parametrize("changed", [{}, {"optimizer": "adam"}, {"reduction": "mean"}, {"pooling": "max"},
                                     {"reduction": "sum", "noise": 1.0}], ids=str)
def test_gram_textures_are_right(model, changed):
    assert_right(gram_card(model, **changed))


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("kind", HARD)
def test_gram_textures_of_hard_pictures_have_no_false_alarm(model, kind):
    assert_right(gram_card(model, hard_picture(kind, 40, 40)))


@pytest.mark.parametrize("mutant", GRAM_MUTANTS)
def test_gram_mutants_are_found(monkeypatch, model, mutant):
    owner, name, old, new = GRAM_MUTANTS[mutant]
    users = [gram_demo] if name == "synthesize_texture" else [gram] if name == "style_terms" else []
    mutate(monkeypatch, owner, name, old, new.replace("dout", "dout"), *users)
    assert_found(gram_card(model))
