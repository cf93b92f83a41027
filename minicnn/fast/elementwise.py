"""ReLUs and concatenations of large arrays: band by band in the cache, on all threads, in memory that is used again."""

from minicnn.backend import Array, get_array_module
from minicnn.fast.memory import channels_last, empty_like
from minicnn.fast.threads import bands, share_out
from minicnn.layers import Concat

LARGE = 2**14  # values; above, memory that is used again saves more time than finding it takes


def relu(x: Array, in_place: bool = False) -> Array:
    """Return max(x, 0); with `in_place`, write it over x, which is still in the cache."""
    xp = get_array_module(x)
    if x.size <= LARGE or x.ndim < 4:
        return xp.maximum(x, 0, out=x) if in_place else xp.maximum(x, 0)
    out = x if in_place else empty_like(x)
    zeros = xp.zeros_like(x[..., :1, :])  # NumPy's maximum is faster with an array than with a number

    def maximum(band: tuple[slice, ...]) -> None:
        xp.maximum(x[band], zeros, out=out[band])

    share_out(maximum, bands(x, 2))
    return out


def relu_backward(dout: Array, out: Array) -> Array:
    """Return dout * (out > 0) without a mask of its own."""
    xp = get_array_module(out)
    if out.size <= LARGE:
        return dout * (out > 0)
    dx = empty_like(out, dout.dtype)

    def multiply(band: tuple[slice, ...]) -> None:
        xp.greater(out[band], 0, out=dx[band])  # 1 or 0
        dx[band] *= dout[band]

    share_out(multiply, bands(out, 2) if out.ndim == 4 else [...])
    return dx


def concatenate(layer: Concat, xs: list[Array]) -> Array:
    """Return the inputs joined along the channels."""
    xp = get_array_module(xs[0])
    shape = layer.output_shape(*[x.shape for x in xs])
    if len(shape) != 4:
        return xp.concatenate(xs, axis=1)
    out = channels_last(xp, shape, xs[0].dtype)

    def join(band: tuple[slice, ...]) -> None:
        xp.concatenate([x[band] for x in xs], axis=1, out=out[band])

    share_out(join, bands(out, 2))
    return out
