"""Memory is handed out again only when nobody refers to it, so that no result changes later; and threads in trouble."""

import pickle
import platform
import signal
import subprocess
import sys
import threading
import weakref
from itertools import product
from queue import SimpleQueue

import numpy as np
import pytest
from fast_layers import FastLayer
from numpy.testing import assert_allclose

from minicnn.fast import memory, threads, winograd_weights
from minicnn.layers import Add, BatchNorm2D, Concat, Conv2D, Dropout, MaxPool2D, ReLU
from minicnn.network import Network


@pytest.fixture(autouse=True)
def own_memory_and_as_many_threads_afterwards(monkeypatch):
    monkeypatch.setattr(memory, "_memory", memory.Memory())
    before = threads.get_num_threads()
    yield
    threads.set_num_threads(before)


@pytest.mark.parametrize("hold", [
    lambda a: a, lambda a: a[5:][::2, 3:].T, lambda a: np.lib.stride_tricks.as_strided(a[1:], (3, 3), (4, 4)), iter,
    lambda a: np.array([a, None], object), lambda a: {"a": [a]}, lambda a: a.view(np.recarray)[1:].view(np.ndarray)[1:],
    lambda a: memoryview(a)[:], lambda a: np.frombuffer(a, "B"), np.from_dlpack, lambda a: np.ctypeslib.as_ctypes(a)[3],
    lambda a: a.__array_struct__, lambda a: pickle.PickleBuffer(a).raw(), lambda a: a.view("f4, f4")[0, 0]])
def test_memory_is_handed_out_when_nobody_refers_to_it_and_not_before(hold):
    array = memory.empty((128, 200), np.float32)
    where, holder = array.ctypes.data, hold(array)
    del array
    others = [memory.empty((128, 200), np.float32) for _ in range(3)]
    assert where not in [other.ctypes.data for other in others]
    del holder, others
    assert where in [other.ctypes.data for other in [memory.empty((128, 200), np.float32) for _ in range(4)]]


def test_other_threads_hold_memory_too_and_have_their_own():
    array, go_on, new = memory.empty((2**15,), float), threading.Event(), []
    where = [array.ctypes.data]
    other = threading.Thread(target=lambda a: new.append(go_on.wait(9) and memory.empty((2**15,), float)), args=[array])
    other.start()
    del array
    where += [memory.empty((2**15,), float).ctypes.data]
    go_on.set()
    other.join(20)
    assert len({*where, new[0].ctypes.data}) == 3  # although our second one was idle


@pytest.mark.parametrize("lay_out", [
    lambda a: a.transpose(0, 3, 1, 2), lambda a: a, lambda a: a.transpose(0, 3, 1, 2)[:, 5:30], lambda a: a[::-1],
    lambda a: np.broadcast_to(a[:, :, :1], a.shape), lambda a: a.reshape(70, -1), lambda a: a.reshape(70, -1).T])
def test_shapes_and_types_and_layouts(rng, lay_out):
    x = lay_out(rng.standard_normal((2, 70, 40, 50), np.float32))
    for dtype in (None, bool, float):
        found, expected = memory.empty_like(x, dtype), np.empty_like(x, dtype)
        assert (found.shape, found.strides, found.dtype) == (expected.shape, expected.strides, expected.dtype)
        assert found.base.nbytes == found.nbytes  # in memory from there
    both = memory.add(2 * np.ascontiguousarray(x), x)
    assert (both == 3 * x).all() and both.dtype == np.float32 and both.strides == np.empty_like(x).strides
    assert memory.channels_last(np, (2, 50, 70, 40), float).strides == (1120000, 8, 16000, 400)
    assert [memory.empty((memory.SMALL - less,), bool).flags.owndata for less in (0, 1)] == [False, True]


