"""The guard of the explorer: only its own page, on this machine, may use it, and only with uploads of a size."""

import ipaddress
import json
import socket
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from minicnn.errors import InputError

MOST_BYTES = 25_000_000   # of an upload
MOST_PIXELS = 40_000_000  # of an uploaded photo
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
          "media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
           "Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
           "Cache-Control": "no-store"}
LOCAL = ("localhost", "127.0.0.1", "[::1]")


class TooLargeError(InputError):
    """An upload has too many bytes or pixels."""


class Guard:
    """Refuse requests for other hosts (421) and from pages of other sites (403), and add the headers of HEADERS.

    A page of another site could let its own name point to this machine; its requests then name a host that is not
    ours. hosts : the names of this server besides LOCAL. any_address : whether any IP address is a name of this server.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str] = (), any_address: bool = False) -> None:
        self.app, self.hosts, self.any_address = app, {*LOCAL, *map(str.lower, hosts)}, any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, reason = self.judge(Headers(scope=scope))
        if status:
            await refuse(send, status, reason)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)
        await self.app(scope, receive, send_with_headers)

    def judge(self, headers: Headers) -> tuple[int, str]:
        """Return (status, reason) of a refusal; (0, "") for a request of our own page."""
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self.is_ours(hosts[0]):
            return 421, "the explorer answers only under its own address; open the address that it has printed"
        if origins and origins != [f"http://{hosts[0]}"]:
            return 403, "the explorer answers only its own page, not pages of other sites"
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            return 403, "the explorer answers only its own page, not pages of other sites"
        return 0, ""

    def is_ours(self, host: str) -> bool:
        """Return whether a Host header, with or without a port, names this server."""
        name, colon, port = host.lower().rpartition(":")
        if not colon or not (port.isascii() and port.isdecimal()):
            name = host.lower()
        return name in self.hosts or self.any_address and is_address(name)


def is_address(name: str) -> bool:
    """Return whether the name of a host is an IP address. A name server cannot let an address point elsewhere."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


async def refuse(send: Send, status: int, reason: str) -> None:
    """Answer with a status and {"error": reason}."""
    body = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def names_of(host: str) -> tuple[list[str], bool]:
    """Return (names, any_address) for the Guard of a server that listens at `host`."""
    if host in LOCAL or host == "::1":
        return [], False
    names = [host, socket.gethostname(), socket.getfqdn()]
    return names, True


async def read_body(request: Request, most: int = MOST_BYTES) -> bytes:
    """Return the body of a request. Raises TooLargeError as soon as it is longer than `most` bytes."""
    reason = f"the photo is too large: at most {most // 1_000_000} MB can be sent"
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdecimal()) or len(length) > 15 or int(length) > most:
        raise TooLargeError(reason)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise TooLargeError(reason)
        parts.append(part)
    return b"".join(parts)
