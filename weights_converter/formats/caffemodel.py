"""Caffe models (.caffemodel): one protobuf message, with the arrays in its layers' blobs.

The numbers of the fields are those of caffe.proto (https://github.com/BVLC/caffe).
"""

from functools import partial
from io import BytesIO
from math import prod

import numpy as np

from minicnn.errors import InputError
from weights_converter.formats.protobuf_wire import LENGTH, VARINT, Message, checked_shape, fields
from weights_converter.formats.stored import SIZE_LIMIT, StoredArray, read_array

# NetParameter: V1 layers are those of 2014, with types as numbers; LayerParameter has them as texts
NET_NAME, NET_V1_LAYERS, NET_LAYERS = 1, 2, 100
V1_LAYER_V0, V1_LAYER_NAME, V1_LAYER_BLOBS = 1, 4, 6
LAYER_NAME, LAYER_BLOBS = 1, 7
BLOB_LEGACY_SHAPE = (1, 2, 3, 4)  # num, channels, height, width
BLOB_DATA, BLOB_SHAPE, BLOB_DOUBLE_DATA = 5, 7, 8  # 6 and 9 are the gradients
SHAPE_DIM = 1

# what may stand before the layers: name, input, input_dim, force_backward, state, debug_info, input_shape
BEFORE_LAYERS = {1: {LENGTH}, 3: {LENGTH}, 4: {VARINT, LENGTH}, 5: {VARINT}, 6: {LENGTH}, 7: {VARINT}, 8: {LENGTH}}


def caffemodel_arrays(file):
    """The StoredArrays <layer>.weight, <layer>.bias, <layer>.blob2, … of the model in `file`; no values are read yet.

    Raises InputError for what is no such model and for layers whose values are kept in another way.
    """
    net = Message.of_file(file)
    arrays = []
    for layer in net.messages(NET_V1_LAYERS):
        if V1_LAYER_V0 in layer.fields:
            raise InputError("its layers are those of Caffe before 2014: Caffe's upgrade_net_proto_binary renews them")
        arrays += _layer_arrays(layer, V1_LAYER_NAME, V1_LAYER_BLOBS)
    for layer in net.messages(NET_LAYERS):
        arrays += _layer_arrays(layer, LAYER_NAME, LAYER_BLOBS)
    return arrays


def _layer_arrays(layer, name_field, blobs_field):
    name = layer.text(name_field)
    return [_stored_array(layer.file, f"{name}.{_blob_name(index)}", index, blob)
            for index, blob in enumerate(layer.messages(blobs_field))]


def _blob_name(index):
    return ("weight", "bias")[index] if index < 2 else f"blob{index}"


def _stored_array(file, name, index, blob):
    dtype = np.dtype("<f8" if BLOB_DOUBLE_DATA in blob.fields else "<f4")
    spans = blob.spans(BLOB_DATA) + blob.spans(BLOB_DOUBLE_DATA)
    if not spans:
        raise InputError(f"{name!r} has no values; only data and double_data are read, not NVIDIA's raw_data")
    if len(spans) > 1:
        raise InputError(f"{name!r} has its values in {len(spans)} pieces")
    start, end = spans[0]
    shape = checked_shape(name, _shape(index, blob))
    if prod(shape) * dtype.itemsize != end - start:
        raise InputError(f"{name!r} has the shape {shape}, but {end - start:,} bytes")
    return StoredArray(name, shape, dtype, partial(read_array, file, start, shape, dtype))


def _shape(index, blob):
    """The shape of a layer's blob number `index`; the old 4-D one without the leading ones of a matrix or vector."""
    if not any(number in blob.fields for number in BLOB_LEGACY_SHAPE):  # where both are there, Caffe takes this one
        return [size for shape in blob.messages(BLOB_SHAPE) for size in shape.integers(SHAPE_DIM)]
    shape = [blob.integer(number) for number in BLOB_LEGACY_SHAPE]
    if index == 0:
        return shape[2:] if shape[:2] == [1, 1] else shape
    return shape[3:] if shape[:3] == [1, 1, 1] else shape


def begins_as_caffemodel(head):
    """Whether a file that begins with the bytes `head` can be a Caffe model: a net's fields, then a layer."""
    named = False
    try:
        for number, kind, value in fields(BytesIO(head), 0, SIZE_LIMIT):
            if number in (NET_V1_LAYERS, NET_LAYERS) and kind == LENGTH:
                return named or _begins_as_layer(head[value[0]:value[1]])
            if kind not in BEFORE_LAYERS.get(number, ()):
                return False
            if number == NET_NAME:
                name = head[slice(*value)]
                if not name.isascii() or not name.decode("ascii").isprintable():
                    return False
                named = len(name) > 0
    except InputError:  # the head ended first, or it is no protobuf at all
        pass
    return False


def _begins_as_layer(data):
    """Whether the bytes begin with a layer's name, type, bottom or top; asked where the net has no name to tell."""
    for number, kind, value in fields(BytesIO(data), 0, len(data)):
        text = data[slice(*value)] if kind == LENGTH else b""
        return number <= 4 and text.isascii() and text.decode("ascii").isprintable() and len(text) > 0
    return False
