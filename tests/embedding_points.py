"""Points for the tests of embeddings."""

import numpy as np

from minicnn.backend import to_device


def clusters(rng, count=120, groups=4, dtype=np.float32):
    """Return points (count, 10) in well separated groups, and the group of each."""
    labels = np.arange(count) % groups
    return (10 * rng.standard_normal((groups, 10))[labels] + rng.standard_normal((count, 10))).astype(dtype), labels


def on(xp, x):
    """Return x as an array of the module xp."""
    return to_device(x, "cpu" if xp is np else "gpu")


def dense(p):
    """Return Pairs as a matrix (N, N)."""
    N = len(p.starts) - 1
    out = np.zeros((N, N), p.values.dtype)
    out[p.rows, p.columns] = p.values
    return out
