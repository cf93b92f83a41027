"""A sweep gives the results of a plain loop, in order: on any executor, after failures, and after interruptions."""

import gc
import logging
import os
import pickle
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from minicnn import get_num_threads, load_model
from minicnn.errors import InputError
from minicnn.sweep import Outcome, network_function, resume, start_worker, sweep

ROOT = Path(__file__).parents[1]

# ---- functions of sweeps, at the top level so that other processes can import them -----------------------------------


def square(x):
    """Return x squared."""
    return x * x


def slow_first(x):
    """Return x squared after a pause; the first batches take longest and finish last."""
    time.sleep(0.02 * max(0, 4 - x))
    return x * x


def picky(x):
    """Return x squared, but raise an error for 3."""
    if x == 3:
        raise InputError("three is not wanted")
    return x * x


def deadly(x):
    """Return x squared, but end the process for 3, as the system does if memory runs out."""
    if x == 3:
        os._exit(1)
    return x * x


def deadly_once(path, x):
    """Return x squared, but end the process at the first call for 3."""
    if x == 3 and not os.path.exists(path):
        open(path, "w").close()
        os._exit(1)
    return x * x


def statistics(x):
    """Return named arrays, as a store keeps them."""
    return {"mean": x.mean(axis=1), "largest": x.argmax(axis=1)}


def threads_here(_):
    """Return the number of threads of a layer in this process."""
    return get_num_threads()


class Backwards(Executor):
    """An executor that runs the newest call first, and only when a result is requested."""

    def __init__(self):
        self.tasks, self.most = [], 0

    def submit(self, function, *arguments):
        executor = self

        class Late(Future):
            def result(self, timeout=None):
                executor.run()
                return super().result(timeout)

            def exception(self, timeout=None):
                executor.run()
                return super().exception(timeout)
        future = Late()
        self.tasks.append((future, function, arguments))
        self.most = max(self.most, len(self.tasks))
        return future

    def run(self):
        while self.tasks:
            future, function, arguments = self.tasks.pop()
            try:
                future.set_result(function(*arguments))
            except Exception as problem:
                future.set_exception(problem)


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, initializer=start_worker) as executor:
        yield executor


@pytest.fixture(scope="module")
def dask():
    """Yield the executor of a Dask cluster of two local processes."""
    distributed = pytest.importorskip("distributed")
    with (distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None,
                                   silence_logs=logging.CRITICAL) as cluster,
          distributed.Client(cluster) as client):
        yield client.get_executor()


def numbers(count=10):
    return [(f"batch {n}", n) for n in range(count)]


EXPECTED = [Outcome(f"batch {n}", n * n, None) for n in range(10)]

# ---- order and laziness ----------------------------------------------------------------------------------------------


def test_in_this_thread_it_is_a_plain_lazy_loop():
    taken = []

    def batches():
        for key, batch in numbers():
            taken.append(key)
            yield key, batch
    outcomes = sweep(square, batches())
    assert taken == []
    assert next(outcomes) == EXPECTED[0] and taken == ["batch 0"]
    assert list(outcomes) == EXPECTED[1:]


def test_threads_give_the_serial_result_whatever_finishes_first():
    with ThreadPoolExecutor(4) as executor:
        assert list(sweep(slow_first, numbers(), executor)) == EXPECTED
    assert list(sweep(square, numbers(), Backwards(), in_flight=4)) == EXPECTED


def test_processes_give_the_serial_result(processes):
    assert list(sweep(slow_first, numbers(), processes)) == EXPECTED


def test_a_dask_cluster_gives_the_serial_result(dask):
    assert list(sweep(slow_first, numbers(), dask)) == EXPECTED
    failed = list(sweep(picky, numbers(), dask))
    assert [o.key for o in failed if o.problem] == ["batch 3"] and failed[4] == EXPECTED[4]


@pytest.mark.parametrize("in_flight", [1, 3, 7])
def test_no_more_batches_are_taken_than_may_be_in_flight(in_flight):
    executor, taken, given = Backwards(), 0, 0

    def batches():
        nonlocal taken
        for key, batch in numbers(30):
            taken += 1
            assert taken - given <= in_flight + 1  # the last finished one, and those in flight
            yield key, batch
    for _ in sweep(square, batches(), executor, in_flight):
        given += 1
    assert given == 30 and executor.most == in_flight


def test_nothing_in_is_nothing_out():
    assert list(sweep(square, [])) == []
    with ThreadPoolExecutor(1) as executor:
        assert list(sweep(square, [], executor)) == []


def test_no_batch_in_flight_is_refused():
    with pytest.raises(InputError, match="in_flight is 0; expected a whole number from 1 on"):
        sweep(square, [], None, 0)


