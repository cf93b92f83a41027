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
        pixels = x.transpose(0, 2, 3, 1)  # repeat and pad would lay out x otherwise in memory than other layers do
        return pixels.repeat(self.factor, axis=1).repeat(self.factor, axis=2).transpose(0, 3, 1, 2), None

    def backward(self, dout, cache):
        # every pixel was copied factor² times, so it gets the sum of their gradients
        N, C, OH, OW = dout.shape
        k = self.factor
        blocks = dout.transpose(0, 2, 3, 1).reshape(N, OH // k, k, OW // k, k, C)
        return blocks.sum(axis=(2, 4)).transpose(0, 3, 1, 2)

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
        sides = ((0, 0), (self.pad, self.pad), (self.pad, self.pad), (0, 0))
        padded = xp.pad(x.transpose(0, 2, 3, 1), sides, mode="constant" if self.mode == "zero" else "reflect")
        return padded.transpose(0, 3, 1, 2), None

    def backward(self, dout, cache):
        p = self.pad
        H, W = dout.shape[2] - 2 * p, dout.shape[3] - 2 * p
        if self.mode == "zero" or p == 0:
            return dout[:, :, p:p + H, p:p + W]
        # a mirrored pixel was copied, so its copies' gradients add to its own: first the rows, then the columns
        dx = dout[:, :, p:p + H].copy("K")
        dx[:, :, 1:p + 1] += dout[:, :, :p][:, :, ::-1]
        dx[:, :, H - 1 - p:H - 1] += dout[:, :, p + H:][:, :, ::-1]
        dout, dx = dx, dx[..., p:p + W].copy("K")
        dx[..., 1:p + 1] += dout[..., :p][..., ::-1]
        dx[..., W - 1 - p:W - 1] += dout[..., p + W:][..., ::-1]
        return dx

    def output_shape(self, shape):
        N, C, H, W = shape
        if self.mode == "reflect" and self.pad >= min(H, W):
            raise InputError(f"an input of {H}x{W} is too small to be mirrored by {self.pad} pixels")
        return N, C, H + 2 * self.pad, W + 2 * self.pad
