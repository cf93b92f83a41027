"""Fixtures of the tests of fetching: no test connects to anything but 127.0.0.1."""

import errno
import os
import socket
import threading
from http.server import ThreadingHTTPServer
from io import BytesIO

import numpy as np
import pytest
from download_server import CONTENT, RIGHT, Request, copy, publish, with_range

from weights_converter.convert import convert
from weights_converter.fetching import download
from weights_converter.fetching import fetch as fetch_module
from weights_converter.sources import SOURCES


@pytest.fixture(scope="module")
def weights():
    """Bytes of a .npz weights file with random values under torchvision's names."""
    source = next(source for source in SOURCES if source.name == "squeezenet1_1" and source.publisher == "torchvision")
    buffer = BytesIO()
    np.savez(buffer, **{name: RIGHT[target.key] for name, target in source.names.items()})
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def this_machine_only(monkeypatch):
    """Make every connection fail except to 127.0.0.1; remove proxies and the pause between attempts."""
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


@pytest.fixture
def server(monkeypatch):
    """A web server on 127.0.0.1 with the published squeezenet1_1.

    Each request takes the next of `answers`; the last one stays.
    Its file is CONTENT; `copy` replaces the conversion.
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
    """The same server with a valid weights file and the real conversion."""
    server.content = weights
    publish(monkeypatch, f"{server.host}/models/net.npz", weights)
    monkeypatch.setattr(fetch_module, "convert", convert)
    return server
