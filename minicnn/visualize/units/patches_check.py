"""The objective numbers of the patches with the largest activations."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from minicnn.backend import Array, to_device, to_host
from minicnn.errors import InputError
from minicnn.network import Network
from minicnn.receptive_field import ReceptiveField, receptive_field
from minicnn.visualize.attribution.guided_backprop import guided_backprop
from minicnn.visualize.check import Check, below
from minicnn.visualize.units.patch_pictures import crop_patch, place_patch
from minicnn.visualize.units.patches import TopPatches, channel_maxima

SAMPLE = 16  # patches, and pictures, that are computed again, evenly spread over all

Load = Callable[[int], Array]  # the number of a picture -> its input x (1, C, H, W)


def check_patches(net: Network, layer: str, channels: Sequence[int], patches: TopPatches, num_images: int,
                  load: Load) -> list[Check]:
    """Return the Checks that the patches have the largest activations, and that a crop is all that its unit depends on.

    patches : a row for each of `channels`, from `num_images` pictures. load : a function from the number of a picture
    to its input x (1, C, H, W).
    """
    layer = net.find(layer)
    return [*check_order(net, layer, channels, patches, num_images, load),
            *check_crops(net, layer, channels, patches, load)]


def check_order(net: Network, layer: str, channels: Sequence[int], patches: TopPatches, num_images: int,
                load: Load) -> list[Check]:
    """Return the Checks that some pictures, computed again one by one, have the right place in the order.

    A picture in the top has the same activation as before. Any other picture has no larger activation than the last of
    the top.
    """
    wrong, beyond = 0.0, 0.0
    images = spread(range(num_images), SAMPLE)
    for image in images:
        maxima = channel_maxima(net, load(image), layer)
        for row, channel in enumerate(channels):
            value, last = float(maxima["values"][0, channel]), float(patches.values[row, -1])
            rank = np.flatnonzero(patches.images[row] == image)
            scale = max(abs(last), abs(value), 1e-30)
            if rank.size:
                wrong = max(wrong, abs(value - float(patches.values[row, rank[0]])) / scale)
            else:
                beyond = max(beyond, (value - last) / scale)
    again = f"{len(images)} of {num_images} pictures computed again, one by one"
    return [below(f"{again}: activations in the top, relative error", wrong, 1e-4),
            below("excess of other pictures over the last of the top, as a share", beyond, 1e-4)]


def check_crops(net: Network, layer: str, channels: Sequence[int], patches: TopPatches, load: Load) -> list[Check]:
    """Return the Checks that a crop alone, surrounded by zeros, gives its unit the same activation as the picture.

    It also gives another unit the same activation, if it is moved there by whole strides and no padding is near. The
    gradient of the neuron is exactly zero outside the crop.
    """
    field = receptive_field(net, layer)
    positive = [(row, rank) for row, rank in np.ndindex(patches.values.shape) if patches.values[row, rank] > 0]
    if not positive:
        return [Check("patches with an activation above zero", 0, "reported: these channels are silent", True)]
    if field is None:
        raise InputError(f"the units of {layer!r} depend on the whole picture; choose a layer with maps")
    alone, moved, outside = 0.0, [], 0.0
    for row, rank in spread(positive, SAMPLE):
        value, image, *position = (part[row, rank].item() for part in patches)
        x, unit = load(image), (position[0], position[1])
        crop = crop_patch(x[0], field, *unit, channels_last=False)
        height, width = x.shape[2:]
        alone = max(alone, abs(replay(net, layer, channels[row], crop, field, unit, height, width) / value - 1))
        other = another_unit(field, unit, height, width)
        if other:
            moved.append(abs(replay(net, layer, channels[row], crop, field, other, height, width) / value - 1))
        if rank == 0:
            outside = max(outside, gradient_outside(net, x, layer, channels[row], unit, field))
    checks = [below("activation of a crop alone, surrounded by zeros, against its picture, relative error",
                    alone, 1e-4),
              below("largest gradient outside the crop", outside, 0.0)]
    if moved:
        checks.insert(1, below(f"the same with {len(moved)} crops moved by whole strides to another unit",
                               max(moved), 1e-4))
    return checks


def gradient_outside(net: Network, x: Array, layer: str, channel: int, unit: tuple[int, int],
                     field: ReceptiveField) -> float:
    """Return the largest absolute guided gradient of a neuron outside its receptive field."""
    gradient = np.abs(guided_backprop(net, x, layer, channel, unit)[0])
    top, bottom, left, right = field.box(*unit, *x.shape[2:])
    gradient[:, top:bottom, left:right] = 0
    return float(gradient.max())


def replay(net: Network, layer: str, channel: int, crop: Array, field: ReceptiveField, unit: tuple[int, int],
           height: int, width: int) -> float:
    """Return the activation of a unit for an image of height x width that is 0 except for the crop in its field."""
    canvas = place_patch(crop, field, *unit, height, width)[None]
    return float(to_host(net.predict(to_device(canvas, net.device), layer))[0, channel][unit])


def another_unit(field: ReceptiveField, unit: tuple[int, int], height: int, width: int) -> tuple[int, int] | None:
    """Return a unit (y, x) far from `unit`, if both receptive fields are inside the image; otherwise None."""
    if not field.fits(*unit, height, width):
        return None
    rows = [y for y in range(height) if field.fits(y, unit[1], height, width)]
    columns = [x for x in range(width) if field.fits(unit[0], x, height, width)]
    other = (max(rows, key=lambda y: abs(y - unit[0])), max(columns, key=lambda x: abs(x - unit[1])))
    return other if other != unit else None


def spread(items: Iterable[Any], count: int) -> list[Any]:
    """Return `count` of the items, evenly spread, with the first and the last one; all of them if there are fewer."""
    items = list(items)
    if len(items) <= count:
        return items
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]