def test_what_is_not_begun_is_called_off_when_the_caller_leaves():
    began = []

    def wait(x):
        began.append(x)
        time.sleep(0.05)
        return x
    with ThreadPoolExecutor(1) as executor:
        outcomes = sweep(wait, numbers(), executor, in_flight=8)
        assert next(outcomes).result == 0
        outcomes.close()
    assert len(began) <= 4


# ---- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["serial", "threads", "processes"])
def test_an_error_costs_its_own_batch_alone(kind, processes):
    with ThreadPoolExecutor(2) as threads:
        executor = {"serial": None, "threads": threads, "processes": processes}[kind]
        outcomes = list(sweep(picky, numbers(), executor))
    assert outcomes[:3] + outcomes[4:] == EXPECTED[:3] + EXPECTED[4:]
    key, result, problem = outcomes[3]
    assert (key, result, str(problem)) == ("batch 3", None, "three is not wanted") and type(problem) is InputError


def test_an_error_of_the_batches_comes_after_what_was_begun():
    def batches():
        yield from numbers(3)
        raise InputError("the folder is gone")
    for executor in (None, Backwards()):
        found = []
        with pytest.raises(InputError, match="the folder is gone"):
            for outcome in sweep(square, batches(), executor, 8):
                found.append(outcome)
        assert found == EXPECTED[:3]


def test_a_lost_worker_costs_what_it_was_at_and_is_reported():
    with ProcessPoolExecutor(2, initializer=start_worker) as executor:
        with pytest.warns(RuntimeWarning, match="a worker was lost; its batches .* one by one"):
            outcomes = list(sweep(deadly, numbers(7), executor))
    assert outcomes[:3] + outcomes[4:] == EXPECTED[:3] + EXPECTED[4:7]
    assert outcomes[3].result is None and type(outcomes[3].problem).__name__ == "BrokenProcessPool"


def test_a_lost_worker_of_a_dask_cluster_costs_what_it_was_at(dask):
    outcomes = list(sweep(deadly, numbers(7), dask))
    assert outcomes[:3] + outcomes[4:] == EXPECTED[:3] + EXPECTED[4:7]
    assert outcomes[3].result is None and type(outcomes[3].problem).__name__ == "KilledWorker"


class KilledWorker(Exception):
    """Dask's error, which need not be installed."""

    __module__ = "distributed.scheduler"


class Blaming(Backwards):
    """An executor that, as Dask, blames all batches which a lost worker held: all that were submitted with a 3."""

    def run(self):
        held, self.tasks = self.tasks, []
        fatal = any(arguments == (3,) for _, _, arguments in held)
        for future, function, arguments in held:
            if fatal:
                future.set_exception(KilledWorker("deadly"))
            else:
                future.set_result(function(*arguments))


def test_only_the_batch_that_kills_workers_fails():
    outcomes = list(sweep(square, numbers(7), Blaming(), in_flight=4))
    assert outcomes[:3] + outcomes[4:] == EXPECTED[:3] + EXPECTED[4:7]
    assert isinstance(outcomes[3].problem, KilledWorker)


def test_a_worker_that_is_lost_by_bad_luck_costs_nothing(tmp_path):
    with ProcessPoolExecutor(2, initializer=start_worker) as executor:
        with pytest.warns(RuntimeWarning, match="a worker was lost"):
            outcomes = list(sweep(partial(deadly_once, str(tmp_path / "seen")), numbers(), executor))
    assert outcomes == EXPECTED


def test_a_function_that_does_not_travel_is_a_problem_not_a_hang(processes):
    outcomes = list(sweep(lambda x: x, numbers(3), processes))
    assert len(outcomes) == 3 and all("pickle" in str(outcome.problem).lower() for outcome in outcomes)


# ---- networks in other processes -------------------------------------------------------------------------------------


def test_a_worker_has_one_thread(processes):
    assert next(sweep(threads_here, [(0, 0)], processes)).result == 1


def test_networks_travel(rng):
    net = load_model("shapes", "cpu").net
    x = rng.standard_normal((2, 3, 64, 64)).astype(np.float32)
    assert (pickle.loads(pickle.dumps(net)).predict(x) == net.predict(x)).all()


def kept_networks(dask_worker):
    return sum(name.startswith("minicnn-") for name in dask_worker.plugins)


def scores(net, x):
    return {"scores": net.predict(x)}


