"""MNIST's digits from idx files and archives."""

import gzip
import pathlib
import struct

import numpy as np
import pytest
from damaged_files import multi_line_header

from minicnn.datasets.mnist import load_digits, read_idx
from minicnn.errors import InputError


def idx_bytes(array):
    """Return an array of unsigned bytes in the format that MNIST's site describes."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write(path, content):
    """Write bytes, compressed if the name ends with .gz."""
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["digits-idx3-ubyte", "digits-idx3-ubyte.gz"])
@pytest.mark.parametrize("shape", [(5,), (0,), (2, 3, 4), (3, 1, 2, 2)])
def test_read_idx(name, shape, tmp_path, rng):
    array = rng.integers(0, 256, shape, np.uint8)
    read = read_idx(write(tmp_path / name, idx_bytes(array)))
    assert read.dtype == np.uint8 and np.array_equal(read, array)
    assert np.array_equal(read_idx(str(tmp_path / name)), array)


def refusal_of_idx(path):
    with pytest.raises(InputError) as refusal:
        read_idx(path)
    line = str(refusal.value)
    assert "\n" not in line and line.startswith(f"{path} ")
    return line.removeprefix(f"{path} ")


@pytest.mark.parametrize("name", ["digits", "digits.gz"])
@pytest.mark.parametrize("content, message", [
    (b"", "is not an idx file of unsigned bytes"), (b"\0\0\x08", "is not an idx file of unsigned bytes"),
    (b"\0\0\x08\x03\0\0\0\x02", "is not an idx file of unsigned bytes"),                # the header ends early
    (b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0", "is not an idx file of unsigned bytes"),        # of floats
    (b"\x93NUMPY\x01\0v\0" + bytes(30), "is not an idx file of unsigned bytes"),
    (idx_bytes(np.ones((2, 3, 4), np.uint8))[:-1], "holds 23 bytes, its header says (2, 3, 4)"),
    (idx_bytes(np.ones((2, 3, 4), np.uint8)) + b"\0", "holds 25 bytes, its header says (2, 3, 4)"),
    (b"\0\0\x08\x02\x80\0\0\0\x80\0\0\0", "holds 0 bytes, its header says (2147483648, 2147483648)"),
    (b"\0\0\x08\x04" + 4 * b"\0\1\0\0", "holds 0 bytes, its header says (65536, 65536, 65536, 65536)"),  # 2 to the 64
])
def test_damaged_idx_files(name, content, message, tmp_path):
    assert refusal_of_idx(write(tmp_path / name, content)) == message


def test_idx_files_that_cannot_be_read(tmp_path):
    assert refusal_of_idx(tmp_path / "missing.gz").startswith("cannot be read: ")
    assert refusal_of_idx(tmp_path).startswith("cannot be read: ")
    plain = tmp_path / "plain.gz"
    plain.write_bytes(idx_bytes(np.ones(3, np.uint8)))
    assert refusal_of_idx(plain).startswith("cannot be read: Not a gzipped file")


def test_damaged_gzip(tmp_path, rng):
    array = rng.integers(0, 7, (3, 28, 28), np.uint8)
    path = write(tmp_path / "digits.gz", idx_bytes(array))
    content = path.read_bytes()
    for length in range(0, len(content), 200):
        path.write_bytes(content[:length])
        assert refusal_of_idx(path)
    for place in [*range(20), *range(20, len(content), 37), *range(len(content) - 8, len(content))]:
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1:])
        try:
            read = read_idx(path)
        except InputError as refusal:
            assert "\n" not in str(refusal)
        else:  # a date, say
            assert np.array_equal(read, array) and place < 20


@pytest.fixture
def digits(rng):
    """Five digits of noise and their labels, as bytes."""
    return rng.integers(0, 256, (5, 28, 28), np.uint8), np.array([3, 1, 4, 1, 5], np.uint8)


def idx_folder(folder, digits, part="train", ending="-idx{}-ubyte.gz"):
    images, labels = digits
    folder.mkdir(exist_ok=True)
    write(folder / f"{part}-images{ending.format(3)}", idx_bytes(images))
    write(folder / f"{part}-labels{ending.format(1)}", idx_bytes(labels))
    return folder


def check_digits(folder, part, digits):
    x, labels = load_digits(folder, part)
    assert x.shape == (5, 1, 28, 28) and x.dtype == np.float32 and labels.dtype == np.int64
    assert labels.tolist() == [3, 1, 4, 1, 5]
    assert np.allclose(x[:, 0], (digits[0] / 255 - 0.1307) / 0.3081, atol=1e-6)


@pytest.mark.parametrize("ending", ["-idx{}-ubyte.gz", "-idx{}-ubyte", ".idx{}-ubyte"])
@pytest.mark.parametrize("folder", ["mnist", "train-images", "images-idx3"])
def test_load_digits_from_idx(ending, folder, tmp_path, digits):
    idx_folder(tmp_path / folder, digits, "train", ending)
    check_digits(tmp_path / folder, "train", digits)
    check_digits(str(tmp_path / folder), "train", digits)


def test_load_digits_of_each_part(tmp_path, digits):
    images, labels = digits
    idx_folder(tmp_path, (images[:2], labels[:2]), "train")
    idx_folder(tmp_path, digits, "t10k")
    check_digits(tmp_path, "t10k", digits)


def test_load_digits_from_npz(tmp_path, digits):
    np.savez(tmp_path / "train_10k.npz", x=digits[0], y=digits[1])
    check_digits(tmp_path, "train", digits)


def refusal_of_digits(folder, part="train"):
    with pytest.raises(InputError) as refusal:
        load_digits(folder, part)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_missing_digits(tmp_path, digits):
    for folder in (tmp_path, tmp_path / "missing"):
        assert refusal_of_digits(folder) == f"no train-images-idx3-ubyte(.gz) and no train*.npz in {folder}"
    idx_folder(tmp_path, digits)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    assert refusal_of_digits(tmp_path).startswith(f"{tmp_path / 'train-labels-idx1-ubyte.gz'} cannot be read: ")
    assert refusal_of_digits(tmp_path, "t10k").startswith("no t10k-images")


@pytest.mark.parametrize("shapes", [((5, 28, 28), (4,)), ((5, 28, 27), (5,)), ((5,), (5,)), ((5, 28, 28), (5, 1))])
def test_load_digits_that_do_not_fit(shapes, tmp_path):
    images, labels = (np.zeros(shape, np.uint8) for shape in shapes)
    np.savez(tmp_path / "train.npz", x=images, y=labels)
    expected = f"holds images of shape {shapes[0]} for labels of shape {shapes[1]}, not (N, 28, 28) and (N,)"
    assert refusal_of_digits(tmp_path) == f"{tmp_path / 'train.npz'} {expected}"
    idx_folder(tmp_path, (images, labels))
    assert refusal_of_digits(tmp_path) == f"{tmp_path / 'train-images-idx3-ubyte.gz'} {expected}"


def test_load_digits_from_damaged_archives(tmp_path, digits):
    path = tmp_path / "train.npz"
    np.savez(path, x=digits[0])
    assert refusal_of_digits(tmp_path).startswith(f"{path} cannot be read: ")
    np.savez(path, x=np.array([None]), y=digits[1])  # a pickle
    assert refusal_of_digits(tmp_path).startswith(f"{path} cannot be read: ")
    np.savez_compressed(path, x=digits[0], y=digits[1])
    content = path.read_bytes()
    for damaged in (b"", content[:-1], content[:1000], content[:1000] + b"\xff\xff\xff" + content[1003:],
                    multi_line_header()):
        path.write_bytes(damaged)
        assert refusal_of_digits(tmp_path).startswith(f"{path} cannot be read: ")


def test_the_real_test_digits(test_data):
    x, labels = load_digits(pathlib.Path(test_data) / "mnist", "t10k")
    assert x.shape == (10000, 1, 28, 28)
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]  # LeCun's test set
