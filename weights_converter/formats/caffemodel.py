"""Caffe models (.caffemodel): one protobuf message; the arrays are the blobs of its layers.

The field numbers come from caffe.proto (https://github.com/BVLC/caffe).
"""

from collections.abc import Sequence
from functools import partial
from io import BytesIO
from math import prod

import numpy as np

from minicnn.errors import InputError

from .protobuf_wire import LENGTH, VARINT, Message, fields, require_shape
from .stored import SIZE_LIMIT, SourceFile, StoredArray, read_array

# NetParameter: V1LayerParameter (2014) has layer types as numbers, LayerParameter has them as texts
NET_NAME, NET_V1_LAYERS, NET_LAYERS = 1, 2, 100
V1_LAYER_V0, V1_LAYER_NAME, V1_LAYER_BLOBS = 1, 4, 6
LAYER_NAME, LAYER_BLOBS = 1, 7
BLOB_LEGACY_SHAPE = (1, 2, 3, 4)  # num, channels, height, width
BLOB_DATA, BLOB_SHAPE, BLOB_DOUBLE_DATA = 5, 7, 8  # 6 and 9 are the gradients
SHAPE_DIM = 1

# fields that may precede the layers: name, input, input_dim, force_backward, state, debug_info, input_shape
BEFORE_LAYERS = {1: {LENGTH}, 3: {LENGTH}, 4: {VARINT, LENGTH}, 5: {VARINT}, 6: {LENGTH}, 7: {VARINT}, 8: {LENGTH}}


def caffemodel_arrays(file: SourceFile) -> list[StoredArray]:
    """List the arrays of the model in `file`: <layer>.weight, <layer>.bias, <layer>.blob2, …. No values are read.

    Raises InputError if the file is not such a model, or if it is of Caffe's format before 2014.
    """
    net = Message.of_file(file)
    arrays = []
    for layer in net.messages(NET_V1_LAYERS):
        if V1_LAYER_V0 in layer.fields:
            raise InputError("its layers have Caffe's format of before 2014; convert it with Caffe's "
                             "upgrade_net_proto_binary first")
        arrays += _layer_arrays(layer, V1_LAYER_NAME, V1_LAYER_BLOBS)
    for layer in net.messages(NET_LAYERS):
        arrays += _layer_arrays(layer, LAYER_NAME, LAYER_BLOBS)
    return arrays


def _layer_arrays(layer: Message, name_field: int, blobs_field: int) -> list[StoredArray]:
    """List the arrays of one layer."""
    name = layer.text(name_field)
    return [_stored_array(layer.file, f"{name}.{_blob_name(index)}", index, blob)
            for index, blob in enumerate(layer.messages(blobs_field))]


def _blob_name(index: int) -> str:
    """Return the name of a layer's blob number `index`."""
    return ("weight", "bias")[index] if index < 2 else f"blob{index}"


def _stored_array(file: SourceFile, name: str, index: int, blob: Message) -> StoredArray:
    """Return the StoredArray of a layer's blob number `index`."""
    dtype = np.dtype("<f8" if BLOB_DOUBLE_DATA in blob.fields else "<f4")
    spans = blob.spans(BLOB_DATA) + blob.spans(BLOB_DOUBLE_DATA)
    if not spans:
        raise InputError(f"{name!r} has no values in data or double_data; NVIDIA's raw_data cannot be read")
    if len(spans) > 1:
        raise InputError(f"{name!r} has its values in {len(spans)} pieces instead of one; save the model again with "
                         "Caffe")
    start, end = spans[0]
    shape = require_shape(name, _shape(index, blob))
    if prod(shape) * dtype.itemsize != end - start:
        raise InputError(f"{name!r} has the shape {shape}, but {end - start:,} bytes; the file is damaged")
    return StoredArray(name, shape, dtype, partial(read_array, file, start, shape, dtype))


def _shape(index: int, blob: Message) -> Sequence[int]:
    """Return the shape of a layer's blob number `index`.

    Caffe's older shapes are always 4-D. The leading ones of a matrix (blob 0) or a vector are removed.
    """
    if not any(number in blob.fields for number in BLOB_LEGACY_SHAPE):  # if a blob has both, Caffe prefers the old
        return [size for shape in blob.messages(BLOB_SHAPE) for size in shape.integers(SHAPE_DIM)]
    shape = [blob.integer(number) for number in BLOB_LEGACY_SHAPE]
    if index == 0:
        return shape[2:] if shape[:2] == [1, 1] else shape
    return shape[3:] if shape[:3] == [1, 1, 1] else shape


def begins_as_caffemodel(head: bytes) -> bool:
    """Return True if `head` can be the first bytes of a Caffe model: fields of a net, then a layer."""
    named = False
    try:
        for number, kind, value in fields(BytesIO(head), 0, SIZE_LIMIT):
            if number in (NET_V1_LAYERS, NET_LAYERS) and kind == LENGTH and isinstance(value, tuple):
                return named or _begins_as_layer(head[value[0]:value[1]])
            if kind not in BEFORE_LAYERS.get(number, ()):
                return False
            if number == NET_NAME and isinstance(value, tuple):
                name = head[slice(*value)]
                if not name.isascii() or not name.decode("ascii").isprintable():
                    return False
                named = len(name) > 0
    except InputError:  # the message is longer than `head`, or this is not protobuf
        pass
    return False


def _begins_as_layer(data: bytes) -> bool:
    """Return True if `data` begins with a layer's name, type, bottom or top. Decides if the net has no name."""
    for number, _, value in fields(BytesIO(data), 0, len(data)):
        text = data[slice(*value)] if isinstance(value, tuple) else b""
        return number <= 4 and text.isascii() and text.decode("ascii").isprintable() and len(text) > 0
    return False
