"""No judged check of synthesis, texture and style fails on right pictures: a handful of photos, and hard pictures.

The benchmark of the same name runs the same demos over hundreds of photos.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from mutation import assert_right, load_squeezenet

from minicnn import images
from weights_converter.convert import convert

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import false_alarms_synthesis  # noqa: E402

PHOTOS = ("gerenuk", "airplanes", "stop_sign")  # folders of Caltech 101; of each, the first photo


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory):
    """SqueezeNet 1.1 with torchvision's weights."""
    return load_squeezenet(tmp_path_factory.mktemp("weights"))


def pictures(test_data):
    """Return {name: uint8 (H, W, 3)} of three photos, a flat picture, two colours, and noise."""
    found = false_alarms_synthesis.hard_pictures()
    for name in PHOTOS:
        found[name] = images.load_image(min((test_data / "photos" / "caltech101" / name).glob("*.jpg")))
    with np.load(test_data / "photos" / "imagenet_25.npz") as file:
        found["imagenet 0"] = file["X"][0]
    return found


@pytest.fixture
def painter(test_data, tmp_path, monkeypatch):
    """VGG-19 with its decoders in the cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "minicnn").mkdir()
    weights = test_data / "weights" / "vgg19_normalised_conv1_1-conv3_1.npz"
    convert(str(weights), tmp_path / "minicnn" / "vgg19_autoencoder.h5", say=lambda line: None)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("demo", false_alarms_synthesis.DEMOS)
def test_photos_and_hard_pictures_have_no_false_alarm(squeezenet, painter, test_data, demo):
    for picture in pictures(test_data).values():
        assert_right(false_alarms_synthesis.DEMOS[demo](squeezenet, picture))
