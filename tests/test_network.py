"""The network: names, the two loops, siblings of a network, and the models that are made of it."""

import ast
import copy
import pickle
import subprocess
import sys
import warnings
import weakref
from pathlib import Path

import numpy as np
import pytest
import reference

import minicnn
from minicnn import models, visualize
from minicnn.backend import device_of, to_host
from minicnn.errors import InputError, UnknownNameError
from minicnn.gradient_check import directional_error, numerical_gradient, relative_error
from minicnn.layers import (
    Add,
    AvgPool2D,
    BatchNorm2D,
    Concat,
    Conv2D,
    DeconvReLU,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    GuidedReLU,
    Layer,
    Linear,
    MaxPool2D,
    Pad2D,
    ReLU,
)
from minicnn.models.squeezenet import add_fire
from minicnn.network import Network, SlowNetworkWarning, warn_if_slow

PACKAGE = Path(minicnn.__file__).parent


# ---- tools -------------------------------------------------------------------------------------------------

class Scale(Layer):
    """x times a number, so that gradients can be worked out by hand; `calls` lists every call, in order."""

    def __init__(self, factor, calls=None):
        super().__init__()
        self.factor, self.calls = factor, [] if calls is None else calls

    def forward(self, x):
        self.calls.append(("forward", self.factor))
        return x * self.factor, None

    def backward(self, dout, cache):
        self.calls.append(("backward", self.factor))
        return dout * self.factor


def chain(*layers):
    """A network of layers called a, b, c, … one after the other."""
    net = Network((1, 1, 1))
    for name, layer in zip("abcdefgh", layers, strict=False):
        net.add(name, layer)
    return of_this_kind(net)


def number(xp, value):
    """An input or a gradient of one number."""
    return xp.asarray(np.full((1, 1, 1, 1), float(value)))


def gradients_by_hand(net, xp, seeds, wrt):
    """net.backward for seeds and gradients of one number each."""
    trace = net.forward(number(xp, 1))
    seeds = {name: number(xp, value) for name, value in seeds.items()}
    before = {name: float(seed.sum()) for name, seed in seeds.items()}
    grads = net.backward(trace, seeds, wrt)
    assert {name: float(seed.sum()) for name, seed in seeds.items()} == before  # nothing wrote into a seed
    return {name: float(grad.sum()) for name, grad in grads.items()}


KIND = "plain"


@pytest.fixture(params=["plain", "fast"], autouse=True)
def kind(request, monkeypatch):
    """Run each test on a plain network and on a fast one."""
    monkeypatch.setattr(sys.modules[__name__], "KIND", request.param)


def of_this_kind(net):
    """The network, plain or fast."""
    return net.fast() if KIND == "fast" else net


def ready(net, xp, rng, dtype="float64"):
    """`net` with random parameters, on the device of `xp`."""
    net = of_this_kind(net).astype(dtype)
    for layer in net.parameter_layers().values():
        layer.params = {key: (0.5 * rng.standard_normal(array.shape)).astype(dtype)
                        for key, array in layer.params.items()}
    return net.to_device("cpu" if xp is np else "gpu")


def fire_net(xp, rng):
    """A SqueezeNet in small, float64: two Fire modules in a row."""
    net = Network((2, 9, 11), {"features.3": "fire2/concat"})
    net.add("conv1", Conv2D(2, 4, 3, stride=2, rng=rng))
    net.add("relu_conv1", ReLU())
    net.add("pool1", MaxPool2D(3, stride=2, ceil=True))
    add_fire(net, "fire2", 4, 2, 3, rng)
    add_fire(net, "fire3", 6, 3, 2, rng)
    net.add("drop9", Dropout())
    net.add("conv10", Conv2D(4, 5, 1, rng=rng))
    net.add("pool10", GlobalAvgPool2D())
    return ready(net, xp, rng)


def residual_net(xp, rng):
    """Two residual blocks, batch normalization and a classifier, float64."""
    net = Network((2, 6, 5))
    for block in ("a", "b"):
        x = net.output
        net.add(f"{block}1", Conv2D(2, 2, 3, pad=1, bias=False), x)
        net.add(f"{block}2", BatchNorm2D(2))
        net.add(f"{block}3", ReLU())
        net.add(f"{block}4", Conv2D(2, 2, 3, pad=1))
        net.add(f"{block}5", Add(), x, f"{block}4")
    net.add("flatten", Flatten())
    net.add("fc", Linear(60, 3))
    return ready(net, xp, rng)


def check_against_differences(net, x, seeds, rng, tolerance=1e-6):
    """Directional derivatives of the sum of activations times seeds, to the input and to all parameters."""
    def objective(x):
        activations = net.forward(x).activations
        return sum(float((activations[name] * seed).sum()) for name, seed in seeds.items())

    trace = net.forward(x)
    owners = net.parameter_layers()
    nodes_with_parameters = [node.name for node in net.nodes if node.layer.params]
    grads = net.backward(trace, seeds, wrt=("input", *nodes_with_parameters))
    assert directional_error(objective, x, grads["input"], rng) <= tolerance
    gradients = net.backward_params(trace, grads)
    assert set(gradients) == set(owners)
    for name, layer in owners.items():
        assert set(gradients[name]) == set(layer.params)
        for key, original in layer.params.items():
            def of_parameter(value, layer=layer, key=key):
                layer.params[key] = value
                return objective(x)
            error = directional_error(of_parameter, original, gradients[name][key], rng, directions=2)
            assert error <= tolerance, (name, key)
            layer.params[key] = original


def names_in(error):
    """The message of an UnknownNameError, which is one line and not a repr."""
    message = str(error.value)
    assert isinstance(error.value, KeyError) and isinstance(error.value, InputError)
    assert "\n" not in message and not message.startswith(("'", '"'))
    return message


# ---- names -------------------------------------------------------------------------------------------------

def test_add_returns_the_name_and_takes_the_node_before_as_input():
    net = Network((3, 4, 5))
    assert net.output == "input"
    assert net.add("a", ReLU()) == "a"
    assert net.add("b", ReLU()) == "b"
    net.add("c", Add(), "a", "input")
    assert [node.inputs for node in net.nodes] == [("input",), ("a",), ("a", "input")]
    assert net.layer_names() == ["a", "b", "c"]
    assert net.output == "c"
    assert net.layer("b") is net.nodes[1].layer


def test_a_name_is_given_once():
    net = chain(ReLU())
    for name in ("a", "input"):
        with pytest.raises(InputError, match=f"already a layer '{name}'"):
            net.add(name, ReLU())
    assert net.layer_names() == ["a"]


