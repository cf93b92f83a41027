"""The memory forecast against what processes of their own were seen to take."""

import subprocess
import sys
from pathlib import Path

import pytest

from demos.shared.inputs import warn_about_memory
from minicnn import backend, models
from minicnn.errors import InputError
from minicnn.fast.forecast import Pool, largest_size, peak_memory
from minicnn.layers import Concat, Conv2D, Dropout, MaxPool2D, ReLU
from minicnn.network import Network

# Builds a network, forgets the peak so far, and prints how far three passes raise it, and the forecast.
CHILD = """
import re, sys
from pathlib import Path
import numpy as np
import minicnn
from minicnn import models
from minicnn.fast.forecast import peak_memory
from minicnn.losses import FeatureMatch, GramMatch, TotalVariation, loss_and_gradient

def peak():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

minicnn.set_num_threads(2)
kind, name, work, *shape = sys.argv[1:]
net, shape = getattr(models, name)(), tuple(map(int, shape))
if name.startswith("vgg"):
    net = net.trunk("relu5_1")
if kind == "fast":
    net = net.fast()
x = np.random.default_rng(0).standard_normal(shape, np.float32)
if work == "style":
    layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    terms = [(1.0, GramMatch(layer, 0.0)) for layer in layers]
    layers += ("input",)
    terms.append((1.0, TotalVariation()))
Path("/proc/self/clear_refs").write_text("5")
before = peak()
for _ in range(3):
    if work == "forward":
        net.predict(x)
    elif work == "there and back":
        trace = net.forward(x, keep=(net.output,))
        net.backward(trace, {net.output: np.ones_like(trace.activations[net.output])}, release=True)
        del trace
    else:
        loss_and_gradient(net, x, terms)
measured = peak() - before
seeds = {"forward": (), "there and back": None, "style": layers[:-1] if work == "style" else None}[work]
print(measured, peak_memory(net, shape, seeds=seeds))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of a process")
@pytest.mark.parametrize("name, work, shape", [
    ("squeezenet1_1", "there and back", (1, 3, 224, 224)),
    ("squeezenet1_1", "forward", (4, 3, 512, 512)),
    ("squeezenet1_0", "there and back", (4, 3, 224, 224)),
    ("resnet18", "there and back", (1, 3, 224, 224)),
    ("vgg19", "there and back", (1, 3, 256, 256)),
    ("vgg16", "style", (1, 3, 256, 256)),
])
@pytest.mark.parametrize("kind", ["plain", "fast"])
def test_the_forecast_is_within_a_fifth_of_what_is_measured(kind, name, work, shape):
    command = [sys.executable, "-c", CHILD, kind, name, work, *map(str, shape)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    measured, forecast = map(int, done.stdout.split())
    assert 0.8 < forecast / measured < 1.2, f"measured {measured / 1e6:.0f} MB, forecast {forecast / 1e6:.0f} MB"


def test_more_pixels_take_more_memory():
    net = models.squeezenet1_1(seed=None)
    sizes = [peak_memory(net, (1, 3, side, side)) for side in (64, 128, 256, 512)]
    assert sizes == sorted(sizes) and sizes[-1] > 2 * sizes[0]
    assert peak_memory(net, (1, 3, 256, 256), seeds=()) < peak_memory(net, (1, 3, 256, 256))
    assert peak_memory(net, (4, 3, 256, 256)) > peak_memory(net, (1, 3, 256, 256))
    assert peak_memory(net, (1, 3, 256, 256), upto="fire2/concat") < peak_memory(net, (1, 3, 256, 256))
    assert peak_memory(net, (1, 3, 256, 256), keep=net.layer_names()) > peak_memory(net, (1, 3, 256, 256))


def test_the_picture_itself_takes_memory_too():
    net, shape = models.build_network("shapes"), (1, 3, 640, 640)
    alone = peak_memory(net, shape, keep=["input"], upto=["input"], seeds=["input"])
    assert 4 * 3 * 640**2 <= alone < peak_memory(net, shape, keep=["relu1"], upto=["relu1"], seeds=["relu1"])


def test_arrays_are_counted_as_long_as_somebody_has_them():
    net = Network((2, 8, 8))
    net.add("conv", Conv2D(2, 2, 3, pad=1))
    net.add("relu", ReLU())
    net.add("drop", Dropout())
    net.add("pool", MaxPool2D(2))
    net.add("both", Concat(), "pool", "pool")
    net = net.fast()
    image = 2 * 8 * 8 * 4
    base = peak_memory(net.trunk("conv"), (1, 2, 8, 8), seeds=()) - 2 * image  # input and output
    assert peak_memory(net.trunk("relu"), (1, 2, 8, 8), seeds=()) - base == 2 * image  # it writes over its input,
    assert peak_memory(net.trunk("relu"), (1, 2, 8, 8), ["conv"], seeds=()) - base == 3 * image  # unless that is kept
    assert peak_memory(net.trunk("drop"), (1, 2, 8, 8), seeds=()) - base == 2 * image  # its input, nothing new


def test_memory_of_a_size_is_used_again():
    pool = Pool()
    pool.take(100)
    pool.take(50)
    pool.give(100)
    pool.take(100)
    assert (pool.total, pool.peak) == (150, 150)
    pool.give(100)
    pool.give(50)
    pool.take(20)  # another size: what lies idle is let go, but for as much as is in use
    assert pool.total <= 20 + 20 and pool.peak == 150


def test_the_largest_picture_that_fits():
    net = models.squeezenet1_1(seed=None)
    memory = peak_memory(net, (1, 3, 300, 300))
    size = largest_size(net, memory)
    assert 300 <= size < 340 and peak_memory(net, (1, 3, size, size)) <= memory < peak_memory(
        net, (1, 3, size + 1, size + 1))
    assert largest_size(net, 1000) == 0


def test_a_picture_that_the_network_cannot_take():
    with pytest.raises(InputError, match="too small"):
        peak_memory(models.squeezenet1_1(seed=None), (1, 3, 8, 8))


def test_demos_warn_before_they_start(monkeypatch, capsys):
    net = models.squeezenet1_1(seed=None)
    for free, words in ((10**12, ""), (None, ""), (10**8, "one picture of"), (1000, "no useful size")):
        monkeypatch.setattr("demos.shared.inputs.available_memory", lambda device, free=free: free)
        warn_about_memory(net, (1, 3, 1024, 1024))
        said = capsys.readouterr().err
        assert (words in said and said.startswith("warning: 1x1024x1024 pixels take about")) if words else said == ""
    warn_about_memory(net, (1, 3, 8, 8))
    assert capsys.readouterr().err == ""


def test_the_memory_of_a_gpu_that_is_free(strict_cupy):
    assert backend.available_memory("gpu") == 8 * 10**9


def test_the_memory_that_is_free(monkeypatch, tmp_path):
    free = backend.available_memory("cpu")
    assert free is None or 10**6 < free < 10**15
    monkeypatch.setattr("minicnn.backend.Path", lambda name: tmp_path / "missing")  # as on a system without /proc
    monkeypatch.setattr("os.sysconf", {"SC_AVPHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}.get, raising=False)
    assert backend.available_memory("cpu") == 4096000
    monkeypatch.delattr("os.sysconf")
    assert backend.available_memory("cpu") is None
