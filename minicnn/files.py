"""Writing files so that nothing is lost: a finished file appears at once, or not at all."""

import os
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from minicnn.errors import InputError

__all__ = ["check_target", "free_path", "replacing"]


@contextmanager
def replacing(path, overwrite=False):
    """Yield a temporary path beside `path`, of the same suffix, that becomes `path` when the block succeeds.

    Whatever else ends the block, Ctrl-C too, removes the temporary file and leaves `path` as it was.
    A link is followed: it stays, and the file that it leads to is replaced, or made where there is none.
    Raises InputError where `path` exists, if only as a link, and `overwrite` is False, where its folder is
    missing or not writable, where it is a folder or a device, and where its name is too long.
    """
    check_target(path, overwrite)
    file = _followed(path)
    # A short name of its own, so that it fits wherever `path` does and two writers never meet. The block
    # creates the file: tempfile would make one that only its owner may read.
    temporary = file.with_name(f".{uuid4().hex}{Path(path).suffix}")
    try:
        yield temporary
        check_target(path, overwrite)  # somebody may have written it meanwhile
        _move(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def free_path(path):
    """`path` itself, or cat-2.png, cat-3.png, ... for cat.png: the first that does not exist yet."""
    path = Path(path)
    candidate, number = path, 1
    while os.path.lexists(candidate):
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate


def check_target(path, overwrite=False):
    """Raise InputError, as `replacing` does, where `path` cannot be written: to know before a long computation."""
    # os.path rather than Path: it answers False, not with an OSError, for what cannot be asked.
    file = _followed(path)
    folder = file.parent
    if reason := why_no_name(file):
        raise InputError(f"{path}: cannot be written ({reason}); give another name")
    if os.path.isdir(file):
        raise InputError(f"{path}: this is a folder; name a file to write in it")
    if os.path.lexists(file) and not os.path.isfile(file):  # moving a file onto /dev/null would destroy it
        raise InputError(f"{path}: not an ordinary file; give another name")
    if not os.path.isdir(folder):
        raise InputError(f"{path}: there is no folder {folder}; make it first or give another name")
    if os.path.lexists(path) and not overwrite:
        raise InputError(f"{path}: already exists; give another name or allow it to be replaced (--overwrite, in "
                         "Python overwrite=True)")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{path}: no permission to write in {folder}; choose another folder")


def why_no_name(path):
    """What the system has against this as the name of anything: too long, or a zero in it; None where it is one."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as problem:
        return problem.strerror if isinstance(problem, OSError) else str(problem)
    return None


def _followed(path):
    """The file that is written: `path`, or what it leads to where it is a link."""
    return Path(os.path.realpath(path) if os.path.islink(path) else path)


def _move(temporary, path):
    try:
        os.replace(temporary, path)
    except OSError as problem:  # on Windows, an old file that another program holds open
        raise InputError(f"{path}: cannot be written ({problem.strerror}); give another name") from problem
