"""Networks whose chains run in step: activations to keep, ends of gradients, siblings, caches, receptive fields.

The weights are small integers, so that float32 has no rounding and the fast network must equal the plain one.
"""

import subprocess
import sys

import numpy as np
import pytest
from chains import chains_of, in_any_order, with_integers

import minicnn
from minicnn import models
from minicnn.errors import InputError
from minicnn.fast import schedule
from minicnn.fast.rows import space
from minicnn.layers import DeconvReLU, GuidedReLU
from minicnn.receptive_field import receptive_field

NETWORKS = {  # model, its last layer, shape, layers to keep, the setting of Winograd that has no rounding
    "squeezenet1_1": (models.squeezenet1_1, "relu_conv10", (2, 3, 97, 121), ("pool1", "fire4/concat", "conv10"), 2),
    "squeezenet1_0": (models.squeezenet1_0, "fire9/concat", (1, 3, 95, 90), ("relu_conv1", "fire6/concat"), "off"),
    "vgg16": (models.vgg16, "pool4", (1, 3, 66, 50), ("relu1_1", "conv2_1", "relu3_3"), 2),
    "alexnet": (models.alexnet, "pool5", (1, 3, 131, 140), ("pool2", "conv4"), 2),
    "shapes": (models.shapes, "relu5", (3, 3, 64, 70), ("pool1", "relu3"), 2),
    "digits": (models.digits, "relu3", (5, 1, 28, 28), ("relu2",), 2)}
ROUNDED = {  # networks with other layers between the convolutions
    "caffenet": (lambda: models.caffenet(3).trunk("pool5"), (1, 3, 131, 140), ("pool1", "pool5")),
    "resnet18": (lambda: models.resnet18(3), (2, 3, 64, 80), ("relu1", "pool1", "relu3b")),
    "transform network": (lambda: models.transform_network(3, (8, 16, 32), 1), (1, 3, 60, 52), ("relu2",))}


@pytest.fixture(autouse=True)
def chains_of_any_size_and_as_many_threads_afterwards(monkeypatch):
    monkeypatch.setattr(schedule, "LEAST_WORK", 0)
    before = minicnn.get_num_threads()
    yield
    minicnn.set_num_threads(before)


@pytest.fixture
def squeezenet(rng):
    """(SqueezeNet 1.1 up to fire5, with small integers, the fast one, an image, a gradient to its output)"""
    plain = with_integers(models.squeezenet1_1(3).trunk("fire5/concat"), rng)
    x = rng.integers(0, 3, (1, 3, 67, 75)).astype(np.float32)
    return plain, plain.fast(2), x, rng.integers(-2, 3, plain.predict(x).shape).astype(np.float32)


def seeds_for(net, trace, names, rng):
    return {name: rng.integers(-2, 3, trace.activations[name].shape).astype(np.float32) for name in names}


