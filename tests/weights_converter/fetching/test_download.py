"""A broken download is resumed, and a wrong file is noticed and removed."""

import errno
import shutil
from hashlib import sha256
from types import SimpleNamespace

import pytest
from download_server import (
    CONTENT,
    FROM_FILE_HINT,
    PART,
    another_range,
    arrived,
    body,
    files,
    half,
    half_of_the_rest,
    half_without_length,
    nothing,
    publish,
    put_part,
    refused,
    status,
    with_range,
    without_length,
    without_range,
)

from minicnn.errors import InputError
from weights_converter.fetching import download
from weights_converter.fetching import fetch as fetch_module
from weights_converter.fetching.fetch import fetch


def test_a_broken_connection_is_resumed(server, cache):
    server.answers = [half, half_of_the_rest, with_range]
    fetch("squeezenet1_1")
    first = len(CONTENT) // 2
    assert arrived(cache)
    assert [wanted for _, wanted in server.asked] == [
        None, f"bytes={first}-", f"bytes={(first + len(CONTENT)) // 2}-"]


@pytest.mark.parametrize("answer", [half, half_without_length])
def test_a_connection_that_breaks_again_and_again(server, cache, answer):
    server.answers = [answer]
    line = refused(cache, left=[PART])
    assert f"broke off 3 times, the last time after {len(CONTENT) // 2:,} bytes " in line
    assert f"({len(CONTENT):,} were expected)" in line
    assert "the same command resumes the download" in line and len(server.asked) == 3
    server.answers = [with_range]
    fetch("squeezenet1_1")
    assert arrived(cache) and server.asked[-1][1] == f"bytes={len(CONTENT) // 2}-"


def test_a_connection_that_breaks_before_the_first_byte(server, cache):
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
    assert said[0].endswith(f"(1.0 MB), resumed at {done / 1e6:.1f} MB")
    assert arrived(cache) and server.asked[-1][1] == f"bytes={done}-"


@pytest.mark.parametrize("answers", [[without_range], [status(416), without_range], [another_range, without_range]],
                         ids=["no-range", "416", "another-range"])
def test_a_server_that_cannot_resume(server, cache, answers):
    put_part(cache, CONTENT[:1000])
    server.answers = answers
    fetch("squeezenet1_1")
    assert arrived(cache) and server.asked[0][1] == "bytes=1000-"


def test_a_part_larger_than_the_file_is_discarded(server, cache):
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
def test_a_download_survives_a_failed_conversion(server, cache, monkeypatch, problem):
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
    assert line == ("127.0.0.1: the server sent a web page, not the file (a proxy's or a login page?); "
                    + FROM_FILE_HINT)
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
    assert refused(cache) == (f"127.0.0.1 has a file of {len(CONTENT) + 4:,} bytes, not {len(CONTENT):,}; "
                              f"{FROM_FILE_HINT}")
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


def test_too_little_free_space(server, cache, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=2 * len(CONTENT) - 1))
    line = refused(cache)
    assert "2 MB are needed" in line and "only 2 MB are free" in line
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=2 * len(CONTENT)))
    fetch("squeezenet1_1")


def test_a_disk_that_fills_up(server, cache, monkeypatch):
    class Full(download.tqdm):
        def update(self, n=1):
            raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(download, "tqdm", Full)
    assert "net.npz.part: cannot be written (No space left on device)" in refused(cache, left=[PART])
