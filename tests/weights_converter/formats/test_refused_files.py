"""A file that cannot be read costs one line that names its format, and leaves no file."""

import errno
import os
import struct
import tempfile
import zipfile
from io import BytesIO

import numpy as np
import pytest
from weight_cases import TRUNK, npy_header, npz_bytes, zip_bytes

from minicnn.errors import InputError
from weights_converter.formats.containers import (
    CAFFEMODEL,
    HDF5,
    MATLAB,
    NPZ,
    ONNX,
    PYTORCH_STREAM,
    PYTORCH_TAR,
    PYTORCH_ZIP,
    SAFETENSORS,
    readable,
    recognise,
)


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_a_pickle_is_never_loaded(two_layers, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arrays = {**two_layers, "conv1_1.bias": np.array([Bomb()] * 64, object)}
    assert "conv1_1.bias holds pickled Python objects, which are never loaded" in refused(arrays, *TRUNK)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("keep", [10, 100, 0.5, 0.999])
def test_truncated(two_layers, refused, keep):
    content = npz_bytes(two_layers)
    assert "damaged or truncated" in refused(content[:int(keep * len(content)) if keep < 1 else keep], *TRUNK)


def test_a_flipped_bit_in_the_values(two_layers, refused):
    content = bytearray(npz_bytes(two_layers))
    content[content.index(two_layers["conv1_2.weight"].tobytes()) + 1000] ^= 4
    assert "Bad CRC-32" in refused(content, *TRUNK)


def test_more_bytes_than_weights_can_have(refused):
    content = bytearray(zip_bytes(a=npy_header((10,)) + bytes(40)))
    entry = content.index(b"PK\x01\x02")
    content[entry + 24:entry + 28] = struct.pack("<I", 2**32 - 2)  # the uncompressed size
    assert "claim 4,294,967,294 bytes, more than the limit" in refused(content)


@pytest.mark.parametrize("shape", [(2**40,), (2**31, 2**31), (-1, -10), (11,)])
def test_a_shape_that_does_not_match_the_bytes(refused, shape):
    assert "which does not match its size in bytes" in refused(zip_bytes(a=npy_header(shape) + bytes(40)))


@pytest.mark.parametrize("content", [
    b"", b"no array", b"\x93NUMPY\x01\x00\x05\x00{    ", b"\x93NUMPY\x03\x00" + bytes(8), b"\x93NUMPY\x09\x09",
    b"\x93NUMPY\x01\x00\xff\x10" + b"(" * 4351, b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", npy_header((2,), "<M8[s]"),
    npy_header((2,), [("a", "<f4")]) + bytes(8)])
def test_odd_members(refused, content):
    refused(zip_bytes(a=content))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_not_unpacked(refused, compression):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("a.npy", npy_header((2**20,)) + bytes(2**22))
    assert "a.npy is compressed in a way that NumPy never uses" in refused(buffer.getvalue())


def test_encrypted(two_layers, refused):
    content = bytearray(npz_bytes(two_layers))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    assert "encrypted" in refused(content, *TRUNK)


def test_array_names_that_do_not_fit_into_a_message(two_layers, refused):
    assert "not printable" in refused(zip_bytes(**{"a\nb": npy_header((1,)) + bytes(4)}))
    assert "too long" in refused(zip_bytes(**{"a" * 1000: npy_header((1,)) + bytes(4)}))


@pytest.mark.parametrize("content", [b"\n", b"\x00words", b"\xfe\xff\xfc"])
def test_a_file_of_no_known_format(refused, content):
    line = refused(content)
    assert "source.npz is of no known format; formats that can be read: PyTorch .pth, safetensors, ONNX, " in line


@pytest.mark.parametrize("content, kind", [
    (b"\x89HDF\r\n\x1a\n", HDF5),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", PYTORCH_STREAM),
    (b"\x80\x04\x95", PYTORCH_STREAM),
    (bytes(257) + b"ustar\x0000", PYTORCH_TAR),
    (struct.pack("<Q", 50) + b'{"features.0.weight":{"dtype":"F32"', SAFETENSORS),
    (b"\n\x05VGG16\x12\xff\x01", CAFFEMODEL),
    (b"\n\nsqueezenet\xa2\x06\xff\x01", CAFFEMODEL),
    (b"\x08\x07\x12\x07pytorch", ONNX),
    (b"MATLAB 5.0 MAT-file, Platform: GLNXA64", MATLAB),
])
def test_containers_are_recognised_by_their_first_bytes(refused, tmp_path, content, kind):
    assert str(tmp_path) in refused(content)  # each ends after its first bytes
    (tmp_path / "weights.txt").write_bytes(content)
    assert recognise(tmp_path / "weights.txt") == kind


def test_a_zip_with_a_pickle_is_pytorch(tmp_path):
    with zipfile.ZipFile(tmp_path / "vgg16.npz", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        archive.writestr("archive/data/0", bytes(4))
    assert recognise(tmp_path / "vgg16.npz") == PYTORCH_ZIP


def test_empty_and_missing_files_and_folders(refused, tmp_path):
    assert "is empty" in refused(b"")
    assert "does not exist" in refused(None, name="none.npz")
    (tmp_path / "folder").mkdir()
    assert "is a folder, not a file; give a weights file" in refused(None, name="folder")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_does_not_block(refused, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "not an ordinary file" in refused(None, name="pipe")


def test_a_file_beyond_the_limit(tmp_path, refused):
    with open(tmp_path / "huge.npz", "wb") as file:
        file.truncate(2**31 + 1)  # a sparse file
    assert "more than the limit" in refused(None, name="huge.npz")


def test_a_zip_archive_of_arrays_is_recognised_under_any_name(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(npz_bytes({"a": np.zeros(3)}))
    assert recognise(path) == NPZ


@pytest.mark.parametrize("problem, words", [
    (OSError(errno.EIO, "Input/output error"), "a.npz cannot be read: Input/output error"),
    (OSError(errno.ESTALE, "Stale file handle", "/tmp/x"), "a.npz cannot be read: Stale file handle"),
    (OSError(errno.ENOSPC, "No space left on device"),
     f"a.npz cannot be unpacked: there is not enough space in {tempfile.gettempdir()} (No space left on device); free "
     "some, or set TMPDIR to another folder"),
    (OSError(errno.EINVAL, "Invalid argument"),
     "a.npz is damaged or truncated: [Errno 22] Invalid argument; download it again"),
    (OSError("unable to open"), "a.npz is damaged or truncated: unable to open; download it again"),
    (zipfile.BadZipFile("no zip"), "a.npz is damaged or truncated: no zip; download it again"),
])
def test_a_failing_disk_is_not_reported_as_a_damaged_file(problem, words):
    with pytest.raises(InputError) as refusal, readable("a.npz"):
        raise problem
    assert str(refusal.value) == words
