"""Images that maximize a neuron, the mean of a channel, or the norm of a layer."""

from collections.abc import Callable, Sequence

import numpy as np

from minicnn.arguments import Seed
from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.losses import ChannelMean, Likeness, NeuronActivation
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.progress import Progress
from minicnn.visualize.entry import require_channel, require_channels, require_layer
from minicnn.visualize.synthesis.ascent import ascend, require_ascent
from minicnn.visualize.synthesis.ascent_settings import CS231N, AscentSettings
from minicnn.visualize.synthesis.class_visualization import count_images
from minicnn.visualize.synthesis.deepdream import dream_loss
from minicnn.visualize.synthesis.neuron_view import layer_shape, map_side, neuron_view


def neuron_visualization(net: Network, layer: str, channel: int | Sequence[int], preprocessing: Preprocessing,
                         settings: AscentSettings | None = None, *, rng: Seed,
                         position: tuple[int, int] | None = None, size: int | None = None,
                         callback: Callable | None = None,
                         checkpoint: Checkpoint | None = None) -> tuple[np.ndarray, list[Progress]]:
    """Return an image that maximizes one neuron of a layer, (1, C, size, size) on the host, and the history.

    Parameters
    ----------
    net : the network.
    layer : the name of any layer.
    channel : a channel, or a sequence of N channels for N images, (N, C, size, size).
    preprocessing : of the network's weights.
    settings : the AscentSettings, such as a preset in NEURON_PRESETS; by default, DISTILL, or CS231N for networks of
        drawings, see `default_settings`.
    rng : the generator of the first image and the jitter, or a seed.
    position : (y, x) in the layer's map. By default, see `neuron_view`.
    size : the side of the image in pixels. By default, the side of the receptive field or of the network's input,
        whichever is smaller.
    callback : called with (Progress, image) after each step.
    checkpoint : a Checkpoint for resuming an interrupted run.

    References
    ----------
    Erhan et al. 2009, "Visualizing higher-layer features of a deep network". Yosinski et al. 2015
    (arXiv:1506.06579), section 4.

    Examples
    --------
    >>> quick = AscentSettings(num_steps=2, start_noise=1.0)
    >>> image, history = neuron_visualization(net, "relu2", [3, 4], model.preprocessing, quick, rng=rng)
    >>> image.shape  # one image for each channel, as large as the neuron's receptive field
    (2, 3, 13, 13)
    """
    settings, largest = require_ascent(net, preprocessing, settings, CS231N, size, callback, checkpoint)
    require_no_margin(settings)
    layer = require_layer(net, layer)
    size, position = neuron_view(net, layer, None if size is None else largest, position)
    channel = require_channels(layer, channel, layer_shape(net, layer, size)[1])
    return ascend(net, [(1.0, NeuronActivation(layer, channel, position)), *diversity(layer, settings)], preprocessing,
                  (count_images(channel), size), settings, rng=rng, callback=callback, checkpoint=checkpoint)


def channel_visualization(net: Network, layer: str, channel: int | Sequence[int], preprocessing: Preprocessing,
                          settings: AscentSettings | None = None, *, rng: Seed, size: int | None = None,
                          callback: Callable | None = None,
                          checkpoint: Checkpoint | None = None) -> tuple[np.ndarray, list[Progress]]:
    """Return an image that maximizes the mean of a channel, (1, C, size, size) on the host, and the history.

    channel : a channel, or a sequence of N channels for N images. size : the side of the image in pixels; by default,
    the side of the network's input. The other parameters are the same as in `neuron_visualization`.
    Raises InputError if the layer has no maps, or no such channel.

    >>> quick = AscentSettings(num_steps=3, start_noise=1.0)
    >>> image, history = channel_visualization(net, "relu2", 5, model.preprocessing, quick, rng=rng)
    >>> history[-1].values[0] > history[0].values[0]
    True
    """
    settings, size = require_ascent(net, preprocessing, settings, CS231N, size, callback, checkpoint)
    layer = require_layer(net, layer)
    require_no_margin(settings)
    channel = require_channels(layer, channel, layer_shape(net, layer, size)[1])
    if map_side(net, layer, size) is None:
        raise InputError(f"layer {layer!r} has no maps, so it has no channels; visualize its neurons")
    return ascend(net, [(1.0, ChannelMean(layer, channel)), *diversity(layer, settings)], preprocessing,
                  (count_images(channel), size), settings, rng=rng, callback=callback, checkpoint=checkpoint)


def layer_visualization(net: Network, layer: str, preprocessing: Preprocessing,
                        settings: AscentSettings | None = None, *, rng: Seed, channel: int | None = None,
                        guide: Array | None = None, size: int | None = None, callback: Callable | None = None,
                        checkpoint: Checkpoint | None = None) -> tuple[np.ndarray, list[Progress]]:
    """Return an image that maximizes half the squared norm of a layer, (1, C, size, size) on the host, and the history.

    This is the objective of DeepDream (Mordvintsev et al. 2015), starting from noise. channel : one channel of the
    layer; by default, all of them. guide : a photo (1, C, h, w), as in `deep_dream`. size : the side of the image in
    pixels; by default, the side of the network's input. The other parameters are the same as in `neuron_visualization`.
    Raises InputError if the layer has no such channel, or if both a channel and a guide are given.

    >>> quick = AscentSettings(num_steps=3, start_noise=1.0)
    >>> image, history = layer_visualization(net, "relu2", model.preprocessing, quick, rng=rng)
    >>> history[-1].values[0] > history[0].values[0]
    True
    """
    settings, size = require_ascent(net, preprocessing, settings, CS231N, size, callback, checkpoint)
    layer = require_layer(net, layer)
    require_no_margin(settings)
    shape = layer_shape(net, layer, size)  # raises InputError if the image is too small for the layer
    channel = None if channel is None else require_channel(layer, channel, shape[1])
    return ascend(net, [(1.0, dream_loss(net, layer, channel, guide))], preprocessing, (1, size), settings, rng=rng,
                  callback=callback, checkpoint=checkpoint)


def diversity(layer: str, settings: AscentSettings) -> list[tuple[float, Likeness]]:
    """Return the term, negative, of the likeness of several images; none if its weight is 0."""
    return [(-settings.diversity_weight, Likeness(layer))] if settings.diversity_weight else []


def require_no_margin(settings: AscentSettings) -> None:
    """Raise InputError if the settings weigh the margin between classes."""
    if settings.margin_weight:
        raise InputError(f"margin_weight is {settings.margin_weight:g}, but only classes have a margin; give 0, or a "
                         "preset of NEURON_PRESETS")
