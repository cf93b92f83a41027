"""Write files safely: a finished file appears at once, or the old one stays as it was."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from minicnn import program
from minicnn.errors import InputError, one_line

__all__ = ["TEMPORARY", "free_path", "remove_leftovers", "replacing", "replacing_folder", "require_target"]

DISK_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))  # Windows has no EDQUOT
TEMPORARY = ".minicnn-"  # the names of temporary files begin so


@contextmanager
def replacing(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path in the same folder, with the same suffix, which becomes `path` when the block succeeds.

    If the block ends with an exception, such as Ctrl-C, the temporary file is removed and `path` stays as it was.
    A link is followed: the link stays, and the file that it points to is replaced or made.
    Raises InputError if `path` exists (even as a dangling link) and `overwrite` is False, if it is a folder or a
    device, or if its name is too long. Raises InputError also if its folder is missing or not writable, or if the disk
    is full: every OSError of the block is taken for one of writing the file.

    >>> with replacing(folder / "notes.txt") as temporary:
    ...     _ = temporary.write_text("complete")
    >>> (folder / "notes.txt").read_text()
    'complete'
    """
    require_target(path, overwrite)
    file = _followed(path)
    # A short random name fits into every folder, and two writers never share it. The block creates the file:
    # tempfile would make one that only its owner may read.
    temporary = file.with_name(f"{_temporary_stem(file)}{uuid4().hex}{Path(path).suffix}")
    program.unfinished.add(str(temporary))
    try:
        yield temporary
        require_target(path, overwrite)  # another program may have written it meanwhile
        os.replace(temporary, file)
    except BrokenPipeError:  # of a print in the block
        raise
    except OSError as problem:  # a full disk, a removed folder; on Windows, another program holds the old file open
        way_out = "free some space" if problem.errno in DISK_FULL else "give another name"
        raise InputError(f"{_shown(path)}: cannot be written ({_reason(problem)}); {way_out}") from problem
    finally:
        temporary.unlink(missing_ok=True)
        program.unfinished.discard(str(temporary))


@contextmanager
def replacing_folder(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield a new folder, which becomes `path` when the block succeeds.

    If the block ends with an exception, the new folder is removed and `path` stays as it was. A folder that is
    replaced is removed with all that it holds.
    Raises InputError if `path` is a file or a link, if it exists and `overwrite` is False, or if the folder cannot be
    written.

    >>> with replacing_folder(folder / "tiles") as new:
    ...     _ = (new / "0.txt").write_text("complete")
    >>> (folder / "tiles" / "0.txt").read_text()
    'complete'
    """
    path = Path(path)
    if os.path.lexists(path) and (path.is_symlink() or not path.is_dir() or not overwrite):
        raise InputError(f"{_shown(path)}: already exists; give another name"
                         f"{'' if path.is_symlink() or not path.is_dir() else ' or allow it to be replaced'}")
    new, old = (path.with_name(f"{_temporary_stem(path)}{uuid4().hex}") for _ in range(2))
    program.unfinished.update((str(new), str(old)))
    try:
        new.mkdir()
        yield new
        if path.is_dir():
            os.replace(path, old)
        os.replace(new, path)
    except BrokenPipeError:
        raise
    except OSError as problem:
        way_out = "free some space" if problem.errno in DISK_FULL else "give another name"
        raise InputError(f"{_shown(path)}: cannot be written ({_reason(problem)}); {way_out}") from problem
    finally:
        for temporary in (new, old):
            shutil.rmtree(temporary, ignore_errors=True)
            program.unfinished.discard(str(temporary))


def free_path(path: str | Path) -> Path:
    """Return the first of cat.png, cat-2.png, cat-3.png, … that does not exist yet, for `path` cat.png.

    >>> (folder / "cat.png").touch()
    >>> free_path(folder / "cat.png").name
    'cat-2.png'
    """
    path = Path(path)
    candidate, number = path, 1
    while os.path.lexists(candidate):
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate


def require_target(path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Raise InputError, as `replacing` does, if `path` cannot be written. Call it before a long computation.

    >>> require_target("missing/photo.png")
    Traceback (most recent call last):
    minicnn.errors.InputError: missing/photo.png: there is no folder missing; make it first or give another name
    """
    # os.path, not Path: it returns False instead of raising OSError for names that the system rejects.
    file = _followed(path)
    folder = file.parent
    if reason := unusable_name(file):
        raise InputError(f"{_shown(path)}: cannot be written ({reason}); give another name")
    if os.path.isdir(file):
        raise InputError(f"{_shown(path)}: this is a folder; name a file to write in it")
    if os.path.lexists(file) and not os.path.isfile(file):  # moving a file onto /dev/null would destroy it
        raise InputError(f"{_shown(path)}: not an ordinary file; give another name")
    if not os.path.isdir(folder):
        raise InputError(f"{_shown(path)}: there is no folder {_shown(folder)}; make it first or give another name")
    if os.path.lexists(path) and not overwrite:
        raise InputError(f"{_shown(path)}: already exists; give another name or allow it to be replaced "
                         "(--overwrite, in Python overwrite=True)")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{_shown(path)}: no permission to write in {_shown(folder)}; choose another folder")


def _temporary_stem(file: Path) -> str:
    """Return the part of the names of temporary files that is the same for all temporary files of `file`."""
    return f"{TEMPORARY}{sha256(os.fsencode(file.name)).hexdigest()[:8]}-"


def remove_leftovers(folder: str | Path, name: str | None = None) -> None:
    """Remove the temporary files and folders that a killed program has left in the folder, while no other writes there.

    name : the file whose temporary files are removed. By default, all temporary files are.

    >>> (folder / f"{TEMPORARY}1234.png").touch()
    >>> remove_leftovers(folder)
    >>> list(folder.glob(f"{TEMPORARY}*"))
    []
    """
    for leftover in Path(folder).glob(f"{_temporary_stem(Path(name)) if name else TEMPORARY}*"):
        with suppress(OSError):
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()


def unusable_name(path: Path) -> str | None:
    """Return why the system rejects the name, such as too long or with a zero byte; None if it accepts the name."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as problem:
        return problem.strerror if isinstance(problem, OSError) else str(problem)
    return None


def _shown(path: str | os.PathLike[str]) -> str:
    """Return a path as text for a message."""
    return one_line(os.fsdecode(path), 600)


def _followed(path: str | os.PathLike[str]) -> Path:
    """Return the file that is written: `path`, or the file that the link `path` points to."""
    return Path(os.path.realpath(path) if os.path.islink(path) else path)


def _reason(problem: OSError) -> str:
    """Return why writing failed, in a few words. HDF5's messages have several lines, and the system's words inside."""
    found = re.search(r"error message = '([^']+)'", str(problem))
    return problem.strerror or (found[1] if found else one_line(" ".join(str(problem).split())))
