"""Naive twins of the layers: loops that read as the definition, sharing nothing with the library.

They take and return float64 NumPy arrays, and are as slow as they look: keep their inputs tiny.
"""

import math
from itertools import product

import numpy as np


def indices(*sides):
    """Every index of an array with these sides, the last one running fastest: so many nested loops in one."""
    return product(*(range(side) for side in sides))


def window_starts(size, kernel_size, stride, pad, ceil=False):
    """Where the windows along a side begin, in pixels of the unpadded image (so the first begins at -pad).

    A window must end inside the padding; with `ceil`, one more may hang over it if the others leave pixels
    uncovered, but it must begin inside the image or the padding on its left (Caffe).
    """
    starts, start = [], -pad
    while start + kernel_size <= size + pad:
        starts.append(start)
        start += stride
    covered = starts[-1] + kernel_size if starts else -pad
    if ceil and covered < size + pad and start < size:
        starts.append(start)
    return starts


# ---- convolution -------------------------------------------------------------------------------------------

def conv2d(x, w, b=None, stride=1, pad=0, groups=1):
    """out[n, f, y, x] = b[f] + the sum over c, i, j of w[f, c, i, j] times the pixel under it, 0 outside."""
    N, _, H, W = x.shape
    F, C, KH, KW = w.shape
    rows, columns = window_starts(H, KH, stride, pad), window_starts(W, KW, stride, pad)
    out = np.zeros((N, F, len(rows), len(columns)))
    for n, f, oy, ox in indices(*out.shape):
        first_channel = f // (F // groups) * C
        total = 0.0 if b is None else b[f]
        for c, i, j in indices(C, KH, KW):
            row, column = rows[oy] + i, columns[ox] + j
            if 0 <= row < H and 0 <= column < W:
                total += w[f, c, i, j] * x[n, first_channel + c, row, column]
        out[n, f, oy, ox] = total
    return out


def conv2d_multiply_adds(x_shape, w_shape, stride=1, pad=0):
    """How often the loops of `conv2d` multiply, the zeros of the padding included."""
    N, _, H, W = x_shape
    F, C, KH, KW = w_shape
    count = 0
    for _ in indices(N, F, len(window_starts(H, KH, stride, pad)), len(window_starts(W, KW, stride, pad))):
        for _ in indices(C, KH, KW):
            count += 1
    return count


# ---- pooling -----------------------------------------------------------------------------------------------

def max_pool2d(x, kernel_size, stride, pad=0, ceil=False):
    """The largest pixel of each window; padding is no pixel."""
    N, C, H, W = x.shape
    rows = window_starts(H, kernel_size, stride, pad, ceil)
    columns = window_starts(W, kernel_size, stride, pad, ceil)
    out = np.zeros((N, C, len(rows), len(columns)))
    for n, c, oy, ox in indices(*out.shape):
        largest = -math.inf
        for i, j in indices(kernel_size, kernel_size):
            row, column = rows[oy] + i, columns[ox] + j
            if 0 <= row < H and 0 <= column < W and x[n, c, row, column] > largest:
                largest = x[n, c, row, column]
        out[n, c, oy, ox] = largest
    return out


def max_pool2d_backward(dout, x, kernel_size, stride, pad=0, ceil=False):
    """Each window gives its whole gradient to its largest pixel; of equals, to the first, row by row."""
    N, C, H, W = x.shape
    rows = window_starts(H, kernel_size, stride, pad, ceil)
    columns = window_starts(W, kernel_size, stride, pad, ceil)
    dx = np.zeros(x.shape)
    for n, c, oy, ox in indices(*dout.shape):
        largest, place = -math.inf, None
        for i, j in indices(kernel_size, kernel_size):
            row, column = rows[oy] + i, columns[ox] + j
            if 0 <= row < H and 0 <= column < W and x[n, c, row, column] > largest:
                largest, place = x[n, c, row, column], (n, c, row, column)
        dx[place] += dout[n, c, oy, ox]
    return dx


def avg_pool2d(x, kernel_size, stride, pad=0, ceil=False):
    """The mean of each window; padding counts as zeros, what lies beyond the padding does not count."""
    N, C, H, W = x.shape
    rows = window_starts(H, kernel_size, stride, pad, ceil)
    columns = window_starts(W, kernel_size, stride, pad, ceil)
    out = np.zeros((N, C, len(rows), len(columns)))
    for n, c, oy, ox in indices(*out.shape):
        total, count = 0.0, 0
        for i, j in indices(kernel_size, kernel_size):
            row, column = rows[oy] + i, columns[ox] + j
            if 0 <= row < H and 0 <= column < W:
                total += x[n, c, row, column]
            if row < H + pad and column < W + pad:
                count += 1
        out[n, c, oy, ox] = total / count
    return out


