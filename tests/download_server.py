"""A web server on 127.0.0.1 with the file to fetch, its possible answers, and the state of the cache folder."""

from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest

from minicnn.errors import InputError
from minicnn.files import replacing
from minicnn.models import load_model, squeezenet1_1
from minicnn.models.preprocessing import TORCHVISION
from minicnn.models.weights import Header, named_arrays, read_header, write_arrays
from weights_converter.fetching.fetch import fetch
from weights_converter.sources.published import PUBLISHED, Published

FROM_FILE_HINT = "download the file in another way and give it with --from FILE"
CONTENT = np.random.default_rng(0).bytes(1_000_000)
RIGHT = named_arrays(squeezenet1_1(seed=1))


class Request(BaseHTTPRequestHandler):
    """A request; the next of the server's `answers` handles it."""

    def do_GET(self):
        server = self.server
        server.asked.append((self.path, self.headers.get("Range")))
        server.agent = self.headers.get("User-Agent")
        answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        try:
            answer(self, server.content)
        except ConnectionError:  # the client closed the connection
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
    """Answer as a server does that can resume."""
    requested = request.headers.get("Range")
    start = int(requested.removeprefix("bytes=").removesuffix("-")) if requested else 0
    if requested and start >= len(content):
        return request.head(416, 0, Content_Range=f"bytes */{len(content)}")
    fields = {"Content_Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if requested else {}
    request.head(206 if requested else 200, len(content) - start, **fields)
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
    """Send half of the file, then close the connection."""
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


def copy(path, output, network, features_only, overwrite, say):
    """Replace `convert`: write a weights file without arrays, with the digest of its source."""
    digest = sha256(Path(path).read_bytes()).hexdigest()
    with replacing(output, overwrite) as temporary:
        write_arrays(temporary, [], Header(network, network, TORCHVISION, source_sha256=digest))


def publish(monkeypatch, url, content=CONTENT, size=True, digits=64):
    published = Published("squeezenet1_1", url, len(content) if size else None, sha256(content).hexdigest()[:digits],
                          "squeezenet1_1")
    monkeypatch.setitem(PUBLISHED, "squeezenet1_1", published)


def stalling(server):
    """Return an answer that sends half of the file and then keeps the connection open."""
    def answer(request, content):
        half(request, content)
        request.wfile.flush()
        server.released.wait(2)
    return answer


def files(cache):
    """List the files in the cache, without the folders."""
    return sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file())


def refused(cache, *arguments, left=(), **settings):
    """Return the line with which a fetch of squeezenet1_1 fails. Only the files `left` may be in the cache."""
    with pytest.raises(InputError) as problem:
        fetch("squeezenet1_1", *arguments, say=lambda line: None, **settings)
    line = str(problem.value)
    assert "\n" not in line and line.isprintable()
    assert files(cache) == sorted(left)
    return line


PART = "downloads/net.npz.part"


def arrived(cache):
    """Return True if the server's file has been converted and nothing else is in the cache."""
    assert [path.name for path in cache.iterdir()] == ["squeezenet1_1.h5"]
    return read_header(cache / "squeezenet1_1.h5").source_sha256 == sha256(CONTENT).hexdigest()


def weights_arrived(cache):
    """The same for the file of `weights_server`."""
    assert [path.name for path in cache.iterdir()] == ["squeezenet1_1.h5"]
    net = load_model("squeezenet1_1", device="cpu").net
    return all(np.array_equal(array, RIGHT[name]) for name, array in named_arrays(net).items())


def put_part(cache, content):
    (cache / "downloads").mkdir(parents=True)
    (cache / PART).write_bytes(content)