def test_nobody_writes_into_what_is_kept_and_no_more_is_idle_than_in_use(rng):
    kept, total, sizes = {}, 0, rng.integers(1, 5 * memory.SMALL // 8, 50) * 8
    for number, size in enumerate(map(int, rng.choice(sizes, 1000))):
        dtype = np.dtype([float, np.float32, bool][number % 3])
        array = memory.empty((size // dtype.itemsize,), dtype)
        array[...] = value = dtype.type(number)
        used = size + sum(other.base.nbytes for _, other in kept.values())
        total, before = sum(buffer.size for buffers in memory._memory.buffers.values() for buffer in buffers), total
        assert total <= max(before, 2 * used)  # it grows to twice of what is in use, at most
        kept[int(rng.integers(rng.integers(1, 9)))] = value, [array[:], array[::-1], array[1:][::2]][number // 3 % 3]
        assert all((held == value).all() for value, held in kept.values())


def branching(rng, *begin):
    net, shared = Network((32, 64, 64)), Conv2D(32, 32, 3, pad=1, rng=rng)
    for name, layer, *inputs in [
            *begin, ("conv", shared), ("relu", ReLU()), ("pool", MaxPool2D(2)), ("norm", BatchNorm2D(32)),
            ("drop", Dropout()), ("again", shared), ("sum", Add(), "again", "pool", "drop"),
            ("join", Concat(), "sum", "norm", "pool"), ("gaps", MaxPool2D(1, 2)), ("last", Conv2D(96, 20, 1, rng=rng))]:
        net.add(name, layer, *inputs)
    return net.fast(), *rng.standard_normal((2, 2, 32, 64, 64), np.float32)


def there_and_back(net, x, **options):
    trace = net.forward(x)
    gradients = net.backward(trace, {"last": trace.activations["last"]}, ("input", *net.layer_names()), **options)
    return trace, [*gradients.values(), *trace.activations.values()]


def test_nothing_that_a_network_returned_changes_and_memory_may_hold_anything(rng):
    threads.set_num_threads(1)  # the other threads' memory is out of reach
    net, x, other = branching(rng)
    trace, results = there_and_back(net, x)
    before = pickle.dumps(results)
    assert all((net.predict(x, name) == trace.activations[name]).all() for name in net.layer_names())
    released = [there_and_back(net, picture, release=True) for picture in (other, x)][1]
    assert pickle.dumps(results) == pickle.dumps(released[1]) == before and released[0].caches == {}
    pytest.raises(ValueError, net.backward, released[0], {"last": results[-1]})  # there is no second way back
    assert (net.backward(trace, {"last": results[-1]}, "pool", release=True)["pool"] == results[3]).all()  # as here
    assert list(trace.caches) == net.layer_names()[:3]  # of the nodes that were not passed
    del trace, results, released
    for array in [*memory._memory.scratch.values(), *sum(memory._memory.buffers.values(), [])]:
        array.view(np.uint8).fill(255)  # not a number
    assert pickle.dumps(there_and_back(net, x)[1]) == before


@pytest.mark.parametrize("kinds", [[], [ReLU], [lambda: MaxPool2D(3, 1, 1), Dropout]], ids=len)
def test_training_is_both_ways_back_in_one(rng, kinds):
    begin = [(str(i), kind()) for i, kind in enumerate(kinds)]
    net, x, _ = branching(rng, *begin)
    trace = net.forward_train(x, np.random.default_rng(1))
    for keep in [(), ("last",), ("conv", "sum", "input"), ("drop",)]:
        kept, caches = less = net.forward_train(x, np.random.default_rng(1), keep)
        assert {key: kept[key].tobytes() for key in kept} == {key: trace.activations[key].tobytes() for key in keep}
    seeds = {name: trace.activations[name].copy() for name in ("last", "norm")}
    expected = net.backward_params(trace, net.backward(trace, seeds, wrt=net.layer_names()))
    for name, layer in begin:
        layer.backward = None  # nobody needs it
        assert net.trunk(name).backward_train(trace, {name: x}) == {}
    found = net.backward_train(less, seeds)
    assert list(found) == list(expected) == ["conv", "norm", "last"] and list(caches) == [name for name, _ in begin]
    for name, gradients in expected.items():
        assert all(gradients[key].tobytes() == found[name].pop(key).tobytes() for key in gradients) and not found[name]


def test_only_the_gradients_asked_for_are_computed_and_no_way_is_gone_beyond(rng):
    net, x, _ = branching(rng)
    seeds = {"last": net.forward(x).activations["last"]}
    everything = net.backward_train(net.forward_train(x, np.random.default_rng(1)), seeds)
    net.layer("pool").backward = net.layer("last").backward_params = None  # nobody needs them
    found = net.backward_train(net.forward_train(x, np.random.default_rng(1)), seeds, only=("gamma",))
    assert list(found) == ["norm"] and list(found["norm"]) == ["gamma"] != list(everything["norm"])
    assert found["norm"]["gamma"].tobytes() == everything["norm"]["gamma"].tobytes()


def test_on_a_gpu_it_is_the_same(rng, strict_cupy):
    net, x = (each.astype(float) for each in branching(rng)[:2])
    on_device = there_and_back(net.to_device("gpu"), strict_cupy.asarray(x), release=True)[1]
    for found, expected in zip(on_device, there_and_back(net, x)[1], strict=True):
        assert_allclose(found.get(), expected, atol=1e-10)


def test_sharing_inside_what_is_shared_by_several_while_the_number_of_threads_changes(rng):
    def leaves(*job):
        below = []
        threads.share_out(lambda i: below.extend(leaves(*job, i) if len(job) < 2 else [(*job, i)]), range(4))
        return sorted(below)

    def compute():
        for result, one in zip(sum([there_and_back(net, x)[1] for _ in range(4)], []), 4 * expected, strict=True):
            assert_allclose(result, one, atol=1e-5 * abs(one).max())

    threads.set_num_threads(4)
    (net, x, _), found, pause = branching(rng), SimpleQueue(), threading.Event()
    expected = there_and_back(net, x)[1]
    jobs = 4 * [leaves, compute] + [lambda: [pause.wait(threads.set_num_threads(n) or 0.002) for n in 30 * (4, 1, 3)]]
    for job in jobs:
        threading.Thread(target=lambda job=job: found.put(job()), daemon=True).start()
    assert [found.get(timeout=20) for _ in jobs].count([*product(range(4), repeat=3)]) == 4  # nobody hangs


@pytest.mark.parametrize("who, problem", [*product(["MainThread", "minicnn"], [ZeroDivisionError, KeyboardInterrupt])])
def test_what_is_raised_arrives_when_all_are_done(who, problem):
    both, done = threading.Barrier(2), []

    def work(raising):
        both.wait(20)  # each thread has one job
        if threading.current_thread().name.startswith(raising):
            raise problem
        threading.Event().wait(0.02)
        done.append(raising)

    threads.set_num_threads(2)
    pytest.raises(problem, threads.share_out, work, [who, who])
    assert done == [who]
    threads.share_out(work, ["nobody", "nobody"])
    assert done == [who, "nobody", "nobody"]


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to a thread here")
def test_ctrl_c_while_the_others_still_work_arrives_when_they_are_done():
    both, done = threading.Barrier(2), []

    def work(job):
        both.wait(20)
        if threading.current_thread() is not threading.main_thread():
            threading.Event().wait(0.02)  # the main thread waits by now
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            threading.Event().wait(0.05)
            done.append(job)

    threads.set_num_threads(2)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        pytest.raises(KeyboardInterrupt, threads.share_out, work, ["a", "a"])
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == ["a"]


def test_after_an_error_what_nobody_has_begun_is_left():
    both, begun = threading.Barrier(2), []

    def work(job):
        begun.append(job)
        if job < 2:
            both.wait(20)
        if threading.current_thread() is threading.main_thread():
            raise ZeroDivisionError
        threading.Event().wait(0.02)

    threads.set_num_threads(2)
    pytest.raises(ZeroDivisionError, threads.share_out, work, range(100))
    assert len(begun) < 10


def test_the_threads_have_the_callers_floating_point_errors():
    seen = []
    threads.set_num_threads(3)
    with np.errstate(over="raise"):
        threads.share_out(lambda job: seen.append(np.geterr()["over"]), range(30))
    assert seen == ["raise"] * 30


def test_what_a_worker_shares_out_it_does_itself():
    both, done, finished = threading.Barrier(2), [], threading.Event()

    def work(job):
        both.wait(20)
        if threading.current_thread().name.startswith("minicnn"):  # nobody else is there to help
            threads.share_out(lambda part: done.append(threading.current_thread().name), [1, 2])

    threads.set_num_threads(2)
    threading.Thread(target=lambda: [threads.share_out(work, [1, 2]), finished.set()], daemon=True).start()
    assert finished.wait(20) and done == ["minicnn_0", "minicnn_0"]


def test_what_is_in_use_when_idle_memory_is_given_back_is_used_again():
    array = memory.empty((2**17,), np.uint8)
    buffer = weakref.ref(array.base)
    memory.free_idle_memory()
    del array
    assert memory.empty((2**17,), np.uint8).base is buffer() is not None


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries decide otherwise")
def test_what_is_freed_and_taken_again_is_not_fetched_page_by_page():
    script = """if True:
        import resource
        import numpy as np
        from minicnn.fast import memory

        def faults():
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            for _ in range(10):
                [np.ones(3 * 2**18, np.float32) for _ in range(4)]  # 12 MB
            return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

        memory.empty((2**20,), "float32")
        faults()
        print(faults())"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 300  # pages; of all the 120 MB there are 30,000


@pytest.mark.parametrize("types", [(np.float32, np.float64), (np.float64, np.float32)])
def test_a_sum_has_the_wider_type(types, xp):
    a, b = (xp.full((2, 3), 0.1, dtype) for dtype in types)
    total = memory.add(a, b)
    assert total.dtype == np.float64 and float(abs(total - (a + b)).max()) == 0


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_pieces(count):
    threads.set_num_threads(count)
    for size, work in product([1, 2, 3, 7, 1000], [0, 1e3, 1e6, 5e6, 1e7, 1e9]):
        lengths = [piece.stop - piece.start for piece in threads.pieces(size, work)]
        assert [i for piece in threads.pieces(size, work) for i in range(size)[piece]] == [*range(size)]
        assert len(lengths) == (min(count, size) if work > 2**22 else 1)
        assert min(lengths) > 0 and max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("m, F, side", [*product([2, 4], [64, 20, 33], [27, 60])])
def test_transformed_weights_by_blocks_and_all_at_once(rng, m, F, side, monkeypatch):
    exact, G = Conv2D(32, F, 3, pad=1, rng=rng), winograd_weights.TILES[m].G
    w, block = exact.params["w"].astype(float), 32 if F == 64 else F
    u = np.einsum("ik,fckl,jl->jicf", G, w, G).reshape(m + 2, m + 2, 32, F // block, block).swapaxes(2, 3)
    for dtype, bound in [(float, 1e-12), (np.float32, 1e-6)]:
        of_type = winograd_weights.Filters(w.astype(dtype), m)
        for place in (memory.scratch, winograd_weights.fresh):
            assert_allclose(winograd_weights.transform_weights(of_type.w, m, place), u, rtol=0, atol=bound)
        assert_allclose(of_type.all(), u, rtol=0, atol=bound)
        for i in range(F // block):
            assert_allclose(of_type.block(i), u[:, :, i], rtol=0, atol=bound)
            assert of_type.block(i).dtype == dtype
    layer = FastLayer(exact, m)
    x, dout = (rng.standard_normal((1, channels, side, side), np.float32) for channels in (32, F))
    expected = exact.forward(x)[0], exact.backward(dout, x)
    for kept in (2, 0):  # both directions, or neither
        for found, one in zip((layer.forward(x)[0], layer.backward(dout, x)), expected, strict=True):
            assert_allclose(found, one, rtol=0, atol=2e-5 * abs(one).max())
        made = layer.net.transformed[exact].made
        assert len(made) == kept
        monkeypatch.setattr(winograd_weights, "KEPT", 0)
        made.clear()


def test_large_transformed_weights_are_not_kept(rng):
    layer = FastLayer(Conv2D(256, 256, 3, pad=1, rng=rng))
    x = rng.standard_normal((1, 256, 20, 20), np.float32)
    layer.backward(layer.forward(x)[0], x)
    assert not layer.net.transformed[layer.layer].made
