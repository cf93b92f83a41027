"""Write a weights file and compare it with the values that were written."""

import hashlib
import json
from collections.abc import Iterable
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.files import replacing
from minicnn.models.weights.arrays import blocks_digest, float32_arrays, require_finite, row_blocks
from minicnn.models.weights.header import TEXTS, Header, encode_texts, header_digest
from minicnn.models.weights.read import opened, read_header, reason_of
from minicnn.network import Network

Blocks = Iterable[tuple[str, tuple[int, ...], Iterable[Array]]]  # (name, shape, blocks of rows) of each array


def save_weights(path: str | Path, net: Network, header: Header, overwrite: bool = False, half: bool = False) -> None:
    """Write the network's parameters and buffers and the Header to `path`.

    half : round to float16, about three decimal digits, for half the size. By default the values are float32.
    Raises InputError if the file exists and `overwrite` is False, if an array is not finite in the stored type (with
    its name), or if the disk is full.
    """
    dtype = np.float16 if half else np.float32
    with np.errstate(over="ignore"):
        arrays = {name: array.astype(dtype, copy=False) for name, array in float32_arrays(net).items()}
    require_finite(arrays, path)
    blocks = ((name, array.shape, row_blocks(array)) for name, array in arrays.items())
    with replacing(path, overwrite) as temporary:
        write_arrays(temporary, blocks, header, dtype)


def write_arrays(path: str | Path, arrays: Blocks, header: Header, dtype: Any = np.float32) -> None:
    """Write the new file `path`, then open it again and compare.

    arrays : iterable of (name, shape, blocks). `blocks` yields the float32 values, some rows at a time, so that only
    one block is in memory.
    dtype : the type in the file, which must hold these values exactly.
    Raises InputError if the disk is full, if the file reads back with other values, or if the preprocessing is invalid.
    The message does not contain the path, which is a temporary one.
    """
    header.preprocessing.require_valid()
    try:
        digests = _write_file(path, arrays, header, dtype)
    except (OSError, RuntimeError) as problem:  # HDF5 raises both
        raise InputError(f"the weights cannot be written: {reason_of(problem)}") from None
    read_header(path)  # compares the attributes and labels with their digest
    with opened(path) as file:
        differing = [name for name, digest in digests.items() if blocks_digest(row_blocks(file[name])) != digest]
    if differing:
        raise InputError(f"the file reads back with other values than were written: {', '.join(differing)}; the disk "
                         "may be failing, write to another one")


def _write_file(path: str | Path, arrays: Blocks, header: Header, dtype: Any) -> dict[str, str]:
    """Write all arrays and the Header to the new file `path`. Return {name: sha256 of the values}."""
    import h5py

    digests = {}
    with _PatientFile(path, "w+") as file:
        with h5py.File(file, "w") as hdf5:
            for name, shape, blocks in arrays:
                dataset = hdf5.create_dataset(name, shape, dtype)
                digests[name] = _write_blocks(dataset, blocks)
                dataset.attrs["sha256"] = encode_texts([digests[name]])[0]
                file.raise_problem()
            hdf5["labels"] = encode_texts(header.labels)
            texts = {key: getattr(header, key) for key in TEXTS}
            texts["options"] = json.dumps(header.options)
            texts["preprocessing"] = json.dumps(header.preprocessing._asdict())
            if header.sources:
                texts["sources"] = json.dumps(header.sources)
            texts["header_sha256"] = header_digest(header)
            for key, text in texts.items():
                hdf5.attrs[key] = encode_texts([text])[0]
        file.raise_problem()
    return digests


def _write_blocks(dataset: Any, blocks: Iterable[Array]) -> str:
    """Fill the dataset from its first row on. Return the sha256 of all values."""
    total, row = hashlib.sha256(), 0
    for block in blocks:
        dataset[row:row + len(block)] = block
        total.update(block.data)
        row += len(block)
    return total.hexdigest()


class _PatientFile(FileIO):
    """A file that hides a full disk from HDF5, which crashes if it cannot write while it closes the file.

    It keeps the first `problem`, an OSError, and writes nothing after it.
    """

    problem: OSError | None = None

    def write(self, data: Any) -> int:
        """Write the data, unless there was a problem, and return its length."""
        rest = memoryview(data)
        try:
            while len(rest) and not self.problem:
                rest = rest[super().write(rest):]  # a nearly full disk takes only a part
        except OSError as problem:
            self.problem = problem
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        """Set the length of the file, unless there was a problem, and return it."""
        try:
            if not self.problem:
                return super().truncate(size)
        except OSError as problem:
            self.problem = problem
        return size or 0

    def raise_problem(self) -> None:
        """Raise the problem if there was one."""
        if self.problem:
            raise self.problem
