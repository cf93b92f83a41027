"""Normalizations: over the batch, over one image, over neighbouring channels."""

import copy

from minicnn.backend import device_of, get_array_module, to_device
from minicnn.errors import InputError
from minicnn.fast.memory import empty_like
from minicnn.layers.initialize import ones, zeros
from minicnn.layers.layer import Layer
from minicnn.layers.sums import mean_over, sum_over


def normalize(xp, x, axes, eps):
    """(x - mean) / sqrt(variance + eps) over `axes`; returns it, 1 / sqrt(...), the mean and the variance."""
    mean = mean_over(x, axes)
    centred = xp.subtract(x, mean, out=empty_like(x))
    variance = mean_over(centred * centred, axes)
    inverse_std = 1 / xp.sqrt(variance + eps)
    centred *= inverse_std
    return centred, inverse_std, mean, variance


def scale_and_shift(x_hat, gamma, beta):
    """gamma x_hat + beta, in one array."""
    xp = get_array_module(x_hat)
    out = xp.multiply(x_hat, gamma, out=empty_like(x_hat, xp.result_type(x_hat, gamma)))
    out += beta
    return out


def normalize_backward(dx_hat, x_hat, inverse_std, axes):
    """Back through `normalize`, whose mean and variance depend on every x: Ioffe and Szegedy 2015, section 3."""
    return inverse_std * (dx_hat - mean_over(dx_hat, axes) - x_hat * mean_over(dx_hat * x_hat, axes))


class BatchNorm2D(Layer):
    """Ioffe and Szegedy 2015 (arXiv:1502.03167): gamma x_hat + beta per channel, shape stays.

    In training, x_hat is normalized by the batch's mean and variance, which are also averaged into `buffers`
    ("mean", "var"); elsewhere by those averages.
    """

    cached = ("x_hat",)

    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.params = {"gamma": ones(channels), "beta": zeros(channels)}
        self.buffers = {"mean": zeros(channels), "var": ones(channels)}

    def forward(self, x):
        xp = get_array_module(x)
        inverse_std = 1 / xp.sqrt(self.buffers["var"] + self.eps)
        mean = self.buffers["mean"][:, None, None]
        x_hat = xp.subtract(x, mean, out=empty_like(x, xp.result_type(x, mean)))
        x_hat *= inverse_std[:, None, None]
        return self._scale_and_shift(x_hat), (x_hat, inverse_std[:, None, None], False)

    def forward_train(self, x, *, rng):
        xp = get_array_module(x)
        x_hat, inverse_std, mean, variance = normalize(xp, x, (0, 2, 3), self.eps)
        count = x.size // x.shape[1]
        if count < 2:
            raise InputError(f"batch normalization cannot train on one value a channel (input of shape {x.shape})")
        unbiased = variance.ravel() * (count / (count - 1))
        for name, value in (("mean", mean.ravel()), ("var", unbiased)):
            self.buffers[name] = (1 - self.momentum) * self.buffers[name] + self.momentum * value
        return self._scale_and_shift(x_hat), (x_hat, inverse_std, True)

    def _scale_and_shift(self, x_hat):
        return scale_and_shift(x_hat, self.params["gamma"][:, None, None], self.params["beta"][:, None, None])

    def backward(self, dout, cache):
        # out = gamma x_hat + beta
        x_hat, inverse_std, from_batch = cache
        xp, gamma = get_array_module(dout), self.params["gamma"][:, None, None]
        dx_hat = xp.multiply(dout, gamma, out=empty_like(dout, xp.result_type(dout, gamma)))
        if from_batch:
            return normalize_backward(dx_hat, x_hat, inverse_std, (0, 2, 3))
        dx_hat *= inverse_std
        return dx_hat

    def backward_params(self, dout, cache):
        # out = gamma x_hat + beta
        x_hat = cache[0]
        return {"gamma": sum_over(dout * x_hat, (0, 2, 3)), "beta": sum_over(dout, (0, 2, 3))}

    def __repr__(self):
        return f"BatchNorm2D({self.params['gamma'].size})"


class InstanceNorm2D(Layer):
    """Ulyanov et al. 2016 (arXiv:1607.08022): gamma x_hat + beta, normalized within each image and channel."""

    cached = ("x_hat",)

    def __init__(self, channels, eps=1e-5):
        super().__init__()
        self.eps = eps
        self.params = {"gamma": ones(channels), "beta": zeros(channels)}

    def forward(self, x):
        xp = get_array_module(x)
        x_hat, inverse_std, _, _ = normalize(xp, x, (2, 3), self.eps)
        out = scale_and_shift(x_hat, self.params["gamma"][:, None, None], self.params["beta"][:, None, None])
        return out, (x_hat, inverse_std)

    def backward(self, dout, cache):
        # out = gamma x_hat + beta
        x_hat, inverse_std = cache
        return normalize_backward(dout * self.params["gamma"][:, None, None], x_hat, inverse_std, (2, 3))

    def backward_params(self, dout, cache):
        # out = gamma x_hat + beta
        x_hat, _ = cache
        return {"gamma": sum_over(dout * x_hat, (0, 2, 3)), "beta": sum_over(dout, (0, 2, 3))}

    def __repr__(self):
        return f"InstanceNorm2D({self.params['gamma'].size})"


