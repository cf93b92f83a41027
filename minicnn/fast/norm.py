"""Normalizations with as few arrays as possible, in memory that is used again."""

from typing import Any

from minicnn.backend import Array, get_array_module
from minicnn.fast.memory import empty_like
from minicnn.layers import BatchNorm2D, ConditionalInstanceNorm2D, InstanceNorm2D
from minicnn.layers.norm import is_flat
from minicnn.layers.sums import mean_over


def instance_norm(layer: InstanceNorm2D | ConditionalInstanceNorm2D, x: Array) -> tuple[Array, Any]:
    """Return what `layer.forward(x)` returns."""
    xp = get_array_module(x)
    gamma, beta = scale_and_shift(layer, x)
    mean = mean_over(x, (2, 3))
    x_hat = xp.subtract(x, mean, out=empty_like(x))
    variance = mean_over(x_hat * x_hat, (2, 3))
    inverse_std = 1 / xp.sqrt(variance + layer.eps)
    x_hat *= inverse_std * ~is_flat(mean, variance)
    return scaled(x_hat, gamma, beta), (x_hat, inverse_std)


def scale_and_shift(layer: InstanceNorm2D | ConditionalInstanceNorm2D, x: Array) -> tuple[Array, Array]:
    """Return gamma and beta so that they multiply and add to an image, (C, 1, 1) or (N, C, 1, 1)."""
    gamma, beta = layer.params["gamma"], layer.params["beta"]
    if isinstance(layer, ConditionalInstanceNorm2D):
        style = layer._style_on(x)
        gamma, beta = style @ gamma, style @ beta
    return gamma[..., None, None], beta[..., None, None]


def batch_norm(layer: BatchNorm2D, x: Array) -> tuple[Array, Any]:
    """Return what `layer.forward(x)` returns: normalized by the running averages."""
    xp = get_array_module(x)
    inverse_std = 1 / xp.sqrt(layer.buffers["var"][:, None, None] + layer.eps)
    x_hat = xp.subtract(x, layer.buffers["mean"][:, None, None], out=empty_like(x))
    x_hat *= inverse_std
    gamma, beta = layer.params["gamma"][:, None, None], layer.params["beta"][:, None, None]
    return scaled(x_hat, gamma, beta), (x_hat, inverse_std, False)


def scaled(x_hat: Array, gamma: Array, beta: Array) -> Array:
    """Return gamma x_hat + beta, in one array."""
    xp = get_array_module(x_hat)
    out = xp.multiply(x_hat, gamma, out=empty_like(x_hat))
    out += beta
    return out
