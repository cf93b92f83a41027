"""NumPy archives (.npz): a zip of .npy files. Pickled objects in them are refused, never loaded."""

import zipfile
from functools import partial
from math import prod

from numpy.lib import format as npy

from minicnn.errors import InputError
from weights_converter.stored import SIZE_LIMIT, StoredArray

# by version of the .npy format; 3.0 differs in the field names of records, which no weights are
READ_HEADER = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}

COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def npz_arrays(file):
    """The StoredArrays of the archive in `file`, open for reading bytes; of the values nothing is read yet.

    Raises InputError for what is no plain array and where more bytes are announced than weights can have.
    """
    archive = zipfile.ZipFile(file)
    total = sum(member.file_size for member in archive.infolist())
    if total > SIZE_LIMIT:
        raise InputError(f"its arrays claim {total:,} bytes, more than the limit of {SIZE_LIMIT:,}")
    odd = [member.filename for member in archive.infolist() if member.compress_type not in COMPRESSIONS]
    if odd:  # zipfile unpacks some of these without a bound
        raise InputError(f"{odd[0]} is compressed in a way that NumPy never does")
    return [_stored_array(archive, member) for member in archive.infolist()]


def _stored_array(archive, member):
    name = member.filename.removesuffix(".npy")
    with archive.open(member) as stream:
        version = npy.read_magic(stream)
        if version not in READ_HEADER:
            raise InputError(f"{name} is a .npy of version {version[0]}.{version[1]}, which no weights need")
        shape, _, dtype = READ_HEADER[version](stream)
        size = stream.tell() + prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise InputError(f"{name} holds pickled Python objects, which are never loaded")
    if min(shape, default=0) < 0 or size != member.file_size:
        raise InputError(f"{name} announces the shape {shape}, which is not what it has")
    return StoredArray(name, shape, dtype, partial(_read, archive, member))


def _read(archive, member):
    with archive.open(member) as stream:
        return npy.read_array(stream, allow_pickle=False)