class ConditionalInstanceNorm2D(Layer):
    """Dumoulin et al. 2016 (arXiv:1610.07629): instance norm with a row of gamma and beta, (S, C), per style.

    `style` : the mixture of rows to use, (S,) for all images or (N, S) for each its own; weights that sum to 1.
    """

    cached = ("x_hat",)

    def __init__(self, channels, num_styles, eps=1e-5):
        super().__init__()
        self.eps = eps
        self.params = {"gamma": ones((num_styles, channels)), "beta": zeros((num_styles, channels))}
        self.style = zeros(num_styles)
        self.style[0] = 1

    def with_style(self, style):
        """A layer that shares these parameters and applies the mixture `style` of them."""
        if style.shape[-1:] != self.style.shape[-1:]:
            raise InputError(f"expected weights of {self.style.shape[-1]} styles, got shape {style.shape}")
        sibling = copy.copy(self)
        sibling.style = style
        return sibling

    def mixed(self):
        """The InstanceNorm2D of the mixture; InputError where it is not one for all images."""
        layer = InstanceNorm2D(self.params["gamma"].shape[1], self.eps)
        style = self._style_on(self.params["gamma"])
        if len(style) > 1:
            raise InputError(f"expected one mixture of styles for all images, got {len(style)}")
        layer.params = {key: (style @ rows)[0] for key, rows in self.params.items()}
        return layer

    def _style_on(self, x):
        """The mixture as (N, S) or (1, S), on the device and in the type of `x`."""
        style = self.style if self.style.ndim == 2 else self.style[None]
        return to_device(style, device_of(x)).astype(x.dtype, copy=False)

    def forward(self, x):
        xp = get_array_module(x)
        x_hat, inverse_std, _, _ = normalize(xp, x, (2, 3), self.eps)
        style = self._style_on(x)
        gamma, beta = style @ self.params["gamma"], style @ self.params["beta"]  # (N or 1, C)
        return scale_and_shift(x_hat, gamma[:, :, None, None], beta[:, :, None, None]), (x_hat, inverse_std)

    def backward(self, dout, cache):
        # out = (style @ gamma) x_hat + style @ beta
        x_hat, inverse_std = cache
        gamma = self._style_on(dout) @ self.params["gamma"]
        return normalize_backward(dout * gamma[:, :, None, None], x_hat, inverse_std, (2, 3))

    def backward_params(self, dout, cache):
        # out = (style @ gamma) x_hat + style @ beta, so dgamma = style.T @ (the sum of dout x_hat over positions)
        x_hat, _ = cache
        dgamma, dbeta = sum_over(dout * x_hat, (2, 3)), sum_over(dout, (2, 3))  # (N, C)
        style = self._style_on(dout)
        if len(style) == 1:
            dgamma, dbeta = dgamma.sum(axis=0, keepdims=True), dbeta.sum(axis=0, keepdims=True)
        return {"gamma": style.T @ dgamma, "beta": style.T @ dbeta}

    def __repr__(self):
        S, C = self.params["gamma"].shape
        return f"ConditionalInstanceNorm2D({C}, num_styles={S})"


class LocalResponseNorm(Layer):
    """Krizhevsky et al. 2012, section 3.3, with Caffe's alpha / size: shape stays.

    out_c = x_c / scale_c ** beta, scale_c = k + alpha / size * sum of x² over the `size` channels around c.
    """

    cached = ("x", "scale")

    def __init__(self, size=5, alpha=1e-4, beta=0.75, k=1.0):
        super().__init__()
        if size % 2 == 0:
            raise InputError(f"local response normalization needs an odd size, to have a middle, not {size}")
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x):
        scale = self.k + self.alpha / self.size * self._sum_of_neighbours(x * x)
        return x * scale ** -self.beta, (x, scale)

    def backward(self, dout, cache):
        # d out_c / d x_d = [c = d] scale_c^-beta - 2 alpha beta / size x_c x_d scale_c^(-beta - 1), d around c
        x, scale = cache
        shared = self._sum_of_neighbours(dout * x * scale ** (-self.beta - 1))
        return dout * scale ** -self.beta - 2 * self.alpha * self.beta / self.size * x * shared

    def _sum_of_neighbours(self, x):
        """The sum over the `size` channels around each one, fewer at either end."""
        xp = get_array_module(x)
        C = x.shape[1]
        half = min(self.size // 2, C - 1)
        total = xp.zeros_like(x)
        for offset in range(-half, half + 1):
            total[:, max(0, -offset):C - max(0, offset)] += x[:, max(0, offset):C - max(0, -offset)]
        return total
