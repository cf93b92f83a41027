"""Each way to compute a convolution gives the same result, as precisely as it claims, on any number of threads."""

import copy
import multiprocessing
import pickle
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fast_layers import FastLayer
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn
from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.fast import conv, im2col, threads, winograd_weights
from minicnn.fast.memory import scratch
from minicnn.fast.winograd import winograd_convolution
from minicnn.fast.winograd_weights import F2, F4, Filters
from minicnn.layers import Conv2D, GuidedReLU, MaxPool2D, ReLU
from minicnn.network import Network


@pytest.fixture(autouse=True)
def same_threads_afterwards():
    before = minicnn.get_num_threads()
    yield
    minicnn.set_num_threads(before)


def channels_last(rng, *shape, dtype=np.float32):
    """Random x of shape (N, C, H, W), laid out as layers lay out theirs."""
    N, C, H, W = shape
    return rng.standard_normal((N, H, W, C)).astype(dtype).transpose(0, 3, 1, 2)


def filters(rng, F, C, size=3, dtype=np.float32):
    return (rng.standard_normal((F, C, size, size)) * (2 / (C * size**2)) ** 0.5).astype(dtype)


def exactly(x, w, bias=None, pad=1):
    """The convolution in float64, by its definition."""
    padded = np.pad(x.astype(float), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], (2, 3))  # (N, C, OH, OW, KH, KW)
    out = np.tensordot(windows, w.astype(float), ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
    return out if bias is None else out + bias[:, None, None]


def relative_error(found, expected):
    """The largest error as a share of the largest output."""
    return abs(found - expected).max() / abs(expected).max()


def convolution(w, bias=None, pad=1, winograd=4):
    """The convolution with these filters, as a fast network computes it."""
    F, C, size, _ = w.shape
    layer = Conv2D(C, F, size, pad=pad, bias=bias is not None)
    layer.params["w"] = w
    if bias is not None:
        layer.params["b"] = bias
    return FastLayer(layer, winograd)


# ---- Winograd's algorithm --------------------------------------------------------------------------------------

@pytest.mark.parametrize("tile, m", [(F2, 2), (F4, 4)], ids=["F2", "F4"])
def test_one_tile_in_one_dimension_is_exact(tile, m):
    # with whole numbers and thirds left out of it: 24 G has no fractions
    d, g = np.arange(m + 2) ** 2 - 3, np.array([2, -1, 5])
    y = tile.AT @ ((24 * tile.G @ g) * (tile.BT @ d)) / 24
    np.testing.assert_allclose(y, [d[i:i + 3] @ g for i in range(m)], rtol=1e-14)
    assert tile.BT.shape == (m + 2, m + 2) and tile.G.shape == (m + 2, 3) and tile.AT.shape == (m, m + 2)


SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40), st.integers(1, 13), st.integers(1, 13))


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.integers(0, 2), st.sampled_from([2, 4]), st.booleans(), st.integers(0, 2**32))
def test_it_is_the_convolution_in_float64(shape, pad, m, with_bias, seed):
    N, C, F, H, W = shape
    H, W = max(H, 3 - 2 * pad), max(W, 3 - 2 * pad)
    rng = np.random.default_rng(seed)
    x, w = channels_last(rng, N, C, H, W, dtype=float), filters(rng, F, C, dtype=float)
    bias = rng.standard_normal(F) if with_bias else None
    out = winograd_convolution(x, Filters(w, m), bias, pad)
    expected = exactly(x, w, bias, pad)
    assert out.shape == expected.shape
    np.testing.assert_allclose(out, expected, atol=1e-12)


