"""Wrong arguments of every public function of minicnn.images raise InputError, one line, and nothing else."""

import decimal
import inspect
import pathlib

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minicnn import images
from minicnn.errors import InputError

try:
    import torch
except ImportError:  # an optional peer
    TENSORS = []
else:
    TENSORS = [torch.zeros(4, 4, 3), torch.zeros(4, 4, 3, dtype=torch.uint8)]

CALLS = 3000
PHOTO = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
FUNCTIONS = [getattr(images, name) for name in images.__all__ if inspect.isfunction(getattr(images, name))
             and name != "readable_suffixes"]
JUNK = [None, True, "", "x", "a.png", "a.gif", "a\0.png", b"a.png", b"\xff.png", 0, 1, 3, -1, 10**9, 2**70, 2.5,
        float("nan"), float("inf"), 3.0, 1j, [], [1, 2], (), {}, set(), object(), object, len, np.float32(2),
        np.int64(5), np.array(4), np.array([1, 2]), np.array("x"), np.zeros((3, 4), np.uint8), np.zeros((0, 4, 3),
        np.uint8), PHOTO, PHOTO[:1, :1], PHOTO / 255, PHOTO.astype(bool), PHOTO.astype(object), PHOTO.astype(">i4"),
        PHOTO[None], PHOTO.tolist(), [PHOTO], [PHOTO, PHOTO[:4]], iter([PHOTO]), *TENSORS,
        np.ma.masked_array(PHOTO), PHOTO.view(np.recarray), decimal.Decimal(3),
        pathlib.Path("x.jpg"), pathlib.Path("/"), pathlib.Path(), "\ud800.png", "a" * 9999 + ".png",
        "/dev/null/a.png", range(3), slice(2), Ellipsis, NotImplemented]
COUNT = {"calls": 0, "refused": 0}


@settings(max_examples=CALLS, deadline=None, derandomize=True, database=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(function=st.sampled_from(FUNCTIONS), arguments=st.lists(
    st.one_of(st.sampled_from(JUNK), st.sampled_from([PHOTO, PHOTO, PHOTO, 8, "a.png", "a.gif"])), max_size=4))
def check(function, arguments):
    parameters = inspect.signature(function).parameters.values()
    needed = sum(parameter.default is parameter.empty for parameter in parameters)
    arguments = (arguments + [PHOTO, 8, 8])[:max(needed, min(len(arguments), len(parameters)))]
    COUNT["calls"] += 1
    try:
        function(*arguments)
    except InputError as problem:
        COUNT["refused"] += 1
        assert str(problem).isprintable() and len(str(problem)) < 1000


def test_junk(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    check()
    assert COUNT["refused"] > CALLS // 4
    with capfd.disabled():
        print(f"\n{COUNT['calls']:,} calls of {len(FUNCTIONS)} functions with junk, {COUNT['refused']:,} refused")


def test_numbers_of_other_types_are_taken():
    for size in (8, np.int64(8), np.uint8(8), np.array(8)):
        assert images.resize_short_side(PHOTO, size).shape == (8, 10, 3)
        assert images.center_crop(PHOTO, size).shape == (8, 8, 3)
        assert images.resize(PHOTO, size, size).shape == (8, 8, 3)
