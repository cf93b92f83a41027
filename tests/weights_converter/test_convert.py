"""The converter keeps every bit of an accepted file."""

from hashlib import sha256

import numpy as np
import pytest
from weight_cases import TRUNK, source_of

from minicnn.errors import InputError
from minicnn.models import digits, load_model
from minicnn.models.preprocessing import CAFFE_VGG, TORCHVISION
from minicnn.models.weights import load_weights, named_arrays, read_header
from weights_converter.__main__ import main
from weights_converter.convert import convert
from weights_converter.sources.layouts import (
    AS_OURS,
    HWIO,
    TRANSPOSED,
)
from weights_converter.sources.published import PUBLISHED, Published
from weights_converter.sources.source import Source, Target


def test_random_squeezenet_comes_back_through_load_model(squeezenet, tmp_path, cache, capsys):
    path = tmp_path / "my weights.bin"  # the name does not show the format
    with open(path, "wb") as file:
        np.savez_compressed(file, **squeezenet)
    assert main([str(path)]) == 0
    recognised, warning, preprocessing, wrote = capsys.readouterr().out.splitlines()
    assert warning.startswith(f"warning: no published file with sha256 {sha256(path.read_bytes()).hexdigest()} is")
    assert recognised == (f"{path} is a NumPy archive (.npz): squeezenet1_1 with torchvision's names, 52 arrays, "
                          "1,235,496 parameters")
    assert preprocessing == ("preprocessing: RGB, pixels 0..1, mean 0.485 0.456 0.406, std 0.229 0.224 0.225 "
                             "(torchvision); the usual one for torchvision's names, as the values are not known here; "
                             "if it was trained with another: --preprocessing torchvision|caffe|caffe-rgb|unit|"
                             "minus1-1|tf|none")
    assert wrote.startswith(f"wrote {cache / 'squeezenet1_1.h5'} (5.1 MB) in ")
    model = load_model("squeezenet1_1", device="cpu")
    names = source_of("squeezenet1_1", "torchvision").names
    arrays = named_arrays(model.net)
    assert all(arrays[target.key].tobytes() == squeezenet[name].tobytes() for name, target in names.items())
    assert (model.name, model.preprocessing, len(model.labels)) == ("squeezenet1_1", TORCHVISION, 1000)
    header = read_header(cache / "squeezenet1_1.h5")
    assert header.source_sha256 == sha256(path.read_bytes()).hexdigest()
    assert header.origin == ("torchvision: squeezenet1_1, trained on ImageNet "
                             "(recognised by its array names; not a known published file)")
    assert "BSD-3" in header.licence


def test_a_published_file_is_recognised_by_its_digest(squeezenet, tmp_path, monkeypatch):
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


def test_values_that_are_not_finite_are_named(two_layers, refused):
    arrays = {name: array.astype(np.float64) for name, array in two_layers.items()}
    arrays["conv1_1.bias"][3] = np.nan
    arrays["conv1_2.weight"][0, 0, 0, 0] = 1e300  # too large for float32
    names = refused(arrays, *TRUNK).partition("not finite in ")[2].strip().split(", ")
    assert sorted(names) == ["conv1_1.bias", "conv1_2.weight"]


def test_preprocessing_in_the_file_must_have_the_known_values(two_layers, refused):
    source = source_of("vgg19_normalised", "Caffe")
    preproc = {name: array.copy() for name, array in source.constants.items()}
    preproc["preproc.weight"] = preproc["preproc.weight"][::-1]  # reverses the channels
    line = refused({**two_layers, **preproc}, "--features-only")
    assert "is not vgg19_normalised: preproc.weight has other values" in line


def test_convert_raises_input_error(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        convert(tmp_path / "none.npz")
