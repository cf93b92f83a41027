"""Four methods on one photo: where they agree, and what a broken one looks like."""

import json

import numpy as np
import pytest
from demo_outputs import check_outputs
from demo_runs import exit_code as demo

from demos import agreement
from demos.shared.inputs import load_photos
from minicnn.models import load_model

pytestmark = pytest.mark.usefixtures("empty_cache")
METHODS = ["saliency", "guided backprop", "Grad-CAM", "occlusion"]


@pytest.fixture(scope="module")
def photos_model():
    """The shipped network of photographs."""
    return load_model("photos", "cpu").fast()


def test_the_portrait_is_a_face_and_four_methods_find_it(tmp_path):
    assert demo(agreement, "--device", "cpu", "--out", tmp_path) == 0
    check_outputs(tmp_path, agreement.NAMES)
    card = json.loads((tmp_path / "agreement.json").read_text())
    assert card["model"] == "photos" and card["title"] == "photos: four methods on grace_hopper, face"
    distances = {check["what"]: check["value"] for check in card["checks"] if "its largest value" in check["what"]}
    assert [what.split(":")[0] for what in distances] == METHODS and set(distances.values()) == {0}


@pytest.mark.parametrize("broken", [lambda maps: np.roll(maps, 88, axis=1), lambda maps: np.roll(maps, 50, axis=2),
                                    lambda maps: -maps], ids=["moved down", "moved right", "sign"])
def test_broken_maps_of_the_portrait_fail(broken, photos_model, monkeypatch):
    photos = load_photos(photos_model, [])
    box = agreement.face_box(photos_model, photos[0], "face")
    maps, _ = agreement.four_maps(photos_model, photos[0], photos[0].label)
    moved = broken(np.stack(list(maps.values())))
    checks = agreement.check_peaks(dict(zip(maps, moved, strict=True)), box, "the box")
    assert not any(check.passed for check in checks[::2])


def test_another_photo_and_another_network_are_only_reported(photo, tmp_path):
    assert demo(agreement, photo, "--model", "shapes", "--device", "cpu", "--class", "dotted star", "--out",
                tmp_path) == 0
    card = json.loads((tmp_path / "agreement.json").read_text())
    assert card["parameters"]["box"] is None and card["parameters"]["class"] == 11
    assert not any("the box" in check["what"] for check in card["checks"])
    assert np.load(tmp_path / "agreement.npy").shape == (4, 64, 64)
