"""Layers that change the size of the image by copying pixels: upsampling and padding."""

from minicnn.backend import Array, get_array_module
from minicnn.errors import InputError, unknown_name
from minicnn.layers.layer import Field, Layer


class Upsample2D(Layer):
    """Nearest-neighbour upsampling, (N, C, H, W) -> (N, C, factor H, factor W)."""

    def __init__(self, factor: int = 2) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Array) -> tuple[Array, None]:
        pixels = x.transpose(0, 2, 3, 1)  # channels-last, the memory order of the other layers
        return pixels.repeat(self.factor, axis=1).repeat(self.factor, axis=2).transpose(0, 3, 1, 2), None

    def backward(self, dout: Array, cache: None) -> Array:
        # each pixel was copied factor² times, so its gradient is the sum over the copies
        N, C, OH, OW = dout.shape
        k = self.factor
        blocks = dout.transpose(0, 2, 3, 1).reshape(N, OH // k, k, OW // k, k, C)
        return blocks.sum(axis=(2, 4)).transpose(0, 3, 1, 2)

    def field(self) -> Field:
        raise InputError("after an upsampling, units have receptive fields of different sizes")

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        N, C, H, W = shapes[0]
        return N, C, H * self.factor, W * self.factor


class Pad2D(Layer):
    """Add `pad` pixels on each side, (N, C, H, W) -> (N, C, H + 2 pad, W + 2 pad).

    mode : "zero", or "reflect", which mirrors the image at its border pixels without repeating them.
    """

    def __init__(self, pad: int, mode: str = "zero") -> None:
        super().__init__()
        if mode not in ("zero", "reflect"):
            raise unknown_name("padding mode", mode, ["zero", "reflect"])
        self.pad, self.mode = pad, mode

    def forward(self, x: Array) -> tuple[Array, None]:
        self.output_shape(x.shape)
        xp = get_array_module(x)
        sides = ((0, 0), (self.pad, self.pad), (self.pad, self.pad), (0, 0))
        mode = "constant" if self.mode == "zero" else "reflect"
        return xp.pad(x.transpose(0, 2, 3, 1), sides, mode=mode).transpose(0, 3, 1, 2), None

    def backward(self, dout: Array, cache: None) -> Array:
        p = self.pad
        H, W = dout.shape[2] - 2 * p, dout.shape[3] - 2 * p
        if self.mode == "zero" or p == 0:
            return dout[:, :, p:p + H, p:p + W]
        # the gradient to a mirrored copy adds to the gradient to its pixel: first the rows, then the columns
        drows = dout[:, :, p:p + H].copy("K")
        drows[:, :, 1:p + 1] += dout[:, :, :p][:, :, ::-1]
        drows[:, :, H - 1 - p:H - 1] += dout[:, :, p + H:][:, :, ::-1]
        dx = drows[..., p:p + W].copy("K")
        dx[..., 1:p + 1] += drows[..., :p][..., ::-1]
        dx[..., W - 1 - p:W - 1] += drows[..., p + W:][..., ::-1]
        return dx

    def field(self) -> Field:
        return Field(1, 1, self.pad)

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        N, C, H, W = shapes[0]
        if self.mode == "reflect" and self.pad >= min(H, W):
            raise InputError(f"an input of {H}x{W} is too small to be mirrored by {self.pad} pixels")
        return N, C, H + 2 * self.pad, W + 2 * self.pad
