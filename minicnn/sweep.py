"""Call a function for many batches, in this thread, on each core, or on several machines. Results come in order."""

import hashlib
import json
import os
import pickle
import signal
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from minicnn.arguments import describe, require_iterable, require_kind, require_path, require_whole
from minicnn.errors import InputError, one_line
from minicnn.files import replacing
from minicnn.network import Network

__all__ = ["Outcome", "Store", "network_function", "resume", "start_worker", "sweep"]


class Outcome(NamedTuple):
    """The outcome of one batch: its result or the error that it raised. The other one is None."""

    key: Any
    result: Any
    problem: Exception | None


class Waiting(NamedTuple):
    """A batch that was submitted. future : None if the executor takes no more work."""

    key: Any
    batch: Any
    future: Future | None
    was_stored: bool


def sweep(function: Callable[[Any], Any], batches: Iterable[tuple[Any, Any]], executor: Executor | None = None,
          in_flight: int | None = None, store: "Store | None" = None) -> Generator[Outcome, None, None]:
    """Yield the Outcome of function(batch) for each (key, batch) of an iterable, in its order.

    Parameters
    ----------
    executor : any concurrent.futures.Executor, also Dask's Client.get_executor(). By default this thread works. For
        processes, the function must be at the top level of a module, or a functools.partial of such a function.
    in_flight : the largest number of batches that are taken from the iterable and not yet finished. By default twice
        the number of this machine's cores.
    store : a Store, which `resume` returns. Results that it holds are not computed again, and new ones are saved.

    An exception in the function affects only its batch. If a worker process dies (memory, a crash in a library), a
    RuntimeWarning says so, and the lost and all following batches run one by one in a new process. A batch that kills
    that process too gets the problem BrokenProcessPool. An error of the iterable is raised after the outcomes of the
    batches before it.
    Raises InputError if in_flight is below 1.

    >>> [outcome.result for outcome in sweep(abs, [("a", -1), ("b", 2)])]
    [1, 2]
    """
    if function is not None and not callable(function):
        raise InputError(f"function is {describe(function)}; expected a function of one batch")
    pairs = require_iterable("batches", batches, "pairs (key, batch)")
    in_flight = None if in_flight is None else require_whole("in_flight", in_flight, 1)
    require_sweep(executor, store)
    limit = 1 if executor is None else in_flight or 2 * (os.cpu_count() or 1)
    return _outcomes(function, pairs, executor, limit, store)


def require_sweep(executor: Executor | None, store: "Store | None") -> None:
    """Raise InputError unless the executor is one of concurrent.futures or None, and the store a Store or None.

    >>> require_sweep(None, None)
    """
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise InputError(f"executor is {describe(executor)}; expected a concurrent.futures.Executor, or None")
    if store is not None and not isinstance(store, Store):
        raise InputError(f"store is {describe(store)}; expected a Store, which resume(folder, settings) returns, "
                         "or None")


def _outcomes(function: Callable[[Any], Any], batches: Iterator[tuple[Any, Any]], executor: Executor | None,
              limit: int, store: "Store | None") -> Generator[Outcome, None, None]:
    waiting: deque[Waiting] = deque()
    ended = False
    problem_of_batches: Exception | None = None
    spare = _Spare()
    try:
        while True:
            while not ended and len(waiting) < limit:
                try:
                    key, batch = _pair(next(batches))
                except StopIteration:
                    ended = True
                except Exception as problem:
                    ended, problem_of_batches = True, problem
                else:
                    stored = None if store is None else store.load(key)
                    future = _done(stored) if stored is not None else _begin(function, batch, executor)
                    waiting.append(Waiting(key, batch, future, stored is not None))
            if not waiting:
                break
            yield _finish(waiting.popleft(), function, spare, store)
    finally:
        for one in waiting:
            if one.future is not None:
                one.future.cancel()
        spare.close()
    if problem_of_batches is not None:
        raise problem_of_batches


def _pair(item: Any) -> tuple[Any, Any]:
    """Return (key, batch). Raises InputError for anything else."""
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        raise InputError(f"the batches hold {describe(item)}; expected pairs (key, batch)")
    return item[0], item[1]


def _finish(one: Waiting, function: Callable[[Any], Any], spare: "_Spare", store: "Store | None") -> Outcome:
    """Wait for a batch and return its Outcome."""
    try:
        result = _result(one.future)
        if one.future is None or isinstance(one.future.exception(), BrokenExecutor):
            result = spare.run(function, one.batch)
    except Exception as problem:
        return Outcome(one.key, None, problem)
    if store is not None and not one.was_stored:
        result = store.save(one.key, result)
    return Outcome(one.key, result, None)


def _begin(function: Callable[[Any], Any], batch: Any, executor: Executor | None) -> Future | None:
    """Return the Future of function(batch), or None if the executor has lost a worker and takes no more work."""
    if executor is not None:
        try:
            return executor.submit(function, batch)
        except BrokenExecutor:
            return None
    try:
        return _done(function(batch))
    except Exception as problem:
        future: Future = Future()
        future.set_exception(problem)
        return future


def _done(result: Any) -> Future:
    future: Future = Future()
    future.set_result(result)
    return future


def _result(future: Future | None) -> Any:
    """Return the result, or None if it was lost with a worker."""
    try:
        return None if future is None else future.result()
    except BrokenExecutor:
        return None


