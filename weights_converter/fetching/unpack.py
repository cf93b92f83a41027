"""Unpack an archive of photos: only pictures, only into one folder, and never more than a set of photos has."""

import gzip
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from tqdm.auto import tqdm

from minicnn.errors import InputError, one_line

from ..sources.photo_sets import PhotoSet

SUFFIXES = (".jpg", ".jpeg", ".png")
MOST_FILES = 50_000
LARGEST_FILE = 2**24   # bytes; the largest photo of both sets has less than 1 MB
LARGEST_TOTAL = 2**30  # bytes of the unpacked archive; both sets have less than 160 MB
LARGEST_HEADER = 2**18  # bytes of the record that holds a long file name
BLOCK = 2**20
NAME = re.compile(r"[A-Za-z0-9_+-]([A-Za-z0-9_ .+-]*[A-Za-z0-9_+-])?")  # such a name is safe on every file system
HEADERS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME)
PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE)
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile, NotImplementedError,
           RuntimeError, ValueError, OverflowError)


class PlainMember(tarfile.TarInfo):
    """A member of a tar archive. Links, devices and oversized records are refused before they are read."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> "PlainMember":
        """Return the member that a header of 512 bytes describes; tarfile calls this."""
        member = super().frombuf(buf, encoding, errors)
        if member.type in HEADERS and not 0 <= member.size <= LARGEST_HEADER:
            raise InputError(f"it holds a record of {member.size:,} bytes for a file name")
        if member.type not in HEADERS + PLAIN:
            raise InputError(f"{one_line(member.name, 100)!r} in it is a link, a device or another special file")
        return member


class Bounded:
    """A stream that gives at most LARGEST_TOTAL bytes. It raises InputError if there are more."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.left = stream, LARGEST_TOTAL

    def read(self, size: int) -> bytes:
        """Return at most `size` further bytes."""
        block = self.stream.read(size)
        self.left -= len(block)
        if self.left < 0:
            raise InputError(f"unpacked, it has more than {LARGEST_TOTAL:,} bytes")
        return block


def unpack_photos(path: Path, photo_set: PhotoSet, folder: Path) -> int:
    """Unpack the photos of an archive into an empty folder, a sub-folder for each class, and return their number.

    Of a set with parts, the part is the beginning of a photo's name: train-n01440764_10026.JPEG.
    Raises InputError, in one line, if the archive is damaged, or if it is not laid out as `photo_set` says. Raises it
    also for a link, a name that leads out of the folder or is odd, and more or larger files than sets of photos have.
    """
    count = 0
    try:
        with ExitStack() as files, tqdm(desc=f"unpacking {photo_set.name}", unit="photo", leave=False, delay=0.5,
                                        disable=None) as bar:
            for number, (member, content) in enumerate(_members(path, photo_set, files)):
                if number >= MOST_FILES:
                    raise InputError(f"it holds more than {MOST_FILES:,} files")
                target = _target(member.name, photo_set)
                if target is None or not member.isreg():
                    continue
                if not 0 <= member.size <= LARGEST_FILE:
                    raise InputError(f"{one_line(member.name, 100)!r} in it has {member.size:,} bytes")
                _write(content, member.size, folder.joinpath(*target))
                count += 1
                bar.update()
    except InputError as problem:
        raise InputError(f"{one_line(path, 300)} is refused: {problem}") from None
    except FileExistsError as problem:
        twice = one_line(Path(problem.filename).name, 100)
        raise InputError(f"{one_line(path, 300)} is refused: it holds {twice!r} twice") from None
    except DAMAGED as problem:
        reason = one_line(str(problem) or type(problem).__name__, 100)
        raise InputError(f"{one_line(path, 300)} is damaged: {reason}") from None
    if not count:
        raise InputError(f"{one_line(path, 300)} holds no photos in {photo_set.root}")
    return count


def _members(path: Path, photo_set: PhotoSet, files: ExitStack) -> Iterator[tuple[PlainMember, IO[bytes]]]:
    """Yield each member of the tar archive with its content. files : closes the streams."""
    stream: Any = files.enter_context(open(path, "rb"))
    if photo_set.inner:
        outer = files.enter_context(zipfile.ZipFile(stream))
        if photo_set.inner not in outer.namelist():
            raise InputError(f"it does not hold {photo_set.inner}")
        stream = files.enter_context(outer.open(photo_set.inner))
    packed: Any = Bounded(stream)
    unpacked: Any = files.enter_context(gzip.GzipFile(fileobj=packed, mode="rb"))
    bounded: Any = Bounded(unpacked)
    archive = files.enter_context(tarfile.open(fileobj=bounded, mode="r|", tarinfo=PlainMember))
    while (member := archive.next()) is not None:
        content = archive.extractfile(member) if member.isreg() else None
        yield member, content  # type: ignore[misc]  # tarfile declares TarInfo, and returns the class of `tarinfo`


def _target(name: str, photo_set: PhotoSet) -> tuple[str, str] | None:
    """Return (class, file name) of a member of the archive, or None for a hidden file and for one without a photo.

    Raises InputError if the name is absolute, leads upwards, or has other characters than letters, digits, blanks and
    the signs . _ + -.
    """
    parts = name.removeprefix("./").rstrip("/").split("/")
    if parts in ([""], ["."]):  # the folder that was packed
        return None
    hidden = any(part.startswith(".") and part != ".." for part in parts)
    if not all(len(part) <= 100 and NAME.fullmatch(part.lstrip(".")) for part in parts):
        raise InputError(f"the name {one_line(name, 100)!r} in it is odd, or leads out of the folder")
    depth = 1 + bool(photo_set.parts)
    if hidden or len(parts) != depth + 2 or parts[0] != photo_set.root or not parts[-1].lower().endswith(SUFFIXES):
        return None
    if photo_set.parts and parts[1] not in photo_set.parts or parts[depth] in photo_set.left_out:
        return None
    label = photo_set.classes.get(parts[depth]) if photo_set.classes else parts[depth]
    return None if label is None else (label, f"{parts[1]}-{parts[-1]}" if photo_set.parts else parts[-1])


def _write(content: IO[bytes], size: int, path: Path) -> None:
    """Write the content, of `size` bytes, into a new file."""
    path.parent.mkdir(exist_ok=True)
    with open(path, "xb") as file:
        while size and (block := content.read(min(size, BLOCK))):
            file.write(block)
            size -= len(block)
    if size:
        os.unlink(path)
        raise EOFError("a photo ends early")
