"""What the converter accepts it gives back bit by bit; what it cannot use costs one line and leaves no file."""

import errno
import os
import signal
import struct
import subprocess
import sys
import tempfile
import zipfile
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from minicnn.errors import InputError
from minicnn.models import build_network, digits, load_model, squeezenet1_0, squeezenet1_1, vgg16
from minicnn.models.preprocessing import CAFFE_SQUEEZENET, CAFFE_VGG, TORCHVISION
from minicnn.models.weights import load_weights, named_arrays, read_header
from weights_converter.__main__ import main
from weights_converter.convert import convert
from weights_converter.sources.published import PUBLISHED, Published
from weights_converter.formats.containers import (
    CAFFEMODEL,
    HDF5,
    MATLAB,
    NPZ,
    ONNX,
    PYTORCH_STREAM,
    PYTORCH_TAR,
    PYTORCH_ZIP,
    SAFETENSORS,
    readable,
    recognise,
)
from weights_converter.formats.stored import StoredArray
from weights_converter.match import find_source
from weights_converter.sources import SOURCES
from weights_converter.sources.layouts import (
    AS_OURS,
    HWIO,
    TRANSPOSED,
    linear_as_hwio,
    linear_as_oihw,
    linear_over_hwc,
)
from weights_converter.sources.source import Source, Target

ROOT = Path(__file__).parents[2]


def source_of(name, publisher):
    return next(source for source in SOURCES if (source.name, source.publisher) == (name, publisher))


def source_arrays(source, net):
    """{source name: array} of a network, for sources that keep arrays as we do."""
    ours = named_arrays(net)
    return {name: ours[target.key] for name, target in source.names.items() if target.key in ours}


def announced(source):
    """StoredArrays as a complete file of `source` would announce them, without values."""
    ours = named_arrays(build_network(source.architecture, **source.options))
    shapes = {name: target.layout.source_shape(ours[target.key].shape) for name, target in source.names.items()}
    shapes |= {name: array.shape for name, array in source.constants.items()}
    return [StoredArray(name, shape, np.dtype(np.float32), None) for name, shape in shapes.items()]


@pytest.fixture(scope="module")
def squeezenet():
    """Random weights under torchvision's names."""
    return source_arrays(source_of("squeezenet1_1", "torchvision"), squeezenet1_1(seed=1))


@pytest.fixture
def two_layers(rng):
    """The beginning of a VGG: 150 kB of random values under Caffe's names."""
    shapes = source_arrays(source_of("vgg16_caffe", "Caffe"), vgg16(seed=None).trunk("relu1_2"))
    return {name: rng.standard_normal(array.shape, np.float32) for name, array in shapes.items()}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The cache folder, which does not exist yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "minicnn"


@pytest.fixture
def refused(tmp_path, capsys):
    """refused(arrays or bytes, *options): the line with which main refuses that file; nothing is written."""

    def run(content, *options, name="source.npz"):
        path, output = tmp_path / name, tmp_path / "out.h5"
        if isinstance(content, dict):
            np.savez(path, **content)
        elif content is not None:
            path.write_bytes(content)
        before = sorted(tmp_path.iterdir())
        assert main([str(path), "-o", str(output), *options]) == 2
        assert sorted(tmp_path.iterdir()) == before
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and error.startswith("python -m weights_converter: error: ")
        assert str(path) in error or "network" in error
        return error

    return run


TRUNK = ("--features-only", "--network", "vgg16")


# ---- the tables ------------------------------------------------------------------------------------------------

def source_id(source):
    return f"{source.name}-{source.publisher}"


@pytest.mark.parametrize("source", SOURCES, ids=source_id)
def test_table_names_every_array_of_its_network_once(source):
    net = build_network(source.architecture, **source.options)
    assert sorted(target.key for target in source.names.values()) == sorted(named_arrays(net))
    assert net.num_parameters() == source.num_parameters
    assert net.find(source.features) == source.features


@pytest.mark.parametrize("source", SOURCES, ids=source_id)
def test_complete_file_is_recognised_by_names_and_shapes(source):
    match = find_source("x", announced(source), sha256=source.file_digest)
    assert match.source is source and match.model_name == source.name
    if source.classifier:
        assert match.last is None and match.left_out == []
    else:
        assert match.last == source.features and len(match.left_out) == 6


def test_each_training_has_a_name_of_its_own():
    by_name = {}
    for source in SOURCES:
        by_name.setdefault(source.name, set()).add((source.architecture, source.preprocessing, source.publisher))
    shared = {name: sorted(publisher for *_, publisher in found) for name, found in by_name.items() if len(found) > 1}
    assert shared == {"vgg16": ["timm", "torchvision"], "vgg19": ["timm", "torchvision"]}  # the same values


def test_torchvision_names_are_the_aliases_of_our_layers():
    found = [source for source in SOURCES if source.publisher == "torchvision"]
    assert {source.architecture for source in found} == {"vgg16", "vgg19", "squeezenet1_0", "squeezenet1_1",
                                                         "alexnet", "resnet18"}
    for source in found:
        net = build_network(source.architecture)
        for name, target in source.names.items():
            layer = name.rpartition(".")[0]
            assert layer == target.key.rpartition("/")[0] or net.find(layer) == target.key.rpartition("/")[0]


