"""Pools of processes that end with this process, however it ends."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from threading import Thread

__all__ = ["process_pool", "start_worker", "started_pool"]


@contextmanager
def process_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield an executor for `sweep` with this number of processes, which end with the block or with this process.

    If the block ends with an exception, such as Ctrl-C, the processes do not finish their batches first.

    >>> with process_pool(2) as executor:
    ...     [outcome.result for outcome in minicnn.sweep.sweep(abs, [("a", -1), ("b", 2)], executor)]
    [1, 2]
    """
    others = set(active_children())
    executor = started_pool(workers)
    try:
        yield executor
    except BaseException:
        for process in set(active_children()) - others:
            process.terminate()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def started_pool(workers: int) -> ProcessPoolExecutor:
    """Return a pool whose processes are started and ignore Ctrl-C, which a terminal sends to them, too."""
    executor = ProcessPoolExecutor(workers, get_context("spawn"), start_worker)
    with _ctrl_c_blocked():  # a new process inherits it
        for _ in range(workers):  # a pool starts a process when it gets work
            executor.submit(os.getpid)
    return executor


@contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_worker() -> None:
    """Initialize a process of a ProcessPoolExecutor: one thread, as each core has a process, and no Ctrl-C.

    The parent handles Ctrl-C. The process ends with its parent, even if the parent is killed.

    >>> executor = ProcessPoolExecutor(2, initializer=start_worker)
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    try:
        from minicnn.fast.threads import set_num_threads
    except ImportError:  # the library works without minicnn.fast
        return
    set_num_threads(1)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
