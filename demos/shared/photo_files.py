"""The image files in a folder, and a report of every skipped file."""

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from minicnn import images
from minicnn.errors import InputError, one_line
from minicnn.images.kinds import OTHER_SUFFIXES, looks_like_picture, other_kind
from minicnn.images.paths import SHOWN, SPECIAL, is_address, missing

Report = Callable[[str], object]  # called with a line of text
FEW = 5  # names of other files in a report


def warn(line: str) -> None:
    """Print a line on the error stream."""
    print(line, file=sys.stderr)


def shown_name(path: str | Path, limit: int = 60) -> str:
    """Return the file's name without its suffix, as text that is safe in a figure, a page and on the terminal."""
    return one_line(Path(path).stem, limit)


def find_photos(folder: str | Path, report: Report | None = None) -> list[Path]:
    """Return the image files in the folder and its sub-folders, sorted, without hidden ones.

    An image file is known by a suffix of `minicnn.images.readable_suffixes`, or, without one, by its first bytes.
    report : called with a line for each file of a kind that cannot be read, for each linked or closed sub-folder, and
    for the other files together. By default, `warn`.
    Raises InputError if the folder does not exist, cannot be listed, or holds no image file.
    """
    report = report or warn
    require_folder(folder)
    found: list[Path] = []
    others: list[str] = []

    def closed(problem: OSError) -> None:
        report(f"skipped: {one_line(problem.filename, SHOWN)}: this folder cannot be listed ({problem.strerror})")

    for parent, folders, files in os.walk(folder, onerror=closed):
        for name in sorted(folders):
            if os.path.islink(os.path.join(parent, name)) and not name.startswith("."):
                report(f"skipped: {one_line(os.path.join(parent, name), SHOWN)}: a link to a folder is not followed; "
                       "give that folder itself")
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (os.path.join(parent, name) for name in sorted(files) if not name.startswith(".")):
            kind = _judge(path)
            if kind == "":
                found.append(Path(path))
            elif kind:
                report(f"skipped: {one_line(path, SHOWN)}: this is {kind}")
            else:
                others.append(one_line(os.path.basename(path), 60))
    if others:
        named = ", ".join(others[:FEW]) + (", …" if len(others) > FEW else "")
        report(f"left out: {len(others):,} file{'s' * (len(others) > 1)} in {one_line(folder, SHOWN)} without a "
               f"picture: {named}")
    if not found:
        raise InputError(f"{one_line(folder, SHOWN)} holds no pictures "
                         f"({', '.join((*images.SUFFIXES, '.gif'))} and other kinds)")
    return sorted(found, key=lambda path: path.relative_to(folder).parts)


def _judge(path: str) -> str | None:
    """Return "" for an image file, the kind of a picture that cannot be read, or None for any other file."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix in images.readable_suffixes():
        return ""
    if suffix in OTHER_SUFFIXES:
        return OTHER_SUFFIXES[suffix]
    try:
        mode = os.stat(path).st_mode
    except OSError:  # a dangling link of any name
        return None
    return "" if stat.S_ISREG(mode) and looks_like_picture(path) else None


def require_folder(folder: str | Path) -> None:
    """Raise InputError if the path is not a folder that can be listed."""
    text = os.fspath(folder)
    reason = None
    if is_address(text):
        reason = "this is an address on the web; download the photos first, then name their folder"
    else:
        try:
            mode = os.stat(text).st_mode
        except OSError as problem:
            reason = missing(text, problem).replace("no such file", "there is no such folder", 1)
        except ValueError as problem:  # a zero byte
            reason = f"cannot be the name of a folder ({problem})"
        else:
            special = next((kind for is_special, kind in SPECIAL if is_special(mode)), None)
            if special:
                reason = f"this is {special}, not a folder"
            elif not stat.S_ISDIR(mode):
                kind = other_kind(text) if text.lower().endswith((".zip", ".tar", ".gz", ".tgz", ".7z")) else None
                reason = f"this is {kind}" if kind else "this is a file; give the folder that contains it"
            elif not os.access(text, os.R_OK | os.X_OK):
                reason = "no permission to look into this folder"
    if reason:
        raise InputError(f"{one_line(text, SHOWN)}: {reason}")
