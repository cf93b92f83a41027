"""The benchmark's works: both sides compute the same."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent / "benchmarks"))
pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed (the extra named peers)")

from workloads import style_transfer  # noqa: E402


def test_an_iteration_of_style_transfer_has_one_loss():
    work = style_transfer("SqueezeNet 1.1", 64)
    ours = work.ours()()
    assert [work.theirs(channels_last)() for channels_last in (False, True)] == pytest.approx([ours, ours], rel=1e-4)
