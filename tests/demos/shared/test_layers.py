"""The layers that a demo shows by default."""

import pytest

from demos.shared.layers import feature_layers, has_scores, style_layers, usual_layer
from minicnn.models import build_network, squeezenet1_1

pytestmark = pytest.mark.usefixtures("empty_cache")


def test_feature_layers_are_the_ends_of_the_stages():
    assert feature_layers(squeezenet1_1(seed=None)) == ["relu_conv1", "fire3/concat", "fire5/concat", "fire9/concat"]
    assert feature_layers(build_network("vgg16")) == ["relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"]
    assert feature_layers(build_network("shapes")) == ["relu1", "relu2", "relu3", "relu5"]


def test_the_ends_of_residual_stages_are_feature_layers():
    assert feature_layers(build_network("resnet18")) == ["relu1", "relu2b", "relu3b", "relu4b", "relu5b"]
    assert usual_layer(build_network("resnet18")) == "relu4b"


@pytest.mark.parametrize(("architecture", "last", "expected"), [
    ("vgg19", "relu3_1", ["relu1_2", "relu2_2", "relu3_1"]), ("shapes", "relu2", ["relu1", "relu2"]),
    ("squeezenet1_1", "fire3/concat", ["relu_conv1", "fire3/concat"]), ("resnet18", "relu3a", ["relu1", "relu2b",
                                                                                                "relu3a"]),
    ("vgg16", "conv1_1", ["conv1_1"])])
def test_feature_layers_of_trunks_end_with_the_trunk(architecture, last, expected):
    net = build_network(architecture, last=last)
    assert feature_layers(net) == expected and not has_scores(net) and usual_layer(net) == expected[-2:][0]


@pytest.mark.parametrize(("architecture", "last", "content", "style"), [
    ("resnet18", None, "relu3b", ["relu1", "relu2b", "relu3b", "relu4b", "relu5b"]),
    ("alexnet", None, "relu2", ["relu1", "relu2", "relu5"]),
    ("vgg19", None, "relu4_2", ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]),
    ("vgg19", "relu3_1", "relu2_2", ["relu1_1", "relu2_1", "relu3_1"]),
    ("squeezenet1_1", "fire3/concat", "fire2/concat", ["relu_conv1", "fire2/concat", "fire3/concat"])])
def test_style_layers_of_every_network(architecture, last, content, style):
    assert style_layers(build_network(architecture, last=last)) == (content, style)
