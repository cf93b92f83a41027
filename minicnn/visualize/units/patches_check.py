"""What proves the maximally activating patches."""

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.receptive_field import receptive_field
from minicnn.visualize.attribution.saliency import guided_backprop
from minicnn.visualize.check import Check, below
from minicnn.visualize.units.patches import channel_maxima, crop_patch, place_patch

SAMPLE = 16  # patches, and pictures, that are looked at again; evenly spread over all


def check_patches(net, layer, channels, patches, num_images, load):
    """The strongest are the strongest, and a crop is all that its unit saw.

    patches : TopPatches, a row for each of `channels`, of so many images. load : an image's number -> its input x
    (1, C, H, W).
    """
    layer = net.find(layer)
    return [*check_order(net, layer, channels, patches, num_images, load),
            *check_crops(net, layer, channels, patches, load)]


def check_order(net, layer, channels, patches, num_images, load):
    """Some images once more, one by one: what is among the top has its value, what is not stays below the last."""
    wrong, beyond = 0.0, 0.0
    images = spread(range(num_images), SAMPLE)
    for image in images:
        found = channel_maxima(net, load(image), layer)
        for row, channel in enumerate(channels):
            value, last = float(found["values"][0, channel]), float(patches.values[row, -1])
            at = np.flatnonzero(patches.images[row] == image)
            scale = max(abs(last), abs(value), 1e-30)
            if at.size:
                wrong = max(wrong, abs(value - float(patches.values[row, at[0]])) / scale)
            else:
                beyond = max(beyond, (value - last) / scale)
    again = f"{len(images)} of {num_images} pictures looked at again, one by one"
    return [below(f"{again}: activations of those among the top, relative error", wrong, 1e-4),
            below("how far others exceed the last of the top, as a share", beyond, 1e-4)]


def check_crops(net, layer, channels, patches, load):
    """Each crop alone, zeros around it, excites its unit as the picture did: at its place, and, where no padding comes
    into its field, at another unit's as well; and outside of it, the gradient of the neuron is exactly zero.

    At another place the strides have to meet the same pixels, and the network's zero padding has to stay away.
    """
    field = receptive_field(net, layer)
    strong = [(row, rank) for row, rank in np.ndindex(patches.values.shape) if patches.values[row, rank] > 0]
    if not strong:
        return [Check("patches with an activation above zero", 0, "reported: these channels are silent", True)]
    alone, moved, outside = 0.0, [], 0.0
    for row, rank in spread(strong, SAMPLE):
        value, image, *unit = (part[row, rank].item() for part in patches)
        x = load(image)
        crop = crop_patch(x[0], field, *unit, channels_last=False)
        height, width = x.shape[2:]
        alone = max(alone, abs(replay(net, layer, channels[row], crop, field, unit, height, width) / value - 1))
        other = another_unit(field, unit, height, width)
        if other:
            moved.append(abs(replay(net, layer, channels[row], crop, field, other, height, width) / value - 1))
        if rank == 0:
            gradient = np.abs(guided_backprop(net, x, layer, channels[row], tuple(unit))[0])
            top, bottom, left, right = field.box(*unit, height, width)
            gradient[:, top:bottom, left:right] = 0
            outside = max(outside, gradient.max())
    checks = [below("activation of a crop alone, zeros around it, against that in its picture, relative error",
                    alone, 1e-4),
              below("largest gradient outside the crop", outside, 0.0)]
    if moved:
        checks.insert(1, below(f"the same with {len(moved)} crops moved by whole strides to another unit",
                               max(moved), 1e-4))
    return checks


def replay(net, layer, channel, crop, field, unit, height, width):
    """The activation of a unit where its field of a black picture of height x width holds the crop."""
    canvas = place_patch(crop, field, *unit, height, width)[None]
    return float(to_host(net.predict(to_device(canvas, net.device), layer))[(0, channel, *unit)])


def another_unit(field, unit, height, width):
    """A unit (y, x) far from `unit` whose field lies inside the picture, as that of `unit` must; None if none."""
    if not field.fits(*unit, height, width):
        return None
    fitting = [[y for y in range(height) if field.fits(y, unit[1], height, width)],
               [x for x in range(width) if field.fits(unit[0], x, height, width)]]
    other = tuple(max(side, key=lambda place, at=at: abs(place - at))
                  for side, at in zip(fitting, unit, strict=True))
    return other if other != tuple(unit) else None


def spread(items, count):
    """`count` of the items, evenly, the first and the last among them; all where there are fewer."""
    items = list(items)
    if len(items) <= count:
        return items
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]
