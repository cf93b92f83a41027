"""PyTorch's weight files (.pth) since 0.1.10, a zip archive or a stream, read without it; no pickle runs code."""

import os
import zipfile
from functools import partial
from io import BytesIO

import numpy as np

from minicnn.errors import InputError
from weights_converter.formats.pytorch_tensors import (
    read_from_file,
    skip_values,
    stored_arrays,
    unpacked,
    unpickle_tensors,
)
from weights_converter.formats.stored import SIZE_LIMIT, filled_array
from weights_converter.formats.unpickle import PICKLE_LIMIT, unpickle
from weights_converter.formats.zip_archive import open_member, open_zip

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C  # the first pickle of a stream
STREAM_VERSION = 1001  # the second


def zip_arrays(file):
    """The StoredArrays of a zip archive, as torch.save writes since version 1.6; of the values nothing is read yet.

    Raises InputError for what is no state_dict, and where the archive does not have what its pickle announces.
    """
    archive = open_zip(file)
    total = sum(member.file_size for member in archive.infolist())
    if total > SIZE_LIMIT:
        raise InputError(f"its members claim {total:,} bytes, more than the limit of {SIZE_LIMIT:,}")
    members = {member.filename: member for member in archive.infolist()}
    if len(members) < len(archive.infolist()):
        raise InputError("it has two members of the same name")
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in members):
        raise InputError("it is a TorchScript archive, with code: save the module's state_dict alone")
    folders = [name.removesuffix("data.pkl") for name in members if f"/{name}".endswith("/data.pkl")]
    if len(folders) != 1:
        raise InputError(f"it has {len(folders)} pickles (data.pkl) instead of one")
    folder = folders[0]
    order = _byte_order(archive, members.get(f"{folder}byteorder"))
    data = _read_small_member(archive, members[f"{folder}data.pkl"], PICKLE_LIMIT)
    found, storages = unpickle_tensors(BytesIO(data), order)
    members = {key: members.get(f"{folder}data/{key}") for key in storages}
    for key, storage in storages.items():
        if members[key] is None or members[key].file_size != storage.size * storage.dtype.itemsize:
            raise InputError("it does not have the values that its pickle announces")
        _check_member(members[key])
    return stored_arrays(found, partial(_read_from_zip, archive, members), total)


def stream_arrays(file):
    """The StoredArrays of pickles with the values after them, as torch.save wrote from 0.1.10 to 1.5.

    Of the values nothing is read yet. Raises InputError for another pickle than PyTorch's, for what is no
    state_dict, and where the file does not have what its pickles announce.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    if not _begins_as_stream(file):
        raise InputError("it is a Python pickle, but none that torch.save wrote")
    unpickle(file)  # the writer's byte order and sizes of C types: the values are little-endian all the same
    found, storages = unpickle_tensors(file)
    keys = unpickle(file)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise InputError("its list of storages is damaged")
    if len(keys) != len(storages) or set(keys) != set(storages):
        raise InputError("it does not have the storages that its pickle announces")
    offsets = {}
    for key in keys:
        if unpacked(file, "<q") != (storages[key].size,):
            raise InputError("it does not have the values that its pickle announces")
        offsets[key] = skip_values(file, storages[key], end)
    return stored_arrays(found, partial(read_from_file, file, offsets), end)


def _begins_as_stream(file):
    try:
        return unpickle(file) == MAGIC_NUMBER and unpickle(file) == STREAM_VERSION
    except InputError:  # of another program, with whatever names
        return False


# ---- parts of a zip archive --------------------------------------------------------------------------------

def _read_from_zip(archive, members, storage):
    with open_member(archive, members[storage.key]) as stream:  # checks the CRC at the end
        return filled_array(stream, storage.size, storage.dtype)


def _check_member(member):
    """Refuse what cannot be decompressed in bounded memory, or not at all."""
    if member.flag_bits & 1:
        raise InputError("it is encrypted: save it without a password")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError("it is compressed in an unusual way: torch.save does not compress")


def _read_small_member(archive, member, limit):
    _check_member(member)
    if member.file_size > limit:
        raise InputError(f"its {member.filename[-20:]!r} has {member.file_size:,} bytes, which no weights need")
    with open_member(archive, member) as stream:
        return filled_array(stream, member.file_size, np.uint8).tobytes()


def _byte_order(archive, member):
    """"<" or ">"; older versions have no such member, and only little-endian values."""
    order = "little" if member is None else _read_small_member(archive, member, 20).decode("ascii")
    if order not in ("little", "big"):
        raise InputError(f"it has the byte order {order!r}")
    return "<" if order == "little" else ">"
