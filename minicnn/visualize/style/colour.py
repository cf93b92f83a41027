"""The colours of a stylised photo: the style's, or the content's.

Gatys et al. 2016 (arXiv:1606.05897), and the option -original_colors of neural-style. Pictures are (H, W, 3), RGB from
0 to 255, on the host: uint8, or float as the input of a network.
"""

import numpy as np

from minicnn.models.preprocessing import LUMA


def luminance(picture: np.ndarray) -> np.ndarray:
    """Return the brightness of each pixel, (H, W), from 0 to 255."""
    return picture @ LUMA.astype(np.float64)


def to_yuv(picture: np.ndarray) -> np.ndarray:
    """Return (H, W, 3): Y = luminance, U = 0.492 (B - Y), V = 0.877 (R - Y)."""
    y = luminance(picture)
    return np.stack([y, 0.492 * (picture[..., 2] - y), 0.877 * (picture[..., 0] - y)], axis=-1)


def keep_colours(painted: np.ndarray, content: np.ndarray) -> np.ndarray:
    """Return the luminance of `painted` with the U and V of `content`, uint8 (H, W, 3).

    If no RGB colour has these values, the luminance is changed, and U and V are kept.
    """
    # U and V fix the differences of red, green and blue to Y. The three lie in 0..255 for a range of Y.
    differences = content - luminance(content)[..., None]
    y = np.clip(luminance(painted), -differences.min(axis=-1), 255 - differences.max(axis=-1))
    return np.rint(y[..., None] + differences).astype(np.uint8)


def grey(picture: np.ndarray) -> np.ndarray:
    """Return the luminance in all three channels, (H, W, 3), float."""
    return np.repeat(luminance(picture)[..., None], 3, axis=-1)


def match_luminance(style: np.ndarray, content: np.ndarray) -> np.ndarray:
    """Return the style in grey with the content's mean and standard deviation: section 3.2, equation 10."""
    style, content = grey(style), grey(content)
    contrast = content.std() / style.std() if style.std() else 1.0
    return (style - style.mean()) * contrast + content.mean()


def match_colours(style: np.ndarray, content: np.ndarray) -> np.ndarray:
    """Return the style with its colours transformed linearly to the content's mean and covariance: section 3.1.

    The matrix is C^1/2 S^-1/2, as in image analogies. The result is not clipped to 0..255, since clipping would
    change the mean.
    """
    pixels = style.reshape(-1, 3).astype(np.float64)
    target = content.reshape(-1, 3).astype(np.float64)
    transform = (matrix_power(np.cov(target.T, bias=True), 0.5)
                 @ matrix_power(np.cov(pixels.T, bias=True), -0.5))
    return ((pixels - pixels.mean(axis=0)) @ transform.T + target.mean(axis=0)).reshape(style.shape)


def matrix_power(covariance: np.ndarray, power: float) -> np.ndarray:
    """Return a power of a symmetric matrix. Directions without variance, as in a grey picture, stay 0."""
    values, vectors = np.linalg.eigh(covariance)
    nonzero = values > 1e-9 * max(values.max(), 1e-30)
    return (vectors[:, nonzero] * values[nonzero]**power) @ vectors[:, nonzero].T
