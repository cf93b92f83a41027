"""Losses of the image itself, or of one layer, that keep its values or their differences small."""

from dataclasses import dataclass

from minicnn.backend import get_array_module
from minicnn.losses.terms import Activations, LossAndSeeds


@dataclass(frozen=True)
class TotalVariation:
    """Sum of (dy² + dx²)^(beta / 2) over pixels. dy and dx are the differences to the pixel below and to the right.

    Mahendran and Vedaldi 2015 (arXiv:1412.0035), equation 4. The last row and column have only one difference.
    """

    beta: float = 2.0
    layer: str = "input"

    def __call__(self, activations: Activations) -> LossAndSeeds:
        x = activations[self.layer]
        xp = get_array_module(x)
        dy, dx = xp.zeros_like(x), xp.zeros_like(x)
        dy[:, :, :-1] = x[:, :, 1:] - x[:, :, :-1]
        dx[..., :-1] = x[..., 1:] - x[..., :-1]
        squares = dy * dy + dx * dx
        if self.beta == 2:
            value, slope = squares, 2.0
        else:
            value = squares ** (self.beta / 2)
            # for beta < 2 the slope is infinite on a flat patch
            slope = self.beta * xp.maximum(squares, 1e-12) ** (self.beta / 2 - 1)
        # d value / d difference = slope * difference; the two pixels of a difference get opposite gradients
        ddy, ddx = slope * dy, slope * dx
        seed = -ddy - ddx
        seed[:, :, 1:] += ddy[:, :, :-1]
        seed[..., 1:] += ddx[..., :-1]
        return float(value.sum()), {self.layer: seed}


@dataclass(frozen=True)
class L2:
    """Sum of x²."""

    layer: str = "input"

    def __call__(self, activations: Activations) -> LossAndSeeds:
        x = activations[self.layer]
        return float((x * x).sum()), {self.layer: 2 * x}


@dataclass(frozen=True)
class PNorm:
    """Sum of |x|^p, p > 1."""

    p: float = 6.0
    layer: str = "input"

    def __call__(self, activations: Activations) -> LossAndSeeds:
        x = activations[self.layer]
        xp = get_array_module(x)
        size = abs(x)
        return float((size ** self.p).sum()), {self.layer: self.p * size ** (self.p - 1) * xp.sign(x)}
