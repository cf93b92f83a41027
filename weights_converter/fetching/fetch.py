"""Published weights, fetched and converted in one step: python -m weights_converter fetch NAME."""

import os
from contextlib import contextmanager, suppress
from pathlib import Path

from minicnn.errors import InputError, unknown_name
from minicnn.files import check_target
from minicnn.models import cache_folder
from minicnn.models.weights import read_header
from weights_converter.convert import convert
from weights_converter.fetching.download import check_sha256, download
from weights_converter.sources.published import PUBLISHED

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def fetch(name, source=None, overwrite=False, say=print):
    """Get the published weights `name`, convert them into the cache folder, and return the path there.

    source : a file here, which is read where it lies, or the http or https address of a mirror; either must
    hold the published bytes. What is there already stays, and nothing is fetched, unless `overwrite`.
    `say` gets the lines to print. Raises InputError, in one line, for whatever goes wrong, also where what is
    there was made of another file than the published one.
    """
    if name not in PUBLISHED:
        raise unknown_name("network", name, PUBLISHED)
    published = PUBLISHED[name]
    output = cache_folder() / f"{name}.h5"
    try:
        if not _is_there(output, published, overwrite, say):
            output.parent.mkdir(parents=True, exist_ok=True)
            if source is None or "://" in str(source):
                _fetch_from_web(published, source or published.url, output, overwrite, say)
            else:
                _check_file(Path(source), published)
                _convert(source, published, output, overwrite, say)
    except OSError as problem:
        raise InputError(f"{problem.filename or output}: {problem.strerror or problem}") from None
    return output


def _is_there(output, published, overwrite, say):
    if overwrite or not output.exists():
        return False
    try:
        source_sha256 = read_header(output).source_sha256
    except InputError as problem:
        raise InputError(f"{problem}; --overwrite replaces it") from None
    if not source_sha256.startswith(published.sha256):
        raise InputError(f"{output} was made of another file than the published {published.file_name}; --overwrite "
                         "replaces it")
    say(f"{output} is there already: load_model({output.stem!r}) finds it (--overwrite fetches it again)")
    return True


def _fetch_from_web(published, url, output, overwrite, say):
    """Download and convert; what was downloaded is removed when that has succeeded, and only then."""
    path = output.parent / "downloads" / published.file_name
    with locked(path, published.name):
        if _is_there(output, published, overwrite, say):  # another fetch ended just now
            return
        check_target(output, overwrite)  # before a long download
        if not _finished_earlier(path, published):
            download(url, path, published.size, published.sha256, say)
        _convert(path, published, output, overwrite, say)
        path.unlink()


def _finished_earlier(path, published):
    """True where the whole file is there, from a fetch that ended before it was converted."""
    if not path.exists():
        return False
    try:
        check_sha256(path, published.sha256, of=path, remove=True)
    except InputError:  # it is gone now, and will be downloaded again
        return False
    return True


def _check_file(path, published):
    """Raise InputError where the file is not the published one."""
    if not path.is_file():
        raise InputError(f"{path} does not exist" if not path.exists() else f"{path} is not an ordinary file")
    size = path.stat().st_size
    if published.size not in (None, size):
        raise InputError(f"{path} is not the published {published.file_name}: it has {size:,} bytes, not "
                         f"{published.size:,}")
    check_sha256(path, published.sha256, of=path)


def _convert(path, published, output, overwrite, say):
    convert(path, output, published.network, published.features_only, overwrite, say)
    say(f"load_model({published.name!r}) finds it")


# ---- one fetch at a time -----------------------------------------------------------------------------------


@contextmanager
def locked(path, name):
    """Keep other fetches away from `path` while the block lasts, by a lock file beside it; its folder is made.

    Raises InputError, calling the file `name`, where another fetch is at it.
    """
    lock = path.with_name(path.name + ".lock")
    handle = _take(lock, name)
    try:
        yield
    finally:
        if fcntl is None:  # Windows removes no open files
            os.close(handle)
        lock.unlink(missing_ok=True)
        if fcntl is not None:  # only now: whoever takes the lock next shall make a new file
            os.close(handle)
        with suppress(OSError):  # not empty: something to resume, or another fetch
            lock.parent.rmdir()


def _take(lock, name):
    """The open handle of the lock file, which this fetch alone holds from now on."""
    busy = f"another fetch of {name} is running; wait until it has ended"
    while True:
        with suppress(FileExistsError):  # exist_ok would ask whether it is a folder, when it may be gone again
            lock.parent.mkdir()
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | (os.O_EXCL if fcntl is None else 0), 0o666)
        except FileExistsError:
            raise InputError(f"{busy} (if there is none, remove {lock})") from None
        except FileNotFoundError:  # the fetch that ended just now has removed the folder
            continue
        if fcntl is None:
            return handle
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise InputError(busy) from None
        except OSError:  # a file system without locks: the digest tells where two fetches have met
            return handle
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), os.stat(lock)):
                return handle
        os.close(handle)  # of the fetch that ended just now, which has removed it
