"""The objective numbers of the patches with the largest activations."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn.backend import Array, to_device, to_host
from minicnn.errors import InputError
from minicnn.network import Network
from minicnn.receptive_field import ReceptiveField, receptive_field
from minicnn.visualize.attribution.derivatives_check import relative_distance
from minicnn.visualize.attribution.guided_backprop import guided_backprop
from minicnn.visualize.attribution.guided_backprop_check import ruled_gradient
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.units.patch_pictures import crop_patch, place_patch
from minicnn.visualize.units.patches import TopPatches, channel_maxima

WEAK = 0.05  # share of the layer's largest activation below which the rounding of float32 may exceed the bounds
SAMPLE = 16  # patches, and pictures, that are computed again, evenly spread over all

GRADIENTS = 3  # patches whose guided gradient is computed again

Load = Callable[[int], Array]  # the number of a picture -> its input x (1, C, H, W)


class Shown(NamedTuple):
    """The tiles of a picture of patches, each (channels, top, side, side, 3) in 0..1, and how they were made.

    load : the number of a picture -> the picture, uint8 (H, W, 3). colour : a gradient in the receptive field,
    (C, size, size) -> its tile.
    """

    crops: Array
    gradients: Array
    load: Load
    colour: Callable[[Array], Array]


def check_patches(net: Network, layer: str, channels: Sequence[int], patches: TopPatches, num_images: int,
                  load: Load, shown: Shown | None = None) -> list[Check]:
    """Return the Checks that the patches have the largest activations, and that a crop is all that its unit depends on.

    patches : a row for each of `channels`, from `num_images` pictures. load : a function from the number of a picture
    to its input x (1, C, H, W). shown : the tiles of the picture.
    """
    layer = net.find(layer)
    return [*check_order(net, layer, channels, patches, num_images, load),
            *check_crops(net, layer, channels, patches, load),
            *(check_tiles(net, layer, channels, patches, load, shown) if shown else ())]


def check_tiles(net: Network, layer: str, channels: Sequence[int], patches: TopPatches, load: Load,
                shown: Shown) -> list[Check]:
    """Return the Checks that the tiles show the pictures and the guided gradients in the receptive fields of the units.

    The crops are cut out again from pictures with a grey margin. The gradients are computed again with the rule of
    guided backprop written out at each ReLU.
    """
    field = receptive_field(net, layer)
    positive = [(row, rank) for row, rank in np.ndindex(patches.values.shape) if patches.values[row, rank] > 0]
    if not positive or field is None:
        return []
    crops, colours = 0.0, 0.0
    for index, (row, rank) in enumerate(spread(positive, SAMPLE)):
        _, image, y, x = (part[row, rank].item() for part in patches)
        top, left = field.start + field.stride * y, field.start + field.stride * x
        picture = np.pad(shown.load(image).astype(np.float64), 2 * [(field.size, field.size)] + [(0, 0)],
                         constant_values=128)
        cut = slice(top + field.size, top + 2 * field.size), slice(left + field.size, left + 2 * field.size)
        crops = max(crops, float(np.abs(shrunk(picture[cut], len(shown.crops[row, rank])) / 255
                                        - shown.crops[row, rank]).max()))
        if index < GRADIENTS:
            gradient = ruled_gradient(net, load(image), layer, channels[row], (y, x), "guided backprop")
            padded = np.pad(gradient[0], [(0, 0)] + 2 * [(field.size, field.size)])[:, cut[0], cut[1]]
            colours = max(colours, relative_distance(shown.gradients[row, rank] - 0.5, shown.colour(padded) - 0.5))
    return [below("crops shown against the pictures, cut out again: largest difference of a colour, 0 to 1", crops,
                  1e-3),
            below("guided gradients shown against ones with the rule written out at each ReLU: difference of their "
                  "colours from grey, relative", colours, 0.1)]


def shrunk(picture: Array, side: int) -> Array:
    """Return the picture (S, S, 3) as side x side means of equal squares; what is left over is dropped."""
    factor = len(picture) // side
    return np.stack([[picture[i * factor:(i + 1) * factor, j * factor:(j + 1) * factor].mean(axis=(0, 1))
                      for j in range(side)] for i in range(side)])


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
            scale = max(abs(last), abs(value), WEAK * float(np.abs(maxima["values"]).max()), 1e-30)
            if rank.size:
                wrong = max(wrong, abs(value - float(patches.values[row, rank[0]])) / scale)
            else:
                beyond = max(beyond, (value - last) / scale)
    again = f"{len(images)} of {num_images} pictures computed again, one by one"
    return [below(f"{again}: activations in the top, relative error", wrong, 1e-3),
            below("excess of other pictures over the last of the top, as a share", beyond, 1e-3)]


def check_crops(net: Network, layer: str, channels: Sequence[int], patches: TopPatches, load: Load) -> list[Check]:
    """Return the Checks that a crop alone, surrounded by zeros, gives its unit the same activation as the picture.

    It also gives another unit the same activation, if it is moved there by whole strides and no padding is near. The
    gradient of the neuron is exactly zero outside the crop.
    """
    field = receptive_field(net, layer)
    positive = [(row, rank) for row, rank in np.ndindex(patches.values.shape) if patches.values[row, rank] > 0]
    if not positive:
        return [reported("patches with an activation above zero", 0, "these channels are silent")]
    if field is None:
        raise InputError(f"the units of {layer!r} depend on the whole picture; choose a layer with maps")
    alone, moved, outside = 0.0, [], 0.0
    for row, rank in spread(positive, SAMPLE):
        value, image, *position = (part[row, rank].item() for part in patches)
        x, unit = load(image), (position[0], position[1])
        crop = crop_patch(x[0], field, *unit, channels_last=False)
        height, width = x.shape[2:]
        alone = max(alone, abs(replay(net, layer, channels[row], crop, field, unit, height, width, value)))
        other = another_unit(field, unit, height, width)
        if other:
            moved.append(abs(replay(net, layer, channels[row], crop, field, other, height, width, value)))
        if rank == 0:
            outside = max(outside, gradient_outside(net, x, layer, channels[row], unit, field))
    checks = [below("activation of a crop alone, surrounded by zeros, against its picture, relative error",
                    alone, 1e-3),
              below("largest gradient outside the crop", outside, 0.0)]
    if moved:
        checks.insert(1, below(f"the same with {len(moved)} crops moved by whole strides to another unit",
                               max(moved), 1e-3))
    return checks


def gradient_outside(net: Network, x: Array, layer: str, channel: int, unit: tuple[int, int],
                     field: ReceptiveField) -> float:
    """Return the largest absolute guided gradient of a neuron outside its receptive field."""
    gradient = np.abs(guided_backprop(net, x, layer, channel, unit)[0])
    top, bottom, left, right = field.box(*unit, *x.shape[2:])
    gradient[:, top:bottom, left:right] = 0
    return float(gradient.max())


def replay(net: Network, layer: str, channel: int, crop: Array, field: ReceptiveField, unit: tuple[int, int],
           height: int, width: int, value: float) -> float:
    """Return the relative difference from `value` of a unit's activation for an image that is 0 around the crop.

    The image has height x width pixels, and the crop is in the receptive field of the unit.
    """
    canvas = place_patch(crop, field, *unit, height, width)[None]
    maps = to_host(net.predict(to_device(canvas, net.device), layer))[0]
    return (float(maps[channel][unit]) - value) / max(value, WEAK * float(np.abs(maps).max()))


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
