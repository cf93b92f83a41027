"""Passes in step side by side, in any order, in several threads and processes, and in trouble."""

import copy
import multiprocessing
import pickle
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from chains import chain, chains_of, with_integers

from minicnn import get_num_threads, set_num_threads
from minicnn.fast import schedule
from minicnn.fast.rows import team


@pytest.fixture(autouse=True)
def chains_of_any_size_and_as_many_threads_afterwards(monkeypatch):
    monkeypatch.setattr(schedule, "LEAST_WORK", 0)
    before = get_num_threads()
    set_num_threads(2)
    yield
    set_num_threads(before)


def small(rng, integers=False):
    """A chain: a Fire module between two convolutions."""
    net = chain(["relu", "pool 3/2", "fire", "3x3", "relu", "pool 2/2"], 3, [16, 32], rng, pad=1)
    return with_integers(net, rng) if integers else net


def pictures(rng, count=6):
    return [rng.standard_normal((1 + i % 2, 3, 40 + i % 3, 37), np.float32) for i in range(count)]


def back(net, trace):
    """The gradient to the input from half of the output's squares."""
    return net.backward(trace, {net.output: trace.activations[net.output]})["input"]


def there_and_back(net, x):
    """The bytes of the output and of the gradient to the input."""
    trace = net.forward(x, keep=[net.output])
    assert chains_of(trace) == [net.output]
    return trace.activations[net.output].tobytes(), back(net, trace).tobytes()


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 1, 4, 2, 0]])
def test_open_passes_go_back_in_any_order_and_no_result_changes(order, rng):
    net, images = small(rng).fast(), pictures(rng)
    expected = [there_and_back(net, x) for x in images]
    traces = [net.forward(x, keep=[net.output]) for x in images]
    results = [(i, back(net, traces[i])) for i in order]
    for x in reversed(images):
        there_and_back(net, x)
        net.predict(x)
    for i, dx in results:
        assert (traces[i].activations[net.output].tobytes(), dx.tobytes()) == expected[i]
    for trace, one in zip(traces, expected, strict=True):  # open passes do not depend on the caller's arrays
        out = trace.activations[net.output]
        seed = out.copy()
        out[...] = np.nan
        assert net.backward(trace, {net.output: seed})["input"].tobytes() == one[1]


def change(net, how):
    """Change the parameters of all layers."""
    for layer in net.parameter_layers().values():
        if how == "in place":
            layer.params["w"] *= -1
            layer.params["b"] += 1
        elif how == "one value":
            layer.params["w"][-1, -1, 0, 0] += 1
        elif how == "another dict":
            layer.params = {"w": -layer.params["w"], "b": layer.params["b"] + 1}
        else:
            layer.params["w"], layer.params["b"] = -layer.params["w"], layer.params["b"] + 1


@pytest.mark.parametrize("how", ["in place", "one value", "other arrays", "another dict"])
def test_weights_that_change_between_passes_and_while_a_pass_is_open(how, rng):
    plain = small(rng, integers=True)
    fast, x = plain.fast(2), rng.integers(0, 3, (2, 3, 40, 45)).astype(np.float32)
    expected, trace = plain.forward(x), fast.forward(x, keep=[fast.output])
    for _ in range(3):
        assert np.array_equal(back(fast, trace), back(plain, expected))
        change(plain, how)
        assert np.array_equal(back(fast, trace), back(plain, expected))  # the old activations, the new weights
        expected, trace = plain.forward(x), fast.forward(x, keep=[fast.output])
        assert np.array_equal(trace.activations[fast.output], expected.activations[plain.output])
        assert np.array_equal(fast.predict(x), expected.activations[plain.output])


@pytest.mark.parametrize("counts", [(1, 2, 3), (4, 1, 2), (3, 2, 1)])
def test_another_number_of_threads_between_passes_and_while_a_pass_is_open(counts, rng):
    plain = small(rng, integers=True)
    fast, x = plain.fast(2), rng.integers(0, 3, (2, 3, 40, 45)).astype(np.float32)
    expected, traces = plain.forward(x), []
    for count in counts:
        set_num_threads(count)
        traces.append(fast.forward(x, keep=[fast.output]))
        assert np.array_equal(traces[-1].activations[fast.output], expected.activations[plain.output])
        for trace in traces:
            assert np.array_equal(back(fast, trace), back(plain, expected))