def test_a_dask_cluster_gets_the_network_once_for_each_worker(dask, rng):
    net = load_model("shapes", "cpu").net
    batches = [(n, rng.standard_normal((2, 3, 64, 64)).astype(np.float32)) for n in range(6)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function = network_function(scores, net, dask)
        outcomes = list(sweep(function, batches, dask))
    packed = len(pickle.dumps(net))
    assert len(pickle.dumps(function)) < packed / 20  # a task holds only the network's name
    assert all((outcome.result["scores"] == net.predict(x)).all()
               for outcome, (_, x) in zip(outcomes, batches, strict=True))
    assert set(dask._client.run(kept_networks).values()) == {1}
    del function
    gc.collect()
    assert set(dask._client.run(kept_networks).values()) == {0}


WORK = """
import os, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from minicnn.sweep import process_pool, sweep

def sleep(n):
    os.write(1, f'{os.getpid()}\\n'.encode())  # at once, as two processes write
    time.sleep(60)

if __name__ == "__main__":
    with process_pool(2) as executor:
        list(sweep(sleep, [(0, 0), (1, 1)], executor))
"""


@pytest.mark.skipif(os.name != "posix", reason="no such signals on Windows")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_processes_of_a_pool_end_with_this_process(number, tmp_path):
    (tmp_path / "work.py").write_text(WORK)
    parent = subprocess.Popen([sys.executable, "work.py"], cwd=tmp_path, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    parent.send_signal(number)
    assert parent.wait(timeout=20) != 0
    deadline = time.monotonic() + 20
    while any(map(is_running, workers)):
        assert time.monotonic() < deadline, "a worker outlives its parent"
        time.sleep(0.05)


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] \
        if Path(f"/proc/{process}/stat").exists() else True


# ---- continuing after an interruption --------------------------------------------------------------------------------


def arrays(rng, count=6):
    return [((n, "a/b"), rng.standard_normal((3, 5)).astype(np.float32)) for n in range(count)]


def same(one, other):
    return all(a.key == b.key and a.problem is b.problem is None and a.result.keys() == b.result.keys()
               and all(a.result[name].dtype == b.result[name].dtype
                       and (a.result[name] == b.result[name]).all() for name in a.result)
               for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("executor", [None, "threads"])
def test_an_interrupted_sweep_goes_on_and_gives_the_same(executor, rng, tmp_path):
    batches = arrays(rng)
    whole = list(sweep(statistics, batches))
    calls = []

    def interrupted(x):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(1)
        return statistics(x)

    def counted(x):
        calls.append(1)
        return statistics(x)
    with pytest.raises(KeyboardInterrupt):
        list(sweep(interrupted, batches, store=resume(tmp_path, {"layer": "conv1"})))
    assert len(list(tmp_path.glob("*.npz"))) == 3
    calls.clear()
    with ThreadPoolExecutor(2) as threads:
        again = list(sweep(counted, batches, threads if executor else None, store=resume(tmp_path, {"layer": "conv1"})))
    assert same(again, whole) and len(calls) == 3
    assert same(list(sweep(None, batches, store=resume(tmp_path, {"layer": "conv1"}))), whole)  # all are stored
    assert not list(tmp_path.glob(".*"))


def test_what_is_no_array_is_kept_as_json_and_looks_the_same_the_first_time(tmp_path):
    first, second = (list(sweep(lambda x: {"n": x, "pair": (x, None)}, numbers(3), store=resume(tmp_path, {})))
                     for _ in range(2))
    assert first == second and first[1].result == {"n": 1, "pair": [1, None]}
    with pytest.raises(InputError, match="the result of batch 'batch 9' cannot be saved"):
        list(sweep(lambda x: {1, 2}, [("batch 9", 0)], store=resume(tmp_path, {})))


def test_a_problem_is_not_kept_but_tried_again(tmp_path):
    assert list(sweep(picky, numbers(), store=resume(tmp_path, {})))[3].problem
    assert list(sweep(square, numbers(), store=resume(tmp_path, {}))) == EXPECTED


def test_a_damaged_result_is_computed_again(rng, tmp_path):
    batches = arrays(rng)
    whole = list(sweep(statistics, batches, store=resume(tmp_path, {})))
    files = sorted(tmp_path.glob("*.npz"))
    files[0].write_bytes(files[0].read_bytes()[:100])
    files[1].write_bytes(b"")
    assert same(list(sweep(statistics, batches, store=resume(tmp_path, {}))), whole)


def test_keys_that_look_alike_have_files_of_their_own(tmp_path):
    keys = ["a/b", "a_b", "../x", "A/B", "é" * 300, "é" * 301, ""]
    outcomes = list(sweep(str, [(key, key) for key in keys], store=resume(tmp_path / "new" / "folder", {})))
    assert [outcome.result for outcome in outcomes] == keys
    assert len(list((tmp_path / "new" / "folder").iterdir())) == len(keys) + 1


def test_results_of_other_settings_are_not_taken_for_these(tmp_path):
    resume(tmp_path, {"layer": "conv1", "top": 9})
    resume(tmp_path, {"layer": "conv1", "top": 9})
    with pytest.raises(InputError, match=r"holds the results of another sweep \(layer differ\); give another folder"):
        resume(tmp_path, {"layer": "conv2", "top": 9})
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(InputError, match="holds the results of another sweep; give another folder"):
        resume(tmp_path, {"layer": "conv1", "top": 9})
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot keep results there"):
        resume(tmp_path / "file", {})
