"""A weights file gives back every bit and the whole header, or one line that says what is wrong with it."""

import errno
import json
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from minicnn.errors import InputError
from minicnn.layers import BatchNorm2D, Conv2D, Flatten, Linear
from minicnn.models import build_network, cache_folder, load_model
from minicnn.models.load import ARCHITECTURES
from minicnn.models.preprocessing import CAFFE_SQUEEZENET, TORCHVISION
from minicnn.models.weights import (
    Header,
    header_digest,
    load_weights,
    named_arrays,
    read_header,
    require_finite,
    save_weights,
    weights_digest,
)
from minicnn.network import Network

ROOT = Path(__file__).parents[2]
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


def test_half_of_the_size_with_eleven_bits(net, saved):
    before = saved.stat().st_size
    save_weights(saved, net, HEADER, overwrite=True, half=True)
    loaded = small_network()
    load_weights(loaded, saved)
    numbers = sum(array.size for array in named_arrays(net).values())
    assert before - saved.stat().st_size == pytest.approx(2 * numbers, rel=0.1)
    for (name, array), found in zip(named_arrays(net).items(), named_arrays(loaded).values(), strict=True):
        assert found.dtype == np.float32, name
        np.testing.assert_array_equal(found, array.astype(np.float16))


def test_what_half_precision_cannot_hold_is_named(net, tmp_path):
    net.layer("conv1").params["b"][2] = 1e5
    assert "not finite in conv1/b" in refusal(save_weights, tmp_path / "small.h5", net, HEADER, False, True)
    assert list(tmp_path.iterdir()) == []


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
        patch.setattr("minicnn.models.weights.write.require_finite", lambda arrays, path: None)
        save_weights(tmp_path / "small.h5", net, HEADER)
    assert "not finite in conv1/b" in refusal(load_weights, small_network(), tmp_path / "small.h5")


def test_non_finite_arrays_are_all_named():
    arrays = {"a": np.array([np.inf]), "b": np.zeros(2), "c": np.array([np.nan])}
    assert refusal(require_finite, arrays, "x.h5") == "x.h5: weights that are not finite in a, c"


def test_what_reads_back_otherwise_is_not_kept(net, tmp_path, monkeypatch):
    monkeypatch.setattr("minicnn.models.weights.write.blocks_digest", lambda blocks: "of other values")
    assert "reads back with other values" in refusal(save_weights, tmp_path / "small.h5", net, HEADER)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line_and_leaves_the_old_file(net, saved, monkeypatch):
    before = saved.read_bytes()

    def full(*arguments):
        raise OSError(errno.ENOSPC, "Can't write data\nerrno = 28")

    monkeypatch.setattr("minicnn.models.weights.write._write_blocks", full)
    assert "cannot be written: No space left" in refusal(save_weights, saved, net, HEADER, True)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["small.h5"]


REALLY_FULL = """
import resource, sys
from pathlib import Path
from minicnn.errors import InputError
from minicnn.models import build_network
from minicnn.models.preprocessing import TORCHVISION
from minicnn.models.weights import Header, load_weights, save_weights

folder = Path(sys.argv[1])
net = build_network("squeezenet1_1")
header = Header("a", "squeezenet1_1", TORCHVISION, ["name"] * 1000)
save_weights(folder / "a.h5", net, header)
whole = (folder / "a.h5").stat().st_size
(folder / "a.h5").unlink()
for size in (0, 1, 100, 600, 2048, 10_000, 100_000, 1_000_000, 3_000_000, whole - 10_000, whole - 600, whole - 1):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        save_weights(folder / "a.h5", net, header)
    except InputError as problem:
        assert str(problem) == "the weights cannot be written: File too large", problem
    else:
        raise AssertionError(f"written in {size} bytes")
    assert list(folder.iterdir()) == []
resource.setrlimit(resource.RLIMIT_FSIZE, (whole, resource.RLIM_INFINITY))
save_weights(folder / "a.h5", net, header)
load_weights(net, folder / "a.h5")
print("done")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files there")
def test_a_disk_that_is_really_full_crashes_nothing_whenever_it_is(tmp_path):
    """In a process of its own: HDF5 crashes where its last writes fail."""
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", REALLY_FULL, str(tmp_path)], cwd=ROOT,
                          capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_what_hdf5_has_no_better_error_for_is_one_line(net, tmp_path, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("Can't decrement id ref count\n(unable to extend file properly)")

    monkeypatch.setattr("minicnn.models.weights.write._write_blocks", fail)
    line = refusal(save_weights, tmp_path / "small.h5", net, HEADER)
    assert line == "the weights cannot be written: Can't decrement id ref count (unable to extend file properly)"
    assert list(tmp_path.iterdir()) == []


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
    assert re.search("cannot be read as HDF5: .*; .*python -m weights_converter$", refusal(read_header, saved))


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
    assert "python -m weights_converter" in refusal(load_model, path)


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