@pytest.mark.parametrize("again", [lambda net: pickle.loads(pickle.dumps(net)), copy.copy, copy.deepcopy])
def test_copies_of_a_network(again, rng):
    net, (x, *_) = small(rng).fast(), pictures(rng)
    trace = net.forward(x, keep=[net.output])
    other, expected = again(net), there_and_back(net, x)
    assert there_and_back(other, x) == there_and_back(net, x) == expected
    assert back(net, trace).tobytes() == expected[1]


def in_child(connection, net, x, trace):
    connection.send((there_and_back(net, x), back(net, trace).tobytes()))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_forked_process_goes_on(rng):
    net, (x, *_) = small(rng).fast(), pictures(rng)
    expected, trace = there_and_back(net, x), net.forward(x, keep=[net.output])
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    child = context.Process(target=in_child, args=(there, net, x, trace))
    child.start()
    try:
        assert here.poll(30) and here.recv() == (expected, expected[1])
        child.join(30)
        assert child.exitcode == 0
    finally:
        child.kill()
    assert there_and_back(net, x) == expected


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_several_threads_call_the_same_network_and_others_at_once(threads, rng):
    set_num_threads(threads)
    one, other, images = small(rng), small(rng), pictures(rng)
    nets = [one.fast(), one.fast("off"), other.fast(), one.fast()]
    nets.append(nets[0])
    expected = [[there_and_back(net, x) for x in images] for net in nets]
    with ThreadPoolExecutor(len(nets)) as pool:
        for _ in range(4):
            found = [pool.submit(lambda net=net: [there_and_back(net, x) for x in images]) for net in nets]
            assert [each.result(60) for each in found] == expected


# ---- errors --------------------------------------------------------------------------------------------------


def steps_that_note(done, threads):
    """The calls of three steps. Each call appends the number of its step."""
    return [[[partial(done.append, step)] for _ in range(threads)] for step in range(3)]


@pytest.mark.parametrize("problem", [ZeroDivisionError("here"), KeyboardInterrupt("here"), SystemExit("here")])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_an_error_in_one_thread_releases_the_others_and_is_raised_once(count, problem, rng):
    def fail():
        raise problem

    set_num_threads(count)
    net, (x, *_) = small(rng).fast(), pictures(rng)
    expected = there_and_back(net, x)
    for thread in range(count):
        for step in range(3):
            done = []
            calls = steps_that_note(done, count)
            calls[step][thread].insert(0, fail)
            with pytest.raises(type(problem)) as raised:
                team.run(calls)
            assert raised.value is problem
            assert done.count(step) < count and all(i <= step for i in done)
    done.clear()
    team.run(steps_that_note(done, count))
    assert done == sorted([0, 1, 2] * count)  # in step
    assert there_and_back(net, x) == expected


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to a thread here")
@pytest.mark.parametrize("waits", ["at a meeting", "at the end"])
def test_ctrl_c_while_the_caller_waits_for_others(waits, rng):
    done = []

    def interrupt():
        threading.Event().wait(0.05)  # the main thread waits by now
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        threading.Event().wait(0.1)
        done.append("others")

    net, (x, *_) = small(rng).fast(), pictures(rng)
    expected = there_and_back(net, x)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    later = [[[lambda: done.append("later")], []]] if waits == "at a meeting" else []
    try:
        pytest.raises(KeyboardInterrupt, team.run, [[[], [interrupt]], *later])
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == ["others"] and there_and_back(net, x) == expected


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_all_threads_have_the_callers_floating_point_errors(threads, rng):
    set_num_threads(threads)
    seen, net, (x, *_) = [], small(rng).fast(), pictures(rng)
    expected = there_and_back(net, x)
    with np.errstate(over="raise", invalid="ignore"):
        team.run([[[lambda: seen.append(np.geterr()["over"])] for _ in range(threads)]] * 2)
        for n in (0, -1):
            huge = np.zeros_like(x)
            huge[..., n, :] = 3e38  # in the rows of one thread
            pytest.raises(FloatingPointError, net.forward, huge, keep=[net.output])
    assert seen == ["raise"] * 2 * threads
    with np.errstate(all="ignore"):
        net.forward(huge, keep=[net.output])
    assert there_and_back(net, x) == expected
