"""Run the explorer's server until a signal ends it."""

import asyncio
import logging
import socket
import webbrowser
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any

import uvicorn

from minicnn.errors import InputError

from .app import make_app
from .security import Guard, names_of
from .state import Explorer


class Server(uvicorn.Server):
    """uvicorn's server. Signals stay with minicnn.program, which ends the process in one line and at once.

    ready : is called when the server listens. first : an awaitable that then runs in the server's event loop.
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[], Any], first: Awaitable[None]) -> None:
        super().__init__(config)
        self.ready, self.first = ready, first

    def capture_signals(self) -> Any:
        """Leave the signals alone."""
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, then call ready()."""
        await super().startup(sockets)
        self.ready()
        self.warming = asyncio.ensure_future(self.first)


def listen(host: str, port: int | None, default: int) -> socket.socket:
    """Return a socket that listens at the host and port; by default at `default`, or else at a free port.

    Raises InputError if another program uses the port, or if this machine has no such address.
    """
    try:
        family = socket.getaddrinfo(host, port or default, type=socket.SOCK_STREAM)[0][0]
    except (OSError, UnicodeError):
        raise InputError(f"--host {host!r} is no address of this machine; give 127.0.0.1") from None
    for chosen in [port] if port is not None else [default, 0]:
        server = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio then sets TCP_NODELAY
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((host, chosen))
            server.listen()
            return server
        except OSError as problem:
            server.close()
            reason = problem.strerror
    raise InputError(f"port {port if port is not None else default} of {host} cannot be used ({reason}); give another "
                     "--port") from None


def address_of(server: socket.socket) -> str:
    """Return the address of the page."""
    host, port = server.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


async def warm_up(explorer: Explorer) -> None:
    """Compute the first page's answers, one after another. A click waits for one of them at most."""
    async def wanted() -> bool:
        return False
    for job in explorer.first_jobs():
        await explorer.worker.run(job, wanted)


def serve(explorer: Explorer, server: socket.socket, host: str, ready: Callable[[], Any]) -> None:
    """Answer requests until a signal comes, and cancel all computations then."""
    app = Guard(make_app(explorer), *names_of(host))
    logging.getLogger("uvicorn").addHandler(logging.NullHandler())  # it would print a traceback for each open request
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, lifespan="off", ws="none",
                            proxy_headers=False, timeout_keep_alive=30)
    try:
        asyncio.run(Server(config, ready, warm_up(explorer)).serve([server]))
    finally:
        explorer.close()
        server.close()


def open_browser(address: str) -> bool:
    """Open the page in the user's browser. Return whether there is one."""
    try:
        return webbrowser.open(address)
    except (webbrowser.Error, OSError):
        return False