def test_keras_names_are_the_aliases_of_our_layers():
    for network in ("vgg16", "vgg19"):
        net = build_network(network)  # a Keras layer includes its ReLU
        for name, target in source_of(f"{network}_keras", "Keras").names.items():
            layer = target.key.partition("/")[0]
            relu = layer.replace("conv", "relu").replace("fc6", "relu6").replace("fc7", "relu7")
            assert net.find(name.partition("/")[0]) == relu


def test_timm_features_are_torchvision_s():
    arrays = [array for array in announced(source_of("vgg16", "timm")) if array.name.startswith("features")]
    match = find_source("x", arrays, features_only=True)
    assert (match.source.name, match.source.publisher, match.last) == ("vgg16", "torchvision", "pool5")


def test_a_network_can_be_named_by_its_training_or_its_architecture():
    arrays = announced(source_of("squeezenet1_0_caffe", "Caffe"))
    for network in ("auto", "squeezenet1_0", "squeezenet1_0_caffe"):
        assert find_source("x", arrays, network).source.name == "squeezenet1_0_caffe"


def test_the_file_without_classifier_values_is_known_by_its_digest():
    arrays = announced(source_of("vgg16", "torchvision"))
    assert find_source("x", arrays).source.name == "vgg16"
    assert find_source("x", arrays, sha256="397923af8e79").source.name == "vgg16"
    assert find_source("x", arrays, sha256="88682ab5ffff").source.name == "vgg16_features"
    assert find_source("x", arrays, "vgg16", sha256="88682ab5ffff").source.name == "vgg16_features"
    assert find_source("x", arrays, "vgg16_features").last == "pool5"


# ---- layouts, each against its definition in loops ---------------------------------------------------------------

def test_hwio(rng):
    ours = rng.standard_normal((5, 4, 3, 2))  # OIHW
    theirs = np.empty(HWIO.source_shape(ours.shape))
    for o, i, h, w in np.ndindex(ours.shape):
        theirs[h, w, i, o] = ours[o, i, h, w]
    np.testing.assert_array_equal(HWIO.to_ours(theirs), ours)


@pytest.mark.parametrize("layout, place", [
    (AS_OURS, lambda o, c, h, w: (o, c * 4 + h * 2 + w)),
    (linear_over_hwc(2), lambda o, c, h, w: (h * 6 + w * 3 + c, o)),
    (linear_as_hwio(2), lambda o, c, h, w: (h, w, c, o)),
    (linear_as_oihw(2), lambda o, c, h, w: (o, c, h, w)),
], ids=["ours", "over hwc", "as hwio", "as oihw"])
def test_linear_over_an_activation(rng, layout, place):
    ours = rng.standard_normal((5, 3 * 2 * 2))  # outputs, inputs flattened C, H, W
    theirs = np.empty(layout.source_shape(ours.shape))
    for o, c, h, w in np.ndindex(5, 3, 2, 2):
        theirs[place(o, c, h, w)] = ours[o, c * 4 + h * 2 + w]
    back = layout.to_ours(theirs)
    assert np.shares_memory(back, theirs) and len(back) == 5  # a view; its rows are reshaped some at a time
    np.testing.assert_array_equal(back.reshape(5, -1), ours)


def test_linear_behind_another(rng):
    ours = rng.standard_normal((5, 4))
    np.testing.assert_array_equal(TRANSPOSED.to_ours(ours.T), ours)
    np.testing.assert_array_equal(linear_as_hwio(1).to_ours(ours.T.reshape(1, 1, 4, 5)).reshape(5, 4), ours)
    np.testing.assert_array_equal(linear_as_oihw(1).to_ours(ours.reshape(5, 4, 1, 1)).reshape(5, 4), ours)


# ---- what is accepted ------------------------------------------------------------------------------------------

def test_random_squeezenet_comes_back_through_load_model(squeezenet, tmp_path, cache, capsys):
    path = tmp_path / "my weights.bin"  # the name says nothing
    with open(path, "wb") as file:
        np.savez_compressed(file, **squeezenet)
    assert main([str(path)]) == 0
    recognised, warning, wrote = capsys.readouterr().out.splitlines()
    assert warning.startswith(f"warning: no published file with sha256 {sha256(path.read_bytes()).hexdigest()} is")
    assert recognised == (f"{path} is a NumPy archive (.npz): squeezenet1_1 with torchvision's names, 52 arrays, "
                          "1,235,496 parameters")
    assert wrote.startswith(f"wrote {cache / 'squeezenet1_1.h5'} (5.1 MB) in ")
    model = load_model("squeezenet1_1", device="cpu")
    names = source_of("squeezenet1_1", "torchvision").names
    arrays = named_arrays(model.net)
    assert all(arrays[target.key].tobytes() == squeezenet[name].tobytes() for name, target in names.items())
    assert (model.name, model.preprocessing, len(model.labels)) == ("squeezenet1_1", TORCHVISION, 1000)
    header = read_header(cache / "squeezenet1_1.h5")
    assert header.source_sha256 == sha256(path.read_bytes()).hexdigest()
    assert header.origin == ("torchvision: squeezenet1_1, trained on ImageNet: by its names; "
                             "not the published file, or not known to be")
    assert "BSD-3" in header.licence


