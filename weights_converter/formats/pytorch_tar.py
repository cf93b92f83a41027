"""PyTorch's weight files (.pth) from before 0.1.10: a tar archive of pickles. No pickle runs code."""

import os
import tarfile
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from minicnn.errors import InputError

from .pytorch_tensors import (
    DIMENSION_LIMIT,
    Storage,
    Tensor,
    known_names,
    read_from_file,
    require_natural,
    skip_values,
    stored_arrays,
    unpacked,
)
from .stored import SourceFile, StoredArray
from .unpickle import unpickle

TAR_MEMBERS = ("pickle", "tensors", "storages")
COUNT_LIMIT = 10_000  # storages or tensors in a tar archive


def tar_arrays(file: SourceFile) -> list[StoredArray]:
    """List the arrays of a tar archive, the format of torch.save before 0.1.10. No values are read.

    Raises InputError if the file has no state_dict, or if the archive lacks values that its pickle announces.
    """
    members = _tar_members(file)
    storages, offsets = _tar_storages(file, *members["storages"])
    tensors = _tar_tensors(file, members["tensors"][0], storages)
    file.seek(members["pickle"][0])
    found = unpickle(file, known_names(), partial(_tensor_of_id, tensors), strict=False)
    return stored_arrays(found, partial(read_from_file, file, offsets), members["storages"][1])


def _tar_members(file: SourceFile) -> dict[str, tuple[int, int]]:
    """Return {name: (begin, end)}: the positions of TAR_MEMBERS in the file.

    Only plain headers are read. Extended headers, which hold fractions of a second, are skipped as members of
    another type; the tarfile module would read them into memory at any size that they claim.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    members: dict[str, tuple[int, int]] = {}
    for _ in range(100):  # PyTorch writes four members, each with an extended header
        header = file.read(tarfile.BLOCKSIZE)
        if not header.strip(b"\0"):
            break
        member = tarfile.TarInfo.frombuf(header, "utf-8", "replace")
        begin = file.tell()
        end = begin + require_natural(member.size)
        if member.name in TAR_MEMBERS:
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.name in members or end > size:
                raise InputError(f"its {member.name!r} is truncated, there twice, or not a plain file; download it "
                                 "again")
            members[member.name] = begin, end
        file.seek(begin + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE)
    missing = [name for name in TAR_MEMBERS if name not in members]
    if missing:
        raise InputError(f"it is a tar archive without {' and '.join(missing)}, so torch.save did not write it; if it "
                         "is a packed weights file, unpack it first")
    return members


def _tar_storages(file: SourceFile, begin: int, end: int) -> tuple[dict[int, Storage], dict[str | int, int]]:
    """Return {key: Storage} and {key: position of its values}.

    The member has a count; then for each storage a pickle, its size and its values; then a list of partial storages.
    """
    file.seek(begin)
    known = known_names()
    storages: dict[int, Storage] = {}
    offsets: dict[str | int, int] = {}
    for _ in range(_tar_count(file)):
        key, _, dtype = unpickle(file, known)
        if require_natural(key) in storages or not isinstance(dtype, np.dtype):
            raise InputError("it has a storage twice, or one without a type; the file is damaged")
        size, = unpacked(file, "<q")
        storages[key] = Storage(key, dtype, require_natural(size))
        offsets[key] = skip_values(file, storages[key], end)
    for key, root, start, _ in unpickle(file):
        storages[require_natural(key)] = storages[require_natural(root)]._replace(start=require_natural(start))
    return storages, offsets


def _tar_tensors(file: SourceFile, begin: int, storages: Mapping[int, Storage]) -> dict[int, Tensor | Storage]:
    """Return {key: Tensor or Storage}. The member has a count; then for each a pickle, shape, strides and offset."""
    file.seek(begin)
    known = known_names()
    tensors: dict[int, Tensor | Storage] = dict(storages)
    for _ in range(_tar_count(file)):
        key, storage, _ = unpickle(file, known)
        dimensions, = unpacked(file, "<i4x")
        if not 0 <= dimensions <= DIMENSION_LIMIT:
            raise InputError(f"it has a tensor of {dimensions} dimensions; the limit is {DIMENSION_LIMIT}")
        shape = unpacked(file, f"<{dimensions}q")
        strides = unpacked(file, f"<{dimensions}q")
        offset, = unpacked(file, "<q")
        tensors[require_natural(key)] = Tensor(storages[require_natural(storage)], offset, shape, strides)
    return tensors


def _tensor_of_id(tensors: Mapping[int, Tensor | Storage], key: Any) -> Tensor | Storage:
    """Return the tensor of a persistent id: a key as a text, "140258374", or as a number, which torch.load accepts."""
    if isinstance(key, str) and key.isdecimal():
        key = int(key[:20])
    if type(key) is not int or key not in tensors:
        raise InputError("it has a persistent id of no tensor: save the state_dict alone")
    return tensors[key]


def _tar_count(file: SourceFile) -> int:
    """Read the number of storages or tensors that follow. Raises InputError if it is above COUNT_LIMIT."""
    count = require_natural(unpickle(file))
    if count > COUNT_LIMIT:
        raise InputError(f"it announces {count:,} storages or tensors; the limit is {COUNT_LIMIT:,}")
    return count
