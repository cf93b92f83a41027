"""ONNX models (.onnx): one protobuf message, with the arrays among its graph's initializers.

The numbers of the fields are those of onnx.proto (https://github.com/onnx/onnx).
"""

from functools import partial
from io import BytesIO
from math import prod

import numpy as np

from minicnn.errors import InputError
from weights_converter.formats.protobuf_wire import LENGTH, VARINT, Message, checked_shape, fields, read_varints
from weights_converter.formats.stored import SIZE_LIMIT, StoredArray, read_array

IR_VERSION, MODEL_GRAPH = 1, 7
GRAPH_NODES, GRAPH_INITIALIZERS, GRAPH_SPARSE = 1, 5, 15
NODE_OUTPUTS, NODE_TYPE, NODE_ATTRIBUTES = 2, 4, 5
ATTRIBUTE_NAME, ATTRIBUTE_TENSOR, ATTRIBUTE_SPARSE = 1, 5, 22
DIMS, DATA_TYPE, SEGMENT, NAME, EXTERNAL_DATA, DATA_LOCATION = 1, 2, 3, 8, 13, 14  # TensorProto, and so are:
FLOAT_DATA, INT32_DATA, INT64_DATA, RAW_DATA, DOUBLE_DATA, UINT64_DATA = 4, 5, 7, 9, 10, 11
IN_ANOTHER_FILE = 1  # a data_location

# TensorProto.DataType -> dtype, and the field that has the values where raw_data has not
DTYPES = {
    1: (np.dtype("<f4"), FLOAT_DATA),
    11: (np.dtype("<f8"), DOUBLE_DATA),
    10: (np.dtype("<f2"), INT32_DATA),
    4: (np.dtype("<u2"), INT32_DATA),
    5: (np.dtype("<i2"), INT32_DATA),
    6: (np.dtype("<i4"), INT32_DATA),
    7: (np.dtype("<i8"), INT64_DATA),
    9: (np.dtype("?"), INT32_DATA),
    12: (np.dtype("<u4"), UINT64_DATA),
    16: (np.dtype([("bfloat16", "<u2")]), INT32_DATA),  # NumPy has none: the converter refuses it by this name
}
QUANTISED_TYPES = {2: "uint8", 3: "int8", 17: "float8", 18: "float8", 19: "float8", 20: "float8", 21: "uint4",
                   22: "int4", 23: "float4", 24: "float8", 25: "uint2", 26: "int2", 27: "float6", 28: "float6"}
QUANTISED_NODES = ("Quantize", "Dequantize", "DynamicQuantize", "QLinear", "ConvInteger", "MatMulInteger", "QGemm")

# the wire type of each field of ModelProto
MODEL_FIELDS = {1: VARINT, 2: LENGTH, 3: LENGTH, 4: LENGTH, 5: VARINT, 6: LENGTH, 7: LENGTH, 8: LENGTH, 14: LENGTH,
                20: LENGTH, 25: LENGTH, 26: LENGTH}


def onnx_arrays(file):
    """The StoredArrays of the model in `file`, its initializers and constants; no values are read yet.

    Raises InputError for what is no such model, is quantised, or has its values in another file.
    """
    model = Message.of_file(file)
    arrays = []
    for graph in model.messages(MODEL_GRAPH):
        if graph.spans(GRAPH_SPARSE):
            raise InputError("it has sparse initializers, which are not read")
        for node in graph.messages(GRAPH_NODES):
            arrays += _constants(node)
        arrays += [_stored_array(tensor, tensor.text(NAME)) for tensor in graph.messages(GRAPH_INITIALIZERS)]
    if not model.spans(MODEL_GRAPH):
        raise InputError("it has no graph")
    return arrays


def _constants(node):
    """The arrays that a node keeps itself; older exporters write all weights so."""
    kind = node.text(NODE_TYPE)
    if kind.startswith(QUANTISED_NODES):
        raise InputError(f"it is a quantised model (with {kind!r}); take the float one")
    if kind != "Constant":
        return []
    attributes = list(node.messages(NODE_ATTRIBUTES))
    if any(attribute.spans(ATTRIBUTE_SPARSE) for attribute in attributes):
        raise InputError("it has sparse constants, which are not read")
    return [_stored_array(tensor, node.text(NODE_OUTPUTS)) for attribute in attributes
            if attribute.text(ATTRIBUTE_NAME) == "value" for tensor in attribute.messages(ATTRIBUTE_TENSOR)]


def _stored_array(tensor, name):
    if tensor.integer(DATA_LOCATION) == IN_ANOTHER_FILE or tensor.spans(EXTERNAL_DATA):
        raise InputError(f"the values of {name!r} lie in another file; save the model as one file with "
                         "onnx.save(onnx.load(model), path, save_as_external_data=False)")
    if tensor.spans(SEGMENT):
        raise InputError(f"{name!r} is only a segment of an array")
    data_type = tensor.integer(DATA_TYPE)
    if data_type in QUANTISED_TYPES:
        raise InputError(f"it is a quantised model ({name!r} is {QUANTISED_TYPES[data_type]}); take the float one")
    if data_type not in DTYPES:
        raise InputError(f"{name!r} is of ONNX's data type {data_type}, which no weights need")
    dtype, field = DTYPES[data_type]
    shape = checked_shape(name, tensor.integers(DIMS))
    return StoredArray(name, shape, dtype, _reader(tensor, name, shape, dtype, field))


def _reader(tensor, name, shape, dtype, field):
    """The function that reads the values, from raw_data or the field that its type has."""
    raw = field in (FLOAT_DATA, DOUBLE_DATA) or RAW_DATA in tensor.fields
    spans = tensor.spans(RAW_DATA) + tensor.spans(field)
    if not spans and prod(shape) == 0:
        return partial(np.empty, shape, dtype)
    if len(spans) != 1:
        raise InputError(f"{name!r} has its values in {len(spans)} pieces" if spans else f"{name!r} has no values")
    start, end = spans[0]
    if raw and prod(shape) * dtype.itemsize != end - start:
        raise InputError(f"{name!r} has the shape {shape}, but {end - start:,} bytes")
    if raw:
        return partial(read_array, tensor.file, start, shape, dtype)
    if not prod(shape) <= end - start <= 10 * prod(shape):
        raise InputError(f"{name!r} has the shape {shape}, but {end - start:,} bytes of varints")
    return partial(_read_integers, tensor.file, (start, end), shape, dtype)


def _read_integers(file, span, shape, dtype):
    if dtype.kind in "iub":
        return read_varints(file, span, shape, dtype)
    return read_varints(file, span, shape, np.uint16).view(dtype)  # the bits of a float16


def export_hint(arrays):
    """How to export the model anew, where its convolutions are merged with the normalizations behind them; or ""."""
    if not any(array.name.startswith("onnx::Conv_") for array in arrays):
        return ""
    return ("; its convolutions were merged with the batch normalizations behind them: export it with "
            "torch.onnx.export(…, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)")


def begins_as_onnx(head):
    """Whether a file that begins with the bytes `head` can be an ONNX model: its version, then a model's fields."""
    if len(head) < 3 or head[0] != IR_VERSION << 3 or not 0 < head[1] < 128:
        return False
    seen = 0
    try:
        for number, kind, _ in fields(BytesIO(head), 0, SIZE_LIMIT):
            if MODEL_FIELDS.get(number) != kind:
                return False
            seen += 1
            if number == MODEL_GRAPH:
                return True
    except InputError:  # the head ended first, or it is no protobuf at all
        pass
    return seen > 1
