"""A published file arrives whole, or costs one line and leaves what can be resumed; no test leaves 127.0.0.1."""

import errno
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from minicnn.errors import InputError
from minicnn.files import replacing
from minicnn.models import load_model, squeezenet1_1
from minicnn.models.preprocessing import TORCHVISION
from minicnn.models.weights import Header, named_arrays, read_header, write_arrays
from weights_converter.__main__ import main as command_line
from weights_converter.convert import convert
from weights_converter.fetching import download, web
from weights_converter.fetching import fetch as fetch_module
from weights_converter.fetching.download import host_of
from weights_converter.fetching.fetch import fetch, locked
from weights_converter.sources.published import PUBLISHED, Published, published_as
from weights_converter.sources import SOURCES

ROOT = Path(__file__).parents[3]
INSTEAD = "fetch the file elsewhere and give it with --from FILE"


CONTENT = np.random.default_rng(0).bytes(1_000_000)
RIGHT = named_arrays(squeezenet1_1(seed=1))


@pytest.fixture(scope="module")
def weights():
    """The bytes of a real weights file: random values under torchvision's names."""
    source = next(source for source in SOURCES if source.name == "squeezenet1_1" and source.publisher == "torchvision")
    buffer = BytesIO()
    np.savez(buffer, **{name: RIGHT[target.key] for name, target in source.names.items()})
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def this_machine_only(monkeypatch):
    """Connections and names beyond 127.0.0.1 fail, as they do without a network; no proxies, no waiting."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def connect_here(self, address):
        if address[0] != "127.0.0.1":
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        return connect(self, address)

    def look_up_here(host, *arguments, **settings):
        if host != "127.0.0.1":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *arguments, **settings)

    monkeypatch.setattr(socket.socket, "connect", connect_here)
    monkeypatch.setattr(socket, "getaddrinfo", look_up_here)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(download, "PAUSE", 0)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The cache folder, which does not exist yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "minicnn"


# ---- the server --------------------------------------------------------------------------------------------


class Request(BaseHTTPRequestHandler):
    """One request, which the next of the server's answers answers."""

    def do_GET(self):
        server = self.server
        server.asked.append((self.path, self.headers.get("Range")))
        server.agent = self.headers.get("User-Agent")
        answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        try:
            answer(self, server.content)
        except ConnectionError:  # the client has gone
            pass

    def head(self, status, length=None, kind="application/octet-stream", **fields):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *arguments):
        pass


