"""Caffe and ONNX models of the real writers are read bit by bit; damaged ones raise InputError."""

import random
from io import BytesIO
from time import perf_counter, process_time

import numpy as np
import pytest
from counting_file import CountingFile, same
from hypothesis import given, settings
from hypothesis import strategies as st
from weight_writers import caffe_messages, fill_blob

from minicnn.errors import InputError
from weights_converter.formats.caffemodel import begins_as_caffemodel, caffemodel_arrays
from weights_converter.formats.onnx import begins_as_onnx, onnx_arrays
from weights_converter.formats.protobuf_wire import fields, varints


def read_all(arrays, data):
    return {array.name: array.read() for array in arrays(BytesIO(data))}


# ---- messages written by hand ------------------------------------------------------------------------------

def varint(value):
    """Return the bytes of a varint; negative numbers as int64."""
    value %= 2**64
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes([*data, value])


def length(number, data, size=None):
    """Return a field with content and the announced length."""
    return varint(number << 3 | 2) + varint(len(data) if size is None else size) + data


def integer(number, value):
    return varint(number << 3) + varint(value)


def caffe_blob(values=bytes(24), shape=(2, 3), *more):
    return length(7, length(1, b"".join(map(varint, shape)))) + length(5, values) + b"".join(more)


def caffe_net(*blobs, name=b"fc"):
    return length(1, b"net") + length(100, length(1, name) + b"".join(length(7, blob) for blob in blobs))


def onnx_tensor(values=bytes(24), shape=(2, 3), *more):
    return (b"".join(integer(1, size) for size in shape) + integer(2, 1) + length(8, b"w") + length(9, values)
            + b"".join(more))


def onnx_graph(*tensors):
    return integer(1, 8) + length(7, b"".join(length(5, tensor) for tensor in tensors))


BOTH = pytest.mark.parametrize("arrays, file_of, array", [
    (caffemodel_arrays, caffe_net, caffe_blob), (onnx_arrays, onnx_graph, onnx_tensor)], ids=["caffe", "onnx"])


@BOTH
def test_by_hand(arrays, file_of, array):
    values = np.arange(6, dtype="<f4").reshape(2, 3)
    ((ours),) = read_all(arrays, file_of(array(values.tobytes()))).values()
    assert same(ours, values)


@BOTH
@pytest.mark.parametrize("shape", [(2, 4), (-1, -6), (-2, 3), (2**32, 2**32, 6), (2**62, 4, 6), (2**64 - 1, 6), (6, 0),
                                   (1,) * 40 + (6,), (1,) * 10_000 + (6,)],
                         ids=lambda shape: str(shape)[:40])
def test_shapes_that_do_not_match_the_values(arrays, file_of, array, shape):
    with pytest.raises(InputError):
        arrays(BytesIO(file_of(array(bytes(24), shape))))


@BOTH
@pytest.mark.parametrize("size", [25, 2**31, 2**32 - 1, 2**63, 2**64 - 1])
def test_wrong_lengths(arrays, file_of, array, size):
    number = 5 if arrays is caffemodel_arrays else 9
    for inner in (length(number, bytes(24), size), length(30, bytes(24), size)):  # in the values, in an unknown field
        with pytest.raises(InputError):
            arrays(BytesIO(file_of(array(), inner)))
    whole = file_of(array())
    for wrong in (whole + length(7, b"", size), whole + length(50, b"abc", size)):  # in the outermost message
        with pytest.raises(InputError):
            arrays(BytesIO(wrong))


@BOTH
def test_inner_message_longer_than_the_outer_one(arrays, file_of, array):
    inside = array()
    data = file_of(inside) + length(2 if arrays is onnx_arrays else 1, b"name")
    assert len(arrays(BytesIO(data))) == 1
    place = data.index(varint(len(inside)) + inside)
    with pytest.raises(InputError, match="longer than the message"):  # although the file has enough bytes
        arrays(BytesIO(data[:place] + varint(len(inside) + 1) + data[place + 1:]))


