"""Max pooling in two steps, over the columns of a window and then over its rows: 3 + 3 comparisons instead of 9."""

from minicnn.backend import Array, get_array_module
from minicnn.fast.memory import channels_last
from minicnn.fast.threads import bands, share_out
from minicnn.layers import MaxPool2D


def max_pool(layer: MaxPool2D, x: Array) -> Array:
    """Return the maximum over windows, (N, C, H, W) -> (N, C, OH, OW)."""
    _, _, OH, OW = layer.output_shape(x.shape)
    return maxima(layer, maxima(layer, x, 3, OW), 2, OH)


def max_pool_backward(layer: MaxPool2D, dout: Array, x: Array, out: Array) -> Array:
    """Return the gradient to x. On a tie, the first maximum in the first row that has one gets it."""
    row_maxima = maxima(layer, x, 3, out.shape[3])  # computed again, as keeping them takes half the memory of x
    drow_maxima = to_first_maximum(layer, dout, row_maxima, out, 2)
    return to_first_maximum(layer, drow_maxima, x, row_maxima, 3)


def maxima(layer: MaxPool2D, x: Array, axis: int, count: int) -> Array:
    """Return the maxima of `count` windows along one axis."""
    xp = get_array_module(x)
    out = channels_last(xp, (*x.shape[:axis], count, *x.shape[axis + 1:]), x.dtype)
    windows = slices(layer, x.shape[axis], count, axis)
    whole = [(into, from_) for into, from_ in windows if into[axis] == slice(0, count)]
    others = [window for window in windows if window not in whole[:1]]

    def maxima_of_band(band: tuple[slice, ...]) -> None:
        if whole:  # start with a position that all windows have
            out[band][...] = x[band][whole[0][1]]
        else:
            out[band].fill(-xp.inf)
        for into, from_ in others:
            xp.maximum(out[band][into], x[band][from_], out=out[band][into])

    share_out(maxima_of_band, bands(x, 5 - axis))
    return out


def to_first_maximum(layer: MaxPool2D, dout: Array, x: Array, out: Array, axis: int) -> Array:
    """Return the gradient to x, if `out` has the maxima of windows along one axis."""
    xp = get_array_module(dout)
    dx = channels_last(xp, x.shape, dout.dtype)
    windows = slices(layer, x.shape[axis], out.shape[axis], axis)
    # pixels that no window covers: between the windows, and after the last one
    first_beyond = max(0, out.shape[axis] * layer.stride - layer.pad) if layer.kernel_size >= layer.stride else 0

    def give(band: tuple[slice, ...]) -> None:
        x_band, out_band, dout_band, dx_band = x[band], out[band], dout[band], dx[band]
        dx_band[(slice(None),) * axis + (slice(first_beyond, None),)] = 0
        left = dout_band.copy("K")  # the gradient that no earlier position of the window has taken
        for i, (into, from_) in enumerate(windows):
            given = left[into]
            if i < len(windows) - 1:  # the last position gets all that is left
                given = given * (x_band[from_] == out_band[into])
                left[into] -= given
            if i < layer.stride:  # windows do not overlap at these positions
                dx_band[from_] = given
            else:
                dx_band[from_] += given

    share_out(give, bands(x, 5 - axis))  # bands cut the other axis, so no window is cut
    return dx


def slices(layer: MaxPool2D, size: int, count: int, axis: int) -> list[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Return [(slices of the output, slices of the input)] for each position inside a window along the axis."""
    before = (slice(None),) * axis
    return [((*before, into), (*before, from_))
            for into, from_ in (position(i, size, count, layer.stride, layer.pad) for i in range(layer.kernel_size))]


def position(i: int, size: int, count: int, stride: int, pad: int) -> tuple[slice, slice]:
    """Return (slice of the output, slice of the input) for the windows whose i-th pixel is inside the image."""
    first = max(0, -((i - pad) // stride))
    inside = max(0, min(count - 1, (size - 1 + pad - i) // stride) - first + 1)
    start = first * stride + i - pad
    return slice(first, first + inside), slice(start, start + inside * stride, stride)
