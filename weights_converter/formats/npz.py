"""NumPy archives (.npz): a zip of .npy files. Pickled objects in them are refused, never loaded.

The header of a .npy is the text of a Python dict. NumPy reads it as Python, whatever length it has, which a hostile
one can make cost gigabytes; here it must look as NumPy writes it.
Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import re
import zipfile
from functools import partial
from math import prod

import numpy as np

from minicnn.errors import InputError
from weights_converter.formats.stored import SIZE_LIMIT, StoredArray, filled_array, shown
from weights_converter.formats.zip_archive import open_member, open_zip

MAGIC = b"\x93NUMPY"
LENGTH_BYTES = {1: 2, 2: 4}  # by version of the format; 3 differs in the field names of records, which no weights are
HEADER_LIMIT = 10_000  # bytes; NumPy writes 118
DIMENSION_LIMIT = 32
HEADER = re.compile(r"\{'descr': '([<>|=]?[a-zA-Z]\d{0,9})', 'fortran_order': (True|False), "
                    r"'shape': \(([-\dL, ]*)\),? *\} *\n?")

COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def npz_arrays(file):
    """The StoredArrays of the archive in `file`, open for reading bytes; of the values nothing is read yet.

    Raises InputError for what is no plain array and where more bytes are announced than weights can have.
    """
    archive = open_zip(file)
    total = sum(member.file_size for member in archive.infolist())
    if total > SIZE_LIMIT:
        raise InputError(f"its arrays claim {total:,} bytes, more than the limit of {SIZE_LIMIT:,}")
    odd = [member.filename for member in archive.infolist() if member.compress_type not in COMPRESSIONS]
    if odd:  # zipfile unpacks some of these without a bound
        raise InputError(f"{shown(odd[0])} is compressed in a way that NumPy never does")
    return [_stored_array(archive, member) for member in archive.infolist()]


def _stored_array(archive, member):
    name = member.filename.removesuffix(".npy")
    with open_member(archive, member) as stream:
        header = _header(stream, name)
        start = stream.tell()
    found = HEADER.fullmatch(header)
    dtype = np.dtype(found[1] if found else "V")
    if dtype.hasobject:
        raise InputError(f"{shown(name)} holds pickled Python objects, which are never loaded")
    if not dtype.itemsize:
        raise InputError(f"{shown(name)} has a header of no plain array, {header[:100]!r}")
    sizes = re.findall(r"-?\d+", found[3])
    if len(sizes) > DIMENSION_LIMIT or max(map(len, sizes), default=0) > 19:
        raise InputError(f"{shown(name)} announces the shape ({found[3][:100]}), which no array has")
    shape = tuple(map(int, sizes))
    if min(shape, default=0) < 0 or start + prod(shape) * dtype.itemsize != member.file_size:
        raise InputError(f"{shown(name)} announces the shape {shape}, which is not what it has")
    order = "F" if found[2] == "True" else "C"
    return StoredArray(name, shape, dtype, partial(_read, archive, member, start, shape, dtype, order))


def _header(stream, name):
    """The text of the header; the stream is left behind it."""
    magic = stream.read(8)
    if not magic.startswith(MAGIC) or len(magic) < 8:
        raise InputError(f"{shown(name)} is no .npy file, or cut off")
    major, minor = magic[6:]
    if major not in LENGTH_BYTES or minor:
        raise InputError(f"{shown(name)} is a .npy of version {major}.{minor}, which no weights need")
    length = int.from_bytes(stream.read(LENGTH_BYTES[major]), "little")
    if length > HEADER_LIMIT:
        raise InputError(f"{shown(name)} has a header of {length:,} bytes, more than the limit of {HEADER_LIMIT:,}")
    return stream.read(length).decode("latin-1")


def _read(archive, member, start, shape, dtype, order):
    with open_member(archive, member) as stream:  # checks the CRC at the end
        stream.read(start)
        return filled_array(stream, prod(shape), dtype).reshape(shape, order=order)