@BOTH
@pytest.mark.parametrize("field", [
    b"\x0b", b"\x0c", b"\x0e\0", b"\x0f\0", b"\x00\0", b"\x02\0", b"\xff" * 11, b"\x10" + b"\xff" * 9 + b"\x02",
    b"\x10" + b"\x80" * 10 + b"\x00", varint(2**29 << 3 | 0) + b"\0", b"\x10", b"\x15abc", b"\x11abcdefg"],
    ids=lambda field: field.hex())
def test_broken_fields(arrays, file_of, array, field):
    for data in (file_of(array()) + field, file_of(array(bytes(24), (2, 3), field)), field):
        with pytest.raises(InputError):
            arrays(BytesIO(data))


@BOTH
def test_values_in_pieces_or_missing_or_of_another_wire_type(arrays, file_of, array):
    number = 5 if arrays is caffemodel_arrays else 9
    for wrong in (array(bytes(24), (2, 3), length(number, b"")), array(bytes(24), (2, 3), integer(number, 1)),
                  array()[:-26], array(bytes(24), (2, 3), varint(number << 3 | 5) + b"abcd")):
        with pytest.raises(InputError):
            arrays(BytesIO(file_of(wrong)))


@BOTH
def test_truncated_anywhere(arrays, file_of, array):
    data = file_of(array(), array())
    assert len(arrays(BytesIO(data))) == 2
    whole = 5 if arrays is caffemodel_arrays else 2  # a message that ends after its first field is valid
    for size in set(range(len(data))) - {whole}:
        if size or arrays is onnx_arrays:
            with pytest.raises(InputError):
                arrays(BytesIO(data[:size]))


@BOTH
def test_file_that_shrinks_after_its_fields_were_read(arrays, file_of, array):
    file = BytesIO(file_of(array()))
    (stored,) = arrays(file)
    file.truncate(len(file.getvalue()) - 1)
    with pytest.raises(InputError, match="ends before"):
        stored.read()


@BOTH
def test_strange_names(arrays, file_of, array):
    name = b"a\nb"
    data = caffe_net(caffe_blob(), name=name) if arrays is caffemodel_arrays else onnx_graph(
        onnx_tensor(bytes(24), (2, 3), length(8, name)))
    assert next(iter(read_all(arrays, data))).startswith("a\nb")  # open_arrays validates names
    for name in (b"\xff", b"n" * 1001):
        data = caffe_net(caffe_blob(), name=name) if arrays is caffemodel_arrays else onnx_graph(
            onnx_tensor(bytes(24), (2, 3), length(8, name)))
        with pytest.raises(ValueError) as caught:
            arrays(BytesIO(data))
        assert len(str(caught.value)) < 200
    with pytest.raises(InputError) as caught:
        arrays(BytesIO(caffe_net(b"", name=b"a\nb")))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("arrays, begin, repeated, number", [
    (caffemodel_arrays, b"", b"\xa2\x06\0", None), (caffemodel_arrays, b"", b"\x12\0", None),  # empty layers
    (caffemodel_arrays, b"", b"\x12\x02\x32\0", 100), (caffemodel_arrays, b"", b"\x78\0", 100),
    (onnx_arrays, b"\x08\x07", b"\x3a\0", None), (onnx_arrays, b"\x08\x07", b"\x2a\0", 7),  # empty graphs, arrays
    (onnx_arrays, b"\x08\x07", b"\x0a\x02\x2a\0", 7), (onnx_arrays, b"\x08\x07", b"\x78\0", None),
])
def test_millions_of_tiny_fields_are_refused_at_once(arrays, begin, repeated, number):
    data = repeated * (5_000_000 // len(repeated))
    start = perf_counter()
    with pytest.raises(InputError):
        arrays(BytesIO(begin + (data if number is None else length(number, data))))
    assert perf_counter() - start < 2


@given(st.lists(st.integers(-2**63, 2**63 - 1), min_size=1))
def test_varints(values):
    data = b"".join(map(varint, values))
    found, used = varints(np.frombuffer(data + b"\x80\xff", np.uint8))  # followed by a part of the next one
    assert (found.tolist(), used) == (values, len(data))


def test_fields():
    data = integer(3, 300) + length(1, b"abc") + b"\x25abcd" + b"\x29abcdefgh" + integer(2, -1)
    assert list(fields(BytesIO(b"??" + data), 2, 2 + len(data))) == [
        (3, 0, 300), (1, 2, (7, 10)), (4, 5, 11), (5, 1, 16), (2, 0, 2**64 - 1)]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=100))
