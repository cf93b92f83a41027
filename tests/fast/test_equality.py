"""A fast network gives what the definition gives: layers of any shape, whole networks, every use of the loops."""

import numpy as np
import pytest
from fast_layers import FastLayer
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_cases import CASES, build, outputs, placed

import minicnn
from minicnn import models
from minicnn.layers import (
    AvgPool2D,
    BatchNorm2D,
    Concat,
    ConditionalInstanceNorm2D,
    Conv2D,
    DeconvReLU,
    GuidedReLU,
    InstanceNorm2D,
    MaxPool2D,
    ReLU,
)
from minicnn.network import Network

BOUNDS = {4: 5e-5, 2: 5e-6, "off": 3e-6}  # of the largest value, by the setting of Winograd


@pytest.fixture(autouse=True)
def same_threads_afterwards():
    before = minicnn.get_num_threads()
    yield
    minicnn.set_num_threads(before)


def relative_error(found, expected):
    """The largest error as a share of the largest value."""
    assert found.shape == expected.shape and found.dtype == np.float32
    return float(abs(found - expected).max() / max(abs(expected).max(), 1e-30))


@pytest.mark.parametrize("name", CASES)
def test_every_layer_of_the_table(name, xp, rng):
    layer, xs = build(name, rng)
    xs = [xp.asarray(x.astype("float32")) for x in xs]
    plain = placed(layer, xp, "float32")
    dout = xp.asarray(rng.standard_normal(plain.forward(*xs)[0].shape).astype("float32"))
    expected = outputs(plain, xs, dout)
    for key, found in outputs(FastLayer(plain), xs, dout).items():
        assert float(abs(found - expected[key]).max()) <= 3e-6 * max(1, float(abs(expected[key]).max())), key


SIDES = st.integers(1, 40)
CHANNELS = st.sampled_from([1, 2, 3, 5, 16, 17, 32, 40, 64])


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 3), CHANNELS, CHANNELS, SIDES, SIDES, st.sampled_from([1, 2, 3, 5, 7]), st.integers(1, 3),
       st.integers(0, 3), st.sampled_from([4, 2, "off"]), st.integers(1, 4), st.integers(0, 2**32))
def test_convolutions_of_any_shape(N, C, F, H, W, size, stride, pad, winograd, threads, seed):
    rng = np.random.default_rng(seed)
    minicnn.set_num_threads(threads)
    layer = Conv2D(C, F, size, stride, pad, rng=rng)
    H, W = max(H, size - 2 * pad, 1), max(W, size - 2 * pad, 1)
    x = rng.standard_normal((N, H, W, C), np.float32).transpose(0, 3, 1, 2)
    dout = rng.standard_normal(layer.output_shape(x.shape), np.float32)
    expected = outputs(placed(layer, np), [x.astype(float)], dout.astype(float))
    found = outputs(FastLayer(layer, winograd), [x], dout)
    for key, bound in (("out", BOUNDS[winograd]), ("dx0", BOUNDS[winograd]), ("w", BOUNDS["off"])):
        assert relative_error(found[key], expected[key]) <= bound, key
    assert (abs(found["b"] - expected["b"]) <= 3e-7 * abs(dout).sum(axis=(0, 2, 3))).all()  # the terms may cancel


OTHERS = {
    "relu": ReLU, "guided relu": GuidedReLU, "deconvnet's relu": DeconvReLU, "max pool 2": lambda: MaxPool2D(2),
    "max pool 3/2": lambda: MaxPool2D(3, 2, ceil=True), "max pool 3/1, pad 1": lambda: MaxPool2D(3, 1, 1),
    "max pool 2/3": lambda: MaxPool2D(2, 3, ceil=True), "average pool 3/2": lambda: AvgPool2D(3, 2, 1, ceil=True),
    "concat": Concat, "batch norm": lambda: BatchNorm2D(24), "instance norm": lambda: InstanceNorm2D(24),
    "conditional instance norm": lambda: ConditionalInstanceNorm2D(24, 3)}


@pytest.mark.parametrize("name", OTHERS)
@settings(max_examples=12, deadline=None)
@given(st.integers(1, 3), st.integers(3, 90), st.integers(3, 90), st.integers(1, 3), st.booleans(),
       st.integers(0, 2**32))
