"""Damaged copies of weights files in every container end in one line, or in a file with a warning: fuzz_weights.py.

Hostile files that are made by hand are in the test of each reader; here are the thousands.
"""

import importlib.util
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import weight_writers
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn.errors import InputError
from weights_converter.formats.containers import READERS, open_arrays, recognise

ROOT = Path(__file__).parents[3]
TORCHVISION, CAFFE = ("features.0.weight", "features.0.bias"), ("conv1_1.weight", "conv1_1.bias")
KERAS, MATCONVNET = ("block1_conv1/kernel", "block1_conv1/bias"), ("conv1_1.filters", "conv1_1.biases")

CONTAINERS = {  # (writer, names of a weight and a bias, is HWIO, module that it needs, options)
    "npz": (weight_writers.write_npz, TORCHVISION, False, "numpy", {}),
    "npz-deflated": (weight_writers.write_npz, TORCHVISION, False, "numpy", {"save": np.savez_compressed}),
    "pth-zip": (weight_writers.write_pth_zip, TORCHVISION, False, "torch", {}),
    "pth-deflated": (weight_writers.write_pth_deflated, TORCHVISION, False, "torch", {}),
    "pth-stream": (weight_writers.write_pth_stream, TORCHVISION, False, "torch", {}),
    "pth-tar": (weight_writers.write_pth_tar, TORCHVISION, False, "numpy", {}),
    "safetensors": (weight_writers.write_safetensors, TORCHVISION, False, "safetensors", {}),
    "onnx": (weight_writers.write_onnx, TORCHVISION, False, "onnx", {}),
    "caffemodel": (weight_writers.write_caffemodel, CAFFE, False, "google.protobuf", {}),
    "caffemodel-v1": (weight_writers.write_caffemodel, CAFFE, False, "google.protobuf", {"kind": "layers"}),
    "keras": (weight_writers.write_keras, KERAS, True, "h5py", {}),
    "matconvnet": (weight_writers.write_matconvnet, MATCONVNET, True, "scipy", {}),
    "matconvnet-zlib": (weight_writers.write_matconvnet, MATCONVNET, True, "scipy", {"compress": True}),
}


def fuzz(path, seed, written, *options):
    """Return {outcome: number} of damaged copies of the file, from a separate process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    program = Path(__file__).parents[2] / "fuzz_weights.py"
    done = subprocess.run([sys.executable, program, path, str(seed), str(written), *options],
                          cwd=path.parent, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-5000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def pool():
    """An executor for the fuzzing processes, which take longer than all other tests."""
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        yield executor
        executor.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def counts(pool, tmp_path_factory):
    """{container: Future of its counts}, for all containers whose writer is installed."""
    rng = np.random.default_rng(0)
    w, b = rng.standard_normal((64, 3, 3, 3), np.float32), rng.standard_normal(64, np.float32)
    futures = {}
    if folder := os.environ.get("MINICNN_TEST_DATA"):
        path = tmp_path_factory.mktemp("deep-compression") / "good"
        path.write_bytes((Path(folder) / "weights" / "compressed_SqueezeNet.net").read_bytes())
        futures["deep-compression"] = pool.submit(fuzz, path, 0, 7, "--features-only")
    for container, (write, names, hwio, module, options) in CONTAINERS.items():
        if module_is_there(module):
            path = tmp_path_factory.mktemp(container) / "good"
            theirs = np.ascontiguousarray(w.transpose(2, 3, 1, 0)) if hwio else w
            write(path, dict(zip(names, (theirs, b), strict=True)), **options)
            futures[container] = pool.submit(fuzz, path, 0, 1, "--network", "vgg16", "--features-only")
    from minicnn.models.load import weights_path

    path = tmp_path_factory.mktemp("own") / "good"
    path.write_bytes(weights_path("digits").read_bytes())
    futures["own .h5"] = pool.submit(fuzz, path, 0, 1, "--load")
    return futures


def module_is_there(name):
    """Return True if the module can be imported."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the parent package is missing
        return False


@pytest.mark.parametrize("container", [*CONTAINERS, "deep-compression", "own .h5"])
def test_damaged_files(counts, summary_line, container):
    if container not in counts:
        pytest.skip(f"no good file in {container}: the library that writes it, or MINICNN_TEST_DATA, is missing")
    found = counts[container].result()
    grown = found.pop("megabytes")
    assert found["refused"] > 20 and sum(found.values()) == 240 and grown < 200
    summary_line(f"fuzz: {container}: {sum(found.values())} damaged files, "
                 + ", ".join(f"{count} {what}" for what, count in sorted(found.items())))


def test_three_thousand_files(counts, summary_line):
    total = sum(sum(number for what, number in future.result().items() if what != "megabytes")
                for future in counts.values())
    summary_line(f"fuzz: {total:,} damaged weights files in {len(counts)} containers")
    assert total >= 3000 or len(counts) < len(CONTAINERS)


class TestRandomBytes:
    """Any bytes after a signature give an InputError or a list of arrays."""

    heads = (b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.",
             bytes(257) + b"ustar\x0000", b"\x20\0\0\0\0\0\0\0{", b"\x08\x07\x12\x02on:", b"\n\x03net\xa2\x06",
             b"\n\x03net\x12", b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM", b"")

    @settings(max_examples=1000, deadline=10_000)
    @given(st.sampled_from(heads), st.binary(max_size=400))
    def test_random_bytes(self, head, rest):
        path = Path(os.environ.get("TMPDIR", "/tmp")) / f"random-bytes-{os.getpid()}"
        try:
            path.write_bytes(head + rest)
            with open_arrays(path, recognise(path)) as arrays:
                for array in arrays:
                    array.read()
        except InputError as problem:
            assert str(path) in str(problem)
        finally:
            path.unlink(missing_ok=True)


def test_every_reader_is_fuzzed():
    assert len(READERS) == 10  # .npz, three .pth, safetensors, ONNX, Caffe, HDF5, MATLAB, Deep Compression
