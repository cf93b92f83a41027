"""The weighted sum of several losses, and its gradient through a network, on both back ends."""

import numpy as np
import pytest

from minicnn.backend import to_host
from minicnn.errors import UnknownNameError
from minicnn.gradient_check import directional_error, relative_error
from minicnn.layers import Conv2D, GlobalAvgPool2D, Linear, MaxPool2D, ReLU
from minicnn.losses import (
    L2,
    ChannelMean,
    ClassScore,
    FeatureMatch,
    GramMatch,
    LayerNorm2,
    NeuronActivation,
    PNorm,
    TotalVariation,
    loss_and_gradient,
    weighted_sum,
)
from minicnn.network import Network

MAPS = (2, 3, 4, 5)  # shape of the activations of a layer


def test_weighted_sum_adds_the_seeds_of_a_layer(xp, rng):
    a, b = rng.standard_normal((1, 2, 3, 3)), rng.standard_normal((1, 3))
    activations = {"a": xp.asarray(a), "b": xp.asarray(b)}
    terms = [(0.5, LayerNorm2("a")), (-2.0, ClassScore("b", 1)), (3.0, L2("a"))]
    total, seeds, values = weighted_sum(terms, activations)
    assert values == pytest.approx([(a * a).sum() / 2, b[0, 1], (a * a).sum()])
    assert total == pytest.approx(0.5 * values[0] - 2 * values[1] + 3 * values[2])
    assert set(seeds) == {"a", "b"}
    assert np.allclose(to_host(seeds["a"]), 0.5 * a + 6 * a, rtol=1e-14)
    assert to_host(seeds["b"]).tolist() == [[0, -2, 0]]


def test_weighted_sum_is_linear_in_the_weights(xp, rng):
    activations = {"a": xp.asarray(rng.standard_normal(MAPS)), "b": xp.asarray(rng.standard_normal(MAPS))}
    losses = [LayerNorm2("a"), ChannelMean("a", 2), PNorm(3, "b"), TotalVariation(1.5, "b"), L2("a")]

    def at(weights):
        total, seeds, _ = weighted_sum(list(zip(weights, losses, strict=True)), activations)
        return np.concatenate([[total], to_host(seeds["a"]).ravel(), to_host(seeds["b"]).ravel()])

    first, second = rng.standard_normal((2, 5)).tolist()
    mixed = [2 * u - 3 * v for u, v in zip(first, second, strict=True)]
    assert np.allclose(at(mixed), 2 * at(first) - 3 * at(second), rtol=1e-12, atol=1e-12)
    assert not at([0.0] * 5).any()


def small_net(xp, rng, dtype="float64"):
    """Two convolutions, a pool and a classifier of four classes, for pictures of 2x6x7."""
    net = Network((2, 6, 7))
    net.add("conv1", Conv2D(2, 3, 3, pad=1, rng=rng))
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(2))
    net.add("conv2", Conv2D(3, 4, 3, pad=1, rng=rng))
    net.add("relu2", ReLU())
    net.add("pool2", GlobalAvgPool2D())
    net.add("fc", Linear(4, 4, rng))
    return net.astype(dtype).to_device("cpu" if xp is np else "gpu")


def many_terms(xp, rng, dtype="float64"):
    """Every kind of loss at once, at six layers and the input."""
    return [(-1.5, ClassScore("fc", [1, 3])), (0.7, ChannelMean("conv2", 2)), (0.2, LayerNorm2("relu1")),
            (0.4, NeuronActivation("conv1", 0, (2, 3))), (-0.3, NeuronActivation("pool2", 1)),
            (0.6, FeatureMatch("conv2", xp.asarray(rng.standard_normal((2, 4, 3, 3)).astype(dtype)))),
            (0.8, GramMatch("relu1", xp.asarray(rng.standard_normal((2, 3, 3)).astype(dtype)))),
            (0.1, TotalVariation()), (0.05, TotalVariation(1.5)), (0.03, L2()), (0.01, PNorm())]


def test_many_terms_through_a_network(xp, rng):
    net, terms = small_net(xp, rng), many_terms(xp, rng)
    image = xp.asarray(rng.standard_normal((2, 2, 6, 7)))
    total, gradient, values = loss_and_gradient(net, image, terms)
    assert directional_error(lambda image: loss_and_gradient(net, image, terms)[0], image, gradient, rng) < 1e-6
    activations = net.forward(image).activations
    assert values == [loss(activations)[0] for _, loss in terms]
    assert total == pytest.approx(sum(weight * value for (weight, _), value in zip(terms, values, strict=True)))


@pytest.mark.parametrize("place", range(11))
def test_each_term_reaches_the_image(place, rng):
    net, term = small_net(np, rng), many_terms(np, rng)[place]
    image = rng.standard_normal((2, 2, 6, 7))
    _, gradient, _ = loss_and_gradient(net, image, [term])
    assert np.abs(gradient).max() > 1e-3
    assert directional_error(lambda image: loss_and_gradient(net, image, [term])[0], image, gradient, rng) < 1e-6


def test_float32_through_a_network(xp, rng):
    net, terms = small_net(xp, rng, "float32"), many_terms(xp, rng, "float32")
    image = rng.standard_normal((2, 2, 6, 7))
    total, gradient, _ = loss_and_gradient(net, xp.asarray(image.astype("float32")), terms)
    assert gradient.dtype == "float32" and type(total) is float
    exact_terms = [(weight, type(loss)(loss.layer, loss.target.astype("float64")) if hasattr(loss, "target") else loss)
                   for weight, loss in terms]
    expected_total, expected, _ = loss_and_gradient(net.astype("float64"), xp.asarray(image), exact_terms)
    assert total == pytest.approx(expected_total, rel=1e-5)
    assert relative_error(gradient, expected) < 1e-5


def test_a_regularizer_alone_runs_no_layer(xp, rng):
    net, image = small_net(xp, rng), xp.asarray(rng.standard_normal((2, 2, 6, 7)))
    for node in net.nodes:
        node.layer.forward = node.layer.backward = None  # calling it would fail
    _, gradient, _ = loss_and_gradient(net, image, [(3.0, L2())])
    assert np.array_equal(to_host(gradient), 6 * to_host(image))


def test_layers_above_the_deepest_loss_do_not_run(rng):
    net, image = small_net(np, rng), rng.standard_normal((1, 2, 6, 7))
    net.layer("relu2").forward = None
    _, gradient, _ = loss_and_gradient(net, image, [(1.0, LayerNorm2("relu1")), (1.0, ChannelMean("conv2", 0))])
    assert gradient.shape == image.shape


def test_the_image_is_not_written_into(xp, rng):
    net, terms = small_net(xp, rng), many_terms(xp, rng)
    image = rng.standard_normal((2, 2, 6, 7))
    on_device = xp.asarray(image)
    loss_and_gradient(net, on_device, terms)
    assert np.array_equal(to_host(on_device), image)


def test_a_misspelt_layer(rng):
    with pytest.raises(UnknownNameError, match="no layer 'relu_1'; did you mean relu1"):
        loss_and_gradient(small_net(np, rng), np.zeros((1, 2, 6, 7)), [(1.0, LayerNorm2("relu_1"))])
