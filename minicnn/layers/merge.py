"""Layers with several inputs. `backward` returns a tuple with one gradient for each input."""

from typing import Any

from minicnn.backend import Array, get_array_module
from minicnn.errors import InputError
from minicnn.layers.layer import ONE_PIXEL, Field, Layer


class Concat(Layer):
    """Join the channels, (N, C1, H, W), (N, C2, H, W), … -> (N, C1 + C2 + …, H, W)."""

    def forward(self, *xs: Array) -> tuple[Array, Any]:
        self.output_shape(*[x.shape for x in xs])
        return get_array_module(xs[0]).concatenate(xs, axis=1), [x.shape[1] for x in xs]

    def backward(self, dout: Array, channels: list[int]) -> tuple[Array, ...]:
        # each input gets back the gradient to its own channels
        dxs, start = [], 0
        for count in channels:
            dxs.append(dout[:, start:start + count])
            start += count
        return tuple(dxs)

    def field(self) -> Field:
        return ONE_PIXEL

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        N, channels, *size = shapes[0]
        for shape in shapes[1:]:
            if (shape[0], *shape[2:]) != (N, *size):
                raise InputError(f"cannot join the channels of inputs of shapes {', '.join(map(str, shapes))}")
            channels += shape[1]
        return N, channels, *size


class Add(Layer):
    """The sum of inputs of one shape: the shortcut of a residual block (He et al. 2015, arXiv:1512.03385)."""

    def forward(self, *xs: Array) -> tuple[Array, Any]:
        self.output_shape(*[x.shape for x in xs])  # broadcasting would give gradients of a wrong shape
        out = xs[0]
        for x in xs[1:]:
            out = out + x
        return out, len(xs)

    def backward(self, dout: Array, count: int) -> tuple[Array, ...]:
        # the derivative of a sum with respect to each term is 1
        return (dout,) * count

    def field(self) -> Field:
        return ONE_PIXEL

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(shapes)) > 1:
            raise InputError(f"cannot add inputs of shapes {', '.join(map(str, shapes))}")
        return shapes[0]
