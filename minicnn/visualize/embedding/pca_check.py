"""Objective numbers of principal components."""

import numpy as np

from minicnn.backend import Array
from minicnn.visualize.check import Check, below
from minicnn.visualize.embedding.pca import PrincipalComponents


def check_pca(x: Array, found: PrincipalComponents) -> list[Check]:
    """Return Checks that the components of points x (N, D) are orthonormal and have the variances of an SVD.

    The positions along them must leave only the dropped variances of the SVD. Points that are all equal pass, too.
    """
    x = np.asarray(x, np.float64)
    centred = x - x.mean(axis=0)
    k = len(found.axes)
    expected = np.linalg.svd(centred, compute_uv=False) ** 2 / (len(x) - 1)
    error = np.abs(found.variances - expected[:k]).max() / max(expected[0], 1e-300)
    residual = ((centred - found.positions @ found.axes) ** 2).sum() / (len(x) - 1)
    dropped = expected[k:].sum()
    return [below("axes: largest difference of their products from the identity",
                  np.abs(found.axes @ found.axes.T - np.eye(k)).max(), 1e-10),
            below("variances along the axes against numpy.linalg.svd, as a share of the largest", error, 1e-10),
            below("variance outside the axes against the sum of the dropped variances, as a share of all",
                  abs(residual - dropped) / max(expected.sum(), 1e-300), 1e-10)]
