"""load_model finds and builds a network by its name, and a Model finds a class by its number or its name."""

from pathlib import Path

import numpy as np
import pytest
from weights_files import HEADER, refusal

from minicnn.errors import InputError, UnknownNameError
from minicnn.models import Model, build_network, cache_folder, load_model, shapes
from minicnn.models.load import ARCHITECTURES, EMBEDDED, cached_models, weights_path
from minicnn.models.preprocessing import TORCHVISION
from minicnn.models.weights import Header, save_weights

LABELS = ["tench, Tinca tinca", "goldfish, Carassius auratus", "tiger shark", "white shark", "shark"]


def model(labels=LABELS, **fields):
    return Model(shapes(seed=None), TORCHVISION, labels, "named", **fields)


# ---- Model -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, index", [
    (0, 0), ("3", 3), (np.int64(2), 2), (np.array(4), 4), ("tench", 0), ("Tinca tinca", 0), ("TENCH", 0), ("gold", 1),
    ("tiger", 2), ("shark", 4),  # the last is the whole name of one class and a part of two others
])
def test_a_class_by_number_or_name(name, index):
    assert model().find_class(name) == index


@pytest.mark.parametrize("name", ["tensh", "5", 99, "²", "-1"])
def test_a_class_that_does_not_exist(name):
    with pytest.raises(UnknownNameError, match=f"^no class '{name}'; "):
        model().find_class(name)


def test_a_part_of_several_names():
    with pytest.raises(InputError) as refusal:
        model().find_class("ar")
    assert str(refusal.value) == ("class 'ar' is not unique: 1 goldfish, Carassius auratus; 2 tiger shark; "
                                  "3 white shark; 4 shark")


def test_a_model_without_class_names():
    assert model([]).find_class("3") == model([]).find_class("class 3") == model([]).find_class(np.int64(3)) == 3
    assert repr(model([])) == "<Model named: Network of 15 layers, 12 classes>"
    line = "^the weights of 'named' store no class names; give a number from 0 to 11, not 'tench'$"
    with pytest.raises(InputError, match=line):
        model([]).find_class("tench")
    with pytest.raises(UnknownNameError, match="no class '12'; class names: 0 to 11"):
        model([]).find_class("12")


def test_a_network_without_a_classifier_has_no_classes():
    trunk = Model(shapes(seed=None).trunk("relu3"), TORCHVISION, [], "trunk")
    with pytest.raises(InputError, match="^'trunk' has no classes: it ends at relu3, before a classifier$"):
        trunk.find_class(0)


@pytest.mark.parametrize("name", [None, True, np.True_, 1.5, float("nan"), float("inf"), b"tench", [1], (1,), {}, 1j,
                                  np.array([1]), np.zeros((2, 3)), object(), np.float64("nan"), np.datetime64(1, "s")])
def test_what_is_no_class(name):
    line = refusal(model().find_class, name)
    assert line.startswith("a class is given by its number or its name, not by ")


@pytest.mark.parametrize("name", ["", "  ", "a\x1b[2J\nb", "x" * 10**6, "9" * 5000, 10**400, "-0x1", "\0"])
def test_odd_names_of_classes(name):
    assert len(refusal(model().find_class, name)) < 400


def test_two_classes_of_one_name():
    cranes = [*LABELS, "crane", "heron", "crane"]
    with pytest.raises(InputError, match=r"^'Crane' is the name of 2 classes: 5 \(crane\) and 7 \(crane\); give the "
                                         "number$"):
        model(cranes).find_class("Crane")
    assert load_classes()["crane"] == [134, 517]


def load_classes():
    """{name: numbers} of ImageNet's classes that have a name of their own twice."""
    from weights_converter.labels import imagenet_classes

    found = {}
    for number, label in enumerate(imagenet_classes()):
        found.setdefault(label, []).append(number)
    return {label: numbers for label, numbers in found.items() if len(numbers) > 1}


def test_the_repr_is_one_line():
    assert repr(model()) == "<Model named: Network of 15 layers, 5 classes>"
    assert repr(model([], styles=("a", "b"))) == "<Model named: Network of 15 layers, 2 styles>"


def test_fast_keeps_all_but_the_network():
    slow = model()
    fast = slow.fast()
    assert fast[1:] == slow[1:]
    assert fast.net.layer("conv1").params["w"] is slow.net.layer("conv1").params["w"]


# ---- load_model ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", EMBEDDED)
def test_the_networks_that_come_with_the_library(name):
    loaded = load_model(name, device="cpu")
    assert loaded.name == name and loaded.net.num_parameters() > 1000
    assert load_model(weights_path(name), device="cpu").labels == loaded.labels


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The user's cache folder of weights, with one file in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "minicnn"
    folder.mkdir()
    (folder / "mine.h5").write_bytes(weights_path("digits").read_bytes())
    (folder / ".half-written.h5").touch()
    return folder


