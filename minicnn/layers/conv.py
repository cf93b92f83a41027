"""Convolution as one matrix product per image: each patch of the image is a row, each filter a column (im2col)."""

from itertools import product
from types import ModuleType
from typing import Any

from minicnn.backend import Array, Generator, get_array_module
from minicnn.errors import InputError
from minicnn.initialize import he_normal, zeros
from minicnn.layers.layer import Field, Layer
from minicnn.layers.sums import sum_over


class Conv2D(Layer):
    """2-D convolution (cross-correlation, as the field means it), (N, C, H, W) -> (N, F, OH, OW).

    out[n, f, y, x] = b[f] + sum over c, i, j of w[f, c, i, j] * padded[n, c, y stride + i, x stride + j]

    w : weights of shape (F, C / groups, KH, KW). b : biases of shape (F,).
    The output has OH = (H + 2 pad - KH) // stride + 1 rows, and OW columns likewise.
    groups : split channels and filters into this many independent convolutions (Krizhevsky et al. 2012, section 3.2).

    >>> Conv2D(3, 8, kernel_size=3, pad=1).forward(np.ones((1, 3, 32, 32), np.float32))[0].shape
    (1, 8, 32, 32)
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, pad: int = 0,
                 groups: int = 1, bias: bool = True, rng: Generator | None = None) -> None:
        super().__init__()
        if in_channels % groups or out_channels % groups:
            raise InputError(f"groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}")
        self.stride, self.pad, self.groups = stride, pad, groups
        shape = (out_channels, in_channels // groups, kernel_size, kernel_size)
        self.params["w"] = he_normal(shape, in_channels // groups * kernel_size**2, rng)
        if bias:
            self.params["b"] = zeros(out_channels)

    def forward(self, x: Array) -> tuple[Array, Any]:
        # out = patches @ w.T + b, for each image, and within it for each group of channels
        xp = get_array_module(x)
        w = self.params["w"]
        F, C, KH, KW = w.shape
        N, F, OH, OW = self.output_shape(x.shape)
        out = xp.empty((N, OH, OW, F), xp.result_type(x, w))
        filters = F // self.groups
        for n, g in product(range(N), range(self.groups)):
            patches = im2col(xp, x[n, g * C:(g + 1) * C], (KH, KW), self.stride, self.pad)  # (OH OW, KH KW C)
            w_rows = w[g * filters:(g + 1) * filters].transpose(0, 2, 3, 1).reshape(filters, KH * KW * C)
            out[n, :, :, g * filters:(g + 1) * filters] = (patches @ w_rows.T).reshape(OH, OW, filters)
        if "b" in self.params:
            out += self.params["b"]
        return out.transpose(0, 3, 1, 2), x

    def backward(self, dout: Array, x: Array) -> Array:
        # out = patches @ w.T, so dpatches = dout @ w; gradients of overlapping patches add up
        xp = get_array_module(dout)
        w = self.params["w"]
        F, C, KH, KW = w.shape
        N, F, OH, OW = dout.shape
        dx = xp.empty((N, *x.shape[2:], x.shape[1]), xp.result_type(dout, w))
        filters = F // self.groups
        for n, g in product(range(N), range(self.groups)):
            dout_rows = dout[n, g * filters:(g + 1) * filters].transpose(1, 2, 0).reshape(OH * OW, filters)
            w_rows = w[g * filters:(g + 1) * filters].transpose(0, 2, 3, 1).reshape(filters, KH * KW * C)
            dpatches = (dout_rows @ w_rows).reshape(OH, OW, KH, KW, C)
            dx[n, :, :, g * C:(g + 1) * C] = col2im(xp, dpatches, x.shape[2:], self.stride, self.pad)
        return dx.transpose(0, 3, 1, 2)

    def backward_params(self, dout: Array, x: Array) -> dict[str, Array]:
        # out = patches @ w.T + b, so dw = dout.T @ patches, and db = the sum of dout over images and positions
        xp = get_array_module(dout)
        F, C, KH, KW = self.params["w"].shape
        N, F, OH, OW = dout.shape
        dw = xp.zeros((F, KH * KW * C), xp.result_type(dout, x))
        filters = F // self.groups
        for n, g in product(range(N), range(self.groups)):
            patches = im2col(xp, x[n, g * C:(g + 1) * C], (KH, KW), self.stride, self.pad)  # (OH OW, KH KW C)
            dout_columns = dout[n, g * filters:(g + 1) * filters].reshape(filters, OH * OW)
            dw[g * filters:(g + 1) * filters] += dout_columns @ patches
        gradients = {"w": dw.reshape(F, KH, KW, C).transpose(0, 3, 1, 2)}
        if "b" in self.params:
            gradients["b"] = sum_over(dout, (0, 2, 3))
        return gradients

    def field(self) -> Field:
        return Field(max(self.params["w"].shape[2:]), self.stride, self.pad)

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        F, C, KH, KW = self.params["w"].shape
        N, channels, H, W = shapes[0]
        if channels != C * self.groups:
            raise InputError(f"convolution expects {C * self.groups} input channels, got an input of shape {shapes[0]}")
        OH, OW = (H + 2 * self.pad - KH) // self.stride + 1, (W + 2 * self.pad - KW) // self.stride + 1
        if OH < 1 or OW < 1:
            raise InputError(f"an input of {H}x{W} is too small for a {KH}x{KW} convolution with pad {self.pad}")
        return N, F, OH, OW

    def multiply_adds(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> int:
        N, F, OH, OW = out_shape
        return N * OH * OW * self.params["w"].size

    def __repr__(self) -> str:
        F, C, KH, KW = self.params["w"].shape
        groups = f", groups={self.groups}" if self.groups > 1 else ""
        return f"Conv2D({C * self.groups}, {F}, {KH}, stride={self.stride}, pad={self.pad}{groups})"


def im2col(xp: ModuleType, image: Array, kernel: tuple[int, int], stride: int, pad: int) -> Array:
    """Return the patches of an image under a sliding window, (C, H, W) -> (OH OW, KH KW C), one patch in each row.

    Zeros are padded around the image. In a row the channel varies fastest: a pixel's channels are copied together.
    """
    padded = xp.pad(image.transpose(1, 2, 0), ((pad, pad), (pad, pad), (0, 0)))  # (H + 2 pad, W + 2 pad, C)
    (rows, columns, C), (sy, sx, sc), (KH, KW) = padded.shape, padded.strides, kernel
    OH, OW = (rows - KH) // stride + 1, (columns - KW) // stride + 1
    windows = xp.lib.stride_tricks.as_strided(  # a view: no pixel is copied yet
        padded, (OH, OW, KH, KW, C), (stride * sy, stride * sx, sy, sx, sc))
    return windows.reshape(OH * OW, KH * KW * C)


def col2im(xp: ModuleType, dpatches: Array, size: tuple[int, int], stride: int, pad: int) -> Array:
    """Return the gradient to the image, (H, W, C), from the gradients to its patches, (OH, OW, KH, KW, C).

    The adjoint of `im2col`: a pixel that lies in several patches gets the sum of their gradients.
    """
    OH, OW, KH, KW, C = dpatches.shape
    H, W = size
    dpadded = xp.zeros((H + 2 * pad, W + 2 * pad, C), dpatches.dtype)
    for i, j in product(range(KH), range(KW)):
        dpadded[i:i + stride * OH:stride, j:j + stride * OW:stride] += dpatches[:, :, i, j]
    return dpadded[pad:pad + H, pad:pad + W]