@pytest.mark.parametrize("classes", [(), (7,), (0, 299), range(149), range(300)])
def test_back_through_a_1x1_convolution_only_the_channels_with_a_gradient_are_multiplied(classes, monkeypatch):
    rng, dtype = np.random.default_rng(0), np.float32
    layer, x = convolution(filters(rng, 300, 260, 1, dtype), pad=0), channels_last(rng, 2, 260, 4, 5, dtype=dtype)
    dout = np.zeros((2, 300, 4, 5), dtype)
    dout[:, classes, 1:] = rng.standard_normal((2, len(classes), 3, 5))
    multiplied, mix = [], conv.mix_channels
    monkeypatch.setattr(conv, "mix_channels", lambda *args: multiplied.append(args[1].shape) or mix(*args))
    dx = layer.backward(dout, layer.forward(x)[1])
    assert multiplied[1:] == [(len(classes) if 0 < len(classes) < 150 else 300, 260)] and dx.dtype == dtype
    exact = np.einsum("nfhw,fc->nchw", dout.astype(float), layer.params["w"][:, :, 0, 0].astype(float))
    assert abs(dx - exact).max() <= 1e-6 * max(1, abs(exact).max())


@pytest.mark.parametrize("lay_out", [np.ascontiguousarray, lambda x: np.asfortranarray(x), lambda x: x[:, ::-1],
                                     lambda x: x[:, :, ::2], lambda x: np.broadcast_to(x[:, :1], x.shape)],
                         ids=["channels first", "fortran", "turned", "every second row", "broadcast"])
