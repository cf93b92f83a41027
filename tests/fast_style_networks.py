"""Small networks, photos and settings shared by the tests of fast style transfer."""

import numpy as np
from two_stages import network

from minicnn.datasets.drawings import draw_style
from minicnn.gradient_check import directional_error
from minicnn.layers import InstanceNorm2D
from minicnn.models import transform_network
from minicnn.visualize import StyleSettings

SETTINGS = StyleSettings(content_layers={"relu2": 1.0}, style_layers={"relu1": 1.0, "relu2": 2.0}, style_weight=3.0,
                         tv_weight=0.1, reduction="relative", pooling="avg", size=24)


def device(xp):
    return "cpu" if xp is np else "gpu"


def painter(xp=np, dtype="float32"):
    """Return a transform network with random scales and shifts."""
    rng = np.random.default_rng(1)
    net = transform_network(1, (4, 6, 8), 2)
    for layer in net.parameter_layers().values():
        if isinstance(layer, InstanceNorm2D):
            layer.params = {key: values + 0.3 * rng.standard_normal(values.shape, np.float32)
                            for key, values in layer.params.items()}
    return net.astype(dtype).to_device(device(xp))


def critic(xp=np, dtype="float32"):
    """Return a loss network."""
    return network(xp, dtype).trunk("relu2")


def photo(height=37, width=44):
    return np.random.default_rng(2).integers(0, 256, (height, width, 3), np.uint8)


def strokes():
    return draw_style("strokes", np.random.default_rng(0), 24)


def check_slopes(net, gradients, names, total, rng):
    """Assert that the gradients to the parameters of these layers are the slopes of total()."""
    for name in names:
        params = net.layer(name).params
        for key in params:
            if name != "deconv3" and key == "b":
                continue  # the normalization removes the mean, so the slope is 0

            def of_parameter(values, params=params, key=key):
                before, params[key] = params[key], values
                value = total()
                params[key] = before
                return value
            assert directional_error(of_parameter, params[key], gradients[name][key], rng, directions=2) < 1e-6, name
