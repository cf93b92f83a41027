"""PyTorch's weight files (.pth) since 0.1.10: a zip archive or a stream of pickles. No pickle runs code."""

import os
import zipfile
from collections.abc import Mapping
from functools import partial
from io import BytesIO
from typing import Literal

import numpy as np

from minicnn.backend import Array
from minicnn.errors import InputError

from .pickle_stream import PICKLE_LIMIT
from .pytorch_tensors import (
    Storage,
    read_from_file,
    skip_values,
    stored_arrays,
    unpacked,
    unpickle_tensors,
)
from .stored import SIZE_LIMIT, SourceFile, StoredArray, filled_array
from .unpickle import unpickle
from .zip_archive import open_member, open_zip

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C  # the first pickle of a stream
STREAM_VERSION = 1001  # the second pickle of a stream


# ---- zip archives ------------------------------------------------------------------------------------------


def zip_arrays(file: SourceFile) -> list[StoredArray]:
    """List the arrays of a zip archive, the format of torch.save since version 1.6. No values are read.

    Raises InputError if the file has no state_dict, or if the archive lacks values that its pickle announces.
    """
    archive = open_zip(file)
    total = sum(member.file_size for member in archive.infolist())
    if total > SIZE_LIMIT:
        raise InputError(f"its members claim {total:,} bytes, more than the limit of {SIZE_LIMIT:,}")
    members = {member.filename: member for member in archive.infolist()}
    if len(members) < len(archive.infolist()):
        raise InputError("it has two members of the same name; save the state_dict again")
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in members):
        raise InputError("it is a TorchScript archive, with code: save the module's state_dict alone")
    folders = [name.removesuffix("data.pkl") for name in members if f"/{name}".endswith("/data.pkl")]
    if len(folders) != 1:
        raise InputError(f"it has {len(folders)} pickles (data.pkl) instead of one; save the state_dict again")
    folder = folders[0]
    order = _byte_order(archive, members.get(f"{folder}byteorder"))
    data = _read_small_member(archive, members[f"{folder}data.pkl"], PICKLE_LIMIT)
    found, storages = unpickle_tensors(BytesIO(data), order)
    values = {}
    for key, storage in storages.items():
        member = members.get(f"{folder}data/{key}")
        if member is None or member.file_size != storage.size * storage.dtype.itemsize:
            raise InputError("it lacks values that its pickle announces; download it again")
        _require_readable(member)
        values[key] = member
    return stored_arrays(found, partial(_read_from_zip, archive, values), total)


def _read_from_zip(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], storage: Storage) -> Array:
    """Read the numbers of a Storage from its member."""
    with open_member(archive, members[str(storage.key)]) as stream:  # reading to the end checks the CRC
        return filled_array(stream, storage.size, storage.dtype)


def _require_readable(member: zipfile.ZipInfo) -> None:
    """Raise InputError if the member is encrypted, or cannot be decompressed in bounded memory."""
    if member.flag_bits & 1:
        raise InputError("it is encrypted: save it without a password")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError("it is compressed in an unusual way: torch.save does not compress")


def _read_small_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> bytes:
    """Read all bytes of a member. Raises InputError if there are more than `limit`."""
    _require_readable(member)
    if member.file_size > limit:
        raise InputError(f"its {member.filename[-20:]!r} has {member.file_size:,} bytes, which no weights need; save "
                         "the state_dict alone")
    with open_member(archive, member) as stream:
        return filled_array(stream, member.file_size, np.uint8).tobytes()


def _byte_order(archive: zipfile.ZipFile, member: zipfile.ZipInfo | None) -> Literal["<", ">"]:
    """Return "<" or ">". Older versions of PyTorch write no such member, and only little-endian values."""
    order = "little" if member is None else _read_small_member(archive, member, 20).decode("ascii")
    if order not in ("little", "big"):
        raise InputError(f"it has the byte order {order!r} instead of 'little' or 'big'; the file is damaged")
    return "<" if order == "little" else ">"


# ---- streams -----------------------------------------------------------------------------------------------


def stream_arrays(file: SourceFile) -> list[StoredArray]:
    """List the arrays of a stream of pickles with the values after them, the format of torch.save 0.1.10 to 1.5.

    No values are read. Raises InputError if PyTorch did not write the pickles, if they have no state_dict, or if the
    file lacks values that they announce.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    if not _begins_as_stream(file):
        raise InputError("it is a Python pickle, but none that torch.save wrote; save the weights in another format")
    unpickle(file)  # the byte order and type sizes of the machine that wrote it; the values are always little-endian
    found, storages = unpickle_tensors(file)
    keys = unpickle(file)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise InputError("its list of storages is damaged; download it again")
    if len(keys) != len(storages) or set(keys) != set(storages):
        raise InputError("it lacks storages that its pickle announces; download it again")
    offsets: dict[str | int, int] = {}
    for key in keys:
        if unpacked(file, "<q") != (storages[key].size,):
            raise InputError("it lacks values that its pickle announces; download it again")
        offsets[key] = skip_values(file, storages[key], end)
    return stored_arrays(found, partial(read_from_file, file, offsets), end)


def _begins_as_stream(file: SourceFile) -> bool:
    """Return True if the file begins with torch.save's two pickles; it then stands behind them."""
    try:
        return unpickle(file) == MAGIC_NUMBER and unpickle(file) == STREAM_VERSION
    except InputError:  # a pickle of another program, with names of its own
        return False
