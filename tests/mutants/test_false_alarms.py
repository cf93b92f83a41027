"""No judged check of a photo's pictures fails on right results: on flat pictures, two colours, noise and photos."""

import numpy as np
import pytest
from false_alarms import PICTURES, caltech, failing, middle, odd_pictures

from demos.shared.inputs import classify
from minicnn import load_model
from minicnn.models.preprocessing import TORCHVISION

QUICK = tuple(name for name in PICTURES if name not in ("attribution", "compare"))


@pytest.mark.parametrize("name", PICTURES)
def test_no_check_fails_on_flat_and_odd_pictures_with_the_shipped_network(name):
    model = load_model("shapes", "cpu").fast()
    for picture_name, picture in odd_pictures():
        count, failed = failing(model, classify(model, picture_name, picture), [name])
        assert count and failed == [], picture_name


@pytest.fixture
def squeezenet(real_squeezenet):
    """The Model of SqueezeNet 1.1 with trained weights."""
    labels = [f"class {k}" for k in range(1000)]
    shapes = load_model("shapes", "cpu")
    return shapes._replace(net=real_squeezenet.fast(), preprocessing=TORCHVISION, labels=labels,
                           name="squeezenet1_1")


def test_no_check_fails_on_photos(squeezenet, test_data):
    with np.load(test_data / "photos" / "imagenet_25.npz") as data:
        photos = [(f"imagenet {n}", picture) for n, picture in enumerate(data["X"])]
    for n, (name, picture) in enumerate([*odd_pictures(), *photos, *caltech(test_data, 10)]):
        photo = middle(squeezenet, classify(squeezenet, name, picture), 128)
        names = (*QUICK, "attribution") if n % 5 == 0 else QUICK
        count, failed = failing(squeezenet, photo, names)
        assert count and failed == [], name


def test_no_check_of_the_comparison_fails_on_photos(squeezenet, test_data):
    for name, picture in [*list(odd_pictures())[:1], *caltech(test_data, 2)]:
        count, failed = failing(squeezenet, middle(squeezenet, classify(squeezenet, name, picture), 128), ["compare"])
        assert count and failed == [], name
