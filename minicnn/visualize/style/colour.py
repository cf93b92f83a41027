"""Whose colours does a painted photo have? Gatys et al. 2016 (arXiv:1606.05897), and neural-style's -original_colors.

Pictures are (H, W, 3), RGB in 0..255, on the host; uint8, or float where they are on their way to a network.
"""

import numpy as np

from minicnn.models.preprocessing import LUMA


def luminance(picture):
    """How bright each pixel is, (H, W), 0..255."""
    return picture @ LUMA.astype(np.float64)


def to_yuv(picture):
    """(H, W, 3): Y = luminance, U = 0.492 (B - Y), V = 0.877 (R - Y)."""
    y = luminance(picture)
    return np.stack([y, 0.492 * (picture[..., 2] - y), 0.877 * (picture[..., 0] - y)], axis=-1)


def keep_colours(painted, content):
    """The luminance of `painted` with the U and V of `content`, uint8.

    Where that is no colour there is, the luminance gives way, so U and V stay.
    """
    # U and V say how far red, green and blue are from Y; together they fit into 0..255 for a range of Y.
    beside = content - luminance(content)[..., None]
    y = np.clip(luminance(painted), -beside.min(axis=-1), 255 - beside.max(axis=-1))
    return np.rint(y[..., None] + beside).astype(np.uint8)


def grey(picture):
    """Its luminance three times, (H, W, 3), float."""
    return np.repeat(luminance(picture)[..., None], 3, axis=-1)


def match_luminance(style, content):
    """The style in grey, as bright and as rich in contrast as the content: section 3.2, equation 10."""
    style, content = grey(style), grey(content)
    contrast = content.std() / style.std() if style.std() else 1.0
    return (style - style.mean()) * contrast + content.mean()


def match_colours(style, content):
    """The style, its colours transformed linearly to the mean and the covariance of the content's: section 3.1.

    The matrix is the one of image analogies, C^1/2 S^-1/2. Not cut off at 0..255, as the mean would not be right then.
    """
    pixels = style.reshape(-1, 3).astype(np.float64)
    wanted = content.reshape(-1, 3).astype(np.float64)
    transform = (matrix_power(np.cov(wanted.T, bias=True), 0.5)
                 @ matrix_power(np.cov(pixels.T, bias=True), -0.5))
    return ((pixels - pixels.mean(axis=0)) @ transform.T + wanted.mean(axis=0)).reshape(style.shape)


def matrix_power(covariance, power):
    """A power of a symmetric matrix; directions without variance, as a grey picture's, stay without."""
    values, vectors = np.linalg.eigh(covariance)
    there = values > 1e-9 * max(values.max(), 1e-30)
    return (vectors[:, there] * values[there]**power) @ vectors[:, there].T
