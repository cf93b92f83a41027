"""Recognise the format of a file by its first bytes, never by its name, and open it with the right reader."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedReader

from minicnn.backend import Array
from minicnn.errors import InputError, one_line
from minicnn.models.weights.recognise import UNKNOWN, Kind, describe_file, kind_of_members, require_ordinary, shown
from minicnn.models.weights.signatures import (
    HDF5,
    MATLAB,
    NPZ,
    PYTORCH_STREAM,
    PYTORCH_TAR,
    PYTORCH_ZIP,
    SAFETENSORS,
    SHARDED,
)

from .caffemodel import begins_as_caffemodel, caffemodel_arrays
from .deep_compression import begins_as_deep_compression, deep_compression_arrays
from .keras import keras_arrays
from .matconvnet import matconvnet_arrays
from .npz import npz_arrays
from .number_formats import widened
from .onnx import begins_as_onnx, onnx_arrays
from .pytorch import stream_arrays, zip_arrays
from .pytorch_tar import tar_arrays
from .safetensors import safetensors_arrays
from .sharded import parts_of, require_all
from .stored import SIZE_LIMIT, SourceFile, StoredArray
from .zip_archive import open_zip

Path = str | os.PathLike[str]

ONNX = "an ONNX model"
CAFFEMODEL = "a Caffe model (.caffemodel)"
DEEP_COMPRESSION = "SqueezeNet's Deep Compression file (.net)"

READERS: dict[str, Callable[[SourceFile], list[StoredArray]]] = {  # kind -> function that lists the arrays
    NPZ: npz_arrays,
    PYTORCH_ZIP: zip_arrays,
    PYTORCH_STREAM: stream_arrays,
    PYTORCH_TAR: tar_arrays,
    SAFETENSORS: safetensors_arrays,
    ONNX: onnx_arrays,
    CAFFEMODEL: caffemodel_arrays,
    HDF5: keras_arrays,
    MATLAB: matconvnet_arrays,
    DEEP_COMPRESSION: deep_compression_arrays,
}
READABLE = ("PyTorch .pth, safetensors, ONNX, Caffe .caffemodel, Keras .h5, MatConvNet .mat, NumPy .npz, "
            "SqueezeNet's Deep Compression .net")

DISK_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))  # Windows has no EDQUOT
MOST_ARRAYS = 20_000  # in a file; a network has some hundreds, a checkpoint with an optimizer three times as many


def recognise(path: Path) -> str:
    """Return the format of the file `path`, SHARDED or one of the keys of READERS.

    Raises InputError if the file is missing, empty or too large, or if its format cannot be read; the message names
    the format and the way out.
    """
    size = require_ordinary(path)
    if size > SIZE_LIMIT:
        raise InputError(f"{shown(path)} has {size:,} bytes, more than the limit of {SIZE_LIMIT:,}")
    with open_file(path) as file:
        kind = _kind(file, size, path)
    if kind == UNKNOWN:
        raise InputError(f"{shown(path)} is {kind.what}; formats that can be read: {READABLE}")
    if kind.way_out:
        raise InputError(f"{shown(path)} is {kind.what}; {kind.way_out}")
    return kind.what


def _kind(file: SourceFile, size: int, path: Path) -> Kind:
    """Return the Kind of an open file, readable or not."""
    head = file.read(512)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        with readable(path):
            return kind_of_members(open_zip(file).namelist())
    if begins_as_deep_compression(head, size):  # first, as it accounts for every byte; a signature is a few bytes
        return Kind(DEEP_COMPRESSION)
    kind = describe_file(path)
    for begins_as, what in ((begins_as_onnx, ONNX), (begins_as_caffemodel, CAFFEMODEL)):
        if kind == UNKNOWN and begins_as(head):
            return Kind(what)
    return kind


@contextmanager
def open_arrays(path: Path, kind: str) -> Iterator[list[StoredArray]]:
    """Open the file, and its parts if it is an index, and yield its StoredArrays, which can be read inside the block.

    Raises InputError if a file is damaged, or if a name cannot be printed in a message.
    """
    with ExitStack() as stack:
        if kind != SHARDED:
            yield _arrays_of(stack.enter_context(open_file(path)), path, kind)
            return
        with readable(path):
            parts = parts_of(path)
        arrays: list[StoredArray] = []
        for part, names in parts.items():
            found = _arrays_of(stack.enter_context(open_file(part)), part, recognise(part))
            with readable(path):
                require_all(part, names, (array.name for array in found))
            arrays += [array for array in found if array.name in names]
        yield arrays


def source_files(path: Path, kind: str) -> list[Path]:
    """Return the files that hold a model: `path`, and its parts if it is an index."""
    if kind != SHARDED:
        return [path]
    with readable(path):
        return [path, *parts_of(path)]


def _arrays_of(file: SourceFile, path: Path, kind: str) -> list[StoredArray]:
    """List the arrays of an open file. Raises InputError if a name cannot be printed in a message."""
    if kind not in READERS:
        raise InputError(f"{shown(path)} is {kind}, which cannot be a part of a model")
    with readable(path):
        arrays = READERS[kind](file)
        if len(arrays) > MOST_ARRAYS:
            raise InputError(f"it has {len(arrays):,} arrays, more than the limit of {MOST_ARRAYS:,}")
        for array in arrays:
            if not array.name.isprintable() or len(array.name) > 200:
                raise InputError(f"the array name {one_line(array.name, 200)!r} is not printable or too long")
    return arrays


@contextmanager
def open_file(path: Path) -> Iterator[BufferedReader]:
    """Open a file for reading bytes. Raises InputError if that is not permitted."""
    try:
        file = open(path, "rb")
    except OSError as problem:
        raise InputError(f"{shown(path)} cannot be read: {problem.strerror}") from None
    with file:
        yield file


def read_values(path: Path, array: StoredArray) -> Array:
    """Return the values of a StoredArray of the file, in float32 if NumPy lacks their type.

    Raises InputError if they are damaged.
    """
    with readable(path):
        return widened(array.read())


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn every exception that a damaged or hostile file causes in a reader into an InputError with its name.

    Failures of the machine keep their own text: a failing disk, a full disk. A MemoryError stays a MemoryError.
    """
    try:
        yield
    except InputError as problem:
        raise InputError(f"{shown(path)}: {problem}") from None
    except MemoryError:
        raise
    except OSError as problem:
        # without errno: from a library, for a damaged file; EINVAL: a position that no file has
        if problem.errno in (None, errno.EINVAL):
            raise damaged(path, problem) from None
        if problem.errno in DISK_FULL:
            raise InputError(f"{shown(path)} cannot be unpacked: there is not enough space in {tempfile.gettempdir()} "
                             f"({problem.strerror}); free some, or set TMPDIR to another folder") from None
        raise InputError(f"{shown(path)} cannot be read: {problem.strerror}") from None
    except Exception as problem:  # zipfile, zlib, h5py and NumPy raise a dozen kinds for damaged files
        raise damaged(path, problem) from None


def damaged(path: Path, problem: Exception) -> InputError:
    """Return the InputError for a damaged file."""
    reason = one_line(" ".join(str(problem).split()) or type(problem).__name__, 300)
    return InputError(f"{shown(path)} is damaged or truncated: {reason}; download it again")