def test_inputs_of_a_new_layer_exist():
    net = Network((1, 4, 4))
    net.add("conv1_1", ReLU())
    with pytest.raises(UnknownNameError) as error:
        net.add("sum", Add(), "conv1_1", "conv1_2")
    assert names_in(error) == "no layer 'conv1_2'; did you mean conv1_1?"
    assert net.layer_names() == ["conv1_1"]


def test_unknown_names_are_answered_with_the_nearest():
    net = models.vgg16(seed=None)
    x = np.zeros((1, 3, 8, 8), np.float32)
    trace = net.forward(x, upto="relu1_1")
    for call in (net.find, net.layer, net.trunk,
                 lambda name: net.predict(x, name),
                 lambda name: net.forward(x, upto=name),
                 lambda name: net.forward(x, upto=("conv1_1", name)),
                 lambda name: net.forward(x, upto="conv1_1", keep=(name,)),
                 lambda name: net.backward(trace, {name: x}),
                 lambda name: net.backward(trace, {}, wrt=(name,))):
        with pytest.raises(UnknownNameError) as error:
            call("con4_2")
        assert names_in(error).startswith("no layer 'con4_2'; did you mean ")
        assert "conv4_2" in names_in(error)
    with pytest.raises(UnknownNameError) as error:
        net.find("Relu5_3")
    assert "did you mean relu5_3" in names_in(error)
    with pytest.raises(UnknownNameError) as error:
        net.find("block4_conv7")
    assert "did you mean block4_conv" in names_in(error)
    with pytest.raises(UnknownNameError) as error:
        chain(ReLU()).find("mixed4a")
    assert names_in(error) == "no layer 'mixed4a'; layer names: input, a"


# ---- forward -----------------------------------------------------------------------------------------------

def test_forward_keeps_every_activation(xp, rng):
    net = fire_net(xp, rng)
    x = xp.asarray(rng.standard_normal((2, 2, 9, 11)))
    trace = net.forward(x)
    assert list(trace.activations) == ["input", *net.layer_names()]
    assert list(trace.caches) == net.layer_names()
    assert trace.activations["input"] is x
    shapes = net.shapes()
    for name, array in trace.activations.items():
        assert array.shape == (2, *shapes[name][1:])


def test_forward_stops_at_the_deepest_layer_asked_for():
    calls = []
    net = chain(*[Scale(factor, calls) for factor in (2, 3, 5, 7)])
    net.aliases["features.2"] = "c"
    for upto, last in (("c", 3), (("c", "a"), 3), ("features.2", 3), ("a", 1), ("input", 0)):
        calls.clear()
        trace = net.forward(number(np, 1), upto=upto)
        assert list(trace.activations) == ["input", "a", "b", "c"][:last + 1]
        assert list(trace.caches) == ["a", "b", "c"][:last]
        assert calls == [("forward", factor) for factor in (2, 3, 5)[:last]]
    for ask in (lambda: net.forward(number(np, 1), upto=[]), lambda: net.features(number(np, 1), ())):
        with pytest.raises(InputError, match="no layer is named"):
            ask()


def test_only_what_is_asked_for_is_kept(xp, rng):
    net = fire_net(xp, rng)
    x = xp.asarray(rng.standard_normal((1, 2, 9, 11)))
    full = net.forward(x)
    dout = xp.asarray(rng.standard_normal((1, 5)))
    for keep in ((), ("pool10",), ("input", "relu_conv1"), ("features.3", "fire3/concat"), net.layer_names()):
        trace = net.forward(x, keep=keep)
        assert set(trace.activations) == {net.find(name) for name in keep}
        for name, array in trace.activations.items():
            assert np.array_equal(to_host(array), to_host(full.activations[name]))
        dx = net.backward(trace, {"pool10": dout})["input"]  # the caches are all there
        assert np.array_equal(to_host(dx), to_host(net.backward(full, {"pool10": dout})["input"]))
    trace = net.forward(x, upto="fire2/concat", keep=["relu_conv1"])
    assert list(trace.activations) == ["relu_conv1"] and list(trace.caches)[-1] == "fire2/concat"


class Watched(Layer):
    """The identity that notes, at every call, how many of the outputs so far are still in memory."""

    def __init__(self, made, alive):
        super().__init__()
        self.made, self.alive = made, alive

    def forward(self, x):
        self.alive.append([index for index, out in enumerate(self.made) if out() is not None])
        out = x + 1
        self.made.append(weakref.ref(out))
        return out, (x if len(self.made) == 4 else None)


def test_activations_that_are_not_kept_leave_memory_as_soon_as_they_are_used():
    made, alive = [], []
    net = chain(*[Watched(made, alive) for _ in range(6)])
    trace = net.forward(number(np, 0), keep=("b",))
    assert alive == [[], [0], [1], [1, 2], [1, 2, 3], [1, 2, 4]]  # 2 is in the cache of d
    assert [index for index, out in enumerate(made) if out() is not None] == [1, 2]
    assert list(trace.activations) == ["b"]
    made.clear()
    alive.clear()
    out = net.predict(number(np, 0))
    assert alive == [[], [0], [1], [2], [3], [4]]  # only its input is there when a layer runs
    assert float(out.sum()) == 6
    assert [index for index, out in enumerate(made) if out() is not None] == [5]


class Leaky(ReLU):
    """Another rule, which knows nothing of writing over its input."""

    def forward(self, x):
        return x, x


@pytest.mark.parametrize("size", [6, 70])  # the second is large enough for bands
def test_only_what_nobody_reads_any_more_is_written_over(xp, rng, size):
    net = Network((4, size, size))
    net.add("relu0", ReLU())  # its input is the caller's
    net.add("conv1", Conv2D(4, 4, 1, rng=rng))
    net.add("relu1", ReLU())
    net.add("again", ReLU())  # the cache of relu1 is what it reads
    net.add("conv2", Conv2D(4, 4, 1, rng=rng))
    net.add("relu2", ReLU(), "conv2")
    net.add("join", Concat(), "relu2", "conv2")  # conv2 is read once more
    net.add("conv3", Conv2D(8, 4, 1, rng=rng))
    net.add("leaky", Leaky())
    net = ready(net, xp, rng, "float32").fast()
    x = xp.asarray(rng.standard_normal((1, 4, size, size)).astype("float32"))
    before, full = x.copy(), net.forward(x).activations
    assert net.fast()._in_place(None, ["leaky"]) == {"relu1"}
    assert net.fast()._in_place(None, ["conv1"]) == net.fast()._in_place(None, None) == set()
    for keep in ([], ["conv1"], ["conv2", "relu1"], ["leaky"]):
        trace, features = net.forward(x, keep=keep), net.features(x, keep or ["relu2"])
        for name, array in [*trace.activations.items(), *features.items()]:
            np.testing.assert_allclose(to_host(array), to_host(full[name]), atol=1e-6)
        for name, part in (("relu0", trace.caches["conv1"]), ("relu1", trace.caches["relu1"])):
            np.testing.assert_allclose(to_host(part), to_host(full[name]), atol=1e-6)
    assert np.array_equal(to_host(x), to_host(before))


