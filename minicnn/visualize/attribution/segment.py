"""From a saliency map to the object's outline: what is salient shows the object's colours, and they find the rest.

Simonyan et al. 2013 (arXiv:1312.6034), section 3.2, with two mixtures of Gaussians and a blur in place of GrabCut.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import binary_dilation, binary_fill_holes, gaussian_filter
from scipy.ndimage import label as label_parts

from minicnn.errors import InputError

COMPONENTS, ROUNDS = 5, 8
VARIANCE = (4 / 255) ** 2  # added to every colour's, so that a flat area is no point
LARGEST_ODDS = 2.0         # of one pixel, logarithmic: none decides over its neighbourhood alone


class Mixture(NamedTuple):
    """Gaussians in the space of colours: shares (K,), means (K, C), covariances (K, C, C)."""

    shares: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


def saliency_segment(image, saliency, foreground=0.95, background=0.30):
    """The object that a saliency map (H, W) points at, as a mask, bool (H, W); host arrays.

    image : uint8 (H, W, 3). Pixels above the quantile `foreground` of the saliency are the object's seeds, those up to
    the quantile `background` the rest's; nothing is found where the saliency is the same everywhere. Simonyan et al.
    2013 (arXiv:1312.6034), section 3.2. Raises InputError for shapes that do not match, values that are not finite and
    quantiles out of order.
    """
    if image.ndim != 3 or saliency.shape != image.shape[:2] or not saliency.size:
        raise InputError(f"expected a picture (H, W, 3) and a map (H, W), got {image.shape} and {saliency.shape}")
    if not np.isfinite(saliency).all():
        raise InputError("the saliency map has values that are not finite")
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


def smoothed_odds(odds, sigma=0.025):
    """Log-odds (H, W) blurred over `sigma` of the shorter side."""
    return gaussian_filter(np.clip(odds, -LARGEST_ODDS, LARGEST_ODDS), sigma * min(odds.shape))


def largest_component(mask):
    """The largest connected part of a mask (H, W), its holes filled."""
    parts, count = label_parts(mask)
    if not count:
        return mask
    return binary_fill_holes(parts == 1 + np.bincount(parts.ravel())[1:].argmax())


def fit_mixture(colours, components=COMPONENTS, rounds=ROUNDS):
    """The Mixture that explains colours (M, C), by k-means and then expectation maximisation; always the same one."""
    powers = powers_of(colours)
    means = spread_out(colours, min(components, len(colours)))
    for _ in range(rounds):
        # |colour - mean|² without |colour|²
        nearest = ((means * means).sum(axis=1) - 2 * colours @ means.T).argmin(axis=1)
        mixture = mixture_of(powers, np.eye(len(means))[nearest])
        means = mixture.means
    for _ in range(rounds):
        log_joint = log_joint_density(mixture, powers)
        mixture = mixture_of(powers, np.exp(log_joint - log_sum_exp(log_joint)[:, None]))
    return mixture


def spread_out(colours, count):
    """`count` of the colours (M, C), far from each other: each the farthest from those before it."""
    chosen = [colours.mean(axis=0)]
    distances = np.full(len(colours), np.inf)
    for _ in range(count):
        distances = np.minimum(distances, ((colours - chosen[-1]) ** 2).sum(axis=1))
        chosen.append(colours[distances.argmax()])
    return np.stack(chosen[1:])


def powers_of(colours):
    """1, the colour and its products, (M, C) -> (M, 1 + C + C²): a Gaussian's logarithm is a weighted sum of them."""
    products = (colours[:, :, None] * colours[:, None]).reshape(len(colours), -1)
    return np.hstack([np.ones((len(colours), 1)), colours, products])


def mixture_of(powers, members):
    """The Mixture of colours whose memberships are `members` (M, K)."""
    C = channels_of(powers)
    sizes = members.sum(axis=0) + 1e-9  # of an empty component too
    moments = members.T @ powers / sizes[:, None]
    means, products = moments[:, 1:1 + C], moments[:, 1 + C:].reshape(-1, C, C)
    return Mixture(sizes / sizes.sum(), means, products - means[:, :, None] * means[:, None] + VARIANCE * np.eye(C))


def channels_of(powers):
    """C, from 1 + C + C² columns."""
    return int((powers.shape[1] - 1) ** 0.5)


def log_density(mixture, colours):
    """log p(colour) of each of (M, C), (M,)."""
    return log_sum_exp(log_joint_density(mixture, powers_of(colours)))


def log_joint_density(mixture, powers):
    """log p(component, colour), (M, K)."""
    C = channels_of(powers)
    precisions = np.linalg.inv(mixture.covariances)
    slopes = np.einsum("kcd,kd->kc", precisions, mixture.means)
    # log share + (log |precision| - C log 2 pi - (colour - mean) precision (colour - mean)) / 2
    constants = np.log(mixture.shares) + (np.linalg.slogdet(precisions)[1] - C * np.log(2 * np.pi)
                                          - (slopes * mixture.means).sum(axis=1)) / 2
    return powers @ np.hstack([constants[:, None], slopes, -precisions.reshape(-1, C * C) / 2]).T


def log_sum_exp(values):
    """log(sum(exp(values))) over the last axis."""
    largest = values.max(axis=-1, keepdims=True)
    return np.log(np.exp(values - largest).sum(axis=-1)) + largest[..., 0]


def intersection_over_union(masks, truth):
    """Of masks (N, H, W) with the true ones: the area in both over the area in either, (N,)."""
    either = (masks | truth).sum(axis=(1, 2))
    return (masks & truth).sum(axis=(1, 2)) / np.maximum(either, 1)


def outline(image, mask, colour=(255, 255, 0), width=1):
    """A copy of the picture, uint8 (H, W, 3), with the mask's border drawn around it, `width` pixels wide."""
    drawn = image.copy()
    drawn[binary_dilation(mask, iterations=width) & ~mask] = colour
    return drawn
