"""Give the feature maps of a photo the statistics of another picture's: whitening and colouring, or AdaIN."""

from typing import Any, NamedTuple

from minicnn.arguments import describe
from minicnn.backend import Array, get_array_module
from minicnn.errors import InputError
from minicnn.visualize.arrays import as_floats, in_type_of

ROUNDING = 1e-9  # of the features' largest mean square: smaller variances are rounding of float32 and count as zero
BLOCK = 2**16    # positions whose features are in memory as float64 at a time


class FeatureStatistics(NamedTuple):
    """The mean of each channel over all positions, (C,), and the covariance of the channels, (C, C), float64."""

    mean: Array
    covariance: Array

    @property
    def floor(self) -> Array:
        """The variance that counts as zero."""
        return ROUNDING * (self.covariance.diagonal().max() + (self.mean * self.mean).max())


def whiten_and_colour(content: Any, style: Any, mask: Any = None) -> Array:
    """Return the content's features with the style's mean and covariance: Li et al. 2017 (arXiv:1705.08086), section 3.

    Whitening removes all correlations between the channels, and colouring gives them the correlations of the style. A
    direction in which the content's features do not vary stays empty.

    Parameters
    ----------
    content, style : features of shape (1, C, H, W). The style may have another height and width.
    mask : the part of the content to transform, (H, W) from 0 to 1, or None for all of it. Only this part's statistics
        are changed to the style's. The other positions get the same transform.

    Raises InputError if the shapes do not fit.

    >>> features = net.predict(x, "relu1")
    >>> whiten_and_colour(features, features).shape == features.shape
    True
    """
    content, style, mask = require_features(content, style, mask)
    source, target = feature_statistics(content, mask), feature_statistics(style)
    whiten, colour = covariance_power(source, -0.5), covariance_power(target, 0.5)
    return transformed(content, source.mean, colour @ whiten, target.mean)


def adaptive_instance_norm(content: Any, style: Any, mask: Any = None) -> Array:
    """Return the content's features with each channel's mean and variance from the style: AdaIN.

    Huang and Belongie 2017 (arXiv:1703.06868), equation 8. It takes the arguments of `whiten_and_colour`.

    >>> features = net.predict(x, "relu1")
    >>> adaptive_instance_norm(features, features).shape == features.shape
    True
    """
    content, style, mask = require_features(content, style, mask)
    xp = get_array_module(content)
    source, target = feature_statistics(content, mask), feature_statistics(style)
    variance = source.covariance.diagonal()
    varies = variance > source.floor
    scale = xp.sqrt(xp.where(varies, target.covariance.diagonal() / xp.where(varies, variance, 1), 0))
    return transformed(content, source.mean, xp.diag(scale), target.mean)


def transformed(features: Array, mean: Array, matrix: Array, new_mean: Array) -> Array:
    """Return matrix @ (f - mean) + new_mean for the features f, (C,), at each position: (1, C, H, W)."""
    dtype, rows = features.dtype, features[0].reshape(len(mean), -1)  # (C, H W)
    out = matrix.astype(dtype) @ (rows - mean.astype(dtype)[:, None]) + new_mean.astype(dtype)[:, None]
    return out.reshape(features.shape)


def feature_statistics(features: Array, mask: Array | None = None) -> FeatureStatistics:
    """Return the FeatureStatistics of features (1, C, H, W). mask : the weight of each position, (H, W); None: equal.

    Raises InputError if they are not finite.

    >>> feature_statistics(net.predict(x, "relu1")).covariance.shape
    (24, 24)
    """
    xp = get_array_module(features)
    rows = features[0].reshape(features.shape[1], -1)  # (C, H W)
    weights = xp.ones(rows.shape[1]) if mask is None else mask.reshape(-1).astype("float64")
    weights = weights / weights.sum()
    blocks = [slice(start, start + BLOCK) for start in range(0, rows.shape[1], BLOCK)]
    mean = sum(rows[:, block].astype("float64") @ weights[block] for block in blocks)
    covariance = xp.zeros((len(rows), len(rows)))
    for block in blocks:
        centred = rows[:, block].astype("float64") - mean[:, None]
        covariance += (centred * weights[block]) @ centred.T
    if not bool(xp.isfinite(covariance).all()):
        raise InputError("the features have no finite covariance: they are too large for float64, or are not numbers")
    return FeatureStatistics(mean, covariance)


def covariance_power(statistics: FeatureStatistics, power: float) -> Array:
    """Return the covariance to a power, by its eigenvectors. Directions without variance stay 0."""
    xp = get_array_module(statistics.covariance)
    values, vectors = xp.linalg.eigh(statistics.covariance)
    varies = values > statistics.floor
    powers = xp.where(varies, xp.where(varies, values, 1) ** power, 0)
    return (vectors * powers) @ vectors.T


def require_features(content: Any, style: Any, mask: Any) -> tuple[Array, Array, Array | None]:
    """Return content, style and mask as arrays of one type on one device. Raises InputError if they do not fit."""
    content = as_floats("content", content, "(1, C, H, W)", 4)
    style = in_type_of("style", as_floats("style", style, "(1, C, H, W)", 4), content)
    if len(content) != 1 or style.shape[:2] != content.shape[:2]:
        raise InputError(f"content and style have the shapes {content.shape} and {style.shape}; expected features "
                         "(1, C, H, W) of the same layer, of one picture each")
    if mask is None:
        return content, style, None
    mask = in_type_of("mask", as_floats("mask", mask, "(H, W)", 2), content)
    if mask.shape != content.shape[2:] or not bool((mask >= 0).all()) or not bool(mask.sum() > 0):
        raise InputError(f"mask is {describe(mask)}; expected {content.shape[2:]} numbers from 0 to 1, not all 0")
    return content, style, mask
