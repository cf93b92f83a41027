"""Normalizations: over the batch, over one image, over neighbouring channels."""

import copy
from typing import Any

from minicnn.backend import Array, Generator, device_of, get_array_module, to_device
from minicnn.errors import InputError
from minicnn.initialize import ones, zeros
from minicnn.layers.layer import ONE_PIXEL, Field, Layer
from minicnn.layers.sums import mean_over, sum_over

FLAT = 256  # rounding errors: a channel whose standard deviation is smaller has the same value everywhere


def normalize(x: Array, axes: tuple[int, ...], eps: float) -> tuple[Array, Array, Array, Array]:
    """Return x_hat = (x - mean) / sqrt(variance + eps) over `axes`, 1 / sqrt(variance + eps), mean and variance.

    x_hat is 0 where the channel `is_flat`.
    """
    xp = get_array_module(x)
    mean = mean_over(x, axes)
    centred = x - mean
    variance = mean_over(centred * centred, axes)
    inverse_std = 1 / xp.sqrt(variance + eps)
    return centred * (inverse_std * ~is_flat(mean, variance)), inverse_std, mean, variance


def is_flat(mean: Array, variance: Array) -> Array:
    """Return where the variance of a channel is only rounding error, as in a picture of one colour.

    1 / sqrt(eps) is about 300, so each normalization would amplify the rounding errors 300 times, and several of them
    make strokes of it. The errors are relative to the largest channel: a convolution computes all from one input.
    mean, variance : (N, C, ...).
    """
    xp = get_array_module(mean)
    rounding = xp.finfo(mean.dtype).eps * abs(mean).max(axis=1, keepdims=True)
    return variance <= (FLAT * rounding) ** 2


def normalize_backward(dx_hat: Array, x_hat: Array, inverse_std: Array, axes: tuple[int, ...]) -> Array:
    """Return the gradient to x of `normalize`, whose mean and variance depend on each x.

    Ioffe and Szegedy 2015 (arXiv:1502.03167), section 3.
    """
    return inverse_std * (dx_hat - mean_over(dx_hat, axes) - x_hat * mean_over(dx_hat * x_hat, axes))


class BatchNorm2D(Layer):
    """gamma x_hat + beta for each channel, (N, C, H, W) -> the same shape (Ioffe and Szegedy 2015, arXiv:1502.03167).

    In training, x_hat is normalized by the mean and variance of the batch, whose running averages are kept in
    `buffers` ("mean", "var"). Otherwise it is normalized by these averages.
    """

    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.params = {"gamma": ones(channels), "beta": zeros(channels)}
        self.buffers = {"mean": zeros(channels), "var": ones(channels)}

    def forward(self, x: Array) -> tuple[Array, Any]:
        xp = get_array_module(x)
        inverse_std = 1 / xp.sqrt(self.buffers["var"][:, None, None] + self.eps)
        x_hat = (x - self.buffers["mean"][:, None, None]) * inverse_std
        return self._scaled(x_hat), (x_hat, inverse_std, False)

    def forward_train(self, *xs: Array, rng: Generator) -> tuple[Array, Any]:
        x, = xs
        x_hat, inverse_std, mean, variance = normalize(x, (0, 2, 3), self.eps)
        count = x.size // x.shape[1]
        if count < 2:
            raise InputError(f"batch normalization cannot train on one value per channel (input of shape {x.shape})")
        unbiased = variance.ravel() * (count / (count - 1))
        for name, value in (("mean", mean.ravel()), ("var", unbiased)):
            self.buffers[name] = (1 - self.momentum) * self.buffers[name] + self.momentum * value
        return self._scaled(x_hat), (x_hat, inverse_std, True)

    def _scaled(self, x_hat: Array) -> Array:
        return self.params["gamma"][:, None, None] * x_hat + self.params["beta"][:, None, None]

    def backward(self, dout: Array, cache: Any) -> Array:
        # out = gamma x_hat + beta
        x_hat, inverse_std, from_batch = cache
        dx_hat = dout * self.params["gamma"][:, None, None]
        if from_batch:
            return normalize_backward(dx_hat, x_hat, inverse_std, (0, 2, 3))
        return dx_hat * inverse_std

    def backward_params(self, dout: Array, cache: Any) -> dict[str, Array]:
        # out = gamma x_hat + beta
        x_hat = cache[0]
        return {"gamma": sum_over(dout * x_hat, (0, 2, 3)), "beta": sum_over(dout, (0, 2, 3))}

    def field(self) -> Field:
        return ONE_PIXEL

    def __repr__(self) -> str:
        return f"BatchNorm2D({self.params['gamma'].size})"


