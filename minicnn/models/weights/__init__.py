"""Weights files: one HDF5 file holds the weights of one network and the facts that belong to them.

Arrays are datasets such as `conv1_1/w` and `conv1_1/b`, in float32, or in float16 for half the size. Convolutions store
(filters, channels, height, width), linear layers (outputs, inputs). Each dataset has the sha256 of its float32 values.
Attributes hold the architecture and its options, the name, origin, licence, preprocessing, and the sha256 of the source
file. The dataset `labels` holds the class names. One more sha256 covers the attributes and the labels.
"""

from minicnn.models.weights.arrays import (
    blocks_digest,
    digest,
    float32_arrays,
    named_arrays,
    require_finite,
    row_blocks,
    weights_digest,
)
from minicnn.models.weights.header import Header, header_digest
from minicnn.models.weights.read import load_weights, read_header
from minicnn.models.weights.write import save_weights, write_arrays

__all__ = ["Header", "blocks_digest", "digest", "float32_arrays", "header_digest", "load_weights", "named_arrays",
           "read_header", "require_finite", "row_blocks", "save_weights", "weights_digest", "write_arrays"]
