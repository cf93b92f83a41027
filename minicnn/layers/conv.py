"""Convolution as one matrix product: every patch of the image is a row, every filter a column (im2col)."""

from itertools import product

from minicnn.backend import get_array_module
from minicnn.errors import InputError
from minicnn.fast.conv_paths import fast_backward, fast_forward, fast_weight_gradient
from minicnn.fast.winograd import WinogradWeights
from minicnn.layers.initialize import he_normal, zeros
from minicnn.layers.layer import Layer
from minicnn.layers.sums import sum_over

# Numbers in the patch matrix at a time: 1 MB of float32 stays in a core's cache; a GPU wants few, large products.
BAND = {"numpy": 2**18, "cupy": 2**26}
PART = 192     # products in a sum: the error of a float32 sum grows with their number, that of a few sums hardly
SMALL = 2**12  # numbers of an input for which looking for a faster way takes longer than it saves


def checked_winograd(winograd):
    """`winograd` itself; InputError for what is no setting of it."""
    if winograd not in (4, 2, "off"):
        raise InputError(f"winograd must be 4, 2 or 'off', not {winograd!r}")
    return winograd


class Conv2D(Layer):
    """2-D convolution (cross-correlation, as the field means it), (N, C, H, W) -> (N, F, OH, OW).

    w : (F, C / groups, KH, KW); b : (F,). OH = (H + 2 pad - KH) // stride + 1, and OW likewise.
    out[n, f, y, x] = b[f] + sum over c, i, j of w[f, c, i, j] * padded[n, c, y stride + i, x stride + j]
    With `groups`, filters and channels are split into that many independent convolutions (AlexNet 2012).
    winograd : 4, 2 or "off"; where 3x3 filters in float32 may be computed by Winograd's F(4, 3), up to 2e-5 of the
    largest output beside the truth, by F(2, 3), 1e-6, or not at all; see conv_paths.py, where that is chosen.
    """

    cached = ("x",)

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, pad=0, groups=1, bias=True, rng=None,
                 winograd=4):
        super().__init__()
        if in_channels % groups or out_channels % groups:
            raise InputError(f"groups={groups} must divide in_channels={in_channels} and "
                             f"out_channels={out_channels}")
        self.stride, self.pad, self.groups = stride, pad, groups
        self.winograd, self.winograd_weights = checked_winograd(winograd), WinogradWeights()
        self.plain = False  # True: always as below, by im2col in one thread
        shape = (out_channels, in_channels // groups, kernel_size, kernel_size)
        self.params["w"] = he_normal(shape, in_channels // groups * kernel_size**2, rng)
        if bias:
            self.params["b"] = zeros(out_channels)

    def forward(self, x):
        if x.size > SMALL and not self.plain and (out := fast_forward(self, x)) is not None:
            return out, x
        xp = get_array_module(x)
        w = self.params["w"]
        F, C, KH, KW = w.shape
        windows = self._windows(xp, x)  # (N, OH, OW, KH, KW, groups * C)
        N, OH, OW = windows.shape[:3]
        out = xp.empty((N, OH, OW, F), xp.result_type(x, w))
        rows = max(1, BAND[xp.__name__] // (OW * KH * KW * C))  # as many rows of output as fill a band,
        images = max(1, rows // OH)                # or as many whole images
        for g in range(self.groups):
            filters = slice(g * F // self.groups, (g + 1) * F // self.groups)
            w_matrix = w[filters].transpose(2, 3, 1, 0).reshape(KH * KW * C, -1)
            for n, y in product(range(0, N, images), range(0, OH, rows)):
                band = windows[n:n + images, y:y + rows, ..., g * C:(g + 1) * C]
                columns = band.reshape(-1, KH * KW * C)
                sums = columns[:, :PART] @ w_matrix[:PART]
                for part in range(PART, KH * KW * C, PART):
                    sums += columns[:, part:part + PART] @ w_matrix[part:part + PART]
                out[n:n + images, y:y + rows, :, filters] = sums.reshape(*band.shape[:3], -1)
        if "b" in self.params:
            out += self.params["b"]
        return out.transpose(0, 3, 1, 2), x

    def backward(self, dout, x):
        # out = windows . w, so every window gets dout . w.T; where windows overlap, their gradients add up.
        if dout.size > SMALL and not self.plain and (dx := fast_backward(self, dout, x)) is not None:
            return dx
        xp = get_array_module(dout)
        w = self.params["w"]
        F, C, KH, KW = w.shape
        N, _, H, W = x.shape
        _, _, OH, OW = dout.shape
        pad, stride = self.pad, self.stride
        dout = dout.transpose(0, 2, 3, 1)  # (N, OH, OW, F)
        dpadded = xp.zeros((N, H + 2 * pad, W + 2 * pad, self.groups * C), xp.result_type(dout, w))
        rows = max(1, BAND[xp.__name__] // (OW * KH * KW * C))
        images = max(1, rows // OH)
        for g in range(self.groups):
            filters = slice(g * F // self.groups, (g + 1) * F // self.groups)
            w_matrix = w[filters].transpose(0, 2, 3, 1).reshape(-1, KH * KW * C)
            for n, y in product(range(0, N, images), range(0, OH, rows)):
                band = dout[n:n + images, y:y + rows, :, filters]
                dwindows = (band.reshape(-1, band.shape[3]) @ w_matrix).reshape(*band.shape[:3], KH, KW, C)
                for i, j in product(range(KH), range(KW)):
                    top, bottom = y * stride + i, (y + band.shape[1] - 1) * stride + i + 1
                    right = (OW - 1) * stride + j + 1
                    dpadded[n:n + images, top:bottom:stride, j:right:stride, g * C:(g + 1) * C] += \
                        dwindows[:, :, :, i, j]
        return dpadded[:, pad:pad + H, pad:pad + W].transpose(0, 3, 1, 2)

    def backward_params(self, dout, x):
        # out = windows . w + b, so dw = dout.T . windows and db = the sum of dout over images and positions
        gradients = {"b": sum_over(dout, (0, 2, 3))} if "b" in self.params else {}
        if x.size > SMALL and not self.plain and (dw := fast_weight_gradient(self, dout, x)) is not None:
            return {"w": dw, **gradients}
        xp = get_array_module(dout)
        F, C, KH, KW = self.params["w"].shape
        N, _, OH, OW = dout.shape
        windows = self._windows(xp, x)  # (N, OH, OW, KH, KW, groups * C)
        dout = dout.transpose(0, 2, 3, 1)  # (N, OH, OW, F)
        dw = xp.zeros((F, KH * KW * C), xp.result_type(dout, x))
        rows = max(1, 8 * BAND[xp.__name__] // (OW * KH * KW * C))  # more than forward: each band adds to all of dw
        images = max(1, rows // OH)
        for g, n, y in product(range(self.groups), range(0, N, images), range(0, OH, rows)):
            filters = slice(g * F // self.groups, (g + 1) * F // self.groups)
            band = windows[n:n + images, y:y + rows, ..., g * C:(g + 1) * C]
            dband = dout[n:n + images, y:y + rows, :, filters]
            dw[filters] += dband.reshape(-1, dband.shape[3]).T @ band.reshape(-1, KH * KW * C)
        return {"w": dw.reshape(F, KH, KW, C).transpose(0, 3, 1, 2), **gradients}

    def _windows(self, xp, x):
        """Every patch under the filter, a view of shape (N, OH, OW, KH, KW, channels); memory is channels-last,
        so that a row of a patch lies in one run."""
        N, C, H, W = x.shape
        F, group, KH, KW = self.params["w"].shape
        pad, stride = self.pad, self.stride
        OH, OW = (H + 2 * pad - KH) // stride + 1, (W + 2 * pad - KW) // stride + 1
        if C != self.groups * group or OH < 1 or OW < 1:
            self.output_shape(x.shape)  # raises, saying what is wrong
        if pad:
            image = xp.zeros((N, H + 2 * pad, W + 2 * pad, C), x.dtype)
            image[:, pad:pad + H, pad:pad + W] = x.transpose(0, 2, 3, 1)
        else:
            image = xp.ascontiguousarray(x.transpose(0, 2, 3, 1))
        sn, sy, sx, sc = image.strides
        return xp.lib.stride_tricks.as_strided(
            image, (N, OH, OW, KH, KW, C), (sn, stride * sy, stride * sx, sy, sx, sc))

    def __getstate__(self):
        """For copies and other processes: without the transformed weights, which are made again."""
        return {**vars(self), "winograd_weights": WinogradWeights()}

    def output_shape(self, shape):
        F, C, KH, KW = self.params["w"].shape
        N, channels, H, W = shape
        if channels != C * self.groups:
            raise InputError(f"convolution expects {C * self.groups} input channels, got an input of shape {shape}")
        OH, OW = (H + 2 * self.pad - KH) // self.stride + 1, (W + 2 * self.pad - KW) // self.stride + 1
        if OH < 1 or OW < 1:
            raise InputError(f"an input of {H}x{W} is too small for a {KH}x{KW} convolution with pad {self.pad}")
        return N, F, OH, OW

    def multiply_adds(self, in_shape, out_shape):
        N, F, OH, OW = out_shape
        return N * OH * OW * self.params["w"].size

    def __repr__(self):
        F, C, KH, KW = self.params["w"].shape
        groups = f", groups={self.groups}" if self.groups > 1 else ""
        return f"Conv2D({C * self.groups}, {F}, {KH}, stride={self.stride}, pad={self.pad}{groups})"
