"""Recognise a file by its first bytes, never by its name: weights of any framework, and what users take for weights.

`describe_file` serves load_model, which reads only files of this library, and weights_converter, which reads others.
"""

import codecs
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from minicnn.errors import InputError, one_line

HEAD = 4096  # bytes that are read to recognise a file
JSON_LIMIT = 10_000_000  # bytes of a JSON text; the index of a large language model has 100,000

NPZ = "a NumPy archive (.npz)"
PYTORCH_ZIP = "a PyTorch file (.pth, zip)"
PYTORCH_STREAM = "a PyTorch file (.pth, from before version 1.6)"
PYTORCH_TAR = "a PyTorch file (.pth, from before version 0.1.10)"
SAFETENSORS = "a safetensors file"
SHARDED = "the index of a model in several files"
HDF5 = "an HDF5 file"
MATLAB = "a MATLAB file (.mat)"

SIGNATURES = (  # (position, the bytes there, the format) of formats that weights_converter reads
    (0, b"\x89HDF\r\n\x1a\n", HDF5),
    (0, b"MATLAB 5.0 MAT-file", MATLAB),
    (0, b"\x80\x02", PYTORCH_STREAM),  # a pickle, by its protocol
    (0, b"\x80\x03", PYTORCH_STREAM),
    (0, b"\x80\x04", PYTORCH_STREAM),
    (0, b"\x80\x05", PYTORCH_STREAM),
    (257, b"ustar", PYTORCH_TAR),
    (8, b"{", SAFETENSORS),
)
UNPACK = "unpack it and give the weights file in it"
PICTURE = "give a weights file here, and the picture where a photo is asked for"
EXPORT = "take the PyTorch, Keras or ONNX file that it was made from"
DOWNLOAD = "open its address in a browser and save the file itself (on GitHub and Hugging Face: the download link)"
LIMITED = "load it there and save the state_dict or the arrays by name: torch.save, safetensors or numpy.savez"

