"""The sha256 of a file, and the progress bar of long reading."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits."""
    return files_sha256([path])


def files_sha256(paths: Sequence[str | os.PathLike[str]]) -> str:
    """Return the sha256 of all bytes of the files, one after the other, as 64 hexadecimal digits."""
    sha256 = hashlib.sha256()
    with progress("checking", sum(Path(path).stat().st_size for path in paths)) as bar:
        for path in paths:
            with open(path, "rb") as file:
                while block := file.read(2**20):
                    sha256.update(block)
                    bar.update(len(block))
    return sha256.hexdigest()


def progress(task: str, num_bytes: int) -> "tqdm[Any]":
    """Return a progress bar on stderr. It appears after half a second, and only if stderr is a terminal."""
    return tqdm(desc=task, total=num_bytes, unit="B", unit_scale=True, unit_divisor=1000, leave=False,
                delay=0.5, disable=None)