@pytest.mark.parametrize("way", ["winograd", "few out", "few back", "im2col", "1x1"])
def test_memory_may_lie_in_any_order(rng, lay_out, way):
    C, F, size = {"winograd": (32, 32, 3), "few out": (40, 3, 3), "few back": (3, 40, 3), "im2col": (5, 6, 3),
                  "1x1": (20, 30, 1)}[way]
    x, w = lay_out(channels_last(rng, 2, C, 26, 21)), filters(rng, F, C, size)
    layer = convolution(w, pad=size // 2)
    out, cache = layer.forward(x)
    assert relative_error(out, exactly(x, w, pad=size // 2)) < 2e-5
    dout = lay_out(channels_last(rng, 2, F, 26, 21))[:, :, :x.shape[2]]
    dx = layer.backward(dout, cache)
    exact = convolution(w.astype(float), pad=size // 2).backward(dout.astype(float), x.astype(float))
    assert dx.shape == x.shape and relative_error(dx, exact) < 2e-5


BOUNDS = {4: 5e-5, 2: 5e-6, "off": 1e-6}


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 2), st.sampled_from([16, 32, 48, 64, 96]), st.sampled_from([16, 32, 48, 64]),
       st.integers(3, 30), st.integers(3, 30), st.sampled_from(list(BOUNDS)), st.integers(0, 2**32))
def test_error_bounds_against_float64(N, C, F, H, W, setting, seed):
    rng = np.random.default_rng(seed)
    x, w, bias = channels_last(rng, N, C, H, W), filters(rng, F, C), rng.standard_normal(F, np.float32)
    layer = convolution(w, bias, winograd=setting)
    exact = convolution(w.astype(float), bias.astype(float))
    out, cache = layer.forward(x)
    assert out.dtype == np.float32
    assert relative_error(out, exact.forward(x.astype(float))[0]) < BOUNDS[setting]
    dout = channels_last(rng, N, F, H, W)
    dx = layer.backward(dout, cache)
    assert dx.dtype == np.float32
    assert relative_error(dx, exact.backward(dout.astype(float), x.astype(float))) < BOUNDS[setting]


def test_setting_is_one_of_three():
    with pytest.raises(InputError, match="winograd must be 4, 2 or 'off', not 6"):
        Network((3, 8, 8)).fast(winograd=6)


# ---- which way is taken ----------------------------------------------------------------------------------------

@pytest.fixture
def taken(monkeypatch):
    """The names of the fast ways that were taken, as they are."""
    ways = []

    def noted(name, way):
        def note(*arguments):
            ways.append(name)
            return way(*arguments)
        return note

    for name in ("winograd_convolution", "mix_channels", "convolve_few_channels", "convolve_into_few_channels",
                 "spread_to_few_channels"):
        monkeypatch.setattr(conv, name, noted(name, getattr(conv, name)))
    return ways


@pytest.mark.parametrize("C, F, options, dtype, expected", [
    (32, 48, {}, np.float32, ["winograd_convolution"] * 2),
    (32, 48, {"winograd": "off"}, np.float32, []),
    (32, 48, {}, np.float64, []),  # gradients in float64 are exact
    (32, 48, {"stride": 2}, np.float32, []),
    (32, 48, {"groups": 2}, np.float32, []),
    (8, 48, {}, np.float32, []),
    (8, 48, {"kernel_size": 1, "pad": 0}, np.float32, ["mix_channels"] * 2),
    (8, 48, {"kernel_size": 1, "pad": 1}, np.float32, []),
    (8, 48, {"kernel_size": 1, "pad": 0, "stride": 2}, np.float32, []),
    (3, 48, {}, np.float32, ["convolve_few_channels", "spread_to_few_channels"]),
    (3, 48, {"stride": 2}, np.float32, ["convolve_few_channels", "spread_to_few_channels"]),
    (48, 3, {}, np.float32, ["convolve_into_few_channels", "convolve_few_channels"]),
])
def test_shapes_and_types_decide(rng, taken, C, F, options, dtype, expected):
    options = {"kernel_size": 3, "pad": 1, **options}
    tile = options.pop("winograd", 4)
    layer = Conv2D(C, F, **options, rng=rng)
    layer.params = {key: values.astype(dtype) for key, values in layer.params.items()}
    layer = FastLayer(layer, tile)
    out, cache = layer.forward(channels_last(rng, 1, C, 40, 40, dtype=dtype))
    layer.backward(out, cache)
    assert taken == expected


def test_on_a_gpu_it_is_always_im2col(strict_cupy, rng, taken):
    layer = Conv2D(32, 32, 3, pad=1, rng=rng)
    layer.params = {key: strict_cupy.asarray(values) for key, values in layer.params.items()}
    layer = FastLayer(layer)
    out, cache = layer.forward(strict_cupy.asarray(channels_last(rng, 1, 32, 16, 16)))
    layer.backward(out, cache)
    assert taken == []


@pytest.mark.parametrize("m", [2, 4])
def test_rows_of_tiles_without_a_pixel_of_the_picture(rng, m):
    x, w = channels_last(rng, 1, 64, 30, 15, dtype=float), filters(rng, 48, 64, dtype=float)  # fully convolutional
    np.testing.assert_allclose(winograd_convolution(x, Filters(w, m), None, 37), exactly(x, w, pad=37), atol=1e-12)


@pytest.mark.parametrize("size, pad", [(3, 1), (9, 4), (5, 0), (3, 3), (4, 1), (5, 3), (3, 70)])
@pytest.mark.parametrize("channels", [1, 3])
def test_few_output_channels(rng, size, pad, channels):
    x, w = channels_last(rng, 2, 40, 64, 50, dtype=float), filters(rng, channels, 40, size, dtype=float)
    bias = rng.standard_normal(channels)
    out = conv.convolve_into_few_channels(x, w, bias, pad)
    np.testing.assert_allclose(out, exactly(x, w, bias, pad), atol=1e-12)
    assert convolution(w, bias, pad).forward(x)[0].shape == out.shape


@pytest.mark.parametrize("size, stride, pad", [(3, 1, 1), (7, 2, 3), (11, 4, 2), (3, 2, 0), (2, 3, 0), (9, 1, 0)])
@pytest.mark.parametrize("channels", [1, 3])
def test_few_input_channels(rng, size, stride, pad, channels):
    x, w = channels_last(rng, 2, channels, 43, 150, dtype=float), filters(rng, 40, channels, size, dtype=float)
    layer = Conv2D(channels, 40, size, stride, pad, rng=rng)
    layer.params = {"w": w, "b": rng.standard_normal(40)}
    out = conv.convolve_few_channels(x, w, layer.params["b"], stride, pad)
    np.testing.assert_allclose(out, layer.forward(x)[0], atol=1e-12)


@pytest.mark.parametrize("size, stride, pad", [
    (3, 1, 1), (7, 2, 3), (11, 4, 2), (3, 2, 0), (2, 3, 0), (3, 1, 3), (1, 2, 0)])
def test_back_to_few_channels(rng, size, stride, pad):
    x, w = channels_last(rng, 2, 3, 38, 45, dtype=float), filters(rng, 20, 3, size, dtype=float)
    layer = Conv2D(3, 20, size, stride, pad, bias=False)
    layer.params["w"] = w
    dout = channels_last(rng, *layer.forward(x)[0].shape, dtype=float)
    dx = conv.spread_to_few_channels(dout, w, x.shape[2:], stride, pad)
    direction = channels_last(rng, *x.shape, dtype=float)  # <dx, direction> = d/dt <out(x + t direction), dout>
    np.testing.assert_allclose((dx * direction).sum(), (layer.forward(direction)[0] * dout).sum(), rtol=1e-10)


@pytest.mark.parametrize("pad", [0, 1, 2])
@pytest.mark.parametrize("box", [(0, 1, 0, 1), (7, 8, 9, 10), (3, 9, 0, 14), (11, 12, 12, 14), (0, 0, 0, 0)])
def test_the_gradient_is_exactly_zero_where_no_path_leads(rng, taken, box, pad):
    layer = FastLayer(Conv2D(32, 48, 3, pad=pad, rng=rng))
    x = channels_last(rng, 2, 32, 14 - 2 * pad, 16 - 2 * pad)
    dout = np.zeros_like(layer.forward(x)[0])[:, :, :12, :14]
    top, bottom, left, right = box
    dout[:, :, top:bottom, left:right] = channels_last(rng, 2, 48, bottom - top, right - left)
    dx = layer.backward(dout, x)
    exact = convolution(layer.params["w"].astype(float), pad=pad).backward(dout.astype(float), x.astype(float))
    assert dx.shape == x.shape and dx.dtype == np.float32
    assert abs(dx - exact).max() <= 2e-5 * abs(exact).max()
    assert not dx[exact == 0].any() and ("winograd_convolution" in taken or not dout.any())


# ---- the transformed weights -----------------------------------------------------------------------------------

def test_changed_weights_are_transformed_anew(rng):
    x = channels_last(rng, 1, 32, 12, 12)
    layer = FastLayer(Conv2D(32, 32, 3, pad=1, rng=rng, bias=False))
    before = layer.forward(x)[0]
    made = layer.net.transformed[layer.layer].made
    transformed = made[4, False]
    assert layer.forward(x)[0].tobytes() == before.tobytes()
    assert made[4, False] is transformed  # once, while the weights stay
    assert (4, True) not in made  # and for the gradient only when one is asked for
    layer.params["w"][5, 7, 1, 1] += 0.5  # in place
    assert relative_error(layer.forward(x)[0], exactly(x, layer.params["w"])) < 2e-5
    layer.params["w"] = layer.params["w"][::-1].copy()
    assert relative_error(layer.forward(x)[0], exactly(x, layer.params["w"])) < 2e-5
    layer.params["w"][[0, 1]] = layer.params["w"][[1, 0]]  # the same values in other places
    assert relative_error(layer.forward(x)[0], exactly(x, layer.params["w"])) < 2e-5
    assert relative_error(FastLayer(layer.layer, 2).forward(x)[0], exactly(x, layer.params["w"])) < 2e-6


def test_copies_and_other_processes_get_no_transformed_weights(rng):
    net = small_network(rng)
    net.forward(channels_last(rng, 1, 3, 64, 64))
    assert len(net.transformed) > 0
    for twin in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert len(twin.transformed) == 0 and twin.winograd == net.winograd
        np.testing.assert_array_equal(twin.layer("conv2").params["w"], net.layer("conv2").params["w"])


def test_siblings_share_the_transformed_weights_of_the_layers_they_share(rng):
    net, x = small_network(rng), channels_last(rng, 1, 3, 64, 64)
    net.forward(x)
    sibling = net.with_relu(GuidedReLU()).trunk("conv3")
    assert sibling.transformed is net.transformed and type(sibling) is type(net)
    assert len(net.fast(winograd=2).transformed) == 0 and net.fast() is net
    del net, sibling


# ---- threads ---------------------------------------------------------------------------------------------------

def small_network(rng):
    net = Network((3, 64, 64))
    net.add("conv1", Conv2D(3, 32, 3, pad=1, rng=rng))
    net.add("relu1", ReLU())
    net.add("conv2", Conv2D(32, 64, 3, pad=1, rng=rng))
    net.add("relu2", ReLU())
    net.add("pool2", MaxPool2D(3, stride=2, ceil=True))
    net.add("conv3", Conv2D(64, 40, 1, rng=rng))
    net.add("conv4", Conv2D(40, 3, 5, pad=2, rng=rng))
    return net.fast()


def there_and_back(net, x):
    trace = net.forward(x)
    out = trace.activations[net.output]
    return out, net.backward(trace, {net.output: np.ones_like(out)})["input"]


def test_number_of_threads_changes_nothing_beyond_rounding(rng):
    net, x = small_network(rng), channels_last(rng, 2, 3, 101, 77)
    minicnn.set_num_threads(1)
    expected = there_and_back(net, x)
    for count in (2, 3, 5):
        minicnn.set_num_threads(count)
        assert minicnn.get_num_threads() == count
        for found, one in zip(there_and_back(net, x), expected, strict=True):
            assert relative_error(found, one) < 1e-5


def test_several_threads_at_once(rng):
    net = small_network(rng)
    pictures = [channels_last(rng, 1, 3, 64, 48 + 4 * i) for i in range(8)]
    minicnn.set_num_threads(2)
    alone = [there_and_back(net, x) for x in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda x: there_and_back(net, x), 5 * pictures))
    for found, expected in zip(together, 5 * alone, strict=True):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6 * abs(b).max())
    assert {library.num_threads for library in threads.blas_libraries()} <= {1}


