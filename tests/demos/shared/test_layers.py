"""The layers that a demo shows by default."""

import pytest

from demos.shared.layers import feature_layers
from minicnn.models import build_network, squeezenet1_1

pytestmark = pytest.mark.usefixtures("empty_cache")


def test_feature_layers_are_the_ends_of_the_stages():
    assert feature_layers(squeezenet1_1(seed=None)) == ["relu_conv1", "fire3/concat", "fire5/concat", "fire9/concat"]
    assert feature_layers(build_network("vgg16")) == ["relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"]
    assert feature_layers(build_network("shapes")) == ["relu1", "relu2", "relu3", "relu5"]
