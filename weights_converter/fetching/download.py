"""One file from the web: resumed where it broke off, and checked before it gets its name."""

import os
import re
import shutil
import time

from tqdm import tqdm

from minicnn.errors import InputError
from weights_converter.digests import file_sha256
from weights_converter.fetching.web import INSTEAD, BrokenOff, host_of, open_at, read_block
from weights_converter.formats.stored import SIZE_LIMIT

ATTEMPTS = 3  # how often the connection may break off in mid-file before we give up
PAUSE = 1  # seconds before the next attempt


def download(url, path, size, sha256, say=print):
    """Get the file at `url`, an http or https address, into `path`, whose folder exists.

    Until it is complete and its sha256 begins with the one given it is called `path`.part; an interruption
    leaves that, and the next call goes on from there. size : in bytes, or None. `say` gets a line before it
    begins. Raises InputError, in one line, for whatever goes wrong.
    """
    host = host_of(url)
    part = path.with_name(path.name + ".part")
    try:
        if not _is_complete(part, size, sha256):
            of = f" ({size / 1e6:.1f} MB)" if size else ""
            done = f", from {_size(part) / 1e6:.1f} MB on" if _size(part) else ""
            say(f"downloading {url}{of}{done}")
            _receive_patiently(url, host, part, size)
            check_sha256(part, sha256, of=f"the file from {host}", remove=True)
        os.replace(part, path)
    except OSError as problem:  # of this disk: web.py has dealt with the network's
        raise InputError(f"{part}: cannot be written ({problem.strerror or problem})") from None
    finally:
        if part.is_file() and _size(part) == 0:
            part.unlink()


def check_sha256(path, expected, of, remove=False):
    """Raise InputError where the file's sha256 does not begin with `expected`; `remove` it then.

    of : what the message calls the file.
    """
    found = file_sha256(path)
    if found.startswith(expected):
        return
    if remove:
        path.unlink()
    raise InputError(f"{of} is not the published one, or damaged: its sha256 is {found[:len(expected)]}"
                     f"{'…' if len(expected) < 64 else ''}, not {expected}{'; it was removed' if remove else ''}")


def _receive_patiently(url, host, part, size):
    """Fill the file `part`; where the connection breaks off, ask for the rest."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE)
        try:
            _receive(url, host, part, size)
            return
        except BrokenOff as problem:
            reason = problem
    raise InputError(f"the connection to {host} broke off {ATTEMPTS} times, the last time after {_size(part):,} bytes "
                     f"({reason}); the same command again goes on from there")


def _receive(url, host, part, size):
    """Ask once, for the rest where there is a `part`, and write what comes; BrokenOff where more should come."""
    limit = size or SIZE_LIMIT
    offset = _size(part) if _size(part) < limit else 0  # a whole one that is still here was not the right one
    response, position = open_at(url, host, offset)
    with response:
        total = _announced_size(response, position)
        block = read_block(response, host, before_any=True)
        if _is_web_page(response, block, position):
            raise InputError(f"{host}: the server sent a web page, not the file (a proxy's or a login page?); "
                             f"{INSTEAD}")
        if total is not None and (total > limit or size not in (None, total)):
            raise InputError(f"{host} has a file of {total:,} bytes, not {'at most ' * (not size)}{limit:,}; {INSTEAD}")
        _check_space(part.parent, 2 * (total or size or 0) - position)
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
        raise InputError(f"{host} sent more than the {limit:,} bytes that the file has at most; {INSTEAD}")
    if position < (total or size or 0):
        raise BrokenOff(f"{total or size:,} were expected")


def _announced_size(response, position):
    """The size of the whole file by what the server says before it sends it, or None."""
    whole = re.search(r"/(\d+)$", response.headers.get("Content-Range", "")) if response.status == 206 else None
    length = response.headers.get("Content-Length", "")
    if whole:
        return int(whole[1])
    return position + int(length) if re.fullmatch("[0-9]+", length) else None


def _is_web_page(response, block, position):
    begins_as_one = position == 0 and block.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    return begins_as_one or response.headers.get_content_type() in ("text/html", "application/xhtml+xml")


def _check_space(folder, needed):
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(f"{folder}: {needed / 1e6:,.0f} MB are needed, for the file and for what it is converted to, "
                         f"but only {free / 1e6:,.0f} MB are free")


def _is_complete(part, size, sha256):
    """True where only the name is missing: the last fetch ended at the very end."""
    return _size(part) > 0 and size in (None, _size(part)) and file_sha256(part).startswith(sha256)


def _size(path):
    return path.stat().st_size if path.exists() else 0