def test_random_bytes(data):
    for arrays in (caffemodel_arrays, onnx_arrays):
        for content in (data, caffe_net(data), caffe_net(caffe_blob(data)), onnx_graph(data), onnx_graph(
                onnx_tensor(bytes(24), (2, 3), data)), onnx_graph(onnx_tensor(data, (len(data) // 4,)))):
            check_only_ordinary_errors(arrays, content)
    begins_as_onnx(data), begins_as_caffemodel(data), begins_as_onnx(b"\x08\x07" + data)


def check_only_ordinary_errors(arrays, data):
    try:
        read_all(arrays, data)
    except (RecursionError, MemoryError):
        raise
    except Exception as problem:
        assert str(problem) and isinstance(problem, ValueError)


def check_single_changes(arrays, data):
    """Change single bytes at random: the values may change, but every error is an InputError."""
    choice = random.Random(0)
    for _ in range(1500):
        place = choice.randrange(len(data))
        changed = data[:place] + bytes([choice.randrange(256)]) + data[place + 1:]
        check_only_ordinary_errors(arrays, changed)


# ---- Caffe, written by the protobuf library ----------------------------------------------------------------

@pytest.fixture(scope="module")
def caffe():
    """Return {"NetParameter": its class, …}, made by the protobuf library."""
    pytest.importorskip("google.protobuf")
    return caffe_messages()


@pytest.fixture
def weight(rng):
    return rng.standard_normal((4, 3, 3, 3), np.float32)


@pytest.fixture
def bias(rng):
    return rng.standard_normal(4, np.float32)


def network(caffe, kind, blobs, **more):
    """Return the bytes of a net with {layer: arrays}. kind : "layers" (2014) or "layer"."""
    net = caffe["NetParameter"](name="VGG16", **more)
    for name, arrays in blobs.items():
        layer = getattr(net, kind).add(name=name, bottom=["data"], top=[name])
        for array in arrays:
            fill_blob(layer.blobs.add(), array, legacy=kind == "layers")
    return net.SerializeToString()


@pytest.mark.parametrize("kind", ["layers", "layer"])
def test_caffe_layers_come_back_bit_by_bit(caffe, kind, weight, bias, rng):
    fc = rng.standard_normal((5, 108), np.float32)
    data = network(caffe, kind, {"conv1_1": [weight, bias], "relu1_1": [], "fc6": [fc, bias[:1]]})
    ours = read_all(caffemodel_arrays, data)
    assert list(ours) == ["conv1_1.weight", "conv1_1.bias", "fc6.weight", "fc6.bias"]
    for array, theirs in zip(ours.values(), [weight, bias, fc, bias[:1]], strict=True):
        assert same(array, theirs)
    assert begins_as_caffemodel(data[:512])


def test_caffe_legacy_shapes(caffe, rng):
    for shape, ours in {(1, 1, 5, 7): (5, 7), (1, 1, 1, 7): (1, 7), (1, 3, 1, 1): (1, 3, 1, 1)}.items():
        array = rng.standard_normal(shape, np.float32)
        assert same(*read_all(caffemodel_arrays, network(caffe, "layers", {"a": [array]})).values(),
                    array.reshape(ours))
    bias = rng.standard_normal((1, 1, 1, 1), np.float32)
    assert read_all(caffemodel_arrays, network(caffe, "layers", {"a": [bias, bias]}))["a.bias"].shape == (1,)


def test_caffe_legacy_shape_wins(caffe, weight):  # as in Caffe's Blob::FromProto
    net = caffe["NetParameter"]()
    blob = net.layer.add(name="a").blobs.add(shape={"dim": [108]})
    fill_blob(blob, weight, legacy=True)
    assert caffemodel_arrays(BytesIO(net.SerializeToString()))[0].shape == (4, 3, 3, 3)


def test_caffe_doubles_gradients_and_further_blobs(caffe, weight):
    net = caffe["NetParameter"]()
    layer = net.layer.add(name="bn")
    for _ in range(4):
        blob = layer.blobs.add(diff=[1, 2], double_diff=[3])
        fill_blob(blob, weight.astype(np.float64))
    ours = read_all(caffemodel_arrays, net.SerializeToString())
    assert list(ours) == ["bn.weight", "bn.bias", "bn.blob2", "bn.blob3"]
    assert all(same(array, weight.astype(np.float64)) for array in ours.values())


def test_caffe_only_the_array_is_read(caffe, rng):
    blobs = {name: [rng.standard_normal((100, 100), np.float32)] for name in "abc"}
    file = CountingFile(network(caffe, "layers", blobs))
    stored = caffemodel_arrays(file)
    assert file.count < 2000
    before = file.count
    stored[1].read()
    assert file.count == before + 40_000


def test_caffe_layers_of_other_forms(caffe):
    net = caffe["NetParameter"]()
    net.layer.add(name="conv1").blobs.add(shape={"dim": [1]}, raw_data=b"\0\0")
    with pytest.raises(InputError, match="'conv1.weight' has no values"):
        caffemodel_arrays(BytesIO(net.SerializeToString()))
    net = caffe["NetParameter"](name="old")
    net.layers.add(layer={"name": "conv1", "blobs": [{"data": [1]}]})
    with pytest.raises(InputError, match="upgrade_net_proto_binary"):
        caffemodel_arrays(BytesIO(net.SerializeToString()))


def test_caffe_single_changes(caffe, weight, bias):
    check_single_changes(caffemodel_arrays, network(caffe, "layers", {"a": [weight[:1, :1], bias]}))
    check_single_changes(caffemodel_arrays, network(caffe, "layer", {"a": [weight[:1, :1], bias]}))


def test_caffe_is_recognised(caffe, bias):
    before = {"input": ["data"], "input_dim": [1, 3, 224, 224], "force_backward": True, "state": {"level": 1},
              "debug_info": False, "input_shape": [{"dim": [1, 3, 224, 224]}]}
    for name in ({}, {"name": ""}, {"name": "VGG ILSVRC 16 layers"}):
        for fields_before in ({}, *({key: value} for key, value in before.items()), before):
            net = caffe["NetParameter"](**name, **fields_before)
            net.layer.add(name="conv1", type="Convolution")
            assert begins_as_caffemodel(net.SerializeToString()[:512])
            net.ClearField("layer")
            net.layers.add(name="conv1", bottom=["data"], type=4)
            assert begins_as_caffemodel(net.SerializeToString()[:512])
    for kind in ("layers", "layer"):  # the layer is longer than the head
        data = network(caffe, kind, {"conv1": [np.zeros(1000, np.float32)]})
        assert begins_as_caffemodel(data[:512]) and not begins_as_onnx(data[:512])


@pytest.mark.parametrize("head", [
    b"", b"\n", b"\n\x05VGG16", b"\n\x05VGG\n6\x12\x01", b"\n\x05VGG\xff6\x12\x01", b"\n\x05VGG16\x10\x01",
    b"\n\x05VGG16\x4a\x01", b"\x12\x01\x00", b"\x12\x00", b"\xa2\x06\x00", b"\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
    b"\x89HDF\r\n\x1a\n", b"# A text\nthat has lines\n", b"\x80\x02}q\x00", bytes(512), b"\xff" * 512], ids=repr)
def test_other_files_are_not_recognised_as_caffe(head):
    assert not begins_as_caffemodel(head)


# ---- ONNX, written by the onnx library ---------------------------------------------------------------------

@pytest.fixture
def onnx():
    library = pytest.importorskip("onnx")
    pytest.importorskip("onnx.numpy_helper")
    return library


def model(onnx, initializers, nodes=()):
    graph = onnx.helper.make_graph(list(nodes), "net", [], [], initializer=list(initializers))
    return onnx.helper.make_model(graph, producer_name="test")


def from_array(onnx, array, name):
    return onnx.numpy_helper.from_array(array, name)


def test_onnx_initializers_come_back_bit_by_bit(onnx, weight):
    kinds = ["float32", "float64", "float16", "int64", "int32", "int16", "uint16", "uint32", "bool"]
    given_arrays = {kind: (10 * weight).astype(kind) for kind in kinds}
    given_arrays |= {"scalar": np.array(2.5, np.float32), "empty": np.zeros((0, 3), np.float32)}
    whole = model(onnx, [from_array(onnx, array, name) for name, array in given_arrays.items()])
    ours = read_all(onnx_arrays, whole.SerializeToString())
    assert list(ours) == list(given_arrays)
    assert all(same(ours[name], array) for name, array in given_arrays.items())


@pytest.mark.parametrize("kind, values", [
    ("FLOAT", [1.5, -0.0, 3e-45, np.inf]), ("DOUBLE", [1.5, 1e300, -2.0, 0.0]), ("FLOAT16", [1.5, -0.25, 6e-8, 65504]),
    ("INT64", [1, -1, 2**63 - 1, -2**63]), ("INT32", [1, -1, 2**31 - 1, -2**31]), ("BOOL", [1, 0, 1, 1]),
    ("UINT32", [1, 0, 2**32 - 1, 7]), ("INT16", [1, -1, 2**15 - 1, -2**15])])
def test_onnx_values_outside_raw_data(onnx, kind, values):
    tensor = onnx.helper.make_tensor("w", getattr(onnx.TensorProto, kind), [2, 2], values)
    assert not tensor.HasField("raw_data")
    (ours,) = read_all(onnx_arrays, model(onnx, [tensor]).SerializeToString()).values()
    assert same(ours, onnx.numpy_helper.to_array(tensor))


def test_onnx_bfloat16_keeps_its_name(onnx):
    for raw in (True, False):
        tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.BFLOAT16, dims=[2])
        if raw:
            tensor.raw_data = b"\x80\x3f\x80\x3f"
        else:
            tensor.int32_data.extend([0x3F80, 0x3F80])
        (stored,) = onnx_arrays(BytesIO(model(onnx, [tensor]).SerializeToString()))
        assert stored.dtype.names == ("bfloat16",)
        assert stored.read().view(np.uint16).tolist() == [0x3F80, 0x3F80]


def test_onnx_many_integers(onnx, rng):
    values = rng.integers(-2**40, 2**40, 300_000)  # more bytes than one block
    tensor = onnx.helper.make_tensor("w", onnx.TensorProto.INT64, [300_000], values)
    (ours,) = read_all(onnx_arrays, model(onnx, [tensor]).SerializeToString()).values()
    assert same(ours, values)


@pytest.mark.parametrize("shape, kind, values", [
    ([3], "INT64", [1, 2]), ([2], "INT64", [1, 2, 3]), ([2], "FLOAT16", [1, 65536]), ([2], "FLOAT16", [1, -1]),
    ([1], "BOOL", [2]), ([1], "INT16", [2**15]), ([2], "UINT16", [1, 300, 300]), ([3], "UINT16", [300, 300])])
def test_onnx_integers_that_do_not_fit(onnx, shape, kind, values):
    tensor = onnx.TensorProto(name="w", data_type=getattr(onnx.TensorProto, kind), dims=shape)
    (tensor.int64_data if kind == "INT64" else tensor.int32_data).extend(values)
    with pytest.raises(InputError):
        read_all(onnx_arrays, model(onnx, [tensor]).SerializeToString())


def test_onnx_packed_dimensions():
    data = length(1, varint(2) + varint(3)) + integer(2, 1) + length(8, b"w") + length(9, bytes(24))
    assert onnx_arrays(BytesIO(onnx_graph(data)))[0].shape == (2, 3)


@pytest.mark.parametrize("piece", [length(1, b"\x01" * 300), length(1, b"\x01"), integer(1, 1)],
                         ids=["packed", "short", "single"])
def test_onnx_millions_of_dimensions_are_refused_at_once(piece):
    data = integer(2, 1) + length(8, b"w") + length(9, bytes(4)) + piece * (29_000_000 // len(piece))
    start = process_time()
    with pytest.raises(InputError, match="dimensions|more than 100,000 fields"):
        onnx_arrays(BytesIO(onnx_graph(data)))
    assert process_time() - start < 2


def test_onnx_constants(onnx, weight):
    node = onnx.helper.make_node("Constant", [], ["w"], value=from_array(onnx, weight, ""))
    other = onnx.helper.make_node("Constant", [], ["v"], value_float=1.0)
    ours = read_all(onnx_arrays, model(onnx, [], [node, other]).SerializeToString())
    assert list(ours) == ["w"] and same(ours["w"], weight)


def test_onnx_only_the_array_is_read(onnx, rng):
    tensors = [from_array(onnx, rng.standard_normal((100, 100), np.float32), name) for name in "abc"]
    file = CountingFile(model(onnx, tensors).SerializeToString())
    stored = onnx_arrays(file)
    assert file.count < 2000
    before = file.count
    stored[1].read()
    assert file.count == before + 40_000


def test_onnx_external_data(onnx, weight, tmp_path):
    onnx.save(model(onnx, [from_array(onnx, weight, "w")]), tmp_path / "a.onnx", save_as_external_data=True,
              size_threshold=0)
    with open(tmp_path / "a.onnx", "rb") as file, pytest.raises(InputError, match="save_as_external_data=False"):
        onnx_arrays(file)
    onnx.save(onnx.load(tmp_path / "a.onnx"), tmp_path / "b.onnx", save_as_external_data=False)  # as advised
    assert same(read_all(onnx_arrays, (tmp_path / "b.onnx").read_bytes())["w"], weight)


def test_onnx_quantised(onnx, weight):
    for kind in ("uint8", "int8"):  # without the operators of a quantised model they are plain numbers
        [array] = onnx_arrays(BytesIO(model(onnx, [from_array(onnx, weight.astype(kind), "w")]).SerializeToString()))
        assert array.dtype == kind and (array.read() == weight.astype(kind)).all()
    for kind in ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger"):
        node = onnx.helper.make_node(kind, ["x"], ["y"])
        with pytest.raises(InputError, match=f"quantised model.*{kind}.*take the float one"):
            onnx_arrays(BytesIO(model(onnx, [], [node]).SerializeToString()))


def test_onnx_other_refusals(onnx, weight):
    values, indices = from_array(onnx, np.ones(1, np.float32), "w"), from_array(onnx, np.zeros(1, np.int64), "i")
    sparse = onnx.helper.make_sparse_tensor(values, indices, [3])
    whole = model(onnx, [])
    whole.graph.sparse_initializer.append(sparse)
    node = onnx.helper.make_node("Constant", [], ["w"], sparse_value=sparse)
    segment = from_array(onnx, weight, "w")
    segment.segment.begin = 0
    text = onnx.helper.make_tensor("w", onnx.TensorProto.STRING, [1], [b"a"])
    both = from_array(onnx, weight, "w")
    both.float_data.extend(weight.ravel().tolist())
    for refused in (whole, model(onnx, [], [node]), model(onnx, [segment]), model(onnx, [text]), model(onnx, [both]),
                    onnx.ModelProto(ir_version=8)):
        with pytest.raises(InputError):
            onnx_arrays(BytesIO(refused.SerializeToString()))


def test_onnx_single_changes(onnx, weight):
    nodes = [onnx.helper.make_node("Constant", [], ["w"], value=from_array(onnx, weight[0, 0], ""))]
    tensors = [onnx.helper.make_tensor("h", onnx.TensorProto.FLOAT16, [3], [1, 2, 3]), from_array(onnx, weight[0], "r")]
    check_single_changes(onnx_arrays, model(onnx, tensors, nodes).SerializeToString())


def test_onnx_is_recognised(onnx, weight):
    whole = model(onnx, [from_array(onnx, weight, "w")])
    data = whole.SerializeToString()
    assert begins_as_onnx(data[:512]) and not begins_as_caffemodel(data[:512])
    whole.ClearField("producer_name")
    assert begins_as_onnx(whole.SerializeToString()[:512])
    whole.doc_string, whole.domain, whole.model_version = "d" * 1000, "ai.onnx", 2**40
    assert begins_as_onnx(whole.SerializeToString()[:512])


@pytest.mark.parametrize("head", [
    b"", b"\x08", b"\x08\x07", b"\x08\x00\x12\x01a", b"\x08\x80\x01\x12\x01a", b"\x08\x07\x10\x01",
    b"\x08\x07\x4a\x01a", b"\x08\x07\x0b", b"\n\x05VGG16\x12\x01", b"\x80\x02}q\x00", bytes(512), b"\xff" * 512],
    ids=repr)
def test_other_files_are_not_recognised_as_onnx(head):
    assert not begins_as_onnx(head)
