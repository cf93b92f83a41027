"""PyTorch's weight files (.pth) from before 0.1.10, a tar archive of pickles; none of them runs code."""

import os
import tarfile
from functools import partial

import numpy as np

from minicnn.errors import InputError
from weights_converter.formats.pytorch_tensors import (
    DIMENSION_LIMIT,
    Storage,
    Tensor,
    known_names,
    natural,
    read_from_file,
    skip_values,
    stored_arrays,
    unpacked,
)
from weights_converter.formats.unpickle import unpickle

TAR_MEMBERS = ("pickle", "tensors", "storages")
COUNT_LIMIT = 10_000  # storages or tensors in a tar archive


def tar_arrays(file):
    """The StoredArrays of a tar archive, as torch.save wrote before 0.1.10; of the values nothing is read yet.

    Raises InputError for what is no state_dict, and where the archive does not have what its pickle announces.
    """
    members = _tar_members(file)
    storages, offsets = _tar_storages(file, *members["storages"])
    tensors = _tar_tensors(file, members["tensors"][0], storages)
    file.seek(members["pickle"][0])
    found = unpickle(file, known_names(), partial(_tar_object, tensors), strict=False)
    return stored_arrays(found, partial(read_from_file, file, offsets), members["storages"][1])


def _tar_members(file):
    """{name: (begin, end)} of the members that matter, by their offsets in the file.

    Only plain headers are read: the extended ones, which are there for the fractions of a second, are skipped
    as members of another type. tarfile would take them into memory, whatever size they claim.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    members = {}
    for _ in range(100):  # PyTorch's has four members with an extended header each
        header = file.read(tarfile.BLOCKSIZE)
        if not header.strip(b"\0"):
            break
        member = tarfile.TarInfo.frombuf(header, "utf-8", "replace")
        begin = file.tell()
        end = begin + natural(member.size)
        if member.name in TAR_MEMBERS:
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.name in members or end > size:
                raise InputError(f"its {member.name!r} is truncated, twice there or no plain file")
            members[member.name] = begin, end
        file.seek(begin + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE)
    missing = [name for name in TAR_MEMBERS if name not in members]
    if missing:
        raise InputError(f"it is a tar archive without {' and '.join(missing)}, so none that torch.save wrote")
    return members


def _tar_storages(file, begin, end):
    """{key: Storage}, and {key: where its values begin}: a count, then a pickle, the size and values of each."""
    file.seek(begin)
    known = known_names()
    storages, offsets = {}, {}
    for _ in range(_tar_count(file)):
        key, _, dtype = unpickle(file, known)
        if natural(key) in storages or not isinstance(dtype, np.dtype):
            raise InputError("it has a storage twice, or one without a type")
        size, = unpacked(file, "<q")
        storages[key] = Storage(key, dtype, natural(size))
        offsets[key] = skip_values(file, storages[key], end)
    for key, root, start, _ in unpickle(file):  # parts of storages
        storages[natural(key)] = storages[natural(root)]._replace(start=natural(start))
    return storages, offsets


def _tar_tensors(file, begin, storages):
    """{key: Tensor or Storage}: a count, then a pickle, the shape, strides and offset of each."""
    file.seek(begin)
    known = known_names()
    tensors = dict(storages)
    for _ in range(_tar_count(file)):
        key, storage, _ = unpickle(file, known)
        dimensions, = unpacked(file, "<i4x")
        if not 0 <= dimensions <= DIMENSION_LIMIT:
            raise InputError(f"it has a tensor of {dimensions} dimensions")
        shape = unpacked(file, f"<{dimensions}q")
        strides = unpacked(file, f"<{dimensions}q")
        offset, = unpacked(file, "<q")
        tensors[natural(key)] = Tensor(storages[natural(storage)], offset, shape, strides)
    return tensors


def _tar_object(tensors, key):
    """What a persistent id means: a key as a text, "140258374", or as a number, as torch.load takes it too."""
    if isinstance(key, str) and key.isdecimal():
        key = int(key[:20])
    if type(key) is not int or key not in tensors:
        raise InputError("it has a persistent id that means no tensor: save the state_dict alone")
    return tensors[key]


def _tar_count(file):
    count = natural(unpickle(file))
    if count > COUNT_LIMIT:
        raise InputError(f"it announces {count:,} storages or tensors")
    return count
