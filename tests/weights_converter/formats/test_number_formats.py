"""Every number format that float32 holds exactly is read, in every container that defines it."""

import numpy as np
import pytest

from minicnn.errors import InputError
from minicnn.models import load_model
from weights_converter.convert import convert
from weights_converter.formats.number_formats import (
    SHORT_FLOATS,
    is_weight_type,
    record,
    scales_of,
    table,
    type_name,
    widened,
)

SHAPE = (64, 3, 3, 3)
TORCH_TYPES = ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "int8",
               "uint8", "int16", "uint16", "bool", "float64"]


@pytest.mark.parametrize("name", [name for name in SHORT_FLOATS if name.startswith("float8")])
def test_all_bit_patterns_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch")
    theirs = torch.arange(256, dtype=torch.uint8).view(getattr(torch, name)).float().numpy()
    np.testing.assert_array_equal(table(name), theirs)
    assert (np.signbit(table(name)) == np.signbit(theirs))[~np.isnan(theirs)].all()


def test_the_other_tables():
    positive = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    assert table("float4_e2m1").tolist() == positive + [-value for value in positive]
    assert table("float8_e8m0fnu")[[0, 127, 254]].tolist() == [2.0**-127, 1, 2.0**127]
    bits = np.array([0x3F80, 0xC000, 0x0001, 0x7F80], np.uint16).view(record("bfloat16", "<u2"))
    assert widened(bits).tolist() == [1, -2, 9.183549615799121e-41, np.inf]
    big = np.array([0x3F80], ">u2").view(record("bfloat16", ">u2"))
    assert widened(big).tolist() == [1.0]


@pytest.mark.parametrize("dtype, accepted", [
    ("f2", True), (">f4", True), ("f8", True), ("i1", True), (">u2", True), ("?", True), ("i4", False), ("u8", False),
    ("c8", False), ("S4", False), ("M8[s]", False), ("V2", False), ("f16", False)])
def test_which_types_are_weights(dtype, accepted):
    assert is_weight_type(np.dtype(dtype)) == accepted
    assert not is_weight_type(record("F6_E2M3")) and is_weight_type(record("float8_e5m2"))
    assert type_name(record("float8_e5m2")) == "float8_e5m2"


def values_of(torch, kind):
    """(weights, biases) of the type, as torch tensors."""
    torch.manual_seed(0)
    dtype = getattr(torch, kind)
    numbers = (torch.randn(SHAPE), torch.randn(64))
    return [(40 * tensor.abs()).to(torch.int32).to(dtype) if "int" in kind else tensor.to(dtype) for tensor in numbers]


def converted(path, tmp_path, **options):
    convert(path, tmp_path / "a.h5", "vgg16", features_only=True, overwrite=True, say=lambda line: None, **options)
    return load_model(tmp_path / "a.h5", "cpu").net.layer("conv1_1").params


def write_safetensors(torch, path, tensors):
    pytest.importorskip("safetensors.torch").save_file(tensors, path)


def write_pth(torch, path, tensors):
    torch.save(tensors, path)


