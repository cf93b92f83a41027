"""Work on several cores: threads that each take a piece of an array at a time and call BLAS with one thread.

NumPy releases the interpreter's lock inside its products and copies, so that pieces of a layer run side by side.
BLAS's own threads share out one product; a small one, a copy or a sum they do not. And when they wait for the next
product they wait busily, on the cores that ours need (VGG-16 there and back on two cores: 394 ms so, 269 ms without).
So BLAS has one thread in this process from the first shared layer on.
"""

import os
import threading
import time
from queue import SimpleQueue

import numpy as np

from minicnn.errors import InputError

__all__ = ["get_num_threads", "set_num_threads"]

BAND = 2**18   # numbers of an array that are worked at at a time
LEAST_WORK = 2**22  # multiply-adds in a product that are never worth cutting: some 80 microseconds


class Workers:
    """The threads of this process; BLAS is held to one."""

    def __init__(self, count=None):
        self.process = os.getpid()
        self.blas = blas_libraries()
        self.tasks, self.threads = SimpleQueue(), []
        self.resize(count or max((library.num_threads for library in self.blas), default=1))
        for library in self.blas:
            library.set_num_threads(1)

    def resize(self, count):
        """Work with `count` threads from now on, the calling one among them."""
        self.count, self.measured = count, None
        while len(self.threads) < count - 1:
            thread = threading.Thread(target=run_tasks, args=(self.tasks,), name="minicnn", daemon=True)
            self.threads.append(thread)
            thread.start()

    def measure(self):
        """(seconds that are lost where two share a work, seconds of one multiply-add in a product)."""
        a, b, out = np.ones((256, 256), np.float32), np.ones((256, 256), np.float32), np.empty((256, 256), np.float32)

        def multiply(rows):
            np.matmul(a[rows], b, out=out[rows])

        halves = [slice(0, 128), slice(128, 256)]
        half = min(_seconds(lambda: multiply(halves[0])) for _ in range(10))
        both = sorted(_seconds(lambda: share_out(multiply, halves)) for _ in range(10))[5]
        return max(0, both - half), half / b.size / 128


def run_tasks(tasks):
    """What a thread does: one task after the other, (function, a list for its error, or None, a queue that is told)."""
    while True:
        function, problems, finished = tasks.get()
        try:
            function()
            problems.append(None)
        except BaseException as caught:  # raised again where the result is waited for
            problems.append(caught)
        finished.put(True)
        del function, problems  # a waiting thread holds no arrays


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


def worth_sharing(multiply_adds, meetings=1):
    """Whether several threads would be done sooner with as much work as that many multiply-adds in a product, by what
    was measured here once; meetings : how often they may wait for each other, at the interpreter's lock say."""
    team = workers()
    if team.count == 1 or threading.current_thread() in team.threads:
        return False
    overhead, one = costs(team)
    return multiply_adds * one * (1 - 1 / team.count) > 2 * meetings * overhead


def costs(team):
    """What `measure` says, once."""
    measured = team.measured
    if measured is None:
        measured = team.measured = team.measure()
    return measured


def pieces(size, multiply_adds):
    """[slices] of a length of `size`, a piece for each thread; one where there is little work, whoever does it.

    By shapes and the number of threads alone, not by what was measured: a product of fewer rows may round otherwise,
    and the same work is to give the same numbers.
    """
    count = min(size, get_num_threads()) if multiply_adds > LEAST_WORK else 1
    return [slice(size * i // count, size * (i + 1) // count) for i in range(count)]


def bands(x, axis):
    """[the slices of x] that cut it along the axis into pieces that stay in a core's cache; a GPU wants it whole."""
    if not isinstance(x, np.ndarray):
        return [...]
    size = x.shape[axis]
    length = max(1, BAND * size // max(1, x.size))
    return [(slice(None),) * axis + (slice(start, start + length),) for start in range(0, size, length)]


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def share_out(work, jobs, multiply_adds=None, meetings=1):
    """Call work(job) for every job, each thread taking the next when it is free; what one raises is raised.

    multiply_adds, meetings : how much work it is altogether, as for `worth_sharing`; where that is too little to share
    it, this thread does it all.
    """
    team = workers()
    if len(jobs) == 1 or team.count == 1 or threading.current_thread() in team.threads or (
            multiply_adds is not None and not worth_sharing(multiply_adds, meetings)):
        for job in jobs:
            work(job)
        return
    waiting = iter(jobs)  # of a list: to take the next is one step, which no two threads do at once

    def take():
        for job in waiting:
            work(job)

    problems, finished, others = [], SimpleQueue(), min(team.count, len(jobs)) - 1
    for _ in range(others):
        team.tasks.put((take, problems, finished))
    try:
        take()
    finally:
        for _ in waiting:  # after an error, or Ctrl-C: what nobody has begun is left
            pass
        wait(others, problems, finished)  # they write into arrays of the caller's, and into `scratch`
    for problem in problems:
        if problem is not None:
            raise problem


def wait(count, problems, finished):
    """Until there are so many in `problems`; a Ctrl-C meanwhile is raised then."""
    interrupt = None
    while len(problems) < count:
        try:
            finished.get()  # what is taken out may be lost to a Ctrl-C, so it is not what counts
        except KeyboardInterrupt as caught:
            interrupt = caught
    if interrupt is not None:
        raise interrupt
