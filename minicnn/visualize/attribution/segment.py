"""From a saliency map to the object's outline, by the colours of the most and the least salient pixels.

Simonyan et al. 2013 (arXiv:1312.6034), section 3.2, with two mixtures of Gaussians and a blur in place of GrabCut.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import binary_dilation, binary_fill_holes, gaussian_filter
from scipy.ndimage import label as label_parts

from minicnn.arguments import require_number
from minicnn.backend import Array, to_host
from minicnn.errors import InputError
from minicnn.visualize.arrays import as_picture, on_host

COMPONENTS, ROUNDS = 5, 8
VARIANCE = (4 / 255) ** 2  # added to the variance of each colour channel, so that the variance of a flat area is not 0
LARGEST_ODDS = 2.0         # limit of one pixel's log-odds: no pixel outvotes its neighbourhood


class Mixture(NamedTuple):
    """A mixture of Gaussians of colours: shares (K,), means (K, C), covariances (K, C, C)."""

    shares: Array
    means: Array
    covariances: Array


def saliency_segment(image: Array, saliency: Array, foreground: float = 0.95, background: float = 0.30) -> Array:
    """Return a mask of the object that a saliency map marks, bool (H, W) on the host.

    The most salient pixels give the object's colours, and the least salient pixels the colours of the background. The
    mask is empty if the saliency is the same everywhere.

    Parameters
    ----------
    image : uint8 (H, W, 3).
    saliency : (H, W), on the host.
    foreground : pixels above this quantile of the saliency are samples of the object.
    background : pixels up to this quantile are samples of the background.

    Raises
    ------
    InputError if the shapes do not match, a value is not finite, or 0 <= background < foreground <= 1 does not hold.

    References
    ----------
    Simonyan et al. 2013 (arXiv:1312.6034), section 3.2.

    Examples
    --------
    >>> mask = saliency_segment(photo, minicnn.visualize.saliency_map(net, x, label)[0])
    >>> mask.shape, mask.dtype
    ((64, 64), dtype('bool'))
    """
    image, saliency = to_host(as_picture("image", image)), on_host("the saliency map", saliency, "(H, W)", 2)
    if saliency.shape != image.shape[:2]:
        raise InputError(f"expected a picture (H, W, 3) and a map (H, W), got {image.shape} and {saliency.shape}")
    foreground, background = require_number("foreground", foreground), require_number("background", background)
    if not 0 <= background < foreground <= 1:
        raise InputError(f"expected quantiles 0 <= background < foreground <= 1, not {background} and {foreground}")
    low, high = np.quantile(saliency, [background, foreground])
    inside, outside = saliency > high, saliency <= low
    if not inside.any():
        return inside
    colours = image.reshape(-1, image.shape[2]) / 255
    odds = (log_density(fit_mixture(colours[inside.ravel()]), colours)
            - log_density(fit_mixture(colours[outside.ravel()]), colours)).reshape(saliency.shape)
    return largest_component(smoothed_odds(odds) > 0)


def smoothed_odds(odds: Array, sigma: float = 0.025) -> Array:
    """Return log-odds (H, W) after a Gaussian blur. sigma : as a share of the shorter side."""
    return gaussian_filter(np.clip(odds, -LARGEST_ODDS, LARGEST_ODDS), sigma * min(odds.shape))


def largest_component(mask: Array) -> Array:
    """Return the largest connected part of a mask (H, W), with its holes filled."""
    parts, count = label_parts(mask)
    if not count:
        return mask
    return binary_fill_holes(parts == 1 + np.bincount(parts.ravel())[1:].argmax())


def fit_mixture(colours: Array, components: int = COMPONENTS, rounds: int = ROUNDS) -> Mixture:
    """Return the Mixture of colours (M, C), by k-means and then expectation maximisation; always the same result."""
    powers = colour_powers(colours)
    means = distant_colours(colours, min(components, len(colours)))
    for _ in range(rounds):
        # The nearest mean by |mean|² - 2 colour mean: |colour - mean|² without |colour|², which is the same for all.
        nearest = ((means * means).sum(axis=1) - 2 * colours @ means.T).argmin(axis=1)
        mixture = weighted_mixture(powers, np.eye(len(means))[nearest])
        means = mixture.means
    for _ in range(rounds):
        log_joint = log_joint_density(mixture, powers)
        mixture = weighted_mixture(powers, np.exp(log_joint - log_sum_exp(log_joint)[:, None]))
    return mixture


def distant_colours(colours: Array, count: int) -> Array:
    """Return `count` of the colours (M, C): first the farthest from the mean, then each time the farthest from all."""
    chosen = [colours.mean(axis=0)]
    distances = np.full(len(colours), np.inf)
    for _ in range(count):
        distances = np.minimum(distances, ((colours - chosen[-1]) ** 2).sum(axis=1))
        chosen.append(colours[distances.argmax()])
    return np.stack(chosen[1:])


def colour_powers(colours: Array) -> Array:
    """Return 1, the channels and their products, (M, C) -> (M, 1 + C + C²).

    The logarithm of a Gaussian is a weighted sum of these columns.
    """
    products = (colours[:, :, None] * colours[:, None]).reshape(len(colours), -1)
    return np.hstack([np.ones((len(colours), 1)), colours, products])


def weighted_mixture(powers: Array, members: Array) -> Mixture:
    """Return the Mixture of colours whose memberships in the components are `members`, (M, K)."""
    C = channel_count(powers)
    sizes = members.sum(axis=0) + 1e-9  # so that an empty component divides by no zero
    moments = members.T @ powers / sizes[:, None]
    means, products = moments[:, 1:1 + C], moments[:, 1 + C:].reshape(-1, C, C)
    return Mixture(sizes / sizes.sum(), means, products - means[:, :, None] * means[:, None] + VARIANCE * np.eye(C))


def channel_count(powers: Array) -> int:
    """Return C for an array of 1 + C + C² columns."""
    return int((powers.shape[1] - 1) ** 0.5)


def log_density(mixture: Mixture, colours: Array) -> Array:
    """Return log p(colour) of each colour, (M, C) -> (M,)."""
    return log_sum_exp(log_joint_density(mixture, colour_powers(colours)))


def log_joint_density(mixture: Mixture, powers: Array) -> Array:
    """Return log p(component, colour), (M, K)."""
    C = channel_count(powers)
    precisions = np.linalg.inv(mixture.covariances)
    slopes = np.einsum("kcd,kd->kc", precisions, mixture.means)
    # log share + (log |precision| - C log 2 pi - (colour - mean) precision (colour - mean)) / 2
    constants = np.log(mixture.shares) + (np.linalg.slogdet(precisions)[1] - C * np.log(2 * np.pi)
                                          - (slopes * mixture.means).sum(axis=1)) / 2
    return powers @ np.hstack([constants[:, None], slopes, -precisions.reshape(-1, C * C) / 2]).T


def log_sum_exp(values: Array) -> Array:
    """Return log(sum(exp(values))) over the last axis."""
    largest = values.max(axis=-1, keepdims=True)
    return np.log(np.exp(values - largest).sum(axis=-1)) + largest[..., 0]


def intersection_over_union(masks: Array, truth: Array) -> Array:
    """Return the area in both masks over the area in either, for each pair of masks (N, H, W), (N,)."""
    either = (masks | truth).sum(axis=(1, 2))
    return (masks & truth).sum(axis=(1, 2)) / np.maximum(either, 1)


def outline(image: Array, mask: Array, colour: tuple[int, int, int] = (255, 255, 0), width: int = 1) -> Array:
    """Return a copy of the picture, uint8 (H, W, 3), with a border of `width` pixels drawn around the mask."""
    drawn = image.copy()
    drawn[binary_dilation(mask, iterations=width) & ~mask] = colour
    return drawn
