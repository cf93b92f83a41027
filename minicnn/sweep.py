"""A function over many batches: in this thread, on every core, or on many machines; the results come in order."""

import hashlib
import json
import os
import pickle
import signal
import warnings
from collections import deque
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from minicnn.errors import InputError
from minicnn.fast.threads import set_num_threads
from minicnn.files import replacing


class Outcome(NamedTuple):
    """What became of one batch: its result, or the error that it raised; the other one is None."""

    key: Any
    result: Any
    problem: Exception | None


def sweep(function, batches, executor=None, in_flight=None, store=None):
    """Yield the Outcome of function(batch) for each (key, batch) of an iterable, in its order, as if one by one.

    executor : any concurrent.futures.Executor, Dask's Client.get_executor() too; None: this thread. For processes the
    function is at the top level of a module, or a functools.partial of such a one, that carries all it needs.
    in_flight : how many batches are taken from the iterable and not yet given back, at most; twice this machine's
    cores unless given. store : what `resume` returns: results that it holds are not computed, new ones are put there.

    A batch whose function raises costs that batch alone. Where a worker process dies (memory, a crash in a library),
    a RuntimeWarning says so, and what it was at and all that follows runs one by one in a fresh process; a batch that
    kills that one too is a problem, a BrokenProcessPool. An error of the iterable itself is raised after the outcomes
    of what came before it. Raises InputError for an in_flight below 1.
    """
    if in_flight is not None and in_flight < 1:
        raise InputError(f"in_flight must be at least 1, not {in_flight}")
    limit = 1 if executor is None else in_flight or 2 * (os.cpu_count() or 1)
    return _outcomes(function, iter(batches), executor, limit, store)


def _outcomes(function, batches, executor, limit, store):
    waiting, ended, problem_of_batches = deque(), False, None  # waiting: (key, batch, Future, whether it was stored)
    spare = _Spare()
    try:
        while True:
            while not ended and len(waiting) < limit:
                try:
                    key, batch = next(batches)
                except StopIteration:
                    ended = True
                except Exception as problem:
                    ended, problem_of_batches = True, problem
                else:
                    stored = None if store is None else store.load(key)
                    future = _done(stored) if stored is not None else _begin(function, batch, executor)
                    waiting.append((key, batch, future, stored is not None))
            if not waiting:
                break
            key, batch, future, was_stored = waiting.popleft()
            try:
                result = _result(future)
                if future is None or isinstance(future.exception(), BrokenExecutor):
                    result = spare.run(function, batch)
            except Exception as problem:
                yield Outcome(key, None, problem)
                continue
            if store is not None and not was_stored:
                result = store.save(key, result)
            yield Outcome(key, result, None)
    finally:
        for *_, future, _ in waiting:
            if future is not None:
                future.cancel()
        spare.close()
    if problem_of_batches is not None:
        raise problem_of_batches


def _begin(function, batch, executor):
    """The Future of function(batch); None where the executor has lost a worker and takes nothing more."""
    if executor is not None:
        try:
            return executor.submit(function, batch)
        except BrokenExecutor:
            return None
    try:
        return _done(function(batch))
    except Exception as problem:
        future = Future()
        future.set_exception(problem)
        return future


def _done(result):
    future = Future()
    future.set_result(result)
    return future


def _result(future):
    """The result; None where it went with a worker."""
    try:
        return None if future is None else future.result()
    except BrokenExecutor:
        return None


class _Spare:
    """A process for what a broken executor leaves: one batch at a time, so that it is known which one kills it."""

    def __init__(self):
        self.executor, self.used = None, False

    def run(self, function, batch):
        """function(batch); BrokenProcessPool where that kills this process as well."""
        if not self.used:
            self.used = True
            warnings.warn("a worker was lost; its batches and those that follow run one by one in a new process",
                          RuntimeWarning, stacklevel=4)
        if self.executor is None:
            self.executor = ProcessPoolExecutor(1, get_context("spawn"), start_worker)
        try:
            return self.executor.submit(function, batch).result()
        except BrokenExecutor:
            self.close()
            raise

    def close(self):
        """End the process, if there is one."""
        if self.executor is not None:
            self.executor.shutdown()
            self.executor = None


