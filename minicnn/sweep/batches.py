"""Call a function for many batches, in this thread, on each core, or on several machines. Results come in order."""

import os
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from typing import Any, NamedTuple

from minicnn.arguments import describe, require_iterable, require_whole
from minicnn.errors import InputError
from minicnn.sweep.networks import dask_client, is_killed_worker
from minicnn.sweep.processes import started_pool
from minicnn.sweep.store import Store

__all__ = ["Outcome", "sweep"]


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
          in_flight: int | None = None, store: Store | None = None) -> Generator[Outcome, None, None]:
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
    that process too gets the problem BrokenProcessPool. A Dask cluster replaces its workers, and the lost batches run
    there again, one by one. An error of the iterable is raised after the outcomes of the batches before it.
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


def require_sweep(executor: Executor | None, store: Store | None) -> None:
    """Raise InputError unless the executor is one of concurrent.futures or None, and the store a Store or None.

    >>> require_sweep(None, None)
    """
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise InputError(f"executor is {describe(executor)}; expected a concurrent.futures.Executor, or None")
    if store is not None and not isinstance(store, Store):
        raise InputError(f"store is {describe(store)}; expected a Store, which resume(folder, settings) returns, "
                         "or None")


def _outcomes(function: Callable[[Any], Any], batches: Iterator[tuple[Any, Any]], executor: Executor | None,
              limit: int, store: Store | None) -> Generator[Outcome, None, None]:
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
            yield _finish(waiting.popleft(), waiting, function, executor, spare, store)
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


def _finish(one: Waiting, others: Iterable[Waiting], function: Callable[[Any], Any], executor: Executor | None,
            spare: "_Spare", store: Store | None) -> Outcome:
    """Wait for a batch and return its Outcome. others : the batches that were submitted after it."""
    try:
        problem = None if one.future is None else one.future.exception()
        if one.future is None or isinstance(problem, BrokenExecutor):
            result = spare.run(function, one.batch)
        elif executor is not None and is_killed_worker(problem):
            # Dask blames all batches that a lost worker held. Alone on the cluster, only the one that kills it fails.
            wait([other.future for other in others if other.future is not None])
            result = _submit(executor, function, one.batch).result()
        else:
            result = one.future.result()
    except Exception as error:
        return Outcome(one.key, None, error)
    if store is not None and not one.was_stored:
        result = store.save(one.key, result)
    return Outcome(one.key, result, None)


def _begin(function: Callable[[Any], Any], batch: Any, executor: Executor | None) -> Future | None:
    """Return the Future of function(batch), or None if the executor has lost a worker and takes no more work."""
    if executor is not None:
        try:
            return _submit(executor, function, batch)
        except BrokenExecutor:
            return None
    try:
        return _done(function(batch))
    except Exception as problem:
        future: Future = Future()
        future.set_exception(problem)
        return future


def _submit(executor: Executor, function: Callable[[Any], Any], batch: Any) -> Future:
    if dask_client(executor) is None:
        return executor.submit(function, batch)
    with warnings.catch_warnings():
        # A batch is sent with its task, so that it is not lost with a worker. Dask advises against it from 10 MB on.
        warnings.filterwarnings("ignore", "Sending large graph")
        return executor.submit(function, batch)


def _done(result: Any) -> Future:
    future: Future = Future()
    future.set_result(result)
    return future


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
            self.executor = started_pool(1)
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