@pytest.mark.parametrize("side", [MaxPool2D(2), Conv2D(4, 4, 1, rng=np.random.default_rng(1)), Dropout(), Add()],
                         ids=repr)
def test_what_somebody_else_has_read_before_is_not_written_over(side, rng):
    net = Network((3, 8, 8))
    net.add("conv", Conv2D(3, 4, 3, pad=1, rng=rng))
    net.add("side", side)  # it keeps the convolution's output for the way back, or hands it on
    net.add("relu", ReLU(), "conv")
    for name in ("side", "relu"):
        net.add(f"mean_{name}", GlobalAvgPool2D(), name)
    net.add("join", Concat(), "mean_side", "mean_relu")
    x = rng.standard_normal((2, 3, 8, 8))
    expected, trace = net.forward(x), net.forward(x, keep=("side", "join"))
    for name, array in [*trace.activations.items(), *net.features(x, ["side", "join"]).items()]:
        assert np.array_equal(array, expected.activations[name])
    grads = [net.backward(each, {"join": np.ones((2, 8))}, wrt=("side", "input")) for each in (expected, trace)]
    assert np.array_equal(grads[0]["input"], grads[1]["input"])
    dside = grads[0]["side"]
    for one, other in zip(*[side.backward_params(dside, each.caches["side"]).values() for each in (expected, trace)],
                          strict=True):
        assert np.array_equal(one, other)


def test_predict_equals_forward(xp, rng):
    net = fire_net(xp, rng)
    x = xp.asarray(rng.standard_normal((2, 2, 9, 11)))
    activations = net.forward(x).activations
    for name, expected in activations.items():
        assert np.array_equal(to_host(net.predict(x, name)), to_host(expected))
    assert np.array_equal(to_host(net.predict(x)), to_host(activations["pool10"]))
    assert np.array_equal(to_host(net.predict(x, "features.3")), to_host(activations["fire2/concat"]))


def test_features_are_activations_of_several_layers(xp, rng):
    net = fire_net(xp, rng)
    x = xp.asarray(rng.standard_normal((2, 2, 9, 11)))
    activations = net.forward(x).activations
    names = ["pool10", "input", "features.3", "conv1"]
    found = net.features(x, names)
    assert list(found) == [net.find(name) for name in names]
    for name, out in found.items():
        assert np.array_equal(to_host(out), to_host(activations[name]))
    with pytest.raises(UnknownNameError, match="no layer 'conv99'"):
        net.features(x, ["conv99"])


# ---- backward, by hand -------------------------------------------------------------------------------------

def test_fan_out_adds(xp):
    net = chain(Scale(2))
    net.add("b", Scale(3), "a")
    net.add("c", Scale(5), "a")
    net.add("sum", Add(), "b", "c")
    assert gradients_by_hand(net, xp, {"sum": 1}, ("input",)) == {"input": 2 * (3 + 5)}
    net.add("twice", Add(), "sum", "sum", "a")
    assert gradients_by_hand(net, xp, {"twice": 1}, ("input",)) == {"input": 2 * (2 * (3 + 5) + 1)}


def test_seeds_at_several_layers_add(xp):
    net = chain(Scale(2), Scale(3), Scale(5))
    wrt = ("input", "a", "b", "c")
    assert gradients_by_hand(net, xp, {"c": 1, "b": 10, "a": 100, "input": 1000}, wrt) == {
        "c": 1, "b": 10 + 5, "a": 100 + 3 * 15, "input": 1000 + 2 * 145}


def test_branches_that_share_a_gradient_do_not_write_into_it(xp):
    # Add hands one array to `c` and `sum`, and on to `a` and `b`; then `c` adds its own part to that of `a`.
    net = Network((1, 1, 1))
    net.add("a", Scale(2), "input")
    net.add("b", Scale(3), "input")
    net.add("c", Scale(5), "a")
    net.add("sum", Add(), "a", "b")
    net.add("total", Add(), "c", "sum")
    grads = gradients_by_hand(net, xp, {"total": 1}, ("input", "a", "b", "c", "sum", "total"))
    assert grads == {"input": 2 * (1 + 5) + 3 * 1, "a": 1 + 5, "b": 1, "c": 1, "sum": 1, "total": 1}


def test_concat_gives_each_branch_its_own_channels(xp):
    net = Network((1, 1, 1))
    net.add("a", Scale(2), "input")
    net.add("b", Scale(3), "input")
    net.add("both", Concat(), "a", "b", "a")
    trace = net.forward(number(xp, 1))
    dout = xp.asarray(np.array([1.0, 10, 100]).reshape(1, 3, 1, 1))
    grads = net.backward(trace, {"both": dout}, wrt=("a", "b", "input"))
    assert {name: float(grad.sum()) for name, grad in grads.items()} == {
        "a": 1 + 100, "b": 10, "input": 2 * 101 + 3 * 10}


def test_the_gradient_to_any_layers_may_be_asked_for(xp):
    net = chain(Scale(2), Scale(3), Scale(5))
    assert gradients_by_hand(net, xp, {"c": 1}, ("b",)) == {"b": 5}
    assert gradients_by_hand(net, xp, {"c": 1}, "input") == {"input": 30}
    assert gradients_by_hand(net, xp, {"c": 1}, ["c", "a"]) == {"c": 1, "a": 15}
    assert gradients_by_hand(net, xp, {"b": 1}, ("b",)) == {"b": 1}
    assert gradients_by_hand(net, xp, {"c": 1}, ("input", "b", "c", "a")) == {
        "input": 30, "a": 15, "b": 5, "c": 1}


def test_backward_stops_as_soon_as_all_gradients_are_known():
    calls = []
    net = chain(*[Scale(factor, calls) for factor in (2, 3, 5, 7, 11)])
    net.add("aside", Scale(13, calls), "b")
    trace = net.forward(number(np, 1))
    for seeds, wrt, called in (
            ("e", "c", [11, 7]), ("e", "cd", [11, 7]), ("d", "b", [7, 5]), ("ec", "c", [11, 7]),
            ("c", "c", []), ("b", ["input"], [3, 2]), (["aside"], "a", [13, 3])):
        calls.clear()
        net.backward(trace, {name: number(np, 1) for name in seeds}, tuple(wrt))
        assert calls == [("backward", factor) for factor in called]


