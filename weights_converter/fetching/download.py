"""Download one file: resume a broken download, and verify its digest before the file gets its name."""

import os
import re
import shutil
import time
from collections.abc import Callable
from http.client import HTTPResponse
from pathlib import Path

from tqdm.auto import tqdm

from minicnn.errors import InputError

from ..digests import file_digest
from ..formats.stored import SIZE_LIMIT
from .web import FROM_FILE_HINT, ConnectionLost, host_of, open_at, read_block

ATTEMPTS = 3  # connections that may break before the download is given up
PAUSE = 1  # seconds before the next attempt


def download(url: str, path: Path, size: int | None, digest: str, say: Callable[[str], object] = print) -> None:
    """Download `url` to `path`.

    The file is written to `path`.part and gets its name when it is complete and its digest is right. After an
    interruption the part stays, and the next call resumes the download.

    Parameters
    ----------
    url : an http or https address.
    path : in an existing folder.
    size : in bytes, or None if it is unknown.
    digest : of the file, hexadecimal: the first digits of its sha256, or all 64, or "md5:" and its md5.
    say : function that takes a line at the start of the download.

    Raises InputError, in one line, if the download fails or the file is not the right one.
    """
    host = host_of(url)
    part = path.with_name(path.name + ".part")
    try:
        if not _is_complete(part, size, digest):
            total = f" ({size / 1e6:.1f} MB)" if size else ""
            done = f", resumed at {_size(part) / 1e6:.1f} MB" if _size(part) else ""
            say(f"downloading {url}{total}{done}")
            _receive_with_retries(url, host, part, size)
            require_digest(part, digest, name=f"the file from {host}", remove=True)
        os.replace(part, path)
    except OSError as problem:  # of the local disk; web.py turns the network's into InputError or ConnectionLost
        raise InputError(f"{part}: cannot be written ({problem.strerror or problem})") from None
    finally:
        if part.is_file() and _size(part) == 0:
            part.unlink()


def require_digest(path: Path, digest: str, name: str, remove: bool = False) -> None:
    """Raise InputError if the file has another digest, which is written as in `download`.

    name : of the file, for the message. remove : remove the file in that case.
    """
    found, expected, algorithm = _digests(path, digest)
    if found == expected:
        return
    if remove:
        path.unlink()
    raise InputError(f"{name} is not the published one, or damaged: its {algorithm} is {found}"
                     f"{'…' if algorithm == 'sha256' and len(expected) < 64 else ''}, not {expected}"
                     f"{'; it was removed' if remove else ''}")


def is_downloaded(path: Path, digest: str) -> bool:
    """Return True if an earlier fetch has downloaded the file and was interrupted after that. Removes a wrong file."""
    if not path.exists():
        return False
    try:
        require_digest(path, digest, name=str(path), remove=True)
    except InputError:  # the file has been removed and will be downloaded again
        return False
    return True


def require_published(path: Path, file_name: str, size: int | None, digest: str) -> None:
    """Raise InputError if a local file is not the published one: another size, or another digest.

    file_name : at the publisher, for the message. size, digest : as in `download`.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist" if not path.exists() else f"{path} is not an ordinary file")
    found = path.stat().st_size
    if size not in (None, found):
        raise InputError(f"{path} is not the published {file_name}: it has {found:,} bytes, not {size:,}")
    require_digest(path, digest, name=str(path))


def _digests(path: Path, digest: str) -> tuple[str, str, str]:
    """Return (the file's digest, the expected one, its algorithm). Both have as many digits as are known."""
    algorithm, _, expected = digest.rpartition(":")
    algorithm = algorithm or "sha256"
    return file_digest(path, algorithm)[:len(expected)], expected, algorithm


def _receive_with_retries(url: str, host: str, part: Path, size: int | None) -> None:
    """Download into the file `part`. If the connection breaks, resume; give up after ATTEMPTS connections."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE)
        try:
            _receive(url, host, part, size)
            return
        except ConnectionLost as problem:
            reason = problem
    raise InputError(f"the connection to {host} broke off {ATTEMPTS} times, the last time after {_size(part):,} bytes "
                     f"({reason}); the same command resumes the download")


def _receive(url: str, host: str, part: Path, size: int | None) -> None:
    """Request the rest of the file once and append it to `part`. Raises ConnectionLost if bytes are missing."""
    limit = size or SIZE_LIMIT
    offset = _size(part) if _size(part) < limit else 0  # a complete part that is still there has a wrong digest
    response, position = open_at(url, host, offset)
    with response:
        total = _announced_size(response, position)
        block = read_block(response, host, is_first=True)
        if _is_web_page(response, block, position):
            raise InputError(f"{host}: the server sent a web page, not the file (a proxy's or a login page?); "
                             f"{FROM_FILE_HINT}")
        if total is not None and (total > limit or size not in (None, total)):
            raise InputError(f"{host} has a file of {total:,} bytes, not {'at most ' * (not size)}{limit:,}; "
                             f"{FROM_FILE_HINT}")
        _require_space(part.parent, 2 * (total or size or 0) - position)
        with (open(part, "ab" if position else "wb") as file,
              tqdm(total=total or size, initial=position, desc=part.stem, unit="B", unit_scale=True, leave=False,
                   disable=None) as bar):
            while block and position + len(block) <= limit:
                file.write(block)
                position += len(block)
                bar.update(len(block))
                block = read_block(response, host)
    if block:
        part.unlink()
        raise InputError(f"{host} sent more than the {limit:,} bytes that the file has at most; {FROM_FILE_HINT}")
    if position < (total or size or 0):
        raise ConnectionLost(f"{total or size:,} were expected")


def _announced_size(response: HTTPResponse, position: int) -> int | None:
    """Return the size of the whole file that the server's headers announce, or None."""
    whole = re.search(r"/(\d+)$", response.headers.get("Content-Range", "")) if response.status == 206 else None
    length = response.headers.get("Content-Length", "")
    if whole:
        return int(whole[1])
    return position + int(length) if re.fullmatch("[0-9]+", length) else None


def _is_web_page(response: HTTPResponse, block: bytes, position: int) -> bool:
    """Return True if the answer is HTML, by its first bytes or its type."""
    begins_as_html = position == 0 and block.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    return begins_as_html or response.headers.get_content_type() in ("text/html", "application/xhtml+xml")


def _require_space(folder: Path, needed: int) -> None:
    """Raise InputError if the disk of the folder has fewer than `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(f"{folder}: {needed / 1e6:,.0f} MB are needed for the download and the converted file, but "
                         f"only {free / 1e6:,.0f} MB are free; free some, or set XDG_CACHE_HOME to another disk")


def _is_complete(part: Path, size: int | None, digest: str) -> bool:
    """Return True if the part is the whole file: the last fetch was interrupted before it gave the file its name."""
    if _size(part) == 0 or size not in (None, _size(part)):
        return False
    found, expected, _ = _digests(part, digest)
    return found == expected


def _size(path: Path) -> int:
    """Return the size of a file in bytes; 0 if it does not exist."""
    return path.stat().st_size if path.exists() else 0
