"""Which kind of file it is, by its first bytes and never by its name, and who reads it."""

import errno
import os
import tempfile
from contextlib import contextmanager

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
from weights_converter.formats.stored import SIZE_LIMIT
from weights_converter.formats.zip_archive import open_zip

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

READERS = {  # kind -> function from the open file to its StoredArrays
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

SIGNATURES = (  # where, the bytes there, the kind
    (0, b"\x89HDF\r\n\x1a\n", HDF5),
    (0, b"MATLAB 5.0 MAT-file", MATLAB),
    (0, b"MATLAB 7.3 MAT-file", "a MATLAB file of version 7.3 (save it with -v7)"),
    (0, b"\x93NUMPY", "a single NumPy array (.npy)"),
    (0, b"\x80\x02", PYTORCH_STREAM),  # a pickle, by the protocol that wrote it
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
NO_ROOM = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))  # EDQUOT: not on Windows
CHECKPOINT_INDEX = bytes.fromhex("57fb808b247547db")  # the end of TensorFlow's .index


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
        kind = _kind(file, size, path)
    if kind not in READERS:
        raise InputError(f"{path} is {kind}; what can be read is {READABLE}")
    return kind


def _kind(file, size, path):
    head = file.read(512)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_zip(file, path)
    if begins_as_deep_compression(head, size):  # exact arithmetic, where the signatures are a few bytes
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


def _kind_of_zip(file, path):
    with readable(path):
        names = open_zip(file).namelist()
    if any(name.endswith("data.pkl") for name in names):
        return PYTORCH_ZIP
    if "model.weights.h5" in names:
        return "a Keras 3 model (.keras)"
    if names and all(name.endswith(".npy") for name in names):
        return NPZ
    if not names:
        return "an empty zip archive"
    return "a zip archive with other things than NumPy arrays in it"


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
    """Turn whatever a damaged or hostile file makes a reader raise into an InputError that names the file.

    What is not the file's fault keeps its own text: a failing disk, no room to unpack, no memory.
    """
    try:
        yield
    except InputError as problem:
        raise InputError(f"{path}: {problem}") from None
    except MemoryError:  # of this machine, not of the file
        raise
    except OSError as problem:
        if problem.errno in (None, errno.EINVAL):  # not the system's, or of a place where no file has anything
            raise InputError(f"{path} is damaged or truncated: {problem}") from None
        if problem.errno in NO_ROOM:
            raise InputError(f"{path}: to unpack it, there must be more room in {tempfile.gettempdir()} "
                             f"({problem.strerror})") from None
        raise InputError(f"{path} cannot be read: {problem.strerror}") from None
    except Exception as problem:  # zipfile, zlib, h5py and NumPy's header parser raise a dozen kinds
        reason = (str(problem) or type(problem).__name__)[:300]
        raise InputError(f"{path} is damaged or truncated: {reason}") from None
