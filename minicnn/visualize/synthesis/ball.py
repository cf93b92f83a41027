"""Balls of changes around a picture, in levels of 255: projection, rounding to 8 bits inside the ball, and noise."""

from typing import Any

import numpy as np

from minicnn.backend import Array, Generator, get_array_module, to_device, to_host
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize.updates import TINY

NORMS = ("linf", "l2")
BELOW = 1 - 1e-6  # of the radius, so that the rounding of float32 stays in the ball


def on_the_grid(net: Network, x: Array, preprocessing: Preprocessing) -> tuple[np.ndarray, Array, Array]:
    """Return (pictures of 8 bits, uint8 (N, H, W, 3), x of these pictures, the size of a level in x, (C, 1, 1))."""
    pictures = preprocessing.to_images(to_host(x))
    low, high = preprocessing.valid_range()
    rounded, unit = (to_device(array.astype(x.dtype), net.device)
                     for array in (preprocessing.to_input(pictures), (high - low) / 255))
    return pictures, rounded, unit


def norm_of(change: Array, norm: str) -> Array:
    """Return the norm of each change (N, C, H, W) in levels, as in a picture of three colours, (N, 1, 1, 1)."""
    if norm == "linf":
        return abs(change).max(axis=(1, 2, 3), keepdims=True)
    colours = 3 / change.shape[1]  # a grey value is three colours of a picture
    return (colours * (change * change).sum(axis=(1, 2, 3), keepdims=True)) ** 0.5


class Ball:
    """The projection of images onto the ball of radius epsilon around x, in levels. unit : of a level in x, (C, 1, 1).

    Madry et al. 2018, equation 2.
    """

    def __init__(self, norm: str, x: Array, unit: Array, epsilon: float) -> None:
        self.norm, self.x, self.unit, self.epsilon = norm, x, unit, epsilon

    def __call__(self, images: Array, step: int | None) -> Array:
        return self.x + self.unit * into_ball((images - self.x) / self.unit, self.norm, self.epsilon)


def into_ball(change: Array, norm: str, epsilon: float) -> Array:
    """Return the nearest change of at most this norm, for each of N changes in levels, (N, C, H, W).

    >>> into_ball(np.full((1, 3, 1, 1), 5.0), "linf", 2).ravel()
    array([2., 2., 2.])
    """
    xp = get_array_module(change)
    if norm == "linf":
        return xp.clip(change, -epsilon, epsilon)
    return change * xp.minimum(1, BELOW * epsilon / xp.maximum(norm_of(change, norm), TINY)).astype(change.dtype)


def random_change(shape: tuple[int, ...], settings: Any, rng: Generator) -> np.ndarray:
    """Return noise in levels whose norm is epsilon, (N, C, H, W): random signs for "linf", normal noise for "l2"."""
    if settings.norm == "linf":
        return settings.epsilon * rng.choice([-1.0, 1.0], shape)
    noise = rng.standard_normal(shape)
    return noise * (settings.epsilon / norm_of(noise, "l2"))


def rounded_pictures(images: Array, x: Array, preprocessing: Preprocessing, settings: Any) -> np.ndarray:
    """Return images near x as pictures of 8 bits in the ball, uint8 (N, H, W, 3). settings : with norm and epsilon."""
    low, high = (bound.astype(np.float64) for bound in preprocessing.valid_range())
    unit = (high - low) / 255
    centre = np.rint((to_host(x) - low) / unit)  # (N, C, H, W), levels from 0 to 255
    change = round_in_ball(to_host(images - x) / unit, settings.norm, settings.epsilon)
    return preprocessing.to_images(low + unit * np.clip(centre + change, 0, 255))


def round_in_ball(change: np.ndarray, norm: str, epsilon: float) -> np.ndarray:
    """Return changes in the ball, (N, C, H, W), rounded to whole levels such that they stay in it.

    Each value is rounded to the nearest whole number. If the norm is too large then, some values that were rounded away
    from 0 are rounded towards 0 instead. Values nearest to a half come first, and the norm of the result fits.

    >>> round_in_ball(np.array([0.6, 2.7, -2.6]).reshape(1, 3, 1, 1), "l2", 4.0).ravel()
    array([ 0.,  3., -2.])
    """
    change = np.ascontiguousarray(change)
    near, inner = np.rint(change), np.trunc(change)
    if norm == "linf":
        return np.where(abs(near) > epsilon, inner, near)
    square = epsilon**2 * change.shape[1] / 3
    for rounded, towards_0, exact in zip(near, inner, change, strict=True):
        flat, excess = rounded.reshape(-1), float((rounded**2).sum()) - square
        if excess > 0:
            outward = np.flatnonzero(abs(rounded) > abs(exact))
            outward = outward[np.argsort(abs(exact - towards_0).reshape(-1)[outward], kind="stable")]
            gains = np.cumsum(2 * abs(flat[outward]) - 1)  # n² - (n - 1)²
            outward = outward[:np.searchsorted(gains, excess) + 1]
            flat[outward] = towards_0.reshape(-1)[outward]
    return near
