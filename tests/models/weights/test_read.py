"""A damaged or forged weights file is refused in one line that says what is wrong with it."""

import json
import re

import h5py
import numpy as np
import pytest
from weights_files import HEADER, refusal, small_network

from minicnn.models import load_model
from minicnn.models.preprocessing import CAFFE_SQUEEZENET
from minicnn.models.weights import (
    header_digest,
    load_weights,
    named_arrays,
    read_header,
    require_finite,
    save_weights,
)


def flip(path, position):
    """Turn one bit of the file over."""
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def test_loading_names_arrays_that_are_not_finite(net, tmp_path, monkeypatch):
    net.layer("conv1").params["b"][2] = np.nan
    with monkeypatch.context() as patch:
        patch.setattr("minicnn.models.weights.write.require_finite", lambda arrays, path: None)
        save_weights(tmp_path / "small.h5", net, HEADER)
    assert "not finite in conv1/b" in refusal(load_weights, small_network(), tmp_path / "small.h5")


def test_non_finite_arrays_are_all_named():
    arrays = {"a": np.array([np.inf]), "b": np.zeros(2), "c": np.array([np.nan])}
    assert refusal(require_finite, arrays, "x.h5") == "x.h5: weights that are not finite in a, c"


def test_all_keys_that_do_not_fit_are_in_one_error(saved):
    with h5py.File(saved, "a") as file:
        del file["conv1/b"], file["fc2/b"], file["norm1/gamma"], file["conv1/w"]
        file["fc2/bias"] = np.zeros(5, np.float32)
        file["fc2/b"] = np.zeros(7, np.float32)
        file["conv1/w"] = np.zeros((4, 3, 3, 3), np.int32)
    net = small_network()
    line = refusal(load_weights, net, saved)
    for part in ("missing conv1/b", "missing norm1/gamma", "extra fc2/bias", "fc2/b has shape (7,), expected (5,)",
                 "conv1/w holds int32, expected float32 or float16"):
        assert part in line
    assert not named_arrays(net)["fc2/w"].any()  # nothing is loaded by halves


@pytest.mark.parametrize("name", ["conv1/w", "norm1/gamma", "fc2/b"])
def test_a_flipped_bit_in_an_array_is_found_and_named(net, saved, name):
    flip(saved, saved.read_bytes().index(named_arrays(net)[name].tobytes()) + 5)
    assert f"{name} differ from their recorded digests" in refusal(load_weights, small_network(), saved)


@pytest.mark.parametrize("text", [b"tench", b'"mean": [104', b"made by a test"])
def test_a_flipped_bit_in_the_header_is_found(saved, text):
    flip(saved, saved.read_bytes().index(text) + len(text) - 1)
    assert "damaged" in refusal(read_header, saved)


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04" * 300])
def test_no_hdf5(tmp_path, content):
    path = tmp_path / "odd.h5"
    path.write_bytes(content)
    for function in (read_header, lambda path: load_weights(small_network(), path), load_model):
        assert str(path) in refusal(function, path)


def test_truncated(saved):
    saved.write_bytes(saved.read_bytes()[:-100])
    assert re.search("cannot be read as HDF5: .*; .*minicnn convert FILE$", refusal(read_header, saved))


def test_missing(tmp_path):
    assert refusal(read_header, tmp_path / "none.h5") == f"{tmp_path / 'none.h5'} does not exist"


def test_a_folder(tmp_path):
    assert str(tmp_path) in refusal(read_header, tmp_path)


