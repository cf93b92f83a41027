"""Which pixels of the image a neuron sees."""

from typing import NamedTuple

from minicnn.errors import InputError
from minicnn.layers import (
    Concat,
    ConditionalInstanceNorm2D,
    Conv2D,
    Flatten,
    GlobalAvgPool2D,
    Gram,
    InstanceNorm2D,
    Linear,
    Pad2D,
    Upsample2D,
)
from minicnn.layers.pool import Pool2D

GLOBAL = GlobalAvgPool2D | Flatten | Linear | Gram | InstanceNorm2D | ConditionalInstanceNorm2D  # look at all positions


class ReceptiveField(NamedTuple):
    """Unit (y, x) of a layer sees rows start + stride y … + size - 1, and columns likewise; all in pixels.

    `start` is negative where the field begins in the padding.
    """

    size: int
    stride: int
    start: int

    def box(self, y, x, height, width):
        """(top, bottom, left, right) of unit (y, x) within a picture of height x width; bottom, right exclusive."""
        top, left = self.start + self.stride * y, self.start + self.stride * x
        return max(0, top), min(height, top + self.size), max(0, left), min(width, left + self.size)

    def fits(self, y, x, height, width):
        """True where unit (y, x) sees no padding in a picture of height x width."""
        top, left = self.start + self.stride * y, self.start + self.stride * x
        return top >= 0 and left >= 0 and top + self.size <= height and left + self.size <= width


def receptive_field(net, layer):
    """The ReceptiveField of a layer's units; None where a unit sees the whole picture (after a global layer).

    Raises InputError for layers after an upsampling, whose units see fields of different sizes.
    """
    layer = net.find(layer)
    fields = {"input": ReceptiveField(1, 1, 0)}
    for name, step, inputs in net.trunk(layer).nodes:
        fields[name] = after(step, [fields[source] for source in inputs])
    return fields[layer]


def after(layer, fields):
    """The field of `layer`'s units, from those of its inputs' units."""
    if None in fields or isinstance(layer, GLOBAL):
        return None
    size, stride, start = fields[0]
    if isinstance(layer, Conv2D):
        kernel = layer.params["w"].shape[2]
    elif isinstance(layer, Pool2D):
        kernel = layer.kernel_size
    elif isinstance(layer, Pad2D):
        return ReceptiveField(size, stride, start - layer.pad * stride)
    elif isinstance(layer, Upsample2D):
        raise InputError("after an upsampling, units see fields of different sizes")
    elif isinstance(layer, Concat) or len(fields) > 1:
        first = min(field.start for field in fields)
        last = max(field.start + field.size for field in fields)
        return ReceptiveField(last - first, stride, first)
    else:
        return fields[0]
    return ReceptiveField(size + (kernel - 1) * stride, stride * layer.stride, start - layer.pad * stride)
