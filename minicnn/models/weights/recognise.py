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
from minicnn.models.weights.signatures import (
    CHECKPOINT_INDEX,
    DOWNLOAD,
    EXPORT,
    IN_FOLDERS,
    KNOWN,
    LIMITED,
    NPZ,
    PYTORCH_ZIP,
    SHARDED,
    SIGNATURES,
    WEIGHTS,
)

HEAD = 4096  # bytes that are read to recognise a file
JSON_LIMIT = 10_000_000  # bytes of a JSON text; the index of a large language model has 100,000

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
    return Kind("a text", "give a weights file")


def kind_of_json(data: bytes) -> Kind:
    """Return the Kind of a JSON text."""
    try:
        found = json.loads(data) if len(data) <= JSON_LIMIT else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return Kind("a JSON text", "give the weights file that belongs to it")
    if isinstance(found.get("weight_map"), dict):
        return Kind(SHARDED)
    if "modelTopology" in found or "weightsManifest" in found:
        return Kind("a model of TensorFlow.js (model.json)", EXPORT)
    if "class_name" in found and "config" in found:
        return Kind("the architecture of a Keras model without its weights", "give the .h5 file of its weights")
    if {"architectures", "model_type", "_class_name", "architecture", "num_classes", "pretrained_cfg"} & found.keys():
        return Kind("the configuration of a model without its weights (config.json)",
                    "give the weights file beside it, such as model.safetensors or pytorch_model.bin")
    return Kind("a JSON text", "give the weights file that belongs to it")


# ---- folders -----------------------------------------------------------------------------------------------

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
