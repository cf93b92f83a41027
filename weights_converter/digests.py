"""The sha256 of a file, and the progress bar of long reading."""

import hashlib
import os
from pathlib import Path
from typing import Any

from tqdm import tqdm


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits."""
    sha256 = hashlib.sha256()
    with open(path, "rb") as file, progress("checking", Path(path).stat().st_size) as bar:
        while block := file.read(2**20):
            sha256.update(block)
            bar.update(len(block))
    return sha256.hexdigest()


def progress(task: str, num_bytes: int) -> "tqdm[Any]":
    """Return a progress bar on stderr. It appears after half a second, and only if stderr is a terminal."""
    return tqdm(desc=task, total=num_bytes, unit="B", unit_scale=True, unit_divisor=1000, leave=False,
                delay=0.5, disable=None)