def in_child(net, x, results):
    results.put((minicnn.get_num_threads(), there_and_back(net, x)[1]))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own(rng):
    net, x = small_network(rng), channels_last(rng, 1, 3, 64, 64)
    minicnn.set_num_threads(2)
    expected = there_and_back(net, x)[1]
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=in_child, args=(net, x, results))
    child.start()
    count, found = results.get(timeout=60)
    assert count == 2
    np.testing.assert_allclose(found, expected, atol=1e-5 * abs(expected).max())
    child.join(60)
    assert child.exitcode == 0


def test_what_a_thread_raises_is_raised():
    def fail(job):
        if job == 7:
            raise ZeroDivisionError("seven")

    minicnn.set_num_threads(3)
    with pytest.raises(ZeroDivisionError, match="seven"):
        threads.share_out(fail, list(range(20)))
    done = []
    threads.share_out(done.append, list(range(20)))
    assert sorted(done) == list(range(20))


@pytest.mark.parametrize("count", [0, -1, 1.5, "two", None])
def test_numbers_of_threads_that_there_are_not(count):
    with pytest.raises(InputError, match="number of threads of at least 1"):
        minicnn.set_num_threads(count)


def test_one_thread_never_shares(monkeypatch):
    minicnn.set_num_threads(1)
    assert not threads.worth_sharing(10**12)
    seen = set()
    threads.share_out(lambda job: seen.add(threading.get_ident()), [1, 2, 3])
    assert seen == {threading.get_ident()}


