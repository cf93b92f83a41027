"""The Gram matrix: which features occur together, wherever they are (Gatys et al. 2015, arXiv:1505.07376)."""

from minicnn.layers.layer import Layer


class Gram(Layer):
    """G = F Fᵀ, (N, C, H, W) -> (N, C, C), F being the (C, H W) features of an image.

    normalize : divide by C H W, as CS231n and neural-style do, so that sizes and layers compare.
    """

    cached = ("x",)

    def __init__(self, normalize=True):
        super().__init__()
        self.normalize = normalize

    def forward(self, x):
        pixels = self._pixels(x)  # Fᵀ
        out = pixels.transpose(0, 2, 1) @ pixels
        return out / self._divisor(x.shape), x

    def backward(self, dout, x):
        # G = F Fᵀ, so dF = (dG + dGᵀ) F, and dFᵀ = Fᵀ (dG + dGᵀ)
        N, C, H, W = x.shape
        dpixels = self._pixels(x) @ ((dout + dout.transpose(0, 2, 1)) / self._divisor(x.shape))
        return dpixels.reshape(N, H, W, C).transpose(0, 3, 1, 2)

    def _pixels(self, x):
        """(N, H W, C): the features of a pixel side by side, as they lie in memory behind a convolution."""
        N, C, H, W = x.shape
        return x.transpose(0, 2, 3, 1).reshape(N, H * W, C)

    def _divisor(self, shape):
        N, C, H, W = shape
        return C * H * W if self.normalize else 1

    def output_shape(self, shape):
        N, C, H, W = shape
        return N, C, C

    def multiply_adds(self, in_shape, out_shape):
        N, C, H, W = in_shape
        return N * C * C * H * W
