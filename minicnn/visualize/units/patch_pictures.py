"""Patches as pictures: the pixels that a unit depends on, cut out of an image, and their guided gradient."""

import numpy as np

from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.network import Network
from minicnn.receptive_field import ReceptiveField
from minicnn.visualize.attribution.guided_backprop import guided_backprop

GREY = {"u": 128, "f": 0.5}  # the middle grey of a picture, by the kind of its type

Slices = tuple[slice, slice]  # of rows and columns


def crop_patch(image: Array, field: ReceptiveField | None, y: int, x: int, fill: float | None = None,
               channels_last: bool | None = None) -> Array:
    """Return the field.size x field.size pixels that unit (y, x) depends on, in the layout of the image.

    Parameters
    ----------
    image : (H, W, 3) or (C, H, W).
    field : the layer's ReceptiveField.
    y, x : the unit's position in the layer's map.
    fill : value of pixels outside the image. By default a middle grey in a picture (H, W, 3), and 0 in (C, H, W), which
        is the mean colour and the network's own padding.
    channels_last : True for (H, W, 3), False for (C, H, W). By default, True if the last side is 3.

    Raises
    ------
    InputError if the units depend on the whole image (field is None).

    Examples
    --------
    >>> crop_patch(photo, minicnn.visualize.receptive_field(net, "relu2"), y=5, x=5).shape
    (12, 12, 3)
    """
    if field is None:
        raise InputError("the units of this layer depend on the whole picture; choose a layer with maps")
    picture = image.shape[-1] == 3 if channels_last is None else channels_last
    height, width = image.shape[:2] if picture else image.shape[1:]
    if fill is None:
        fill = GREY.get(image.dtype.kind, 0) if picture else 0
    size = field.size
    patch = np.full((size, size, 3) if picture else (len(image), size, size), fill, image.dtype)
    in_image, in_patch = field_slices(field, y, x, height, width)
    channels = () if picture else (slice(None),)
    patch[channels + in_patch] = image[channels + in_image]
    return patch


def place_patch(patch: Array, field: ReceptiveField, y: int, x: int, height: int, width: int) -> Array:
    """Return an input (C, height, width) with `patch`, (C, size, size), in the receptive field of unit (y, x), else 0.

    This is the inverse of `crop_patch`: unit (y, x) gets exactly the patch.
    """
    canvas = np.zeros((len(patch), height, width), patch.dtype)
    in_image, in_patch = field_slices(field, y, x, height, width)
    canvas[(slice(None),) + in_image] = patch[(slice(None),) + in_patch]
    return canvas


def field_slices(field: ReceptiveField, y: int, x: int, height: int, width: int) -> tuple[Slices, Slices]:
    """Return the part of the receptive field of unit (y, x) that is inside the image: (in the image, in the patch)."""
    top, bottom, left, right = field.box(y, x, height, width)
    first_row, first_column = field.start + field.stride * y, field.start + field.stride * x
    return ((slice(top, bottom), slice(left, right)),
            (slice(top - first_row, bottom - first_row), slice(left - first_column, right - first_column)))


def guided_patch(net: Network, x: Array, layer: str, channel: int, position: tuple[int, int],
                 field: ReceptiveField) -> Array:
    """Return the guided gradient of one neuron in its receptive field, (C, size, size) on the host.

    Only a window of the image around the receptive field is computed.

    Parameters
    ----------
    net : the network.
    x : one image, (1, C, H, W).
    layer, channel, position : the neuron; position is (y, x) in the layer's map.
    field : the layer's ReceptiveField.

    References
    ----------
    Springenberg et al. 2014 (arXiv:1412.6806), figure 3.

    Examples
    --------
    >>> field = minicnn.visualize.receptive_field(net, "relu2")
    >>> guided_patch(net, x, "relu2", channel=4, position=(8, 8), field=field).shape
    (3, 12, 12)
    """
    top, bottom, left, right = field.box(*position, *x.shape[2:])
    # The window begins at a multiple of the layer's stride, so that all strides meet the same pixels as in the image.
    row, column = top // field.stride, left // field.stride
    window = x[:, :, row * field.stride:bottom, column * field.stride:right]
    unit = position[0] - row, position[1] - column
    return crop_patch(guided_backprop(net, window, layer, channel, unit)[0], field, *unit, channels_last=False)


def shrink_patch(patch: Array, factor: int) -> Array:
    """Return the mean of each factor x factor pixels, (C, S, S) -> (C, S // factor, S // factor).

    Rows and columns beyond the last whole block are dropped.
    """
    C, side = len(patch), patch.shape[1] // factor
    blocks = patch[:, :side * factor, :side * factor].reshape(C, side, factor, side, factor)
    return blocks.mean(axis=(2, 4), dtype=np.float32)
