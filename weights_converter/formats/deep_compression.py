"""SqueezeNet 1.0 in the format of Deep Compression (compressed_SqueezeNet.net; Han et al., arXiv:1510.00149).

The file has no names and no checksum. It begins with 26 counts (uint32), one for each convolution: the number of its
stored weights. Then each convolution has, in this order:
  - 256 shared values (float32), the codebook; the first is zero;
  - the biases (float32);
  - the index into the codebook of each stored weight (8 bits);
  - the number of weights that are skipped before it (4 bits, the low ones first).
Skipped weights have the first shared value, zero.
"""

from functools import partial
from math import prod

import numpy as np

from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.models import squeezenet1_0

from .stored import SourceFile, StoredArray

CODEBOOK = 256  # shared values of a convolution, indexed by 8 bits


def begins_as_deep_compression(head: bytes, size: int) -> bool:
    """Return True if a file of `size` bytes that begins with `head` has this format.

    The counts in the head must account for every byte of the file.
    """
    shapes = _weight_shapes()
    counts = _counts(head, len(shapes))
    if len(counts) < len(shapes):
        return False
    fits = all(0 < count <= prod(shape) for count, shape in zip(counts, shapes.values(), strict=True))
    return fits and _offsets(counts, shapes)[-1] == size


def deep_compression_arrays(file: SourceFile) -> list[StoredArray]:
    """List the arrays of `file` under Caffe's names. No values are read.

    Raises InputError if the counts do not account for every byte of the file.
    """
    shapes = _weight_shapes()
    head = file.read(4 * len(shapes))
    if not begins_as_deep_compression(head, file.seek(0, 2)):
        raise InputError("its counts of stored weights do not account for its size: it is not a Deep Compression file "
                         "of SqueezeNet 1.0, or it is damaged or truncated")
    counts = _counts(head, len(shapes))
    offsets = _offsets(counts, shapes)[:-1]
    arrays = []
    for (layer, shape), count, offset in zip(shapes.items(), counts, offsets, strict=True):
        weight, bias = f"{layer}.weight", f"{layer}.bias"
        arrays += [
            StoredArray(weight, shape, np.dtype("<f4"), partial(_read_weight, file, weight, offset, shape, count)),
            StoredArray(bias, shape[:1], np.dtype("<f4"), partial(_read_bias, file, bias, offset, shape)),
        ]
    return arrays


def _weight_shapes() -> dict[str, tuple[int, ...]]:
    """Return {"conv1": (96, 3, 7, 7), …}: the convolutions, under Caffe's names, in the order of the file."""
    return {node.name: node.layer.params["w"].shape for node in squeezenet1_0(seed=None).nodes if node.layer.params}


def _counts(head: bytes, number: int) -> list[int]:
    """Return the first `number` counts; fewer if `head` is shorter."""
    return [int.from_bytes(head[4 * i:4 * i + 4], "little") for i in range(min(number, len(head) // 4))]


def _offsets(counts: list[int], shapes: dict[str, tuple[int, ...]]) -> list[int]:
    """Return the position of each convolution in the file, then the file's size."""
    offsets = [4 * len(counts)]
    for count, shape in zip(counts, shapes.values(), strict=True):
        offsets.append(offsets[-1] + 4 * CODEBOOK + 4 * shape[0] + count + (count + 1) // 2)
    return offsets


def _read_bias(file: SourceFile, name: str, offset: int, shape: tuple[int, ...]) -> Array:
    """Read the biases of the convolution at `offset`."""
    return np.frombuffer(_bytes_at(file, name, offset + 4 * CODEBOOK, 4 * shape[0]), "<f4")


def _read_weight(file: SourceFile, name: str, offset: int, shape: tuple[int, ...], count: int) -> Array:
    """Read and decompress the weights of the convolution at `offset`."""
    codebook = np.frombuffer(_bytes_at(file, name, offset, 4 * CODEBOOK), "<f4")
    packed = _bytes_at(file, name, offset + 4 * CODEBOOK + 4 * shape[0], count + (count + 1) // 2)
    skips = np.frombuffer(packed, np.uint8, offset=count)
    skips = np.stack([skips & 15, skips >> 4], axis=1).ravel()[:count]
    positions = np.cumsum(skips + 1, dtype=np.int64) - 1
    if positions[-1] >= prod(shape):
        raise InputError(f"{name} is damaged: its stored weights reach beyond the {prod(shape):,} of its shape")
    codes = np.zeros(prod(shape), np.uint8)
    codes[positions] = np.frombuffer(packed, np.uint8, count)
    return codebook[codes].reshape(shape)


def _bytes_at(file: SourceFile, name: str, offset: int, length: int) -> bytes:
    """Read `length` bytes at `offset`. Raises InputError if the file ends before."""
    file.seek(offset)
    data = file.read(length)
    if len(data) < length:
        raise InputError(f"{name} is truncated; download the file again")
    return data
