"""Projections: what happens to the image after an update."""

from dataclasses import dataclass
from typing import Any

from minicnn.backend import Array, get_array_module, get_ndimage
from minicnn.errors import InputError
from minicnn.optimize.updates import FirstOrder


@dataclass(frozen=True)
class Clamp:
    """Keep the image between `low` and `high`: numbers, or arrays of shape (C, 1, 1) on the image's device."""

    low: Any
    high: Any

    def __call__(self, image: Array, step: int | None) -> Array:
        return get_array_module(image).clip(image, self.low, self.high)


@dataclass(frozen=True)
class Blur:
    """Blur the image with a Gaussian of standard deviation `sigma` pixels, after every `every`-th step."""

    sigma: float
    every: int = 1

    def __call__(self, image: Array, step: int) -> Array:
        if step % self.every:
            return image
        return get_ndimage(image).gaussian_filter(image, (0, 0, self.sigma, self.sigma))


@dataclass(frozen=True)
class Decay:
    """Remove a share of the image after each step: image * (1 - share), towards 0, the mean colour.

    The L2 decay of Yosinski et al. 2015 (arXiv:1506.06579), section 4.
    Raises InputError if the share is not from 0 to below 1.
    """

    share: float

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise InputError(f"the decay is the share of the image that a step removes: from 0 to below 1, not "
                             f"{self.share}")

    def __call__(self, image: Array, step: int) -> Array:
        return image * (1 - self.share)


@dataclass(frozen=True)
class SmallNorm:
    """Set the `percent` of each image's pixels with the smallest norm over the channels to 0.

    Yosinski et al. 2015 (arXiv:1506.06579), section 4.
    """

    percent: float

    def __call__(self, image: Array, step: int) -> Array:
        return image * above_percentile((image * image).sum(axis=1, keepdims=True), self.percent)


@dataclass(frozen=True)
class SmallContribution:
    """Set the `percent` of each image's pixels with the smallest contribution to the loss to 0.

    The contribution of a pixel, to first order, is |sum over channels of image * gradient|, with the gradient of the
    last step of `update`. Yosinski et al. 2015 (arXiv:1506.06579), section 4.
    """

    percent: float
    update: FirstOrder

    def __call__(self, image: Array, step: int) -> Array:
        contribution = abs((image * self.update.gradient).sum(axis=1, keepdims=True))
        return image * above_percentile(contribution, self.percent)


def above_percentile(values: Array, percent: float) -> Array:
    """Return a mask of the shape of `values`, (N, 1, H, W): True for values not below the percentile of their image."""
    xp = get_array_module(values)
    return values >= xp.percentile(values, percent, axis=(2, 3), keepdims=True).astype(values.dtype)