def test_other_layers_of_any_shape(name, N, H, W, threads, ties, seed):
    rng = np.random.default_rng(seed)
    minicnn.set_num_threads(threads)
    layer = OTHERS[name]()
    xs = [rng.standard_normal((N, H, W, 24), np.float32).transpose(0, 3, 1, 2) for _ in range(1 + (name == "concat"))]
    xs = [np.round(x) if ties else x for x in xs]
    out, _ = layer.forward(*xs)
    dout = rng.standard_normal(out.shape, np.float32)
    expected = outputs(layer, xs, dout)
    for key, found in outputs(FastLayer(layer), xs, dout).items():
        # sums in another order: over the pixels, or over overlapping windows; all else is exact
        bound = 2e-5 if "norm" in name else 1e-6 if name.startswith("max pool 3/") and key == "dx0" else 0
        assert abs(found - expected[key]).max() <= bound * max(1, abs(expected[key]).max()), key


NETWORKS = {
    "squeezenet1_1": (lambda: models.squeezenet1_1(3), (1, 3, 97, 121), ("fire4/concat", "conv10")),
    "squeezenet1_0": (lambda: models.squeezenet1_0(3), (2, 3, 95, 90), ("fire4/concat", "conv10")),
    "vgg16": (lambda: models.vgg16(3).trunk("relu3_3"), (1, 3, 66, 50), ("relu2_1", "relu3_3")),
    "vgg19, reflected": (lambda: models.vgg19(3, padding="reflect").trunk("pool2"), (2, 3, 50, 41),
                         ("relu1_2", "pool2")),
    "alexnet": (lambda: models.alexnet(3).trunk("pool5"), (1, 3, 131, 140), ("relu2", "pool5")),
    "caffenet": (lambda: models.caffenet(3).trunk("pool5"), (1, 3, 131, 140), ("norm1", "pool5")),
    "resnet18": (lambda: models.resnet18(3), (2, 3, 64, 80), ("conv1", "relu3b")),
    "digits": (lambda: models.digits(3), (5, 1, 28, 28), ("pool1", "relu2")),
    "shapes": (lambda: models.shapes(3), (3, 3, 64, 64), ("pool1", "relu3")),
    "transform network": (lambda: models.transform_network(3, (8, 16, 32), 2), (1, 3, 60, 52), ()),
}


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name, threads, rng):
    minicnn.set_num_threads(threads)
    make, shape, inner = NETWORKS[name]
    plain, x = make(), rng.standard_normal(shape, np.float32)
    for winograd, most in ((4, 1e-4), ("off", 2e-5)):
        fast = plain.fast(winograd)
        expected, found = plain.forward(x), fast.forward(x)
        for layer in plain.layer_names():
            assert relative_error(found.activations[layer], expected.activations[layer]) <= most, layer
        kept = fast.forward(x, keep=[plain.output]).activations[plain.output]
        assert relative_error(kept, expected.activations[plain.output]) <= most  # chains of layers ran in step
        assert np.array_equal(kept, fast.predict(x))
        seeds = {layer: rng.standard_normal(expected.activations[layer].shape, np.float32)
                 for layer in (*inner, plain.output)}
        for relu in (None, GuidedReLU()):
            one, other = (net if relu is None else net.with_relu(relu) for net in (plain, fast))
            # the same trace, so that both go through the same ReLUs and pools
            exact = one.backward(expected, seeds, ("input", *inner))
            for layer, gradient in other.backward(expected, seeds, ("input", *inner)).items():
                assert relative_error(gradient, exact[layer]) <= most, layer
        exact = plain.backward_train(plain.forward(x), seeds)
        for layer, gradients in fast.backward_train(plain.forward(x), seeds).items():
            largest = max(abs(gradient).max() for gradient in exact[layer].values())  # a bias before a norm has 0
            for key, gradient in gradients.items():
                assert abs(gradient - exact[layer][key]).max() <= 2 * most * largest, (layer, key)


def test_float64_takes_the_definition_bit_for_bit(rng):
    plain = models.squeezenet1_1(3).astype("float64")
    x = rng.standard_normal((1, 3, 70, 75))
    expected, found = plain.forward(x), plain.fast().forward(x)
    assert all(np.array_equal(found.activations[name], expected.activations[name]) for name in plain.layer_names())
    seed = {plain.output: np.ones_like(expected.activations[plain.output])}
    assert np.array_equal(plain.fast().backward(found, seed)["input"], plain.backward(expected, seed)["input"])


def test_weights_are_shared_both_ways(rng):
    plain = models.digits(3)
    fast = plain.fast()
    assert type(fast.plain()) is Network and fast.plain().nodes == fast.nodes == plain.nodes
    fast.layer("conv1").params["w"] *= 2
    assert plain.layer("conv1").params["w"] is fast.layer("conv1").params["w"]
    for sibling in (fast.with_pooling("avg"), fast.trunk("relu1"), fast.astype("float64"), fast.with_layers({})):
        assert type(sibling) is type(fast)