def test_sharing_is_worth_it_for_much_work_only():
    minicnn.set_num_threads(2)
    assert threads.worth_sharing(10**10) and not threads.worth_sharing(10)


def test_scratch_memory_belongs_to_a_thread():
    ours = scratch("test", (3, 4), np.float32)
    assert np.shares_memory(ours, scratch("test", (2, 2), np.float32))
    assert scratch("test", (2, 2), np.float64).dtype == np.float64
    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(scratch, "test", (3, 4), np.float32).result()
    assert not np.shares_memory(ours, theirs)


# ---- all ways ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("C, F", [(40, 3), (3, 40), (40, 20), (20, 40), (1, 1)])
@pytest.mark.parametrize("size, stride, pad", [(1, 1, 0), (1, 1, 1), (1, 2, 0), (2, 3, 2), (3, 1, 2), (3, 1, 3),
                                               (3, 1, 5), (3, 2, 1), (3, 4, 0), (5, 1, 9)])
@pytest.mark.parametrize("dtype, bound", [(np.float32, 5e-5), (np.float64, 1e-12)])
def test_every_way_gives_what_im2col_gives(rng, C, F, size, stride, pad, dtype, bound):
    layer = Conv2D(C, F, size, stride, pad, rng=rng)
    layer.params = {"w": filters(rng, F, C, size, dtype=dtype), "b": rng.standard_normal(F).astype(dtype)}
    plain = copy.copy(layer)
    plain.params = {key: array.astype(float) for key, array in layer.params.items()}
    layer = FastLayer(layer)
    x = channels_last(rng, 2, C, 51, 43, dtype=dtype)
    expected, _ = plain.forward(x.astype(float))
    dout = channels_last(rng, *expected.shape, dtype=dtype)
    dw = layer.backward_params(dout, x)["w"]
    for found, exact in ((layer.forward(x)[0], expected),
                         (layer.backward(dout, x), plain.backward(dout.astype(float), x.astype(float))),
                         (dw, plain.backward_params(dout.astype(float), x.astype(float))["w"])):
        assert found.shape == exact.shape and found.dtype == dtype and relative_error(found, exact) < bound


