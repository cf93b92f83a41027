"""Looking into a file, and the first layer of any network: python -m weights_converter inspect, --first-layer."""

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import weight_writers

from demos import filters
from minicnn.models import load_model, squeezenet1_1
from minicnn.preprocessing import CAFFE_VGG, TORCHVISION
from minicnn.weights import named_arrays, read_header
from weights_converter.__main__ import main
from weights_converter.published import PUBLISHED, Published
from weights_converter.sources import SOURCES

ROOT = Path(__file__).parent.parent


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The cache folder, which does not exist yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "minicnn"


@pytest.fixture
def squeezenet(tmp_path):
    """A file with random weights under torchvision's names, which are in it too."""
    source = next(source for source in SOURCES if source.name == "squeezenet1_1")
    ours = named_arrays(squeezenet1_1(seed=1))
    arrays = {name: ours[target.key] for name, target in source.names.items()}
    np.savez(tmp_path / "a.npz", **arrays)
    return tmp_path / "a.npz", arrays


@pytest.fixture
def resnet(tmp_path, rng):
    """The beginning of another network's state dict."""
    arrays = {"bn0.weight": rng.standard_normal(3, np.float32),
              "conv1.weight": rng.standard_normal((64, 3, 7, 7), np.float32),
              "bn1.running_mean": rng.standard_normal(64, np.float32),
              "layer1.0.conv1.weight": rng.standard_normal((64, 64, 1, 1), np.float32),
              "layer1.0.conv3.weight": rng.standard_normal((8, 3, 3, 3), np.float32),
              "num_batches_tracked": np.array(3)}
    np.savez(tmp_path / "resnet101-v2.npz", **arrays)
    return tmp_path / "resnet101-v2.npz", arrays


# ---- inspect ---------------------------------------------------------------------------------------------------

