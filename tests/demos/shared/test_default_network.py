"""The one definition of the network that a demo uses if none is named."""

import pytest

from demos.shared import default_network
from demos.shared.default_network import network_for
from demos.shared.inputs import choose_model

pytestmark = pytest.mark.usefixtures("empty_cache")


def test_the_network_of_photographs_is_the_default_without_pretrained_weights():
    assert default_network.default_network()[0] == "photos"
    model, said = choose_model(None, "cpu")
    assert model.name == "photos" and "no pretrained SqueezeNet weights in the cache folder" in said


def test_pretrained_weights_come_first(monkeypatch):
    monkeypatch.setattr(default_network, "cached_models", lambda: ["alexnet", "squeezenet1_0", "squeezenet1_1"])
    name, reason = default_network.default_network()
    assert name == "squeezenet1_1" and "pretrained weights found in" in reason


def test_drawn_pictures_are_for_the_network_of_drawn_shapes():
    assert network_for(None, has_photos=False) == "shapes" and network_for(None, has_photos=True) is None
    assert network_for("digits", has_photos=False) == "digits"
