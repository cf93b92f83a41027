"""Run the calls of a pass in several threads, which meet between the steps."""

import itertools
import os
import threading
from concurrent.futures import Future
from contextvars import copy_context

import numpy as np

from minicnn.backend import Array
from minicnn.fast.rows.tape import Calls, Scratch
from minicnn.fast.threads import wait_for, workers


class Team:
    """The working memory of the threads that run a pass. One pass runs at a time; `lock` makes others wait.

    scratches : of each thread. shared : for the maps and transformed filters that a pass needs only while it runs.
    """

    def __init__(self) -> None:
        self.process = os.getpid()
        self.lock = threading.Lock()
        self.scratches: list[Scratch] = []
        self.shared = np.empty(0, np.float32)

    def resize(self, threads: int) -> list[Scratch]:
        """Return the memory of this number of threads."""
        self.scratches += [Scratch() for _ in range(threads - len(self.scratches))]
        return self.scratches[:threads]

    def growths(self) -> int:
        """Return how often the memory has grown."""
        return sum(scratch.growths for scratch in self.scratches)

    def transient(self, size: int) -> Array:
        """Return memory that a pass needs only while it runs."""
        if self.shared.size < size:
            self.shared = np.empty(size, np.float32)
        return self.shared[:size]


_team = Team()


def team() -> Team:
    """Return the Team of this process. A forked process makes its own, as a lock may be held in the other."""
    global _team
    if _team.process != os.getpid():
        _team = Team()
    return _team


class BrokenMeeting(Exception):
    """Another thread has ended with an error."""


class Meeting:
    """A place where `count` threads wait for each other, again and again. It wakes them twice as fast as a Barrier."""

    def __init__(self, count: int) -> None:
        self.count, self.broken = count, False
        self.arrivals = itertools.count(1)  # `next` of it is atomic
        self.doors = [threading.Lock() for _ in range(count)]
        for door in self.doors:
            door.acquire()

    def wait(self, thread: int) -> None:
        """Wait until all threads have come. Raises BrokenMeeting after `leave`."""
        if next(self.arrivals) % self.count:
            self.doors[thread].acquire()
        else:
            try:
                for other, door in enumerate(self.doors):
                    if other != thread:
                        door.release()
            except RuntimeError:  # `leave` has opened it
                pass
        if self.broken:
            raise BrokenMeeting

    def leave(self) -> None:
        """End the meeting for all threads, now and later."""
        self.broken = True
        for door in self.doors:
            try:
                door.release()
            except RuntimeError:  # it is open
                pass


def run(calls: Calls) -> None:
    """Run all steps. Each thread runs its calls of a step and then waits for the others.

    A thread that is a worker itself, or that has no others, does the work of all of them, which gives the same result.
    An error or Ctrl-C in one thread ends the others, and is raised once.
    """
    helpers, count = workers(), max(map(len, calls), default=1)
    if count == 1 or helpers.executor is None or helpers.in_worker() or count > helpers.count:
        for step in calls:
            for of_thread in step:
                for call in of_thread:
                    call()
        return
    meeting = Meeting(count)

    def work(thread: int) -> None:
        try:
            for i, step in enumerate(calls):
                if i:
                    meeting.wait(thread)
                for call in step[thread]:
                    call()
        except BaseException:
            meeting.leave()
            raise

    others: list[Future] = []
    problems: list[BaseException] = []
    try:
        for thread in range(1, count):  # in a copy of the caller's context, which holds np.errstate
            others.append(helpers.executor.submit(copy_context().run, work, thread))
        work(0)
    except BaseException as problem:
        meeting.leave()
        problems.append(problem)
    try:
        wait_for(others)  # they write into the same arrays, so they must finish first
    except KeyboardInterrupt as problem:
        problems.append(problem)
    for other in others:
        ended_with = other.exception()
        problems += [ended_with] if ended_with is not None else []
    causes = [problem for problem in problems if not isinstance(problem, BrokenMeeting)]
    if problems:
        raise (causes or problems)[0]
