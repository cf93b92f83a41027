"""A small weights file that asks for a lot is refused before anything large is read or built."""

import json
from time import process_time

import h5py
import numpy as np
import pytest
from hangs import HANGS
from weights_files import HEADER, refusal, small_network

from minicnn.models import load_model
from minicnn.models.preprocessing import CAFFE_SQUEEZENET
from minicnn.models.weights import header_digest, read_header, save_weights


def quick_refusal(path):
    """The line of the refusal by load_model, which must come before harm is done, with a few megabytes."""
    start = process_time()
    line = refusal(load_model, path, "cpu")
    assert process_time() - start < HANGS
    assert line.startswith(str(path)) and line.isprintable() and len(line) < 1200, line
    return line


@pytest.fixture
def small(tmp_path):
    save_weights(tmp_path / "a.h5", small_network(), HEADER)
    return tmp_path / "a.h5"


def with_labels(path, make):
    with h5py.File(path, "a") as file:
        del file["labels"]
        make(file)
    return path


@pytest.mark.parametrize("options", [{}, {"chunks": True, "compression": "gzip"}, {"chunks": True}], ids=str)
@pytest.mark.parametrize("shape, dtype", [
    ((2**26,), "S10"), ((2**40,), "S1"), ((1000,), "S1000000"), ((100_000,), "S1"), ((2**20, 2**20), "S1"), ((), "S5"),
    ((2**26,), "O")], ids=str)
def test_labels(small, shape, dtype, options):
    kind = h5py.string_dtype() if dtype == "O" else dtype
    if shape == () and options:
        return
    with_labels(small, lambda file: file.create_dataset("labels", shape, kind, **options))
    assert "labels" in quick_refusal(small)


def test_attributes(small):
    with h5py.File(small, "a") as file:
        file.attrs["origin"] = "x" * 9_000_000
    assert "attribute 'origin' has more than 100,000" in quick_refusal(small)
    with h5py.File(small, "a") as file:
        file.attrs["origin"] = "x"
        for number in range(1000):
            file.attrs[f"a{number}"] = 1
    assert "more than 100 attributes" in quick_refusal(small)


def with_header(path, **changes):
    header = HEADER._replace(**changes)
    save_weights(path, small_network(), HEADER, overwrite=True)
    with h5py.File(path, "a") as file:
        file.attrs["architecture"] = np.bytes_(header.architecture.encode())
        file.attrs["options"] = json.dumps(header.options)
        file.attrs["preprocessing"] = json.dumps(header.preprocessing._asdict())
        file.attrs["header_sha256"] = np.bytes_(header_digest(header).encode())
    return path


@pytest.mark.parametrize("architecture, options", [
    ("transform_network", {"num_blocks": 1_000_000}), ("transform_network", {"num_blocks": 10**400}),
    ("transform_network", {"num_blocks": 1e300}), ("transform_network", {"widths": [10**6, 10**6, 10**6]}),
    ("transform_network", {"widths": [4097, 4, 4]}), ("transform_network", {"widths": list(range(10_000))}),
    ("transform_network", {"styles": ["a"] * 20_000}), ("transform_network", {"styles": "x" * 90_000}),
    ("vgg16", {"num_classes": 10**9}), ("vgg16", {"num_classes": -(10**9)}), ("squeezenet1_1", {"num_classes": 2**40}),
    ("squeezenet1_1", {"input_size": 10**9}), ("squeezenet1_1", {"conv10_pad": 10**9}),
    ("first_layer", {"filters": 4096, "kernel_size": 64, "input_size": 10**12}),
    ("vgg16", {"num_classes": [[[[1]]]]}), ("vgg16", {"num_classes": float("nan")}), ("digits", {"x": "y" * 10**6}),
    ("digits", {str(n): n for n in range(5000)}), ("x" * 50_000, {}), ("vgg16", {"last": "x" * 50_000}),
    ("vgg16", {"pooling": "x\x1b[2J\n"})], ids=lambda value: str(value)[:40])
def test_options(small, architecture, options):
    quick_refusal(with_header(small, architecture=architecture, options=options))


@pytest.mark.parametrize("preprocessing", [
    CAFFE_SQUEEZENET._replace(mean=(1.0,) * 1_000_000), CAFFE_SQUEEZENET._replace(channel_order="R" * 50_000),
    CAFFE_SQUEEZENET._replace(std=[[1.0]] * 100), CAFFE_SQUEEZENET._replace(scale=10**400)], ids=range(4))
def test_preprocessings(small, preprocessing):
    quick_refusal(with_header(small, preprocessing=preprocessing))


@pytest.mark.parametrize("options", [{}, {"chunks": (64, 64, 3, 3), "compression": "gzip"}], ids=str)
def test_arrays_that_the_file_does_not_hold(small, tmp_path, options):
    with h5py.File(with_header(small, architecture="vgg16"), "a") as file:
        for name in [name for name in file if name != "labels"]:
            del file[name]
        from minicnn.models import build_network
        from minicnn.models.weights import named_arrays

        for name, array in named_arrays(build_network("vgg16", last="relu3_1")).items():
            chunked = array.ndim == 4 and array.shape[1] > 3
            file.create_dataset(name, array.shape, np.float32, **(options if chunked else {}))
        header = HEADER._replace(architecture="vgg16", options={"last": "relu3_1"}, labels=[])
        del file["labels"]
        file["labels"] = np.zeros(0, "S1")
        file.attrs["options"] = json.dumps(header.options)
        file.attrs["header_sha256"] = np.bytes_(header_digest(header).encode())
    assert "announces" in quick_refusal(small) and "but stores" in quick_refusal(small)


def test_names_that_only_disturb_the_terminal(small):
    with h5py.File(small, "a") as file:
        for number in range(9000):
            file[f"a\x1b[2J\n{number}" + "x" * 100] = 1.0
    line = quick_refusal_of_arrays(small)
    assert "\\x1b[2J\\n" in line and "and 8,9" in line and len(line) < 20_000


def quick_refusal_of_arrays(path):
    from minicnn.models.weights import load_weights

    return refusal(load_weights, small_network(), path)


def test_texts_are_safe_to_print(tmp_path):
    labels = ["a\x1b[2J\nb", "x" * 20_000, "fünf, \u202egnihtemos", "cat", ""]
    header = HEADER._replace(name="n\x1b[2J\n" + "x" * 9000, labels=labels, origin="o\n" * 5000, licence="\x07")
    save_weights(tmp_path / "a.h5", small_network(), header)
    found = read_header(tmp_path / "a.h5")
    assert found.labels[0] == "a\\x1b[2J\\nb" and len(found.labels[1]) == 200 and "\u202e" not in found.labels[2]
    for text in (found.name, found.origin, found.licence, *found.labels):
        assert len(text) <= 1000 and (text.isprintable())
