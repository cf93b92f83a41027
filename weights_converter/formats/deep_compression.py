"""SqueezeNet 1.0 as Deep Compression packs it (compressed_SqueezeNet.net; Han et al., arXiv:1510.00149).

The file names nothing and has no checksum: 26 counts (uint32), one for each convolution, say how many of its
weights are stored. Then, for each convolution: 256 shared values (float32), the biases (float32), which of the
shared values each stored weight has (8 bits), and how many weights that are not stored lie before it (4 bits, the
low ones first). What is not stored has the first of the shared values, zero.
"""

from functools import partial
from math import prod

import numpy as np

from minicnn.errors import InputError
from minicnn.models import squeezenet1_0
from weights_converter.formats.stored import StoredArray

CODEBOOK = 256  # shared values of a convolution: all that 8 bits can tell apart


def begins_as_deep_compression(head, size):
    """Whether a file of `size` bytes that begins with `head` is one: its counts must account for every byte."""
    shapes = _weight_shapes()
    counts = _counts(head, len(shapes))
    if len(counts) < len(shapes):
        return False
    fits = all(0 < count <= prod(shape) for count, shape in zip(counts, shapes.values(), strict=True))
    return fits and _offsets(counts, shapes)[-1] == size


def deep_compression_arrays(file):
    """The StoredArrays of `file`, open for reading bytes, under Caffe's names; no values are read yet.

    Raises InputError where the counts do not account for every byte.
    """
    shapes = _weight_shapes()
    head = file.read(4 * len(shapes))
    if not begins_as_deep_compression(head, file.seek(0, 2)):
        raise InputError("its counts of stored weights do not account for its size: it is no Deep Compression file "
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


def _weight_shapes():
    """{"conv1": (96, 3, 7, 7), …}: the convolutions, whose names are Caffe's, in the order of the file."""
    return {node.name: node.layer.params["w"].shape for node in squeezenet1_0(seed=None).nodes if node.layer.params}


def _counts(head, number):
    return [int.from_bytes(head[4 * i:4 * i + 4], "little") for i in range(min(number, len(head) // 4))]


def _offsets(counts, shapes):
    """Where each convolution begins, and where the file ends."""
    offsets = [4 * len(counts)]
    for count, shape in zip(counts, shapes.values(), strict=True):
        offsets.append(offsets[-1] + 4 * CODEBOOK + 4 * shape[0] + count + (count + 1) // 2)
    return offsets


def _read_bias(file, name, offset, shape):
    return np.frombuffer(_bytes_at(file, name, offset + 4 * CODEBOOK, 4 * shape[0]), "<f4")


def _read_weight(file, name, offset, shape, count):
    codebook = np.frombuffer(_bytes_at(file, name, offset, 4 * CODEBOOK), "<f4")
    packed = _bytes_at(file, name, offset + 4 * CODEBOOK + 4 * shape[0], count + (count + 1) // 2)
    gaps = np.frombuffer(packed, np.uint8, offset=count)
    gaps = np.stack([gaps & 15, gaps >> 4], axis=1).ravel()[:count]
    positions = np.cumsum(gaps + 1, dtype=np.int64) - 1
    if positions[-1] >= prod(shape):
        raise InputError(f"{name} is damaged: its stored weights reach beyond the {prod(shape):,} that it has")
    codes = np.zeros(prod(shape), np.uint8)
    codes[positions] = np.frombuffer(packed, np.uint8, count)
    return codebook[codes].reshape(shape)


def _bytes_at(file, name, offset, length):
    file.seek(offset)
    found = file.read(length)
    if len(found) < length:
        raise InputError(f"{name} is cut off")
    return found
