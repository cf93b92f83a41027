"""Work on several cores: each thread takes one piece of an array at a time, and BLAS uses one thread.

NumPy releases the interpreter's lock inside its products and copies, so pieces of a layer run side by side. BLAS's own
threads share only large products; they do not share small ones, copies or sums. While they wait for the next product
they spin on the cores that our threads need (VGG-16 forward and back on two cores: 394 ms, against 269 ms without).
So from the first shared layer on, BLAS has one thread in this process.
"""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import numpy as np

from minicnn.backend import Array
from minicnn.errors import InputError

__all__ = ["get_num_threads", "set_num_threads"]

BAND = 2**18   # values of an array in one piece of work
MEETING = 2**21     # multiply-adds in the time in which a thread wakes up: about 50 microseconds
LEAST_WORK = 2**22  # multiply-adds of a product that is not worth sharing: about 80 microseconds


class Workers:
    """The threads of this process, the calling thread among them. BLAS is held to one thread."""

    def __init__(self, count: int | None = None) -> None:
        self.process = os.getpid()
        self.local = threading.local()
        blas = blas_libraries()
        self.resize(count or max((library.num_threads for library in blas), default=1))
        for library in blas:
            library.set_num_threads(1)

    def resize(self, count: int) -> None:
        """Work with `count` threads from now on. Earlier work of a larger pool finishes in its own threads."""
        self.count = count
        self.executor = ThreadPoolExecutor(max(1, count - 1), "minicnn", initializer=self._mark) if count > 1 else None

    def _mark(self) -> None:
        self.local.is_worker = True

    def in_worker(self) -> bool:
        """Return whether the calling thread is one of the workers. A worker shares nothing: it would wait for itself.
        """
        return getattr(self.local, "is_worker", False)


def blas_libraries() -> list[Any]:
    """Return the BLAS libraries of this process, each with a num_threads to set; [] without threadpoolctl."""
    try:
        from threadpoolctl import ThreadpoolController  # takes 40 ms, which only passes of a fast network pay
    except ImportError:
        return []
    return ThreadpoolController().select(user_api="blas").lib_controllers


_workers: Workers | None = None
_making = threading.Lock()


def workers() -> Workers:
    """Return the Workers of this process, made at the first call. A forked process makes its own."""
    global _workers
    if _workers is None or _workers.process != os.getpid():
        with _making:
            if _workers is None or _workers.process != os.getpid():
                _workers = Workers(None if _workers is None else _workers.count)
    return _workers


def get_num_threads() -> int:
    """Return the number of threads that share a layer; by default BLAS's number, see OPENBLAS_NUM_THREADS.

    >>> get_num_threads() >= 1
    True
    """
    return workers().count


def set_num_threads(count: int) -> None:
    """Set the number of threads that share a layer. Raises InputError unless it is an integer of at least 1.

    >>> set_num_threads(get_num_threads())
    """
    if type(count) is not int or count < 1:
        raise InputError(f"expected a number of threads of at least 1, not {count!r}")
    workers().resize(count)


def worth_sharing(multiply_adds: float, meetings: int = 1) -> bool:
    """Return True if splitting this work across threads saves time.

    multiply_adds : the work, as multiply-adds of a product that take as long. meetings : how often the threads may
    wait for each other, for example at the interpreter's lock. The rule does not depend on a timing, which would be
    another one on a busy machine.
    """
    team = workers()
    if team.count == 1 or team.in_worker():
        return False
    return multiply_adds * (1 - 1 / team.count) > 2 * meetings * MEETING


def pieces(size: int, multiply_adds: float) -> list[slice]:
    """Return slices of a length of `size`, one for each thread; a single one if there is little work.

    The number depends only on the shapes and the number of threads, not on timings: a product of fewer rows may round
    differently, and the same work must give the same result.
    """
    count = min(size, get_num_threads()) if multiply_adds > LEAST_WORK else 1
    return [slice(size * i // count, size * (i + 1) // count) for i in range(count)]


def bands(x: Array, axis: int) -> list[Any]:
    """Return slices that cut x along the axis into bands that fit into a core's cache; on a GPU, one for all of x."""
    if not isinstance(x, np.ndarray):
        return [...]
    size = x.shape[axis]
    length = max(1, BAND * size // max(1, x.size))
    return [(slice(None),) * axis + (slice(start, start + length),) for start in range(0, size, length)]


def share_out(work: Callable[[Any], Any], jobs: Sequence[Any], multiply_adds: float | None = None,
              meetings: int = 1) -> None:
    """Call work(job) for each job; each thread takes the next job when it is free. Raises the exception of a call.

    multiply_adds, meetings : the amount of work, as for `worth_sharing`. If it is too little to share, or not given
    and there is one job, the calling thread does it all.
    """
    team = workers()
    executor = team.executor
    if len(jobs) == 1 or executor is None or team.in_worker() or (
            multiply_adds is not None and not worth_sharing(multiply_adds, meetings)):
        for job in jobs:
            work(job)
        return
    waiting = iter(jobs)  # taking the next item of a list is atomic, so no two threads get the same job

    def take() -> None:
        for job in waiting:
            work(job)

    # in a copy of the caller's context, which holds np.errstate
    others = [executor.submit(copy_context().run, take) for _ in range(min(team.count, len(jobs)) - 1)]
    try:
        take()
    finally:
        for _ in waiting:  # after an error or Ctrl-C, jobs that no thread has started are dropped
            pass
        others = [other for other in others if not other.cancel()]  # no thread has started the cancelled ones
        wait_for(others)  # the threads write into arrays of the caller, so they must finish first
    for other in others:
        other.result()  # raises the thread's exception


def wait_for(futures: Iterable[Future]) -> None:
    """Wait until all futures are done. A Ctrl-C meanwhile is raised afterwards."""
    interrupt = None
    for future in futures:
        while not future.done():
            try:
                future.exception()  # waits
            except KeyboardInterrupt as caught:
                interrupt = caught
    if interrupt is not None:
        raise interrupt
