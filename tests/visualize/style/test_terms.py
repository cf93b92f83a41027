"""The loss terms: reductions, weights, Gram targets, and masks."""

import numpy as np
import pytest
from two_stages import network

from minicnn.backend import to_host
from minicnn.layers import Gram
from minicnn.losses import GramMatch
from minicnn.visualize.style.terms import gram_targets, layer_masks, style_terms
from minicnn.visualize.texture.gram import TEXTURE_PRESETS

LAYERS = ("relu1", "pool1", "relu2")


def test_the_loss_of_gatys(rng):
    """w / 4 * sum of (G - G')² / N², G = F Fᵀ / M, with N channels and M pixels."""
    features, other = rng.standard_normal((2, 1, 5, 4, 3))
    flat, flat_other = features.reshape(5, 12), other.reshape(5, 12)
    difference = flat @ flat.T / 12 - flat_other @ flat_other.T / 12
    gatys = 1e9 / 4 * (difference**2).sum() / 5**2
    (weight, loss), = style_terms({"a": Gram().forward(other)[0]},
                                  {"a": TEXTURE_PRESETS["gatys"].layers["pool1"]}, 1.0, "sum")
    assert weight * loss({"a": features})[0] == pytest.approx(gatys, rel=1e-12)


@pytest.mark.parametrize("reduction, divisor", [
    ("sum", lambda target: 1), ("mean", lambda target: target.size), ("relative", lambda target: (target**2).sum())])
def test_reductions(reduction, divisor, rng):
    target = rng.standard_normal((1, 3, 3))
    (weight, loss), = style_terms({"a": target}, {"a": 2.0}, 5.0, reduction)
    assert weight == pytest.approx(10 / divisor(target)) and isinstance(loss, GramMatch) and loss.mask is None


def test_targets_are_linear_in_the_weights(xp, rng):
    net = network(xp, "float64")
    x = [xp.asarray(rng.standard_normal((1, 3, 12, 14))), xp.asarray(rng.standard_normal((1, 3, 9, 9)))]
    one, two = (gram_targets(net, [picture], LAYERS) for picture in x)
    blended = gram_targets(net, x, LAYERS, [1, 3])
    for layer in LAYERS:
        assert np.allclose(to_host(blended[layer]), to_host(one[layer] * 0.25 + two[layer] * 0.75), rtol=1e-12)
        assert to_host(gram_targets(net, x[:1], LAYERS, [7])[layer]).tobytes() == to_host(one[layer]).tobytes()


def test_a_mask_selects_a_part_of_the_picture(xp, rng):
    """The Gram matrix of the masked part equals that of a picture cut to this part."""
    features = xp.asarray(rng.standard_normal((1, 4, 6, 8)))
    mask = np.zeros((6, 8))
    mask[:, 3:] = 1
    target = Gram().forward(features[..., 3:])[0]
    (weight, loss), = style_terms({"a": target}, {"a": 1.0}, 1.0, masks={"a": xp.asarray(mask)})
    assert weight == pytest.approx(5 / 8)
    value, seeds = loss({"a": features})
    assert value == pytest.approx(0, abs=1e-24)
    assert np.abs(to_host(seeds["a"])).max() < 1e-12


def test_masks_are_resized_to_each_layer(xp):
    mask = np.zeros((32, 64), np.uint8)
    mask[:, :32] = 255
    maps = layer_masks(mask, network(xp), (3, 16, 32), ["relu1", "pool1", "pool2"])
    assert [maps[layer].shape for layer in maps] == [(16, 32), (8, 16), (4, 8)]
    for layer in maps:
        half = maps[layer].shape[1] // 2
        scaled = to_host(maps[layer])
        assert (scaled[:, :half - 1] == 1).all() and (scaled[:, half + 1:] == 0).all()
        assert maps[layer].dtype == "float32"
