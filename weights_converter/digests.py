"""The digest of a file, sha256 or md5, and the progress bar of long reading."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm


def file_digest(path: str | os.PathLike[str], algorithm: str) -> str:
    """Return the digest of a file in hexadecimal. algorithm : "sha256" or "md5"."""
    return _digest_of([path], algorithm)


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits."""
    return files_sha256([path])


def files_sha256(paths: Sequence[str | os.PathLike[str]]) -> str:
    """Return the sha256 of all bytes of the files, one after the other, as 64 hexadecimal digits."""
    return _digest_of(paths, "sha256")


def _digest_of(paths: Sequence[str | os.PathLike[str]], algorithm: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=algorithm != "md5")  # some systems allow md5 only for errors
    with progress("checking", sum(Path(path).stat().st_size for path in paths)) as bar:
        for path in paths:
            with open(path, "rb") as file:
                while block := file.read(2**20):
                    digest.update(block)
                    bar.update(len(block))
    return digest.hexdigest()


def progress(task: str, num_bytes: int) -> "tqdm[Any]":
    """Return a progress bar on stderr. It appears after half a second, and only if stderr is a terminal."""
    return tqdm(desc=task, total=num_bytes, unit="B", unit_scale=True, unit_divisor=1000, leave=False,
                delay=0.5, disable=None)
