"""The plans of a network: what they say, and when their memory is freed."""

import gc
import weakref

import numpy as np
import pytest

import minicnn
from minicnn import models
from minicnn.errors import InputError
from minicnn.fast.rows import plans, weights
from minicnn.layers import Concat, Conv2D, ReLU
from minicnn.network import Network


@pytest.fixture(autouse=True)
def two_threads():
    before = minicnn.get_num_threads()
    minicnn.set_num_threads(2)
    yield
    minicnn.set_num_threads(before)


def pass_of(net, size, layer):
    """A pass there and back."""
    trace = net.forward(np.ones((1, 3, size, size), np.float32), upto=layer, keep=[layer])
    net.backward(trace, {layer: trace.activations[layer]}, release=True)


def plans_of(net):
    """The plans that the network keeps, the last used one at the end."""
    return list(net.plans.plans.values())


def test_a_plan_names_each_layer_once_in_each_way_with_rows_meetings_and_bytes():
    net = models.squeezenet1_1().fast()
    text = net.plan((1, 3, 224, 224))
    steps = [line.split() for line in text.splitlines() if line.startswith("  ")]
    for way in ("forward", "back"):
        nodes = [name.strip(",") for words in steps if words[0] == way for name in words[7:]]
        assert len(nodes) == len(set(nodes)) and set(net.layer_names()) - set(nodes) == {"drop9", "pool10"}
    assert ["forward", "1", "rows", "0-28", "28-55"] == steps[0][:5] and "pool10: GlobalAvgPool2D() alone" in text
    assert "meet 11 times forward and 12 times back" in text
    pass_of(net, 224, net.output)
    (space,) = plans_of(net)[-1].spaces
    assert [len(space.forward_calls), *map(len, space.backward_calls.values())] == [12, 13]  # one meeting fewer
    assert f"maps {(space.bytes + space.transient_bytes) / 1e6:.1f} MB" in text


def test_a_plan_says_what_runs_alone_and_which_images_fit_not():
    net = models.resnet18().fast()
    assert "bn1: BatchNorm2D(64) alone" in net.plan((1, 3, 96, 96))
    with pytest.raises(InputError, match="too small"):
        models.squeezenet1_1().fast().plan((1, 3, 8, 8))
    for shape in [(3, 64, 64), 64, "1, 3, 64, 64", (1, 3, 64, 64.0), (0, 3, 64, 64), None]:
        with pytest.raises(InputError, match=r"batch of images, \(N, C, H, W\)"):
            net.plan(shape)
    inner = models.squeezenet1_1().fast().plan((1, 3, 64, 64), upto="fire5/concat", keep=["fire3/concat"])
    assert "input -> fire3/concat: in step" in inner and "fire3/concat -> fire5/concat: in step" in inner


def test_plans_end_with_their_network_and_weights_with_their_layer():
    net = models.squeezenet1_1().fast()
    pass_of(net, 64, "fire4/concat")
    plan, layer = weakref.ref(plans_of(net)[0]), weakref.ref(net.layer("conv1"))
    del net
    gc.collect()
    assert plan() is None and layer() is None


def test_memory_of_other_sizes_is_freed_and_plans_are_few(monkeypatch):
    monkeypatch.setattr(plans, "IDLE", 0)
    monkeypatch.setattr(plans, "MOST", 2)
    net = models.squeezenet1_1().fast()
    for size in (64, 70, 76):
        pass_of(net, size, "fire4/concat")
    assert [len(plan.spaces) for plan in plans_of(net)] == [0, 1]
    monkeypatch.setattr(plans, "IDLE", 10**9)
    for size in (64, 70):
        pass_of(net, size, "fire4/concat")
    assert [len(plan.spaces) for plan in plans_of(net)] == [1, 1]


def test_filters_are_kept_up_to_a_budget(monkeypatch):
    monkeypatch.setattr(weights, "BUDGET", 5 * 36 * 32 * 32 * 4)
    store = weights.WeightStore()
    layers = [Conv2D(32, 32, 3) for _ in range(4)]
    kept = [store.get(layer, 4, back).kept for layer in layers for back in (False, True)]
    assert kept == [True] * 5 + [False] * 3
    assert store.get(layers[3], 0, False).kept  # in another order, but not larger
    again = store.get(layers[0], 4, False)
    layers[0].params["w"] = layers[0].params["w"].copy()
    assert store.get(layers[0], 4, False) is not again
    assert store.get(layers[1], 4, False) is store.get(layers[1], 4, False)


def test_filters_that_are_not_kept_do_not_overwrite_each_other(monkeypatch, rng):
    monkeypatch.setattr(weights, "BUDGET", 0)
    net = Network((3, 60, 60))
    net.add("first", Conv2D(3, 16, 3, pad=1, rng=rng))
    net.add("relu", ReLU())
    for name in "ab":
        net.add(name, Conv2D(16, 32, 3, pad=1, rng=rng), "relu")
    net.add("concat", Concat(), "a", "b")
    net.add("relu_concat", ReLU())
    net.add("last", Conv2D(64, 16, 3, pad=1, rng=rng))
    net.add("relu_last", ReLU())
    x = rng.standard_normal((1, 3, 60, 60), np.float32)
    exact, trace = net.forward(x), net.fast().forward(x, keep=["relu_last"])
    assert trace.caches.of_layers is None  # both convolutions are in one step
    out = exact.activations["relu_last"]
    assert abs(trace.activations["relu_last"] - out).max() <= 5e-5 * abs(out).max()
    seed = {"relu_last": rng.standard_normal(out.shape, np.float32)}
    dx = net.backward(exact, seed)["input"]
    assert np.linalg.norm(net.fast().backward(trace, seed)["input"] - dx) <= 1e-3 * np.linalg.norm(dx)
