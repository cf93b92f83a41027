"""Layers that change the size of the picture by copying pixels: upsampling and padding."""

from minicnn.backend import get_array_module
from minicnn.errors import InputError, unknown_name
from minicnn.layers.layer import Layer


class Upsample2D(Layer):
    """Nearest-neighbour upsampling, (N, C, H, W) -> (N, C, factor H, factor W)."""

    def __init__(self, factor=2):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x.repeat(self.factor, axis=2).repeat(self.factor, axis=3), None

    def backward(self, dout, cache):
        # every pixel was copied factor² times, so it gets the sum of their gradients
        N, C, OH, OW = dout.shape
        k = self.factor
        return dout.reshape(N, C, OH // k, k, OW // k, k).sum(axis=(3, 5))

    def output_shape(self, shape):
        N, C, H, W = shape
        return N, C, H * self.factor, W * self.factor


class Pad2D(Layer):
    """Adds `pad` pixels on every side, (N, C, H, W) -> (N, C, H + 2 pad, W + 2 pad).

    mode : "zero", or "reflect" (mirrored at the border pixel, which is not repeated).
    """

    def __init__(self, pad, mode="zero"):
        super().__init__()
        if mode not in ("zero", "reflect"):
            raise unknown_name("padding mode", mode, ["zero", "reflect"])
        self.pad, self.mode = pad, mode

    def forward(self, x):
        self.output_shape(x.shape)
        xp = get_array_module(x)
        sides = ((0, 0), (0, 0), (self.pad, self.pad), (self.pad, self.pad))
        return xp.pad(x, sides, mode="constant" if self.mode == "zero" else "reflect"), None

    def backward(self, dout, cache):
        p = self.pad
        H, W = dout.shape[2] - 2 * p, dout.shape[3] - 2 * p
        if self.mode == "zero" or p == 0:
            return dout[:, :, p:p + H, p:p + W]
        # a mirrored pixel was copied, so its copies' gradients add to its own: first the rows, then the columns
        dx = dout[:, :, p:p + H].copy()
        dx[:, :, 1:p + 1] += dout[:, :, :p][:, :, ::-1]
        dx[:, :, H - 1 - p:H - 1] += dout[:, :, p + H:][:, :, ::-1]
        dout, dx = dx, dx[..., p:p + W].copy()
        dx[..., 1:p + 1] += dout[..., :p][..., ::-1]
        dx[..., W - 1 - p:W - 1] += dout[..., p + W:][..., ::-1]
        return dx

    def output_shape(self, shape):
        N, C, H, W = shape
        if self.mode == "reflect" and self.pad >= min(H, W):
            raise InputError(f"an input of {H}x{W} is too small to be mirrored by {self.pad} pixels")
        return N, C, H + 2 * self.pad, W + 2 * self.pad
