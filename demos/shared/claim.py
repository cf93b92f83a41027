"""The claim of a run on its output folder or file, so that two runs never write into one at the same time."""

import hashlib
import os
import tempfile
from pathlib import Path
from types import ModuleType

from minicnn.errors import InputError
from minicnn.files import free_path, remove_leftovers

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_claims: dict[Path, "Claim"] = {}  # of this process, released at the end of its command


class Claim:
    """A lock on an output folder, or on an output file, which the system releases when the process ends.

    place : the folder, which is made with its parents if it does not exist; or the file, if `is_file`.
    Raises InputError if another run holds the lock, or if the folder cannot be made. Temporary files that a killed run
    has left are removed.
    """

    def __init__(self, place: Path, is_file: bool = False) -> None:
        self.made: list[Path] = []  # the innermost folder first
        if is_file:
            digest = hashlib.sha256(os.fsencode(os.path.abspath(place))).hexdigest()[:32]
            locked = Path(tempfile.gettempdir(), f"minicnn-{digest}.lock")
        else:
            self.made = [folder for folder in (place, *place.parents) if not os.path.lexists(folder)]
            make_folder(place)
            locked = place
        self.lock = locked if is_file else None
        self.handle = _locked(locked, os.O_RDWR | os.O_CREAT if is_file else os.O_RDONLY, place)
        if is_file:
            remove_leftovers(place.parent, place.name)
        else:
            remove_leftovers(place)

    def release(self) -> None:
        """Release the lock. A folder that this run has made and left empty is removed."""
        for folder in self.made:
            try:
                folder.rmdir()
            except OSError:  # not empty
                break
        if self.lock is not None:
            self.lock.unlink(missing_ok=True)
        if self.handle is not None:
            os.close(self.handle)


def _locked(path: Path, flags: int, place: Path) -> int | None:
    """Return the handle of the locked file or folder `path`; None where there are no locks."""
    if fcntl is None:
        return None
    try:
        handle = os.open(path, flags, 0o666)
    except OSError:  # a lock file of another user
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise InputError(f"another run is writing into {place}; wait until it has ended, or give another name"
                         ) from None
    except OSError:  # a file system without locks
        pass
    return handle


def claim(place: Path, is_file: bool = False) -> None:
    """Claim the folder or file until `release_claims`. A second claim of the same place by this process is none."""
    path = Path(os.path.abspath(place))
    if path not in _claims:
        _claims[path] = Claim(place, is_file)


def claim_new(default: str) -> Path:
    """Make and claim the first of default, default-2, default-3, … that does not exist, and return it."""
    while True:
        folder = free_path(Path(default))
        try:
            folder.mkdir()
        except FileExistsError:  # another run was faster
            continue
        except OSError as problem:
            raise InputError(f"{folder} cannot be made: {problem.strerror}; give --out") from None
        claim(folder)
        _claims[Path(os.path.abspath(folder))].made = [folder]
        return folder


def release_claims() -> None:
    """Release all claims of this process."""
    while _claims:
        _claims.popitem()[1].release()


def make_folder(folder: Path) -> None:
    """Make the folder and its parents, if they do not exist."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(f"{folder} cannot be made: {problem.strerror}; give another --out") from None
