"""Faster ways to compute the convolutions of minicnn/layers/conv.py, in float32. The shapes decide which way is taken:

- 3x3 filters of stride 1 with many channels on both sides: Winograd's minimal filtering (winograd.py), with up to
  four times fewer multiplications and slightly larger rounding error;
- 1x1 filters of stride 1: one product, without patches;
- few channels on one side, as in first layers, in the gradient to the image, and in the last layer of a network that
  makes images: planes as the rows of a matrix (planes.py);
- the gradient of a convolution with fewer filters than channels: a convolution with the turned filters, as its patches
  are smaller; for the weight gradient likewise;
- otherwise im2col, in bands that fit into the cache (im2col.py), and large layers in one piece for each thread.
"""

import math

import numpy as np

from minicnn.backend import Array
from minicnn.fast import im2col
from minicnn.fast.memory import channels_last, empty
from minicnn.fast.planes import FEW, convolve_few_channels, convolve_into_few_channels, spread_to_few_channels
from minicnn.fast.rows.equal import copy_equal_outputs
from minicnn.fast.threads import LEAST_WORK, pieces, share_out
from minicnn.fast.winograd import winograd_convolution
from minicnn.fast.winograd_weights import Filters, WinogradWeights
from minicnn.layers import Conv2D
from minicnn.layers.sums import sum_over

# For an input with fewer values, finding a faster way takes longer than it saves.
SMALL = 2**12

# Channels on both sides from which Winograd's transforms save time.
MANY = 16

# Channels on both sides of a 1x1 convolution from which it pays to look for unused ones.
MANY_CHANNELS = 256

# Up to these pixels and from these weights on, F(2, 3) is faster: fetching F(4, 3)'s weights dominates.
FEW_PIXELS, MANY_WEIGHTS = 16**2, 2**14


def forward(layer: Conv2D, x: Array, weights: WinogradWeights, is_pooled: bool = False) -> Array:
    """Return the output of the layer for x, (N, C, H, W). is_pooled : whether a max pool compares it later."""
    w, bias = layer.params["w"], layer.params.get("b")
    if x.size <= SMALL:
        return layer.forward(x)[0]
    layer.output_shape(x.shape)  # raises InputError if x does not fit
    if not isinstance(x, np.ndarray) or layer.groups > 1:
        return im2col.convolve(x, w, bias, layer.stride, layer.pad, layer.groups)
    out = convolve(x, w, bias, layer.stride, layer.pad, weights)
    if is_pooled and winograd_tile(weights, w.shape, layer.stride, out[:, 0].size):
        copy_equal_outputs(x, out, layer.pad)
    return out


def convolve(x: Array, w: Array, bias: Array | None, stride: int, pad: int, weights: WinogradWeights | None) -> Array:
    """Return the convolution of x with w by the fastest way. weights : of this layer, or None to avoid Winograd."""
    F, C, KH, KW = w.shape
    N, _, H, W = x.shape
    OH, OW = (H + 2 * pad - KH) // stride + 1, (W + 2 * pad - KW) // stride + 1
    if weights is not None and (m := winograd_tile(weights, w.shape, stride, N * OH * OW)):
        return winograd_convolution(x, weights.forward(w, m), bias, pad)
    if KH == KW == 1 and pad == 0 and stride == 1:
        return mix_channels(x, w[:, :, 0, 0].T, bias)
    if F <= FEW and C >= MANY and stride == 1:
        return convolve_into_few_channels(x, w, bias, pad)
    if C <= FEW:
        return convolve_few_channels(x, w, bias, stride, pad)
    if N * OH * OW * w.size > LEAST_WORK:
        return convolve_in_pieces(x, w, bias, stride, pad)
    return im2col.convolve(x, w, bias, stride, pad)