def test_no_gradient_where_none_arrives_is_an_error():
    net = chain(Scale(2), Scale(3))
    net.add("aside", Scale(5), "a")
    trace = net.forward(number(np, 1))
    for seeds, wrt in ((("b",), ("aside",)), (("a",), ("input", "b")), ((), ("input",))):
        with pytest.raises(InputError, match=f"no gradient reaches '{wrt[-1]}'"):
            net.backward(trace, {name: number(np, 1) for name in seeds}, wrt)


# ---- backward, against finite differences ------------------------------------------------------------------

def test_seeds_at_several_layers_of_fire_modules_against_differences(xp, rng):
    net = fire_net(xp, rng)
    x = xp.asarray(rng.standard_normal((2, 2, 9, 11)))
    shapes = net.shapes()
    names = ("relu_conv1", "fire2/squeeze1x1", "fire2/concat", "fire3/expand3x3", "pool10", "input")
    seeds = {name: xp.asarray(rng.standard_normal((2, *shapes[name][1:]))) for name in names}
    check_against_differences(net, x, seeds, rng)


def test_residual_blocks_against_differences(xp, rng):
    net = residual_net(xp, rng)
    x = xp.asarray(rng.standard_normal((2, 2, 6, 5)))
    shapes = {"fc": (2, 3), "a4": (2, 2, 6, 5)}
    seeds = {name: xp.asarray(rng.standard_normal(shape)) for name, shape in shapes.items()}
    check_against_differences(net, x, seeds, rng)


def test_a_layer_used_twice_against_differences(xp, rng):
    net = Network((2, 4, 5))
    shared, rectifier = Conv2D(2, 2, 3, pad=1), ReLU()
    net.add("first", shared)
    net.add("relu_first", rectifier)
    net.add("second", shared)
    net.add("relu_second", rectifier)
    net.add("aside", shared, "input")
    net.add("sum", Add(), "relu_second", "aside")
    assert net.num_parameters() == 2 * 2 * 9 + 2
    assert list(net.parameter_layers()) == ["first"]
    net = ready(net, xp, rng)
    x = xp.asarray(rng.standard_normal((2, 2, 4, 5)))
    seeds = {"sum": xp.asarray(rng.standard_normal((2, 2, 4, 5)))}
    check_against_differences(net, x, seeds, rng)

    def objective(x):
        return float((net.predict(x) * seeds["sum"]).sum())

    dx = net.backward(net.forward(x), seeds)["input"]  # every element, not only some directions
    assert relative_error(dx, numerical_gradient(objective, x)) <= 1e-7


def test_gradient_to_a_layer_in_between_against_differences(xp, rng):
    net = fire_net(xp, rng)
    trace = net.forward(xp.asarray(rng.standard_normal((1, 2, 9, 11))))
    dout = xp.asarray(rng.standard_normal((1, 5)))
    grad = net.backward(trace, {"pool10": dout}, wrt=("fire2/concat",))["fire2/concat"]
    rest = Network((6, 2, 3))
    start = net.positions["fire2/concat"] + 1
    for name, layer, inputs in net.nodes[start:]:
        rest.add(name, layer, *["input" if source == "fire2/concat" else source for source in inputs])

    def objective(x):
        return float((rest.predict(x) * dout).sum())

    assert directional_error(objective, trace.activations["fire2/concat"], grad, rng) <= 1e-6


def test_two_traces_open_at_once_do_not_disturb_each_other(xp, rng):
    net = fire_net(xp, rng)
    xs = [xp.asarray(rng.standard_normal((1, 2, 9, 11))) for _ in range(2)]
    dout = xp.asarray(rng.standard_normal((1, 5)))
    wrt = ("input", "conv1", "fire3/expand3x3")
    alone = []
    for x in xs:
        trace = net.forward(x)
        grads = net.backward(trace, {"pool10": dout}, wrt)
        alone.append((grads, net.backward_params(trace, grads)))
    traces = [net.forward(x) for x in xs]
    for trace, (expected, expected_params) in reversed(list(zip(traces, alone, strict=True))):
        for _ in range(2):  # and a trace may be used again
            grads = net.backward(trace, {"pool10": dout}, wrt)
            for name in wrt:
                assert np.array_equal(to_host(grads[name]), to_host(expected[name]))
            gradients = net.backward_params(trace, grads)
            assert list(gradients) == ["conv1", "fire3/expand3x3"]
            for name in gradients:
                assert np.array_equal(to_host(gradients[name]["w"]), to_host(expected_params[name]["w"]))
    assert not np.array_equal(to_host(alone[0][0]["input"]), to_host(alone[1][0]["input"]))


def test_training_pass_drops_and_goes_back_the_same_way(xp, rng):
    net = Network((2, 3, 4))
    net.add("conv", Conv2D(2, 3, 3, pad=1))
    net.add("norm", BatchNorm2D(3))
    net.add("relu", ReLU())
    net.add("drop", Dropout(0.5))
    net.add("pool", GlobalAvgPool2D())
    net = ready(net, xp, rng)
    x = xp.asarray(rng.standard_normal((3, 2, 3, 4)))
    dout = xp.asarray(rng.standard_normal((3, 3)))

    def objective(x):
        trace = net.forward_train(x, np.random.default_rng(5))
        return float((trace.activations["pool"] * dout).sum())

    trace = net.forward_train(x, np.random.default_rng(5))
    dropped = to_host(trace.activations["drop"])
    assert (dropped[to_host(trace.activations["relu"]) > 0] == 0).any()
    dx = net.backward(trace, {"pool": dout})["input"]
    assert directional_error(objective, x, dx, rng) <= 1e-6
    plain = net.forward(x).activations
    assert np.array_equal(to_host(plain["drop"]), to_host(plain["relu"]))


# ---- siblings ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("rule, naive", [
    (ReLU, reference.relu_backward), (GuidedReLU, reference.guided_relu_backward),
    (DeconvReLU, reference.deconv_relu_backward)])
def test_another_relu_rule_works_on_the_trace_of_the_plain_network(rule, naive, xp, rng):
    net = Network((2, 5, 6))
    for index, channels in ((1, (2, 3)), (2, (3, 4))):
        net.add(f"conv{index}", Conv2D(*channels, 3, pad=1))
        net.add(f"relu{index}", ReLU())
    net = ready(net, xp, rng)
    trace = net.forward(xp.asarray(rng.standard_normal((1, 2, 5, 6))))
    dout = rng.standard_normal((1, 4, 5, 6))
    other = net.with_relu(rule())
    grads = other.backward(trace, {"relu2": xp.asarray(dout)}, wrt=("conv2", "conv1"))
    before = {name: to_host(trace.activations[name]) for name in ("conv1", "conv2")}
    dconv2 = naive(dout, before["conv2"])
    assert np.array_equal(to_host(grads["conv2"]), dconv2)
    drelu1 = net.layer("conv2").backward(xp.asarray(dconv2), trace.caches["conv2"])
    assert np.array_equal(to_host(grads["conv1"]), naive(to_host(drelu1), before["conv1"]))


