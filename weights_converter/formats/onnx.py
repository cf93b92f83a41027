"""ONNX models (.onnx): one protobuf message; the arrays are the initializers and constants of its graph.

The field numbers come from onnx.proto (https://github.com/onnx/onnx).
"""

from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from math import prod

import numpy as np

from minicnn.backend import Array
from minicnn.errors import InputError

from .number_formats import record
from .protobuf_wire import LENGTH, VARINT, Message, Span, fields, read_varints, require_shape
from .stored import SIZE_LIMIT, SourceFile, StoredArray, read_array

IR_VERSION, MODEL_GRAPH = 1, 7
GRAPH_NODES, GRAPH_INITIALIZERS, GRAPH_SPARSE = 1, 5, 15
NODE_OUTPUTS, NODE_TYPE, NODE_ATTRIBUTES = 2, 4, 5
ATTRIBUTE_NAME, ATTRIBUTE_TENSOR, ATTRIBUTE_SPARSE = 1, 5, 22
DIMS, DATA_TYPE, SEGMENT, NAME, EXTERNAL_DATA, DATA_LOCATION = 1, 2, 3, 8, 13, 14  # of TensorProto
FLOAT_DATA, INT32_DATA, INT64_DATA, RAW_DATA, DOUBLE_DATA, UINT64_DATA = 4, 5, 7, 9, 10, 11  # of TensorProto
IN_ANOTHER_FILE = 1  # a value of data_location

# TensorProto.DataType -> (dtype, the field with the values if raw_data has none)
DTYPES: dict[int, tuple[np.dtype, int]] = {
    1: (np.dtype("<f4"), FLOAT_DATA),
    11: (np.dtype("<f8"), DOUBLE_DATA),
    10: (np.dtype("<f2"), INT32_DATA),
    4: (np.dtype("<u2"), INT32_DATA),
    5: (np.dtype("<i2"), INT32_DATA),
    6: (np.dtype("<i4"), INT32_DATA),
    7: (np.dtype("<i8"), INT64_DATA),
    9: (np.dtype("?"), INT32_DATA),
    12: (np.dtype("<u4"), UINT64_DATA),
    2: (np.dtype("u1"), INT32_DATA),
    3: (np.dtype("i1"), INT32_DATA),
    16: (record("bfloat16", "<u2"), INT32_DATA),
    17: (record("float8_e4m3fn"), INT32_DATA),
    18: (record("float8_e4m3fnuz"), INT32_DATA),
    19: (record("float8_e5m2"), INT32_DATA),
    20: (record("float8_e5m2fnuz"), INT32_DATA),
    24: (record("float8_e8m0fnu"), INT32_DATA),
}
PACKED = {21: "uint4", 22: "int4", 23: "float4_e2m1"}  # two numbers to the byte, the first in the low bits
QUANTISED_TYPES = {25: "uint2", 26: "int2", 27: "float6", 28: "float6"}
QUANTISED_NODES = ("Quantize", "Dequantize", "DynamicQuantize", "QLinear", "ConvInteger", "MatMulInteger", "QGemm")

# the wire type of each field of ModelProto
MODEL_FIELDS = {1: VARINT, 2: LENGTH, 3: LENGTH, 4: LENGTH, 5: VARINT, 6: LENGTH, 7: LENGTH, 8: LENGTH, 14: LENGTH,
                20: LENGTH, 25: LENGTH, 26: LENGTH}


def onnx_arrays(file: SourceFile) -> list[StoredArray]:
    """List the initializers and constants of the model in `file`. No values are read.

    Raises InputError if the file is not such a model, is quantised, or has its values in another file.
    """
    model = Message.of_file(file)
    arrays = []
    for graph in model.messages(MODEL_GRAPH):
        if graph.spans(GRAPH_SPARSE):
            raise InputError("it has sparse initializers, which cannot be read; export it with dense weights")
        for node in graph.messages(GRAPH_NODES):
            arrays += _constants(node)
        arrays += [_stored_array(tensor, tensor.text(NAME)) for tensor in graph.messages(GRAPH_INITIALIZERS)]
    if not model.spans(MODEL_GRAPH):
        raise InputError("it is an ONNX model without a graph; export it again")
    return arrays


def _constants(node: Message) -> list[StoredArray]:
    """List the arrays that a Constant node holds. Older exporters store all weights in such nodes."""
    kind = node.text(NODE_TYPE)
    if kind.startswith(QUANTISED_NODES):
        raise InputError(f"it is a quantised model (with {kind!r}); take the float one")
    if kind != "Constant":
        return []
    attributes = list(node.messages(NODE_ATTRIBUTES))
    if any(attribute.spans(ATTRIBUTE_SPARSE) for attribute in attributes):
        raise InputError("it has sparse constants, which cannot be read; export it with dense weights")
    return [_stored_array(tensor, node.text(NODE_OUTPUTS)) for attribute in attributes
            if attribute.text(ATTRIBUTE_NAME) == "value" for tensor in attribute.messages(ATTRIBUTE_TENSOR)]


