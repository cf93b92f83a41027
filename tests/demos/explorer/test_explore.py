"""The command minicnn explore: its first line, its signals, and its one-line refusals."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from demo_runs import exit_code

from demos import explore
from demos.explorer import server as server_module

ROOT = Path(__file__).parents[3]
QUIET = ("--no-browser", "--device", "cpu", "--model", "shapes")


def start(*words):
    """Start the explorer in a process of its own. Return it, and its port."""
    process = subprocess.Popen([sys.executable, "-m", "demos.explore", *QUIET, "--port", "0", *words], cwd=ROOT,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = process.stdout.readline()
    assert first.startswith("http://127.0.0.1:") and first.endswith("/\n"), process.stderr.read()
    return process, int(first.rpartition(":")[2].strip("/\n"))


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_server_and_work_at_once(number):
    process, port = start()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/api/synthesis?s=a&layer=relu3&channel=3&size=64&steps=1000")
    answer = connection.getresponse()
    assert answer.status == 200 and answer.readline().startswith(b"event: picture")  # it computes
    begun = time.monotonic()
    process.send_signal(number)
    assert process.wait(20) == 128 + number and time.monotonic() - begun < 10
    assert process.stderr.read() == "minicnn explore: interrupted; the explorer has ended\n"
    assert "Traceback" not in process.stdout.read()


def test_a_page_that_goes_away_ends_its_computation(explorer):
    """As the browser does when its tab is closed: the connection ends."""
    process, port = start()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/api/synthesis?s=a&layer=relu3&channel=3&size=64&steps=1000")
        assert connection.getresponse().readline().startswith(b"event: picture")
        connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()
        time.sleep(2)  # for a step
        other = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        other.request("POST", "/api/stop?s=a", headers={"content-length": "0"})
        assert json.loads(other.getresponse().read()) == {"stopped": False}  # it has ended by itself
    finally:
        process.kill()
        process.wait()


def test_a_port_in_use_is_one_line(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert exit_code(explore, *QUIET, "--port", port) == 2
    assert f"port {port} of 127.0.0.1 cannot be used" in one_line(capsys)


def test_an_answer_is_sent_at_once():
    """Without TCP_NODELAY an answer's body waits 40 ms for the receipt of its head. asyncio sets it by the protocol."""
    with server_module.listen("127.0.0.1", 0, 0) as server:
        assert server.proto == socket.IPPROTO_TCP


def test_without_a_named_port_the_next_free_one_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with server_module.listen("127.0.0.1", None, taken.getsockname()[1]) as server:
            assert server.getsockname()[1] != taken.getsockname()[1]
            assert server_module.address_of(server) == f"http://127.0.0.1:{server.getsockname()[1]}/"


@pytest.mark.parametrize(("words", "message"), [
    (["no.png"], "no.png"), ([__file__], "not an image"), (["--photos", "/nowhere"], "no such folder"),
    (["--model", "vgg16"], "no weights for 'vgg16'"), (["--model", "nothing"], "no model 'nothing'"),
    (["--port", "70000"], "expected a port"), (["--port", "²"], "expected a port"),
    (["--host", "no.such.host.example"], "no address of this machine"), (["--photo", ""], "is empty")])
def test_what_is_wrong_is_one_line(words, message, capsys, empty_cache):
    assert exit_code(explore, *QUIET, *words) == 2
    assert message in one_line(capsys)


def test_without_the_extra_a_sentence_says_how_to_get_it(capsys, monkeypatch):
    monkeypatch.setattr(explore, "find_spec", lambda name: None)
    assert exit_code(explore) == 2
    assert "pip install starlette uvicorn" in one_line(capsys)


def test_a_server_for_others_warns_and_a_missing_browser_is_told(capsys, monkeypatch, cache):
    monkeypatch.setattr(server_module, "serve", lambda explorer, server, host, ready: (server.close(), ready()))
    monkeypatch.setattr(server_module, "open_browser", lambda address: False)
    monkeypatch.setattr(explore.threading, "Thread", Now)
    words = ["--host", "0.0.0.0", "--port", "0", "--model", "shapes", "--device", "cpu"]
    assert exit_code(explore, *words) == 0
    printed, problems = capsys.readouterr()
    assert printed.splitlines()[0].startswith("http://127.0.0.1:")
    warning, browser = problems.splitlines()
    assert "no password" in warning and "no browser was found" in browser


class Now:
    """In place of a Thread: its function is called at once."""

    def __init__(self, target, **_):
        self.start = target if target.__name__ == "work" else int


def one_line(capsys):
    """The one line on the error stream."""
    printed, problems = capsys.readouterr()
    assert problems.count("\n") == 1 and problems.startswith("minicnn explore: ") and "http://" not in printed
    return problems
