"""Which way a convolution is computed, and the ways that are faster than im2col for some shapes. On NumPy only.

Conv2D asks `fast_forward` and `fast_backward` first; where they return None, im2col it is, as conv.py has it:
- Winograd's minimal filtering (winograd.py) for 3x3 filters of stride 1 with many channels on both sides, in float32:
  up to four times fewer multiplications, and a little less exact;
- one product for 1x1 filters of stride 1, without patches;
- planes as the rows of a matrix (planes.py), where there are only a few channels on one side: first layers, the way
  back to the picture, the last layer of a network that makes pictures;
- back through a convolution with fewer filters than channels, the convolution with the turned filters: its patches are
  the smaller ones. For the weight gradient likewise.
"""

import copy
import math

import numpy as np

from minicnn.fast.memory import channels_last, empty
from minicnn.fast.planes import FEW, convolve_few_channels, convolve_into_few_channels, spread_to_few_channels
from minicnn.fast.threads import LEAST_WORK, pieces, share_out
from minicnn.fast.winograd import winograd_convolution

MANY = 16  # channels in and out that Winograd's transforms need to pay
MANY_CHANNELS = 256  # in and out of a 1x1 convolution, for which to look whether all have a gradient
FEW_PIXELS, MANY_WEIGHTS = 16**2, 2**14  # beyond: fetching F(4, 3)'s weights costs more than F(2, 3)'s multiplications


def fast_forward(layer, x):
    """`out` of the Conv2D `layer` for x, by the fastest way; None where that is im2col."""
    if not isinstance(x, np.ndarray) or layer.groups > 1:
        return None
    w, bias = layer.params["w"], layer.params.get("b")
    F, C, KH, KW = w.shape
    N, _, OH, OW = layer.output_shape(x.shape)  # raises where x does not fit
    if m := winograd_tile(layer, C, F, N * OH * OW, x.dtype):
        return winograd_convolution(x, layer.winograd_weights.forward(w, m), bias, layer.pad)
    if KH == KW == 1 and layer.pad == 0 and layer.stride == 1:
        return mix_channels(x, w[:, :, 0, 0].T, bias)
    if F <= FEW and C >= MANY and layer.stride == 1:
        return convolve_into_few_channels(x, w, bias, layer.pad)
    if C <= FEW:
        return convolve_few_channels(x, w, bias, layer.stride, layer.pad)
    if N * OH * OW * w.size > LEAST_WORK:
        return convolve_in_pieces(layer, x, (N, F, OH, OW))
    return None


def fast_backward(layer, dout, x):
    """The gradient to x, from `dout`; None where that is im2col's."""
    if not isinstance(dout, np.ndarray) or layer.groups > 1:
        return None
    w = layer.params["w"]
    F, C, KH, KW = w.shape
    N, _, H, W = x.shape
    if layer.pad < KH and (m := winograd_tile(layer, F, C, N * H * W, dout.dtype)):
        return winograd_back(dout, layer.winograd_weights.backward(w, m), (H, W), layer.pad)
    if KH == KW == 1 and layer.pad == 0 and layer.stride == 1:
        return mix_channels(*used_channels(dout, w[:, :, 0, 0]), None)
    if C <= FEW:
        return spread_to_few_channels(dout, w, (H, W), layer.stride, layer.pad)
    if F <= C and is_turnable(layer):
        return turned(layer).forward(dout)[0]
    return None


def winograd_back(dout, filters, size, pad):
    """The gradient to x: at stride 1 the way back is a convolution too.

    Where dout is zero around a box, as behind a single neuron, it is computed from the box: so dx is exactly zero
    where no path leads, which Winograd's sums, rounded, are not.
    """
    N, _, OH, OW = dout.shape
    H, W = size
    top, bottom, left, right = support(dout)
    if (bottom - top, right - left) == (OH, OW):
        return winograd_convolution(dout, filters, None, 2 - pad)
    dx = np.zeros((N, H, W, len(filters.w)), dout.dtype).transpose(0, 3, 1, 2)
    if bottom > top:
        around = winograd_convolution(dout[:, :, top:bottom, left:right], filters, None, 2)
        up, down = max(0, top - pad), min(H, bottom + 2 - pad)  # pixel i of dout came from i - pad to i - pad + 2 of x
        west, east = max(0, left - pad), min(W, right + 2 - pad)
        dx[:, :, up:down, west:east] = around[
            :, :, up - top + pad:down - top + pad, west - left + pad:east - left + pad]
    return dx


def support(dout):
    """(top, bottom, left, right) of the smallest box outside of which dout is zero; at once where it is nowhere."""
    if all(edge.any() for edge in (dout[:, :, 0], dout[:, :, -1], dout[..., 0], dout[..., -1])):
        return 0, dout.shape[2], 0, dout.shape[3]
    pixels = dout.any(axis=(0, 1))
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not len(rows):
        return 0, 0, 0, 0
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