KNOWN = (  # (position, the bytes there, what the file is, the way out) of everything else
    (0, b"version https://git-lfs.github.com/spec", "a pointer of git LFS to a file, not the file itself",
     "get the file with: git lfs pull"),
    (0, b"/annex/objects/", "a pointer of git-annex to a file, not the file itself", "get it with: git annex get FILE"),
    (0, b"MATLAB 7.3 MAT-file", "a MATLAB file of version 7.3", "save it in MATLAB with -v7"),
    (0, b"\x93NUMPY", "a single NumPy array (.npy)", "save all arrays of the network by name with numpy.savez"),
    (0, b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1", "a Torch 7 file (.t7)",
     "convert it to .pth with the package torchfile, or take PyTorch's file"),
    (0, b"\x03\0\0\0\x01\0\0\0", "a Torch 7 file (.t7)", "take PyTorch's file of the same network"),
    (0, b"4\n1\n3\nV 1", "a Torch 7 file (.t7, as text)", "take PyTorch's file of the same network"),
    (4, b"TFL3", "a TensorFlow Lite model (.tflite)", EXPORT),
    (0, b"GGUF", "a GGUF file of llama.cpp", "it holds language models; " + EXPORT),
    (0, b"lmgg", "a GGML file of llama.cpp", "it holds language models; " + EXPORT),
    (0, b"tjgg", "a GGML file of llama.cpp", "it holds language models; " + EXPORT),
    (0, b"\x12\x01\0\0\0\0\0\0", "an MXNet file (.params)", "export it to ONNX with mxnet.onnx"),
    (0, b"7767517", "a network of ncnn (.param)", EXPORT),
    (0, b"\xff\xd8\xff", "a JPEG picture", PICTURE),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture", PICTURE),
    (0, b"GIF8", "a GIF picture", PICTURE),
    (0, b"II*\0", "a TIFF picture", PICTURE),
    (0, b"MM\0*", "a TIFF picture", PICTURE),
    (8, b"WEBP", "a WebP picture", PICTURE),
    (4, b"ftypavif", "an AVIF picture", PICTURE),
    (4, b"ftyphei", "a HEIC picture", PICTURE),
    (4, b"ftypmif1", "a HEIC picture", PICTURE),
    (4, b"ftyp", "a film (MP4)", "give a weights file"),
    (0, b"8BPS", "a Photoshop picture", PICTURE),
    (0, b"%PDF", "a PDF document", "give a weights file"),
    (0, b"\x1f\x8b", "compressed with gzip (.gz or .tar.gz)", UNPACK),
    (0, b"BZh", "compressed with bzip2 (.bz2)", UNPACK),
    (0, b"\xfd7zXZ\0", "compressed with xz", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "compressed with Zstandard (.zst)", UNPACK),
    (0, b"\x04\x22\x4d\x18", "compressed with LZ4", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (0, b"SQLite format 3", "an SQLite database", "give a weights file"),
    (0, b"PAR1", "a Parquet table", "give a weights file"),
    (0, b"\x7fELF", "a program (ELF)", "give a weights file"),
    (0, b"RIFF", "a sound or a film (RIFF)", "give a weights file"),
)
CHECKPOINT_INDEX = bytes.fromhex("57fb808b247547db")  # the last bytes of TensorFlow's .index and of its older .ckpt


class Kind(NamedTuple):
    """What a file is, as "a JPEG picture", and what its user can do; `way_out` is "" if weights_converter reads it."""

    what: str
    way_out: str = ""


UNKNOWN = Kind("of no known format", "?")


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path in a form that is safe to print: one line, control characters escaped.

    >>> shown("a\\n.h5")
    'a\\\\n.h5'
    """
    return one_line(path, 300)


def require_ordinary(path: str | os.PathLike[str]) -> int:
    """Return the size of an ordinary file in bytes. Raises InputError for anything else: a pipe could block for ever.

    >>> require_ordinary("no such file.h5")
    Traceback (most recent call last):
    minicnn.errors.InputError: no such file.h5 does not exist
    """
    name = shown(path)
    try:
        if os.path.isdir(path):
            raise InputError(f"{name} is {describe_folder(path)}")
        if os.path.islink(path) and not os.path.exists(path):
            raise InputError(f"{name} is a link to {one_line(os.readlink(path), 200)}, which does not exist")
        if not os.path.exists(path):
            raise InputError(f"{name} does not exist")
        if not os.path.isfile(path):
            raise InputError(f"{name} is not an ordinary file, but a pipe or a device")
        size = os.path.getsize(path)
    except OSError as problem:
        raise InputError(f"{name} cannot be read: {problem.strerror}") from None
    if size == 0:
        raise InputError(f"{name} is empty; download it again")
    return size


def describe_file(path: str | os.PathLike[str]) -> Kind:
    """Return the Kind of an ordinary file. A zip archive is recognised by its first member.

    Raises InputError if the file cannot be read.

    >>> describe_file(minicnn.models.load.weights_path("digits")).what
    'an HDF5 file'
    """
    size = require_ordinary(path)
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
            file.seek(-min(size, len(CHECKPOINT_INDEX)), os.SEEK_END)
            tail = file.read(len(CHECKPOINT_INDEX))
            if looks_like_json(head):
                file.seek(0)
                return kind_of_json(file.read(JSON_LIMIT + 1))
    except OSError as problem:
        raise InputError(f"{shown(path)} cannot be read: {problem.strerror}") from None
    return kind_of_bytes(head, tail, Path(path).name)


def kind_of_bytes(head: bytes, tail: bytes = b"", name: str = "") -> Kind:
    """Return the Kind of a file from its first and last bytes. Its name decides only between twins."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return kind_of_members([first_member(head)])
    if head.startswith(b"\x93NUMPY") and b"'|O'" in head[:200]:
        return Kind("a single NumPy array (.npy) of pickled Python objects, which are never loaded",
                    "load it with numpy.load(FILE, allow_pickle=True, encoding='latin1').item() if you trust it, and "
                    "save the arrays by name with numpy.savez")
    for offset, signature, what, way_out in KNOWN:
        if head.startswith(signature, offset):
            return Kind(what, way_out)
    if model := kind_of_protobuf(head, name):
        return model
    for offset, signature, what in SIGNATURES:
        if head.startswith(signature, offset):
            return Kind(what)
    if tail == CHECKPOINT_INDEX:
        return Kind("the index of a TensorFlow checkpoint", LIMITED)
    if re.search(r"\.data-\d{5}-of-\d{5}$", name):
        return Kind("the values of a TensorFlow checkpoint", LIMITED)
    return kind_of_text(head) if is_text(head) else UNKNOWN


def kind_of_protobuf(head: bytes, name: str) -> Kind | None:
    """Return the Kind of a model of TensorFlow or Core ML, which begin like an ONNX model; None for other files."""
    # the version, then a message that begins with a message; in an ONNX model a text follows
    found = re.match(rb"\x08([\x01-\x0f])\x12[\x80-\xff]{0,4}[\x00-\x7f]\n", head)
    if found and (found[1] > b"\x01" or name.endswith(".mlmodel")):
        return Kind("a Core ML model (.mlmodel)", EXPORT)
    if found:
        return Kind("a TensorFlow SavedModel (saved_model.pb)",
                    'load it in Keras and save it with model.save("model.h5"), or convert it to ONNX with tf2onnx')
    if head.startswith(b"\n") and re.search(rb"\x12(\x0bPlaceholder|\x05Const)", head[:512]):
        return Kind("a frozen graph of TensorFlow (.pb)", "convert it to ONNX with tf2onnx")
    return None


def first_member(head: bytes) -> str:
    """Return the name of the first member of a zip archive from its first bytes; "" if it has none."""
    length = int.from_bytes(head[26:28], "little")
    return head[30:30 + length].decode("utf-8", "replace") if head.startswith(b"PK\x03\x04") else ""


def kind_of_members(names: Sequence[str]) -> Kind:
    """Return the Kind of a zip archive by the names of its members."""
    folders = {name.partition("/")[0] for name in names}
    if any(f"/{name}".endswith("/constants.pkl") or "/code/" in name for name in names):
        return Kind("a TorchScript archive, with code", "save the module's state_dict alone, with torch.save")
    if any(f"/{name}".endswith(("/serialized_exported_program.json", "/models/model.json", "/archive_format"))
           for name in names):
        return Kind("a program of torch.export (.pt2)", "save the module's state_dict alone, with torch.save")
    if any(name.endswith("data.pkl") for name in names):
        return Kind(PYTORCH_ZIP)
    if "model.weights.h5" in names or names[:1] == ["metadata.json"]:
        return Kind("a Keras 3 model (.keras)", 'load it in Keras and save it with model.save("model.h5")')
    if names and all(name.endswith(".npy") for name in names):
        return Kind(NPZ)
    if "[Content_Types].xml" in names or "mimetype" in names:
        return Kind("an office document", "give a weights file")
    if any(folder.endswith(".mlpackage") for folder in folders):
        return Kind("a packed Core ML model (.mlpackage)", EXPORT)
    if not any(names):
        return Kind("an empty zip archive", "download it again")
    return Kind("a zip archive whose members are not all NumPy arrays", "if the weights file is in it, unpack it")


# ---- texts -------------------------------------------------------------------------------------------------


def is_text(head: bytes) -> bool:
    """Return True if the bytes can be the beginning of a text in UTF-8."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return bool(text.strip()) and not re.search("[\0-\x08\x0e-\x1a\x1c-\x1f]", text)


def looks_like_json(head: bytes) -> bool:
    """Return True if the bytes begin a JSON text. A safetensors file has zeros among its first eight."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[") and is_text(head[:2000])