def global_avg_pool2d(x):
    """The mean of each channel of each image."""
    N, C, H, W = x.shape
    out = np.zeros((N, C))
    for n, c in indices(N, C):
        total = 0.0
        for i, j in indices(H, W):
            total += x[n, c, i, j]
        out[n, c] = total / (H * W)
    return out


# ---- one number at a time ----------------------------------------------------------------------------------

def relu(x):
    """x where it is positive, else 0."""
    out = np.zeros(x.shape)
    for index in indices(*x.shape):
        if x[index] > 0:
            out[index] = x[index]
    return out


def relu_backward(dout, x):
    """The gradient passes where the input was positive."""
    dx = np.zeros(x.shape)
    for index in indices(*x.shape):
        if x[index] > 0:
            dx[index] = dout[index]
    return dx


def guided_relu_backward(dout, x):
    """The gradient passes where the input was positive and it is positive itself."""
    dx = np.zeros(x.shape)
    for index in indices(*x.shape):
        if x[index] > 0 and dout[index] > 0:
            dx[index] = dout[index]
    return dx


def deconv_relu_backward(dout, x):
    """The gradient passes where it is positive itself."""
    dx = np.zeros(x.shape)
    for index in indices(*x.shape):
        if dout[index] > 0:
            dx[index] = dout[index]
    return dx


def dropout(x, kept, rate):
    """What is kept, by the Boolean array `kept`, grows by 1 / (1 - rate); the rest is 0."""
    out = np.zeros(x.shape)
    for index in indices(*x.shape):
        if kept[index]:
            out[index] = x[index] / (1 - rate)
    return out


# ---- fully connected ---------------------------------------------------------------------------------------

def linear(x, w, b):
    """out[n, f] = b[f] + the sum over d of w[f, d] x[n, d]."""
    N, D = x.shape
    F, _ = w.shape
    out = np.zeros((N, F))
    for n, f in indices(N, F):
        out[n, f] = b[f]
        for d in range(D):
            out[n, f] += w[f, d] * x[n, d]
    return out


def linear_multiply_adds(x_shape, w_shape):
    """How often the loops of `linear` multiply."""
    count = 0
    for _ in indices(x_shape[0], *w_shape):
        count += 1
    return count


def flatten(x):
    """Each image as one row: the columns of a row of pixels first, then its rows, then the channels."""
    N, C, H, W = x.shape
    out = np.zeros((N, C * H * W))
    for n, c, i, j in indices(N, C, H, W):
        out[n, (c * H + i) * W + j] = x[n, c, i, j]
    return out


def softmax(x):
    """exp(x) over the sum of exp(x) along axis 1."""
    out = np.zeros(x.shape)
    for n, k, *place in indices(*x.shape):
        total = 0.0
        for other in range(x.shape[1]):
            total += math.exp(x[(n, other, *place)])
        out[(n, k, *place)] = math.exp(x[(n, k, *place)]) / total
    return out


# ---- normalization -----------------------------------------------------------------------------------------

def mean_and_variance(values):
    """The mean of a list of numbers, and their mean squared distance to it."""
    mean = 0.0
    for value in values:
        mean += value / len(values)
    variance = 0.0
    for value in values:
        variance += (value - mean) ** 2 / len(values)
    return mean, variance


def batch_norm2d(x, gamma, beta, mean, var, eps):
    """gamma (x - mean) / sqrt(var + eps) + beta, all of them given for each channel."""
    out = np.zeros(x.shape)
    for n, c, i, j in indices(*x.shape):
        out[n, c, i, j] = gamma[c] * (x[n, c, i, j] - mean[c]) / math.sqrt(var[c] + eps) + beta[c]
    return out


def batch_norm2d_train(x, gamma, beta, mean, var, eps, momentum):
    """(out, mean, var): normalized by the batch's statistics; the running ones move towards them.

    They move by `momentum`; the variance, as in PyTorch, towards the unbiased one: squares over (count - 1).
    """
    N, C, H, W = x.shape
    batch_mean, batch_var, new_mean, new_var = np.zeros(C), np.zeros(C), np.zeros(C), np.zeros(C)
    for c in range(C):
        values = [x[n, c, i, j] for n, i, j in indices(N, H, W)]
        batch_mean[c], batch_var[c] = mean_and_variance(values)
        unbiased = batch_var[c] * len(values) / (len(values) - 1)
        new_mean[c] = (1 - momentum) * mean[c] + momentum * batch_mean[c]
        new_var[c] = (1 - momentum) * var[c] + momentum * unbiased
    return batch_norm2d(x, gamma, beta, batch_mean, batch_var, eps), new_mean, new_var


