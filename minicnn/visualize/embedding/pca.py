"""Principal component analysis: the directions of the largest variance of points."""

from typing import NamedTuple

import numpy as np

from minicnn.arguments import require_whole
from minicnn.backend import Array, get_array_module
from minicnn.errors import InputError
from minicnn.shown import html_fields, short_fields
from minicnn.visualize.arrays import as_floats


class PrincipalComponents(NamedTuple):
    """The result of `pca`, all in float64.

    positions : of the points along the axes, (N, k). axes : orthonormal, (k, D). variances : along the axes, the
    largest first, with N - 1 in the denominator, (k,). mean : of the points, (D,).
    """

    positions: Array
    axes: Array
    variances: Array
    mean: Array

    def __repr__(self) -> str:
        return short_fields(self)

    def _repr_html_(self) -> str:
        return html_fields(self)


def pca(x: Array, components: int) -> PrincipalComponents:
    """Return the first principal components of points x (N, D), computed in float64 on the device of x.

    The axes are eigenvectors of the covariance (D, D) or of the Gram matrix (N, N), whichever is smaller. The largest
    entry of each axis is positive. Pearson 1901; Jolliffe, Principal Component Analysis, 2002.

    components : from 1 to min(N, D). Raises InputError for another number, for fewer than two points and for values
    that are not finite.

    >>> pca(np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]]), 1).variances
    array([5.])
    """
    x, components = as_floats("points", x, "(N, D)", 2), require_whole("components", components)
    xp = get_array_module(x)
    if len(x) < 2:
        raise InputError(f"expected at least two points of shape (N, D), got {x.shape}")
    N, D = x.shape
    if not 1 <= components <= min(N, D):
        raise InputError(f"{N:,} points of {D:,} numbers have 1 to {min(N, D):,} components, not {components}")
    x = x.astype(np.float64)
    mean = x.mean(axis=0)
    x -= mean
    if D <= N:
        _, vectors = xp.linalg.eigh(x.T @ x)  # eigenvalues ascend
        axes = vectors[:, ::-1][:, :components]  # (D, k)
    else:
        # x x' u = s² u makes x' u a principal axis of length s. qr divides by s; if s is 0, it completes the basis.
        _, vectors = xp.linalg.eigh(x @ x.T)
        axes, _ = xp.linalg.qr(x.T @ vectors[:, ::-1][:, :components])
    axes = axes.T  # (k, D)
    largest = xp.take_along_axis(axes, abs(axes).argmax(axis=1)[:, None], axis=1)
    axes = xp.ascontiguousarray(axes * xp.sign(largest))
    positions = x @ axes.T
    variances = (positions * positions).sum(axis=0) / (N - 1)
    return PrincipalComponents(positions, axes, variances, mean)
