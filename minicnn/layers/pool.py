"""Pooling: the maximum or the mean of each window.

A window of 3x3 has nine positions. For each position (i, j), the pixels at that position in all windows form one
strided slice of the padded image, so pooling is a loop over positions, not over windows.
"""

from typing import Any

from minicnn.backend import Array, get_array_module
from minicnn.errors import InputError
from minicnn.layers.layer import Field, Layer


def pooled_size(size: int, kernel_size: int, stride: int, pad: int, ceil: bool) -> int:
    """Return the number of windows along a side of `size` pixels.

    With `ceil`, the last window may reach over the edge, but must start inside, as in Caffe.
    Raises InputError if not even one window fits.
    """
    span = size + 2 * pad - kernel_size
    if span < 0 and not (ceil and span > -stride):
        raise InputError(f"an input side of {size} is too small for a pool of {kernel_size} with pad {pad}")
    count = (-(-span // stride) if ceil else span // stride) + 1
    if ceil and (count - 1) * stride >= size + pad:
        count -= 1
    return count


class Pool2D(Layer):
    """The windows that MaxPool2D and AvgPool2D share. With `ceil`, the output size is rounded up, as in Caffe."""

    def __init__(self, kernel_size: int, stride: int | None = None, pad: int = 0, ceil: bool = False) -> None:
        super().__init__()
        if 2 * pad > kernel_size:
            raise InputError(f"pad {pad} is more than half of the pool's size {kernel_size}: a window would be empty")
        self.kernel_size, self.stride, self.pad, self.ceil = kernel_size, stride or kernel_size, pad, ceil

    def field(self) -> Field:
        return Field(self.kernel_size, self.stride, self.pad)

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        N, C, H, W = shapes[0]
        OH = pooled_size(H, self.kernel_size, self.stride, self.pad, self.ceil)
        OW = pooled_size(W, self.kernel_size, self.stride, self.pad, self.ceil)
        return N, C, OH, OW

    def _padded(self, x: Array, value: float, OH: int, OW: int) -> Array:
        """Return the image that the windows cover, (N, C, rows, columns): x cropped to it, around it `value`."""
        xp = get_array_module(x)
        N, C, H, W = x.shape
        pad, rows, columns = self.pad, *self._covered(OH, OW)
        padded = xp.full((N, rows, columns, C), value, x.dtype).transpose(0, 3, 1, 2)  # channels-last in memory
        padded[:, :, pad:pad + H, pad:pad + W] = x[:, :, :rows - pad, :columns - pad]
        return padded

    def _covered(self, OH: int, OW: int) -> tuple[int, int]:
        """Return (rows, columns) of the padded image that the windows cover."""
        return (OH - 1) * self.stride + self.kernel_size, (OW - 1) * self.stride + self.kernel_size

    def _windows(self, padded: Array, OH: int, OW: int) -> list[Array]:
        """Return a view of shape (N, C, OH, OW) for each position in the window, row by row."""
        s, k = self.stride, self.kernel_size
        return [padded[:, :, i:i + s * OH:s, j:j + s * OW:s] for i in range(k) for j in range(k)]

    def _unpadded(self, dpadded: Array, H: int, W: int) -> Array:
        """Return the gradient to x from the gradient to the padded image; 0 for pixels that no window covers."""
        xp = get_array_module(dpadded)
        N, C, rows, columns = dpadded.shape
        inside = dpadded[:, :, self.pad:self.pad + H, self.pad:self.pad + W]
        dx = xp.zeros((N, H, W, C), dpadded.dtype).transpose(0, 3, 1, 2)
        dx[:, :, :inside.shape[2], :inside.shape[3]] = inside
        return dx


class MaxPool2D(Pool2D):
    """Maximum over windows, (N, C, H, W) -> (N, C, OH, OW). Padding never wins."""

    def forward(self, x: Array) -> tuple[Array, Any]:
        xp = get_array_module(x)
        _, _, OH, OW = self.output_shape(x.shape)
        windows = self._windows(self._padded(x, -xp.inf, OH, OW), OH, OW)
        out = windows[0].copy("K")
        for window in windows[1:]:
            xp.maximum(out, window, out=out)
        return out, (x, out)

    def backward(self, dout: Array, cache: Any) -> Array:
        # The gradient goes to the maximum alone (the switches of Zeiler and Fergus 2014); on a tie, to the first.
        x, out = cache
        xp = get_array_module(dout)
        _, _, OH, OW = dout.shape
        padded = self._padded(x, -xp.inf, OH, OW)
        dpadded = xp.zeros_like(padded, dtype=dout.dtype)
        free = xp.ones_like(out, dtype=bool)  # windows whose maximum has not been found yet
        for window, dwindow in zip(self._windows(padded, OH, OW), self._windows(dpadded, OH, OW), strict=True):
            found = free & (window == out)
            dwindow += dout * found
            free &= ~found
        return self._unpadded(dpadded, *x.shape[2:])


class AvgPool2D(Pool2D):
    """Mean over windows, (N, C, H, W) -> (N, C, OH, OW).

    Padded zeros count in the mean, as in Caffe; with `ceil`, pixels beyond the padding do not.
    """

    def forward(self, x: Array) -> tuple[Array, Any]:
        _, _, OH, OW = self.output_shape(x.shape)
        windows = self._windows(self._padded(x, 0, OH, OW), OH, OW)
        out = windows[0].copy("K")
        for window in windows[1:]:
            out += window
        return out / self._areas(x, OH, OW, *x.shape[2:]), x.shape

    def backward(self, dout: Array, shape: tuple[int, ...]) -> Array:
        # out = sum of the window / area, so each pixel of the window gets dout / area
        xp = get_array_module(dout)
        N, C, H, W = shape
        _, _, OH, OW = dout.shape
        rows, columns = self._covered(OH, OW)
        dpadded = xp.zeros((N, rows, columns, C), dout.dtype).transpose(0, 3, 1, 2)
        share = dout / self._areas(dout, OH, OW, H, W)
        for dwindow in self._windows(dpadded, OH, OW):
            dwindow += share
        return self._unpadded(dpadded, H, W)

    def _areas(self, like: Array, OH: int, OW: int, H: int, W: int) -> Array:
        """Return the number of pixels in each window, padding included, (OH, OW), in the type of `like`."""
        xp = get_array_module(like)
        top, left = xp.arange(OH) * self.stride, xp.arange(OW) * self.stride
        heights = xp.minimum(top + self.kernel_size, H + 2 * self.pad) - top
        widths = xp.minimum(left + self.kernel_size, W + 2 * self.pad) - left
        return (heights[:, None] * widths).astype(like.dtype)


class GlobalAvgPool2D(Layer):
    """Mean over all positions, (N, C, H, W) -> (N, C)."""

    def forward(self, x: Array) -> tuple[Array, Any]:
        return x.mean(axis=(2, 3)), x.shape

    def backward(self, dout: Array, shape: tuple[int, ...]) -> Array:
        # out = sum / (H W), so each position gets dout / (H W)
        xp = get_array_module(dout)
        N, C, H, W = shape
        return xp.broadcast_to((dout / (H * W))[:, :, None, None], shape)

    def field(self) -> None:
        return None

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        return shapes[0][:2]