def test_with_pooling_is_the_network_built_so(rng):
    net = models.vgg16(seed=None).trunk("pool2")
    average = net.with_pooling("avg")
    assert [type(node.layer) for node in average.nodes] == [
        type(node.layer) for node in models.vgg16(seed=None, pooling="avg").trunk("pool2").nodes]
    assert isinstance(net.layer("pool1"), MaxPool2D) and average.layer("conv1_1") is net.layer("conv1_1")
    assert average.with_pooling("max").layer("pool1").kernel_size == 2
    assert net.with_pooling("max").layer("pool1") is net.layer("pool1")
    with pytest.raises(UnknownNameError, match="no pooling 'mean'"):
        net.with_pooling("mean")


def test_with_pooling_keeps_the_windows(xp, rng):
    net = Network((1, 8, 8))
    net.add("pool1", MaxPool2D(3, stride=2, pad=1, ceil=True))
    x = rng.standard_normal((1, 1, 8, 7))
    expected = AvgPool2D(3, stride=2, pad=1, ceil=True).forward(xp.asarray(x))[0]
    assert np.array_equal(to_host(net.with_pooling("avg").predict(xp.asarray(x))), to_host(expected))


def test_another_relu_rule_shares_the_weights_and_leaves_the_network_alone(rng):
    net = models.squeezenet1_1(seed=None)
    nodes, layers = list(net.nodes), [copy.copy(node.layer) for node in net.nodes]
    guided = net.with_relu(GuidedReLU())
    assert net.nodes == nodes
    assert [type(node.layer) for node in net.nodes] == [type(layer) for layer in layers]
    assert guided.layer_names() == net.layer_names() and guided.find("features.12") == "fire9/concat"
    for node, sibling in zip(net.nodes, guided.nodes, strict=True):
        assert node.inputs == sibling.inputs
        if isinstance(node.layer, ReLU):
            assert type(node.layer) is ReLU and type(sibling.layer) is GuidedReLU
        else:
            assert sibling.layer is node.layer
    assert {type(node.layer) for node in guided.with_relu(ReLU()).nodes} == {type(layer) for layer in layers}


def test_an_exception_in_backward_leaves_the_network_as_it_was(rng):
    class Failing(ReLU):
        def backward(self, dout, out):
            raise RuntimeError("on purpose")

    net = fire_net(np, rng)
    trace = net.forward(rng.standard_normal((1, 2, 9, 11)))
    seeds = {"pool10": np.ones((1, 5))}
    before = net.backward(trace, seeds)["input"]
    with pytest.raises(RuntimeError, match="on purpose"):
        net.with_relu(Failing()).backward(trace, seeds)
    assert {type(node.layer) for node in net.nodes if isinstance(node.layer, ReLU)} == {ReLU}
    assert np.array_equal(net.backward(trace, seeds)["input"], before)
    assert np.array_equal(seeds["pool10"], np.ones((1, 5)))


def test_trunk_is_the_network_up_to_a_layer(xp, rng):
    net = fire_net(xp, rng)
    x = xp.asarray(rng.standard_normal((1, 2, 9, 11)))
    for last in ("fire2/concat", "features.3"):
        trunk = net.trunk(last)
        assert trunk.output == "fire2/concat"
        assert trunk.layer_names() == net.layer_names()[:10]
        assert trunk.layer("conv1") is net.layer("conv1")
        assert np.array_equal(to_host(trunk.predict(x)), to_host(net.predict(x, "fire2/concat")))
        assert net.output == "pool10"
    with pytest.raises(UnknownNameError):
        net.trunk("fire2/concat").find("fire3/concat")
    trunk.add("more", ReLU())
    assert "more" not in net.positions and len(net.nodes) == 20


def shared_net():
    net = Network((2, 4, 4))
    layer = Conv2D(2, 2, 3, pad=1, rng=np.random.default_rng(0))
    net.add("first", layer)
    net.add("norm", BatchNorm2D(2))
    net.add("second", layer)
    return net


def test_astype_converts_a_copy():
    net = shared_net()
    double = net.astype("float64")
    for network, dtype in ((net, np.float32), (double, np.float64)):
        assert network.layer("first") is network.layer("second")
        for layer in network.parameter_layers().values():
            assert {array.dtype for array in (layer.params | layer.buffers).values()} == {np.dtype(dtype)}
    assert double.layer("first") is not net.layer("first")
    assert np.array_equal(double.layer("first").params["w"], net.layer("first").params["w"])
    double.layer("first").params["w"][:] = 0
    assert net.layer("first").params["w"].any()
    assert double.predict(np.ones((1, 2, 4, 4))).dtype == np.float64
    assert net.predict(np.ones((1, 2, 4, 4), np.float32)).dtype == np.float32


def test_to_device_moves_a_copy_and_a_shared_layer_stays_shared(strict_cupy):
    net = shared_net()
    assert net.device == "cpu" and net.to_device("cpu") is net
    moved = net.to_device("gpu")
    assert moved.device == "gpu" and moved.to_device("gpu") is moved and net.to_device("auto").device == "gpu"
    assert moved.layer("first") is moved.layer("second")
    for name, layer in moved.parameter_layers().items():
        for key, array in (layer.params | layer.buffers).items():
            original = (net.layer(name).params | net.layer(name).buffers)[key]
            assert device_of(array) == "gpu" and device_of(original) == "cpu"
            assert array.dtype == original.dtype
    x = np.random.default_rng(1).standard_normal((1, 2, 4, 4)).astype("float32")
    out = moved.predict(strict_cupy.asarray(x))
    assert device_of(out) == "gpu"
    back = moved.to_device("cpu")
    assert back.device == "cpu"
    assert np.allclose(to_host(out), net.predict(x), rtol=1e-6, atol=1e-6)
    assert np.array_equal(back.predict(x), net.predict(x))
    with pytest.raises(UnknownNameError, match="no device 'cuda'"):
        net.to_device("cuda")


def test_a_pass_moves_nothing_between_host_and_device(strict_cupy, rng):
    net = fire_net(strict_cupy, rng)
    x, dout = strict_cupy.ones((1, 2, 9, 11)), strict_cupy.ones((1, 5))
    record = strict_cupy.record
    record.reset()
    trace = net.forward(x, keep=("pool10",))
    grads = net.backward(trace, {"pool10": dout}, wrt=("input", "conv1"))
    net.backward_params(trace, grads)
    net.predict(x)
    net.with_relu(GuidedReLU()).backward(trace, {"pool10": dout})
    assert (record.transfers_to_host, record.transfers_to_device, record.synchronisations) == (0, 0, 0)


