"""Work on several cores: threads that each take a piece of an array at a time and call BLAS with one thread.

NumPy releases the interpreter's lock inside its products and copies, so that pieces of a layer run side by side.
BLAS's own threads share out one product; a small one, a copy or a sum they do not. And when they wait for the next
product they wait busily, on the cores that ours need (VGG-16 there and back on two cores: 394 ms so, 269 ms without).
So BLAS has one thread in this process from the first shared layer on.
"""

import math
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np

from minicnn.errors import InputError

__all__ = ["get_num_threads", "set_num_threads"]


class Workers:
    """The threads of this process; BLAS is held to one."""

    def __init__(self, count=None):
        self.process = os.getpid()
        self.blas = blas_libraries()
        self.resize(count or max((library.num_threads for library in self.blas), default=1))
        for library in self.blas:
            library.set_num_threads(1)

    def resize(self, count):
        """Work with `count` threads from now on, the calling one among them."""
        self.count = count
        self.pool = ThreadPoolExecutor(count - 1, "minicnn") if count > 1 else None
        self.measured = None

    def measure(self):
        """(seconds that sharing out takes by itself, seconds of one multiply-add in a product), for `worth_sharing`."""
        ones = np.ones((128, 256), np.float32), np.ones((256, 256), np.float32)
        product = min(_seconds(lambda: ones[0] @ ones[1]) for _ in range(5))
        return min(_seconds(lambda: share_out(abs, [1] * self.count)) for _ in range(5)), product / ones[1].size / 128


def blas_libraries():
    """Those that do NumPy's products, each with a num_threads to set; none without threadpoolctl: then we have one
    thread, and BLAS its own."""
    try:
        from threadpoolctl import ThreadpoolController  # takes 40 ms: only who computes pays for it
    except ImportError:
        return []
    return ThreadpoolController().select(user_api="blas").lib_controllers


_workers = None
_making = threading.Lock()


def workers():
    """The Workers of this process, made when they are first wanted; a forked process makes its own."""
    global _workers
    if _workers is None or _workers.process != os.getpid():
        with _making:
            if _workers is None or _workers.process != os.getpid():
                _workers = Workers(_workers and _workers.count)
    return _workers


def get_num_threads():
    """On how many threads a layer works; at first as many as BLAS has, which OPENBLAS_NUM_THREADS may say."""
    return workers().count


def set_num_threads(count):
    """Work on `count` threads from now on. Raises InputError for less than one."""
    if type(count) is not int or count < 1:
        raise InputError(f"expected a number of threads from 1 on, not {count!r}")
    workers().resize(count)


def worth_sharing(multiply_adds):
    """Whether several threads would be done sooner with that many multiply-adds, by what was measured here once."""
    team = workers()
    if team.count == 1:
        return False
    if team.measured is None:
        team.measured = team.measure()
    overhead, one = team.measured
    return multiply_adds * one * (1 - 1 / team.count) > 2 * overhead


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def share_out(work, jobs):
    """Call work(job) for every job, each thread taking the next when it is free; what one raises is raised."""
    team = workers()
    if team.count == 1 or len(jobs) == 1:
        for job in jobs:
            work(job)
        return
    waiting = iter(jobs)  # of a list: to take the next is one step, which no two threads do at once

    def take():
        for job in waiting:
            work(job)

    others = [team.pool.submit(take) for _ in range(min(team.count, len(jobs)) - 1)]
    try:
        take()
    finally:
        wait(others)  # they write into arrays of the caller's
    for other in others:
        other.result()


class Memory(threading.local):
    """Arrays that a thread uses again and again: fresh memory costs more than the sums done in it."""

    def __init__(self):
        self.arrays = {}


_memory = Memory()


def scratch(name, shape, dtype):
    """An array of this shape with anything in it; the same memory whenever this thread asks for `name`."""
    size = math.prod(shape)
    array = _memory.arrays.get((name, dtype))
    if array is None or array.size < size:
        array = _memory.arrays[name, dtype] = np.empty(size, dtype)
    return array[:size].reshape(shape)
