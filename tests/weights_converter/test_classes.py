"""Networks with any number of classes, in every source, with the names of a file or none."""

import json

import numpy as np
import pytest
import weight_writers
from weight_cases import announced, source_id, source_of

from minicnn.errors import InputError
from minicnn.models import load_model
from weights_converter.__main__ import main
from weights_converter.convert import convert
from weights_converter.labels import imagenet_classes, read_labels
from weights_converter.match import find_source
from weights_converter.sources import SOURCES


def with_classes(source, number):
    """The arrays of a complete file of `source`, with another number of classes."""
    net_arrays = announced(source)
    last = list(source.names)[-2:]
    rename = {name: tuple(number if size == 1000 else size for size in array.shape)
              for array in net_arrays for name in [array.name] if name in last}
    assert len(rename) == 2
    return [array._replace(shape=rename.get(array.name, array.shape)) for array in net_arrays]


@pytest.mark.parametrize("number", [1, 2, 10, 512, 999, 1001, 4096, 21843])
@pytest.mark.parametrize("source", [each for each in SOURCES if each.classes and each.classifier], ids=source_id)
def test_any_number_of_classes_in_every_source(source, number):
    match = find_source("x", with_classes(source, number))
    assert (match.source.name, match.num_classes, match.own_classes) == (source.name, number, True)


@pytest.fixture
def ten(squeezenet, rng):
    """A fine-tuned SqueezeNet of ten classes."""
    return {**squeezenet, "classifier.1.weight": rng.standard_normal((10, 512, 1, 1), np.float32),
            "classifier.1.bias": np.arange(10, dtype=np.float32)}


@pytest.fixture
def ten_file(ten, tmp_path):
    """The file of `ten`."""
    np.savez(tmp_path / "a.npz", **ten)
    return tmp_path / "a.npz"


def test_ten_classes_without_names(ten, tmp_path, capsys):
    np.savez(tmp_path / "a.npz", **ten)
    assert main([str(tmp_path / "a.npz"), "-o", str(tmp_path / "a.h5")]) == 0
    said = capsys.readouterr().out
    assert "10 classes without names: class 0 to class 9; name them with --labels FILE" in said
    model = load_model(tmp_path / "a.h5", "cpu")
    assert model.labels == [] and "10 classes" in repr(model) and model.num_classes() == 10
    assert model.find_class(7) == model.find_class("7") == model.find_class("class 7") == 7
    x = np.zeros((1, 3, 224, 224), np.float32)
    assert model.net.predict(x).shape == (1, 10)
    with pytest.raises(InputError, match="no class '10'"):
        model.find_class(10)
    assert main(["inspect", str(tmp_path / "a.npz")]) == 0
    assert "10 classes without names" in capsys.readouterr().out


