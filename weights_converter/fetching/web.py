"""Asking a server for a file or the rest of it, and what is said when it is not there, or says no."""

import http.client
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPRedirectHandler, HTTPSHandler, Request, build_opener

import minicnn
from minicnn.errors import InputError

CONNECT_TIMEOUT = 10  # seconds
READ_TIMEOUT = 20  # seconds without a single byte
BLOCK = 2**18  # bytes
INSTEAD = "fetch the file elsewhere and give it with --from FILE"


class BrokenOff(Exception):
    """The connection ended in mid-file: what is there already is right, the rest can be asked for again."""


def host_of(url):
    """The host that an http or https address names; InputError where it is no such address."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:  # brackets that do not close
        host = None
    if not host or parts.scheme not in ("http", "https") or not (url.isascii() and url.isprintable()) or " " in url:
        raise InputError(f"{url!r}: not an address that can be fetched: https://… or http://… without blanks")
    return host


def open_at(url, host, offset):
    """(response, where in the file its bytes begin): at `offset` where the server can go on from there, else at 0."""
    if offset:
        response = _request(url, host, offset)
        if response.status == 200:
            return response, 0
        if response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
            return response, offset
        response.close()  # 416, or another part than the one asked for
    response = _request(url, host)
    if response.status != 200:
        response.close()
        raise InputError(_refusal(host, response.status))
    return response, 0


def _request(url, host, offset=0):
    """The server's answer to a request for the file, or for its bytes from `offset` on; its status is 2xx or 416."""
    headers = {"User-Agent": f"minicnn/{minicnn.__version__}"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    opener = build_opener(PlainHandler, SecureHandler, WebRedirects)
    try:
        return opener.open(Request(url, headers=headers), timeout=CONNECT_TIMEOUT)
    except HTTPError as answer:
        if answer.code == 416 and offset:
            return answer
        answer.close()
        raise InputError(_refusal(host, answer.code)) from None
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise InputError(_no_connection(host, problem)) from None


def read_block(response, host, before_any=False):
    """The next bytes of the answer, empty at its end."""
    try:
        return response.read1(BLOCK)
    except (OSError, http.client.HTTPException) as problem:
        if before_any and isinstance(problem, TimeoutError):  # a server that says nothing will not do so next time
            raise InputError(_no_connection(host, problem)) from None
        raise BrokenOff(_reason(problem)) from None


# ---- what is said ------------------------------------------------------------------------------------------


def _no_connection(host, problem):
    return f"no connection to {host} ({_reason(problem)}): {INSTEAD}"


def _reason(problem):
    """The system's words for what happened; of what a server sent itself, only what kind of mistake it is."""
    if isinstance(problem, URLError):
        problem = problem.reason
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    if isinstance(problem, http.client.HTTPException) or not isinstance(problem, (OSError, str)):
        return type(problem).__name__
    words = str(getattr(problem, "strerror", None) or problem)
    return "".join(letter for letter in words if letter.isprintable())


def _refusal(host, status):
    if 300 <= status < 400:
        return (f"{host} redirects to where we do not follow: in a circle, to another kind of address than http and "
                f"https, or from https to http; {INSTEAD}")
    advice = "try again later, or give it" if status >= 500 else "give it"
    return (f"{host} answered {status} ({http.client.responses.get(status, 'unknown status')}) instead of sending the "
            f"file; {advice} from elsewhere with --from FILE|URL")


# ---- the connection ----------------------------------------------------------------------------------------


class PlainConnection(http.client.HTTPConnection):
    """An HTTP connection with a timeout of its own for reading."""

    def connect(self):
        super().connect()
        self.sock.settimeout(READ_TIMEOUT)


class SecureConnection(http.client.HTTPSConnection):
    """An HTTPS connection with a timeout of its own for reading."""

    def connect(self):
        super().connect()
        self.sock.settimeout(READ_TIMEOUT)


class PlainHandler(HTTPHandler):
    """Opens http addresses by a PlainConnection."""

    def http_open(self, req):
        return self.do_open(PlainConnection, req)


class SecureHandler(HTTPSHandler):
    """Opens https addresses by a SecureConnection, with the system's certificates."""

    def https_open(self, req):
        return self.do_open(SecureConnection, req)


class WebRedirects(HTTPRedirectHandler):
    """Follows redirects from http to http or https, and from https to https only."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if urlsplit(newurl).scheme not in (("https",) if req.type == "https" else ("http", "https")):
            raise HTTPError(newurl, code, msg, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
