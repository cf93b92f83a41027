"""The products behind one activation: they add up to it, at every place, stride, padding and group."""

import numpy as np
import pytest
from small_networks import on, scored_network, small_network

from minicnn.errors import InputError
from minicnn.layers import Conv2D, Flatten, Linear, ReLU
from minicnn.network import Network
from minicnn.visualize import product_terms, summing_unit, top_patches, top_patches_by_layer


def test_the_products_add_up_to_the_activation_everywhere(xp, rng):
    net = Network((4, 9, 8))
    net.add("conv", Conv2D(4, 6, 3, stride=2, pad=2, groups=2, rng=rng))
    net.add("flat", Flatten())
    net.add("fc", Linear(6 * 6 * 5, 3, rng=rng))
    net.layer("conv").params["b"] = rng.standard_normal(6).astype(np.float32)
    x = rng.standard_normal((1, 4, 9, 8)).astype(np.float32)
    acts, there = net.forward(x).activations, on(xp, net)
    for channel, y, column in np.ndindex(6, 6, 5):
        terms = product_terms(there, xp.asarray(x), "conv", channel, (y, column))
        assert terms.total == pytest.approx(acts["conv"][0, channel, y, column], abs=1e-5)
        assert terms.patch.shape == (2, 3, 3) and isinstance(terms.products, np.ndarray)
        top, left, first = terms.top, terms.left, terms.first
        for c, i, j in np.ndindex(2, 3, 3):
            inside = 0 <= top + i < 9 and 0 <= left + j < 8
            assert terms.patch[c, i, j] == (x[0, first + c, top + i, left + j] if inside else 0)
    terms = product_terms(there, xp.asarray(acts["flat"]), "fc", 2)
    assert terms.total == pytest.approx(acts["fc"][0, 2], abs=1e-4) and terms.products.shape == (180, 1, 1)


def test_the_unit_behind_a_relu_or_a_concatenation_is_found(rng):
    net = scored_network(rng)
    assert summing_unit(net, "relu1", 5) == ("conv1", 5, ["relu1"])
    assert summing_unit(net, "concat", 3) == ("conv2a", 3, ["concat", "relu2a"])
    assert summing_unit(net, "concat", 6) == ("conv2b", 2, ["concat", "relu2b"])
    assert summing_unit(net, "pool1", 1) is None and summing_unit(net, "scores", 0) is None
    x = rng.standard_normal((1, 3, 16, 16)).astype(np.float32)
    acts = net.forward(x).activations
    layer, channel, _ = summing_unit(net, "concat", 6)
    total = product_terms(net, acts["pool1"], layer, channel, (2, 3)).total
    assert max(total, 0) == pytest.approx(acts["concat"][0, 6, 2, 3], abs=1e-5)


@pytest.mark.parametrize(("changed", "message"), [
    ({"layer": "relu1"}, "adds up no products"), ({"channel": 6}, "6"), ({"position": (16, 0)}, "positions"),
    ({"position": None}, "positions"), ({"source": np.zeros((1, 5, 16, 16), np.float32)}, "3 input channels"),
    ({"source": np.zeros((2, 3, 16, 16), np.float32)}, "one image"), ({"layer": "conv9"}, "no layer")])
def test_wrong_units_are_named(rng, changed, message):
    valid = {"source": np.zeros((1, 3, 16, 16), np.float32), "layer": "conv1", "channel": 0, "position": (0, 0)}
    with pytest.raises(InputError, match=message):
        product_terms(small_network(rng), **valid | changed)


def test_one_walk_finds_the_patches_of_all_layers(xp, rng):
    net, x = on(xp, small_network(rng)), rng.standard_normal((7, 3, 16, 16)).astype(np.float32)
    batches, seen = [xp.asarray(x[:3]), xp.asarray(x[3:])], []
    best = top_patches_by_layer(net, iter(batches), top=4, callback=lambda found, count: seen.append(count))
    assert list(best) == net.layer_names() and seen == [3, 7]
    for layer, found in best.items():
        alone = top_patches(net, batches, layer, 4)
        assert all(np.array_equal(one, other) for one, other in zip(found, alone, strict=True)), layer
    first = top_patches_by_layer(net, batches, ["relu1"], 2, callback=lambda found, count: True)
    assert list(first) == ["relu1"] and first["relu1"].images.max() == 2  # the walk has ended after one batch
    with pytest.raises(InputError, match="no pictures"):
        top_patches_by_layer(net, [])
    assert isinstance(net.layer("relu1"), ReLU)
