"""Initial values of parameters, float32 on the host."""

import numpy as np

from minicnn.backend import Array


def he_normal(shape: tuple[int, ...], fan_in: int, rng: np.random.Generator | None) -> Array:
    """Return normal values of variance 2 / fan_in (He et al. 2015), or zeros if `rng` is None, for weights to load."""
    if rng is None:
        return np.zeros(shape, np.float32)
    return rng.standard_normal(shape, np.float32) * np.float32((2 / fan_in) ** 0.5)


def zeros(shape: int | tuple[int, ...]) -> Array:
    """Return float32 zeros."""
    return np.zeros(shape, np.float32)


def ones(shape: int | tuple[int, ...]) -> Array:
    """Return float32 ones."""
    return np.ones(shape, np.float32)
