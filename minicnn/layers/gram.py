"""The Gram matrix: which features occur together, at any position (Gatys et al. 2015, arXiv:1505.07376)."""

from minicnn.backend import Array
from minicnn.layers.layer import Layer


class Gram(Layer):
    """G = F Fᵀ, (N, C, H, W) -> (N, C, C), where F is the (C, H W) matrix of an image's features.

    normalize : divide by C H W, as CS231n and neural-style do, so that sizes and layers compare.
    """

    def __init__(self, normalize: bool = True) -> None:
        super().__init__()
        self.normalize = normalize

    def forward(self, x: Array) -> tuple[Array, Array]:
        pixels = self._pixels(x)  # Fᵀ, (N, H W, C)
        out = pixels.transpose(0, 2, 1) @ pixels
        return out / self._divisor(x.shape), x

    def backward(self, dout: Array, x: Array) -> Array:
        # G = F Fᵀ, so dF = (dG + dGᵀ) F, and dFᵀ = Fᵀ (dG + dGᵀ)
        N, C, H, W = x.shape
        dpixels = self._pixels(x) @ ((dout + dout.transpose(0, 2, 1)) / self._divisor(x.shape))
        return dpixels.reshape(N, H, W, C).transpose(0, 3, 1, 2)

    def _pixels(self, x: Array) -> Array:
        """Return (N, H W, C): the features of each pixel in one row."""
        N, C, H, W = x.shape
        return x.transpose(0, 2, 3, 1).reshape(N, H * W, C)

    def _divisor(self, shape: tuple[int, ...]) -> int:
        N, C, H, W = shape
        return C * H * W if self.normalize else 1

    def field(self) -> None:
        return None

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        N, C, H, W = shapes[0]
        return N, C, C

    def multiply_adds(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> int:
        N, C, H, W = in_shape
        return N * C * C * H * W
