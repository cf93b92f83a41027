"""A weights file gives back every bit and the whole header, or one line that says what is wrong with it."""

import errno

import h5py
import numpy as np
import pytest

from minicnn.errors import InputError
from minicnn.layers import BatchNorm2D, Conv2D, Flatten, Linear
from minicnn.models import load_model
from minicnn.network import Network
from minicnn.preprocessing import CAFFE_SQUEEZENET, TORCHVISION
from minicnn.weights import (
    Header,
    load_weights,
    named_arrays,
    read_header,
    refuse_non_finite,
    save_weights,
    weights_digest,
)

HEADER = Header("small", "digits", CAFFE_SQUEEZENET, ["tench, Tinca tinca", "pâté"],
                {"last": "conv1", "conv10_pad": 1}, "made by a test", "none", "0123abcd")


def small_network(rng=None):
    net = Network((3, 6, 6))
    net.add("conv1", Conv2D(3, 4, 3, rng=rng))
    net.add("norm1", BatchNorm2D(4))
    net.add("flatten", Flatten())
    net.add("fc2", Linear(64, 5, rng))
    return net


@pytest.fixture
def net(rng):
    net = small_network(rng)
    for node in net.nodes:
        for values in (node.layer.params, node.layer.buffers):
            for key in values:
                values[key] = rng.standard_normal(values[key].shape).astype(np.float32)
    return net


@pytest.fixture
def saved(net, tmp_path):
    path = tmp_path / "small.h5"
    save_weights(path, net, HEADER)
    return path


def refusal(function, *arguments):
    """The message of the InputError that the call raises, one line."""
    with pytest.raises(InputError) as raised:
        function(*arguments)
    line = str(raised.value)
    assert "\n" not in line
    return line


def flip(path, position):
    """Turn one bit of the file over."""
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def test_every_bit_comes_back(net, saved):
    loaded = small_network()
    load_weights(loaded, saved)
    for (name, ours), (other, theirs) in zip(named_arrays(net).items(), named_arrays(loaded).items(), strict=True):
        assert name == other and theirs.dtype == np.float32
        assert ours.tobytes() == theirs.tobytes()
    assert weights_digest(loaded) == weights_digest(net)


def test_buffers_are_saved_too(saved):
    with h5py.File(saved) as file:
        assert set(file["norm1"]) == {"gamma", "beta", *BatchNorm2D(4).buffers}


def test_header_comes_back(saved):
    assert read_header(saved) == HEADER


def test_header_without_anything_optional_comes_back(net, tmp_path):
    header = Header("small", "digits", TORCHVISION)
    save_weights(tmp_path / "small.h5", net, header)
    assert read_header(tmp_path / "small.h5") == header


def test_other_precisions_are_saved_as_float32(net, tmp_path):
    save_weights(tmp_path / "double.h5", net.astype("float64"), HEADER)
    loaded = small_network()
    load_weights(loaded, tmp_path / "double.h5")
    assert weights_digest(loaded) == weights_digest(net)


def test_an_existing_file_stays_unless_overwriting_is_allowed(net, saved):
    before = saved.read_bytes()
    assert "already exists" in refusal(save_weights, saved, net, HEADER)
    assert saved.read_bytes() == before
    save_weights(saved, net, HEADER._replace(name="other"), overwrite=True)
    assert read_header(saved).name == "other"
    assert [path.name for path in saved.parent.iterdir()] == ["small.h5"]


def test_saving_names_arrays_that_are_not_finite(net, tmp_path):
    net.layer("conv1").params["b"][2] = np.nan
    net.layer("fc2").params["w"][0, 0] = -np.inf
    line = refusal(save_weights, tmp_path / "small.h5", net, HEADER)
    assert "conv1/b" in line and "fc2/w" in line and "conv1/w" not in line
    assert list(tmp_path.iterdir()) == []


def test_loading_names_arrays_that_are_not_finite(net, tmp_path, monkeypatch):
    net.layer("conv1").params["b"][2] = np.nan
    with monkeypatch.context() as patch:
        patch.setattr("minicnn.weights.refuse_non_finite", lambda arrays, path: None)
        save_weights(tmp_path / "small.h5", net, HEADER)
    assert "not finite in conv1/b" in refusal(load_weights, small_network(), tmp_path / "small.h5")


def test_non_finite_arrays_are_all_named():
    arrays = {"a": np.array([np.inf]), "b": np.zeros(2), "c": np.array([np.nan])}
    assert refusal(refuse_non_finite, arrays, "x.h5") == "x.h5: weights that are not finite in a, c"


def test_what_reads_back_otherwise_is_not_kept(net, tmp_path, monkeypatch):
    monkeypatch.setattr("minicnn.weights.blocks_digest", lambda blocks: "of other values")
    assert "reads back otherwise" in refusal(save_weights, tmp_path / "small.h5", net, HEADER)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line_and_leaves_the_old_file(net, saved, monkeypatch):
    before = saved.read_bytes()

    def full(*arguments):
        raise OSError(errno.ENOSPC, "Can't write data\nerrno = 28")

    monkeypatch.setattr("minicnn.weights._write_blocks", full)
    assert "cannot be written: No space left" in refusal(save_weights, saved, net, HEADER, True)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["small.h5"]


def test_all_keys_that_do_not_fit_are_in_one_error(saved):
    with h5py.File(saved, "a") as file:
        del file["conv1/b"], file["fc2/b"], file["norm1/gamma"], file["conv1/w"]
        file["fc2/bias"] = np.zeros(5, np.float32)
        file["fc2/b"] = np.zeros(7, np.float32)
        file["conv1/w"] = np.zeros((4, 3, 3, 3), np.int32)
    net = small_network()
    line = refusal(load_weights, net, saved)
    for part in ("missing conv1/b", "missing norm1/gamma", "extra fc2/bias", "fc2/b has shape (7,), expected (5,)",
                 "conv1/w holds int32, expected float32"):
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
    assert "cannot be read as HDF5" in refusal(read_header, saved)


def test_missing(tmp_path):
    assert refusal(read_header, tmp_path / "none.h5") == f"{tmp_path / 'none.h5'} does not exist"


def test_a_folder(tmp_path):
    assert str(tmp_path) in refusal(read_header, tmp_path)


def test_hdf5_of_somebody_else(tmp_path):
    path = tmp_path / "keras.h5"
    with h5py.File(path, "w") as file:
        file["block1_conv1/kernel"] = np.zeros((3, 3, 3, 64), np.float32)
        file.attrs["layer_names"] = ["block1_conv1"]
    assert "no weights file of this library" in refusal(read_header, path)
    assert "python -m weights_converter" in refusal(load_model, path)


def test_options_that_the_network_does_not_know(net, tmp_path):
    save_weights(tmp_path / "small.h5", net, HEADER._replace(options={"depth": 3}))
    assert "depth" in refusal(load_model, tmp_path / "small.h5")


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
        assert "more than 10,000 groups and datasets, or 10 within each other" in refusal(function, saved)
    with h5py.File(saved, "a") as file:
        del file["loop"]
        file.create_group("/".join("a" * 1000))
    assert f"{saved} is refused: it has more" in refusal(read_header, saved)