def test_a_name_in_the_cache_folder(cache):
    assert cached_models() == ["mine"]
    assert load_model("mine", device="cpu").net.output == "fc5"


def test_a_known_network_without_weights(cache):
    with pytest.raises(InputError) as refusal:
        load_model("vgg16")
    assert str(refusal.value) == (
        f"no weights for 'vgg16': {cache / 'vgg16.h5'} does not exist; make it with: minicnn convert FILE, "
        "or get published weights with: minicnn fetch NAME; in the cache folder: mine")


def test_an_unknown_name_suggests_the_nearest(cache):
    with pytest.raises(UnknownNameError, match="^no model 'mime'; did you mean mine?"):
        load_model("mime")


# ---- names and folders that cannot be used --------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["a" * 300, "a" * 300 + ".h5", "a" * 5000, "", "a\0b"])
def test_names_that_no_file_can_have(name, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    refusal(load_model, name)


@pytest.mark.parametrize("home", ["", None])
def test_without_a_home_folder(monkeypatch, home):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "")
    if home is None:  # and no entry in the list of users
        monkeypatch.delenv("HOME")
        monkeypatch.setattr(Path, "home", raise_runtime_error)
    assert "set XDG_CACHE_HOME to a folder" in refusal(load_model, "squeezenet1_1")
    assert refusal(cache_folder).endswith("or name files (-o when converting)")
    assert load_model("digits", "cpu").name == "digits"
    monkeypatch.setenv("XDG_CACHE_HOME", "somewhere")
    assert cache_folder() == Path("somewhere/minicnn")


def raise_runtime_error():
    raise RuntimeError("Could not determine home directory.")


# ---- headers that no network fits ------------------------------------------------------------------------------------

def test_options_that_the_network_does_not_know(net, tmp_path):
    save_weights(tmp_path / "small.h5", net, HEADER._replace(options={"depth": 3}))
    assert "depth" in refusal(load_model, tmp_path / "small.h5")


@pytest.mark.parametrize("header, words", [
    (HEADER._replace(options={"last": "conv9"}), "no layer 'conv9'"),
    (HEADER._replace(options={"seed": 3}), "seed"),
    (HEADER._replace(architecture="digit"), "no network 'digit'"),
    (HEADER._replace(architecture="squeezenet1_1", options={"input_size": -5}), ""),
    (HEADER._replace(architecture="squeezenet1_1", options={"input_size": "a"}), ""),
    (HEADER._replace(architecture="first_layer", options={"filters": 2**40}), "expected 1 to 4,096"),
    (HEADER._replace(architecture="first_layer", options={"filters": 0}), "0 filters of 7x7: expected 1 to 4,096"),
    (HEADER._replace(architecture="first_layer", options={"filters": -1}), "expected 1 to 4,096"),
    (HEADER._replace(architecture="first_layer", options={"filters": 1.5}), ""),
    (HEADER._replace(architecture="first_layer", options={"filters": "many"}), ""),
    (HEADER._replace(architecture="first_layer", options={"kernel_size": 10**400}), "expected 1 to 4,096"),
    (HEADER._replace(architecture="first_layer", options={"input_size": 1}), ""),
])
def test_options_of_no_network_are_one_line_that_names_the_file(net, tmp_path, header, words):
    path = tmp_path / "small.h5"
    save_weights(path, net, header)
    line = refusal(load_model, path, "cpu")
    assert line.startswith(f"{path}: its network cannot be built: ") and words in line


@pytest.mark.parametrize("raised", [ValueError, OverflowError, MemoryError, TypeError, ZeroDivisionError])
def test_whatever_a_builder_raises_names_the_file(saved, monkeypatch, raised):
    def fail(**options):
        raise raised
    monkeypatch.setitem(ARCHITECTURES, "digits", fail)
    assert refusal(load_model, saved) == f"{saved}: its network cannot be built: {raised.__name__}"


def test_class_names_are_as_many_as_outputs(tmp_path):
    net = build_network("digits")
    for count in (0, 10):
        save_weights(tmp_path / "a.h5", net, Header("a", "digits", TORCHVISION, ["name"] * count), overwrite=True)
        assert len(load_model(tmp_path / "a.h5", "cpu").labels) == count
    for count in (1, 9, 11):
        save_weights(tmp_path / "a.h5", net, Header("a", "digits", TORCHVISION, ["name"] * count), overwrite=True)
        line = refusal(load_model, tmp_path / "a.h5", "cpu")
        assert line == f"{tmp_path / 'a.h5'} has {count} class names for a network of 10 outputs"