def kind_of_text(head: bytes) -> Kind:
    """Return the Kind of a text that is not JSON."""
    text = head.decode("utf-8", "ignore").lstrip("\ufeff \t\r\n")
    if re.match(r"<!doctype html|<html|<head|<body", text, re.IGNORECASE):
        return Kind("a web page, perhaps an error message instead of the download", DOWNLOAD)
    if text.startswith("<"):
        return Kind("an XML text, perhaps an error message instead of the download", DOWNLOAD)
    if re.search(r"(?m)^\s*(net|train_net|base_lr|lr_policy)\s*:", text):
        return Kind("a prototxt of Caffe, the settings of a solver", "give the .caffemodel of the network")
    if re.search(r"(?m)^\s*(layers?\s*\{|input\s*:|input_dim\s*:|input_shape\s*\{|name\s*:\s*[\"'])", text):
        return Kind("a prototxt, Caffe's description of a network without its weights",
                    "give the .caffemodel that belongs to it")
    if text.startswith("model_checkpoint_path"):
        return Kind("the list of TensorFlow's checkpoints", LIMITED)
    if text.startswith(("(dp", "(lp", "ccopy_reg", "ccollections", "c__builtin__", "cnumpy")):
        return Kind("a Python pickle of protocol 0", LIMITED)
    return Kind("a text, not weights", "give a weights file")