def test_inspect_says_what_would_be_converted_and_writes_nothing(squeezenet, tmp_path, cache, capsys):
    path, arrays = squeezenet
    assert main(["inspect", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    digest = sha256(path.read_bytes()).hexdigest()
    assert lines[0] == f"{path} is a NumPy archive (.npz), {path.stat().st_size:,} bytes"
    assert lines[1] == f"sha256 {digest}: of no published file known here"
    rows = [line.split() for line in lines[2:2 + len(arrays)]]
    assert rows[0] == ["features.0.weight", "(64,", "3,", "3,", "3)", "float32", "->", "conv1/w"]
    assert [row[0] for row in rows] == list(arrays) and all("->" in row for row in rows)
    rest = lines[2 + len(arrays):]
    assert rest[0] == f"would be converted to {cache / 'squeezenet1_1.h5'}"
    assert "squeezenet1_1 with torchvision's names, 52 arrays, 1,235,496 parameters" in rest[1]
    assert rest[2].startswith("warning: no published file") and len(rest) == 3
    assert [item.name for item in tmp_path.iterdir()] == ["a.npz"]


def test_inspect_knows_published_files(squeezenet, monkeypatch, capsys):
    path, _ = squeezenet
    digest = sha256(path.read_bytes()).hexdigest()
    entry = Published("a", "https://example.org/a.npz", None, digest, "squeezenet1_1")
    monkeypatch.setitem(PUBLISHED, "a", entry)
    assert main(["inspect", str(path)]) == 0
    said = capsys.readouterr().out
    assert f"sha256 {digest}: published as https://example.org/a.npz" in said and "warning" not in said


def test_inspect_of_features(squeezenet, cache, capsys):
    assert main(["inspect", str(squeezenet[0]), "--features-only"]) == 0
    said = capsys.readouterr().out
    assert f"would be converted to {cache / 'squeezenet1_1-fire9_concat.h5'}" in said
    assert "classifier.1.weight              (1000, 512, 1, 1)    float32  \n" in said  # goes nowhere


def test_inspect_says_what_does_not_fit(resnet, capsys):
    path, arrays = resnet
    assert main(["inspect", str(path)]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in arrays)
    assert "num_batches_tracked              ()                   int64" in said
    assert f"would not be converted: {path} has 6 arrays (bn0.weight, conv1.weight, " in said


def test_inspect_of_what_is_no_weights_file(tmp_path, capsys):
    (tmp_path / "a.pth").write_bytes(b"<html>")
    assert main(["inspect", str(tmp_path / "a.pth")]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("python -m weights_converter inspect: error: ")
    assert "a.pth is a web page or XML, not weights" in said.err


def test_a_reader_that_has_seen_enough_gets_no_complaint(squeezenet):
    program = f"{sys.executable} -m weights_converter inspect {squeezenet[0]} | head -n 1"
    done = subprocess.run(program, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.count("\n") == 1 and done.stderr == ""


# ---- the first layer -------------------------------------------------------------------------------------------

def test_first_layer_of_another_network(resnet, cache, capsys):
    path, arrays = resnet
    assert main([str(path), "--first-layer"]) == 0
    found, warning, wrote = capsys.readouterr().out.splitlines()
    assert found.endswith("conv1.weight (64, 3, 7, 7), 64 filters of 7x7, channels taken as RGB (if not: --bgr)")
    assert warning.startswith("warning: no published file")
    assert wrote.endswith("python -m demos.filters --model resnet101_v2-first_layer draws them")
    model = load_model("resnet101_v2-first_layer", device="cpu")
    assert model.preprocessing == TORCHVISION and model.net.layer_names() == ["conv1"]
    np.testing.assert_array_equal(model.net.layer("conv1").params["w"], arrays["conv1.weight"])
    assert read_header(cache / "resnet101_v2-first_layer.h5").origin == "conv1.weight of resnet101-v2.npz"


def test_its_filters_are_drawn(resnet, tmp_path, cache, capsys):
    path, arrays = resnet
    assert main([str(path), "--first-layer", "-o", str(tmp_path / "first.h5")]) == 0
    assert f"python -m demos.filters --model {tmp_path / 'first.h5'} draws" in capsys.readouterr().out
    model = load_model(tmp_path / "first.h5", device="cpu")
    pictures = list(filters.pictures(model))
    assert [picture.name for picture in pictures] == ["filters"]
    np.testing.assert_array_equal(pictures[0].array, arrays["conv1.weight"])


def test_first_layer_by_name_and_in_bgr(resnet, tmp_path, capsys):
    path, arrays = resnet
    assert main([str(path), "--first-layer", "layer1.0.conv3.weight", "--bgr", "-o", str(tmp_path / "a.h5")]) == 0
    assert "channels taken as BGR\n" in capsys.readouterr().out
    model = load_model(tmp_path / "a.h5", device="cpu")
    assert model.preprocessing == CAFFE_VGG
    picture = next(filters.pictures(model))
    np.testing.assert_array_equal(picture.array, arrays["layer1.0.conv3.weight"][:, ::-1])  # shown as RGB


def test_first_layer_of_a_caffe_model_is_bgr(resnet, tmp_path, capsys):
    pytest.importorskip("google.protobuf")
    weight_writers.write_caffemodel(tmp_path / "a", {"conv1.weight": resnet[1]["conv1.weight"]})
    assert main([str(tmp_path / "a"), "--first-layer", "-o", str(tmp_path / "a.h5")]) == 0
    assert "channels taken as BGR, as Caffe has it" in capsys.readouterr().out
    assert load_model(tmp_path / "a.h5", device="cpu").preprocessing == CAFFE_VGG


def test_first_layer_of_hwio(resnet, tmp_path):
    theirs = np.ascontiguousarray(resnet[1]["conv1.weight"].transpose(2, 3, 1, 0))
    weight_writers.write_keras(tmp_path / "a", {"conv1_conv/kernel": theirs})
    assert main([str(tmp_path / "a"), "--first-layer", "-o", str(tmp_path / "a.h5")]) == 0
    w = load_model(tmp_path / "a.h5", device="cpu").net.layer("conv1").params["w"]
    np.testing.assert_array_equal(w, resnet[1]["conv1.weight"])


def refused(capsys, *arguments):
    """The line with which main refuses."""
    assert main([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_first_layer_that_is_not_there(resnet, tmp_path, capsys):
    path, _ = resnet
    output = ("-o", tmp_path / "a.h5")
    assert "did you mean conv1.weight" in refused(capsys, path, "--first-layer", "conv1.weigth", *output)
    np.savez(tmp_path / "b.npz", w=np.zeros((4, 3, 1, 1), np.float32), v=np.zeros((4, 3, 3, 3), np.int8))
    line = refused(capsys, tmp_path / "b.npz", "--first-layer", *output)
    assert "no filters over three channels, (F, 3, k, k) or (k, k, 3, F); it has w (4, 3, 1, 1), v (4, 3, 3, 3)" in line
    np.savez(tmp_path / "c.npz", w=np.full((4, 3, 3, 3), np.nan, np.float32))
    assert "not finite in w" in refused(capsys, tmp_path / "c.npz", "--first-layer", *output)
    assert not (tmp_path / "a.h5").exists()


def test_first_layer_never_overwrites_unasked(resnet, tmp_path, capsys):
    path, _ = resnet
    (tmp_path / "a.h5").write_bytes(b"old")
    assert "already exists" in refused(capsys, path, "--first-layer", "-o", tmp_path / "a.h5")
    assert "the source itself" in refused(capsys, path, "--first-layer", "-o", path, "--overwrite")
    assert (tmp_path / "a.h5").read_bytes() == b"old"
