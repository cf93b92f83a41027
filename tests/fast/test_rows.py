"""Chains of layers that run in step agree with the definition: any layers, sizes, batches, threads, ties."""

import numpy as np
import pytest
from chains import KINDS, LAYOUTS, chain, chains_of, doubting, in_any_order, smallest_side, with_integers
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import minicnn
from minicnn.fast import schedule
from minicnn.fast.rows import layer, plan, space, steps, weights
from minicnn.layers import DeconvReLU, GuidedReLU

BOUNDS = {4: 5e-5, 2: 5e-6, "off": 3e-6}  # of the largest value, by the setting of Winograd
FIRST = st.one_of(  # (channels of the input, side of the filters, stride, pad)
    st.tuples(st.integers(1, 4), st.sampled_from([1, 3, 5, 7, 11]), st.integers(1, 4), st.integers(0, 3)),
    st.tuples(st.sampled_from([1, 3, 5, 16]), st.just(0), st.just(1), st.just(0)),  # a max pool
    st.tuples(st.sampled_from([5, 16, 24]), st.sampled_from([1, 3, 5]), st.just(1), st.integers(0, 2)))
CHAINS = st.tuples(FIRST, st.lists(st.sampled_from(KINDS), max_size=7),
                   st.lists(st.sampled_from([3, 8, 16, 20, 32, 64]), min_size=1, max_size=4))
SIZES = st.tuples(st.integers(1, 3), st.integers(0, 50), st.integers(0, 50))  # batch, rows and columns beyond the least
MOST = 70  # pixels of a side
THREADS, SEEDS = st.integers(1, 4), st.integers(0, 2**32)


@pytest.fixture(autouse=True)
def chains_of_any_size_and_as_many_threads_afterwards(monkeypatch):
    monkeypatch.setattr(schedule, "LEAST_WORK", 0)
    before = minicnn.get_num_threads()
    yield
    minicnn.set_num_threads(before)


def drawn(parts, size, rng):
    """(a network, the shape of its input) from what hypothesis has drawn."""
    (C, K, stride, pad), kinds, channels = parts
    net = chain(kinds, C, channels, rng, K, stride, max(0, min(pad, K - 1)))
    least, (N, more_rows, more_columns) = smallest_side(net, MOST), size
    assume(least <= MOST)
    return net, (N, C, min(least + more_rows, MOST), min(least + more_columns, MOST))


def there_and_back(net, x, dout):
    """(output, gradient to the input), both of passes in step."""
    trace = net.forward(x, keep=[net.output])
    assert chains_of(trace)
    dx = net.backward(trace, {net.output: dout})["input"]
    assert trace.caches.of_layers is None  # nothing ran again layer by layer
    return trace.activations[net.output], dx


def seed_for(net, shape, rng, positions):
    """A gradient to the output: at all positions, or at a few of each map."""
    dout = rng.standard_normal((shape[0], *net.shapes(shape[1:])[net.output][1:]))
    return dout if not positions else dout * (rng.random(dout.shape[2:]) <= positions / dout[0, 0].size)


def assert_near(found, exact, bound, before):
    """The difference is below the bound, relative to the largest value, except where the exact one is no number.

    before : the arrays that it was computed from. Rounding errors have the size of the terms of a sum, also where the
    terms cancel.
    """
    scale = max(np.nanmax(abs(array), initial=0) for array in (exact, *before))
    assert found.shape == exact.shape and found.dtype == np.float32
    assert np.isfinite(found).all() and np.nanmax(abs(found - exact), initial=0) <= bound * scale


def compare(net, shape, winograd, threads, positions, layout, seed):
    """Compare a pass in step, there and back, with the definition in float64."""
    rng = np.random.default_rng(seed)
    minicnn.set_num_threads(threads)
    x, dout = rng.standard_normal(shape, np.float32), seed_for(net, shape, rng, positions)
    exact = doubting(net, BOUNDS[winograd])
    trace = exact.forward(x.astype(float))
    gradients = exact.backward(trace, {net.output: dout}, ("input", *net.layer_names()))
    dout = dout.astype(np.float32)
    out, dx = there_and_back(net.fast(winograd), LAYOUTS[layout](x), LAYOUTS[layout](dout))
    assert_near(out, trace.activations[net.output], BOUNDS[winograd], trace.activations.values())
    assert_near(dx, gradients["input"], BOUNDS[winograd], gradients.values())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_layer_joins_a_chain(kind, rng):
    net = chain(["3x3", "relu", kind, "3x3"], 3, [16], rng)
    trace = net.fast().forward(rng.standard_normal((1, 3, 20, 20), np.float32), keep=[net.output])
    assert chains_of(trace) == [net.output] and len(trace.caches.chained.nodes) == 1