def test_a_network_may_be_sent_to_another_process(rng):
    net = fire_net(np, rng)
    x = rng.standard_normal((1, 2, 9, 11))
    assert np.array_equal(pickle.loads(pickle.dumps(net)).predict(x), net.predict(x))


# ---- the table ---------------------------------------------------------------------------------------------

def columns_of(table):
    """The rows of print(net), split where two spaces or more stand."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in table.splitlines()]


def test_table_of_a_network():
    net = shared_net()
    net.add("relu", ReLU())
    first, norm, second = 2 * 2 * 9 + 2, 2 * 2, 16 * 2 * 2 * 9
    assert "net.fast()" in str(net).splitlines()[0] and "net.plain()" in str(net.fast()).splitlines()[0]
    assert columns_of(str(net))[1:] == columns_of(str(net.fast()))[1:] == [
        ["name", "layer", "output", "parameters", "multiply-adds"],
        ["input", "2x4x4"],
        ["first", "Conv2D(2, 2, 3, stride=1, pad=1)", "2x4x4", f"{first}", f"{second}"],
        ["norm", repr(net.layer("norm")), "2x4x4", f"{norm}"],
        ["second", "Conv2D(2, 2, 3, stride=1, pad=1)", "2x4x4", f"{second}"],  # parameters: above
        ["relu", "ReLU()", "2x4x4"],
        ["total", f"{first + norm}", f"{2 * second:,}"]]
    assert len({len(line) for line in str(net).splitlines()[1:]}) == 1  # the columns are straight


@pytest.mark.parametrize("name, parameters, multiply_adds", [
    ("vgg16", "138,357,544", "15,470,264,320"), ("vgg19", "143,667,240", "19,632,062,464"),
    ("resnet18", "11,689,512", "1,814,073,344"), ("alexnet", "61,100,840", "714,188,480"),
])
def test_totals_of_published_networks(name, parameters, multiply_adds):
    # multiply-adds of convolutions and fully connected layers at 224x224: 15.5, 19.6, 1.8 and 0.71 billion
    assert columns_of(str(getattr(models, name)(seed=None)))[-1] == ["total", parameters, multiply_adds]


@pytest.mark.parametrize("name, shape, last", [
    ("squeezenet1_0", (3, 67, 70), None), ("squeezenet1_1", (3, 65, 62), None),
    ("resnet18", (3, 40, 33), None), ("vgg16", (3, 32, 37), "pool4"),
    ("alexnet", (3, 80, 71), "pool5"), ("caffenet", (3, 80, 71), "pool5"),
    ("digits", None, None), ("shapes", (3, 33, 40), None), ("transform_network", (3, 37, 44), None),
])
def test_shapes_are_those_of_a_pass(name, shape, last):
    net = models.build_network(name, last)
    shape = shape or net.input_shape
    trace = net.forward(np.zeros((1, *shape), np.float32))
    assert net.shapes(shape) == {key: array.shape for key, array in trace.activations.items()}


def test_a_wrong_size_names_the_layer_that_does_not_take_it():
    with pytest.raises(InputError, match="layer 'fc6'.* 25088 features.*another size"):
        models.vgg16(seed=None).shapes((3, 256, 256))
    with pytest.raises(InputError, match="layer 'pool5': an input side of 2 is too small"):
        models.alexnet(seed=None).shapes((3, 59, 59))


# ---- the models --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, count", [
    ("vgg16", 138_357_544), ("vgg19", 143_667_240),
    ("squeezenet1_0", 1_248_424), ("squeezenet1_1", 1_235_496),
    ("alexnet", 61_100_840), ("caffenet", 60_965_224), ("resnet18", 11_689_512),
])
def test_parameter_counts_are_the_published_ones(name, count):
    net = models.build_network(name)
    assert net.num_parameters() == count
    assert net.shapes()[net.output] == (1, 1000)
    small = getattr(models, name)(seed=None, num_classes=7)
    assert small.shapes()[small.output] == (1, 7)


@pytest.mark.parametrize("build", [models.digits, models.squeezenet1_1])
def test_first_weights_come_from_the_seed(build):
    first, same, other, empty = build(seed=3), build(seed=3), build(seed=4), build(seed=None)
    w = first.layer("conv1").params["w"]
    assert w.dtype == np.float32
    assert np.array_equal(w, same.layer("conv1").params["w"])
    assert not np.array_equal(w, other.layer("conv1").params["w"])
    assert not empty.layer("conv1").params["w"].any()
    # He et al.: variance 2 / fan-in; of n numbers, it is known to about sqrt(2 / n)
    for layer in first.parameter_layers().values():
        w = layer.params["w"]
        expected = 2 / (w.size / w.shape[0])
        assert abs(w.var() / expected - 1) < 5 * (2 / w.size) ** 0.5
        assert not layer.params["b"].any()


VGG = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
# the indices of the convolutions in torchvision's `features`, as published
VGG_FEATURES = {"vgg16": (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
                "vgg19": (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)}


@pytest.mark.parametrize("name", VGG)
def test_vgg_has_caffes_torchvisions_and_kerass_names(name):
    net = getattr(models, name)(seed=None)
    convs, features = [], []
    for block, depth in enumerate(VGG[name], 1):
        for i in range(1, depth + 1):
            convs.append(f"conv{block}_{i}")
            features += [f"conv{block}_{i}", f"relu{block}_{i}"]
            assert net.find(f"block{block}_conv{i}") == f"relu{block}_{i}"  # Keras's has its ReLU within
        features.append(f"pool{block}")
        assert net.find(f"block{block}_pool") == f"pool{block}"
    head = ["fc6", "relu6", "drop6", "fc7", "relu7", "drop7", "fc8"]
    assert net.layer_names() == [*features, "flatten", *head]
    assert [net.find(f"features.{index}") for index in range(len(features))] == features
    assert [net.find(f"features.{index}") for index in VGG_FEATURES[name]] == convs
    assert [net.find(f"classifier.{index}") for index in range(7)] == head
    assert [net.find(alias) for alias in ("fc1", "fc2", "predictions")] == ["relu6", "relu7", "fc8"]


def test_some_published_names_of_vgg():
    net = models.vgg16(seed=None)
    assert net.find("features.21") == "conv4_3" and net.find("features.22") == "relu4_3"
    assert net.find("block4_conv2") == "relu4_2" and net.find("features.30") == "pool5"
    assert models.vgg19(seed=None).find("features.29") == "relu5_1"
    assert net.find("classifier.3") == "fc7"
    assert net.find("conv4_3") == "conv4_3" and net.find("input") == "input"


def test_variants_of_vgg():
    net = models.vgg19(seed=None, pooling="avg", padding="reflect")
    kinds = {type(node.layer) for node in net.nodes}
    assert AvgPool2D in kinds and Pad2D in kinds and MaxPool2D not in kinds
    assert net.num_parameters() == 143_667_240
    assert models.vgg19(seed=None).shapes().items() <= net.shapes().items()
    for wrong in ({"pooling": "average"}, {"padding": "mirror"}):
        with pytest.raises(UnknownNameError):
            models.vgg16(seed=None, **wrong)


# module numbers of the Fire modules and pools in torchvision's `features`
SQUEEZENET = {"squeezenet1_0": ((3, 4, 5, 7, 8, 9, 10, 12), {2: "pool1", 6: "pool4", 11: "pool8"}),
              "squeezenet1_1": ((3, 4, 6, 7, 9, 10, 11, 12), {2: "pool1", 5: "pool3", 8: "pool5"})}


@pytest.mark.parametrize("name", SQUEEZENET)
def test_squeezenet_has_caffes_torchvisions_and_cs231ns_names(name):
    net = getattr(models, name)(seed=None)
    fires, pools = SQUEEZENET[name]
    assert net.layer_names()[:3] == ["conv1", "relu_conv1", "pool1"]
    assert net.layer_names()[-4:] == ["drop9", "conv10", "relu_conv10", "pool10"]
    modules = {0: "conv1", 1: "relu_conv1"} | pools
    for number, index in enumerate(fires, 2):
        fire = f"fire{number}"
        start = net.positions[f"{fire}/squeeze1x1"]
        assert net.layer_names()[start:start + 7] == [
            f"{fire}/{part}" for part in ("squeeze1x1", "relu_squeeze1x1", "expand1x1", "relu_expand1x1",
                                          "expand3x3", "relu_expand3x3", "concat")]
        squeezed, left, right = (f"{fire}/relu_{part}" for part in ("squeeze1x1", "expand1x1", "expand3x3"))
        assert net.nodes[start + 2].inputs == net.nodes[start + 4].inputs == (squeezed,)
        assert net.nodes[start + 6].inputs == (left, right)
        for part, own in (("squeeze", "squeeze1x1"), ("expand1x1", "expand1x1"), ("expand3x3", "expand3x3")):
            assert net.find(f"features.{index}.{part}") == f"{fire}/{own}"
        assert net.find(fire) == f"{fire}/concat"
        modules[index] = f"{fire}/concat"
    assert sorted(modules) == list(range(13))
    for index, own in modules.items():
        assert net.find(f"features.{index}") == net.find(str(index)) == net.find(index) == own
    positions = [net.positions[own] for _, own in sorted(modules.items())]
    assert positions == sorted(positions)
    head = ["drop9", "conv10", "relu_conv10", "pool10"]
    assert [net.find(f"classifier.{index}") for index in range(4)] == head


def test_options_of_squeezenet_belong_to_the_weights():
    shapes = models.squeezenet1_0(seed=None, conv10_pad=1, input_size=227).shapes()
    assert shapes["conv10"] == (1, 1000, 15, 15)  # Caffe's original
    for pool_ceil, size in ((True, 28), (False, 27)):
        shapes = models.squeezenet1_1(seed=None, pool_ceil=pool_ceil).shapes((3, 227, 227))
        assert shapes["pool3"] == (1, 128, size, size)


def test_names_of_alexnet_caffenet_and_resnet():
    net = models.alexnet(seed=None)
    assert [net.find(f"features.{index}") for index in (0, 3, 6, 8, 10, 12)] == [
        "conv1", "conv2", "conv3", "conv4", "conv5", "pool5"]
    assert [net.find(f"classifier.{index}") for index in (1, 4, 6)] == ["fc6", "fc7", "fc8"]
    net = models.caffenet(seed=None)
    assert net.layer_names()[:8] == ["conv1", "relu1", "pool1", "norm1", "conv2", "relu2", "pool2", "norm2"]
    assert [name for name in net.layer_names() if name.startswith("fc")] == ["fc6", "fc7", "fc8"]
    assert {node.layer.ceil for node in net.nodes if isinstance(node.layer, MaxPool2D)} == {True}
    net = models.resnet18(seed=None)
    caffe = {"conv1", "res2a_branch2a", "bn5b_branch2b", "res3a_branch1", "res5b", "fc1000"}
    assert caffe <= set(net.positions)
    assert net.find("layer1.0.conv1") == "res2a_branch2a" and net.find("layer4.1.bn2") == "bn5b_branch2b"
    assert net.find("layer2.0.downsample.0") == "res3a_branch1" and net.find("layer4") == "relu5b"
    assert net.find("layer3.1") == "relu4b" and net.find("fc") == "fc1000"
    convolutions = {name for name, layer in net.parameter_layers().items() if isinstance(layer, Conv2D)}
    published = ["conv1", *[f"layer{stage}.{block}.conv{i}" for stage in (1, 2, 3, 4) for block in (0, 1)
                            for i in (1, 2)], *[f"layer{stage}.0.downsample.0" for stage in (2, 3, 4)]]
    assert {net.find(name) for name in published} == convolutions
    with pytest.raises(UnknownNameError):
        net.find("layer1.0.downsample.0")
    shortcuts = {node.name: node.inputs for node in net.nodes if isinstance(node.layer, Add)}
    assert shortcuts["res2a"] == ("pool1", "bn2a_branch2b")
    assert shortcuts["res2b"] == ("relu2a", "bn2b_branch2b")
    assert shortcuts["res3a"] == ("bn3a_branch1", "bn3a_branch2b") and len(shortcuts) == 8
    assert net.nodes[net.positions["res3a_branch1"]].inputs == ("relu2b",)


def test_the_transform_network_is_the_published_one_unless_asked_for_less():
    net = models.transform_network(seed=None)
    assert net.num_parameters() == 1_679_235  # of PyTorch's example fast_neural_style
    assert net.shapes()[net.output] == net.shapes()["input"] == (1, 3, 256, 256)
    assert net.shapes()["res5"] == (1, 128, 64, 64)
    assert [name for name in net.layer_names() if name.startswith("res1")] == [
        "res1/conv1_pad", "res1/conv1", "res1/in1", "res1/relu1", "res1/conv2_pad", "res1/conv2", "res1/in2", "res1"]
    assert net.nodes[net.positions["res2"]].inputs == ("res1", "res2/in2")
    small = models.build_network("transform_network", widths=[4, 6, 8], num_blocks=1)  # as JSON has them
    assert small.shapes()["res1"] == (1, 8, 64, 64) and "res2" not in small.positions
    with pytest.raises(InputError, match="7x3 is too small to be mirrored"):
        small.shapes((3, 7, 3))


@pytest.mark.parametrize("name", [*VGG, *SQUEEZENET, "alexnet", "caffenet", "resnet18"])
def test_every_alias_names_a_layer_and_hides_none(name):
    net = models.build_network(name)
    assert set(net.aliases.values()) <= set(net.layer_names())
    assert not set(net.aliases) & set(net.positions)
    for alias, own in net.aliases.items():
        assert net.find(alias) == own and net.layer(alias) is net.layer(own)


def test_unknown_network():
    with pytest.raises(UnknownNameError, match="did you mean vgg1"):
        models.build_network("vgg61")


# ---- what it costs to step through, and to import ----------------------------------------------------------

def entered(call):
    """The files of this package that `call` enters, once for each Python frame."""
    files = []

    def note(frame, event, argument):
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE):
            files.append(path.name)

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return files


@pytest.mark.parametrize("size", [16, 224])
def test_few_frames_to_step_through(size, summary_line):
    squeezenet = models.squeezenet1_1()
    net = Network((3, size, size))
    net.add("conv1", squeezenet.layer("conv1"))
    net.add("relu_conv1", squeezenet.layer("relu_conv1"))
    x = np.ones((1, 3, size, size), np.float32)
    trace = net.forward(x)
    dout = np.ones_like(trace.activations["relu_conv1"])
    forward = len(entered(lambda: net.forward(x)))
    back = len(entered(lambda: net.backward(trace, {"relu_conv1": dout})))
    if KIND == "plain":
        summary_line(f"a convolution and a ReLU at {size} pixels: {forward} frames forward, {back} back")
    assert 3 <= forward <= 8 and 3 <= back <= 6


def test_few_frames_and_files_for_a_saliency_map(summary_line):
    net, x = models.squeezenet1_1(), np.ones((1, 3, 224, 224), np.float32)
    visualize.saliency_map(net, x, 7)
    files = entered(lambda: visualize.saliency_map(net, x, 7))
    if KIND == "plain":
        summary_line(f"a saliency map of SqueezeNet 1.1: {len(files)} frames in {len(set(files))} files")
    assert len(files) <= 400 and len(set(files)) <= 10, sorted(set(files))


def test_the_library_works_without_its_fast_room():
    program = """