def with_range(request, content):
    """As a good server does."""
    wanted = request.headers.get("Range")
    start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
    if wanted and start >= len(content):
        return request.head(416, 0, Content_Range=f"bytes */{len(content)}")
    fields = {"Content_Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if wanted else {}
    request.head(206 if wanted else 200, len(content) - start, **fields)
    request.wfile.write(content[start:])


def without_range(request, content):
    request.head(200, len(content))
    request.wfile.write(content)


def without_length(request, content):
    request.head(200)
    request.wfile.write(content)


def in_chunks(request, content):
    request.protocol_version = "HTTP/1.1"
    request.head(200, Transfer_Encoding="chunked")
    for start in range(0, len(content), 2**20):
        block = content[start:start + 2**20]
        request.wfile.write(b"%x\r\n%b\r\n" % (len(block), block))
    request.wfile.write(b"0\r\n\r\n")
    request.close_connection = True


def half(request, content):
    """Drops the connection in the middle."""
    request.head(200, len(content))
    request.wfile.write(content[:len(content) // 2])


def half_without_length(request, content):
    request.head(200)
    request.wfile.write(content[:len(content) // 2])


def nothing(request, content):
    request.head(200, len(content))


def half_of_the_rest(request, content):
    start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
    request.head(206, len(content) - start, Content_Range=f"bytes {start}-{len(content) - 1}/{len(content)}")
    request.wfile.write(content[start:(start + len(content)) // 2])


def another_range(request, content):
    request.head(206, 10, Content_Range=f"bytes 0-9/{len(content)}")
    request.wfile.write(content[:10])


def status(code, **fields):
    def answer(request, content):
        request.head(code, 4, "text/plain", **fields)
        request.wfile.write(b"oops")
    return answer


def body(text, kind="application/octet-stream", length=True):
    def answer(request, content):
        request.head(200, len(text) if length else None, kind)
        request.wfile.write(text)
    return answer


@pytest.fixture
def server(monkeypatch):
    """A web server on 127.0.0.1 that has the published squeezenet1_1; `answers`, one a request, the last for ever.

    Its file is CONTENT, and the conversion is `copy`.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
    server.daemon_threads = True
    server.content, server.answers, server.asked = CONTENT, [with_range], []
    server.released = threading.Event()
    server.host = f"http://127.0.0.1:{server.server_port}"
    publish(monkeypatch, f"{server.host}/models/net.npz")
    monkeypatch.setattr(fetch_module, "convert", copy)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def weights_server(server, weights, monkeypatch):
    """The same with a real weights file, and the real conversion."""
    server.content = weights
    publish(monkeypatch, f"{server.host}/models/net.npz", weights)
    monkeypatch.setattr(fetch_module, "convert", convert)
    return server


def copy(path, output, network, features_only, overwrite, say):
    """In the place of `convert`: a weights file that only tells of what it was made."""
    digest = sha256(Path(path).read_bytes()).hexdigest()
    with replacing(output, overwrite) as temporary:
        write_arrays(temporary, [], Header(network, network, TORCHVISION, source_sha256=digest))


def publish(monkeypatch, url, content=CONTENT, size=True, digits=64):
    published = Published("squeezenet1_1", url, len(content) if size else None, sha256(content).hexdigest()[:digits],
                          "squeezenet1_1")
    monkeypatch.setitem(PUBLISHED, "squeezenet1_1", published)


def stalling(server):
    """Sends half of the file, then keeps the connection and says nothing."""
    def answer(request, content):
        half(request, content)
        request.wfile.flush()
        server.released.wait(2)
    return answer


def files(cache):
    """What is in the cache, without the folders."""
    return sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file())


def refused(cache, *arguments, left=(), **settings):
    """The one line with which a fetch of squeezenet1_1 fails, leaving only these files."""
    with pytest.raises(InputError) as problem:
        fetch("squeezenet1_1", *arguments, say=lambda line: None, **settings)
    line = str(problem.value)
    assert "\n" not in line and line.isprintable()
    assert files(cache) == sorted(left)
    return line


PART = "downloads/net.npz.part"


def arrived(cache):
    """True where what the server has is converted, and nothing else is there."""
    assert [path.name for path in cache.iterdir()] == ["squeezenet1_1.h5"]
    return read_header(cache / "squeezenet1_1.h5").source_sha256 == sha256(CONTENT).hexdigest()


def weights_arrived(cache):
    """The same for the real weights."""
    assert [path.name for path in cache.iterdir()] == ["squeezenet1_1.h5"]
    net = load_model("squeezenet1_1", device="cpu").net
    return all(np.array_equal(array, RIGHT[name]) for name, array in named_arrays(net).items())


# ---- the table ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("published", PUBLISHED.values(), ids=PUBLISHED)
def test_the_table_is_sound(published):
    assert PUBLISHED[published.name] is published
    assert host_of(published.url) and published.url.startswith("https://")
    assert len(published.sha256) in (8, 64) and set(published.sha256) <= set("0123456789abcdef")
    assert published.size is None or 500_000 < published.size < 600_000_000
    assert any(published.network == source.name for source in SOURCES)
    digest = published.file_name.removesuffix(".pth")[-8:]
    assert published.sha256.startswith(digest) or not published.file_name.endswith(".pth")
    assert Path(published.file_name).name == published.file_name  # it names no folder


def test_published_as():
    assert published_as("b66bff10" + 56 * "0").name == "squeezenet1_0"
    assert published_as(PUBLISHED["squeezenet1_0_caffe"].sha256).name == "squeezenet1_0_caffe"
    assert published_as(64 * "0") is None


def test_the_compressed_squeezenet_is_the_published_one(test_data):
    published = PUBLISHED["squeezenet1_0_caffe"]
    path = test_data / "weights" / published.file_name
    assert path.stat().st_size == published.size
    assert published_as(sha256(path.read_bytes()).hexdigest()) is published


# ---- what arrives ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [True, False], ids=["known-size", "unknown-size"])
def test_fetch_downloads_and_converts(weights_server, weights, cache, monkeypatch, capsys, size):
    server = weights_server
    publish(monkeypatch, f"{server.host}/models/net.npz", weights, size, digits=64 if size else 8)
    assert fetch("squeezenet1_1") == cache / "squeezenet1_1.h5"
    assert weights_arrived(cache)
    said, bar = capsys.readouterr()
    assert said.splitlines()[0] == f"downloading {server.host}/models/net.npz" + " (5.0 MB)" * size
    assert said.splitlines()[-1] == "load_model('squeezenet1_1') finds it"
    assert bar == ""  # no terminal, no bar
    assert server.asked == [("/models/net.npz", None)] and server.agent.startswith("minicnn/")


def test_a_bar_in_bytes_where_there_is_a_terminal(server, cache, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    put_part(cache, CONTENT[:500_000])
    fetch("squeezenet1_1")
    assert "net.npz:  50%" in (bar := capsys.readouterr().err) and "500k/1.00M" in bar


def test_what_is_there_is_not_fetched_again_unless_asked(server, cache):
    fetch("squeezenet1_1")
    server.asked.clear()
    said = []
    assert fetch("squeezenet1_1", say=said.append) == cache / "squeezenet1_1.h5"
    assert len(said) == 1 and "is there already" in said[0] and "--overwrite" in said[0]
    assert server.asked == []
    fetch("squeezenet1_1", overwrite=True)
    assert arrived(cache) and len(server.asked) == 1


def test_what_was_made_of_another_file_is_neither_taken_nor_replaced_unasked(server, cache, tmp_path, monkeypatch):
    (tmp_path / "other").write_bytes(b"of somebody else")
    cache.mkdir(parents=True)
    output = cache / "squeezenet1_1.h5"
    copy(tmp_path / "other", output, "squeezenet1_1", False, False, print)
    before = output.read_bytes()
    for digits in (64, 8):
        publish(monkeypatch, f"{server.host}/models/net.npz", digits=digits)
        line = refused(cache, left=["squeezenet1_1.h5"])
        assert line == f"{output} was made of another file than the published net.npz; --overwrite replaces it"
    assert server.asked == [] and output.read_bytes() == before
    fetch("squeezenet1_1", overwrite=True)
    assert arrived(cache)


def test_what_is_there_and_no_weights_file(server, cache):
    cache.mkdir(parents=True)
    (cache / "squeezenet1_1.h5").write_bytes(b"old")
    line = refused(cache, left=["squeezenet1_1.h5"])
    assert "squeezenet1_1.h5 cannot be read as HDF5" in line and line.endswith("; --overwrite replaces it")
    assert server.asked == []


def test_nowhere_to_put_it(server, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "")
    with pytest.raises(InputError, match="there is no home folder to keep weights in: set XDG_CACHE_HOME"):
        fetch("squeezenet1_1")
    assert server.asked == []


def test_a_failed_fetch_leaves_the_old_file(server, cache):
    cache.mkdir(parents=True)
    (cache / "squeezenet1_1.h5").write_bytes(b"old")
    server.answers = [status(404)]
    refused(cache, overwrite=True, left=["squeezenet1_1.h5"])
    assert (cache / "squeezenet1_1.h5").read_bytes() == b"old"


@pytest.mark.parametrize("answer", [without_length, in_chunks])
def test_a_server_that_does_not_say_the_size(server, cache, answer):
    server.answers = [answer]
    fetch("squeezenet1_1")
    assert arrived(cache)


@pytest.mark.parametrize("code", [301, 302, 303, 307])
def test_redirects_are_followed(server, code):
    server.answers = [status(code, Location="/elsewhere/a%20b?c=../../d"), with_range]
    fetch("squeezenet1_1")
    assert [path for path, _ in server.asked] == ["/models/net.npz", "/elsewhere/a%20b?c=../../d"]


def test_the_name_comes_from_the_table_whatever_the_server_says(server, cache, tmp_path):
    def elsewhere(request, content):
        request.head(200, len(content), Content_Disposition='attachment; filename="../../../evil"')
        request.wfile.write(content)
    server.answers = [elsewhere]
    fetch("squeezenet1_1")
    assert arrived(cache) and sorted(os.listdir(tmp_path)) == ["cache"]


def test_proxies_are_taken_from_the_environment(server, cache, monkeypatch):
    publish(monkeypatch, "http://download.example/models/net.npz")
    monkeypatch.setenv("http_proxy", server.host)
    fetch("squeezenet1_1")
    assert arrived(cache) and server.asked == [("http://download.example/models/net.npz", None)]


# ---- resuming ----------------------------------------------------------------------------------------------


def put_part(cache, content):
    (cache / "downloads").mkdir(parents=True)
    (cache / PART).write_bytes(content)


def test_a_connection_that_drops_is_taken_up_again(server, cache):
    server.answers = [half, half_of_the_rest, with_range]
    fetch("squeezenet1_1")
    first = len(CONTENT) // 2
    assert arrived(cache)
    assert [wanted for _, wanted in server.asked] == [
        None, f"bytes={first}-", f"bytes={(first + len(CONTENT)) // 2}-"]


@pytest.mark.parametrize("answer", [half, half_without_length])
def test_a_connection_that_keeps_dropping(server, cache, answer):
    server.answers = [answer]
    line = refused(cache, left=[PART])
    assert f"broke off 3 times, the last time after {len(CONTENT) // 2:,} bytes " in line
    assert f"({len(CONTENT):,} were expected)" in line
    assert "the same command again goes on from there" in line and len(server.asked) == 3
    server.answers = [with_range]
    fetch("squeezenet1_1")
    assert arrived(cache) and server.asked[-1][1] == f"bytes={len(CONTENT) // 2}-"


def test_a_connection_that_drops_at_once(server, cache):
    server.answers = [nothing]
    assert "broke off 3 times, the last time after 0 bytes" in refused(cache)


def test_only_the_rest_is_fetched_after_ctrl_c(server, cache, monkeypatch):
    class Interrupting(download.tqdm):
        def update(self, n=1):
            raise KeyboardInterrupt
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(download, "tqdm", Interrupting)
        fetch("squeezenet1_1")
    assert files(cache) == [PART]
    done = (cache / PART).stat().st_size
    assert 0 < done < len(CONTENT)
    said = []
    fetch("squeezenet1_1", say=said.append)
    assert said[0].endswith(f"(1.0 MB), from {done / 1e6:.1f} MB on")
    assert arrived(cache) and server.asked[-1][1] == f"bytes={done}-"


@pytest.mark.parametrize("answers", [[without_range], [status(416), without_range], [another_range, without_range]],
                         ids=["no-range", "416", "another-range"])
def test_begins_anew_where_the_server_cannot_go_on(server, cache, answers):
    put_part(cache, CONTENT[:1000])
    server.answers = answers
    fetch("squeezenet1_1")
    assert arrived(cache) and server.asked[0][1] == "bytes=1000-"


def test_a_part_larger_than_the_file_is_thrown_away(server, cache):
    put_part(cache, CONTENT + b"more")
    fetch("squeezenet1_1")
    assert arrived(cache) and server.asked == [("/models/net.npz", None)]


@pytest.mark.parametrize("size", [True, False], ids=["known-size", "unknown-size"])
def test_a_part_that_is_complete_needs_no_network(server, cache, monkeypatch, size):
    publish(monkeypatch, f"{server.host}/models/net.npz", size=size)
    put_part(cache, CONTENT)
    fetch("squeezenet1_1")
    assert arrived(cache) and server.asked == []


def test_a_wrong_part_is_noticed_at_the_end_and_removed(server, cache):
    put_part(cache, b"x" * 1000)
    line = refused(cache)
    assert "127.0.0.1 is not the published one, or damaged: its sha256 is " in line
    assert line.endswith(f", not {sha256(CONTENT).hexdigest()}; it was removed")
    fetch("squeezenet1_1")
    assert arrived(cache)


@pytest.mark.parametrize("problem", [KeyboardInterrupt, MemoryError, InputError("no room")])
def test_a_download_outlives_its_conversion(server, cache, monkeypatch, problem):
    def fail(*arguments):
        raise problem
    with monkeypatch.context() as patch, pytest.raises(problem if isinstance(problem, type) else InputError):
        patch.setattr(fetch_module, "convert", fail)
        fetch("squeezenet1_1")
    assert files(cache) == ["downloads/net.npz"]
    server.asked.clear()
    fetch("squeezenet1_1")
    assert arrived(cache) and server.asked == []


def test_a_finished_download_that_was_damaged_is_fetched_again(server, cache):
    put_part(cache, b"")
    (cache / PART).rename(cache / "downloads/net.npz")
    (cache / "downloads/net.npz").write_bytes(CONTENT[:-1] + b"x")
    fetch("squeezenet1_1")
    assert arrived(cache) and len(server.asked) == 1


# ---- what the server may do wrong --------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [
    body(b"<!DOCTYPE html><title>Please log in</title>", "text/html; charset=utf-8"),
    body(b"Please log in", "text/html"),
    body(b"\xef\xbb\xbf\r\n <html>please log in</html>"), body(b"<?xml version='1.0'?><Error/>", length=False)])
@pytest.mark.parametrize("begun", [0, 1000])
def test_a_web_page_instead_of_the_file(server, cache, answer, begun):
    if begun:
        put_part(cache, CONTENT[:begun])
    server.answers = [answer]
    line = refused(cache, left=[PART] if begun else [])
    assert line == ("127.0.0.1: the server sent a web page, not the file (a proxy's or a login page?); " + INSTEAD)
    assert not begun or (cache / PART).read_bytes() == CONTENT[:begun]


def test_wrong_bytes(server, cache, monkeypatch):
    server.content = CONTENT[:-1] + b"x"
    found = sha256(server.content).hexdigest()
    assert refused(cache) == ("the file from 127.0.0.1 is not the published one, or damaged: its sha256 is "
                              f"{found}, not {sha256(CONTENT).hexdigest()}; it was removed")
    publish(monkeypatch, f"{server.host}/models/net.npz", digits=8)
    assert f"its sha256 is {found[:8]}…, not {sha256(CONTENT).hexdigest()[:8]}; it was removed" in refused(cache)


def test_another_size_than_the_published_one(server, cache):
    server.content = CONTENT + b"more"
    assert refused(cache) == f"127.0.0.1 has a file of {len(CONTENT) + 4:,} bytes, not {len(CONTENT):,}; {INSTEAD}"
    put_part(cache, CONTENT[:1000])
    assert f"has a file of {len(CONTENT) + 4:,} bytes" in refused(cache, left=[PART])
    server.content = CONTENT[:-1]
    assert f"has a file of {len(CONTENT) - 1:,} bytes" in refused(cache, left=[PART])


def test_more_bytes_than_published_are_not_read(server, cache):
    sent = []

    def endless(request, content):
        request.head(200)
        while len(sent) < 1000:
            request.wfile.write(content)
            sent.append(len(content))
    server.answers = [endless]
    assert f"127.0.0.1 sent more than the {len(CONTENT):,} bytes" in refused(cache)
    assert len(sent) < 50


def test_more_bytes_than_any_weights_file_has(server, cache, monkeypatch):
    publish(monkeypatch, f"{server.host}/models/net.npz", size=False)
    monkeypatch.setattr(download, "SIZE_LIMIT", 10_000)
    assert f"has a file of {len(CONTENT):,} bytes, not at most 10,000" in refused(cache)
    server.answers = [without_length]
    assert "sent more than the 10,000 bytes" in refused(cache)


@pytest.mark.parametrize("answer", ["half", "nothing"])
def test_a_server_that_falls_silent(server, cache, monkeypatch, answer):
    monkeypatch.setattr(web, "READ_TIMEOUT", 0.05)
    server.answers = [stalling(server)]
    if answer == "half":
        line = refused(cache, left=[PART])
        assert f"broke off 3 times, the last time after {len(CONTENT) // 2:,} bytes (no answer in time)" in line
        assert (cache / PART).read_bytes() == CONTENT[:len(CONTENT) // 2]
    else:
        server.content = b""
        server.answers = [lambda request, none: (request.head(200, 10), server.released.wait(2))]
        publish(monkeypatch, PUBLISHED["squeezenet1_1"].url, size=False)
        assert refused(cache) == f"no connection to 127.0.0.1 (no answer in time): {INSTEAD}"
        assert len(server.asked) == 1


def test_a_server_that_never_answers(cache, monkeypatch):
    monkeypatch.setattr(web, "READ_TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connections wait for somebody to accept them
        publish(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}/net.npz")
        assert refused(cache) == f"no connection to 127.0.0.1 (no answer in time): {INSTEAD}"


@pytest.mark.parametrize("code, words", [
    (403, "403 (Forbidden)"), (404, "404 (Not Found)"), (407, "407 (Proxy Authentication Required)"),
    (416, "416 ("), (429, "429 (Too Many Requests)"), (599, "599 (unknown status)"), (204, "204 (No Content)"),
    (500, "500 (Internal Server Error) instead of sending the file; try again later, or give it")])
def test_a_server_that_says_no(server, cache, code, words):
    put_part(cache, CONTENT[:1000])
    server.answers = [status(code)]
    line = refused(cache, left=[PART])
    assert line.startswith("127.0.0.1 answered " + words) and line.endswith("from elsewhere with --from FILE|URL")


@pytest.mark.parametrize("location", [
    "file:///etc/passwd", "ftp://127.0.0.1/net.npz", "data:,x", "javascript:x", "/models/net.npz",
    "FILE:///etc/passwd"])
def test_redirects_to_other_things_than_web_servers(server, cache, location):
    server.answers = [status(302, Location=location)]
    assert refused(cache).startswith("127.0.0.1 redirects to where we do not follow: in a circle, to another kind ")


@pytest.mark.parametrize("location", ["http://[", "http://127.0.0.1:port/", "http://", ""])
def test_redirects_that_are_no_addresses(server, cache, location):
    server.answers = [status(302, Location=location)]
    assert "127.0.0.1" in refused(cache)


def test_a_certificate_that_is_not_trusted_is_named():
    problem = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate")
    line = web._no_connection("host", web.URLError(problem))
    assert "no connection to host ([SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate)" in line


def test_no_redirect_from_https_to_http():
    request = SimpleNamespace(type="https")
    with pytest.raises(web.HTTPError):
        web.WebRedirects().redirect_request(request, None, 302, "Found", {}, "http://127.0.0.1/")


@pytest.mark.parametrize("lines", [b"\r\n", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000, b""])
def test_what_is_no_web_server(server, cache, lines):
    server.answers = [lambda request, content: request.wfile.write(lines)]
    line = refused(cache)
    assert line.startswith("no connection to 127.0.0.1 (") and "SSH" not in line


def test_http_asked_by_https(server, cache, monkeypatch):
    publish(monkeypatch, PUBLISHED["squeezenet1_1"].url.replace("http:", "https:"))
    assert "no connection to 127.0.0.1 ([SSL: " in refused(cache)


# ---- no network, no room -----------------------------------------------------------------------------------


def test_nobody_listens(cache, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    publish(monkeypatch, f"http://127.0.0.1:{port}/net.npz")
    line = refused(cache)
    assert line.startswith("no connection to 127.0.0.1 (") and "refused" in line and line.endswith(INSTEAD)


def test_no_network(cache, monkeypatch):
    publish(monkeypatch, "https://download.example/net.npz")
    assert refused(cache) == f"no connection to download.example (Name or service not known): {INSTEAD}"


def test_a_proxy_that_refuses(server, cache, monkeypatch):
    publish(monkeypatch, "https://download.example/net.npz")
    monkeypatch.setenv("https_proxy", server.host)  # it knows no CONNECT
    assert "no connection to download.example (Tunnel connection failed: 501 " in refused(cache)


def test_no_room_on_the_disk(server, cache, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=2 * len(CONTENT) - 1))
    line = refused(cache)
    assert "2 MB are needed" in line and "only 2 MB are free" in line
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=2 * len(CONTENT)))
    fetch("squeezenet1_1")


def test_a_disk_that_runs_full(server, cache, monkeypatch):
    class Full(download.tqdm):
        def update(self, n=1):
            raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(download, "tqdm", Full)
    assert "net.npz.part: cannot be written (No space left on device)" in refused(cache, left=[PART])


@pytest.mark.parametrize("source", [None, "file"])
def test_a_cache_folder_that_cannot_be_made(server, tmp_path, monkeypatch, source):
    (tmp_path / "file").write_bytes(CONTENT)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    line = refused(tmp_path, source and str(tmp_path / source), left=["file"])
    assert line.startswith(str(tmp_path / "file" / "minicnn")) and server.asked == []


# ---- two at a time -----------------------------------------------------------------------------------------

needs_fcntl = pytest.mark.skipif(fetch_module.fcntl is None, reason="no fcntl here")


@pytest.mark.parametrize("have_fcntl", [True, False])
def test_the_second_fetch_of_a_file_gets_a_line(server, cache, monkeypatch, have_fcntl):
    if not have_fcntl:
        monkeypatch.setattr(fetch_module, "fcntl", None)
    begun = threading.Event()

    def slow(request, content):
        half(request, content)
        begun.set()
        server.released.wait(2)
        request.wfile.write(content[len(content) // 2:])
    server.answers = [slow]
    first = threading.Thread(target=fetch, args=("squeezenet1_1",))
    first.start()
    assert begun.wait(2)
    with pytest.raises(InputError) as problem:
        fetch("squeezenet1_1")
    assert str(problem.value).startswith("another fetch of squeezenet1_1 is running; wait until it has ended")
    server.released.set()
    first.join()
    assert arrived(cache) and len(server.asked) == 1


def test_fetches_that_come_together_convert_once(server, cache):
    lines, threads = [], []

    def try_to_fetch():
        try:
            fetch("squeezenet1_1", say=lambda line: None)
        except InputError as problem:
            lines.append(str(problem))
    threads = [threading.Thread(target=try_to_fetch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert arrived(cache) and len(server.asked) == 1
    assert set(lines) <= {"another fetch of squeezenet1_1 is running; wait until it has ended"}


@needs_fcntl
def test_a_lock_that_nobody_holds_any_more(server, cache):
    put_part(cache, b"")
    (cache / "downloads/net.npz.lock").touch()  # of a process that was killed
    fetch("squeezenet1_1")
    assert arrived(cache)


@needs_fcntl
def test_a_lock_is_never_that_of_a_removed_file(cache, monkeypatch):
    """The other fetch removes its lock file after we have opened it and before we lock it."""
    cache.mkdir(parents=True)
    path = cache / "downloads" / "net.npz"
    flock, taken = fetch_module.fcntl.flock, []

    def flock_late(handle, how):
        if not taken:
            path.with_name("net.npz.lock").unlink()
        taken.append(handle)
        flock(handle, how)
    monkeypatch.setattr(fetch_module.fcntl, "flock", flock_late)
    with locked(path, "net"):
        assert len(taken) == 2 and path.with_name("net.npz.lock").exists()
    assert not path.parent.exists()


@needs_fcntl
def test_a_file_system_without_locks(server, cache, monkeypatch):
    def unsupported(handle, how):
        raise OSError(errno.ENOLCK, "No locks available")
    monkeypatch.setattr(fetch_module.fcntl, "flock", unsupported)
    fetch("squeezenet1_1")
    assert arrived(cache)


# ---- from elsewhere ----------------------------------------------------------------------------------------


def test_from_a_file_which_stays_where_it_is(weights_server, weights, cache, tmp_path):
    path = tmp_path / "my file.bin"
    path.write_bytes(weights)
    fetch("squeezenet1_1", str(path))
    assert weights_arrived(cache) and path.read_bytes() == weights and weights_server.asked == []


def test_from_a_file_that_is_not_the_published_one(cache, tmp_path, server):
    path = tmp_path / "a.npz"
    path.write_bytes(CONTENT[:-1] + b"x")
    assert f"{path} is not the published one, or damaged: its sha256 is " in refused(cache, path)
    path.write_bytes(CONTENT[:-1])
    assert refused(cache, path) == (f"{path} is not the published net.npz: it has {len(CONTENT) - 1:,} bytes, not "
                                    f"{len(CONTENT):,}")
    assert path.exists()
    assert "does not exist" in refused(cache, tmp_path / "none.npz")
    assert "not an ordinary file" in refused(cache, tmp_path)
    assert server.asked == []


def test_from_a_mirror(server, cache, monkeypatch):
    publish(monkeypatch, "https://download.example/models/net.npz")
    fetch("squeezenet1_1", f"{server.host}/mirror/other-name?download=1")
    assert arrived(cache) and server.asked == [("/mirror/other-name?download=1", None)]


def test_from_a_mirror_with_other_bytes(server, cache, monkeypatch):
    publish(monkeypatch, "https://download.example/models/net.npz")
    server.content = CONTENT[:-1] + b"x"
    assert "is not the published one" in refused(cache, f"{server.host}/mirror")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/a", "http://", "https:///a", "http://[::1/a",
                                 "http://127.0.0.1/a b", "http://127.0.0.1/\x1b[2J", "http://127.0.0.1/ä", "://"])
def test_from_what_is_no_web_address(cache, url):
    assert "not an address that can be fetched" in refused(cache, url)


def test_an_unknown_name_suggests():
    with pytest.raises(InputError, match="no network 'squeezenet1.1'; did you mean squeezenet1_1"):
        fetch("squeezenet1.1")
    with pytest.raises(InputError, match="did you mean vgg16"):
        fetch("vgg_16")


# ---- as it is typed ----------------------------------------------------------------------------------------


@contextmanager
def started(cache, *arguments):
    """A process in which the command runs, with the PUBLISHED of this one."""
    code = ("import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"  # some shells ignore it
            "from weights_converter.sources.published import PUBLISHED, Published\n"
            f"PUBLISHED['squeezenet1_1'] = {PUBLISHED['squeezenet1_1']!r}\n"
            f"from weights_converter.__main__ import main\nsys.exit(main({['fetch', *arguments]!r}))")
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a process of one's own there")
def test_typed_and_interrupted_and_typed_again(weights_server, cache):
    server = weights_server
    begun = threading.Event()

    def slow(request, content):
        half(request, content)
        begun.set()
        server.released.wait(5)
    server.answers = [slow, with_range]
    with started(cache, "squeezenet1_1") as process:
        assert begun.wait(5)
        while not (cache / PART).exists() or (cache / PART).stat().st_size < 2**18:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=5)
        assert process.returncode == 130 and said.count("\n") == 1 and "interrupted" in said
    assert files(cache) == [PART]
    with started(cache, "squeezenet1_1") as process:
        said, problems = process.communicate(timeout=10)
        assert (process.returncode, problems) == (0, "") and said.startswith("downloading http://127.0.0.1")
    assert weights_arrived(cache) and server.asked[-1][1].startswith("bytes=")


@pytest.mark.parametrize("arguments", [("squeezenet1_1", "--from", ""), ("",)])
def test_an_empty_name_is_no_name(cache, server, capsys, arguments):
    with pytest.raises(SystemExit) as end:
        command_line(["fetch", *arguments])
    problems = capsys.readouterr().err
    assert end.value.code == 2 and problems.count("\n") == 1 and "expected a name, not ''" in problems
    assert server.asked == []


def test_typed_wrongly(cache, server):
    with started(cache, "squeezenet1.1") as process:
        said, problems = process.communicate(timeout=10)
    assert (process.returncode, said, problems.count("\n")) == (2, "", 1)
    assert "did you mean squeezenet1_1" in problems