def kind_of_json(data: bytes) -> Kind:
    """Return the Kind of a JSON text."""
    try:
        found = json.loads(data) if len(data) <= JSON_LIMIT else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return Kind("a JSON text, not weights", "give the weights file that belongs to it")
    if isinstance(found.get("weight_map"), dict):
        return Kind(SHARDED)
    if "modelTopology" in found or "weightsManifest" in found:
        return Kind("a model of TensorFlow.js (model.json)", EXPORT)
    if "class_name" in found and "config" in found:
        return Kind("the architecture of a Keras model without its weights", "give the .h5 file of its weights")
    if {"architectures", "model_type", "_class_name", "architecture", "num_classes", "pretrained_cfg"} & found.keys():
        return Kind("the configuration of a model without its weights (config.json)",
                    "give the weights file beside it, such as model.safetensors or pytorch_model.bin")
    return Kind("a JSON text, not weights", "give the weights file that belongs to it")


# ---- folders -----------------------------------------------------------------------------------------------

IN_FOLDERS = (  # (a file, what a folder with it is, the way out); {} stands for that file's path
    ("saved_model.pb", "a SavedModel of TensorFlow",
     'load it in Keras and save it with model.save("model.h5"), or convert it to ONNX with tf2onnx'),
    ("model.safetensors", "a folder", "give the file in it: {}"),
    ("diffusion_pytorch_model.safetensors", "a folder", "give the file in it: {}"),
    ("model.safetensors.index.json", "a folder", "give the file in it: {}"),
    ("pytorch_model.bin", "a folder", "give the file in it: {}"),
    ("pytorch_model.bin.index.json", "a folder", "give the file in it: {}"),
    ("data.pkl", "a PyTorch file that was unpacked", "pack the folder into a zip archive again, or take the .pth file"),
    ("Manifest.json", "a Core ML model (.mlpackage)", EXPORT),
    ("model.json", "a model of TensorFlow.js", EXPORT),
)
WEIGHTS = (".safetensors", ".pth", ".pt", ".bin", ".onnx", ".caffemodel", ".h5", ".hdf5", ".npz", ".mat", ".ckpt")


def describe_folder(path: str | os.PathLike[str]) -> str:
    """Return what a folder is and the way out, by the files in it."""
    for name, what, way_out in IN_FOLDERS:
        if os.path.isfile(os.path.join(path, name)):
            return f"{what}, not a file; {way_out.format(one_line(os.path.join(path, name), 300))}"
    with os.scandir(path) as entries:
        found = sorted(entry.name for entry, _ in zip(entries, range(10_000), strict=False)
                       if entry.name.lower().endswith(WEIGHTS))
    if found:
        more = f" or one of {len(found) - 1} others" if len(found) > 1 else ""
        return f"a folder, not a file; give the weights file in it: {one_line(found[0], 100)}{more}"
    return "a folder, not a file; give a weights file"