import sys
for name in ("minicnn.fast", "minicnn.fast.network", "minicnn.fast.threads"):
    sys.modules[name] = None  # so that importing it fails
import numpy as np
import minicnn
model = minicnn.load_model("shapes", device="cpu")
assert minicnn.visualize.saliency_map(model.net, np.ones((1, 3, 64, 64), np.float32), 3).max() > 0
assert minicnn.images and minicnn.optimize and minicnn.losses and minicnn.models and minicnn.gradient_check
"""
    run = subprocess.run([sys.executable, "-c", program], cwd=PACKAGE.parent, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("passes, dtype, warns", [
    (21, "float32", True), (20, "float32", False), (21, "float64", False)])
def test_a_long_loop_over_a_plain_network_warns(passes, dtype, warns):
    net = models.digits().astype(dtype)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_if_slow(net, passes)
        warn_if_slow(net.fast(), passes)
    assert [warning.category for warning in caught] == [SlowNetworkWarning] * warns


def imported_modules(path):
    """The modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


CORE = [*sorted((PACKAGE / "layers").glob("*.py")), PACKAGE / "network.py", *sorted((PACKAGE / "losses").glob("*.py")),
        *(path for path in sorted((PACKAGE / "optimize").glob("*.py")) if path.name != "checkpoint.py")]  # files


