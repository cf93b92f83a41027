"""The problem of style transfer at one size: inputs, weights, and names of the terms."""

import dataclasses

import numpy as np
import pytest
from style_problems import PLAIN, STYLE, halves, problem
from two_stages import network

from minicnn.visualize.style.problem import term_names
from minicnn.visualize.style.terms import content_terms


def test_long_and_short_sides():
    for side, size in (("long", (18, 24)), ("short", (24, 32))):
        assert problem(network(np), side=side).content.shape[2:] == size


def test_the_weight_of_a_masked_style(xp):
    whole = problem(network(xp), style_weight=1.0, content_weight=0.0)
    left, right = halves()
    right[:, 24:36] = 0  # a quarter of the picture
    posed = problem(network(xp), ("strokes", "strokes"), masks=[left, right], blend=(1.0, 3.0), style_weight=1.0,
                    content_weight=0.0)
    for n, (part, blend) in enumerate([(1 / 2, 2 / 4), (1 / 4, 6 / 4)]):
        weight, loss = posed.terms[n * len(STYLE)]
        assert weight / whole.terms[0][0] == pytest.approx(part * blend, rel=0.05)  # resizing blurs a mask's edges
        assert float((loss.mask * loss.mask).mean()) == pytest.approx(1, rel=1e-5)


def test_relative_total_variation_is_1_for_the_content(xp):
    posed = problem(network(xp), tv_weight=0.5)
    weight, loss = posed.terms[-1]
    assert weight * loss({"input": posed.content})[0] == pytest.approx(0.5, rel=1e-5)


@pytest.mark.parametrize("reduction", ["sum", "mean", "relative"])
def test_weights_of_content_layers(reduction):
    net = network(np, np.float64)
    x = np.random.default_rng(0).standard_normal((1, 3, 12, 12))
    layers = {"relu1": 2.0, "relu2": 0.5}
    for (weight, loss), (layer, own) in zip(content_terms(net, x, layers, 3.0, reduction), layers.items(), strict=True):
        features = net.predict(x, layer)
        by = {"sum": 1, "mean": features.size, "relative": (features**2).sum()}[reduction]
        assert loss.layer == layer and weight == pytest.approx(3 * own / by, rel=1e-12)


def test_names_of_the_terms():
    assert term_names(PLAIN) == ["content relu2", "style relu1", "style relu2"]
    assert term_names(dataclasses.replace(PLAIN, tv_weight=1.0), 2) == [
        "content relu2", "style 1 relu1", "style 1 relu2", "style 2 relu1", "style 2 relu2", "TV"]
