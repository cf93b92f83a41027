"""The thread of the short computations, such as the answer to a click: never the server's event loop."""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable
from typing import Any


class Worker:
    """A thread that calls functions one after another. It ends with the process, also in the middle of one.

    calm : an Event that is set while no function waits or runs. Streams wait for it, so that clicks go first.
    """

    def __init__(self) -> None:
        self.calm = threading.Event()
        self.calm.set()
        self.waiting = 0
        self.turn = asyncio.Lock()
        self.jobs: queue.SimpleQueue[tuple[Callable[[], Any], asyncio.Future]] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True, name="explorer answers").start()

    async def run(self, function: Callable[[], Any], unwanted: Callable[[], Awaitable[bool]]) -> Any:
        """Return function(), called in the thread; None if unwanted() is true before its turn."""
        self.waiting += 1
        self.calm.clear()
        try:
            async with self.turn:
                if await unwanted():
                    return None
                future: asyncio.Future = asyncio.get_running_loop().create_future()
                self.jobs.put((function, future))
                return await asyncio.shield(future)
        finally:
            self.waiting -= 1
            if not self.waiting:
                self.calm.set()

    def _work(self) -> None:
        while True:
            function, future = self.jobs.get()
            result, problem = None, None
            try:
                result = function()
            except Exception as error:  # goes to the request that waits
                problem = error
            try:
                future.get_loop().call_soon_threadsafe(_finish, future, result, problem)
            except RuntimeError:  # the server has ended
                return


def _finish(future: asyncio.Future, result: Any, problem: Exception | None) -> None:
    if future.cancelled():
        return
    if problem is None:
        future.set_result(result)
    else:
        future.set_exception(problem)
