"""Download and convert published weights in one step: minicnn fetch NAME."""

import os
from collections.abc import Callable
from pathlib import Path

from minicnn.errors import InputError, unknown_name
from minicnn.files import require_target
from minicnn.models import cache_folder
from minicnn.models.weights import read_header

from ..convert import convert
from ..sources.published import PUBLISHED, Published
from .download import download, require_sha256
from .lock import locked

Say = Callable[[str], object]


def fetch(name: str, source: str | os.PathLike[str] | None = None, overwrite: bool = False, say: Say = print) -> Path:
    """Download the published weights `name`, convert them into the cache folder, and return the path there.

    Parameters
    ----------
    name : a key of PUBLISHED.
    source : take the file from another place: a path, or the http or https address of a mirror. It must have
        the sha256 of the published file. By default the file is downloaded from its publisher.
    overwrite : fetch again if the converted file exists; by default that file stays and nothing is fetched.
    say : function that takes each line of the report.

    Raises InputError, in one line, if the file cannot be fetched or converted, or if the existing converted file was
    made from another source file.
    """
    if name not in PUBLISHED:
        raise unknown_name("network", name, PUBLISHED)
    published = PUBLISHED[name]
    output = cache_folder() / f"{name}.h5"
    try:
        if not _is_converted(output, published, overwrite, say):
            output.parent.mkdir(parents=True, exist_ok=True)
            if source is None or "://" in str(source):
                _fetch_from_web(published, str(source or published.url), output, overwrite, say)
            else:
                _require_published(Path(source), published)
                _convert(Path(source), published, output, overwrite, say)
    except OSError as problem:
        raise InputError(f"{problem.filename or output}: {problem.strerror or problem}") from None
    return output


def _is_converted(output: Path, published: Published, overwrite: bool, say: Say) -> bool:
    """Return True if the converted file exists and is to be kept. Raises InputError if it has another source."""
    if overwrite or not output.exists():
        return False
    try:
        source_sha256 = read_header(output).source_sha256
    except InputError as problem:
        raise InputError(f"{problem}; --overwrite replaces it") from None
    if not source_sha256.startswith(published.sha256):
        raise InputError(f"{output} was not made from the published {published.file_name}; --overwrite replaces it")
    say(f"{output} already exists: load_model({output.stem!r}) finds it (--overwrite fetches it again)")
    return True


def _fetch_from_web(published: Published, url: str, output: Path, overwrite: bool, say: Say) -> None:
    """Download and convert the file. The download is removed only after the conversion has succeeded."""
    path = output.parent / "downloads" / published.file_name
    with locked(path, published.name):
        if _is_converted(output, published, overwrite, say):  # by another process, while this one waited
            return
        require_target(output, overwrite)  # before a long download
        if not _is_downloaded(path, published):
            download(url, path, published.size, published.sha256, say)
        _convert(path, published, output, overwrite, say)
        path.unlink()


def _is_downloaded(path: Path, published: Published) -> bool:
    """Return True if an earlier fetch has downloaded the file but not converted it. Removes a wrong file."""
    if not path.exists():
        return False
    try:
        require_sha256(path, published.sha256, name=str(path), remove=True)
    except InputError:  # the file has been removed and will be downloaded again
        return False
    return True


def _require_published(path: Path, published: Published) -> None:
    """Raise InputError if the file is not the published one."""
    if not path.is_file():
        raise InputError(f"{path} does not exist" if not path.exists() else f"{path} is not an ordinary file")
    size = path.stat().st_size
    if published.size not in (None, size):
        raise InputError(f"{path} is not the published {published.file_name}: it has {size:,} bytes, not "
                         f"{published.size:,}")
    require_sha256(path, published.sha256, name=str(path))


def _convert(path: Path, published: Published, output: Path, overwrite: bool, say: Say) -> None:
    """Convert the file and report the name under which load_model finds it."""
    convert(path, output, published.network, published.features_only, overwrite, say)
    say(f"load_model({published.name!r}) finds it")
