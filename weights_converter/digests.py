"""The sha256 of whole files, and the bar that shows how far reading them has come."""

import hashlib
from pathlib import Path

from tqdm import tqdm


def file_sha256(path):
    """The sha256 of a file, hexadecimal."""
    sha256 = hashlib.sha256()
    with open(path, "rb") as file, progress("checking", Path(path).stat().st_size) as bar:
        while block := file.read(2**20):
            sha256.update(block)
            bar.update(len(block))
    return sha256.hexdigest()


def progress(what, num_bytes):
    """A bar on stderr, where that is a terminal and the file is large enough to wait for."""
    return tqdm(desc=what, total=num_bytes, unit="B", unit_scale=True, unit_divisor=1000, leave=False,
                delay=0.5, disable=None)
