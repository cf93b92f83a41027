"""Patches as pictures: the pixels that a unit depends on, cut out of an image, and their guided gradient."""

import numpy as np

from minicnn.arguments import describe, require_flag, require_kind, require_number, require_whole
from minicnn.array_likes import as_numbers
from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.network import Network
from minicnn.receptive_field import ReceptiveField
from minicnn.visualize.arrays import as_picture
from minicnn.visualize.attribution.guided_backprop import guided_backprop
from minicnn.visualize.entry import enter, require_channel, require_layer, require_maps, require_position

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
    require_field(field)
    image, picture = image_and_layout(image, channels_last)
    height, width = image.shape[:2] if picture else image.shape[1:]
    require_unit(field, y := require_whole("y", y), x := require_whole("x", x), height, width)
    if fill is None:
        fill = GREY.get(image.dtype.kind, 0) if picture else 0
    fill = require_number("fill", fill, *((0, 255) if image.dtype == np.uint8 else ()))
    size = field.size
    patch = np.full((size, size, 3) if picture else (len(image), size, size), fill, image.dtype)
    in_image, in_patch = field_slices(field, y, x, height, width)
    channels = () if picture else (slice(None),)
    patch[channels + in_patch] = image[channels + in_image]
    return patch


def image_and_layout(image: Array, channels_last: bool | None) -> tuple[Array, bool]:
    """Return an image for `crop_patch`, uint8 or floating-point, and whether its channels are last."""
    image = as_numbers("image", image)
    if image.ndim != 3 or not image.size:
        raise InputError(f"expected an image of shape (H, W, 3) or (C, H, W), got {describe(image)}")
    last = image.shape[-1] == 3 if channels_last is None else require_flag("channels_last", channels_last)
    if image.dtype.kind != "f":
        image = as_picture("image", image) if last else image.astype(np.float32)
    return image, last


def require_field(field: ReceptiveField) -> ReceptiveField:
    """Return the receptive field. Raises InputError for anything else."""
    return require_kind("field", field, ReceptiveField, "give receptive_field(net, layer)")


def require_unit(field: ReceptiveField, y: int, x: int, height: int, width: int) -> None:
    """Raise InputError if the receptive field of unit (y, x) has no pixel in an image of height x width."""
    top, bottom, left, right = field.box(y, x, height, width)
    if top >= bottom or left >= right:
        raise InputError(f"unit {(y, x)} depends on no pixel of an image of {width}x{height}; give a position in the "
                         "layer's map")


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
    x, layer = enter(net, x), require_layer(net, layer)
    shape = net.trunk(layer).shapes(x.shape[1:])[layer]
    require_maps(layer, shape)
    channel, (down, across) = require_channel(layer, channel, shape[1]), require_position(layer, position, shape[2:])
    require_field(field)
    top, bottom, left, right = field.box(down, across, *x.shape[2:])
    # The window begins at a multiple of the layer's stride, so that all strides meet the same pixels as in the image.
    row, column = top // field.stride, left // field.stride
    window = x[:, :, row * field.stride:bottom, column * field.stride:right]
    unit = down - row, across - column
    return crop_patch(guided_backprop(net, window, layer, channel, unit)[0], field, *unit, channels_last=False)


def shrink_patch(patch: Array, factor: int) -> Array:
    """Return the mean of each factor x factor pixels, (C, S, S) -> (C, S // factor, S // factor).

    Rows and columns beyond the last whole block are dropped.
    """
    C, side = len(patch), patch.shape[1] // factor
    blocks = patch[:, :side * factor, :side * factor].reshape(C, side, factor, side, factor)
    return blocks.mean(axis=(2, 4), dtype=np.float32)
