"""A weights file keeps every bit and the whole header, or nothing is written."""

import errno
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from weights_files import HEADER, refusal, small_network

from minicnn.layers import BatchNorm2D
from minicnn.models.preprocessing import TORCHVISION
from minicnn.models.weights import (
    Header,
    header_digest,
    load_weights,
    named_arrays,
    read_header,
    save_weights,
    weights_digest,
)

ROOT = Path(__file__).parents[3]


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


def test_sources_come_back_and_belong_to_the_digest(net, tmp_path):
    header, path = HEADER._replace(sources={"face": "Faces", "car": "car_side"}), tmp_path / "small.h5"
    save_weights(path, net, header)
    assert read_header(path) == header
    for other, reason in (('{"face": "Faces"}', "differ from their recorded digest"),
                          ('{"face": 3}', "its sources are not one folder for each label"),
                          ("[3]", "is not a weights file")):
        with h5py.File(path, "r+") as file:
            file.attrs["sources"] = np.bytes_(other.encode())
        assert reason in refusal(read_header, path)


def test_the_digest_of_a_header_without_sources_is_that_of_files_from_before_there_were_any():
    assert header_digest(HEADER) == hashlib.sha256(json.dumps(HEADER[:-1]).encode()).hexdigest()


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
