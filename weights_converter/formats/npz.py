"""NumPy archives (.npz): zip archives of .npy files. Pickled objects in them are refused, never loaded.

The header of a .npy file is the text of a Python dict. NumPy parses a header of any length as Python source, and a
hostile one can cost gigabytes of memory. This reader accepts only the exact form that NumPy writes.
Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import re
import zipfile
from functools import partial
from math import prod
from typing import Literal

import numpy as np

from minicnn.backend import Array
from minicnn.errors import InputError

from .stored import SIZE_LIMIT, Readable, SourceFile, StoredArray, filled_array, printable
from .zip_archive import open_member, open_zip

MAGIC = b"\x93NUMPY"
LENGTH_BYTES = {1: 2, 2: 4}  # version of the format -> bytes of the header's length; version 3 is for records only
HEADER_LIMIT = 10_000  # bytes; NumPy writes 118
DIMENSION_LIMIT = 32
HEADER = re.compile(r"\{'descr': '([<>|=]?[a-zA-Z]\d{0,9})', 'fortran_order': (True|False), "
                    r"'shape': \(([-\dL, ]*)\),? *\} *\n?")

COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def npz_arrays(file: SourceFile) -> list[StoredArray]:
    """List the arrays of the archive in `file`, under the names of its members. No values are read.

    Raises InputError if a member is not a plain array, or if the members announce more bytes than SIZE_LIMIT.
    """
    archive = open_zip(file)
    total = sum(member.file_size for member in archive.infolist())
    if total > SIZE_LIMIT:
        raise InputError(f"its arrays claim {total:,} bytes, more than the limit of {SIZE_LIMIT:,}")
    # zipfile decompresses some of the other methods without a bound on memory
    unusual = [member.filename for member in archive.infolist() if member.compress_type not in COMPRESSIONS]
    if unusual:
        raise InputError(f"{printable(unusual[0])} is compressed in a way that NumPy never uses; save the arrays "
                         "again with numpy.savez")
    return [_stored_array(archive, member) for member in archive.infolist()]


def _stored_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> StoredArray:
    """Return the StoredArray of one member, from its .npy header."""
    name = member.filename.removesuffix(".npy")
    with open_member(archive, member) as stream:
        header = _header(stream, name)
        start = stream.tell()
    fields = HEADER.fullmatch(header)
    dtype = np.dtype(fields[1] if fields else "V")
    if dtype.hasobject:
        raise InputError(f"{printable(name)} holds pickled Python objects, which are never loaded; save it as an "
                         "array of numbers")
    if fields and dtype.kind == "V" and dtype.itemsize:  # NumPy forgets the names of the types of ml_dtypes
        raise InputError(f"{printable(name)} is stored as {dtype.itemsize} bytes without a type (V{dtype.itemsize}), "
                         "as NumPy stores bfloat16 and float8; save it as float32: array.astype('float32')")
    if not fields or not dtype.itemsize:
        raise InputError(f"{printable(name)} is not a plain array; its header is {header[:100]!r}")
    sizes = re.findall(r"-?\d+", fields[3])
    if len(sizes) > DIMENSION_LIMIT or max(map(len, sizes), default=0) > 19:
        raise InputError(f"{printable(name)} announces the shape ({fields[3][:100]}), which no array has; the file is "
                         "damaged")
    shape = tuple(map(int, sizes))
    if min(shape, default=0) < 0 or start + prod(shape) * dtype.itemsize != member.file_size:
        raise InputError(f"{printable(name)} announces the shape {shape}, which does not match its size in bytes; the "
                         "file is damaged")
    order: Literal["C", "F"] = "F" if fields[2] == "True" else "C"
    return StoredArray(name, shape, dtype, partial(_read, archive, member, start, shape, dtype, order))


def _header(stream: Readable, name: str) -> str:
    """Read the text of the .npy header; the stream then stands at the first value."""
    magic = stream.read(8)
    if not magic.startswith(MAGIC) or len(magic) < 8:
        raise InputError(f"{printable(name)} is not a .npy file, or is truncated")
    major, minor = magic[6:]
    if major not in LENGTH_BYTES or minor:
        raise InputError(f"{printable(name)} is a .npy file of version {major}.{minor}; only 1.0 and 2.0 can be read")
    length = int.from_bytes(stream.read(LENGTH_BYTES[major]), "little")
    if length > HEADER_LIMIT:
        raise InputError(f"{printable(name)} has a header of {length:,} bytes, more than the limit of "
                         f"{HEADER_LIMIT:,}")
    return stream.read(length).decode("latin-1")


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, start: int, shape: tuple[int, ...], dtype: np.dtype,
          order: Literal["C", "F"]) -> Array:
    """Read the values of a member, which begin at its byte `start`."""
    with open_member(archive, member) as stream:  # reading to the end checks the CRC
        stream.read(start)
        return filled_array(stream, prod(shape), dtype).reshape(shape, order=order)
