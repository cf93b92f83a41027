"""Pooling: the maximum or the mean of every window.

A window is walked position by position: at position (i, j) of the window, all the output pixels whose (i, j)
falls inside the image are handled at once, as strided slices. So no padding is ever stored.
"""

from minicnn.backend import get_array_module
from minicnn.errors import InputError
from minicnn.fast.memory import channels_last
from minicnn.fast.threads import bands, share_out
from minicnn.layers.layer import Layer


def pooled_size(size, kernel_size, stride, pad, ceil):
    """How many windows fit along a side; with `ceil`, the last may hang over the edge but must start inside."""
    span = size + 2 * pad - kernel_size
    if span < 0 and not (ceil and span > -stride):
        raise InputError(f"an input side of {size} is too small for a pool of {kernel_size} with pad {pad}")
    count = (-(-span // stride) if ceil else span // stride) + 1
    if ceil and (count - 1) * stride >= size + pad:
        count -= 1
    return count


def positions(i, size, out_size, stride, pad):
    """(slice of the output, slice of the input) for the windows whose i-th row, or column, is inside the image."""
    first = max(0, -((i - pad) // stride))
    count = max(0, min(out_size - 1, (size - 1 + pad - i) // stride) - first + 1)
    start = first * stride + i - pad
    return slice(first, first + count), slice(start, start + count * stride, stride)


class Pool2D(Layer):
    """What the two poolings share: the windows. `ceil` rounds the output size up, as Caffe does."""

    def __init__(self, kernel_size, stride=None, pad=0, ceil=False):
        super().__init__()
        if 2 * pad > kernel_size:
            raise InputError(f"pad {pad} is more than half of the pool's size {kernel_size}: a window would be empty")
        self.kernel_size, self.stride, self.pad, self.ceil = kernel_size, stride or kernel_size, pad, ceil

    def output_shape(self, shape):
        N, C, H, W = shape
        return N, C, *(pooled_size(side, self.kernel_size, self.stride, self.pad, self.ceil) for side in (H, W))

    def _windows(self, H, W, OH, OW):
        """[(output slices, input slices)] for every position inside the window, row by row."""
        windows = []
        for i in range(self.kernel_size):
            out_rows, in_rows = positions(i, H, OH, self.stride, self.pad)
            for j in range(self.kernel_size):
                out_columns, in_columns = positions(j, W, OW, self.stride, self.pad)
                windows.append(((..., out_rows, out_columns), (..., in_rows, in_columns)))
        return windows


class MaxPool2D(Pool2D):
    """Maximum over windows, (N, C, H, W) -> (N, C, OH, OW)."""

    cached = ("x", "out")

    def forward(self, x):
        _, _, OH, OW = self.output_shape(x.shape)
        out = self._maxima(self._maxima(x, 3, OW), 2, OH)  # over the columns of a window, then over its rows
        return out, (x, out)

    def backward(self, dout, cache):
        # Switches of Zeiler and Fergus: the gradient goes to the maximum alone; of equals, to the first, in the first
        # row that has one, as everywhere.
        x, out = cache
        row_maxima = self._maxima(x, 3, out.shape[3])  # again: to keep them takes half the memory of x
        drow_maxima = self._to_first_maximum(dout, row_maxima, out, 2)
        return self._to_first_maximum(drow_maxima, x, row_maxima, 3)

    def _maxima(self, x, axis, count):
        """The maxima of `count` windows along one axis."""
        xp = get_array_module(x)
        out = channels_last(xp, (*x.shape[:axis], count, *x.shape[axis + 1:]), x.dtype)
        windows = self._positions(x.shape[axis], count, axis)
        whole = [(into, from_) for into, from_ in windows if into[axis] == slice(0, count)]
        others = [window for window in windows if window not in whole[:1]]

        def maxima(band):
            if whole:  # a position that all windows have: begin with it
                out[band][...] = x[band][whole[0][1]]
            else:
                out[band].fill(-xp.inf)
            for into, from_ in others:
                xp.maximum(out[band][into], x[band][from_], out=out[band][into])

        share_out(maxima, bands(x, 5 - axis))
        return out

    def _to_first_maximum(self, dout, x, out, axis):
        """The gradient to x where `out` has the maxima of windows along one axis."""
        xp = get_array_module(dout)
        dx = channels_last(xp, x.shape, dout.dtype)
        windows = self._positions(x.shape[axis], out.shape[axis], axis)
        # where no window reaches: between them, and behind the start of the one that would come next
        behind = slice(max(0, out.shape[axis] * self.stride - self.pad) if self.kernel_size >= self.stride else 0, None)

        def give(band):
            x_band, out_band, dout_band, dx_band = x[band], out[band], dout[band], dx[band]
            dx_band[(slice(None),) * axis + (behind,)] = 0
            left = dout_band.copy("K")  # what no earlier position of the window has taken
            for i, (into, from_) in enumerate(windows):
                given = left[into]
                if i < len(windows) - 1:  # the last one gets all that is left
                    given = given * (x_band[from_] == out_band[into])
                    left[into] -= given
                if i < self.stride:  # windows do not meet here
                    dx_band[from_] = given
                else:
                    dx_band[from_] += given

        share_out(give, bands(x, 5 - axis))  # rows do not meet while columns are compared, nor columns while rows are
        return dx

    def _positions(self, size, count, axis):
        """[(slices of the output, slices of the input)] for every position inside a window along the axis."""
        before = (slice(None),) * axis
        return [((*before, into), (*before, from_))
                for into, from_ in (positions(i, size, count, self.stride, self.pad) for i in range(self.kernel_size))]


class AvgPool2D(Pool2D):
    """Mean over windows, (N, C, H, W) -> (N, C, OH, OW); zero padding counts, what hangs over it does not."""

    def forward(self, x):
        xp = get_array_module(x)
        N, C, OH, OW = self.output_shape(x.shape)
        out = xp.zeros((N, OH, OW, C), x.dtype).transpose(0, 3, 1, 2)
        for out_window, in_window in self._windows(*x.shape[2:], OH, OW):
            out[out_window] += x[in_window]
        return out / self._areas(xp, x, OH, OW), x.shape

    def backward(self, dout, shape):
        # out = the sum of the window / its area, so every pixel of the window gets dout / area
        xp = get_array_module(dout)
        N, C, H, W = shape
        _, _, OH, OW = dout.shape
        dout = dout / self._areas(xp, dout, OH, OW, H, W)
        dx = xp.zeros((N, H, W, C), dout.dtype).transpose(0, 3, 1, 2)
        for out_window, in_window in self._windows(H, W, OH, OW):
            dx[in_window] += dout[out_window]
        return dx

    def _areas(self, xp, x, OH, OW, H=None, W=None):
        """Pixels of every window, padding counted, (OH, OW), in the type of `x`."""
        H, W = H or x.shape[2], W or x.shape[3]
        sides = []
        for size, out_size in ((H, OH), (W, OW)):
            start = xp.arange(out_size) * self.stride
            sides.append(xp.minimum(start + self.kernel_size, size + 2 * self.pad) - start)
        return (sides[0][:, None] * sides[1]).astype(x.dtype)


class GlobalAvgPool2D(Layer):
    """Mean over all positions, (N, C, H, W) -> (N, C)."""

    def forward(self, x):
        return x.mean(axis=(2, 3)), x.shape

    def backward(self, dout, shape):
        # out = the sum / (H W), so every position gets dout / (H W)
        xp = get_array_module(dout)
        N, C, H, W = shape
        return xp.broadcast_to((dout / (H * W))[:, :, None, None], shape)

    def output_shape(self, shape):
        return shape[:2]
