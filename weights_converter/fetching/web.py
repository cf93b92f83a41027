"""Request a file, or the rest of it, from a server; messages for servers that fail or refuse."""

import http.client
from http.client import HTTPMessage, HTTPResponse
from typing import IO, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPRedirectHandler, HTTPSHandler, Request, build_opener

import minicnn
from minicnn.errors import InputError

CONNECT_TIMEOUT = 10  # seconds
READ_TIMEOUT = 20  # seconds without any byte
BLOCK = 2**18  # bytes that are read at a time
FROM_FILE_HINT = "download the file in another way and give it with --from FILE"


class ConnectionLost(Exception):
    """The connection ended before the file did. The bytes received are right; the rest can be requested again."""


def host_of(url: str) -> str:
    """Return the host of an http or https address. Raises InputError if it is not such an address."""
    scheme, host = "", None
    try:
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname
    except ValueError:  # a bracket that is not closed
        pass
    if not host or scheme not in ("http", "https") or not (url.isascii() and url.isprintable()) or " " in url:
        raise InputError(f"{url!r} is not an address that can be fetched; it must be https://… or http://…, without "
                         "blanks")
    return host


def open_at(url: str, host: str, offset: int) -> tuple[HTTPResponse, int]:
    """Return (response, position of its first byte in the file).

    The position is `offset` if the server can resume there, else 0.
    """
    if offset:
        response = _request(url, host, offset)
        if response.status == 200:
            return response, 0
        if response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
            return response, offset
        response.close()  # status 416, or another part of the file
    response = _request(url, host)
    if response.status != 200:
        response.close()
        raise InputError(_refusal(host, response.status))
    return response, 0


def _request(url: str, host: str, offset: int = 0) -> HTTPResponse:
    """Request the file, or its bytes from `offset` on, and return the response, of status 2xx or 416.

    Raises InputError if the server cannot be reached or refuses.
    """
    headers = {"User-Agent": f"minicnn/{minicnn.__version__}"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    opener = build_opener(PlainHandler, SecureHandler, WebRedirects)
    try:
        return opener.open(Request(url, headers=headers), timeout=CONNECT_TIMEOUT)
    except HTTPError as answer:
        if answer.code == 416 and offset:
            return cast(HTTPResponse, answer)  # an HTTPError is a response too
        answer.close()
        raise InputError(_refusal(host, answer.code)) from None
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise InputError(_no_connection(host, problem)) from None


def read_block(response: HTTPResponse, host: str, is_first: bool = False) -> bytes:
    """Return the next bytes of the response; b"" at its end. Raises ConnectionLost if the connection ends before."""
    try:
        return response.read1(BLOCK)
    except (OSError, http.client.HTTPException) as problem:
        if is_first and isinstance(problem, TimeoutError):  # a server that sent nothing will not answer a retry
            raise InputError(_no_connection(host, problem)) from None
        raise ConnectionLost(_reason(problem)) from None


# ---- messages ----------------------------------------------------------------------------------------------


def _no_connection(host: str, problem: Exception) -> str:
    """Return the message for a server that cannot be reached."""
    return f"no connection to {host} ({_reason(problem)}): {FROM_FILE_HINT}"


def _reason(problem: BaseException | str) -> str:
    """Return the system's text of an error. For a malformed answer return only the error's type, not its content."""
    if isinstance(problem, URLError):
        problem = problem.reason
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    if isinstance(problem, http.client.HTTPException) or not isinstance(problem, (OSError, str)):
        return type(problem).__name__
    words = str(getattr(problem, "strerror", None) or problem)
    return "".join(letter for letter in words if letter.isprintable())


def _refusal(host: str, status: int) -> str:
    """Return the message for a status other than success."""
    if 300 <= status < 400:
        return (f"{host} sends a redirect that is not followed: in a circle, to an address other than http or https, "
                f"or from https to http; {FROM_FILE_HINT}")
    advice = "try again later, or give the file" if status >= 500 else "give the file"
    return (f"{host} answered {status} ({http.client.responses.get(status, 'unknown status')}) instead of sending the "
            f"file; {advice} from another place with --from FILE|URL")


# ---- the connection ----------------------------------------------------------------------------------------


class PlainConnection(http.client.HTTPConnection):
    """An HTTP connection with a separate timeout for reading."""

    def connect(self) -> None:
        """Connect, then set the timeout for reading."""
        super().connect()
        self.sock.settimeout(READ_TIMEOUT)


class SecureConnection(http.client.HTTPSConnection):
    """An HTTPS connection with a separate timeout for reading."""

    def connect(self) -> None:
        """Connect, then set the timeout for reading."""
        super().connect()
        self.sock.settimeout(READ_TIMEOUT)


class PlainHandler(HTTPHandler):
    """Opens http addresses with a PlainConnection."""

    def http_open(self, req: Request) -> HTTPResponse:
        """Open the address; urllib calls this."""
        return self.do_open(PlainConnection, req)


class SecureHandler(HTTPSHandler):
    """Opens https addresses with a SecureConnection and the system's certificates."""

    def https_open(self, req: Request) -> HTTPResponse:
        """Open the address; urllib calls this."""
        return self.do_open(SecureConnection, req)


class WebRedirects(HTTPRedirectHandler):
    """Follows redirects from http to http or https, and from https only to https."""

    def redirect_request(self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage,
                         newurl: str) -> Request | None:
        """Return the request for the new address; urllib calls this. Raises HTTPError for one that is refused."""
        if urlsplit(newurl).scheme not in (("https",) if req.type == "https" else ("http", "https")):
            raise HTTPError(newurl, code, msg, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
