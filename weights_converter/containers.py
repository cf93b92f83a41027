"""Which kind of file it is, by its first bytes and never by its name, and who reads it."""

import os
import zipfile
from contextlib import contextmanager

from minicnn.errors import InputError
from weights_converter.read_npz import npz_arrays
from weights_converter.stored import SIZE_LIMIT

NPZ = "a NumPy archive (.npz)"
READERS = {NPZ: npz_arrays}  # kind -> function from the open file to its StoredArrays

SIGNATURES = (  # where, the bytes there, the kind
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"MATLAB 7.3 MAT-file", "a MATLAB file (.mat, version 7.3)"),
    (0, b"MATLAB 5.0 MAT-file", "a MATLAB file (.mat)"),
    (0, b"\x93NUMPY", "a single NumPy array (.npy)"),
    (0, b"\x80\x02", "a Python pickle, like PyTorch's .pth before version 1.6"),
    (0, b"\x80\x03", "a Python pickle"),
    (0, b"\x80\x04", "a Python pickle"),
    (0, b"\x80\x05", "a Python pickle"),
    (257, b"ustar", "a tar archive, like PyTorch's .pth before version 0.1.10"),
    (8, b'{"', "a safetensors file"),
)


def recognise(path):
    """The kind of file that `path` is, one of READERS.

    Raises InputError where it is missing, empty, too large, or of a kind that cannot be read, naming it.
    """
    if not os.path.exists(path):
        raise InputError(f"{path} does not exist")
    if not os.path.isfile(path):  # a folder, or a pipe that would keep us waiting
        raise InputError(f"{path} is not an ordinary file")
    size = os.path.getsize(path)
    if size == 0:
        raise InputError(f"{path} is empty")
    if size > SIZE_LIMIT:
        raise InputError(f"{path} has {size:,} bytes, more than the limit of {SIZE_LIMIT:,}")
    with open(path, "rb") as file:
        kind = _kind(file, path)
    if kind not in READERS:
        raise InputError(f"{path} is {kind}; what can be read is {' or '.join(READERS)}")
    return kind


def _kind(file, path):
    head = file.read(512)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_zip(file, path)
    for offset, signature, kind in SIGNATURES:
        if head.startswith(signature, offset):
            return kind
    if _begins_as_caffemodel(head):
        return "a Caffe model (.caffemodel)"
    return "of no known format"


def _kind_of_zip(file, path):
    with readable(path):
        names = zipfile.ZipFile(file).namelist()
    if any(name.endswith("data.pkl") for name in names):
        return "a PyTorch file (.pth, a zip with a pickle)"
    if names and all(name.endswith(".npy") for name in names):
        return NPZ
    return "a zip archive with other things than NumPy arrays in it"


def _begins_as_caffemodel(head):
    """A protobuf message with a name (field 1), then a layer: field 2 (old) or field 100."""
    if len(head) < 3 or head[0] != 0x0A or head[1] > 127:
        return False
    name, rest = head[2:2 + head[1]], head[2 + head[1]:]
    return name.isascii() and name.decode("ascii").isprintable() and rest.startswith((b"\x12", b"\xa2\x06"))


@contextmanager
def open_arrays(path, kind):
    """The StoredArrays of the file, for as long as the block lasts.

    Raises InputError for whatever is wrong with the file, also with the names: they go into messages.
    """
    with open(path, "rb") as file:
        with readable(path):
            arrays = READERS[kind](file)
            for array in arrays:
                if not array.name.isprintable() or len(array.name) > 200:
                    raise InputError(f"the array name {array.name[:200]!r} is not printable or too long")
        yield arrays


def read_values(path, array):
    """The values of a StoredArray of the file; InputError where they are damaged."""
    with readable(path):
        return array.read()


@contextmanager
def readable(path):
    """Turn whatever a damaged or hostile file makes a reader raise into an InputError that names the file."""
    try:
        yield
    except InputError as problem:
        raise InputError(f"{path}: {problem}") from None
    except Exception as problem:  # zipfile, zlib and NumPy's header parser raise a dozen kinds
        reason = str(problem) or type(problem).__name__
        raise InputError(f"{path} is damaged or truncated: {reason}") from None
