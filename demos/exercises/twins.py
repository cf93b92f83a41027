"""Inputs of the cases, and finite differences in float64: an independent definition of every gradient."""

from collections.abc import Callable

import numpy as np

from minicnn.gradient_check import numerical_gradient

Array = np.ndarray


def normal(seed: int, *shape: int) -> Array:
    """Return random numbers in float64, from a normal distribution. None of them is zero or near zero."""
    numbers = np.random.default_rng(seed).standard_normal(shape)
    return numbers + 0.01 * np.sign(numbers)


def slope(forward: Callable[[Array], Array], x: Array, dout: Array) -> Array:
    """Return the gradient of sum(forward(x) * dout) to x by central differences, with two calls per element."""
    def value(changed: Array) -> float:
        return float((forward(changed) * dout).sum())
    return numerical_gradient(value, x)