@pytest.mark.parametrize("path", [path for path in CORE if path.exists()], ids=lambda path: path.name)
def test_the_arrays_decide_where_they_are_computed_on(path):
    imported = {module.partition(".")[0] for module in imported_modules(path)}
    assert not imported & {"numpy", "cupy", "cupyx", "scipy"}, f"{path} must ask get_array_module"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_only_the_backend_mentions_cupy(path):
    imported = {module.partition(".")[0] for module in imported_modules(path)}
    assert not imported & {"cupy", "cupyx"} or path == PACKAGE / "backend.py"


def test_import_needs_numpy_alone():
    program = """
import sys
import numpy, numpy.random
for name in ("PIL", "scipy", "h5py", "matplotlib", "tqdm", "threadpoolctl", "cupy", "cupyx", "torch"):
    sys.modules[name] = None  # so that importing it fails
before = set(sys.modules)
import minicnn
import minicnn.layers, minicnn.network, minicnn.gradient_check, minicnn.models
net = minicnn.models.digits()
trace = net.forward(numpy.ones((1, 1, 28, 28), numpy.float32))
assert net.backward(trace, {net.output: numpy.ones((1, 10), numpy.float32)})["input"].any()
assert minicnn.gpu_available() is False
foreign = {name.partition(".")[0] for name in set(sys.modules) - before} - {"minicnn", "numpy"}
print(sorted(foreign - sys.stdlib_module_names))
"""
    run = subprocess.run([sys.executable, "-c", program], cwd=PACKAGE.parent, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "[]\n"


@pytest.mark.parametrize("way", ["backward", "backward_train"])
def test_a_way_back_over_what_an_earlier_one_has_released_is_refused_by_name(way, rng):
    net = Network((3, 4, 4))
    net.add("conv1", Conv2D(3, 2, 3, pad=1, rng=rng))
    net.add("relu1", ReLU())
    net.add("conv2", Conv2D(2, 2, 1, rng=rng))
    trace, seed = net.forward(rng.standard_normal((1, 3, 4, 4))), np.ones((1, 2, 4, 4))
    net.backward(trace, {"relu1": seed}, release=True)
    with pytest.raises(InputError, match="no cache of 'relu1': .* an earlier backward .* deleted it"):
        getattr(net, way)(trace, {"conv2": seed})


def test_a_seed_behind_the_end_of_the_trace_is_refused_by_name():
    net = Network((3, 4, 4))
    net.add("conv1", Conv2D(3, 2, 3, pad=1))
    net.add("relu1", ReLU())
    trace = net.forward(np.zeros((1, 3, 4, 4), np.float32), upto="conv1")
    with pytest.raises(InputError, match="no cache of 'relu1': the forward pass ended before it"):
        net.backward(trace, {"relu1": np.zeros((1, 2, 4, 4), np.float32)})