class _Spare:
    """A process for the batches of a broken executor, one at a time, so that a batch that kills it is identified."""

    def __init__(self) -> None:
        self.executor: ProcessPoolExecutor | None = None
        self.used = False

    def run(self, function: Callable[[Any], Any], batch: Any) -> Any:
        """Return function(batch). Raises BrokenProcessPool if the batch kills this process too."""
        if not self.used:
            self.used = True
            warnings.warn("a worker was lost; its batches and all later ones run one by one in a new process",
                          RuntimeWarning, stacklevel=5)
        if self.executor is None:
            self.executor = ProcessPoolExecutor(1, get_context("spawn"), start_worker)
        try:
            return self.executor.submit(function, batch).result()
        except BrokenExecutor:
            self.close()
            raise

    def close(self) -> None:
        """End the process if it was started."""
        if self.executor is not None:
            self.executor.shutdown()
            self.executor = None


def start_worker() -> None:
    """Initialize a process of a ProcessPoolExecutor: one thread, as each core has a process, and no Ctrl-C.

    The parent handles Ctrl-C.

    >>> executor = ProcessPoolExecutor(2, initializer=start_worker)
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        from minicnn.fast.threads import set_num_threads
    except ImportError:  # the library works without minicnn.fast
        return
    set_num_threads(1)


# ---- networks in other processes -------------------------------------------------------------------------------------


def network_function(function: Callable[[Network, Any], Any], net: Network,
                     executor: Executor | None = None) -> Callable[[Any], Any]:
    """Return function(net, x) as a function of x alone, for `sweep` on this executor.

    Other processes get the network pickled, and each unpickles it once.
    Raises InputError if the executor uses other processes and the network is on the GPU.

    >>> scores = network_function(minicnn.Network.predict, net)
    >>> scores(x).shape
    (1, 12)
    """
    if executor is None or isinstance(executor, ThreadPoolExecutor):
        return partial(function, net)
    if net.device != "cpu":
        raise InputError("a network on the GPU works only in this process: use no executor, or --device cpu")
    return partial(_unpack_and_call, function, pickle.dumps(net))


def _unpack_and_call(function: Callable[[Network, Any], Any], packed: bytes, x: Any) -> Any:
    return function(_unpack(packed), x)


@lru_cache(maxsize=2)
def _unpack(packed: bytes) -> Network:
    """Return the network. It stays in memory, with its transformed weights, for the next batch."""
    return pickle.loads(packed)


# ---- continuing an interrupted sweep ---------------------------------------------------------------------------------


class Store(NamedTuple):
    """Finished results in a folder, one file each. `resume` makes it."""

    folder: Path

    def path(self, key: Any, suffix: str) -> Path:
        """Return the file of a key. Its name holds a readable part and a digest, so that no two keys share a file."""
        text = str(key)
        return self.folder / f"{quote(text, safe='')[:60]}-{hashlib.sha256(text.encode()).hexdigest()[:16]}{suffix}"

    def load(self, key: Any) -> Any:
        """Return the result, or None if there is no readable one: then it is computed again."""
        try:
            with np.load(self.path(key, ".npz"), allow_pickle=False) as file:
                return dict(file)
        except FileNotFoundError:
            pass
        except Exception:  # a damaged zip file can raise almost any exception
            return None
        try:
            return json.loads(self.path(key, ".json").read_text(encoding="utf-8"))["result"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, key: Any, result: Any) -> Any:
        """Write the result and return it as `load` will return it: JSON turns tuples into lists.

        Raises InputError if the result is neither {name: array} nor JSON, or if the file cannot be written.
        """
        arrays = isinstance(result, dict) and result and all(isinstance(part, np.ndarray) for part in result.values())
        path = self.path(key, ".npz" if arrays else ".json")
        try:
            text = "" if arrays else json.dumps({"result": result})
        except (TypeError, ValueError) as problem:
            raise InputError(f"the result of batch {key!r} cannot be saved: it is neither {{name: array}} nor JSON "
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


def json_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings as JSON gives them back. Raises InputError for things that JSON cannot hold."""
    require_kind("settings", settings, dict, "expected a dict {name: value} for JSON")
    try:
        return json.loads(json.dumps(settings))
    except (TypeError, ValueError, RecursionError) as problem:
        raise InputError(f"the settings cannot be saved as JSON ({one_line(problem, 100)})") from None


def resume(folder: str | Path, settings: dict[str, Any]) -> Store:
    """Return the Store for `sweep` that saves each finished result in `folder` and returns the ones that are there.

    settings : {name: value} for JSON, all values that the results depend on except the keys. A key stands for its
    batch: if the batch changes, str(key) must change. Results are {name: array} (.npz) or values for JSON.
    Raises InputError if the folder holds results of other settings or cannot be made.

    >>> store = resume(folder / "results", {"model": "shapes"})
    """
    store, mine = Store(require_path("folder", folder)), json_settings(settings)
    path = store.folder / "sweep.json"
    try:
        store.folder.mkdir(parents=True, exist_ok=True)
        there = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(mine, indent=1), encoding="utf-8")
        return store
    except OSError as problem:
        raise InputError(f"{folder}: cannot keep results there ({problem.strerror}); give another folder") from None
    except ValueError:
        there = None
    if there != mine:
        names = sorted({*mine, *there}) if isinstance(there, dict) else []
        changed = [name for name in names if there.get(name) != mine.get(name)]
        raise InputError(f"{folder} holds the results of another sweep"
                         + (f" ({', '.join(changed)} differ)" if changed else "") + "; give another folder")
    return store
