"""The rows of a grid of neurons: natural pictures, sizes, and the images of layers that are linear in the pixels."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from minicnn import images
from minicnn.layers import BatchNorm2D, Conv2D, ReLU
from minicnn.models import Model
from minicnn.network import Network
from minicnn.receptive_field import receptive_field
from minicnn.visualize.attribution.guided_backprop import neuron_gradient
from minicnn.visualize.synthesis.neuron_view import neuron_view

from .patches import Source, drawn_sources
from .shared.default_network import SHAPES

GREY, GAP = 128, 200  # levels of zero and of the gaps between images


def whole_field_view(net: Network, layer: str) -> tuple[int, tuple[int, int] | None]:
    """Return (size, position) of the smallest image that holds a neuron's receptive field without padding.

    The image may be larger than the network's input, as deep neurons see more than a whole input. If the receptive
    field is not known, the image is the network's input.
    """
    field = receptive_field(net, layer)
    if field is None:
        return neuron_view(net, layer)
    first = -(field.start // field.stride)  # the first neuron whose receptive field starts inside the image
    return neuron_view(net, layer, field.start + field.stride * first + field.size, (first, first))


def natural_sources(model: Model, photos: Sequence[np.ndarray], count: int, seed: int) -> list[Source]:
    """Return `count` drawn shapes for the network `shapes`; for other networks, parts of the photos."""
    return drawn_sources(model, count, seed) if model.name == SHAPES else photo_crops(model, photos, count, seed)


def photo_crops(model: Model, photos: Sequence[np.ndarray], count: int, seed: int) -> list[Source]:
    """Return `count` Sources of random squares of the photos, uint8 (H, W, 3), in the network's size, half mirrored."""
    rng, sources = np.random.default_rng([seed, 17]), []
    for n in range(count):
        photo = photos[n % len(photos)]
        short = min(photo.shape[:2])
        side = int(rng.integers(max(1, short // 3), short + 1))
        top, left = (int(rng.integers(0, length - side + 1)) for length in photo.shape[:2])
        square = images.resize(photo[top:top + side, left:left + side], *2 * [model.preprocessing.crop])
        sources.append(Source(f"part {n + 1}", partial(np.asarray, square[:, ::-1] if n % 2 else square)))
    return sources


def is_linear(net: Network, layer: str) -> bool:
    """Return True if the layer is the first convolution or its ReLU, so that active neurons are linear in the pixels.
    """
    layers = [node.layer for node in net.trunk(layer).nodes]
    return isinstance(layers[0], Conv2D) and all(isinstance(one, BatchNorm2D | ReLU) for one in layers[1:])


def finished_pictures(model: Model, kind: str, layer: str, channels: list[int],
                      images: np.ndarray) -> dict[str, np.ndarray]:
    """Return {word for its file: picture, uint8 (H, W, 3)} of each of the images; equal channels are numbered."""
    made = {}
    for n, (channel, picture) in enumerate(zip(channels, model.preprocessing.to_images(images), strict=True)):
        number = [str(channels[:n + 1].count(channel))] if channels.count(channel) > 1 else []
        made["_".join((kind, layer, *([str(channel)] if kind != "layer" else []), *number))] = picture
    return made


def unit_norm_images(model: Model, layer: str, channels: list[int], position: tuple[int, int] | None,
                     images: np.ndarray) -> np.ndarray:
    """Return the images of unit norm that maximize neurons of a linear layer, uint8 (N, H, W, 3), around grey.

    In a box of colours, the optimum of a linear function is its sign, which is black and white. Among the images of one
    norm it is the filter itself. Each image is shown with the same contrast.

    images : (N, C, H, W), in which the neurons are active.
    """
    shown = []
    for image, channel in zip(images, channels, strict=True):
        gradient = neuron_gradient(model.net, image[None], layer, channel, position, ReLU)
        filtered = model.preprocessing.to_pixel_directions(gradient)[0].transpose(1, 2, 0)
        largest = np.abs(filtered).max() or 1.0
        shown.append(np.rint(GREY + 127 * filtered / largest).clip(0, 255).astype(np.uint8))
    return np.stack(shown)
