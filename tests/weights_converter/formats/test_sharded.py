"""A model in several files is read whole through its index; a part alone, and missing parts, are named."""

import json

import numpy as np
import pytest

from minicnn.errors import InputError
from minicnn.models import load_model
from weights_converter.__main__ import main
from weights_converter.convert import convert


def refusal(path, tmp_path):
    with pytest.raises(InputError) as raised:
        convert(path, tmp_path / "out.h5", say=lambda line: None)
    assert "\n" not in str(raised.value) and not (tmp_path / "out.h5").exists()
    return str(raised.value)


def write_parts(folder, arrays, kind="safetensors"):
    """Write model.safetensors.index.json, or pytorch_model.bin.index.json, and two parts; return the index."""
    stem = {"safetensors": "model", "bin": "pytorch_model"}[kind]
    parts = [f"{stem}-0000{number}-of-00002.{kind}" for number in (1, 2)]
    weight_map = {name: parts[number >= 20] for number, name in enumerate(arrays)}
    for part in parts:
        given = {name: array for name, array in arrays.items() if weight_map[name] == part}
        if kind == "safetensors":
            pytest.importorskip("safetensors.numpy").save_file(given, folder / part)
        else:
            torch = pytest.importorskip("torch")
            torch.save({name: torch.from_numpy(array) for name, array in given.items()}, folder / part)
    index = folder / f"{stem}.{kind}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}, indent=2))
    return index


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_a_model_in_two_parts(squeezenet, tmp_path, kind, capsys):
    index = write_parts(tmp_path, {f"model.{name}": array for name, array in squeezenet.items()}, kind)
    assert main([str(index), "-o", str(tmp_path / "a.h5")]) == 0
    said = capsys.readouterr().out
    assert "is the index of a model in several files: squeezenet1_1 with" in said
    assert "taken off the names: model." in said
    net = load_model(tmp_path / "a.h5", "cpu").net
    np.testing.assert_array_equal(net.layer("conv1").params["w"], squeezenet["features.0.weight"])
    np.testing.assert_array_equal(net.layer("conv10").params["w"], squeezenet["classifier.1.weight"])
    assert main(["inspect", str(index)]) == 0
    assert "classifier.1.weight" in capsys.readouterr().out


def test_a_part_alone_and_missing_parts(squeezenet, tmp_path):
    index = write_parts(tmp_path, squeezenet)
    line = refusal(tmp_path / "model-00001-of-00002.safetensors", tmp_path)
    assert "this is one of 2 files of the model: put them into one folder and convert their index, " \
           "model.safetensors.index.json" in line
    assert "give the file in it: " in refusal(tmp_path, tmp_path) and "index.json" in refusal(tmp_path, tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    line = refusal(index, tmp_path)
    assert "1 of its 2 parts are missing beside it: model-00002-of-00002.safetensors; download" in line


@pytest.mark.parametrize("weight_map, words", [
    ({"a": "../../etc/passwd"}, "which is no file beside it"), ({"a": "/etc/passwd"}, "which is no file beside it"),
    ({"a": 5}, "which is no file beside it"), ({"a": ""}, "which is no file beside it"), ({}, "names 0 parts"),
    ({f"a{n}": f"p{n}" for n in range(2000)}, "names 2,000 parts"),
    ({"a": "model.safetensors.index.json"}, "cannot be a"),
    ({"gone": "model-00001-of-00002.safetensors"}, "lacks 1 arrays of its index, such as gone"),
    ({"a": "p\x1b[2J\n"}, "p\\x1b[2J\\n")])
def test_odd_indices(squeezenet, tmp_path, weight_map, words):
    index = write_parts(tmp_path, squeezenet)
    index.write_text(json.dumps({"weight_map": weight_map}))
    assert words in refusal(index, tmp_path)
