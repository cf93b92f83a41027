"""Fixtures: both back ends, random numbers, real weights; and what the tests counted, below the results."""

import os
import pathlib
import signal
import sys

import numpy as np
import pytest
import strict_cupy as stand_in

from minicnn.models import squeezenet1_1

summary_lines = []


@pytest.fixture
def strict_cupy(monkeypatch):
    """The stand-in for CuPy, also for `import cupy`; its counters, `strict_cupy.record`, start at zero."""
    for name in list(sys.modules):
        if name.partition(".")[0] in ("cupy", "cupyx"):  # so that no submodule of the real one is found
            monkeypatch.delitem(sys.modules, name)
    for name, module in stand_in.MODULES.items():
        monkeypatch.setitem(sys.modules, name, module)
    stand_in.record.reset()
    return stand_in.MODULES["cupy"]


@pytest.fixture(params=["numpy", "strict_cupy"])
def xp(request):
    """The array module: NumPy, then the stand-in for CuPy."""
    return np if request.param == "numpy" else request.getfixturevalue("strict_cupy")


@pytest.fixture
def rng():
    """Random numbers on the host, the same in every run."""
    return np.random.default_rng(0)


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    """No pretrained weights, as on a newcomer's machine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def test_data():
    """The folder with real weights and photos."""
    folder = os.environ.get("MINICNN_TEST_DATA")
    if not folder:
        pytest.skip("MINICNN_TEST_DATA is not set: real weights and photos are not at hand")
    return pathlib.Path(folder)


@pytest.fixture
def real_squeezenet(test_data):
    """SqueezeNet 1.1 with the weights of torchvision, whose names it knows."""
    net = squeezenet1_1(seed=None)
    with np.load(test_data / "weights" / "squeezenet1_1.npz") as arrays:
        for key in arrays.files:
            name, part = key.rsplit(".", 1)
            net.layer(name).params[{"weight": "w", "bias": "b"}[part]] = arrays[key]
    return net


@pytest.fixture
def summary_line():
    """summary_line(text): print it below the results."""
    return summary_lines.append


def pytest_configure():
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as a shell starts a job in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)  # the programs that the tests start inherit it


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # in a worker of pytest-xdist: for pytest_testnodedown
        session.config.workeroutput["bound_calls"] = list(stand_in.record.bound_calls)
        session.config.workeroutput["summary_lines"] = summary_lines


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    output = getattr(node, "workeroutput", {})
    stand_in.record.bound_calls.update(output.get("bound_calls", ()))
    summary_lines.extend(output.get("summary_lines", ()))


def pytest_terminal_summary(terminalreporter):
    if stand_in.real_cupy is None:
        cupy_line = "CuPy is not installed: no call was bound against the real wheel"
    else:
        calls = len(stand_in.record.bound_calls)
        cupy_line = f"CuPy {stand_in.real_cupy.__version__}: {calls} distinct calls bound"
    for line in [cupy_line, *sorted(summary_lines)]:
        terminalreporter.write_line(line)
