"""The arrays of a network by name, and their digests."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minicnn.backend import Array, to_host
from minicnn.errors import InputError, one_line
from minicnn.network import Network

BLOCK = 2**23  # bytes of an array that are converted, digested and written at a time


def named_arrays(net: Network) -> dict[str, Array]:
    """Return {"conv1/w": array, …}, all parameters and buffers of the network."""
    arrays = {}
    for node in net.nodes:
        for key, array in {**node.layer.params, **node.layer.buffers}.items():
            arrays[f"{node.name}/{key}"] = array
    return arrays


def float32_arrays(net: Network) -> dict[str, Array]:
    """Return `named_arrays` as float32 arrays on the host."""
    return {name: to_host(array).astype(np.float32, copy=False) for name, array in named_arrays(net).items()}


def row_blocks(array: Any, row_shape: Sequence[int] | None = None) -> Iterator[Array]:
    """Yield the rows of an array or HDF5 dataset in blocks of a few megabytes, as float32 in C order.

    row_shape : the shape of one row in the blocks. By default a row keeps its shape.
    Values too large for float32 become infinite.
    """
    row_shape = array.shape[1:] if row_shape is None else row_shape
    rows = max(1, BLOCK // max(1, 4 * math.prod(row_shape)))
    for row in range(0, len(array), rows):
        block = array[row:row + rows]
        with np.errstate(over="ignore"):
            yield np.ascontiguousarray(block.reshape(len(block), *row_shape), np.float32)


def blocks_digest(blocks: Iterable[Array]) -> str:
    """Return the sha256 of the values of all blocks, in hexadecimal."""
    total = hashlib.sha256()
    for block in blocks:
        total.update(block.data)
    return total.hexdigest()


def digest(array: Array) -> str:
    """Return the sha256 of the array's float32 values in C order, in hexadecimal."""
    return blocks_digest(row_blocks(array))


def weights_digest(net: Network) -> str:
    """Return one sha256 of the names and values of all arrays of the network, for run cards."""
    total = hashlib.sha256()
    for name, array in sorted(named_arrays(net).items()):
        total.update(f"{name} {digest(to_host(array))}\n".encode())
    return total.hexdigest()


def require_finite(arrays: Mapping[str, Array], path: str | Path) -> None:
    """Raise InputError with the names of all arrays that contain NaN or infinite values. path : for the message."""
    bad = [one_line(name, 200) for name, array in arrays.items() if not np.isfinite(array).all()]
    if bad:
        raise InputError(f"{one_line(path, 300)}: weights that are not finite in {', '.join(bad)}")