def refusal(function, *arguments, **options):
    """Return the message of the InputError, one line."""
    with pytest.raises(InputError) as raised:
        function(*arguments, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


LABELS = [f"name {number}, näme" for number in range(9)] + ["escape \x1b[2J" + "x" * 300]


@pytest.mark.parametrize("content", [
    "\n".join(LABELS), "\n".join(LABELS) + "\r\n\n", "\ufeff" + "\n".join(LABELS), json.dumps(LABELS),
    json.dumps({str(number): name for number, name in enumerate(LABELS)}),
    json.dumps({name: number for number, name in enumerate(LABELS)}),
    json.dumps({"architectures": ["x"], "id2label": {str(number): name for number, name in enumerate(LABELS)}}),
    json.dumps({str(number): ["n0144", name] for number, name in enumerate(LABELS)})],
    ids=["lines", "CRLF", "BOM", "list", "by number", "by name", "config.json", "imagenet_class_index.json"])
def test_labels_of_a_file(ten, tmp_path, content):
    np.savez(tmp_path / "a.npz", **ten)
    (tmp_path / "labels.txt").write_text(content, encoding="utf-8", newline="")
    path = convert(tmp_path / "a.npz", tmp_path / "a.h5", labels=tmp_path / "labels.txt", say=lambda line: None)
    model = load_model(path, "cpu")
    assert model.labels[:9] == LABELS[:9] and model.find_class("name 3") == model.find_class("3") == 3
    assert model.labels[9].startswith("escape \\x1b[2Jxx") and len(model.labels[9]) == 200


@pytest.mark.parametrize("content, words", [
    (b"a\nb", "has 2 class names for a network of 10 classes"), (b"", "is empty"), (b"\n\n", "has no class names"),
    (b"a\n\nb" + b"\nc" * 7, "has no name for class 1"), (b"\xff\xfe", "is not a text in UTF-8"),
    (b"[1, 2]", "class names that are no texts"), (b"[", "is not valid JSON"), (b"[" * 10**5, "is not valid JSON"),
    (b'{"0": "a", "2": "b"}', "does not number its 2 class names from 0 to 1"),
    (b"a\n" * 10**6, "1,000,000 class names"),
    (b"x" * 10_000_001, "more than 10,000,000 bytes"), (b'{"a": {"b": 1}}', "does not number")])
def test_labels_that_cannot_be_used(ten_file, tmp_path, content, words):
    (tmp_path / "labels.txt").write_bytes(content)
    line = refusal(convert, ten_file, tmp_path / "out.h5", labels=tmp_path / "labels.txt")
    assert words in line and "labels.txt" in line and len(line) < 400
    assert not (tmp_path / "out.h5").exists()


def test_labels_elsewhere(ten_file, tmp_path):
    assert "none.txt does not exist" in refusal(convert, ten_file, labels=tmp_path / "none.txt")
    assert "is a folder" in refusal(convert, ten_file, labels=tmp_path)
    (tmp_path / "labels.txt").write_text("a")
    line = refusal(convert, ten_file, labels=tmp_path / "labels.txt", features_only=True)
    assert "has no classifier, so it takes no class names: leave out --labels" in line


def test_own_names_for_a_thousand_classes(squeezenet, tmp_path):
    np.savez(tmp_path / "a.npz", **squeezenet)
    (tmp_path / "l").write_text("\n".join(f"c{number}" for number in range(1000)))
    path = convert(tmp_path / "a.npz", tmp_path / "a.h5", labels=tmp_path / "l", say=lambda line: None)
    assert load_model(path, "cpu").labels[999] == "c999"
    assert read_labels(tmp_path / "l")[:2] == ["c0", "c1"] and len(imagenet_classes()) == 1000


@pytest.mark.parametrize("name, publisher, old, new", [
    ("caffenet", "Caffe", "fc8.", "fc8_flickr."), ("resnet18", "torchvision", "fc.", "head."),
    ("vgg16", "torchvision", "classifier.6.", "head.0."), ("resnet18", "torchvision", "fc.", "fc.1."),
    ("vgg16_keras", "Keras", "predictions/", "dense_1/"), ("vgg16_frossard", "Frossard", "fc8_", "new_")])
def test_a_last_layer_with_another_name(name, publisher, old, new):
    given = [array._replace(name=array.name.replace(old, new) if array.name.startswith(old) else array.name)
             for array in with_classes(source_of(name, publisher), 20)]
    match = find_source("x", given)
    assert (match.source.name, match.num_classes, match.outside) == (name, 20, [])


def test_two_layers_that_could_be_the_last():
    given = [array._replace(name=array.name.replace("fc.", "a.")) for array in
             with_classes(source_of("resnet18", "torchvision"), 20)]
    given += [array._replace(name=array.name.replace("a.", "b.")) for array in given if array.name.startswith("a.")]
    match = find_source("x", given)  # nothing tells which: the network ends before them
    assert match.last == "relu5b" and sorted(match.outside) == ["a.bias", "a.weight", "b.bias", "b.weight"]


def test_any_number_of_classes_in_other_containers(ten, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    pytest.importorskip("onnx")
    for write in (weight_writers.write_pth_zip, weight_writers.write_pth_tar, weight_writers.write_safetensors,
                  weight_writers.write_onnx):
        write(tmp_path / "a", ten)
        convert(tmp_path / "a", tmp_path / "a.h5", overwrite=True, say=lambda line: None)
        net = load_model(tmp_path / "a.h5", "cpu").net
        np.testing.assert_array_equal(net.layer("conv10").params["b"], np.arange(10))