# ---- types -----------------------------------------------------------------------------------------------------

def test_float32_stays_float32(rng):
    net, x = small_network(rng), channels_last(rng, 1, 3, 64, 64)
    trace = net.forward(x)
    assert {array.dtype for array in trace.activations.values()} == {np.dtype(np.float32)}
    out = trace.activations[net.output]
    grads = net.backward(trace, {net.output: np.ones_like(out)}, wrt=(*net.layer_names(), "input"))
    assert {array.dtype for array in grads.values()} == {np.dtype(np.float32)}
    for gradients in net.backward_params(trace, grads).values():
        assert {array.dtype for array in gradients.values()} == {np.dtype(np.float32)}
    assert winograd_weights.transform_weights(filters(rng, 32, 32), 4).dtype == np.float32


@pytest.mark.parametrize("x_type, w_type", [(np.float32, np.float64), (np.uint8, np.float32)])
@pytest.mark.parametrize("size, stride", [(3, 1), (3, 2), (1, 1), (1, 2)])
def test_the_wider_type_wins_whatever_the_way(rng, x_type, w_type, size, stride):
    x, w = (100 * rng.random((2, 17, 40, 33))).astype(x_type), filters(rng, 20, 17, size, dtype=w_type)
    layer = convolution(w, pad=0)
    layer.layer.stride = stride
    out, _ = layer.forward(x)
    expected = exactly(x, w, pad=0)[:, :, ::stride, ::stride]
    assert out.dtype == w_type and relative_error(out, expected) < (1e-6 if w_type == np.float32 else 1e-14)


# ---- im2col in pieces --------------------------------------------------------------------------------------------

def test_weight_gradients_are_summed_in_one_order_whichever_is_ready_first(rng, monkeypatch):
    minicnn.set_num_threads(5)
    x, dout = channels_last(rng, 1, 16, 40, 40), channels_last(rng, 1, 64, 40, 40)
    found = []
    for turn in (iter, reversed):
        monkeypatch.setattr(conv, "share_out", lambda work, jobs, *_, turn=turn: [*map(work, turn(jobs))])
        found.append(conv.weight_gradient_in_pieces(dout, x, (64, 16, 3, 3), 1, 1))
    assert found[0].tobytes() == found[1].tobytes()