def write_old_pth(torch, path, tensors):
    torch.save(tensors, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("kind", TORCH_TYPES)
@pytest.mark.parametrize("write", [write_safetensors, write_pth, write_old_pth])
def test_files_of_pytorch(tmp_path, write, kind):
    torch = pytest.importorskip("torch")
    if not hasattr(torch, kind):
        pytest.skip(f"this PyTorch has no {kind}")
    w, b = values_of(torch, kind)
    write(torch, tmp_path / "a", {"features.0.weight": w, "features.0.bias": b})
    params = converted(tmp_path / "a", tmp_path)
    np.testing.assert_array_equal(params["w"], w.float().numpy())
    np.testing.assert_array_equal(params["b"], b.float().numpy())


ONNX_TYPES = ["FLOAT16", "BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "INT8", "UINT8",
              "INT16", "UINT16", "BOOL", "DOUBLE", "INT4", "UINT4", "FLOAT4E2M1"]


@pytest.mark.parametrize("kind", ONNX_TYPES)
@pytest.mark.parametrize("raw", [True, False], ids=["raw_data", "a field"])
def test_files_of_onnx(tmp_path, kind, raw):
    onnx = pytest.importorskip("onnx")
    number = getattr(onnx.TensorProto, kind, None)
    if number is None:
        pytest.skip(f"this onnx has no {kind}")
    rng = np.random.default_rng(0)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(number)
    tensors, expected = [], []
    for name, shape in (("features.0.weight", (64, 3, 3, 3)), ("features.0.bias", (64,))):
        numbers = np.abs(rng.standard_normal(shape) * (3 if "INT" in kind else 1)) % 7
        array = (numbers > 1 if kind == "BOOL" else numbers).astype(dtype)
        tensor = onnx.numpy_helper.from_array(array, name)
        assert tensor.data_type == number
        if not raw:
            tensor = in_a_field(onnx, tensor, array)
        tensors.append(tensor)
        expected.append(array.astype(np.float32))
    graph = onnx.helper.make_graph([], "net", [], [], tensors)
    onnx.save(onnx.helper.make_model(graph, producer_name="test"), tmp_path / "a.onnx")
    params = converted(tmp_path / "a.onnx", tmp_path)
    np.testing.assert_array_equal(params["w"], expected[0])
    np.testing.assert_array_equal(params["b"], expected[1])


def in_a_field(onnx, tensor, array):
    """Return the TensorProto with its values in the field of their type instead of raw_data."""
    if tensor.data_type == onnx.TensorProto.DOUBLE:
        tensor.double_data.extend(array.ravel().tolist())
    else:
        numbers = np.frombuffer(tensor.raw_data, f"<u{2 if array.dtype.itemsize == 2 else 1}")
        if array.dtype.kind == "i" and array.dtype.itemsize <= 2 and len(numbers) == array.size:
            numbers = array.ravel()
        tensor.int32_data.extend(numbers.astype(int).tolist())
    tensor.ClearField("raw_data")
    return tensor


@pytest.mark.parametrize("dtype", ["float16", ">f2", ">f4", ">f8", "int8", ">i2", "uint16", "bool"])
def test_npz_and_hdf5(tmp_path, rng, dtype):
    h5py = pytest.importorskip("h5py")
    w = rng.integers(0, 2 if dtype == "bool" else 100, SHAPE).astype(dtype)
    b = rng.integers(0, 2 if dtype == "bool" else 100, 64).astype(dtype)
    np.savez(tmp_path / "a.npz", **{"features.0.weight": w, "features.0.bias": b})
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["features/0/weight"], file["features/0/bias"] = w, b
    for path in (tmp_path / "a.npz", tmp_path / "a.hdf5"):
        params = converted(path, tmp_path)
        np.testing.assert_array_equal(params["w"], w.astype(np.float32))
        np.testing.assert_array_equal(params["b"], b.astype(np.float32))


def test_types_of_ml_dtypes_in_npz_are_named(tmp_path, refused):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for dtype, size in ((ml_dtypes.bfloat16, 2), (ml_dtypes.float8_e4m3fn, 1)):
        arrays = {"features.0.weight": np.ones(SHAPE, dtype)}
        line = refused(arrays)
        assert f"without a type (V{size}), as NumPy stores bfloat16 and float8; save it as float32" in line


@pytest.mark.parametrize("scale", ["features.0.weight_scale", "features.0.scale", "features.0.weight.SCB",
                                   "features.0.zero_point", "features.0.weight.absmax", "features.0.weight_scale_inv"])
def test_quantised_weights_are_refused_by_name(tmp_path, rng, refused, scale):
    arrays = {"features.0.weight": rng.integers(-100, 100, SHAPE).astype(np.int8),
              "features.0.bias": np.zeros(64, np.float32), scale: np.ones(64, np.float32)}
    line = refused(arrays, "--network", "vgg16", "--features-only")
    assert "is quantised" in line and scale in line or "not known: " in line


def test_scales_outside_the_trunk_are_found_too(tmp_path, rng, refused):
    arrays = {"model.features.0.weight": rng.integers(-100, 100, SHAPE).astype(np.int8),
              "model.features.0.bias": np.zeros(64, np.float32), "scales.features_0": np.ones(64, np.float32)}
    line = refused(arrays, "--network", "vgg16", "--features-only")
    assert "is quantised: model.features.0.weight is int8 and scales.features_0 belongs to it; take the float" in line
    assert scales_of(["features.0.weight", "upscale.weight", "layer.scaled.bias"]) == []


def test_types_that_lose_digits_are_refused(refused):
    with np.errstate(all="ignore"):
        for dtype in ("int32", "int64", "complex64"):
            arrays = {"features.0.weight": np.ones(SHAPE, dtype), "features.0.bias": np.ones(64, np.float32)}
            try:
                line = refused(arrays, "--network", "vgg16", "--features-only")
            except InputError as problem:
                line = str(problem)
            assert f"{dtype} instead of float64, float32 or a type that float32 holds exactly" in line
