"""The features of images: the default layer, and mean activations."""

import numpy as np
import pytest

from minicnn.errors import InputError, UnknownNameError
from minicnn.models import build_network, load_model
from minicnn.visualize.embedding.features import feature_layer, image_features


def test_the_default_layer_is_the_last_before_the_classes():
    for name, layer in {"vgg16": "relu7", "alexnet": "relu7", "squeezenet1_1": "fire9/concat", "resnet18": "relu5b",
                        "shapes": "relu5", "digits": "relu4"}.items():
        net = build_network(name)
        assert feature_layer(net) == net.find(layer)
    assert feature_layer(build_network("vgg16", last="conv3_1")) == "conv3_1"
    assert feature_layer(build_network("vgg16", last="relu6")) == "relu6"


def test_features_are_mean_activations_for_any_batch_size(xp, rng):
    net = load_model("shapes", "cpu" if xp is np else "gpu").net
    x = rng.standard_normal((7, 3, 64, 64)).astype(np.float32)
    features = image_features(net, x, batch_size=3)
    assert isinstance(features, np.ndarray) and features.dtype == np.float32 and features.shape == (7, 96)
    maps = load_model("shapes", "cpu").net.predict(x, "relu5")
    np.testing.assert_allclose(features, maps.mean(axis=(2, 3)), atol=1e-5)
    np.testing.assert_allclose(features, image_features(net, x, batch_size=16), atol=1e-5)
    np.testing.assert_allclose(image_features(net, x, "pool5"), features, atol=1e-5)


def test_features_of_no_images_and_of_unknown_layers_are_refused():
    net = build_network("shapes")
    with pytest.raises(InputError, match=r"expected images of shape \(N, 3, H, W\)"):
        image_features(net, np.zeros((0, 3, 64, 64), np.float32))
    with pytest.raises(UnknownNameError, match="did you mean relu5"):
        image_features(net, np.zeros((1, 3, 64, 64), np.float32), "rleu5")
    with pytest.raises(InputError, match="batch_size is 0; expected a whole number from 1"):
        image_features(net, np.zeros((1, 3, 64, 64), np.float32), batch_size=0)