def start_worker():
    """The `initializer` of a ProcessPoolExecutor: one thread, as every core has its process; Ctrl-C is the parent's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_num_threads(1)


# ---- networks in other processes -------------------------------------------------------------------------------------


def network_function(function, net, executor=None):
    """function(net, x) as a function of x alone, for `sweep` on this executor.

    For other processes the network travels pickled, and each unpickles it once. Raises InputError for a network on the
    GPU there.
    """
    if executor is None or isinstance(executor, ThreadPoolExecutor):
        return partial(function, net)
    if net.device != "cpu":
        raise InputError("a network on the GPU works in this process alone: use no executor, or --device cpu")
    return partial(_unpack_and_call, function, pickle.dumps(net))


def _unpack_and_call(function, packed, x):
    return function(_unpack(packed), x)


@lru_cache(maxsize=2)
def _unpack(packed):
    """The network; kept, with what it has computed from its weights, for the next batch."""
    return pickle.loads(packed)


# ---- going on where an interrupted sweep ended -----------------------------------------------------------------------


class Store(NamedTuple):
    """Finished results in a folder, a file each; made by `resume`."""

    folder: Path

    def path(self, key, suffix):
        """The file of a key: what can be read of it, and a digest, as no two keys may share a file."""
        text = str(key)
        return self.folder / f"{quote(text, safe='')[:60]}-{hashlib.sha256(text.encode()).hexdigest()[:16]}{suffix}"

    def load(self, key):
        """The result; None where there is none, or none that can be read: then it is computed again."""
        try:
            with np.load(self.path(key, ".npz"), allow_pickle=False) as file:
                return dict(file)
        except FileNotFoundError:
            pass
        except Exception:  # a damaged zip file raises nearly anything
            return None
        try:
            return json.loads(self.path(key, ".json").read_text(encoding="utf-8"))["result"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, key, result):
        """Write it, and return it as `load` will: tuples in JSON have become lists. InputError where that fails."""
        arrays = isinstance(result, dict) and result and all(isinstance(part, np.ndarray) for part in result.values())
        path = self.path(key, ".npz" if arrays else ".json")
        try:
            text = None if arrays else json.dumps({"result": result})
        except (TypeError, ValueError) as problem:
            raise InputError(f"the result of batch {key!r} cannot be kept: neither {{name: array}} nor JSON "
                             f"({problem})") from None
        try:
            with replacing(path, overwrite=True) as temporary:
                if arrays:
                    np.savez(temporary, **result)
                else:
                    temporary.write_text(text, encoding="utf-8")
        except OSError as problem:
            raise InputError(f"{path}: cannot be written ({problem.strerror})") from None
        return result if arrays else json.loads(text)["result"]


def resume(folder, settings):
    """The Store for `sweep` that keeps every finished result in `folder`, and gives back those that are there already.

    settings : {name: value} for JSON, all that the results depend on beside the keys. A key stands for its batch:
    what changes the batch should change str(key). Results are {name: array} (.npz) or anything for JSON. Raises
    InputError where the folder holds results of other settings, or cannot be made.
    """
    store, wanted = Store(Path(folder)), json.loads(json.dumps(settings))
    path = store.folder / "sweep.json"
    try:
        store.folder.mkdir(parents=True, exist_ok=True)
        there = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
        return store
    except OSError as problem:
        raise InputError(f"{folder}: cannot keep results there ({problem.strerror}); give another folder") from None
    except ValueError:
        there = None
    if there != wanted:
        names = sorted({*wanted, *there}) if isinstance(there, dict) else []
        changed = [name for name in names if there.get(name) != wanted.get(name)]
        raise InputError(f"{folder} holds the results of another sweep"
                         + (f" ({', '.join(changed)} differ)" if changed else "") + "; give another folder")
    return store