def backward(layer: Conv2D, dout: Array, x: Array, weights: WinogradWeights) -> Array:
    """Return the gradient to x, from the gradient to the output."""
    w, stride, pad = layer.params["w"], layer.stride, layer.pad
    F, C, KH, KW = w.shape
    N, _, H, W = x.shape
    if dout.size <= SMALL:
        return layer.backward(dout, x)
    if not isinstance(dout, np.ndarray) or layer.groups > 1:
        return im2col.gradient_to_input(dout, w, (H, W), stride, pad, layer.groups)
    if pad < KH and (m := winograd_tile(weights, (C, F, KH, KW), stride, N * H * W)):
        return winograd_backward(dout, weights.backward(w, m), (H, W), pad)
    if KH == KW == 1 and pad == 0 and stride == 1:
        return mix_channels(*used_channels(dout, w[:, :, 0, 0]), None)
    if C <= FEW:
        return spread_to_few_channels(dout, w, (H, W), stride, pad)
    if F <= C and is_turnable(layer):
        return convolve(dout, turned(w), None, 1, KH - 1 - pad, None)
    return im2col.gradient_to_input(dout, w, (H, W), stride, pad)


def backward_params(layer: Conv2D, dout: Array, x: Array) -> dict[str, Array]:
    """Return the gradients to w and b, from the gradient to the output."""
    if x.size <= SMALL:
        return layer.backward_params(dout, x)
    gradients = {"w": gradient_to_weights(layer, dout, x)}
    if "b" in layer.params:
        gradients["b"] = sum_over(dout, (0, 2, 3))
    return gradients


def gradient_to_weights(layer: Conv2D, dout: Array, x: Array) -> Array:
    """Return the gradient to w, from the patches of x or of dout, whichever are smaller, on several threads."""
    w = layer.params["w"]
    F, C, KH, _ = w.shape
    if not isinstance(dout, np.ndarray) or layer.groups > 1:
        return im2col.gradient_to_weights(dout, x, w.shape, layer.stride, layer.pad, layer.groups)
    if F >= C or not is_turnable(layer):
        return weight_gradient_in_pieces(dout, x, w.shape, layer.stride, layer.pad)
    # sum over pixels of dout * conv(x, w) = sum of x * conv(dout, turned w): x and dout can exchange their roles
    dw = weight_gradient_in_pieces(x, dout, turned(w).shape, 1, KH - 1 - layer.pad)
    return dw[:, :, ::-1, ::-1].swapaxes(0, 1)


def winograd_tile(weights: WinogradWeights, shape: tuple[int, ...], stride: int, pixels: int) -> int:
    """Return the m of Winograd's F(m, 3) for filters of `shape` and this number of outputs, or 0 to avoid it."""
    F, C, KH, KW = shape
    if weights.tile == "off" or (KH, KW) != (3, 3) or stride > 1 or min(C, F) < MANY:
        return 0
    return 2 if pixels <= FEW_PIXELS and C * F >= MANY_WEIGHTS else weights.tile


def winograd_backward(dout: Array, filters: Filters, size: tuple[int, int], pad: int) -> Array:
    """Return the gradient to x, which at stride 1 is a convolution too.

    If dout is zero outside a box, as for the gradient of a single neuron, only the box is computed. Then dx is exactly
    zero outside the neuron's receptive field, where rounding in Winograd's sums would leave small values.
    """
    N, _, OH, OW = dout.shape
    H, W = size
    top, bottom, left, right = support(dout)
    if (bottom - top, right - left) == (OH, OW):
        return winograd_convolution(dout, filters, None, 2 - pad)
    dx = np.zeros((N, H, W, len(filters.w)), dout.dtype).transpose(0, 3, 1, 2)
    if bottom > top:
        around = winograd_convolution(dout[:, :, top:bottom, left:right], filters, None, 2)
        up, down = max(0, top - pad), min(H, bottom + 2 - pad)  # row i of dout came from rows i - pad to i - pad + 2
        west, east = max(0, left - pad), min(W, right + 2 - pad)
        dx[:, :, up:down, west:east] = around[
            :, :, up - top + pad:down - top + pad, west - left + pad:east - left + pad]
    return dx


