"""The presets of style and texture for a network, chosen by the layers that it has."""

from minicnn.backend import to_device
from minicnn.datasets.drawings import draw_scene
from minicnn.models import Model
from minicnn.visualize.style.settings import STYLE_PRESETS, StyleSettings, style_of_layers
from minicnn.visualize.texture.gram import TEXTURE_PRESETS, TextureSettings, texture_of_layers

from .layers import style_layers

BY_LAYERS = "layers"  # the preset for any network
SMALL = 100           # side of the input, pixels; the preset `shapes` is for smaller networks
CAFFE_SCALE = 5.0     # mean of relu1_1; Caffe's VGG has more, a normalised VGG about 1


def style_presets(model: Model) -> dict[str, StyleSettings]:
    """Return STYLE_PRESETS and the preset BY_LAYERS for this network."""
    return STYLE_PRESETS | {BY_LAYERS: style_of_layers(*style_layers(model.net))}


def default_style(model: Model) -> str:
    """Return the name of the style preset for a network."""
    if fits(model, STYLE_PRESETS["squeezenet"]):
        return "squeezenet"
    if fits(model, STYLE_PRESETS["shapes"]) and model.net.input_shape[1] < SMALL:
        return "shapes"
    if fits(model, STYLE_PRESETS["neural-style"]) and first_mean(model) > CAFFE_SCALE:
        return "neural-style"
    return BY_LAYERS


def texture_presets(model: Model) -> dict[str, TextureSettings]:
    """Return TEXTURE_PRESETS and the preset BY_LAYERS for this network."""
    return TEXTURE_PRESETS | {BY_LAYERS: texture_of_layers(style_layers(model.net)[1][:4])}


def default_texture(model: Model) -> str:
    """Return the name of the texture preset for a network."""
    names = model.net.positions.keys()
    if names >= set(TEXTURE_PRESETS["squeezenet"].layers):
        return "squeezenet"
    if names >= set(TEXTURE_PRESETS["shapes"].layers) and model.net.input_shape[1] < SMALL:
        return "shapes"
    if names >= set(TEXTURE_PRESETS["gatys"].layers) and model.preprocessing.unit == 1:
        if first_mean(model) < CAFFE_SCALE:  # the weights of the preset are for a normalised VGG-19
            return "gatys"
    return BY_LAYERS


def fits(model: Model, settings: StyleSettings) -> bool:
    """Return True if the network has all layers of the settings."""
    return model.net.positions.keys() >= {layer for kind in settings.weighted_layers() for layer in kind}


def first_mean(model: Model) -> float:
    """Return the mean activation of relu1_1 on a drawn landscape: the scale of VGG's weights."""
    x = model.preprocessing.to_input(draw_scene(model.preprocessing.crop))
    return float(model.net.predict(to_device(x, model.net.device), "relu1_1").mean())
