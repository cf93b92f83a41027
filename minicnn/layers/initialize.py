"""First values of the parameters, float32 on the host."""

import numpy as np


def he_normal(shape, fan_in, rng):
    """Normal values of variance 2/fan_in (He et al. 2015); zeros where `rng` is None, for weights to be loaded."""
    if rng is None:
        return np.zeros(shape, np.float32)
    return rng.standard_normal(shape, np.float32) * np.float32((2 / fan_in) ** 0.5)


def zeros(shape):
    """float32 zeros."""
    return np.zeros(shape, np.float32)


def ones(shape):
    """float32 ones."""
    return np.ones(shape, np.float32)