def support(dout: Array) -> tuple[int, int, int, int]:
    """Return (top, bottom, left, right) of the smallest box outside which dout is zero."""
    if all(edge.any() for edge in (dout[:, :, 0], dout[:, :, -1], dout[..., 0], dout[..., -1])):
        return 0, dout.shape[2], 0, dout.shape[3]
    pixels = np.asarray(dout.any(axis=(0, 1)))
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not len(rows):
        return 0, 0, 0, 0
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def used_channels(dout: Array, matrix: Array) -> tuple[Array, Array]:
    """Return dout and the rows of the matrix (F, C) without the channels in which dout is zero.

    Behind the score of one class, that is 999 of 1,000 channels. The search costs 1 / C of the product.
    """
    if min(matrix.shape) < MANY_CHANNELS:
        return dout, matrix
    used = np.asarray(dout.any(axis=(0, 2, 3)))
    return (dout[:, used], matrix[used]) if 0 < 2 * used.sum() < len(used) else (dout, matrix)


def convolve_in_pieces(x: Array, w: Array, bias: Array | None, stride: int, pad: int) -> Array:
    """Return the convolution by im2col, with a piece of the image for each thread."""
    N, _, H, W = x.shape
    F, C, KH, KW = w.shape
    OH, OW = (H + 2 * pad - KH) // stride + 1, (W + 2 * pad - KW) // stride + 1
    out = channels_last(np, (N, F, OH, OW), x.dtype)
    work = N * OH * OW * w.size

    def convolve_piece(piece: tuple[slice, Array]) -> None:
        rows, rows_of_x = piece
        out[:, :, rows] = im2col.convolve(rows_of_x, w, bias, stride, 0)

    share_out(convolve_piece, pieces_of(x, OH, KH, stride, pad, work), work)
    return out


def weight_gradient_in_pieces(dout: Array, x: Array, w_shape: tuple[int, ...], stride: int, pad: int) -> Array:
    """Return the gradient to the weights: the sum over pieces of the image, one for each thread."""
    work = dout.size * math.prod(w_shape[1:])
    if work <= LEAST_WORK:
        return im2col.gradient_to_weights(dout, x, w_shape, stride, pad)
    found: list[tuple[int, Array]] = []

    def add_piece(piece: tuple[slice, Array]) -> None:
        rows, rows_of_x = piece
        found.append((rows.start, im2col.gradient_to_weights(dout[:, :, rows], rows_of_x, w_shape, stride, 0)))

    share_out(add_piece, pieces_of(x, dout.shape[2], w_shape[2], stride, pad, work), work)
    return np.sum([dw for _, dw in sorted(found, key=by_start)], axis=0)  # always in the same order: same rounding


def by_start(pair: tuple[int, Array]) -> int:
    """Return the first row of a piece."""
    return pair[0]


def pieces_of(x: Array, count: int, KH: int, stride: int, pad: int, work: int) -> list[tuple[slice, Array]]:
    """Return [(some of the `count` output rows, the rows of padded x that they depend on)], one for each thread."""
    padded = np.pad(x.transpose(0, 2, 3, 1), ((0, 0), (pad, pad), (pad, pad), (0, 0))).transpose(0, 3, 1, 2)
    return [(rows, padded[:, :, rows.start * stride:(rows.stop - 1) * stride + KH]) for rows in pieces(count, work)]


def is_turnable(layer: Conv2D) -> bool:
    """Return whether the gradient to the input is a convolution as well."""
    KH, KW = layer.params["w"].shape[2:]
    return layer.stride == 1 and 1 < KH == KW > layer.pad


def turned(w: Array) -> Array:
    """Return the filters of the convolution that takes dout to dx: turned by 180°, filters and channels exchanged."""
    return w[:, :, ::-1, ::-1].swapaxes(0, 1)


def mix_channels(x: Array, matrix: Array, bias: Array | None) -> Array:
    """Return x, (N, C, H, W), times the matrix (C, F) at each pixel."""
    N, C, H, W = x.shape
    pixels = x.transpose(0, 2, 3, 1).reshape(-1, C)
    out = empty((len(pixels), matrix.shape[1]), np.result_type(x, matrix))

    def mix(piece: slice) -> None:
        np.matmul(pixels[piece], matrix, out=out[piece])
        if bias is not None:
            out[piece] += bias

    work = len(pixels) * matrix.size
    share_out(mix, pieces(len(pixels), work), work)
    return out.reshape(N, H, W, -1).transpose(0, 3, 1, 2)
