"""Equal windows get equal outputs, so that gradients through max pools go where the definition sends them."""

import numpy as np
import pytest
import torch_oracle
from flat_pictures import flat_pictures
from hypothesis import given, settings
from hypothesis import strategies as st
from real_weights import read_squeezenet1_1

import minicnn
from minicnn.fast.rows.equal import PART, EqualWindows, all_differ, equal_windows, number_pixels
from minicnn.layers import Conv2D, MaxPool2D, ReLU
from minicnn.models.preprocessing import TORCHVISION
from minicnn.network import Network


@pytest.fixture(autouse=True)
def same_threads_afterwards():
    before = minicnn.get_num_threads()
    yield
    minicnn.set_num_threads(before)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 2, 3, 16]), st.integers(0, 2), st.integers(2, 3),
       st.integers(0, 2**32))
def test_equal_windows_are_found(H, W, C, pad, values, seed):
    x = np.random.default_rng(seed).integers(0, values, (H, W, C)).astype(np.float32)
    x[:, :, 1:] = 0  # so that many windows are equal
    if min(H, W) + 2 * pad < 3:
        return
    numbers = np.empty((H, W), np.uint64)
    number_pixels(x, numbers)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((pad, pad), (pad, pad), (0, 0))), (3, 3), (0, 1))
    keys = [window.tobytes() for window in windows.reshape(-1, C * 9)]
    first = [keys.index(key) for key in keys]
    found = equal_windows(numbers, pad)
    expected = [(i, source) for i, source in enumerate(first) if i != source]
    assert expected == ([] if found is None else list(zip(*map(np.ndarray.tolist, found), strict=True)))


def test_booleans_of_a_map_are_copied_with_its_values(rng):
    """Rounding moves the values of equal windows to both sides of 0; afterwards all are on the side of the first."""
    x, values = np.zeros((9, 12, 16), np.float32), rng.standard_normal((9, 12, 5), np.float32)
    numbers = np.empty((9, 12), np.uint64)
    number_pixels(x, numbers)
    values = np.maximum(values, 0)
    positive = values > 0
    EqualWindows({"conv": numbers}, {"conv": 1}).copy("conv", (0, 9), values, positive)
    assert (values[2:7, 2:9] == values[1, 1]).all() and np.array_equal(positive, values > 0)


@pytest.mark.parametrize("count", [1, 2, 1000, PART, PART + 1, 5 * PART + 7])
def test_a_single_pair_of_equal_labels_is_found(count, rng):
    labels = rng.integers(0, 2**64, count, np.uint64)
    assert len(set(labels.tolist())) == count and all_differ(labels)
    for _ in range(20 if count > 1 else 0):
        one, other = rng.choice(count, 2, replace=False)
        again = labels.copy()
        again[one] = labels[other]
        assert not all_differ(again)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("pad", [0, 1])
def test_flat_areas_give_flat_maps(threads, pad, rng):
    minicnn.set_num_threads(threads)
    net = Network((3, 60, 61))
    net.add("first", Conv2D(3, 16, 3, pad=1, rng=rng))
    for name in ("a", "b"):
        net.add(f"conv_{name}", Conv2D(16, 16, 3, pad=pad, rng=rng))
        net.add(f"relu_{name}", ReLU())
    net.add("pool", MaxPool2D(3, 2))
    x = rng.standard_normal((1, 3, 60, 61), np.float32)
    x[:, :, 13:44, 10:40] = 0.5  # its windows in the map b are equal, wherever they are in a tile
    out = net.fast().forward(x, upto="relu_b", keep=["relu_b"])
    exact = net.astype("float64").forward(x.astype(float), upto="relu_b").activations["relu_b"]
    assert abs(out.activations["relu_b"] - exact).max() <= 5e-5 * abs(exact).max()
    seed = {"pool": rng.standard_normal(net.fast().predict(x).shape, np.float32)}
    exact = net.astype("float64").backward(net.astype("float64").forward(x.astype(float)), seed)["input"]
    trace = net.fast().forward(x, keep=["pool"])
    assert trace.caches.of_layers is None
    found = net.fast().backward(trace, seed)["input"]
    assert np.linalg.norm(found - exact) <= 1e-5 * np.linalg.norm(exact)


def relative_error(found, exact):
    """|difference| / |exact|."""
    return np.linalg.norm(found - exact) / np.linalg.norm(exact)


def test_the_gradient_of_flat_pictures_is_as_exact_as_pytorchs(test_data):
    net = read_squeezenet1_1(test_data)
    module = torch_oracle.with_parameters_of(net, lambda: torch_oracle.SqueezeNet("1_1"),
                                             torch_oracle.SQUEEZENET1_1_NAMES)
    fast, exact_net = net.fast(), net.astype("float64")
    for name, picture in flat_pictures().items():
        x = TORCHVISION.to_input(picture)
        seeds = {net.output: np.eye(1000, dtype=np.float32)[net.predict(x).argmax(axis=1)]}
        exact = exact_net.backward(exact_net.forward(x.astype(float)), seeds)["input"]
        theirs = relative_error(torch_oracle.gradients(module, torch_oracle.SQUEEZENET1_1_NAMES, x, seeds)["input"],
                                exact)
        ours = relative_error(fast.backward(fast.forward(x, keep=()), seeds)["input"], exact)
        assert ours <= max(5 * theirs, 1e-2), name
