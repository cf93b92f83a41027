"""Mutants: a technique with one piece of its source replaced, and the judged checks of the picture that it makes."""

import inspect
import os
import textwrap

import numpy as np
import pytest

from minicnn.models import load_model

HARD = ("flat", "two colours", "nearly flat", "noise")  # kinds of pictures that are hard to check


def mutate(monkeypatch, owner, name, old, new, *users):
    """Replace the text `old`, which occurs once in the source of owner.name, by `new`, until the end of the test.

    owner : a module, or a class whose methods may be changed. users : modules that imported the function by its name.
    """
    source = textwrap.dedent(inspect.getsource(getattr(owner, name)))
    assert source.count(old) == 1, f"{name} has {source.count(old)} times {old!r}"
    module = owner if inspect.ismodule(owner) else inspect.getmodule(owner)
    made = {}
    exec(compile(source.replace(old, new), f"mutant of {name}", "exec"), vars(module), made)
    for place in (owner, *users):
        monkeypatch.setattr(place, name, made[name])


def card(pictures):
    """Return the Checks of all Pictures of a demo."""
    return [check for picture in pictures for check in picture.checks]


def judged_and_failed(checks):
    """Return (number of judged Checks, the names of those that fail)."""
    judged = [check for check in checks if check.judged]
    return len(judged), [f"{check.what}: {check.value:.4g}, {check.expected}" for check in judged if not check.passed]


def assert_right(checks):
    """Assert that there are judged Checks, and that all of them pass."""
    judged, failed = judged_and_failed(checks)
    assert judged and not failed, failed


def assert_found(checks):
    """Assert that at least one judged Check fails."""
    judged, failed = judged_and_failed(checks)
    assert failed, f"all of {judged} judged checks pass"


def hard_picture(kind, height, width):
    """Return a picture of a kind of HARD, uint8 (height, width, 3)."""
    picture = np.full((height, width, 3), 90, np.uint8)
    if kind == "two colours":
        picture[:height // 3] = (20, 200, 60)
    if kind == "nearly flat":
        picture[3, 3] = 91
    return np.random.default_rng(0).integers(0, 256, picture.shape, np.uint8) if kind == "noise" else picture


def load_squeezenet(folder):
    """Return SqueezeNet 1.1 with torchvision's weights, converted into a folder; skip the test without them."""
    from weights_converter.convert import convert
    data = os.environ.get("MINICNN_TEST_DATA")
    if not data:
        pytest.skip("MINICNN_TEST_DATA is not set: real weights and photos are not at hand")
    convert(f"{data}/weights/squeezenet1_1.npz", folder / "squeezenet1_1.h5", say=lambda line: None)
    return load_model(folder / "squeezenet1_1.h5", "cpu").fast()