def _stored_array(tensor: Message, name: str) -> StoredArray:
    """Return the StoredArray of a TensorProto."""
    if tensor.integer(DATA_LOCATION) == IN_ANOTHER_FILE or tensor.spans(EXTERNAL_DATA):
        raise InputError(f"the values of {name!r} are in another file; save the model as one file with "
                         "onnx.save(onnx.load(model), path, save_as_external_data=False)")
    if tensor.spans(SEGMENT):
        raise InputError(f"{name!r} is only a segment of an array; export the model again")
    data_type = tensor.integer(DATA_TYPE)
    if data_type in QUANTISED_TYPES:
        raise InputError(f"it is a quantised model ({name!r} is {QUANTISED_TYPES[data_type]}); take the float one")
    if data_type in PACKED:
        return _packed_array(tensor, name, PACKED[data_type])
    if data_type not in DTYPES:
        raise InputError(f"{name!r} has ONNX's data type {data_type}, which cannot be read; export it as float32")
    dtype, field = DTYPES[data_type]
    shape = require_shape(name, tensor.integers(DIMS))
    return StoredArray(name, shape, dtype, _reader(tensor, name, shape, dtype, field))


def _packed_array(tensor: Message, name: str, kind: str) -> StoredArray:
    """Return the StoredArray of a TensorProto with two numbers to the byte."""
    shape = require_shape(name, tensor.integers(DIMS))
    pairs = _reader(tensor, name, ((prod(shape) + 1) // 2,), np.dtype("u1"), INT32_DATA)
    dtype = record(kind) if kind.startswith("float") else np.dtype(kind.replace("int4", "int8"))
    return StoredArray(name, shape, dtype, partial(_read_packed, pairs, shape, kind, dtype))


def _read_packed(pairs: Callable[[], Array], shape: tuple[int, ...], kind: str, dtype: np.dtype) -> Array:
    """Read an array that has two numbers to the byte."""
    bytes_read = pairs()
    numbers = np.stack([bytes_read & 15, bytes_read >> 4], axis=1).ravel()[:prod(shape)]
    if kind == "int4":
        numbers = (numbers ^ 8).astype(np.int8) - np.int8(8)  # two's complement of 4 bits
    return numbers.view(dtype).reshape(shape)


def _reader(tensor: Message, name: str, shape: tuple[int, ...], dtype: np.dtype, field: int) -> Callable[[], Array]:
    """Return the function that reads the values, from raw_data or from the field of the tensor's data type."""
    raw = field in (FLOAT_DATA, DOUBLE_DATA) or RAW_DATA in tensor.fields
    spans = tensor.spans(RAW_DATA) + tensor.spans(field)
    if not spans and prod(shape) == 0:
        return partial(np.empty, shape, dtype)
    if len(spans) != 1:
        raise InputError(f"{name!r} has its values in {len(spans)} pieces; save the model again with onnx.save"
                         if spans else f"{name!r} has no values; export the model again with its weights")
    start, end = spans[0]
    if raw and prod(shape) * dtype.itemsize != end - start:
        raise InputError(f"{name!r} has the shape {shape}, but {end - start:,} bytes; the file is damaged")
    if raw:
        return partial(read_array, tensor.file, start, shape, dtype)
    if not prod(shape) <= end - start <= 10 * prod(shape):
        raise InputError(f"{name!r} has the shape {shape}, but {end - start:,} bytes of varints; the file is damaged")
    return partial(_read_integers, tensor.file, (start, end), shape, dtype)


def _read_integers(file: SourceFile, span: Span, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Read an array that is stored as varints; shorter floats are stored as the integers of their bits."""
    if dtype.kind in "iub":
        return read_varints(file, span, shape, dtype)
    return read_varints(file, span, shape, f"u{dtype.itemsize}").view(dtype)


def export_hint(arrays: Sequence[StoredArray]) -> str:
    """Return advice for a model whose convolutions the exporter merged with batch normalization; else ""."""
    if not any(array.name.startswith("onnx::Conv_") for array in arrays):
        return ""
    return ("; the exporter merged its convolutions with the batch normalizations after them: export it with "
            "torch.onnx.export(…, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)")


def begins_as_onnx(head: bytes) -> bool:
    """Return True if `head` can be the first bytes of an ONNX model: the IR version, then fields of a model."""
    if len(head) < 3 or head[0] != IR_VERSION << 3 or not 0 < head[1] < 128:
        return False
    count = 0
    try:
        for number, kind, _ in fields(BytesIO(head), 0, SIZE_LIMIT):
            if MODEL_FIELDS.get(number) != kind:
                return False
            count += 1
            if number == MODEL_GRAPH:
                return True
    except InputError:  # the message is longer than `head`, or this is not protobuf
        pass
    return count > 1
