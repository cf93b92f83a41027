"""The judged checks of attribution pass for the right results and fail for results broken in characteristic ways."""

import numpy as np
import pytest
from attribution_mutants import CASES, RELEVANCE, cam
from attribution_networks import SHAPES_SEED, real_photos

from minicnn.datasets.shapes import draw_shape
from minicnn.models import load_model
from minicnn.visualize.attribution.randomise_check import check_similarities


def surviving(case, net, x, label):
    """Return (the judged checks that fail for the right result, the mutants that pass them all)."""
    right, broken, check = case(net, x, label)
    false_alarms = [one for one in check(right) if one.judged and not one.passed]
    survivors = [name for name, result in broken.items() if all(one.passed for one in check(result) if one.judged)]
    return false_alarms, survivors


def middle(x):
    """Return the middle 128x128 pixels, to save time."""
    return np.ascontiguousarray(x[:, :, 48:176, 48:176])


@pytest.fixture(scope="module")
def drawn_model():
    """The network `shapes`, and the input and the class of a new picture."""
    model = load_model("shapes", "cpu").fast()
    picture, _ = draw_shape(4, np.random.default_rng([SHAPES_SEED, 4]))
    x = model.preprocessing.to_input(picture)
    return model.net, x, int(model.net.predict(x)[0].argmax())


@pytest.mark.parametrize("name", CASES)
def test_every_mutant_fails_on_shapes(drawn_model, name):
    assert surviving(CASES[name], *drawn_model) == ([], [])


@pytest.mark.parametrize("layer", ["relu1", "relu3", "relu4", "relu5"])
def test_every_mutant_of_grad_cam_fails_at_every_layer(drawn_model, layer):
    assert surviving(cam(layer), *drawn_model) == ([], [])


# To save time: some mutants are tried on one photo, and the slowest on `shapes` alone.
ONE_PHOTO = {"LRP, composite", "DeepLIFT", "Grad-CAM++", "Layer-CAM", "Score-CAM", "RISE"}
NO_PHOTO = {"all maps", *RELEVANCE} - ONE_PHOTO


@pytest.mark.parametrize(("photo", "name"), [(photo, name) for photo in (11, 7) for name in CASES
                                             if name not in (NO_PHOTO if photo == 11 else NO_PHOTO | ONE_PHOTO)])
def test_every_mutant_fails_on_photos(real_squeezenet, test_data, name, photo):
    net = real_squeezenet.fast()
    x = middle(real_photos(test_data)[0][photo:photo + 1])
    assert surviving(CASES[name], net, x, int(net.predict(x)[0].argmax())) == ([], [])


@pytest.mark.parametrize("layer", ["relu_conv10", "fire5/concat", "pool1"])
def test_every_mutant_of_grad_cam_fails_at_every_layer_of_squeezenet(real_squeezenet, test_data, layer):
    net, x = real_squeezenet.fast(), middle(real_photos(test_data)[0][:1])
    assert surviving(cam(layer), net, x, int(net.predict(x)[0].argmax())) == ([], [])


def test_a_cascade_that_stays_trained_fails():
    values = np.array([[0.9, 0.3, 0.01]])
    assert check_similarities({"saliency": values})[0].passed
    assert not check_similarities({"saliency": np.ones_like(values)})[0].passed
