"""The settings of style transfer: sizes, and layers of the presets."""

import dataclasses
import math

from style_problems import PLAIN

from minicnn import models
from minicnn.visualize import StyleSettings
from minicnn.visualize.style.settings import STYLE_PRESETS


def test_sizes_go_up_by_the_square_root_of_2():
    assert dataclasses.replace(PLAIN, size=512, coarse=128).sizes() == [128, 181, 256, 362, 512]
    assert dataclasses.replace(PLAIN, size=512, coarse=400).sizes() == [512] == StyleSettings({"a": 1.0}, {}).sizes()


def test_the_size_of_the_style_is_rounded_up():
    assert dataclasses.replace(PLAIN, style_scale=0.3).style_size(101) == math.ceil(30.3)
    for name, size in (("composition-vii", 512), ("the-scream", 224), ("starry-night", 192)):
        assert STYLE_PRESETS[name].style_size(192) == size


def test_networks_have_the_layers_of_their_presets():
    nets = {"squeezenet1_1": ("composition-vii", "the-scream", "starry-night", "squeezenet"),
            "squeezenet1_0": ("composition-vii", "the-scream", "starry-night", "squeezenet"),
            "vgg19": ("neural-style", "gatys"), "vgg16": ("neural-style", "gatys"), "shapes": ("shapes",)}
    for name, presets in nets.items():
        net = models.build_network(name)
        for preset in presets:
            settings = STYLE_PRESETS[preset]
            assert all(layer in net.positions for kind in settings.weighted_layers() for layer in kind)
