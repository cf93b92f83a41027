"""The objective number of the rank correlations of attribution maps."""

import numpy as np

from minicnn.backend import Array
from minicnn.visualize.check import Check, below


def check_correlations(maps: Array, matrix: Array) -> list[Check]:
    """Return the Check that the matrix is symmetric, with 1 on its diagonal for each map that is not constant.

    maps : (M, H, W). matrix : their rank correlations, (M, M).
    """
    varied = np.array([np.ptp(values) > 0 for values in maps])
    error = max(np.abs(matrix - matrix.T).max(), np.abs(np.diag(matrix) - varied).max())
    return [below("rank correlations: distance of the matrix from symmetric, and of its diagonal from 1", error, 1e-9)]
