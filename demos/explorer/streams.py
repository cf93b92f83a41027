"""Server-sent events: a computation in a thread of its own sends its steps to the page.

A computation that the page no longer wants ends between two steps.
"""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from minicnn.errors import InputError, one_line

from ..shared.error_texts import error_text
from ..shared.photo_files import warn

if TYPE_CHECKING:
    from .session import Session

PAUSE = 0.05      # seconds from one picture to the next, at least: more pictures than that would not be seen
PATIENCE = 2.0    # seconds that a step waits for the answers to clicks, at most
FAULT = "a fault of the explorer; the terminal shows it"


class Cancelled(Exception):
    """The stream is no longer wanted."""


class Stream:
    """The events of one computation.

    loop : the server's event loop. calm : is set while no short computation waits, see work.py. language : of the page.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, calm: threading.Event, language: str = "en") -> None:
        self.loop, self.calm, self.language = loop, calm, language
        self.events: asyncio.Queue[tuple[str, Any] | None] = asyncio.Queue()
        self.cancelled = threading.Event()
        self.done = threading.Event()
        self.due = 0.0  # the time from which the next picture is wanted

    def cancel(self) -> None:
        """End the computation at its next step."""
        self.cancelled.set()

    def step(self) -> bool:
        """Call this after each step. Return whether a picture is due. Raises Cancelled if the stream is not wanted.

        A short computation, such as the answer to a click, goes first.
        """
        if self.cancelled.is_set():
            raise Cancelled
        self.calm.wait(PATIENCE)
        if self.cancelled.is_set():
            raise Cancelled
        return time.monotonic() >= self.due

    def send(self, event: str, data: dict[str, Any]) -> None:
        """Send one event to the page."""
        self._put((event, data))
        self.due = time.monotonic() + PAUSE

    def _put(self, item: tuple[str, Any] | None) -> None:
        try:
            self.loop.call_soon_threadsafe(self.events.put_nowait, item)
        except RuntimeError:  # the server has ended
            self.cancelled.set()

    def run(self, work: Callable[["Stream"], None], session: "Session") -> None:
        """Call work(stream), after the session's earlier stream has ended, and send what went wrong."""
        try:
            with session.computing:
                self.step()
                work(self)
        except Cancelled:
            self.send("stopped", {})
        except InputError as problem:
            self.send("problem", {"error": one_line(error_text(str(problem), self.language), 500)})
        except Exception as problem:  # otherwise the thread would end without an answer
            warn(f"explore: a stream: {type(problem).__name__}: {one_line(problem, 500)}")
            self.send("problem", {"error": error_text(FAULT, self.language)})
        finally:
            self._put(None)
            self.done.set()

    async def lines(self) -> AsyncIterator[str]:
        """Yield the events as the text of `text/event-stream`. The computation ends when the page no longer listens."""
        try:
            while (item := await self.events.get()) is not None:
                event, data = item
                yield f"event: {event}\ndata: {json.dumps(data)}\n\n"
        finally:
            self.cancel()


def start_stream(work: Callable[[Stream], None], session: "Session", calm: threading.Event,
                 language: str = "en") -> Stream:
    """Start work(stream) in a thread, as the only stream of the session, and return the Stream."""
    stream = Stream(asyncio.get_running_loop(), calm, language)
    session.start(stream)
    threading.Thread(target=stream.run, args=(work, session), daemon=True, name="explorer stream").start()
    return stream
