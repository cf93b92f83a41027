"""A decoder for any network of photographs: it computes a photo from activations. It is trained on a collection."""

from collections.abc import Sequence

import numpy as np

from minicnn.errors import InputError
from minicnn.layers import AvgPool2D, BatchNorm2D, Concat, Conv2D, ReLU, Upsample2D
from minicnn.network import Network

WIDTHS = (96, 64, 64, 48, 32, 24, 16, 12)  # channels at the grid's size, and after each doubling


def code_grid(size: int) -> int:
    """Return the side of a code's grid for pictures of size x size pixels: from 4 to 7, so that doublings give `size`.

    Raises InputError for a size that no such grid reaches in two to seven doublings.

    >>> code_grid(128), code_grid(224)
    (4, 7)
    """
    for grid in (4, 5, 6, 7):
        if size % grid == 0 and size // grid in (4, 8, 16, 32, 64, 128):
            return grid
    raise InputError(f"a decoder cannot make pictures of {size}x{size} pixels: 4, 5, 6 or 7 pixels, doubled several "
                     "times, must give the side of the network's input, as for 64, 128 and 224")


def photo_encoder(net: Network, layers: Sequence[str]) -> Network:
    """Return the network up to the code of a picture, (C, grid, grid): layers, each averaged over parts of the picture.

    layers : from shallow to deep. A shallow one holds the colours, a deep one the content.
    Raises InputError if a layer has fewer units than the grid, or if no decoder fits the size of the input.

    >>> photo_encoder(net, ["relu1", "relu5"]).output
    'code'
    """
    grid, shapes = code_grid(net.input_shape[1]), net.shapes()
    encoder = net.trunk(layers[-1])
    parts = []
    for layer in layers:
        side = shapes[layer][2] if len(shapes[layer]) == 4 else 1
        window = -(-side // grid)
        if -(-side // window) != grid:
            raise InputError(f"{layer} has maps of {side}x{side}, which do not divide into {grid}x{grid} parts; choose "
                             "an earlier layer")
        parts.append(encoder.add(f"code of {layer}", AvgPool2D(window, ceil=True), layer))
    encoder.add("code", Concat(), *parts)
    return encoder


def photo_decoder(seed: int | None = 0, code_channels: int = 416, size: int = 128) -> Network:
    """Return a network from a code (code_channels, grid, grid) of `photo_encoder` to a picture (3, size, size).

    An up-convolutional network (Dosovitskiy and Brox 2016, arXiv:1602.02644). `norm0` holds the mean and the variance
    of each channel in the codes of the training photos.
    seed : of the initial weights (He et al. 2015). None gives zeros, for weights to load.

    >>> photo_decoder(code_channels=20, size=64).predict(np.zeros((1, 20, 4, 4), "float32")).shape
    (1, 3, 64, 64)
    """
    rng = None if seed is None else np.random.default_rng(seed)
    grid = code_grid(size)
    net = Network((code_channels, grid, grid))
    net.add("norm0", BatchNorm2D(code_channels))
    net.add("conv0", Conv2D(code_channels, WIDTHS[0], 1, rng=rng))
    net.add("relu0", ReLU())
    side, channels, number = grid, WIDTHS[0], 0
    while side < size:
        number += 1
        if number > 1:  # the first convolution is at the grid's size
            net.add(f"upsample{number}", Upsample2D())
            side *= 2
        if side < size:  # the last doubling is followed by the picture only
            net.add(f"conv{number}", Conv2D(channels, WIDTHS[number], 3, pad=1, rng=rng))
            net.add(f"norm{number}", BatchNorm2D(WIDTHS[number]))
            net.add(f"relu{number}", ReLU())
            channels = WIDTHS[number]
    net.add("picture", Conv2D(channels, 3, 3, pad=1, rng=rng))
    return net
