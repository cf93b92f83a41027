"""Recognise the format of a file by its first bytes, never by its name, and open it with the right reader."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from minicnn.backend import Array
from minicnn.errors import InputError
from weights_converter.formats.caffemodel import begins_as_caffemodel, caffemodel_arrays
from weights_converter.formats.deep_compression import begins_as_deep_compression, deep_compression_arrays
from weights_converter.formats.keras import keras_arrays
from weights_converter.formats.matconvnet import matconvnet_arrays
from weights_converter.formats.npz import npz_arrays
from weights_converter.formats.onnx import begins_as_onnx, onnx_arrays
from weights_converter.formats.pytorch import stream_arrays, zip_arrays
from weights_converter.formats.pytorch_tar import tar_arrays
from weights_converter.formats.safetensors import safetensors_arrays
from weights_converter.formats.stored import SIZE_LIMIT, SourceFile, StoredArray
from weights_converter.formats.zip_archive import open_zip

Path = str | os.PathLike[str]

NPZ = "a NumPy archive (.npz)"
PYTORCH_ZIP = "a PyTorch file (.pth, zip)"
PYTORCH_STREAM = "a PyTorch file (.pth, from before version 1.6)"
PYTORCH_TAR = "a PyTorch file (.pth, from before version 0.1.10)"
SAFETENSORS = "a safetensors file"
ONNX = "an ONNX model"
CAFFEMODEL = "a Caffe model (.caffemodel)"
HDF5 = "an HDF5 file"
MATLAB = "a MATLAB file (.mat)"
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

SIGNATURES = (  # (position, the bytes there, the kind)
    (0, b"\x89HDF\r\n\x1a\n", HDF5),
    (0, b"MATLAB 5.0 MAT-file", MATLAB),
    (0, b"MATLAB 7.3 MAT-file", "a MATLAB file of version 7.3 (save it in MATLAB with -v7)"),
    (0, b"\x93NUMPY", "a single NumPy array (.npy)"),
    (0, b"\x80\x02", PYTORCH_STREAM),  # a pickle, by its protocol
    (0, b"\x80\x03", PYTORCH_STREAM),
    (0, b"\x80\x04", PYTORCH_STREAM),
    (0, b"\x80\x05", PYTORCH_STREAM),
    (257, b"ustar", PYTORCH_TAR),
    (8, b"{", SAFETENSORS),
    (0, b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1", "a Torch 7 file (.t7)"),
    (0, b"\x03\0\0\0\x01\0\0\0", "a Torch 7 file (.t7)"),
    (0, b"\x1f\x8b", "compressed with gzip (unpack it first)"),
    (0, b"<", "a web page or XML, not weights"),
)
DISK_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))  # Windows has no EDQUOT
CHECKPOINT_INDEX = bytes.fromhex("57fb808b247547db")  # the last bytes of TensorFlow's .index


def recognise(path: Path) -> str:
    """Return the format of the file `path`, one of the keys of READERS.

    Raises InputError if the file is missing, empty or too large, or if its format cannot be read; the message names
    the format.
    """
    if not os.path.exists(path):
        raise InputError(f"{path} does not exist")
    if not os.path.isfile(path):  # a folder, or a pipe, which could block for ever
        raise InputError(f"{path} is not an ordinary file")
    size = os.path.getsize(path)
    if size == 0:
        raise InputError(f"{path} is empty; download it again")
    if size > SIZE_LIMIT:
        raise InputError(f"{path} has {size:,} bytes, more than the limit of {SIZE_LIMIT:,}")
    with open(path, "rb") as file:
        kind = _kind(file, size, path)
    if kind not in READERS:
        raise InputError(f"{path} is {kind}; formats that can be read: {READABLE}")
    return kind


def _kind(file: SourceFile, size: int, path: Path) -> str:
    """Return the format of an open file, readable or not."""
    head = file.read(512)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_zip(file, path)
    if begins_as_deep_compression(head, size):  # first, as it accounts for every byte; a signature is a few bytes
        return DEEP_COMPRESSION
    for offset, signature, kind in SIGNATURES:
        if head.startswith(signature, offset):
            return kind
    for begins_as, kind in ((begins_as_onnx, ONNX), (begins_as_caffemodel, CAFFEMODEL)):
        if begins_as(head):
            return kind
    file.seek(-min(size, len(CHECKPOINT_INDEX)), os.SEEK_END)
    if file.read() == CHECKPOINT_INDEX:
        return "the index of a TensorFlow checkpoint"
    return "of no known format"


def _kind_of_zip(file: SourceFile, path: Path) -> str:
    """Return the format of a zip archive, by the names of its members."""
    with readable(path):
        names = open_zip(file).namelist()
    if any(name.endswith("data.pkl") for name in names):
        return PYTORCH_ZIP
    if "model.weights.h5" in names:
        return 'a Keras 3 model (.keras; load it in Keras and save it with model.save("model.h5"))'
    if names and all(name.endswith(".npy") for name in names):
        return NPZ
    if not names:
        return "an empty zip archive"
    return "a zip archive whose members are not all NumPy arrays (if the weights file is in it, unpack it)"


@contextmanager
def open_arrays(path: Path, kind: str) -> Iterator[list[StoredArray]]:
    """Open the file and yield its StoredArrays, which can be read inside the block.

    Raises InputError if the file is damaged, or if a name cannot be printed in a message.
    """
    with open(path, "rb") as file:
        with readable(path):
            arrays = READERS[kind](file)
            for array in arrays:
                if not array.name.isprintable() or len(array.name) > 200:
                    raise InputError(f"the array name {array.name[:200]!r} is not printable or too long")
        yield arrays


def read_values(path: Path, array: StoredArray) -> Array:
    """Return the values of a StoredArray of the file. Raises InputError if they are damaged."""
    with readable(path):
        return array.read()


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn every exception that a damaged or hostile file causes in a reader into an InputError with its name.

    Failures of the machine keep their own text: a failing disk, a full disk. A MemoryError stays a MemoryError.
    """
    try:
        yield
    except InputError as problem:
        raise InputError(f"{path}: {problem}") from None
    except MemoryError:
        raise
    except OSError as problem:
        # without errno: from a library, for a damaged file; EINVAL: a position that no file has
        if problem.errno in (None, errno.EINVAL):
            raise damaged(path, problem) from None
        if problem.errno in DISK_FULL:
            raise InputError(f"{path} cannot be unpacked: there is not enough space in {tempfile.gettempdir()} "
                             f"({problem.strerror}); free some, or set TMPDIR to another folder") from None
        raise InputError(f"{path} cannot be read: {problem.strerror}") from None
    except Exception as problem:  # zipfile, zlib, h5py and NumPy raise a dozen kinds for damaged files
        raise damaged(path, problem) from None


def damaged(path: Path, problem: Exception) -> InputError:
    """Return the InputError for a damaged file."""
    reason = (str(problem) or type(problem).__name__)[:300]
    return InputError(f"{path} is damaged or truncated: {reason}; download it again")
