"""Download a published set of photos and unpack it into the cache folder: all of it, or nothing."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from minicnn.errors import InputError
from minicnn.files import TEMPORARY

from ..sources.photo_sets import PhotoSet
from .download import download, is_downloaded, require_published
from .lock import locked
from .unpack import unpack_photos

WAY_OUT = "if you trust another file, unpack it yourself and give its folder with --photos"
ABOUT = ".about.txt"  # in the folder of a set; a hidden file, as it is no photo


def fetch_photos(photo_set: PhotoSet, source: str | os.PathLike[str] | None = None, overwrite: bool = False,
                 say: Callable[[str], object] = print) -> Path:
    """Download and unpack a set of photos into the cache folder, and return its folder there.

    source, overwrite, say : as in `fetch`. A folder that exists stays unless `overwrite` is True.
    Raises InputError, in one line, if the archive cannot be fetched, is not the published one, or is refused by
    `unpack_photos`.
    """
    folder = photo_set.folder
    if _is_there(folder, overwrite, say):
        return folder
    path = folder.parent.parent / "downloads" / photo_set.file_name
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(path, photo_set.name):
            if _is_there(folder, overwrite, say):  # by another process, while this one waited
                return folder
            if source is None or "://" in str(source):
                if not is_downloaded(path, photo_set.digest):
                    _download(photo_set, str(source or photo_set.url), path, say)
                _replace(folder, path, photo_set, say)
                path.unlink()
            else:
                require_published(Path(source), photo_set.file_name, photo_set.size, photo_set.digest)
                _replace(folder, Path(source), photo_set, say)
    except OSError as problem:
        raise InputError(f"{problem.filename or folder}: {problem.strerror or problem}") from None
    return folder


def _is_there(folder: Path, overwrite: bool, say: Callable[[str], object]) -> bool:
    """Return True if the folder exists and is to be kept."""
    if overwrite or not folder.is_dir():
        return False
    say(f"{folder} already exists (--overwrite fetches it again)")
    return True


def _download(photo_set: PhotoSet, url: str, path: Path, say: Callable[[str], object]) -> None:
    """Download the archive. The message about a wrong digest says how to use another file of the same photos."""
    try:
        download(url, path, photo_set.size, photo_set.digest, say)
    except InputError as problem:
        if "is not the published one" in str(problem):
            raise InputError(f"{problem}; {WAY_OUT}") from None
        raise


def _replace(folder: Path, archive: Path, photo_set: PhotoSet, say: Callable[[str], object]) -> None:
    """Unpack the archive into a new folder, which then gets the name `folder`. The caller holds the lock on the set."""
    new, old = (folder.with_name(f"{TEMPORARY}{word}-{folder.name}") for word in ("new", "old"))
    for leftover in (new, old):  # of a fetch that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        new.mkdir()
        count = unpack_photos(archive, photo_set, new)
        lines = [photo_set.name, photo_set.url, photo_set.digest, photo_set.licence, photo_set.citation]
        (new / ABOUT).write_text("\n".join(lines) + "\n", encoding="utf-8")
        classes = sum(one.is_dir() for one in new.iterdir())
        if folder.exists():
            os.replace(folder, old)
        os.replace(new, folder)
    finally:
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)
    say(f"{folder}: {count:,} photos in {classes} classes ({photo_set.licence}; {photo_set.citation})")
    say("the demos of many photos find it, such as: minicnn neighbours")
