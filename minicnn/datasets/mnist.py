"""Read MNIST's digits from its own files or from .npz archives."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.models.preprocessing import Preprocessing

PREPROCESSING = Preprocessing("L", 1 / 255, (0.1307,), (0.3081,), 28, 28)


def read_idx(path: str | Path) -> Array:
    """Return the uint8 array of an idx file of unsigned bytes, gzipped or not.

    Raises InputError that names the file if it is damaged.

    >>> _ = (folder / "bytes.idx").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 5, 9]))
    >>> read_idx(folder / "bytes.idx")
    array([5, 9], dtype=uint8)
    """
    try:
        with (gzip.open if str(path).endswith(".gz") else open)(path, "rb") as file:
            data = file.read()
    except (OSError, EOFError, zlib.error) as problem:
        raise InputError(f"{path} cannot be read: {problem}") from None
    # two zeros, the type (8: unsigned byte), the number of axes, the length of each axis as a big-endian 32-bit number
    if data[:3] != b"\0\0\x08" or len(data) < 4 or len(data) < 4 + 4 * data[3]:
        raise InputError(f"{path} is not an idx file of unsigned bytes")
    shape = tuple(np.frombuffer(data, ">u4", data[3], 4).tolist())
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * data[3])
    if values.size != math.prod(shape):
        raise InputError(f"{path} holds {values.size} bytes, its header says {shape}")
    return values.reshape(shape)


def load_digits(folder: str | Path, part: str) -> tuple[Array, Array]:
    """Return (x, labels) of the digits in the folder: x float32 (N, 1, 28, 28), normalised, labels int64 (N,).

    part : "train" or "t10k". Reads MNIST's idx files, gzipped or not, or an .npz (`train_10k.npz`, …) with the uint8
    arrays x and y.
    Raises InputError if the files are missing or damaged, or if they are not images of 28x28 with one label each.

    >>> np.savez(folder / "train_2.npz", x=np.zeros((2, 28, 28), np.uint8), y=np.array([3, 7], np.uint8))
    >>> load_digits(folder, "train")[1]
    array([3, 7])
    """
    folder = Path(folder)
    found = sorted(folder.glob(f"{part}-images*idx3-ubyte*"))
    if found:
        source = found[0]
        labels_name = source.name.replace("images", "labels").replace("idx3", "idx1")
        images, labels = read_idx(source), read_idx(source.with_name(labels_name))
    else:
        archives = sorted(folder.glob(f"{part}*.npz"))
        if not archives:
            raise InputError(f"no {part}-images-idx3-ubyte(.gz) and no {part}*.npz in {folder}")
        source = archives[0]
        try:
            with np.load(source, allow_pickle=False) as file:
                images, labels = file["x"], file["y"]
        except Exception as problem:  # zip, zlib and NumPy each have errors of their own
            raise InputError(f"{source} cannot be read: {' '.join(str(problem).split())}") from None
    if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
        raise InputError(f"{source} holds images of shape {images.shape} for labels of shape {labels.shape}, "
                         "not (N, 28, 28) and (N,)")
    x = images[:, None].astype(np.float32) * np.float32(PREPROCESSING.scale)
    return (x - np.float32(PREPROCESSING.mean[0])) / np.float32(PREPROCESSING.std[0]), labels.astype(np.int64)
