"""A server that fails or refuses costs one line that names the reason."""

import os
import socket
import ssl
from types import SimpleNamespace

import pytest
from download_server import (
    CONTENT,
    FROM_FILE_HINT,
    PART,
    arrived,
    in_chunks,
    publish,
    put_part,
    refused,
    stalling,
    status,
    with_range,
    without_length,
)

from weights_converter.fetching import web
from weights_converter.fetching.fetch import fetch
from weights_converter.sources.published import PUBLISHED


@pytest.mark.parametrize("answer", [without_length, in_chunks])
def test_a_server_that_does_not_announce_the_size(server, cache, answer):
    server.answers = [answer]
    fetch("squeezenet1_1")
    assert arrived(cache)


@pytest.mark.parametrize("code", [301, 302, 303, 307])
def test_redirects_are_followed(server, code):
    server.answers = [status(code, Location="/elsewhere/a%20b?c=../../d"), with_range]
    fetch("squeezenet1_1")
    assert [path for path, _ in server.asked] == ["/models/net.npz", "/elsewhere/a%20b?c=../../d"]


def test_the_file_name_comes_from_the_list_not_from_the_server(server, cache, tmp_path):
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


@pytest.mark.parametrize("answer", ["half", "nothing"])
def test_a_server_that_stops_sending(server, cache, monkeypatch, answer):
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
        assert refused(cache) == f"no connection to 127.0.0.1 (no answer in time): {FROM_FILE_HINT}"
        assert len(server.asked) == 1


def test_a_server_that_never_answers(cache, monkeypatch):
    monkeypatch.setattr(web, "READ_TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # nobody accepts the connections
        publish(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}/net.npz")
        assert refused(cache) == f"no connection to 127.0.0.1 (no answer in time): {FROM_FILE_HINT}"


@pytest.mark.parametrize("code, words", [
    (403, "403 (Forbidden)"), (404, "404 (Not Found)"), (407, "407 (Proxy Authentication Required)"),
    (416, "416 ("), (429, "429 (Too Many Requests)"), (599, "599 (unknown status)"), (204, "204 (No Content)"),
    (500, "500 (Internal Server Error) instead of sending the file; try again later, or give the file")])
def test_a_server_that_refuses(server, cache, code, words):
    put_part(cache, CONTENT[:1000])
    server.answers = [status(code)]
    line = refused(cache, left=[PART])
    assert line.startswith("127.0.0.1 answered " + words)
    assert line.endswith("give the file from another place with --from FILE|URL")


@pytest.mark.parametrize("location", [
    "file:///etc/passwd", "ftp://127.0.0.1/net.npz", "data:,x", "javascript:x", "/models/net.npz",
    "FILE:///etc/passwd"])
def test_redirects_to_other_schemes_or_in_a_circle(server, cache, location):
    server.answers = [status(302, Location=location)]
    assert refused(cache).startswith("127.0.0.1 sends a redirect that is not followed: in a circle, ")


@pytest.mark.parametrize("location", ["http://[", "http://127.0.0.1:port/", "http://", ""])
def test_redirects_to_invalid_addresses(server, cache, location):
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
def test_a_server_that_does_not_speak_http(server, cache, lines):
    server.answers = [lambda request, content: request.wfile.write(lines)]
    line = refused(cache)
    assert line.startswith("no connection to 127.0.0.1 (") and "SSH" not in line


def test_https_request_to_an_http_server(server, cache, monkeypatch):
    publish(monkeypatch, PUBLISHED["squeezenet1_1"].url.replace("http:", "https:"))
    assert "no connection to 127.0.0.1 ([SSL: " in refused(cache)


def test_a_port_that_nobody_listens_on(cache, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    publish(monkeypatch, f"http://127.0.0.1:{port}/net.npz")
    line = refused(cache)
    assert line.startswith("no connection to 127.0.0.1 (") and "refused" in line and line.endswith(FROM_FILE_HINT)


def test_no_network(cache, monkeypatch):
    publish(monkeypatch, "https://download.example/net.npz")
    assert refused(cache) == f"no connection to download.example (Name or service not known): {FROM_FILE_HINT}"


def test_a_proxy_that_refuses(server, cache, monkeypatch):
    publish(monkeypatch, "https://download.example/net.npz")
    monkeypatch.setenv("https_proxy", server.host)  # the server does not support CONNECT
    assert "no connection to download.example (Tunnel connection failed: 501 " in refused(cache)
