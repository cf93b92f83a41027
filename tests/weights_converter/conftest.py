"""Fixtures of the converter's tests."""

import numpy as np
import pytest
from weight_cases import source_arrays, source_of

from minicnn.models import squeezenet1_1, vgg16
from minicnn.models.weights import named_arrays
from weights_converter.__main__ import main
from weights_converter.sources import SOURCES


@pytest.fixture(scope="session")
def squeezenet():
    """Random weights under torchvision's names."""
    return source_arrays(source_of("squeezenet1_1", "torchvision"), squeezenet1_1(seed=1))


@pytest.fixture
def two_layers(rng):
    """The beginning of a VGG: 150 kB of random values under Caffe's names."""
    shapes = source_arrays(source_of("vgg16_caffe", "Caffe"), vgg16(seed=None).trunk("relu1_2"))
    return {name: rng.standard_normal(array.shape, np.float32) for name, array in shapes.items()}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The cache folder, which does not exist yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "minicnn"


@pytest.fixture
def refused(tmp_path, capsys):
    """refused(arrays or bytes, *options): the error line for that file. Asserts that nothing was written."""

    def run(content, *options, name="source.npz"):
        path, output = tmp_path / name, tmp_path / "out.h5"
        if isinstance(content, dict):
            np.savez(path, **content)
        elif content is not None:
            path.write_bytes(content)
        before = sorted(tmp_path.iterdir())
        assert main([str(path), "-o", str(output), *options]) == 2
        assert sorted(tmp_path.iterdir()) == before
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and error.startswith("minicnn convert: error: ")
        assert str(path) in error or "network" in error
        return error

    return run


@pytest.fixture
def squeezenet_file(tmp_path):
    """(path of a file with random weights under torchvision's names, its arrays)."""
    source = next(source for source in SOURCES if source.name == "squeezenet1_1")
    ours = named_arrays(squeezenet1_1(seed=1))
    arrays = {name: ours[target.key] for name, target in source.names.items()}
    np.savez(tmp_path / "a.npz", **arrays)
    return tmp_path / "a.npz", arrays


@pytest.fixture
def resnet(tmp_path, rng):
    """(path of a file with the first arrays of an unknown network, its arrays)."""
    arrays = {"bn0.weight": rng.standard_normal(3, np.float32),
              "conv1.weight": rng.standard_normal((64, 3, 7, 7), np.float32),
              "bn1.running_mean": rng.standard_normal(64, np.float32),
              "layer1.0.conv1.weight": rng.standard_normal((64, 64, 1, 1), np.float32),
              "layer1.0.conv3.weight": rng.standard_normal((8, 3, 3, 3), np.float32),
              "num_batches_tracked": np.array(3)}
    np.savez(tmp_path / "resnet101-v2.npz", **arrays)
    return tmp_path / "resnet101-v2.npz", arrays
