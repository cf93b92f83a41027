"""The claim of a run on its output folder, so that two runs never write into one folder at the same time."""

import os
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from minicnn.errors import InputError
from minicnn.files import TEMPORARY, free_path

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_claims: dict[Path, "Claim"] = {}  # of this process, released at the end of its command


class Claim:
    """A lock on a folder, which the system releases when the process ends, however it ends.

    folder : made with its parents if it does not exist. Raises InputError if another run holds the lock, or if the
    folder cannot be made. Temporary files that a killed run has left in the folder are removed.
    """

    def __init__(self, folder: Path) -> None:
        missing = [place for place in (folder, *folder.parents) if not os.path.lexists(place)]
        make_folder(folder)
        self.made = missing  # the innermost first
        self.handle: int | None = None
        if fcntl is not None:
            self.handle = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self.handle)
                raise InputError(f"another run is writing into {folder}; wait until it has ended, or give another --out"
                                 ) from None
            except OSError:  # a file system without locks
                pass
        for leftover in folder.glob(f"{TEMPORARY}*"):
            with suppress(OSError):
                leftover.unlink()

    def release(self) -> None:
        """Give the folder free. A folder that this run has made and left empty is removed."""
        for place in self.made:
            try:
                place.rmdir()
            except OSError:  # not empty
                break
        if self.handle is not None:
            os.close(self.handle)


def claim(folder: Path) -> None:
    """Claim the folder until `release_claims`. A second claim of this process on the same folder changes nothing."""
    place = Path(os.path.abspath(folder))
    if place not in _claims:
        _claims[place] = Claim(folder)


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
    """Give all folders free that this process has claimed."""
    while _claims:
        _claims.popitem()[1].release()


def make_folder(folder: Path) -> None:
    """Make the folder and its parents, if they do not exist."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(f"{folder} cannot be made: {problem.strerror}; give another --out") from None
