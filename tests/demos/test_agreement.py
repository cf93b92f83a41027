"""Four methods on one photo: where they agree, and what a broken one looks like."""

import json

import numpy as np
import pytest
from demo_outputs import check_outputs
from demo_runs import exit_code as demo

from demos import agreement
from demos.shared.portrait import face_mask
from minicnn.models.preprocessing import TORCHVISION

pytestmark = pytest.mark.usefixtures("empty_cache")
METHODS = ["saliency", "guided backprop", "Grad-CAM", "occlusion"]


def maps_of_the_face(box):
    """A map for each method that is large in the box, here a bright middle."""
    rows, columns = np.flatnonzero(box.any(axis=1)), np.flatnonzero(box.any(axis=0))
    y, x = np.mgrid[:box.shape[0], :box.shape[1]]
    distance = ((y - rows.mean()) / len(rows)) ** 2 + ((x - columns.mean()) / len(columns)) ** 2
    return np.stack(len(METHODS) * [np.exp(-8 * distance)])


def peak_checks(maps, box):
    return agreement.check_peaks(dict(zip(METHODS, maps, strict=True)), box, "the box")


def test_maps_of_the_face_pass():
    box = face_mask(TORCHVISION._replace(resize=144, crop=128))
    assert all(check.passed for check in peak_checks(maps_of_the_face(box), box))


@pytest.mark.parametrize("broken", [lambda maps: maps[:, ::-1], lambda maps: np.roll(maps, 60, axis=2),
                                    lambda maps: -maps], ids=["upside down", "moved", "sign"])
def test_broken_maps_of_the_portrait_fail(broken):
    box = face_mask(TORCHVISION._replace(resize=144, crop=128))
    assert not any(check.passed for check in peak_checks(broken(maps_of_the_face(box)), box)[::2])


def test_the_portrait_in_the_network_of_photographs(tmp_path):
    assert demo(agreement, "--model", "photos", "--device", "cpu", "--out", tmp_path) == 0
    check_outputs(tmp_path, agreement.NAMES)


def test_another_photo_and_another_network_are_only_reported(photo, tmp_path):
    assert demo(agreement, photo, "--model", "shapes", "--device", "cpu", "--class", "dotted star", "--out",
                tmp_path) == 0
    card = json.loads((tmp_path / "agreement.json").read_text())
    assert card["parameters"]["box"] is None and card["parameters"]["class"] == 11
    assert not any("the box" in check["what"] for check in card["checks"])
    assert np.load(tmp_path / "agreement.npy").shape == (4, 64, 64)