@settings(max_examples=150, deadline=None)
@given(CHAINS, SIZES, THREADS, st.sampled_from(list(BOUNDS)), st.sampled_from([0, 0, 1, 5]),
       st.sampled_from(list(LAYOUTS)), SEEDS)
def test_any_chain(parts, size, threads, winograd, positions, layout, seed):
    compare(*drawn(parts, size, np.random.default_rng(seed)), winograd, threads, positions, layout, seed)


@settings(max_examples=150, deadline=None)
@given(CHAINS, SIZES, THREADS, st.sampled_from([2, "off"]), st.sampled_from([0, 1]), SEEDS)
def test_chains_of_small_integers_are_exact_with_all_their_ties(parts, size, threads, winograd, positions, seed):
    rng = np.random.default_rng(seed)
    net, shape = drawn(parts, size, rng)
    net = with_integers(net, rng)
    minicnn.set_num_threads(threads)
    x = rng.integers(0, 3, shape).astype(np.float32)
    dout = np.round(seed_for(net, shape, rng, positions)).astype(np.float32)
    plain, fast = net.plain(), net.fast(winograd)
    trace = plain.forward(x)
    gradients = plain.backward(trace, {net.output: dout}, ("input", *net.layer_names()))
    assume(max(abs(array).max() for array in (*trace.activations.values(), *gradients.values())) < 2**14)
    out, dx = there_and_back(fast, x, dout)
    assert np.array_equal(out, trace.activations[net.output]) and np.array_equal(dx, gradients["input"])
    in_step = fast.forward(x, keep=[net.output])
    for relu in (GuidedReLU(), DeconvReLU()):
        expected = plain.with_relu(relu).backward(trace, {net.output: dout})["input"]
        assert np.array_equal(fast.with_relu(relu).backward(in_step, {net.output: dout})["input"], expected)
        own = there_and_back(fast.with_relu(relu), x, dout)
        assert np.array_equal(own[0], out) and np.array_equal(own[1], expected)


@settings(max_examples=60, deadline=None)
@example(((1, 0, 1, 0), ["1x1", "pool 3/2", "1x1"], [3]), (1, 0, 0), 2, 4, False, True, 0)
@example(((3, 3, 1, 1), ["fire", "pool 2/2"], [3]), (1, 9, 9), 2, 4, True, True, 0)
@given(CHAINS, SIZES, THREADS, st.sampled_from([4, 2]), st.booleans(), st.booleans(), SEEDS)
def test_filters_that_are_not_kept_or_are_shared_by_blocks(parts, size, threads, winograd, kept, by_blocks, seed):
    (first, kinds, _), (N, rows, columns) = parts, size
    parts, size = (first, ["3x3", *kinds[:4]], [16, 32, 64]), (N, rows % 20, columns % 20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "KEPT", 2**24 if kept else 0)
        patch.setattr(plan, "MANY_FILTERS", 0 if by_blocks else 2**20)
        compare(*drawn(parts, size, np.random.default_rng(seed)), winograd, threads, 0, "rows", seed)


@settings(max_examples=100, deadline=None)
@example(((1, 1, 1, 0), [], [3]), (1, 0, 0), 1, 4, True, False, 0)
@given(CHAINS, SIZES, THREADS, st.sampled_from(list(BOUNDS)), st.booleans(), st.booleans(), SEEDS)
def test_any_order_of_the_threads_calls_with_all_maps_in_shared_memory(parts, size, threads, winograd, wide, shared,
                                                                       seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layer, "run", in_any_order(np.random.default_rng(seed)))
        patch.setattr(space, "LARGE", 0 if shared else 2**18)
        patch.setattr(steps, "WIDE_WEIGHTS", 0 if wide else 2**18)
        patch.setattr(steps, "WIDE_PIXELS", MOST**2)
        compare(*drawn(parts, size, np.random.default_rng(seed)), winograd, threads, 0, "rows", seed)


@pytest.mark.parametrize("kinds", [["3x3", "relu", "pool 2/2", "3x3", "relu"], ["fire", "pool 3/2"], ["inception"]])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_many_channels(kinds, threads, rng):
    for winograd, side in ((4, 11), (2, 6)):
        compare(chain(kinds, 3, [256, 352], rng, 3, 1, 1), (1, 3, side, side + 1), winograd, threads, 0, "rows", 0)
