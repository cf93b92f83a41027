"""A lock file that lets only one process download a file at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from minicnn.errors import InputError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextmanager
def locked(path: Path, name: str) -> Iterator[None]:
    """Hold a lock on `path` during the block: a lock file in its folder, which is made if necessary.

    name : of the network, for the message. Raises InputError if another process holds the lock.
    """
    lock = path.with_name(path.name + ".lock")
    handle = _acquire(lock, name)
    try:
        yield
    finally:
        if fcntl is None:  # Windows cannot remove an open file
            os.close(handle)
        lock.unlink(missing_ok=True)
        if fcntl is not None:  # closed last, so that the next process makes a new file instead of locking this one
            os.close(handle)
        with suppress(OSError):  # the folder is not empty: a partial download, or another fetch
            lock.parent.rmdir()


def _acquire(lock: Path, name: str) -> int:
    """Lock the lock file and return its open handle. Raises InputError if another process holds the lock."""
    busy = f"another fetch of {name} is running; wait until it has ended"
    while True:
        with suppress(FileExistsError):  # not exist_ok=True: it tests for a folder, which may just be removed
            lock.parent.mkdir()
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | (os.O_EXCL if fcntl is None else 0), 0o666)
        except FileExistsError:
            raise InputError(f"{busy} (if none is running, remove {lock})") from None
        except FileNotFoundError:  # a fetch that has just ended removed the folder
            continue
        if fcntl is None:
            return handle
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise InputError(busy) from None
        except OSError:  # a file system without locks; the sha256 shows if two fetches have mixed their files
            return handle
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), os.stat(lock)):
                return handle
        os.close(handle)  # this file was removed by a fetch that has just ended