def test_hdf5_of_somebody_else(tmp_path):
    path = tmp_path / "keras.h5"
    with h5py.File(path, "w") as file:
        file["block1_conv1/kernel"] = np.zeros((3, 3, 3, 64), np.float32)
        file.attrs["layer_names"] = ["block1_conv1"]
    assert "is not a weights file of this library" in refusal(read_header, path)
    assert "minicnn convert" in refusal(load_model, path)


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize("changes, words", [
    ({"channel_order": "GBR"}, "channel order 'GBR' is none of RGB, BGR, L"),
    ({"channel_order": ["RGB"]}, "channel order"),
    ({"channel_order": None}, "channel order"),
    ({"channel_order": "L"}, "mean is (104.0, 117.0, 123.0), not 1 numbers"),
    ({"mean": ()}, "mean is (), not 3 numbers, one per channel of BGR"),
    ({"mean": (1.0, 2.0)}, "not 3 numbers"),
    ({"mean": (1.0, NAN, 2.0)}, "not 3 numbers"),
    ({"mean": (1.0, "2", 2.0)}, "not 3 numbers"),
    ({"mean": (1.0, True, 2.0)}, "not 3 numbers"),
    ({"mean": (1, 10**300, 2)}, "not 3 numbers"),
    ({"std": (1.0, INFINITY, 2.0)}, "std is"),
    ({"std": (1.0, 0.0, 2.0)}, "it must be above 0"),
    ({"std": (1.0, -1.0, 2.0)}, "it must be above 0"),
    ({"std": (1.0, 1e-300, 2.0)}, "it must be above 0"),
    ({"std": (1.0,) * 4}, "not 3 numbers"),
    ({"scale": 0}, "scale of the pixels is 0"),
    ({"scale": -1.0}, "scale"),
    ({"scale": NAN}, "scale"),
    ({"scale": INFINITY}, "scale"),
    ({"scale": "1"}, "scale"),
    ({"scale": None}, "scale"),
    ({"resize": 226}, "cropped to 227 from 226 pixels"),
    ({"crop": 0}, "cropped to 0"),
    ({"crop": -1}, "cropped to -1"),
    ({"crop": 224.0}, "whole numbers"),
    ({"resize": True, "crop": True}, "whole numbers"),
    ({"resize": "256"}, "whole numbers"),
    ({"resize": 10**9, "crop": 10**9}, "whole numbers up to 4,096"),
    ({"resize": None}, "whole numbers"),
])
def test_a_preprocessing_that_cannot_be_meant_is_named(net, tmp_path, changes, words):
    header = HEADER._replace(preprocessing=CAFFE_SQUEEZENET._replace(**changes))
    path = tmp_path / "small.h5"
    write_unchecked(path, net, header)
    for function in (read_header, load_model):
        line = refusal(function, path)
        assert line.startswith(f"{path} cannot be used: ") and words in line
    assert words in refusal(save_weights, tmp_path / "other.h5", net, header)
    assert list(tmp_path.iterdir()) == [path]


def write_unchecked(path, net, header):
    """As save_weights would write it if it did not look at it again."""
    save_weights(path, net, HEADER)
    with h5py.File(path, "a") as file:
        file.attrs["preprocessing"] = np.bytes_(json.dumps(header.preprocessing._asdict()).encode())
        file.attrs["header_sha256"] = np.bytes_(header_digest(header).encode())


@pytest.mark.parametrize("preprocessing", ["5", "null", "[]", "{}", '{"mean": 1}', '{"mean": [1], "std": [1], "a": 1}',
                                           '{"mean": null, "std": []}', "[" * 60_000, "1" * 5000])
def test_a_preprocessing_that_is_none(net, tmp_path, preprocessing):
    path = tmp_path / "small.h5"
    save_weights(path, net, HEADER)
    with h5py.File(path, "a") as file:
        file.attrs["preprocessing"] = np.bytes_(preprocessing.encode())
    assert str(path) in refusal(load_model, path)


def soft_link(file, other):
    file["conv1/w"] = h5py.SoftLink("/fc2/w")


def external_link(file, other):
    file["conv1/w"] = h5py.ExternalLink(other, "conv1/w")


def linked_group(file, other):
    del file["conv1"]
    file["conv1"] = h5py.ExternalLink(other, "conv1")


def linked_labels(file, other):
    del file["labels"]
    file["labels"] = h5py.ExternalLink(other, "labels")


def external_storage(file, other):
    file.create_dataset("conv1/w", (4, 3, 3, 3), np.float32, external=[(other, 0, 432)])


def virtual_dataset(file, other):
    layout = h5py.VirtualLayout((4, 3, 3, 3), np.float32)
    layout[:] = h5py.VirtualSource(other, "conv1/w", (4, 3, 3, 3))
    file.create_virtual_dataset("conv1/w", layout)


@pytest.mark.parametrize("elsewhere", [soft_link, external_link, linked_group, linked_labels, external_storage,
                                       virtual_dataset])
def test_nothing_may_lie_elsewhere(net, saved, tmp_path, elsewhere):
    other = tmp_path / "other.h5"
    save_weights(other, net, HEADER)
    with h5py.File(saved, "a") as file:
        del file["conv1/w"]
        elsewhere(file, str(other))
    for function in (read_header, lambda path: load_weights(small_network(), path)):
        assert "elsewhere, behind a link" in refusal(function, saved)


def test_groups_without_an_end_are_refused(saved):
    with h5py.File(saved, "a") as file:
        file["loop"] = file["/"]  # a hard link: HDF5's own walk would not end here, but break off
    for function in (read_header, load_model):
        assert "more than 10,000 groups and datasets, or more than 10 levels" in refusal(function, saved)
    with h5py.File(saved, "a") as file:
        del file["loop"]
        file.create_group("/".join("a" * 1000))
    assert f"{saved} is refused: it has more" in refusal(read_header, saved)
