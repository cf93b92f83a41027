"""Files that are no weights file of the library are named, with the way out: by load_model and by the converter."""

import gzip
import json
import os
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from weights_files import refusal

from minicnn.models import load_model
from minicnn.models.weights.recognise import describe_file
from weights_converter.convert import convert


def picture(kind):
    from PIL import Image

    buffer = BytesIO()
    Image.new("RGB", (20, 20)).save(buffer, kind)
    return buffer.getvalue()


def zipped(*names, content=b"x"):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(array):
    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
FILES = {  # content -> words of the message
    "git LFS": (LFS, "a pointer of git LFS to a file, not the file itself; get the file with: git lfs pull"),
    "git-annex": (b"/annex/objects/SHA256E-s5--abc\n", "git-annex"),
    "prototxt": (b'name: "VGG"\ninput: "data"\nlayer {\n  name: "conv1"\n}\n',
                 "give the .caffemodel that belongs to it"),
    "old prototxt": (b"# a comment\nlayers {\n  bottom: 'data'\n}\n", "a prototxt"),
    "solver": (b'net: "train.prototxt"\nbase_lr: 0.01\n', "give the .caffemodel"),
    "SavedModel": (b"\x08\x01\x12\xd2\x04\n\x06\x12\x05serve" + bytes(50), "a TensorFlow SavedModel (saved_model.pb)"),
    "frozen graph": (b"\n\x14\n\x05input\x12\x0bPlaceholder*\x05", "a frozen graph of TensorFlow"),
    "Core ML": (b"\x08\x04\x12\x30\n\x10\n\x05image\x1a\x07" + bytes(50), "a Core ML model"),
    "Keras 3": (zipped("metadata.json", "config.json", "model.weights.h5"),
                "a Keras 3 model (.keras); load it in Keras"),
    "TorchScript": (zipped("m/constants.pkl", "m/code/__torch__.py", "m/data.pkl"), "TorchScript"),
    "torch.export": (zipped("m/archive_format", "m/models/model.json"), "torch.export"),
    "TensorFlow Lite": (b"\x1c\0\0\0TFL3" + bytes(50), "a TensorFlow Lite model (.tflite)"),
    "GGUF": (b"GGUF\x03\0\0\0" + bytes(50), "a GGUF file"),
    "TensorFlow's index": (bytes(100) + bytes.fromhex("57fb808b247547db"), "the index of a TensorFlow checkpoint"),
    "checkpoint": (b'model_checkpoint_path: "model.ckpt-5"\n', "TensorFlow's checkpoints"),
    "Torch 7": (b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1\x11\0\0\0torch.FloatTensor", "a Torch 7 file"),
    "MXNet": (b"\x12\x01\0\0\0\0\0\0" + bytes(50), "an MXNet file"),
    "web page": (b"\n<!DOCTYPE html>\n<html>", "a web page, perhaps an error message instead of the download"),
    "web page with a mark": (b"\xef\xbb\xbf<HTML><body>", "a web page"),
    "XML": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "an XML text"),
    "JPEG": (picture("JPEG"), "a JPEG picture"), "PNG": (picture("PNG"), "a PNG picture"),
    "GIF": (picture("GIF"), "a GIF picture"), "TIFF": (picture("TIFF"), "a TIFF picture"),
    "WebP": (picture("WEBP"), "a WebP picture"), "PDF": (b"%PDF-1.7\n%\xe2\xe3", "a PDF document"),
    "zip": (zipped("a.txt", "b.pth"),
            "a zip archive whose members are not all NumPy arrays; if the weights file is in"),
    "docx": (zipped("[Content_Types].xml", "word/document.xml"), "an office document"),
    "empty zip": (zipped(), "an empty zip archive"), "gzip": (gzip.compress(b"a" * 100), "unpack it"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(50), "a 7-Zip archive; unpack it"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(50), "Zstandard"), "xz": (b"\xfd7zXZ\0" + bytes(50), "xz"),
    "bzip2": (b"BZh91AY" + bytes(50), "bzip2"), "rar": (b"Rar!\x1a\x07\x01\0", "a RAR archive"),
    "npy": (npy(np.zeros((3, 4))),
            "a single NumPy array (.npy); save all arrays of the network by name with numpy.savez"),
    "pickled npy": (npy(np.array({"conv1": [1]}, dtype=object)), "of pickled Python objects, which are never loaded"),
    "config.json": (json.dumps({"architectures": ["ResNet"], "num_channels": 3}).encode(), "config.json"),
    "Keras's JSON": (b'{"class_name": "Functional", "config": {}}', "the architecture of a Keras model without"),
    "JSON": (b"[1, 2, 3]", "a JSON text"), "broken JSON": (b'{"a": ', "a JSON text"),
    "JSON bomb": (b"[" * 10**6, "a JSON text"), "text": (b"hello\nworld\n", "is a text"),
    "umlauts": ("grüße, 你好 ".encode() * 2000, "is a text"), "ELF": (b"\x7fELF\x02\x01", "a program"),
    "SQLite": (b"SQLite format 3\0", "SQLite"), "MP4": (b"\0\0\0\x20ftypisom", "a film"),
    "AVIF": (b"\0\0\0\x20ftypavif", "an AVIF picture"), "protocol 0": (b"(dp0\nS'a'\np1\n", "a Python pickle"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_a_file_is_and_the_way_out(tmp_path, name):
    content, words = FILES[name]
    for file_name in ("file", "model.h5", "weights.pth"):
        path = tmp_path / file_name
        path.write_bytes(content)
        for line in (refusal(load_model, path), refusal(convert, path)):
            assert line.startswith(f"{path} is ") and ";" in line and len(line) < 500, line
            assert all(part in line for part in words.split("; ")), line
        assert words.partition(";")[0].removeprefix("is ") in describe_file(path).what + describe_file(path).way_out


@pytest.mark.parametrize("write, what", [
    (lambda path: np.savez(path, a=np.zeros(3)), "a NumPy archive (.npz)"),
    (lambda path: path.write_bytes(zipped("archive/data.pkl", "archive/data/0")), "a PyTorch file (.pth, zip)"),
    (lambda path: path.write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."), "a PyTorch file (.pth, from before"),
    (lambda path: path.write_bytes(b"\x20\0\0\0\0\0\0\0{\"a\"" + bytes(60)), "a safetensors file"),
    (lambda path: path.write_bytes(b'{"weight_map": {"a": "b"}}'), "the index of a model in several files"),
    (lambda path: path.write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200)), "a MATLAB file (.mat)")])
def test_weights_of_other_frameworks_are_to_be_converted(tmp_path, write, what):
    path = tmp_path / "a.npz"
    write(path)
    line = refusal(load_model, path)
    assert line.startswith(f"{path} is {what}") and "not a weights file of this library; convert it with: " in line
    assert line.endswith(f"minicnn convert {path}")


@pytest.mark.parametrize("files, words", [
    (["saved_model.pb", "variables/x"], "a SavedModel of TensorFlow, not a file"),
    (["config.json", "model.safetensors"], "give the file in it: "), (["pytorch_model.bin"], "pytorch_model.bin"),
    (["model.safetensors.index.json", "model-00001-of-00002.safetensors"], "model.safetensors.index.json"),
    (["Manifest.json"], "a Core ML model (.mlpackage)"), (["data.pkl", "data/0"], "a PyTorch file that was unpacked"),
    (["net.pth", "other.onnx", "readme"], "give the weights file in it: net.pth or one of 1 others"),
    (["readme"], "a folder, not a file; give a weights file"), ([], "a folder, not a file")])
def test_folders(tmp_path, files, words):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    for line in (refusal(load_model, folder), refusal(convert, folder), refusal(load_model, str(folder))):
        assert line.startswith(f"{folder} is ") and words in line


def test_links_pipes_and_devices(tmp_path):
    (tmp_path / "link.h5").symlink_to(tmp_path / "nowhere.h5")
    assert "is a link to " in refusal(load_model, tmp_path / "link.h5")
    assert "is a link to " in refusal(convert, tmp_path / "link.h5")
    os.mkfifo(tmp_path / "pipe.h5")
    for path in (tmp_path / "pipe.h5", Path("/dev/zero"), "/dev/null"):
        for function in (load_model, convert):
            assert "is not an ordinary file, but a pipe or a device" in refusal(function, path)


JUNK = [None, 5, 1.5, b"shapes", b"\xff", [], ["shapes"], {}, object(), True, float("nan"), np.zeros(3), ("a",),
        load_model]
NAMES = ["", " ", "a\0b", "a\0b.h5", "x" * 10**6, "x/" * 3000, "\ud800", "a\x1b[2J\nb", "https://example.org/a.h5", "/",
         ".", "..", "no/such/file.pth", "~", "\udcff.h5", Path(), Path("none.h5"), "shapes ", "SHAPES",
         "../../etc/passwd"]


@pytest.mark.parametrize("name", JUNK, ids=lambda name: type(name).__name__)
def test_junk_instead_of_a_name(name):
    line = refusal(load_model, name)
    assert line.startswith("load_model takes the name of a model or the path of its file as a text, not ")
    assert line.isprintable() and len(line) < 300


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name)[:20])
def test_odd_names(name, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    line = refusal(load_model, name)
    assert line.isprintable() and len(line) < 600


@pytest.mark.parametrize("device", ["cuda:7", "cuda", "", None, 3, b"cpu", [], "CPU", "\x1b[2J", "x" * 10**6,
                                    np.zeros(2), 0.5],
                         ids=lambda device: repr(device)[:12])
def test_odd_devices(device):
    line = refusal(load_model, "shapes", device)
    assert "device" in line and line.isprintable() and len(line) < 300


def test_a_damaged_hdf5_file_keeps_hdf5s_reason(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert "cannot be read as HDF5: " in refusal(load_model, tmp_path / "a.h5")


def test_describing_a_file_imports_no_converter():
    program = ("import sys; from minicnn.models.weights.recognise import describe_file; describe_file(sys.argv[1]);"
               "print([name for name in sys.modules if 'weights_converter' in name])")
    done = subprocess.run([sys.executable, "-c", program, __file__], capture_output=True, text=True)
    assert done.stdout == "[]\n"