def test_the_published_file_is_known_to_be_that(squeezenet, tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", **squeezenet)
    digest = sha256((tmp_path / "a.npz").read_bytes()).hexdigest()
    monkeypatch.setitem(PUBLISHED, "a", Published("a", "https://example.org/a.npz", None, digest, "squeezenet1_1"))
    path = convert(tmp_path / "a.npz", tmp_path / "a.h5", say=lambda line: None)
    assert read_header(path).origin == "torchvision: squeezenet1_1, trained on ImageNet"


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4", ">f8"])
def test_other_precisions_and_byte_orders_become_float32(two_layers, tmp_path, dtype):
    given = {name: array.astype(dtype) for name, array in two_layers.items()}
    np.savez(tmp_path / "a.npz", **given)
    path = convert(tmp_path / "a.npz", tmp_path / "a.h5", "vgg16", features_only=True, say=lambda line: None)
    arrays = named_arrays(load_model(path, device="cpu").net)
    for name, values in given.items():
        key = name.replace(".weight", "/w").replace(".bias", "/b")
        assert arrays[key].dtype == np.float32
        np.testing.assert_array_equal(arrays[key], values.astype(np.float32))


def test_arrays_in_fortran_order(two_layers, tmp_path):
    np.savez(tmp_path / "a.npz", **{name: np.asfortranarray(array) for name, array in two_layers.items()})
    path = convert(tmp_path / "a.npz", tmp_path / "a.h5", "vgg16", features_only=True, say=lambda line: None)
    np.testing.assert_array_equal(named_arrays(load_model(path, device="cpu").net)["conv1_2/w"],
                                  two_layers["conv1_2.weight"])


def test_layouts_are_undone(tmp_path, rng, monkeypatch):
    net = digits(seed=1)
    targets = {key: Target(key, {4: HWIO, 2: TRANSPOSED, 1: AS_OURS}[array.ndim])
               for key, array in named_arrays(net).items()}
    source = Source("digits", "digits", "nobody", targets, net.num_parameters(), "pool2", TORCHVISION, "", "")
    monkeypatch.setattr("weights_converter.match.SOURCES", (source,))
    theirs = {name: {4: lambda w: w.transpose(2, 3, 1, 0), 2: lambda w: w.T, 1: lambda b: b}[array.ndim](array)
              for name, array in named_arrays(net).items()}
    np.savez(tmp_path / "a.npz", **theirs)
    path = convert(tmp_path / "a.npz", tmp_path / "a.h5", say=lambda line: None)
    loaded = digits()
    load_weights(loaded, path)
    for key, array in named_arrays(net).items():
        np.testing.assert_array_equal(named_arrays(loaded)[key], array)


def test_trunk_ends_at_the_relu_of_its_last_layer(two_layers, tmp_path, cache, capsys):
    np.savez(tmp_path / "a.npz", **two_layers)
    assert main([str(tmp_path / "a.npz"), *TRUNK]) == 0
    assert "vgg16_caffe up to relu1_2 with Caffe's names, 4 arrays, 38,720 parameters" in capsys.readouterr().out
    model = load_model("vgg16_caffe-relu1_2", device="cpu")
    assert model.net.layer_names() == ["conv1_1", "relu1_1", "conv1_2", "relu1_2"]
    assert (model.name, model.preprocessing, model.labels) == ("vgg16_caffe-relu1_2", CAFFE_VGG, [])


def test_features_of_a_complete_file(squeezenet, tmp_path, cache, capsys):
    np.savez(tmp_path / "a.npz", **squeezenet)
    assert main([str(tmp_path / "a.npz"), "--features-only"]) == 0
    assert "left out: 2 arrays of classifier" in capsys.readouterr().out
    net = load_model("squeezenet1_1-fire9_concat", device="cpu").net
    assert net.output == "fire9/concat" and net.num_parameters() == 722_496


def test_features_end_where_a_fire_module_ends():
    arrays = [array for array in announced(source_of("squeezenet1_0", "torchvision"))
              if array.name.startswith(("features.0.", "features.3.", "features.4."))]
    match = find_source("x", arrays, features_only=True)
    assert (match.source.name, match.last) == ("squeezenet1_0", "fire3/concat")


def test_pool_belongs_to_complete_features():
    arrays = [array for array in announced(source_of("vgg19", "torchvision")) if array.name.startswith("features")]
    match = find_source("x", arrays, features_only=True)
    assert (match.source.name, match.last) == ("vgg19", "pool5")


def test_digest_in_the_name(two_layers, tmp_path, refused):
    np.savez(tmp_path / "a.npz", **two_layers)
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").unlink()
    digest = sha256(content).hexdigest()
    named = tmp_path / f"vgg16-{digest[:8]}.npz"
    named.write_bytes(content)
    convert(named, tmp_path / "good.h5", "vgg16", features_only=True, say=lambda line: None)
    wrong = f"{int(digest[:8], 16) ^ 1:08x}"
    assert f"begins with {digest[:8]}, not with {wrong}" in refused(content, *TRUNK, name=f"vgg16-{wrong}.npz")


# ---- what is refused: the arrays -------------------------------------------------------------------------------

def test_everything_that_does_not_fit_is_in_one_line(squeezenet, refused):
    arrays = dict(squeezenet)
    del arrays["features.3.squeeze.bias"], arrays["classifier.1.weight"]
    arrays["features.13.weight"] = np.zeros(3, np.float32)
    arrays["epoch"] = np.zeros((), np.int64)  # whole numbers are no weights: left out
    arrays["loss"] = np.zeros(())
    arrays["features.0.weight"] = arrays["features.0.weight"].transpose(2, 3, 1, 0)
    arrays["features.4.squeeze.bias"] = np.zeros(16, np.int8)
    line = refused(arrays)
    for part in ("does not fit squeezenet1_1 with torchvision's names",
                 "missing: features.3.squeeze.bias, classifier.1.weight;",
                 "not known: features.13.weight, loss;",
                 "of another shape: features.0.weight (3, 3, 3, 64) instead of (64, 3, 3, 3);",
                 "int8 instead of float16, float32 or float64: features.4.squeeze.bias"):
        assert part in line
    assert "--features-only" not in line  # it would not help


def test_types_are_called_by_their_names_each_once():
    bfloat16 = np.dtype([("bfloat16", "<u2")])  # as the readers have it
    arrays = [array._replace(dtype=bfloat16) for array in announced(source_of("squeezenet1_1", "torchvision"))]
    arrays[-1] = arrays[-1]._replace(dtype=np.dtype(np.complex64))
    with pytest.raises(InputError) as refusal:
        find_source("x", arrays)
    line = str(refusal.value)
    assert ": bfloat16 instead of float16, float32 or float64: features.0.weight, features.0.bias, " in line
    assert line.endswith("; complex64 instead of float16, float32 or float64: classifier.1.bias")
    assert line.count("bfloat16") == 1 and "u2" not in line


def test_a_name_that_is_there_twice(two_layers, refused):
    buffer = BytesIO()
    np.savez(buffer, **two_layers)
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("conv1_1.bias.npy", archive.read("conv1_1.bias.npy"))
    assert "there twice: conv1_1.bias" in refused(buffer.getvalue(), *TRUNK)


def test_a_trunk_needs_to_be_asked_for(two_layers, refused):
    line = refused(two_layers, "--network", "vgg16")
    assert "missing: conv2_1.weight, conv2_1.bias" in line and "fc8.bias" in line
    assert "add --features-only" in line


def test_a_trunk_that_several_networks_begin_with(two_layers, refused):
    line = refused(two_layers, "--features-only")
    assert "fits vgg16_caffe and vgg19_caffe alike; say which, as in --network vgg16_caffe" in line


def test_a_hole_is_no_trunk(two_layers, refused):
    del two_layers["conv1_1.bias"]
    assert "missing: conv1_1.bias\n" in refused(two_layers, *TRUNK)


def test_classes_of_another_number(squeezenet, refused):
    arrays = {**squeezenet, "classifier.1.weight": np.zeros((10, 512, 1, 1), np.float32)}
    assert "classifier.1.weight (10, 512, 1, 1) instead of (1000, 512, 1, 1)" in refused(arrays)


def test_values_that_are_not_finite_are_named(two_layers, refused):
    arrays = {name: array.astype(np.float64) for name, array in two_layers.items()}
    arrays["conv1_1.bias"][3] = np.nan
    arrays["conv1_2.weight"][0, 0, 0, 0] = 1e300  # finite, but not in float32
    names = refused(arrays, *TRUNK).partition("not finite in ")[2].strip().split(", ")
    assert sorted(names) == ["conv1_1.bias", "conv1_2.weight"]


def test_another_network_altogether(refused):
    arrays = {f"layer{i}.weight": np.zeros((3, 3), np.float32) for i in range(5)}
    line = refused(arrays)
    assert "5 arrays (layer0.weight, layer1.weight, layer2.weight, layer3.weight, …)" in line
    assert "torchvision (vgg16, vgg19, squeezenet1_0, squeezenet1_1, alexnet, resnet18)" in line
    assert "Caffe (vgg16_caffe, " in line


def test_unknown_network_suggests(two_layers, refused):
    assert "did you mean vgg19 or vgg16" in refused(two_layers, "--network", "vgg61")


def test_preprocessing_in_the_file_must_be_the_known_one(two_layers, refused):
    source = source_of("vgg19_normalised", "Caffe")
    preproc = {name: array.copy() for name, array in source.constants.items()}
    preproc["preproc.weight"] = preproc["preproc.weight"][::-1]  # RGB
    assert "preproc.weight does not have the values" in refused({**two_layers, **preproc}, "--features-only")


# ---- what is refused: the file ---------------------------------------------------------------------------------

class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_a_pickle_is_never_loaded(two_layers, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arrays = {**two_layers, "conv1_1.bias": np.array([Bomb()] * 64, object)}
    assert "conv1_1.bias holds pickled Python objects, which are never loaded" in refused(arrays, *TRUNK)
    assert not (tmp_path / "exploded").exists()


def npz_bytes(arrays):
    buffer = BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def zip_bytes(**members):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy_header(shape, descr="<f4"):
    buffer = BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


@pytest.mark.parametrize("keep", [10, 100, 0.5, 0.999])
def test_truncated(two_layers, refused, keep):
    content = npz_bytes(two_layers)
    assert "damaged or truncated" in refused(content[:int(keep * len(content)) if keep < 1 else keep], *TRUNK)


def test_a_flipped_bit_in_the_values(two_layers, refused):
    content = bytearray(npz_bytes(two_layers))
    content[content.index(two_layers["conv1_2.weight"].tobytes()) + 1000] ^= 4
    assert "Bad CRC-32" in refused(content, *TRUNK)


def test_more_bytes_than_weights_can_have(refused):
    content = bytearray(zip_bytes(a=npy_header((10,)) + bytes(40)))
    entry = content.index(b"PK\x01\x02")
    content[entry + 24:entry + 28] = struct.pack("<I", 2**32 - 2)  # the uncompressed size it claims
    assert "claim 4,294,967,294 bytes, more than the limit" in refused(content)


@pytest.mark.parametrize("shape", [(2**40,), (2**31, 2**31), (-1, -10), (11,)])
def test_a_shape_that_the_bytes_do_not_fill(refused, shape):
    assert "which is not what it has" in refused(zip_bytes(a=npy_header(shape) + bytes(40)))


@pytest.mark.parametrize("content", [
    b"", b"no array", b"\x93NUMPY\x01\x00\x05\x00{    ", b"\x93NUMPY\x03\x00" + bytes(8), b"\x93NUMPY\x09\x09",
    b"\x93NUMPY\x01\x00\xff\x10" + b"(" * 4351, b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", npy_header((2,), "<M8[s]"),
    npy_header((2,), [("a", "<f4")]) + bytes(8)])
def test_odd_members(refused, content):
    refused(zip_bytes(a=content))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_not_unpacked(refused, compression):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("a.npy", npy_header((2**20,)) + bytes(2**22))
    assert "a.npy is compressed in a way that NumPy never does" in refused(buffer.getvalue())


def test_encrypted(two_layers, refused):
    content = bytearray(npz_bytes(two_layers))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    assert "encrypted" in refused(content, *TRUNK)


def test_names_that_would_break_the_line(two_layers, refused):
    assert "not printable" in refused(zip_bytes(**{"a\nb": npy_header((1,)) + bytes(4)}))
    assert "too long" in refused(zip_bytes(**{"a" * 1000: npy_header((1,)) + bytes(4)}))


@pytest.mark.parametrize("content, kind", [
    (zip_bytes(), "an empty zip archive"),
    (zip_bytes(a=b"").replace(b".npy", b".txt"), "a zip archive with other things than NumPy arrays in it"),
    (b"MATLAB 7.3 MAT-file, Platform: GLNXA64", "a MATLAB file of version 7.3 (save it with -v7)"),
    (b"\x93NUMPY\x01\x00", "a single NumPy array (.npy)"),
    (b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1\x11\0\0\0torch.FloatTensor", "a Torch 7 file (.t7)"),
    (b"\x03\0\0\0\x01\0\0\0\x02\0\0\0", "a Torch 7 file (.t7)"),
    (bytes(100) + bytes.fromhex("57fb808b247547db"), "the index of a TensorFlow checkpoint"),
    (b"\x1f\x8b\x08\0", "compressed with gzip (unpack it first)"),
    (b"<!DOCTYPE html>", "a web page or XML, not weights"),
    (b"\n", "of no known format"),
    (b"words", "of no known format"),
])
def test_what_cannot_be_read_is_named_and_so_is_what_can(refused, content, kind):
    line = refused(content)
    assert f"source.npz is {kind}; what can be read is PyTorch .pth, safetensors, ONNX, " in line


def test_a_keras_3_archive(refused):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", "")
    assert "is a Keras 3 model (.keras)" in refused(buffer.getvalue())


@pytest.mark.parametrize("content, kind", [
    (b"\x89HDF\r\n\x1a\n", HDF5),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", PYTORCH_STREAM),
    (b"\x80\x04\x95", PYTORCH_STREAM),
    (bytes(257) + b"ustar\x0000", PYTORCH_TAR),
    (struct.pack("<Q", 50) + b'{"features.0.weight":{"dtype":"F32"', SAFETENSORS),
    (b"\n\x05VGG16\x12\xff\x01", CAFFEMODEL),
    (b"\n\nsqueezenet\xa2\x06\xff\x01", CAFFEMODEL),
    (b"\x08\x07\x12\x07pytorch", ONNX),
    (b"MATLAB 5.0 MAT-file, Platform: GLNXA64", MATLAB),
])
def test_containers_are_recognised_by_their_first_bytes(refused, tmp_path, content, kind):
    assert str(tmp_path) in refused(content)  # there is nothing in them
    (tmp_path / "weights.txt").write_bytes(content)
    assert recognise(tmp_path / "weights.txt") == kind


def test_a_zip_with_a_pickle_is_pytorch(tmp_path):
    with zipfile.ZipFile(tmp_path / "vgg16.npz", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        archive.writestr("archive/data/0", bytes(4))
    assert recognise(tmp_path / "vgg16.npz") == PYTORCH_ZIP


def test_empty_and_missing_files_and_folders(refused, tmp_path):
    assert "is empty" in refused(b"")
    assert "does not exist" in refused(None, name="none.npz")
    (tmp_path / "folder").mkdir()
    assert "not an ordinary file" in refused(None, name="folder")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_does_not_keep_us_waiting(refused, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "not an ordinary file" in refused(None, name="pipe")


def test_a_file_beyond_the_limit(tmp_path, refused):
    with open(tmp_path / "huge.npz", "wb") as file:
        file.truncate(2**31 + 1)  # sparse: takes no room
    assert "more than the limit" in refused(None, name="huge.npz")


def test_recognise_looks_inside(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(npz_bytes({"a": np.zeros(3)}))
    assert recognise(path) == NPZ


# ---- the output ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("options", [TRUNK, ["--first-layer"]])
@pytest.mark.parametrize("output, words", [
    ("here.h5", "already exists; give another name or allow it to be replaced (--overwrite"),
    ("no/a.h5", "there is no folder"), (".", "this is a folder"), ("a.npz", "this is the source itself"),
    ("a" * 300, "cannot be written (File name too long)")])
def test_the_output_is_looked_at_before_the_source_is_read(two_layers, tmp_path, monkeypatch, capsys, options, output,
                                                           words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("weights_converter.convert.file_sha256", None)  # of VGG-19 it takes seconds
    np.savez("a.npz", **two_layers)
    Path("here.h5").touch()
    assert main(["a.npz", *options, "-o", output]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"python -m weights_converter: error: {output}: {words}") and line.count("\n") == 1


def test_nowhere_to_put_it_is_known_before_the_source_is_read(two_layers, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("weights_converter.convert.file_sha256", None)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "")
    np.savez(tmp_path / "a.npz", **two_layers)
    for options in ((), ("--first-layer",)):
        assert main([str(tmp_path / "a.npz"), *options]) == 2
        assert "there is no home folder to keep weights in: set XDG_CACHE_HOME" in capsys.readouterr().err


def test_existing_output_stays_unless_overwriting_is_allowed(squeezenet, tmp_path, cache, capsys):
    np.savez(tmp_path / "a.npz", **squeezenet)
    cache.mkdir(parents=True)
    (cache / "squeezenet1_1.h5").write_bytes(b"old")
    assert main([str(tmp_path / "a.npz")]) == 2
    line = capsys.readouterr().err
    assert "already exists" in line and "--overwrite" in line
    assert (cache / "squeezenet1_1.h5").read_bytes() == b"old"
    assert main([str(tmp_path / "a.npz"), "--overwrite"]) == 0
    assert load_model("squeezenet1_1", device="cpu").name == "squeezenet1_1"
    assert [path.name for path in cache.iterdir()] == ["squeezenet1_1.h5"]


def test_the_source_is_never_overwritten(two_layers, tmp_path, capsys):
    path = tmp_path / "a.npz"
    np.savez(path, **two_layers)
    before = path.read_bytes()
    assert main([str(path), "-o", str(path), "--overwrite", *TRUNK]) == 2
    assert "the source itself" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_output_in_a_folder_that_is_not_there(two_layers, tmp_path, capsys):
    np.savez(tmp_path / "a.npz", **two_layers)
    assert main([str(tmp_path / "a.npz"), "-o", str(tmp_path / "no" / "a.h5"), *TRUNK]) == 2
    assert "there is no folder" in capsys.readouterr().err


def test_cache_folder_that_cannot_be_made(squeezenet, tmp_path, monkeypatch, capsys):
    np.savez(tmp_path / "a.npz", **squeezenet)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a.npz"))
    assert main([str(tmp_path / "a.npz")]) == 2
    assert "cannot be made" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["weights_converter.convert.read_values", "minicnn.models.weights._write_blocks"])
@pytest.mark.parametrize("what, code", [(KeyboardInterrupt, 130), (MemoryError, 2)])
def test_whatever_interrupts_leaves_the_old_file(two_layers, tmp_path, monkeypatch, capsys, where, what, code):
    np.savez(tmp_path / "a.npz", **two_layers)
    (tmp_path / "a.h5").write_bytes(b"old")

    def interrupt(*arguments):
        raise what

    monkeypatch.setattr(where, interrupt)
    assert main([str(tmp_path / "a.npz"), "-o", str(tmp_path / "a.h5"), "--overwrite", *TRUNK]) == code
    assert capsys.readouterr().err.count("\n") == 1
    assert (tmp_path / "a.h5").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "a.npz"]


@pytest.mark.skipif(os.name != "posix", reason="links need a privilege on Windows")
def test_a_link_as_output_is_followed(two_layers, tmp_path):
    np.savez(tmp_path / "a.npz", **two_layers)
    (tmp_path / "link.h5").symlink_to("file.h5")
    assert main([str(tmp_path / "a.npz"), "-o", str(tmp_path / "link.h5"), "--overwrite", *TRUNK]) == 0
    assert (tmp_path / "link.h5").is_symlink() and read_header(tmp_path / "file.h5").name == "vgg16_caffe-relu1_2"


@pytest.mark.parametrize("problem, words", [
    (OSError(errno.EIO, "Input/output error"), "a.npz cannot be read: Input/output error"),
    (OSError(errno.ESTALE, "Stale file handle", "/tmp/x"), "a.npz cannot be read: Stale file handle"),
    (OSError(errno.ENOSPC, "No space left on device"),
     f"a.npz: to unpack it, there must be more room in {tempfile.gettempdir()} (No space left on device)"),
    (OSError(errno.EINVAL, "Invalid argument"), "a.npz is damaged or truncated: [Errno 22] Invalid argument"),
    (OSError("unable to open"), "a.npz is damaged or truncated: unable to open"),
    (zipfile.BadZipFile("no zip"), "a.npz is damaged or truncated: no zip"),
])
def test_a_failing_machine_is_not_called_a_damaged_file(problem, words):
    with pytest.raises(InputError) as refusal, readable("a.npz"):
        raise problem
    assert str(refusal.value) == words


def test_convert_raises_input_error(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        convert(tmp_path / "none.npz")


# ---- the command line, as it is typed --------------------------------------------------------------------------

def typed(*arguments):
    return subprocess.run([sys.executable, "-m", "weights_converter", *map(str, arguments)], cwd=ROOT,
                          capture_output=True, text=True, timeout=60)


def test_typed(two_layers, tmp_path):
    np.savez(tmp_path / "a.npz", **two_layers)
    done = typed(tmp_path / "a.npz", "-o", tmp_path / "a.h5", *TRUNK)
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 3, "")
    again = typed(tmp_path / "a.npz", "-o", tmp_path / "a.h5", *TRUNK)
    assert (again.returncode, again.stderr.count("\n"), "Traceback" in again.stderr) == (2, 1, False)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are Unicode")
@pytest.mark.parametrize("encoding", ["ascii", "cp437", "utf-8"])
@pytest.mark.parametrize("name", [b"gewichte-\xe4\xff.npz", "gewichte-\u20ac.npz".encode()])
def test_typed_with_a_name_that_the_terminal_cannot_show(two_layers, tmp_path, name, encoding):
    path = os.path.join(os.fsencode(tmp_path), name)
    with open(path, "wb") as file:
        np.savez(file, **two_layers)
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    for arguments in (TRUNK, ["--first-layer"], ["--first-layer"]):
        done = subprocess.run([sys.executable, "-m", "weights_converter", path, *arguments], cwd=ROOT,
                              env=environment, capture_output=True, timeout=60)
        assert done.stderr.count(b"\n") == done.returncode // 2 and b"Traceback" not in done.stderr
    assert done.returncode == 2 and b"already exists" in done.stderr
    first, whole = sorted((tmp_path / "cache" / "minicnn").iterdir())
    origin = read_header(first).origin
    assert origin == f"conv1_1.weight of {name.decode('utf-8', 'replace')}" and whole.name == "vgg16_caffe-relu1_2.h5"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [["-o", "a.h5", *TRUNK], ["--first-layer", "-o", "a.h5"], ["inspect"]])
def test_typed_with_an_output_that_is_full(two_layers, tmp_path, arguments):
    np.savez(tmp_path / "a.npz", **two_layers)
    command = [sys.executable, "-m", "weights_converter", *arguments, "a.npz"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "standard output cannot be written: No space left on device" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


NEVER_DONE = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from minicnn.models import weights
weights._write_blocks = lambda *arguments: (print('writing', flush=True), time.sleep(60))
from weights_converter.__main__ import run_as_program
sys.exit(run_as_program())
"""


@pytest.mark.skipif(os.name != "posix", reason="no such signals on Windows")
@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_signals_that_end_it_leave_the_old_file_and_no_other(two_layers, tmp_path, name, ignored):
    np.savez(tmp_path / "a.npz", **two_layers)
    (tmp_path / "a.h5").write_bytes(b"old")
    number = getattr(signal, name)
    handler = "SIG_IGN" if ignored else "SIG_DFL"  # as nohup has it, and as else; whatever these tests were started by
    handling = f"import signal; signal.signal({int(number)}, signal.{handler})"
    process = subprocess.Popen([sys.executable, "-c", handling + NEVER_DONE, str(tmp_path / "a.npz"), "-o",
                                str(tmp_path / "a.h5"), "--overwrite", *TRUNK], cwd=ROOT, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    try:
        assert b"writing\n" in iter(process.stdout.readline, b"")  # and no longer in HDF5's hands
        assert len(list(tmp_path.iterdir())) == 3
        process.send_signal(number)
        if ignored:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=0.3)
            process.send_signal(signal.SIGINT)
        _, problems = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == (130 if ignored else 128 + number) and b"Traceback" not in problems
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "a.npz"]
    assert (tmp_path / "a.h5").read_bytes() == b"old"


def test_typed_wrongly():
    for arguments in ((), ("a.npz", "--netwrok", "vgg16")):
        done = typed(*arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


# ---- real weights ----------------------------------------------------------------------------------------------

def converted(test_data, tmp_path, name, *options):
    path = tmp_path / "out.h5"
    assert main([str(test_data / "weights" / name), "-o", str(path), *options]) == 0
    return load_model(path, device="cpu")


@pytest.mark.parametrize("name, preprocessing, classes, logits, total", [
    ("squeezenet1_1", TORCHVISION, [388, 279, 384], [46.2923, 29.1878, 28.8394], 11215.317),
    ("squeezenet1_0_caffe", CAFFE_SQUEEZENET, [388, 222, 251], [37.2544, 18.2982, 17.9155], 4981.825),
])
def test_real_squeezenets(test_data, tmp_path, name, preprocessing, classes, logits, total):
    model = converted(test_data, tmp_path, f"{name}.npz")
    assert model.name == name and model.preprocessing == preprocessing
    photos = np.load(test_data / "photos" / "imagenet_25.npz")
    scores = model.net.predict(model.preprocessing.to_input(photos["X"])).reshape(25, 1000)
    best = np.argsort(-scores[0])[:3]
    assert best.tolist() == classes
    np.testing.assert_allclose(scores[0, best], logits, rtol=1e-5)
    np.testing.assert_allclose(scores[0].sum(dtype=np.float64), total, rtol=1e-5)
    assert (scores.argmax(axis=1) == photos["y"]).all()
    assert "giant panda" in model.labels[388]


def test_real_vgg16_trunk(test_data, tmp_path):
    name = "vgg16_conv1_1-conv2_2_caffe_bgr.npz"
    model = converted(test_data, tmp_path, name, *TRUNK)
    assert (model.name, model.net.output, model.preprocessing) == ("vgg16_caffe-relu2_2", "relu2_2", CAFFE_VGG)
    source = np.load(test_data / "weights" / name)
    for key, array in named_arrays(model.net).items():
        layer, _, parameter = key.partition("/")
        assert array.tobytes() == source[layer + {"w": ".weight", "b": ".bias"}[parameter]].tobytes()


def test_real_normalised_vgg19(test_data, tmp_path, capsys):
    model = converted(test_data, tmp_path, "vgg19_normalised_conv1_1-conv3_1.npz", "--features-only")
    assert "left out: 18 arrays of decoder1, decoder2, decoder3" in capsys.readouterr().out
    assert (model.name, model.net.output) == ("vgg19_normalised-relu3_1", "relu3_1")
    assert model.preprocessing == CAFFE_VGG
    assert "pad3_1" in model.net.layer_names()  # reflection
    photos = np.load(test_data / "photos" / "imagenet_25.npz")["X"][:2]
    trace = model.net.forward(model.preprocessing.to_input(photos))
    for layer in ("relu1_1", "relu2_1", "relu3_1"):  # what "normalised" means
        assert 0.5 < trace.activations[layer].mean() < 2


def test_real_preprocessing_is_the_first_layer_of_the_normalised_vgg19(test_data):
    source = np.load(test_data / "weights" / "vgg19_normalised_conv1_1-conv3_1.npz")
    image = np.load(test_data / "photos" / "imagenet_25.npz")["X"][0]
    rgb = np.moveaxis(image, 2, 0) / np.float32(255)
    theirs = np.einsum("oi,ihw->ohw", source["preproc.weight"][:, :, 0, 0], rgb)
    theirs += source["preproc.bias"][:, None, None]
    np.testing.assert_allclose(CAFFE_VGG.to_input(image)[0], theirs, atol=1e-4)


def test_real_compressed_file_holds_what_the_archive_holds(test_data, tmp_path):
    decoded = converted(test_data, tmp_path, "compressed_SqueezeNet.net")
    source = np.load(test_data / "weights" / "squeezenet1_0_caffe.npz")
    arrays = named_arrays(decoded.net)
    assert len(source.files) == len(arrays) == 52
    for name in source.files:
        assert arrays[name.replace(".weight", "/w").replace(".bias", "/b")].tobytes() == source[name].tobytes()
    photos = np.load(test_data / "photos" / "imagenet_25.npz")
    scores = decoded.net.predict(decoded.preprocessing.to_input(photos["X"]))
    assert (scores.argmax(axis=1) == photos["y"]).all()


def test_both_squeezenets_build_what_their_weights_need():
    assert squeezenet1_0(seed=None, **source_of("squeezenet1_0_caffe", "Caffe").options).layer("conv10").pad == 1
    assert squeezenet1_1(seed=None, **source_of("squeezenet1_1_caffe", "Caffe").options).layer("conv10").pad == 0
