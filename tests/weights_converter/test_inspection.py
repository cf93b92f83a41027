"""minicnn inspect describes a file and writes nothing."""

from hashlib import sha256

import numpy as np
from weight_cases import bfloat16_file

from weights_converter.__main__ import main
from weights_converter.sources import SOURCES
from weights_converter.sources.published import PUBLISHED, Published


def test_inspect_describes_the_conversion_and_writes_nothing(squeezenet_file, tmp_path, cache, capsys):
    path, arrays = squeezenet_file
    assert main(["inspect", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    digest = sha256(path.read_bytes()).hexdigest()
    assert lines[0] == f"{path} is a NumPy archive (.npz), {path.stat().st_size:,} bytes"
    assert lines[1] == f"sha256 {digest}: not a published file known here"
    rows = [line.split() for line in lines[2:2 + len(arrays)]]
    assert rows[0] == ["features.0.weight", "(64,", "3,", "3,", "3)", "float32", "->", "conv1/w"]
    assert [row[0] for row in rows] == list(arrays) and all("->" in row for row in rows)
    rest = lines[2 + len(arrays):]
    assert rest[0] == (f"names, shapes and types fit: would be converted to {cache / 'squeezenet1_1.h5'} if all values "
                       "are finite")
    assert "squeezenet1_1 with torchvision's names, 52 arrays, 1,235,496 parameters" in rest[1]
    assert rest[2].startswith("warning: no published file") and len(rest) == 4
    assert rest[3].startswith("preprocessing: RGB, pixels 0..1, mean 0.485 0.456 0.406, ")
    assert [item.name for item in tmp_path.iterdir()] == ["a.npz"]


def test_inspect_knows_published_files(squeezenet_file, monkeypatch, capsys):
    path, _ = squeezenet_file
    digest = sha256(path.read_bytes()).hexdigest()
    entry = Published("a", "https://example.org/a.npz", None, digest, "squeezenet1_1")
    monkeypatch.setitem(PUBLISHED, "a", entry)
    assert main(["inspect", str(path)]) == 0
    said = capsys.readouterr().out
    assert f"sha256 {digest}: published as https://example.org/a.npz" in said and "warning" not in said


def test_inspect_of_features(squeezenet_file, cache, capsys):
    assert main(["inspect", str(squeezenet_file[0]), "--features-only"]) == 0
    said = capsys.readouterr().out
    assert f"would be converted to {cache / 'squeezenet1_1-fire9_concat.h5'}" in said
    assert "classifier.1.weight              (1000, 512, 1, 1)    float32  \n" in said  # it has no target


def test_inspect_needs_no_home_folder(squeezenet_file, monkeypatch, capsys):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "")
    assert main(["inspect", str(squeezenet_file[0])]) == 0
    assert "would be converted to squeezenet1_1.h5 if" in capsys.readouterr().out


def test_inspect_reads_the_values_that_identify_a_network(tmp_path, rng, capsys):
    source = next(source for source in SOURCES if source.name == "vgg19_normalised")
    arrays = {"conv1_1.weight": rng.standard_normal((64, 3, 3, 3), np.float32),
              "conv1_1.bias": np.zeros(64, np.float32), **source.constants}
    np.savez(tmp_path / "a.npz", **arrays)
    assert main(["inspect", str(tmp_path / "a.npz"), "--features-only"]) == 0
    assert "names, shapes and types fit: would be converted to " in capsys.readouterr().out
    np.savez(tmp_path / "a.npz", **{**arrays, "preproc.bias": np.zeros(3, np.float32)})
    assert main(["inspect", str(tmp_path / "a.npz"), "--features-only"]) == 0
    said = capsys.readouterr().out
    assert "would not be converted: " in said and "is not vgg19_normalised: preproc.bias has other values" in said
    assert "conv1_1.weight" in said.partition("->")[0]  # the targets are listed all the same


def test_inspect_names_types_that_numpy_lacks(tmp_path, capsys):
    path = bfloat16_file(tmp_path)
    assert main(["inspect", str(path)]) == 0
    said = capsys.readouterr().out
    assert "  conv1.weight                     (8, 3, 3, 3)         bfloat16 " in said and "<u2" not in said


def test_inspect_lists_the_arrays_of_an_unknown_network(resnet, capsys):
    path, arrays = resnet
    assert main(["inspect", str(path)]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in arrays)
    assert "num_batches_tracked              ()                   int64" in said
    assert f"would not be converted: {path} has 6 arrays (bn0.weight, conv1.weight, " in said


def test_inspect_of_a_file_that_has_no_weights(tmp_path, capsys):
    (tmp_path / "a.pth").write_bytes(b"<html>")
    assert main(["inspect", str(tmp_path / "a.pth")]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("minicnn inspect: error: ")
    assert "a.pth is a web page, perhaps an error message" in said.err