def used_channels(dout, matrix):
    """dout and the rows of the matrix (F, C) without the channels where dout is zero: behind the score of a class, all
    but one of a thousand. Looking costs 1 / C of the product."""
    if min(matrix.shape) < MANY_CHANNELS:
        return dout, matrix
    used = dout.any(axis=(0, 2, 3))
    return (dout[:, used], matrix[used]) if 0 < 2 * used.sum() < len(used) else (dout, matrix)


def fast_weight_gradient(layer, dout, x):
    """dw on several threads, and by the smaller patches where dout has fewer channels than x; None where im2col
    has it."""
    F, C, _, _ = layer.params["w"].shape
    if not isinstance(dout, np.ndarray) or layer.groups > 1:
        return None
    if F >= C or not is_turnable(layer):
        work = dout.size * layer.params["w"][0].size
        return weight_gradient_in_pieces(layer, dout, x) if work > LEAST_WORK else None
    # the sum over pixels of dout * conv(x, w) is that of x * conv(dout, turned w): so the roles can be exchanged
    dw = turned(layer).backward_params(x, dout)["w"]
    return dw[:, :, ::-1, ::-1].swapaxes(0, 1)


def convolve_in_pieces(layer, x, shape):
    """im2col of as many pieces of the picture, one below the other, as there are threads."""
    out = channels_last(np, shape, np.result_type(x, layer.params["w"]))
    work = math.prod(shape) * layer.params["w"][0].size
    inner, jobs = pieces_of(layer, x, shape[2], work)

    def convolve(piece):
        rows, rows_of_x = piece
        out[:, :, rows] = inner.forward(rows_of_x)[0]

    share_out(convolve, jobs, work)
    return out


def weight_gradient_in_pieces(layer, dout, x):
    """The sum of the weight gradients of as many pieces of the picture as there are threads."""
    work = dout.size * layer.params["w"][0].size
    inner, jobs = pieces_of(layer, x, dout.shape[2], work)
    found = []
    share_out(lambda piece: found.append((piece[0].start, inner.backward_params(dout[:, :, piece[0]], piece[1])["w"])),
              jobs, work)
    return sum(dw for _, dw in sorted(found, key=lambda pair: pair[0]))  # in one order, whichever was ready first


def pieces_of(layer, x, count, work):
    """The layer without padding, by plain im2col, and [(some of `count` rows of outputs, the rows of x they see)]."""
    inner = copy.copy(layer)
    inner.pad, inner.plain = 0, True
    pad, KH = layer.pad, layer.params["w"].shape[2]
    padded = np.pad(x.transpose(0, 2, 3, 1), ((0, 0), (pad, pad), (pad, pad), (0, 0))).transpose(0, 3, 1, 2)
    return inner, [(rows, padded[:, :, rows.start * layer.stride:(rows.stop - 1) * layer.stride + KH])
                   for rows in pieces(count, work)]


def is_turnable(layer):
    """Whether the way back is a convolution as well."""
    KH, KW = layer.params["w"].shape[2:]
    return layer.stride == 1 and 1 < KH == KW > layer.pad


def turned(layer):
    """The Conv2D that takes dout to dx: every filter turned round, filters and channels exchanged."""
    w = layer.params["w"]
    F, C, KH, _ = w.shape
    back = type(layer)(F, C, KH, pad=KH - 1 - layer.pad, bias=False, winograd="off")
    back.params["w"] = w[:, :, ::-1, ::-1].swapaxes(0, 1)
    return back


def winograd_tile(layer, C, F, pixels, dtype):
    """m of Winograd's F(m, 3) from C to F channels; 0 where it does not apply or does not pay."""
    w = layer.params["w"]
    if layer.winograd == "off" or dtype != np.float32 or w.dtype != np.float32:  # float64 asks for exact numbers
        return 0
    if w.shape[2:] != (3, 3) or layer.stride > 1 or min(C, F) < MANY:
        return 0
    return 2 if pixels <= FEW_PIXELS and C * F >= MANY_WEIGHTS else layer.winograd


def mix_channels(x, matrix, bias):
    """x of shape (N, C, H, W) times the matrix (C, F) in every pixel."""
    N, C, H, W = x.shape
    pixels = x.transpose(0, 2, 3, 1).reshape(-1, C)
    out = empty((len(pixels), matrix.shape[1]), np.result_type(x, matrix))

    def mix(piece):
        np.matmul(pixels[piece], matrix, out=out[piece])
        if bias is not None:
            out[piece] += bias

    work = len(pixels) * matrix.size
    share_out(mix, pieces(len(pixels), work), work)
    return out.reshape(N, H, W, -1).transpose(0, 3, 1, 2)