def assert_same(found, expected):
    """Both have the same arrays, bit for bit, up to the sign of zeros."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype and np.array_equal(found[name], array), name


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("shared", [False, True], ids=["side by side", "shared memory, any order"])
def test_what_is_kept_and_where_gradients_start_and_end(shared, name, threads, rng, monkeypatch):
    if shared:
        monkeypatch.setattr(space, "LARGE", 0)
        monkeypatch.setattr("minicnn.fast.rows.layer.run", in_any_order(np.random.default_rng(1)))
    make, end, shape, inner, winograd = NETWORKS[name]
    minicnn.set_num_threads(threads)
    plain, x = with_integers(make(None).trunk(end), rng), rng.integers(0, 3, shape).astype(np.float32)
    fast, expected = plain.fast(winograd), plain.forward(x)
    last = inner[-1]
    for upto, keep, starts, ends in [
            (None, [end], [end], ["input"]), (None, [*inner, end], inner, ["input", *inner]),
            (None, [*inner, end], [*inner, end], ["input"]), (last, [last], [last], ["input"]),
            (inner, inner, inner, inner[:1]), (last, ["input", last], [last], ["input"])]:
        found = fast.forward(x, upto, keep)
        assert chains_of(found)
        assert_same(found.activations, {each: expected.activations[each] for each in keep})
        seeds = seeds_for(plain, expected, starts, rng)
        exact = plain.backward(expected, seeds, ends)
        assert max(abs(array).max() for array in exact.values()) < 2**16
        for _ in range(2):
            assert_same(fast.backward(found, seeds, ends), exact)
        assert found.caches.of_layers is None  # nothing ran again layer by layer
        assert_same(fast.backward(found, seeds, ends, release=True), exact)
    assert_same(fast.features(x, inner), {each: expected.activations[each] for each in inner})


@pytest.mark.parametrize("name", ROUNDED)
def test_networks_with_other_layers_between(name, rng):
    make, shape, inner = ROUNDED[name]
    plain, x = make(), rng.standard_normal(shape, np.float32)
    fast, expected = plain.fast(), plain.forward(x)
    found = fast.forward(x, keep=[*inner, plain.output])
    for layer, array in found.activations.items():
        assert abs(array - expected.activations[layer]).max() <= 1e-4 * abs(expected.activations[layer]).max(), layer
    seeds = {layer: rng.standard_normal(array.shape, np.float32) for layer, array in found.activations.items()}
    exact = plain.backward(expected, seeds, ("input", *inner))
    for layer, gradient in fast.backward(found, seeds, ("input", *inner)).items():
        assert np.linalg.norm(gradient - exact[layer]) <= 2e-2 * np.linalg.norm(exact[layer]), layer


@pytest.mark.parametrize("starts, ends", [
    (["fire5/concat"], ["relu_conv1"]), (["fire4/concat", "fire5/concat"], ["input"]),
    (["fire3/expand3x3"], ["input", "fire2/squeeze1x1"]), (["pool1"], ["conv1"])])
def test_layers_inside_a_chain(squeezenet, starts, ends, rng):
    plain, fast, x, dout = squeezenet
    expected, found = plain.forward(x), fast.forward(x, keep=["fire5/concat"])
    seeds = seeds_for(plain, expected, starts, rng)
    exact = plain.backward(expected, seeds, ends)
    assert_same(fast.backward(found, seeds, ends), exact)
    again = fast.backward(found, {"fire5/concat": dout})  # of the same trace, which has other caches now
    assert_same(again, plain.backward(expected, {"fire5/concat": dout}))
    assert_same(fast.backward(found, seeds, ends, release=True), exact)


def test_siblings_go_back_through_the_same_trace(squeezenet):
    plain, fast, x, dout = squeezenet
    expected, found = plain.forward(x), fast.forward(x, keep=["fire5/concat"])
    seed = {"fire5/concat": dout}
    for relu in (GuidedReLU(), DeconvReLU(), None):
        one, other = (net if relu is None else net.with_relu(relu) for net in (plain, fast))
        assert_same(other.backward(found, seed), one.backward(expected, seed))
        own = other.forward(x, keep=["fire5/concat"])
        assert_same(other.backward(own, seed), one.backward(expected, seed))
        assert chains_of(own) and own.caches.of_layers is None
    trunk = fast.trunk("fire4/concat")
    assert_same(trunk.features(x, ["fire4/concat"]), {"fire4/concat": expected.activations["fire4/concat"]})


def test_average_pooling(rng):
    plain = models.vgg16(3).trunk("relu3_1")
    x = rng.standard_normal((1, 3, 50, 44), np.float32)
    one, other = plain.with_pooling("avg"), plain.fast("off").with_pooling("avg")
    expected, found = one.forward(x), other.forward(x, keep=["relu3_1"])
    assert np.allclose(found.activations["relu3_1"], expected.activations["relu3_1"], rtol=0, atol=1e-5)
    seed = {"relu3_1": rng.standard_normal(expected.activations["relu3_1"].shape, np.float32)}
    exact = one.backward(expected, seed)["input"]
    assert np.linalg.norm(other.backward(found, seed)["input"] - exact) <= 1e-2 * np.linalg.norm(exact)


def test_caches_are_a_mapping_of_the_layers(squeezenet):
    plain, fast, x, dout = squeezenet
    expected, trace = plain.forward(x).caches, fast.forward(x, upto="fire5/concat", keep=["fire5/concat"])
    caches = trace.caches
    assert list(caches) == list(caches.keys()) == list(expected) and len(caches) == len(expected)
    assert "conv1" in caches and "fire5/concat" in caches and "input" not in caches and 3 not in caches
    assert caches != {} and caches.get("nothing") is None
    pytest.raises(KeyError, lambda: caches["nothing"])
    assert np.array_equal(caches["fire2/squeeze1x1"], expected["fire2/squeeze1x1"])
    assert np.array_equal(caches["relu_conv1"], expected["relu_conv1"])
    del caches["conv1"]
    assert "conv1" not in caches and list(caches) == list(expected)[1:]
    pytest.raises(InputError, fast.backward, trace, {"fire5/concat": dout})
    caches["conv1"] = expected["conv1"]
    assert_same(fast.backward(trace, {"fire5/concat": dout}), plain.backward(plain.forward(x), {"fire5/concat": dout}))


def test_a_released_trace_is_empty(squeezenet):
    plain, fast, x, dout = squeezenet
    trace = fast.forward(x, keep=["fire5/concat"])
    fast.backward(trace, {"fire5/concat": dout}, release=True)
    assert trace.caches == {} and list(trace.caches) == [] and not trace.caches
    for ends in ("input", "pool1"):
        pytest.raises(InputError, fast.backward, trace, {"fire5/concat": dout}, ends)


def test_other_types_and_layouts_than_those_of_chains(squeezenet):
    plain, fast, x, dout = squeezenet
    x64 = x.astype(float)
    found, expected = fast.forward(x64, keep=["fire5/concat"]), plain.forward(x64)
    assert chains_of(found) == [] and np.array_equal(found.activations["fire5/concat"],
                                                     expected.activations["fire5/concat"])
    trace = fast.forward(x, keep=["fire5/concat"])
    exact = plain.backward(plain.forward(x), {"fire5/concat": dout})["input"]
    for seed in (dout.astype(float), np.asfortranarray(dout), np.broadcast_to(dout, (1, *dout.shape[1:]))):
        assert np.array_equal(fast.backward(trace, {"fire5/concat": seed})["input"], exact)


@pytest.mark.parametrize("layer, size", [("fire2/concat", 60), ("pool3", 70), ("fire5/concat", 110)])
def test_beyond_the_receptive_field_gradients_are_exactly_zero(layer, size, rng):
    plain = models.squeezenet1_1(3).trunk(layer)
    fast, field = plain.fast(), receptive_field(plain, layer)
    x = rng.standard_normal((2, 3, size, size + 9), np.float32)
    trace = fast.forward(x, keep=[layer])
    _, _, OH, OW = trace.activations[layer].shape
    for y, column in [(0, 0), (OH // 2, OW // 2), (OH - 1, OW - 1), (1, OW - 2)]:
        seed = np.zeros_like(trace.activations[layer])
        seed[1, :, y, column] = 1
        dx = fast.backward(trace, {layer: seed})["input"]
        top, bottom, left, right = field.box(y, column, *x.shape[2:])
        assert dx[1, :, top:bottom, left:right].any()
        dx[1, :, top:bottom, left:right] = 0
        assert not dx.any()
    assert trace.caches.of_layers is None
    assert not fast.backward(trace, {layer: np.zeros_like(seed)})["input"].any()


SCRIPT = """if True:
    import hashlib
    import numpy as np
    from minicnn import models, set_num_threads

    def digest():
        set_num_threads(2)
        net, x = models.squeezenet1_1(3).fast(), np.random.default_rng(0).standard_normal((2, 3, 200, 231), np.float32)
        trace = net.forward(x, keep=["fire4/concat", "fire9/concat"])
        seed = {name: array * array for name, array in trace.activations.items()}
        results = [*trace.activations.values(), net.backward(trace, seed)["input"]]
        return hashlib.sha256(b"".join(map(np.ndarray.tobytes, results))).hexdigest(), net, x, results
    print(digest()[0])"""


def test_the_same_bits_in_every_pass_alone_or_in_a_batch_and_in_every_process(capsys):
    names = {}
    exec(SCRIPT, names)
    digest, net, x, results = names["digest"]()
    keep = ["fire4/concat", "fire9/concat"]
    assert capsys.readouterr().out.split() == [digest]
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [digest]
    features = net.features(x, keep)
    assert all(np.array_equal(features[name], found) for name, found in zip(keep, results, strict=False))
    for layer in keep:
        kept = net.forward(x, keep=[layer]).activations[layer]
        assert np.array_equal(net.predict(x, layer), kept)
    for n in (0, 1):
        trace = net.forward(x[n:n + 1], keep=keep)
        dx = net.backward(trace, {name: array * array for name, array in trace.activations.items()})["input"]
        for found, both in zip([*trace.activations.values(), dx], results, strict=True):
            assert np.array_equal(found[0], both[n])