class InstanceNorm2D(Layer):
    """gamma x_hat + beta, normalized within each image and channel (Ulyanov et al. 2016, arXiv:1607.08022)."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.params = {"gamma": ones(channels), "beta": zeros(channels)}

    def forward(self, x: Array) -> tuple[Array, Any]:
        x_hat, inverse_std, _, _ = normalize(x, (2, 3), self.eps)
        return self.params["gamma"][:, None, None] * x_hat + self.params["beta"][:, None, None], (x_hat, inverse_std)

    def backward(self, dout: Array, cache: Any) -> Array:
        # out = gamma x_hat + beta
        x_hat, inverse_std = cache
        return normalize_backward(dout * self.params["gamma"][:, None, None], x_hat, inverse_std, (2, 3))

    def backward_params(self, dout: Array, cache: Any) -> dict[str, Array]:
        # out = gamma x_hat + beta
        x_hat, _ = cache
        return {"gamma": sum_over(dout * x_hat, (0, 2, 3)), "beta": sum_over(dout, (0, 2, 3))}

    def field(self) -> None:
        return None

    def __repr__(self) -> str:
        return f"InstanceNorm2D({self.params['gamma'].size})"


class ConditionalInstanceNorm2D(Layer):
    """Instance normalization with one row of gamma and beta, (S, C), for each style (Dumoulin et al. 2016).

    arXiv:1610.07629. style : weights of the rows, which sum to 1: (S,) for all images, or (N, S), a row each.
    """

    def __init__(self, channels: int, num_styles: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.params = {"gamma": ones((num_styles, channels)), "beta": zeros((num_styles, channels))}
        self.style = zeros(num_styles)
        self.style[0] = 1

    def with_style(self, style: Array) -> "ConditionalInstanceNorm2D":
        """Return a layer that shares these parameters and applies the mixture `style` of their rows."""
        if style.shape[-1:] != self.style.shape[-1:]:
            raise InputError(f"expected weights of {self.style.shape[-1]} styles, got shape {style.shape}")
        sibling = copy.copy(self)
        sibling.style = style
        return sibling

    def mixed(self) -> InstanceNorm2D:
        """Return the InstanceNorm2D of the mixture. Raises InputError if each image has a mixture of its own."""
        layer = InstanceNorm2D(self.params["gamma"].shape[1], self.eps)
        style = self._style_on(self.params["gamma"])
        if len(style) > 1:
            raise InputError(f"expected one mixture of styles for all images, got {len(style)}")
        layer.params = {key: (style @ rows)[0] for key, rows in self.params.items()}
        return layer

    def _style_on(self, x: Array) -> Array:
        """Return the mixture as (N, S) or (1, S), on the device and in the type of `x`."""
        style = self.style if self.style.ndim == 2 else self.style[None]
        return to_device(style, device_of(x)).astype(x.dtype, copy=False)

    def forward(self, x: Array) -> tuple[Array, Any]:
        x_hat, inverse_std, _, _ = normalize(x, (2, 3), self.eps)
        style = self._style_on(x)
        gamma, beta = style @ self.params["gamma"], style @ self.params["beta"]  # (N or 1, C)
        return gamma[:, :, None, None] * x_hat + beta[:, :, None, None], (x_hat, inverse_std)

    def backward(self, dout: Array, cache: Any) -> Array:
        # out = (style @ gamma) x_hat + style @ beta
        x_hat, inverse_std = cache
        gamma = self._style_on(dout) @ self.params["gamma"]
        return normalize_backward(dout * gamma[:, :, None, None], x_hat, inverse_std, (2, 3))

    def backward_params(self, dout: Array, cache: Any) -> dict[str, Array]:
        # out = (style @ gamma) x_hat + style @ beta, so dgamma = style.T @ (sum of dout x_hat over positions)
        x_hat, _ = cache
        dgamma, dbeta = sum_over(dout * x_hat, (2, 3)), sum_over(dout, (2, 3))  # (N, C)
        style = self._style_on(dout)
        if len(style) == 1:
            dgamma, dbeta = dgamma.sum(axis=0, keepdims=True), dbeta.sum(axis=0, keepdims=True)
        return {"gamma": style.T @ dgamma, "beta": style.T @ dbeta}

    def field(self) -> None:
        return None

    def __repr__(self) -> str:
        S, C = self.params["gamma"].shape
        return f"ConditionalInstanceNorm2D({C}, num_styles={S})"


class LocalResponseNorm(Layer):
    """Krizhevsky et al. 2012, section 3.3, with Caffe's alpha / size. The shape stays.

    out_c = x_c / scale_c ** beta, scale_c = k + alpha / size * sum of x² over the `size` channels around c.
    """

    def __init__(self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        if size % 2 == 0:
            raise InputError(f"local response normalization needs an odd size, so that it has a middle, not {size}")
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Array) -> tuple[Array, Any]:
        scale = self.k + self.alpha / self.size * self._sum_of_neighbours(x * x)
        return x * scale ** -self.beta, (x, scale)

    def backward(self, dout: Array, cache: Any) -> Array:
        # d out_c / d x_d = [c = d] scale_c^-beta - 2 alpha beta / size x_c x_d scale_c^(-beta - 1), for d around c
        x, scale = cache
        shared = self._sum_of_neighbours(dout * x * scale ** (-self.beta - 1))
        return dout * scale ** -self.beta - 2 * self.alpha * self.beta / self.size * x * shared

    def _sum_of_neighbours(self, x: Array) -> Array:
        """Return the sum over the `size` channels around each channel; at either end there are fewer."""
        xp = get_array_module(x)
        C = x.shape[1]
        half = min(self.size // 2, C - 1)
        total = xp.zeros_like(x)
        for offset in range(-half, half + 1):
            total[:, max(0, -offset):C - max(0, offset)] += x[:, max(0, offset):C - max(0, -offset)]
        return total

    def field(self) -> Field:
        return ONE_PIXEL