@pytest.mark.parametrize("size, stride, pad", [(3, 1, 1), (3, 2, 0), (7, 2, 3), (11, 4, 2), (1, 2, 0), (2, 3, 1)])
@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_pieces_of_a_picture_give_the_whole(rng, size, stride, pad, count):
    minicnn.set_num_threads(count)
    plain = Conv2D(5, 7, size, stride, pad, rng=rng)
    plain.params = {key: values.astype(float) for key, values in plain.params.items()}
    w, bias = plain.params["w"], plain.params["b"]
    x = channels_last(rng, 2, 5, 33, 30, dtype=float)
    expected, _ = plain.forward(x)
    np.testing.assert_allclose(conv.convolve_in_pieces(x, w, bias, stride, pad), expected, atol=1e-12)
    dout = channels_last(rng, *expected.shape, dtype=float)
    dw = conv.weight_gradient_in_pieces(dout, x, w.shape, stride, pad)
    np.testing.assert_allclose(dw, plain.backward_params(dout, x)["w"], atol=1e-10)


@pytest.mark.parametrize("size, pad", [(3, 1), (3, 0), (5, 4), (9, 4)])
def test_gradients_by_the_smaller_patches(rng, size, pad):
    plain = Conv2D(12, 5, size, pad=pad, rng=rng)
    plain.params = {key: values.astype(float) for key, values in plain.params.items()}
    x = channels_last(rng, 2, 12, 22, 25, dtype=float)
    dout = channels_last(rng, *plain.forward(x)[0].shape, dtype=float)
    dw = conv.gradient_to_weights(plain, dout, x)
    np.testing.assert_allclose(dw, plain.backward_params(dout, x)["w"], atol=1e-10)
    dx = conv.backward(plain, dout, x, winograd_weights.WinogradWeights("off"))
    np.testing.assert_allclose(dx, plain.backward(dout, x), atol=1e-12)


# ---- im2col in bands -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("band", ["one row", "three rows", "two images", "all"])
@pytest.mark.parametrize("options", [{"pad": 1}, {"stride": 2, "pad": 2}, {"stride": 3},
                                     {"pad": 1, "groups": 2}], ids=str)
def test_bands_change_nothing(band, options, xp, rng, monkeypatch):
    plain = Conv2D(2, 4, 3, **options, rng=rng)
    plain.params = {key: values.astype(float) for key, values in plain.params.items()}
    w, bias = map(xp.asarray, plain.params.values())
    x = rng.standard_normal((3, 2, 8, 7))
    out, _ = plain.forward(x)
    dout = rng.standard_normal(out.shape)
    row = out.shape[3] * 9 * (2 // plain.groups)  # the patches of one row of output
    monkeypatch.setitem(im2col.BAND, xp.__name__, {
        "one row": 1, "three rows": 3 * row, "two images": 2 * out.shape[2] * row, "all": 10**9}[band])
    settings = plain.stride, plain.pad, plain.groups
    on_x, on_dout = xp.asarray(x), xp.asarray(dout)
    for found, expected in (
            (im2col.convolve(on_x, w, bias, *settings), out),
            (im2col.gradient_to_input(on_dout, w, x.shape[2:], *settings), plain.backward(dout, x)),
            (im2col.gradient_to_weights(on_dout, on_x, w.shape, *settings), plain.backward_params(dout, x)["w"])):
        np.testing.assert_allclose(to_host(found), expected, atol=1e-12)


def test_bands_bound_the_memory(monkeypatch, rng):
    monkeypatch.setitem(im2col.BAND, "numpy", 2**14)  # 128 KB; all patches together are 2.4 MB
    w, x = rng.standard_normal((8, 8, 3, 3)), np.ones((1, 8, 64, 64))  # x: 256 KB, as much as `out` and `dx`
    for step, most in ((lambda: im2col.convolve(x, w, None, 1, 1), 1.2e6),
                       (lambda: im2col.gradient_to_input(x, w, (64, 64), 1, 1), 1.2e6),
                       (lambda: im2col.gradient_to_weights(x, x, w.shape, 1, 1), 1.6e6)):  # whose bands are larger
        tracemalloc.start()
        step()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < most
