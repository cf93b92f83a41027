"""A published file is downloaded, verified and converted; a failed fetch costs one line and can be resumed."""

import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from download_server import (
    CONTENT,
    PART,
    arrived,
    copy,
    files,
    half,
    publish,
    put_part,
    refused,
    status,
    weights_arrived,
    with_range,
)

from minicnn.errors import InputError
from weights_converter.__main__ import main as command_line
from weights_converter.fetching.fetch import fetch
from weights_converter.sources.published import PUBLISHED

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("size", [True, False], ids=["known-size", "unknown-size"])
def test_fetch_downloads_and_converts(weights_server, weights, cache, monkeypatch, capsys, size):
    server = weights_server
    publish(monkeypatch, f"{server.host}/models/net.npz", weights, size, digits=64 if size else 8)
    assert fetch("squeezenet1_1") == cache / "squeezenet1_1.h5"
    assert weights_arrived(cache)
    said, bar = capsys.readouterr()
    assert said.splitlines()[0] == f"downloading {server.host}/models/net.npz" + " (5.0 MB)" * size
    assert said.splitlines()[-1] == "load_model('squeezenet1_1') finds it"
    assert bar == ""  # no progress bar without a terminal
    assert server.asked == [("/models/net.npz", None)] and server.agent.startswith("minicnn/")


def test_a_progress_bar_in_bytes_on_a_terminal(server, cache, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    put_part(cache, CONTENT[:500_000])
    fetch("squeezenet1_1")
    assert "net.npz:  50%" in (bar := capsys.readouterr().err) and "500k/1.00M" in bar


def test_an_existing_file_is_fetched_again_only_with_overwrite(server, cache):
    fetch("squeezenet1_1")
    server.asked.clear()
    said = []
    assert fetch("squeezenet1_1", say=said.append) == cache / "squeezenet1_1.h5"
    assert len(said) == 1 and "already exists" in said[0] and "--overwrite" in said[0]
    assert server.asked == []
    fetch("squeezenet1_1", overwrite=True)
    assert arrived(cache) and len(server.asked) == 1


def test_a_file_made_from_another_source_is_neither_used_nor_replaced(server, cache, tmp_path, monkeypatch):
    (tmp_path / "other").write_bytes(b"another source")
    cache.mkdir(parents=True)
    output = cache / "squeezenet1_1.h5"
    copy(tmp_path / "other", output, "squeezenet1_1", False, False, print)
    before = output.read_bytes()
    for digits in (64, 8):
        publish(monkeypatch, f"{server.host}/models/net.npz", digits=digits)
        line = refused(cache, left=["squeezenet1_1.h5"])
        assert line == f"{output} was not made from the published net.npz; --overwrite replaces it"
    assert server.asked == [] and output.read_bytes() == before
    fetch("squeezenet1_1", overwrite=True)
    assert arrived(cache)


def test_an_existing_file_that_is_no_weights_file(server, cache):
    cache.mkdir(parents=True)
    (cache / "squeezenet1_1.h5").write_bytes(b"old")
    line = refused(cache, left=["squeezenet1_1.h5"])
    assert "squeezenet1_1.h5 is a text, not a weights file of this library" in line
    assert line.endswith("; --overwrite replaces it")
    assert server.asked == []


def test_no_home_folder(server, monkeypatch):
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


@pytest.mark.parametrize("source", [None, "file"])
def test_a_cache_folder_that_cannot_be_made(server, tmp_path, monkeypatch, source):
    (tmp_path / "file").write_bytes(CONTENT)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    line = refused(tmp_path, source and str(tmp_path / source), left=["file"])
    assert line.startswith(str(tmp_path / "file" / "minicnn")) and server.asked == []


def test_from_a_local_file_which_stays(weights_server, weights, cache, tmp_path):
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
def test_from_an_invalid_address(cache, url):
    assert "not an address that can be fetched" in refused(cache, url)


def test_an_unknown_name_suggests():
    with pytest.raises(InputError, match="no network 'squeezenet1.1'; did you mean squeezenet1_1"):
        fetch("squeezenet1.1")
    with pytest.raises(InputError, match="did you mean vgg16"):
        fetch("vgg_16")


@contextmanager
def started(cache, *arguments):
    """Start a process that runs the command with this process's PUBLISHED."""
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
def test_interrupted_and_started_again(weights_server, cache):
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
def test_an_empty_name_is_refused(cache, server, capsys, arguments):
    with pytest.raises(SystemExit) as end:
        command_line(["fetch", *arguments])
    problems = capsys.readouterr().err
    assert end.value.code == 2 and problems.count("\n") == 1 and "expected a name, not ''" in problems
    assert server.asked == []


def test_a_wrong_name(cache, server):
    with started(cache, "squeezenet1.1") as process:
        said, problems = process.communicate(timeout=10)
    assert (process.returncode, said, problems.count("\n")) == (2, "", 1)
    assert "did you mean squeezenet1_1" in problems
