"""Layers of several inputs; backward returns a tuple of as many gradients."""

from minicnn.backend import get_array_module
from minicnn.errors import InputError
from minicnn.fast.memory import channels_last
from minicnn.fast.threads import bands, share_out
from minicnn.layers.layer import Layer


class Concat(Layer):
    """Joins the channels, (N, C1, H, W), (N, C2, H, W), … -> (N, C1 + C2 + …, H, W)."""

    def forward(self, *xs):
        xp = get_array_module(xs[0])
        shape = self.output_shape(*[x.shape for x in xs])
        channels = [x.shape[1] for x in xs]
        if len(shape) != 4:
            return xp.concatenate(xs, axis=1), channels
        out = channels_last(xp, shape, xp.result_type(*xs))
        share_out(lambda band: xp.concatenate([x[band] for x in xs], axis=1, out=out[band]), bands(out, 2))
        return out, channels

    def backward(self, dout, channels):
        # each input gets back its own channels
        dxs, start = [], 0
        for count in channels:
            dxs.append(dout[:, start:start + count])
            start += count
        return tuple(dxs)

    def output_shape(self, *shapes):
        N, C, *size = shapes[0]
        if any((shape[0], *shape[2:]) != (N, *size) for shape in shapes):
            raise InputError(f"cannot join the channels of inputs of shapes {', '.join(map(str, shapes))}")
        return N, sum(shape[1] for shape in shapes), *size


class Add(Layer):
    """The sum of its inputs, all of one shape (the shortcut of a residual block)."""

    def forward(self, *xs):
        out = xs[0]
        for x in xs[1:]:
            if x.shape != out.shape:  # broadcasting would make gradients of a wrong shape
                self.output_shape(*[x.shape for x in xs])
            out = out + x
        return out, len(xs)

    def backward(self, dout, count):
        # the derivative of a sum to each term is 1
        return (dout,) * count

    def output_shape(self, *shapes):
        if len(set(shapes)) > 1:
            raise InputError(f"cannot add inputs of shapes {', '.join(map(str, shapes))}")
        return shapes[0]
