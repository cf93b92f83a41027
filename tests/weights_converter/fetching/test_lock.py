"""Only one process at a time fetches a file."""

import errno
import threading

import pytest
from download_server import arrived, half, put_part

from minicnn.errors import InputError
from weights_converter.fetching import lock as lock_module
from weights_converter.fetching.fetch import fetch
from weights_converter.fetching.lock import locked

needs_fcntl = pytest.mark.skipif(lock_module.fcntl is None, reason="no fcntl here")


@pytest.mark.parametrize("have_fcntl", [True, False])
def test_the_second_fetch_of_a_file_is_refused(server, cache, monkeypatch, have_fcntl):
    if not have_fcntl:
        monkeypatch.setattr(lock_module, "fcntl", None)
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


def test_simultaneous_fetches_convert_once(server, cache):
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
def test_an_abandoned_lock_file(server, cache):
    put_part(cache, b"")
    (cache / "downloads/net.npz.lock").touch()  # left by a process that was killed
    fetch("squeezenet1_1")
    assert arrived(cache)


@needs_fcntl
def test_a_removed_lock_file_is_not_used(cache, monkeypatch):
    """Another fetch removes its lock file between this process's opening and locking it."""
    cache.mkdir(parents=True)
    path = cache / "downloads" / "net.npz"
    flock, taken = lock_module.fcntl.flock, []

    def flock_late(handle, how):
        if not taken:
            path.with_name("net.npz.lock").unlink()
        taken.append(handle)
        flock(handle, how)
    monkeypatch.setattr(lock_module.fcntl, "flock", flock_late)
    with locked(path, "net"):
        assert len(taken) == 2 and path.with_name("net.npz.lock").exists()
    assert not path.parent.exists()


@needs_fcntl
def test_a_file_system_without_locks(server, cache, monkeypatch):
    def unsupported(handle, how):
        raise OSError(errno.ENOLCK, "No locks available")
    monkeypatch.setattr(lock_module.fcntl, "flock", unsupported)
    fetch("squeezenet1_1")
    assert arrived(cache)
