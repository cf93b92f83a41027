"""The pixels of the image that a unit of a layer depends on, added up from each layer's `field`."""

from typing import NamedTuple

from minicnn.arguments import describe
from minicnn.errors import InputError
from minicnn.layers import Layer
from minicnn.network import Network

__all__ = ["ReceptiveField", "receptive_field"]


class ReceptiveField(NamedTuple):
    """Unit (y, x) of a layer depends on rows start + stride y to start + stride y + size - 1, and columns likewise.

    All values are in pixels of the image. `start` is negative if the field begins in the padding.
    """

    size: int
    stride: int
    start: int

    def box(self, y: int, x: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Return (top, bottom, left, right) of unit (y, x) in an image of height x width; bottom, right exclusive."""
        top, left = self.start + self.stride * y, self.start + self.stride * x
        return max(0, top), min(height, top + self.size), max(0, left), min(width, left + self.size)

    def fits(self, y: int, x: int, height: int, width: int) -> bool:
        """Return whether unit (y, x) depends on no padding in an image of height x width."""
        top, left = self.start + self.stride * y, self.start + self.stride * x
        return top >= 0 and left >= 0 and top + self.size <= height and left + self.size <= width


def receptive_field(net: Network, layer: str) -> ReceptiveField | None:
    """Return the ReceptiveField of a layer's units, or None if a unit depends on the whole image.

    Raises InputError if a layer on the way does not say which pixels it depends on, as after an upsampling.

    >>> receptive_field(net, "conv1").size
    7
    """
    if not isinstance(net, Network):
        raise InputError(f"net is {describe(net)}; expected a Network, such as load_model(...).net")
    layer = net.find(layer)
    fields: dict[str, ReceptiveField | None] = {"input": ReceptiveField(1, 1, 0)}
    for name, step, inputs in net.trunk(layer).nodes:
        fields[name] = after(step, [fields[source] for source in inputs])
    return fields[layer]


def after(layer: Layer, fields: list[ReceptiveField | None]) -> ReceptiveField | None:
    """Return the receptive field of the layer's units, from the receptive fields of its inputs."""
    known = [field for field in fields if field is not None]
    window = layer.field() if len(known) == len(fields) else None
    if window is None:
        return None
    start = min(field.start for field in known)  # several inputs: the box around all of them
    size = max(field.start + field.size for field in known) - start
    stride = known[0].stride
    return ReceptiveField(size + (window.kernel - 1) * stride, stride * window.stride, start - window.pad * stride)
