"""The presets of style and texture are chosen by the layers that a network has, and by the scale of its weights."""

from dataclasses import replace

import numpy as np
import pytest

from demos.shared.layers import style_layers
from demos.shared.preset_choice import BY_LAYERS, default_style, default_texture, style_presets, texture_presets
from demos.shared.style_inputs import drawn_sources
from minicnn.models import Model, build_network, load_model
from minicnn.models.preprocessing import CAFFE_VGG, TORCHVISION
from minicnn.visualize.style.settings import NEURAL_STYLE
from minicnn.visualize.style.transfer import transfer_style

pytestmark = pytest.mark.usefixtures("empty_cache")


def model_of(architecture, last=None, preprocessing=TORCHVISION, bias=None):
    """Return a Model without weights; bias : of the first convolution."""
    net = build_network(architecture, last=last)
    if bias is not None:
        net.nodes[0].layer.params["b"][...] = bias
    return Model(net, preprocessing, [], architecture)


@pytest.mark.parametrize(("architecture", "last", "preprocessing", "bias", "style", "texture"), [
    ("shapes", None, TORCHVISION, None, "shapes", "shapes"),
    ("squeezenet1_1", None, TORCHVISION, None, "squeezenet", "squeezenet"),
    ("squeezenet1_1", "fire3/concat", TORCHVISION, None, BY_LAYERS, BY_LAYERS),
    ("resnet18", None, TORCHVISION, None, BY_LAYERS, BY_LAYERS),
    ("alexnet", None, TORCHVISION, None, BY_LAYERS, BY_LAYERS),
    ("vgg19", "relu5_1", CAFFE_VGG, 50.0, "neural-style", BY_LAYERS),
    ("vgg19", "relu5_1", CAFFE_VGG, 1.0, BY_LAYERS, "gatys"),      # normalised
    ("vgg19", "relu5_1", TORCHVISION, 0.4, BY_LAYERS, BY_LAYERS),
    ("vgg19", "relu3_1", CAFFE_VGG, 1.0, BY_LAYERS, BY_LAYERS),
])
def test_the_default_preset(architecture, last, preprocessing, bias, style, texture):
    model = model_of(architecture, last, preprocessing, bias)
    assert (default_style(model), default_texture(model)) == (style, texture)
    for name, presets in ((style, style_presets), (texture, texture_presets)):
        settings = presets(model)[name]
        kinds = [settings.layers] if presets is texture_presets else settings.weighted_layers()
        assert all(layer in model.net.positions for kind in kinds for layer in kind)


def test_a_normalised_vgg_paints_instead_of_a_grey_picture(test_data, tmp_path):
    """Total variation by neural-style's weight wins over activations of about 1: the picture turns grey."""
    from weights_converter.__main__ import main as convert
    source = test_data / "weights" / "vgg19_normalised_conv1_1-conv3_1.npz"
    assert convert([str(source), "--features-only", "-o", str(tmp_path / "vgg.h5")]) in (0, None)
    model = load_model(tmp_path / "vgg.h5", "cpu").fast()
    assert default_style(model) == BY_LAYERS
    sources = drawn_sources(64)
    content, style = style_layers(model.net)
    old = replace(NEURAL_STYLE, content_layers={content: 1.0}, style_layers=dict.fromkeys(style, 1.0))
    contrast, falls = {}, {}
    for name, settings in (("neural-style", old), (BY_LAYERS, style_presets(model)[BY_LAYERS])):
        made = transfer_style(model.net, sources.content, sources.styles, model.preprocessing,
                              replace(settings, size=64, num_steps=30), rng=np.random.default_rng(0))
        contrast[name] = made.picture.astype(float).std()
        terms = slice(1, 1 + len(style))
        falls[name] = sum(made.history[-1].values[terms]) / sum(made.history[0].values[terms])
    assert contrast["neural-style"] < 20 < 40 < contrast[BY_LAYERS]
    assert falls["neural-style"] > 0.9 and falls[BY_LAYERS] < 0.1
