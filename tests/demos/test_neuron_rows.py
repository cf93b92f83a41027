"""The rows of a grid of neurons, and the difference of a fooling picture."""

import numpy as np
import pytest

from demos import fooling, neuron_visualization
from demos.neuron_rows import GREY, is_linear, unit_norm_images, whole_field_view
from demos.patches import drawn_sources
from demos.shared.inputs import load_photos
from minicnn.models import build_network, load_model
from minicnn.receptive_field import receptive_field
from minicnn.visualize.synthesis.ascent_settings import NEURON

pytestmark = pytest.mark.usefixtures("empty_cache")


@pytest.mark.parametrize("architecture", ["shapes", "squeezenet1_1", "resnet18", "vgg16"])
def test_every_image_holds_the_whole_receptive_field(architecture):
    net = build_network(architecture, last=None if architecture != "vgg16" else "relu5_3")
    layers = [node.name for node in net.nodes if len(net.shapes()[node.name]) == 4 and receptive_field(net, node.name)]
    for layer in layers[::5] + layers[-1:]:
        size, position = whole_field_view(net, layer)
        field = receptive_field(net, layer)
        assert size >= field.size and field.box(*position, size, size) is not None and field.fits(*position, size, size)


def test_the_deepest_row_is_larger_than_the_network_s_input():
    net = build_network("shapes")
    assert receptive_field(net, "relu5").size > 50 and whole_field_view(net, "relu5")[0] >= 58


def test_which_layers_are_linear():
    assert is_linear(build_network("shapes"), "relu1") and is_linear(build_network("resnet18"), "relu1")
    assert not is_linear(build_network("shapes"), "relu2") and not is_linear(build_network("shapes"), "pool1")


def test_the_unit_norm_optimum_is_the_filter():
    model = load_model("shapes", "cpu")
    size, position = whole_field_view(model.net, "relu1")
    w = model.net.nodes[0].layer.params["w"]
    x = np.sign(w[[3, 5]])  # the optimum in a box of colours
    shown = unit_norm_images(model, "relu1", [3, 5], position, x).astype(float) - GREY
    assert shown.shape == (2, size, size, 3)
    for image, channel in zip(shown, (3, 5), strict=True):
        values = w[channel].transpose(1, 2, 0)
        assert np.corrcoef(image.ravel(), values.ravel())[0, 1] > 0.999 and 126 <= np.abs(image).max() <= 128
        assert len(np.unique(image)) > 20  # not black and white only


def test_the_grid_shows_rows_of_grey_levels_with_light_gaps():
    model = load_model("shapes", "cpu")
    picture = next(neuron_visualization.grid_pictures(model, drawn_sources(model, 24, 0), ["relu1", "relu5"], 3,
                                                      settings=NEURON.__class__(num_steps=3, start_noise=0.2)))
    titles = [axis.get_title() for axis in picture.figure.axes]
    assert titles[0].endswith("of unit norm") and "unit norm" not in titles[1]
    first = picture.figure.axes[0].images[0].get_array()
    assert len(np.unique(first)) > 30 and (first[0, -1] != 255).any()
    assert picture.array.shape[2:] == (65, 65)


def test_the_difference_of_a_fooling_picture_is_enlarged_by_the_factor_above_it():
    model = load_model("shapes", "cpu").fast()
    photos = load_photos(model, [])[:1]
    picture = next(fooling.pictures(model, photos))
    original, fooled, difference, size = picture.figure.axes
    assert difference.get_title().startswith("difference x") and "0 is grey" in difference.get_title()
    factor = float(difference.get_title().split("x")[1].split(",")[0])
    change = fooled.images[0].get_array().astype(float) - original.images[0].get_array()
    shown = difference.images[0].get_array().astype(float)
    inside = np.abs(factor * change) < 120
    np.testing.assert_allclose(shown[inside], 127 + factor * change[inside], atol=2)
    assert np.abs(shown - 127).max() > 100 and size.images[0].get_array().max() == np.abs(change).max()
