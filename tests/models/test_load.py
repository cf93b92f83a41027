"""load_model finds a network by its name, and a Model finds a class by its number or its name."""

import numpy as np
import pytest

from minicnn.errors import InputError, UnknownNameError
from minicnn.models import Model, load_model, shapes
from minicnn.models.load import EMBEDDED, cached_models, weights_path
from minicnn.models.preprocessing import TORCHVISION

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
    with pytest.raises(InputError, match="^the weights of 'named' store no class names$"):
        model([]).find_class("0")


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
        f"no weights for 'vgg16': {cache / 'vgg16.h5'} does not exist; make it with: python -m weights_converter FILE, "
        "or get published weights with: python -m weights_converter fetch NAME; in the cache folder: mine")


def test_an_unknown_name_suggests_the_nearest(cache):
    with pytest.raises(UnknownNameError, match="^no model 'mime'; did you mean mine?"):
        load_model("mime")