def instance_norm2d(x, gamma, beta, eps):
    """As batch_norm2d, by the statistics of each channel of each image; gamma and beta: (C,) or (N, C)."""
    N, C, H, W = x.shape
    out = np.zeros(x.shape)
    for n, c in indices(N, C):
        mean, variance = mean_and_variance([x[n, c, i, j] for i, j in indices(H, W)])
        scale, shift = (gamma[c], beta[c]) if gamma.ndim == 1 else (gamma[n, c], beta[n, c])
        for i, j in indices(H, W):
            out[n, c, i, j] = scale * (x[n, c, i, j] - mean) / math.sqrt(variance + eps) + shift
    return out


def conditional_instance_norm2d(x, gamma, beta, style, eps):
    """instance_norm2d with gamma and beta (S, C) mixed for each image by the weights `style` (N, S)."""
    N, C, _, _ = x.shape
    mixed_gamma, mixed_beta = np.zeros((N, C)), np.zeros((N, C))
    for n, c, s in indices(N, C, len(gamma)):
        mixed_gamma[n, c] += style[n, s] * gamma[s, c]
        mixed_beta[n, c] += style[n, s] * beta[s, c]
    return instance_norm2d(x, mixed_gamma, mixed_beta, eps)


def local_response_norm(x, size, alpha, beta, k):
    """x / (k + alpha / size * the sum of squares of the `size` channels around it) ** beta."""
    N, C, H, W = x.shape
    out = np.zeros(x.shape)
    for n, c, i, j in indices(N, C, H, W):
        total = 0.0
        for neighbour in range(c - size // 2, c + size // 2 + 1):
            if 0 <= neighbour < C:
                total += x[n, neighbour, i, j] ** 2
        out[n, c, i, j] = x[n, c, i, j] / (k + alpha / size * total) ** beta
    return out


# ---- copies, sums, products --------------------------------------------------------------------------------

def upsample2d(x, factor):
    """Each pixel becomes a square of factor x factor."""
    N, C, H, W = x.shape
    out = np.zeros((N, C, H * factor, W * factor))
    for n, c, oy, ox in indices(*out.shape):
        out[n, c, oy, ox] = x[n, c, oy // factor, ox // factor]
    return out


def mirrored(place, size):
    """The pixel that a place outside a side of `size` pixels shows, the border pixels being the mirrors."""
    if place < 0:
        place = -place
    if place >= size:
        place = 2 * (size - 1) - place
    return place


def pad2d(x, pad, mode):
    """`pad` pixels more on each side: 0, or with mode "reflect" what a mirror at the border pixel shows."""
    N, C, H, W = x.shape
    out = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    for n, c, oy, ox in indices(*out.shape):
        row, column = oy - pad, ox - pad
        if mode == "reflect":
            out[n, c, oy, ox] = x[n, c, mirrored(row, H), mirrored(column, W)]
        elif 0 <= row < H and 0 <= column < W:
            out[n, c, oy, ox] = x[n, c, row, column]
    return out


def fourier_features2d(x, periods, directions):
    """The channels of x, then cosine and sine of the phase of each plane wave, in turns, at each pixel."""
    N, C, H, W = x.shape
    out = np.zeros((N, C + 2 * len(periods) * directions, H, W))
    out[:, :C] = x
    for n, i, j, row, column in indices(N, len(periods), directions, H, W):
        angle = np.pi * j / directions
        turns = (column * np.cos(angle) + row * np.sin(angle)) / periods[i]
        channel = C + 2 * (i * directions + j)
        out[n, channel, row, column], out[n, channel + 1, row, column] = (np.cos(2 * np.pi * turns),
                                                                           np.sin(2 * np.pi * turns))
    return out


def concat(*xs):
    """The channels of the first, then those of the next."""
    N, _, H, W = xs[0].shape
    out = np.zeros((N, sum(x.shape[1] for x in xs), H, W))
    for n, i, j in indices(N, H, W):
        channel = 0
        for x in xs:
            for c in range(x.shape[1]):
                out[n, channel, i, j] = x[n, c, i, j]
                channel += 1
    return out


def add(*xs):
    """The sum, number by number."""
    out = np.zeros(xs[0].shape)
    for index in indices(*out.shape):
        for x in xs:
            out[index] += x[index]
    return out


def gram(x, normalize):
    """G[n, a, b] = the sum over positions of channel a times channel b, divided by C H W if `normalize`."""
    N, C, H, W = x.shape
    out = np.zeros((N, C, C))
    for n, a, b in indices(N, C, C):
        for i, j in indices(H, W):
            out[n, a, b] += x[n, a, i, j] * x[n, b, i, j]
        if normalize:
            out[n, a, b] /= C * H * W
    return out
