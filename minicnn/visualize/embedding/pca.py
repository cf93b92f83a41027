"""Principal components: the directions in which points differ most."""

from typing import Any, NamedTuple

import numpy as np

from minicnn.backend import get_array_module
from minicnn.errors import InputError


class PrincipalComponents(NamedTuple):
    """What `pca` finds, all float64: `positions` (N, k) of the points along the `axes` (k, D), which are orthonormal;
    the `variances` (k,) along them, the largest first, with N - 1 in the denominator; the points' `mean` (D,)."""

    positions: Any
    axes: Any
    variances: Any
    mean: Any


def pca(x, components):
    """The first principal components of points x, (N, D), on their device; computed in float64, without iteration.

    By the eigenvectors of the smaller of the covariance (D, D) and the Gram matrix (N, N). The sign of an axis is such
    that its largest entry is positive. Raises InputError for less than two points, for values that are not finite and
    for more components than min(N, D). Pearson 1901; Jolliffe, Principal Component Analysis, 2002.
    """
    xp = get_array_module(x)
    if x.ndim != 2 or len(x) < 2 or not x.shape[1]:
        raise InputError(f"expected at least two points of shape (N, D), got {x.shape}")
    N, D = x.shape
    if not 1 <= components <= min(N, D):
        raise InputError(f"{N:,} points of {D:,} numbers have 1 to {min(N, D):,} components, not {components}")
    if not bool(xp.isfinite(x).all()):
        raise InputError("the points have values that are not finite")
    x = x.astype(np.float64)
    mean = x.mean(axis=0)
    x -= mean
    if D <= N:
        _, vectors = xp.linalg.eigh(x.T @ x)  # in rising order
        axes = vectors[:, ::-1][:, :components]  # (D, k)
    else:
        # x x' u = s^2 u makes x'u a principal axis, of length s; qr divides by s, and where s is 0 finds any other.
        _, vectors = xp.linalg.eigh(x @ x.T)
        axes, _ = xp.linalg.qr(x.T @ vectors[:, ::-1][:, :components])
    axes = axes.T  # (k, D)
    largest = xp.take_along_axis(axes, abs(axes).argmax(axis=1)[:, None], axis=1)
    axes = xp.ascontiguousarray(axes * xp.sign(largest))
    positions = x @ axes.T
    variances = (positions * positions).sum(axis=0) / (N - 1)
    return PrincipalComponents(positions, axes, variances, mean)
